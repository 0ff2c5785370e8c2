//! Where that lies which outlives the process.
#![expect(clippy::disallowed_methods, reason = "the environment says where the state folder is")]

use super::args::StateArgs;
use super::refusal::Refusal;
use crate::journal::{StateDir, StateDirError, StateFolder};
use crate::model::exit::Cause;
use std::env;

/// The state folder, tried before anything is sent: a run that could not keep its journal or its lock does not begin.
///
/// # Errors
/// When there is none, or it cannot be used.
pub(super) fn open(args: &StateArgs) -> Result<StateDir, Refusal> {
    tried(args).map_err(|error| Refusal {
        cause: Cause::Machine,
        reasons: vec![format!("{error}; nothing was sent")],
    })
}

/// As [`open`], for who has more to say about it.
///
/// # Errors
/// When there is none, or it cannot be used.
pub(super) fn tried(args: &StateArgs) -> Result<StateDir, StateDirError> {
    locate(args).and_then(|state| state.folder(StateFolder::Locks).map(|_| state))
}

/// The state folder, not tried yet.
///
/// # Errors
/// When there is none.
pub(super) fn locate(args: &StateArgs) -> Result<StateDir, StateDirError> {
    StateDir::locate(args.state_dir.as_deref(), &|name| env::var_os(name))
}
