use crate::port::World;
use std::cell::Cell;
use std::time::Duration;

/// The end of a run's steps, by a signal or the deadline: from then on no sign-in begins and none is tried again. What is
/// in flight has a short time left after a signal, so that its session can be closed, and none after the deadline. Cleanup
/// signs in again where it has to.
pub struct RunEnd {
    /// The time of [`Clock::elapsed`](crate::port::Clock::elapsed) at which the deadline passes.
    deadline: Option<Duration>,
    is_cleanup: Cell<bool>,
}

impl RunEnd {
    /// The end of a run that begins now.
    pub fn of_run(world: &World, deadline: Option<Duration>) -> Self {
        let deadline = deadline.map(|deadline| world.clock.elapsed().saturating_add(deadline));
        Self { deadline, is_cleanup: Cell::new(false) }
    }

    /// The steps are over: what is sent now is cleanup.
    pub fn begin_cleanup(&self) {
        self.is_cleanup.set(true);
    }

    /// Whether the steps are over.
    pub fn is_cleanup(&self) -> bool {
        self.is_cleanup.get()
    }

    /// The time up to the end; `None` = as much as it takes.
    pub fn remaining(&self, world: &World) -> Option<Duration> {
        match (self.is_cleanup.get(), world.cancellation.signal()) {
            (true, _) => None,
            (false, Some(_)) => Some(Duration::ZERO),
            (false, None) => self.deadline.map(|deadline| deadline.saturating_sub(world.clock.elapsed())),
        }
    }

    /// Whether the end has come.
    pub fn has_come(&self, world: &World) -> bool {
        self.remaining(world) == Some(Duration::ZERO)
    }

    /// Waits for a signal that ends the steps.
    pub async fn signalled(&self, world: &World) {
        match self.is_cleanup.get() {
            true => std::future::pending().await,
            false => world.cancellation.cancelled().await,
        };
    }
}
