//! The world as it is.

use super::args::{AroundArgs, StateArgs};
use super::refusal::Refusal;
use super::state;
use crate::journal::StateSignIns;
use crate::port::{Cancellation, Surroundings, World};
use crate::system::{
    HttpTransport, Keychain, SystemClock, SystemOutput, SystemRandom, SystemSurroundings, TerminalPrompt,
};
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// The surroundings of a playbook in a folder. What the user should know about the `.env` file is written to `err`.
///
/// # Errors
/// When the `.env` file cannot be used.
pub(super) fn around(
    folder: &Path,
    args: &AroundArgs,
    err: &mut dyn Write,
) -> Result<SystemSurroundings, Refusal> {
    let surroundings = SystemSurroundings::new(folder, args.env_file.as_deref());
    let surroundings = surroundings.map_err(|error| Refusal::invalid(&error))?;
    for warning in surroundings.warnings() {
        writeln!(err, "warning: {warning}")?;
    }
    Ok(surroundings.allow_read(&args.allow_read))
}

/// All ports made real.
pub(super) fn real_world(
    surroundings: Rc<dyn Surroundings>,
    state: &StateArgs,
    is_prompt_forbidden: bool,
    cancellation: &Cancellation,
) -> World {
    World {
        clock: Rc::new(SystemClock::default()),
        random: Arc::new(SystemRandom),
        transport: Rc::new(HttpTransport::default()),
        store: Rc::new(Keychain::default()),
        sign_ins: Rc::new(StateSignIns::new(state::locate(state))),
        prompt: Rc::new(TerminalPrompt::new(is_prompt_forbidden, cancellation.clone())),
        surroundings,
        output: Rc::new(SystemOutput),
        cancellation: cancellation.clone(),
    }
}
