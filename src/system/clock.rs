use crate::port::Clock;
use futures_util::future::{FutureExt, LocalBoxFuture};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// The machine's clocks; [`Clock::elapsed`] counts from when this was made.
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        tokio::time::sleep(duration).boxed_local()
    }
}
