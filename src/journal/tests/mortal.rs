//! A process that ends at a chosen point.

use crate::port::{Class, Deed, Journal, JournalError, Outcome, Ran};
use futures_util::future::{Either, FutureExt, LocalBoxFuture, pending, select};
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

/// Where a process has ended.
#[derive(Debug, Clone)]
pub struct Death {
    /// At which deed.
    pub place: String,
    /// What may happen when that is done twice.
    pub class: Class,
    /// How far it was.
    pub stage: Stage,
}

/// How far a deed was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The journal was not asked yet.
    Before,
    /// The journal knows that it is about to be done.
    Announced,
    /// It was done, and the journal does not know what came of it.
    Performed,
    /// The journal knows what came of it.
    After,
}

/// The life of a process.
pub struct Fate {
    /// How many points it may still pass; `None` = all.
    left: Cell<Option<usize>>,
    death: RefCell<Option<Death>>,
    has_come: Notify,
}

impl Fate {
    /// A process that passes so many points.
    pub fn after(points: Option<usize>) -> Rc<Self> {
        Rc::new(Self { left: Cell::new(points), death: RefCell::default(), has_come: Notify::new() })
    }

    /// Whether it has ended.
    pub fn is_dead(&self) -> bool {
        self.death.borrow().is_some()
    }

    /// Works until the end of the work or of the process.
    pub async fn live<T>(&self, work: impl Future<Output = T>) -> Result<T, Death> {
        match select(pin!(work), pin!(self.has_come.notified())).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(_) => Err(self.death.borrow().clone().expect("it has come")),
        }
    }

    async fn pass(&self, deed: &Deed, stage: Stage) {
        match self.left.get() {
            None => {}
            Some(0) => {
                let death = Death { place: deed.place.to_string(), class: deed.class.clone(), stage };
                *self.death.borrow_mut() = Some(death);
                self.has_come.notify_one();
                pending::<()>().await;
            }
            Some(left) => self.left.set(Some(left - 1)),
        }
    }
}

/// The journal of a process that ends.
pub struct Mortal {
    pub journal: Rc<dyn Journal>,
    pub fate: Rc<Fate>,
}

impl Journal for Mortal {
    fn run<'a>(
        &'a self,
        deed: &'a Deed,
        work: LocalBoxFuture<'a, Outcome>,
    ) -> LocalBoxFuture<'a, Result<Ran, JournalError>> {
        async move {
            self.fate.pass(deed, Stage::Before).await;
            let work = async move {
                self.fate.pass(deed, Stage::Announced).await;
                let outcome = work.await;
                self.fate.pass(deed, Stage::Performed).await;
                outcome
            };
            let ran = self.journal.run(deed, work.boxed_local()).await?;
            self.fate.pass(deed, Stage::After).await;
            Ok(ran)
        }
        .boxed_local()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        self.journal.sleep(duration)
    }

    fn cancelled(&self) -> LocalBoxFuture<'_, i32> {
        self.journal.cancelled()
    }
}
