//! The time that work may take, and the wish that it ends.

use crate::model::exit::Cause;
use crate::port::{Clock, GRACE, World};
use crate::session::SignInFailure;
use futures_util::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// Why work ended before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// The signal with this number came.
    Signal(i32),
    /// Its time has passed.
    OutOfTime(TimeLimit),
}

impl Interruption {
    /// True when it is the run that ends, not a single step.
    pub fn ends_run(self) -> bool {
        matches!(self, Self::Signal(_) | Self::OutOfTime(TimeLimit::Deadline(_)))
    }
}

/// A time that work may take, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeLimit {
    /// The playbook's `deadline`.
    Deadline(Duration),
    /// The step's `within`.
    Within(Duration),
    /// What each piece of cleanup may take.
    Cleanup(Duration),
}

impl TimeLimit {
    /// How long the work may take.
    pub fn duration(self) -> Duration {
        match self {
            Self::Deadline(time) | Self::Within(time) | Self::Cleanup(time) => time,
        }
    }
}

/// The bounds of a piece of work. An inner piece never has wider ones than the piece around it.
#[derive(Clone, Copy)]
pub struct Limits {
    /// The time on the monotonic clock at which it must end, and by which limit.
    end: Option<(Duration, TimeLimit)>,
    /// Whether it stops when the run is cancelled. Cleanup does not.
    heeds_cancellation: bool,
}

impl Limits {
    /// Those of the steps.
    pub fn of_run(clock: &dyn Clock, deadline: Option<Duration>) -> Self {
        let endless = Self { end: None, heeds_cancellation: true };
        endless.within(clock, deadline.map(TimeLimit::Deadline))
    }

    /// Those of a piece of cleanup, which has time of its own.
    pub fn of_cleanup(clock: &dyn Clock, time: Duration) -> Self {
        let endless = Self { end: None, heeds_cancellation: false };
        endless.within(clock, Some(TimeLimit::Cleanup(time)))
    }

    /// The limits of a piece of work inside this one that has a limit of its own.
    #[must_use]
    pub fn within(self, clock: &dyn Clock, limit: Option<TimeLimit>) -> Self {
        let own = limit.map(|limit| (clock.elapsed().saturating_add(limit.duration()), limit));
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

    /// What would end a wait of this length before its time, or leave none behind it.
    pub fn shortfall(&self, clock: &dyn Clock, wait: Duration) -> Option<TimeLimit> {
        let (end, limit) = self.end?;
        (end <= clock.elapsed().saturating_add(wait)).then_some(limit)
    }

    /// Asks whether work may begin.
    ///
    /// # Errors
    /// An [`Interruption`] when it may not.
    pub fn check(&self, world: &World) -> Result<(), Interruption> {
        match (self.end, world.cancellation.signal()) {
            (_, Some(signal)) if self.heeds_cancellation => Err(Interruption::Signal(signal)),
            (Some((end, limit)), _) if world.clock.elapsed() >= end => Err(Interruption::OutOfTime(limit)),
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

    /// Waits for what is not in flight: up to the end, or until the run is cancelled.
    ///
    /// # Errors
    /// An [`Interruption`], when it took longer.
    pub async fn wait<T>(&self, world: &World, work: impl Future<Output = T>) -> Result<T, Interruption> {
        self.check(world)?;
        match select(pin!(work), pin!(self.interruption(world, Duration::ZERO))).await {
            Either::Left((done, _)) => self.check(world).map(|()| done),
            Either::Right((interruption, _)) => Err(interruption),
        }
    }

    /// Waits for a sign-in that is in flight, as [`Limits::finish`] does. One that comes to a good end only after a signal has
    /// opened a session that is closed again.
    ///
    /// # Errors
    /// An [`Interruption`], when it took longer, or came to a good end only after a signal.
    pub async fn finish_sign_in<T>(
        &self,
        world: &World,
        sign_in: impl Future<Output = Result<T, SignInFailure>>,
    ) -> Result<Result<T, SignInFailure>, Interruption> {
        match self.finish(world, sign_in).await? {
            // A refusal is worth more than to hear that there was no time left.
            Err(failure) if failure.failure().cause != Cause::Unavailable => Ok(Err(failure)),
            end => self.check(world).map(|()| end),
        }
    }

    /// Waits for the reason to give work up: so long after a signal, and at the end.
    async fn interruption(&self, world: &World, signal_grace: Duration) -> Interruption {
        let cancelled = async {
            if !self.heeds_cancellation {
                return std::future::pending().await;
            }
            let signal = world.journal.cancelled().await;
            world.journal.sleep(signal_grace).await;
            Interruption::Signal(signal)
        };
        let out_of_time = async {
            let Some((end, limit)) = self.end else { return std::future::pending().await };
            world.journal.sleep(end.saturating_sub(world.clock.elapsed())).await;
            Interruption::OutOfTime(limit)
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

    #[test]
    fn an_inner_limit_is_never_wider() {
        let clock = FakeWorld::default().clock;
        let outer = Limits::of_run(&*clock, Some(seconds(10)));
        let inner = |time| outer.within(&*clock, Some(TimeLimit::Within(seconds(time)))).remaining(&*clock);
        assert_eq!(inner(60), Some(seconds(10)));
        assert_eq!(inner(3), Some(seconds(3)));
        assert_eq!(Limits::of_run(&*clock, None).remaining(&*clock), None);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_takes_too_long_is_given_up() {
        let fake = FakeWorld::default();
        let world = fake.world();
        let limits = Limits::of_run(&*fake.clock, Some(seconds(10)));
        assert_eq!(limits.finish(&world, async { 1 }).await, Ok(1));
        let out_of_time = Interruption::OutOfTime(TimeLimit::Deadline(seconds(10)));
        assert_eq!(limits.finish(&world, pending::<()>()).await, Err(out_of_time));
        assert_eq!(world.clock.elapsed(), seconds(10));
        assert_eq!(limits.check(&world), Err(out_of_time));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_signal_leaves_five_seconds_to_what_is_in_flight_and_none_to_what_waits() {
        let fake = FakeWorld::default();
        let world = fake.world();
        world.cancellation.cancel(15);
        let cancelled = Interruption::Signal(15);
        let limits = Limits::of_run(&*fake.clock, None);
        assert_eq!(limits.finish(&world, pending::<()>()).await, Err(cancelled));
        assert_eq!(world.clock.elapsed(), seconds(5));
        assert_eq!(limits.wait(&world, pending::<()>()).await, Err(cancelled));
        assert_eq!(world.clock.elapsed(), seconds(5));
        assert_eq!(Limits::of_cleanup(&*fake.clock, seconds(10)).wait(&world, async {}).await, Ok(()));
    }
}
