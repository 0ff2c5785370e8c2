//! A request on its way to an answer, and what has become of it.

use super::doubt::Doubt;
use super::failure::Subject;
use super::idempotency::IdempotencyKey;
use super::limits::Limits;
use super::outputs::Outputs;
use super::verify::Verifier;
use crate::event::Purpose;
use crate::exchange::retry::{Ending, Next};
use crate::exchange::{Answer, Limiter, Realm};
use crate::plan::PlannedRequest;
use crate::port::Place;
use jiff::SignedDuration;
use serde_json::{Map, Value as Json};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// A request with all that is needed to send it and to speak of it.
pub struct Call<'c> {
    /// The request as planned.
    pub request: &'c PlannedRequest,
    /// Where in the run it stands.
    pub place: Place,
    /// Whose session it carries.
    pub account: Option<String>,
    /// What secret outputs are known by.
    pub step_name: String,
    /// Which request it is, in words.
    pub subject: Subject,
    /// Where it may go, and how fast.
    pub realm: Rc<Realm>,
    /// The limit of its operation.
    pub limiter: Option<Rc<Limiter>>,
    /// What for.
    pub purpose: Purpose,
    /// The key under which the provider does it once.
    pub key: Option<IdempotencyKey>,
    /// What tells whether it was done when nobody knows.
    pub verifier: Option<Verifier<'c>>,
    /// The time that it may take.
    pub limits: Limits,
    /// Whether it belongs to cleanup.
    pub is_cleanup: bool,
    /// Whether no other step follows when it fails.
    pub ends_list: bool,
    /// Whether anything may have been done.
    pub may_be_done: Cell<bool>,
}

/// A request that is settled: nothing of it will be sent again.
pub struct Settled {
    /// The answer; `None` when it was cut and nobody needs it.
    pub answer: Option<Answer>,
    /// Its status; `None` when nothing but `verify` says that it was done.
    pub status: Option<u16>,
    /// True when the status is fine although the step does not expect it.
    pub is_fine: bool,
    /// What stands in for the outputs of a write whose answer is lost.
    pub stand_in: Option<StandIn>,
    /// The attempts in words, for a failure that the answer leads to.
    pub request_line: String,
}

/// What stands in for the outputs of a write whose answer is lost.
pub enum StandIn {
    /// What `verify` has found.
    Verified(Outputs),
    /// What a person has said.
    Told(Map<String, Json>),
}

/// The attempts of one request so far.
pub struct Tries {
    /// When the first of them began.
    pub started: Duration,
    /// How long our own rate kept them waiting. That is not the provider's slowness.
    pub paced: Duration,
    /// The present one, 1-based.
    pub attempt: u32,
    /// The last one that may follow; a renewed session allows one more.
    pub last: u32,
    /// The session was renewed for it.
    pub is_renewed: bool,
    /// When the first of them was sent, by the clock of this process: before zero if by a process before.
    pub first_sent: Option<SignedDuration>,
    /// An attempt left open whether it was done.
    pub was_unknown: bool,
    /// An attempt has done it; what is lost is its answer.
    pub was_done: bool,
    /// `verify` has said since that none before was done.
    pub is_surely_undone: bool,
    /// The status of that attempt, if known.
    pub done_status: Option<u16>,
}

/// A request that brought no answer which could be used.
pub struct Unsettled {
    /// How its last attempt ended.
    pub ending: Ending,
    /// Why no other attempt follows, where one was allowed.
    pub end: Option<Next>,
    /// What else is known of it.
    pub doubt: Doubt,
    /// How long ago its first attempt was sent.
    pub age: Duration,
    /// The attempts in words.
    pub request_line: String,
}

impl Tries {
    /// How old the first attempt is at a moment of the monotonic clock; nothing before one was sent.
    pub fn age(&self, at: Duration) -> Duration {
        let age = self.first_sent.map(|first| signed(at).saturating_sub(first));
        age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
    }
}

/// A duration that may lie before zero.
pub fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
