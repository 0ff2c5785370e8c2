//! The dead-man switch beside a run.

use crate::engine::Ping;
use crate::event::Events;
use futures_util::future::{Either, FutureExt, LocalBoxFuture, select};
use std::pin::pin;
use std::rc::Rc;

/// The pings of a run: that of its start goes out beside it, that of its end when all is said.
pub(super) struct Pings<'a> {
    ping: Option<Rc<Ping<'a>>>,
    events: &'a Events,
    /// The ping of the start, as long as it is on its way.
    start: Option<LocalBoxFuture<'a, Result<(), String>>>,
}

impl<'a> Pings<'a> {
    /// Those of a switch, if there is one.
    pub(super) fn of(ping: Option<Ping<'a>>, events: &'a Events) -> Self {
        Self { ping: ping.map(Rc::new), events, start: None }
    }

    /// Does the work of the run, and tells meanwhile that it has begun. The work never waits for that.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let Some(ping) = self.ping.clone() else { return work.await };
        let start = async move { ping.start().await }.boxed_local();
        match select(pin!(work), start).await {
            Either::Left((done, start)) => {
                self.start = Some(start);
                done
            }
            Either::Right((told, work)) => {
                if let Err(why) = told {
                    self.events.warn(why);
                }
                work.await
            }
        }
    }

    /// Tells how the run has ended, behind the ping of its start.
    ///
    /// # Errors
    /// A sentence on why nobody has heard it.
    pub(super) async fn end(self, exit_code: i32) -> Result<(), String> {
        let Some(ping) = self.ping else { return Ok(()) };
        let start = async {
            if let Some(start) = self.start {
                // That the end is heard is what counts now.
                let _ = start.await;
            }
        };
        ping.end(exit_code, start).await
    }
}
