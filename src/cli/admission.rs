//! Before a run begins: the random wait of `--jitter`, and the lock that keeps a second run out.

use super::args::TimingArgs;
use super::at_work::holder_words;
use crate::document::Overlap;
use crate::engine::cancelled_before_start;
use crate::event::FailureDraft;
use crate::journal::{Claim, Holder, LockName, RunLock, StateDir};
use crate::model::exit::Cause;
use crate::model::words::duration;
use crate::plan::Plan;
use crate::port::World;
use crate::report::Progress;
use futures_util::future::{Either, select};
use std::error::Error;
use std::pin::pin;
use std::time::Duration;

/// How often a run that waits for another one asks for the lock.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// How often the moving line says how long is still to wait.
const TICK: Duration = Duration::from_secs(1);

/// Whether a run is let in when its time has come.
pub(super) enum Admission {
    /// It begins, and keeps others out as long as its lock lives, where it has one.
    Begin(Option<RunLock>),
    /// It leaves the work to the other one, as it was asked to.
    Skip(String),
    /// It does not begin.
    Refuse(FailureDraft),
}

/// A run that waits to be let in.
pub(super) struct Waiting<'a> {
    pub(super) world: &'a World,
    pub(super) progress: &'a Progress,
}

impl Waiting<'_> {
    /// Waits a random time up to this one.
    ///
    /// # Errors
    /// When a signal came.
    pub(super) async fn jitter(&self, most: Duration) -> Result<(), FailureDraft> {
        let mut left = most.mul_f64(self.world.random.fraction());
        while !left.is_zero() {
            self.progress.show(&format!("begins in {} (--jitter)", duration(left)));
            let step = left.min(TICK);
            self.sleep(step, "the random wait before the run (`--jitter`)").await?;
            left -= step;
        }
        self.progress.hide();
        Ok(())
    }

    /// Asks for the lock until it is free, or as long as `overlap` says.
    pub(super) async fn lock(
        &self,
        state: &StateDir,
        name: &LockName,
        plan: &Plan,
        overlap: Overlap,
    ) -> Admission {
        let began = self.world.clock.elapsed();
        loop {
            let holder = match RunLock::claim(state, name, self.world.clock.now()) {
                Ok(Claim::Held(lock)) => {
                    self.progress.hide();
                    return Admission::Begin(Some(lock));
                }
                Ok(Claim::Busy(holder)) => holder,
                Err(error) => return Admission::Refuse(unkept(&error)),
            };
            let other = self.words(holder.as_ref());
            let waited = self.world.clock.elapsed().saturating_sub(began);
            match overlap {
                Overlap::Skip => {
                    return Admission::Skip(format!("skipped: {other} is at work on {}", plan.file));
                }
                Overlap::Fail => return Admission::Refuse(busy(plan, &other)),
                Overlap::Wait if plan.deadline.is_some_and(|most| waited >= most) => {
                    return Admission::Refuse(waited_in_vain(plan, &other, waited));
                }
                Overlap::Wait => self.progress.show(&format!("waits for {other} · {}", duration(waited))),
            }
            if let Err(why) = self.sleep(ASK_AGAIN, &format!("the wait for {other}")).await {
                return Admission::Refuse(why);
            }
        }
    }

    async fn sleep(&self, time: Duration, what: &str) -> Result<(), FailureDraft> {
        let cancelled = pin!(self.world.cancellation.cancelled());
        match select(self.world.clock.sleep(time), cancelled).await {
            Either::Left(((), _)) => Ok(()),
            Either::Right((signal, _)) => {
                self.progress.hide();
                Err(cancelled_before_start(signal, what))
            }
        }
    }

    /// `another run (process 4711, since 14:02 UTC)`
    fn words(&self, holder: Option<&Holder>) -> String {
        match holder {
            Some(holder) => format!("another run ({})", holder_words(holder, self.world.clock.now())),
            None => "another run".to_owned(),
        }
    }
}

fn busy(plan: &Plan, other: &str) -> FailureDraft {
    FailureDraft::new(Cause::Busy, format!("{other} is at work on {} with this account", plan.file)).advice(
        "run it again when that one has ended; `--overlap wait` waits for that, `--overlap skip` leaves this run out. \
         Nothing was sent",
    )
}

fn waited_in_vain(plan: &Plan, other: &str, waited: Duration) -> FailureDraft {
    let headline =
        format!("{other} is still at work on {} with this account, after {}", plan.file, duration(waited));
    FailureDraft::new(Cause::Busy, headline).note("a run waits no longer than its `deadline`").advice(
        "look what keeps that process busy, or end it (`kill` closes its sessions first); nothing was sent",
    )
}

/// Why a run does not begin that could keep no lock or no journal.
pub(super) fn unkept(error: &dyn Error) -> FailureDraft {
    FailureDraft::new(Cause::Machine, error.to_string())
        .advice("mend that, or name another folder with `--state-dir DIR`; nothing was sent")
}

impl TimingArgs {
    /// What to do while another run is at work: as the command line says, else the playbook.
    pub(super) fn overlap(&self, plan: &Plan) -> Overlap {
        let scheduled = plan.schedule.as_ref().map(|schedule| schedule.overlap);
        self.overlap.or(scheduled).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Clock;
    use crate::port::fake::FakeWorld;
    use crate::report::Look;

    /// Waits for the jitter in a world made by hand, in which a signal may have come. Returns how long that took.
    async fn waited(most: Duration, signal: Option<i32>) -> (Result<(), FailureDraft>, Duration) {
        let fake = FakeWorld::default();
        let world = fake.world();
        signal.into_iter().for_each(|signal| world.cancellation.cancel(signal));
        let progress = Progress::new(Look::pipe(false), false);
        let ended = Waiting { world: &world, progress: &progress }.jitter(most).await;
        (ended, fake.clock.elapsed())
    }

    #[tokio::test]
    async fn jitter_is_a_fraction_of_what_it_may_be() {
        let fraction = FakeWorld::default().world().random.fraction();
        for most in [Duration::ZERO, Duration::from_millis(700), Duration::from_secs(3600)] {
            let (ended, took) = waited(most, None).await;
            assert!(ended.is_ok());
            assert_eq!(took, most.mul_f64(fraction), "of {most:?}");
        }
    }

    #[tokio::test]
    async fn a_signal_ends_the_jitter() {
        let (ended, took) = waited(Duration::from_secs(3600), Some(15)).await;
        let why = ended.expect_err("a signal came");
        assert_eq!((why.cause, took), (Cause::Signal(15), Duration::ZERO));
        assert_eq!(why.headline, "SIGTERM came during the random wait before the run (`--jitter`)");
    }
}
