use super::journal::{Deed, Journal, JournalError, Outcome, Ran};
use super::known::{Begin, Memory};
use super::{Cancellation, Clock};
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::rc::Rc;
use std::time::Duration;

/// A journal that ends with its process: for what need not survive it. Clones share what they know.
#[derive(Clone)]
pub struct MemoryJournal {
    clock: Rc<dyn Clock>,
    cancellation: Cancellation,
    memory: Rc<Memory>,
}

impl MemoryJournal {
    /// An empty one.
    pub fn new(clock: Rc<dyn Clock>, cancellation: Cancellation) -> Self {
        let memory = Rc::new(Memory::new(clock.clone(), []));
        Self { clock, cancellation, memory }
    }

    /// Takes down what a person has found out about a deed.
    #[cfg(test)]
    pub fn resolve(&self, place: &super::Place, resolution: super::Resolution) {
        self.memory.resolve(place, resolution);
    }

    async fn perform(&self, deed: &Deed, work: LocalBoxFuture<'_, Outcome>) -> Ran {
        match self.memory.begin(deed) {
            Begin::Not(ran) => ran,
            Begin::At(now, earlier) => {
                self.memory.announce(deed, now);
                self.memory.conclude(deed, work.await);
                Ran::Now(earlier)
            }
        }
    }
}

impl Journal for MemoryJournal {
    fn run<'a>(
        &'a self,
        deed: &'a Deed,
        work: LocalBoxFuture<'a, Outcome>,
    ) -> LocalBoxFuture<'a, Result<Ran, JournalError>> {
        async move { Ok(self.perform(deed, work).await) }.boxed_local()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        self.clock.sleep(duration)
    }

    fn cancelled(&self) -> LocalBoxFuture<'_, i32> {
        self.cancellation.cancelled().boxed_local()
    }
}
