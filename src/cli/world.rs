//! The world as it is.

use super::args::{AroundArgs, StateArgs};
use super::refusal::Refusal;
use super::state;
use crate::journal::StateSignIns;
use crate::port::{Cancellation, Surroundings, World};
use crate::system::{Keychain, SystemSurroundings, passing_world};
use std::path::Path;
use std::rc::Rc;

/// The surroundings of a playbook in a folder.
///
/// # Errors
/// When the `.env` file cannot be used.
pub(super) fn around(folder: &Path, args: &AroundArgs) -> Result<SystemSurroundings, Refusal> {
    let surroundings = SystemSurroundings::new(folder, args.env_file.as_deref());
    let surroundings = surroundings.map_err(|error| Refusal::invalid(&error))?;
    Ok(surroundings.allow_read(&args.allow_read))
}

/// All ports made real. The journal is that of a run that has begun: until then it is kept in memory.
pub(super) fn real_world(
    surroundings: Rc<dyn Surroundings>,
    state: &StateArgs,
    is_prompt_forbidden: bool,
    cancellation: &Cancellation,
) -> World {
    World {
        store: Rc::new(Keychain::default()),
        sign_ins: Rc::new(StateSignIns::new(state::locate(state))),
        ..passing_world(surroundings, is_prompt_forbidden, cancellation)
    }
}
