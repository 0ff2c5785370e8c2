use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use std::time::Duration;

/// The time.
pub trait Clock {
    /// The wall clock, UTC. It may be wrong and may jump.
    fn now(&self) -> Timestamp;

    /// The time since some fixed moment; it never goes back. Lives and durations are measured with it.
    fn elapsed(&self) -> Duration;

    /// Waits.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()>;
}
