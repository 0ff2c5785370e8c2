//! The time that work may take, and the wish that it ends.

use crate::port::{Clock, Reason, World};
use futures_util::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// What is in flight when a signal comes gets this long.
const GRACE: Duration = Duration::from_secs(5);

/// Why work ended before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// A signal, or the deadline of the run.
    Cancelled(Reason),
    /// The step's `within`, or the time of a cleanup block, has passed.
    OutOfTime {
        /// The time that it had.
        allowed: Duration,
    },
}

/// The bounds of a piece of work. An inner piece never has wider ones than the piece around it.
#[derive(Clone, Copy)]
pub struct Limits {
    /// The time on the monotonic clock at which it must end, and how long it was given.
    end: Option<(Duration, Duration)>,
    /// Whether it stops when the run is cancelled. Cleanup does not.
    heeds_cancellation: bool,
}

impl Limits {
    /// Those of the steps: only cancellation, which the run's deadline leads to as well.
    pub fn of_run() -> Self {
        Self { end: None, heeds_cancellation: true }
    }

    /// Those of a piece of cleanup, which has time of its own.
    pub fn of_cleanup(clock: &dyn Clock, time: Duration) -> Self {
        Self { end: None, heeds_cancellation: false }.within(clock, Some(time))
    }

    /// The limits of a piece of work inside this one that may take so long at most.
    #[must_use]
    pub fn within(self, clock: &dyn Clock, time: Option<Duration>) -> Self {
        let own = time.map(|time| (clock.elapsed().saturating_add(time), time));
        let end = match (self.end, own) {
            (Some(outer), Some(own)) => Some(if own.0 < outer.0 { own } else { outer }),
            (outer, own) => outer.or(own),
        };
        Self { end, ..self }
    }

    /// The time that is left; `None` = as much as it takes.
    pub fn remaining(&self, clock: &dyn Clock) -> Option<Duration> {
        self.end.map(|(end, _)| end.saturating_sub(clock.elapsed()))
    }

    /// Asks whether work may begin.
    ///
    /// # Errors
    /// An [`Interruption`] when it may not.
    pub fn check(&self, world: &World) -> Result<(), Interruption> {
        match (self.end, world.cancellation.reason()) {
            (_, Some(reason)) if self.heeds_cancellation => Err(Interruption::Cancelled(reason)),
            (Some((end, allowed)), _) if world.clock.elapsed() >= end => {
                Err(Interruption::OutOfTime { allowed })
            }
            _ => Ok(()),
        }
    }

    /// Waits for what is in flight: up to the end, or for a short time after the run was cancelled.
    ///
    /// # Errors
    /// An [`Interruption`], when it took longer.
    pub async fn finish<T>(&self, world: &World, work: impl Future<Output = T>) -> Result<T, Interruption> {
        match select(pin!(work), pin!(self.interruption(world, GRACE))).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right((interruption, _)) => Err(interruption),
        }
    }

    /// Sleeps, unless the run is cancelled meanwhile.
    ///
    /// # Errors
    /// An [`Interruption`], when the sleep ended early.
    pub async fn sleep(&self, world: &World, time: Duration) -> Result<(), Interruption> {
        self.check(world)?;
        let interruption = pin!(self.interruption(world, Duration::ZERO));
        match select(world.clock.sleep(time), interruption).await {
            Either::Left(_) => self.check(world),
            Either::Right((interruption, _)) => Err(interruption),
        }
    }

    async fn interruption(&self, world: &World, grace: Duration) -> Interruption {
        let cancelled = async {
            if !self.heeds_cancellation {
                return std::future::pending().await;
            }
            let reason = world.cancellation.cancelled().await;
            world.clock.sleep(grace).await;
            Interruption::Cancelled(reason)
        };
        let out_of_time = async {
            let (Some(remaining), Some((_, allowed))) = (self.remaining(&*world.clock), self.end) else {
                return std::future::pending().await;
            };
            world.clock.sleep(remaining).await;
            Interruption::OutOfTime { allowed }
        };
        match select(pin!(cancelled), pin!(out_of_time)).await {
            Either::Left((interruption, _)) | Either::Right((interruption, _)) => interruption,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::fake::FakeWorld;
    use std::future::pending;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_inner_limit_is_never_wider() {
        let fake = FakeWorld::default();
        let outer = Limits::of_run().within(&*fake.clock, Some(seconds(10)));
        let inner = outer.within(&*fake.clock, Some(seconds(60)));
        assert_eq!(inner.remaining(&*fake.clock), Some(seconds(10)));
        assert_eq!(outer.within(&*fake.clock, Some(seconds(3))).remaining(&*fake.clock), Some(seconds(3)));
        assert_eq!(Limits::of_run().remaining(&*fake.clock), None);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_takes_too_long_is_given_up() {
        let fake = FakeWorld::default();
        let world = fake.world();
        let limits = Limits::of_run().within(&*fake.clock, Some(seconds(10)));
        assert_eq!(limits.finish(&world, async { 1 }).await, Ok(1));
        let out_of_time = Interruption::OutOfTime { allowed: seconds(10) };
        assert_eq!(limits.finish(&world, pending::<()>()).await, Err(out_of_time));
        assert_eq!(fake.clock.elapsed(), seconds(10));
        assert_eq!(limits.check(&world), Err(out_of_time));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_signal_leaves_five_seconds_to_what_is_in_flight_and_none_to_sleep() {
        let fake = FakeWorld::default();
        let world = fake.world();
        world.cancellation.cancel(Reason::Signal(15));
        let cancelled = Interruption::Cancelled(Reason::Signal(15));
        let limits = Limits::of_run();
        assert_eq!(limits.finish(&world, pending::<()>()).await, Err(cancelled));
        assert_eq!(fake.clock.elapsed(), seconds(5));
        assert_eq!(limits.sleep(&world, seconds(60)).await, Err(cancelled));
        assert_eq!(fake.clock.elapsed(), seconds(5));
        assert_eq!(Limits::of_cleanup(&*fake.clock, seconds(10)).sleep(&world, seconds(1)).await, Ok(()));
    }
}
