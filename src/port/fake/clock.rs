use crate::port::Clock;
use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How often a sleeper lets everything else go on before it takes it that nothing else can.
const PATIENCE: u32 = 2_000;

/// A clock that stands still as long as anything can be done. Then it jumps to the end of the sleep that ends first.
pub struct FakeClock {
    start: Cell<Timestamp>,
    elapsed: Cell<Duration>,
    sleepers: RefCell<BTreeSet<(Duration, u64)>>,
    last_sleeper: Cell<u64>,
}

impl FakeClock {
    /// A clock at a moment (RFC 3339).
    pub fn at(moment: &str) -> Self {
        Self {
            start: Cell::new(moment.parse().expect("an RFC 3339 time")),
            elapsed: Cell::default(),
            sleepers: RefCell::default(),
            last_sleeper: Cell::default(),
        }
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.elapsed.set(self.elapsed.get() + by);
    }

    /// Sets the wall clock to another time (RFC 3339); nothing else moves.
    pub fn set_wall_clock(&self, moment: &str) {
        let moment: Timestamp = moment.parse().expect("an RFC 3339 time");
        self.start.set(moment - self.elapsed.get());
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.start.get() + self.elapsed.get()
    }

    fn elapsed(&self) -> Duration {
        self.elapsed.get()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        self.last_sleeper.set(self.last_sleeper.get() + 1);
        let place = (self.elapsed.get().saturating_add(duration), self.last_sleeper.get());
        Box::pin(Sleep { clock: self, place, polls: 0, seen: self.elapsed.get() })
    }
}

struct Sleep<'a> {
    clock: &'a FakeClock,
    /// When it ends, and which of those that end then it is.
    place: (Duration, u64),
    /// How often it was asked since the clock last moved.
    polls: u32,
    seen: Duration,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let now = self.clock.elapsed.get();
        if now >= self.place.0 {
            return Poll::Ready(());
        }
        self.clock.sleepers.borrow_mut().insert(self.place);
        self.polls = if self.seen == now { self.polls + 1 } else { 0 };
        self.seen = now;
        let is_first = self.clock.sleepers.borrow().first() == Some(&self.place);
        if is_first && self.polls >= PATIENCE {
            self.clock.elapsed.set(self.place.0);
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.clock.sleepers.borrow_mut().remove(&self.place);
    }
}
