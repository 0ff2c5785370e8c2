//! A world made by hand: a clock that moves when told, chance without chance, a person with prepared answers.

mod files;
mod prompt;
mod store;
mod surroundings;
mod transport;
mod world;

pub use files::FakeFiles;
pub use prompt::FakePrompt;
pub use store::FakeStore;
pub use surroundings::FakeSurroundings;
pub use transport::{Reply, ScriptedTransport, Sent};
pub use world::FakeWorld;

use super::{Clock, Random};
use futures_util::future::{FutureExt, LocalBoxFuture};
use jiff::Timestamp;
use std::cell::Cell;
use std::time::Duration;

/// A clock that stands still until someone sleeps: then it jumps.
pub struct FakeClock {
    start: Timestamp,
    elapsed: Cell<Duration>,
}

impl FakeClock {
    /// A clock at a moment (RFC 3339).
    pub fn at(moment: &str) -> Self {
        Self { start: moment.parse().expect("an RFC 3339 time"), elapsed: Cell::default() }
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.elapsed.set(self.elapsed.get() + by);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.start + self.elapsed.get()
    }

    fn elapsed(&self) -> Duration {
        self.elapsed.get()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        // The jump waits for the first poll: a sleep that loses a race against what is ready never began.
        async move { self.advance(duration) }.boxed_local()
    }
}

/// Chance that always says one half.
pub struct FakeRandom;

impl Random for FakeRandom {
    fn fraction(&self) -> f64 {
        0.5
    }

    fn uuid(&self) -> String {
        "00000000-0000-4000-8000-000000000000".to_owned()
    }

    fn run_id(&self) -> String {
        "01JD8Y3K000000000000000000".to_owned()
    }
}
