//! The world as it is.

use crate::port::{Cancellation, Surroundings, World};
use crate::system::{HttpTransport, Keychain, SystemClock, SystemOutput, SystemRandom, TerminalPrompt};
use std::rc::Rc;
use std::sync::Arc;

/// All ports made real.
pub(super) fn real_world(
    surroundings: Rc<dyn Surroundings>,
    is_prompt_forbidden: bool,
    cancellation: &Cancellation,
) -> World {
    World {
        clock: Rc::new(SystemClock::default()),
        random: Arc::new(SystemRandom),
        transport: Rc::new(HttpTransport::default()),
        store: Rc::new(Keychain::default()),
        prompt: Rc::new(TerminalPrompt::new(is_prompt_forbidden, cancellation.clone())),
        surroundings,
        output: Rc::new(SystemOutput),
        cancellation: cancellation.clone(),
    }
}
