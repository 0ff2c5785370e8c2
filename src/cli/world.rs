//! The world as it is.

use super::args::{AroundArgs, StateArgs};
use super::refusal::Refusal;
use super::state;
use crate::journal::StateSignIns;
use crate::port::{Cancellation, MemoryJournal, Surroundings, World};
use crate::system::{
    HttpTransport, Keychain, SystemClock, SystemOutput, SystemRandom, SystemSurroundings, TerminalPrompt,
};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// The surroundings of a playbook in a folder.
///
/// # Errors
/// When the `.env` file cannot be used.
pub(super) fn around(folder: &Path, args: &AroundArgs) -> Result<SystemSurroundings, Refusal> {
    let surroundings = SystemSurroundings::new(folder, args.env_file.as_deref());
    let surroundings = surroundings.map_err(|error| Refusal::invalid(&error))?;
    Ok(surroundings.allow_read(&args.allow_read))
}

/// All ports made real.
pub(super) fn real_world(
    surroundings: Rc<dyn Surroundings>,
    state: &StateArgs,
    is_prompt_forbidden: bool,
    cancellation: &Cancellation,
) -> World {
    let clock = Rc::new(SystemClock::default());
    World {
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
        transport: Rc::new(HttpTransport::default()),
        store: Rc::new(Keychain::default()),
        sign_ins: Rc::new(StateSignIns::new(state::locate(state))),
        prompt: Rc::new(TerminalPrompt::new(is_prompt_forbidden, cancellation.clone())),
        surroundings,
        output: Rc::new(SystemOutput),
        journal: Rc::new(MemoryJournal::new(clock, cancellation.clone())),
        cancellation: cancellation.clone(),
    }
}
