use super::journal::{Decision, Deed, End, Journal, JournalError, Known, Outcome, Place, Ran, decide};
use super::{Cancellation, Clock};
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// A journal that ends with its process: for what need not survive it. Clones share what they know.
#[derive(Clone)]
pub struct MemoryJournal {
    clock: Rc<dyn Clock>,
    cancellation: Cancellation,
    known: Rc<RefCell<HashMap<Place, Known>>>,
}

impl MemoryJournal {
    /// An empty one.
    pub fn new(clock: Rc<dyn Clock>, cancellation: Cancellation) -> Self {
        Self { clock, cancellation, known: Rc::default() }
    }

    /// Takes down what a person has found out about a deed.
    #[cfg(test)]
    pub fn resolve(&self, place: &Place, resolution: super::Resolution) {
        self.known
            .borrow_mut()
            .entry(place.clone())
            .or_default()
            .resolve(resolution, serde_json::Value::Null);
    }

    async fn perform(&self, deed: &Deed, work: LocalBoxFuture<'_, Outcome>) -> Ran {
        let now = self.clock.now();
        let known = self.known.borrow().get(&deed.place).cloned().unwrap_or_default();
        match decide(&known, deed, now) {
            Decision::Skip(outcome) => return Ran::Before(outcome),
            Decision::Unclear(at) => return Ran::Unclear(at),
            Decision::Do => {}
        }
        let earlier = known.earlier(deed);
        let is_write = deed.class.is_write();
        if is_write {
            let mut all = self.known.borrow_mut();
            all.entry(deed.place.clone()).or_default().announce(now, &deed.class, deed.is_surely_undone);
        }
        let outcome = work.await;
        if is_write || outcome.end == End::Done {
            let mut all = self.known.borrow_mut();
            all.entry(deed.place.clone()).or_default().conclude(outcome);
        }
        Ran::Now(earlier)
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
