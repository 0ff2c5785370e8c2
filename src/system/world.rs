use super::{HttpTransport, MemoryStore, SystemClock, SystemOutput, SystemRandom, TerminalPrompt};
use crate::port::{Cancellation, Forgetful, MemoryJournal, Surroundings, World};
use std::rc::Rc;
use std::sync::Arc;

/// The real world, but for what outlives a process: secrets, the journal and what runs tell each other are kept in memory.
pub fn passing_world(
    surroundings: Rc<dyn Surroundings>,
    is_prompt_forbidden: bool,
    cancellation: &Cancellation,
) -> World {
    let clock = Rc::new(SystemClock::default());
    World {
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
        transport: Rc::new(HttpTransport::default()),
        store: Rc::new(MemoryStore::default()),
        sign_ins: Rc::new(Forgetful),
        prompt: Rc::new(TerminalPrompt::new(is_prompt_forbidden, cancellation.clone())),
        surroundings,
        output: Rc::new(SystemOutput),
        journal: Rc::new(MemoryJournal::new(clock, cancellation.clone())),
        cancellation: cancellation.clone(),
    }
}
