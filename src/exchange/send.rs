//! The one place from which requests leave.

use super::retry::Ending;
use super::{Answer, Limiter, Origin, Realm, Rendered};
use crate::event::{EventKind, Events, Purpose};
use crate::port::{Request, Response, SendFailure, TransportError, World};
use http::Method;
use http::header::LOCATION;
use std::rc::Rc;
use std::time::Duration;
use thiserror::Error;
use url::Url;

/// How many redirects are followed in a row.
const MOST_REDIRECTS: usize = 10;

/// Sends requests: each within its [`Realm`], at its pace, and each with its event.
#[derive(Clone)]
pub struct Exchange {
    world: World,
    events: Events,
}

/// The permission to send one request now: see [`Exchange::turn`].
#[must_use]
pub struct Turn {
    realm: Rc<Realm>,
    operation: Option<Rc<Limiter>>,
}

/// What a request is for, and how it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    /// What for.
    pub purpose: Purpose,
    /// The attempt, 1-based.
    pub attempt: u32,
    /// Whether redirects of a read are followed. False where the step expects one.
    pub follows_redirects: bool,
}

impl Sending {
    /// The attempt of that number, redirects followed.
    pub fn attempt(purpose: Purpose, attempt: u32) -> Self {
        Self { purpose, attempt, follows_redirects: true }
    }
}

/// Why a request got no answer that can be used.
#[derive(Debug, Clone, Error)]
pub enum SendError {
    /// It was not sent, for it may not go there.
    #[error("not sent: {0}")]
    Refused(String),
    /// The network failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// It was answered with a redirect that is not followed.
    #[error("{reason}")]
    Redirect {
        /// The status.
        status: u16,
        /// Why it is not followed; names the host at most.
        reason: String,
    },
}

/// One try of a request.
pub struct Attempt {
    /// What came of it.
    pub outcome: Result<Answer, SendError>,
    /// The answer bears the sign of "too fast, surely not done".
    pub is_throttled: bool,
    /// How long the server asked to be left alone.
    pub wish: Option<Duration>,
    /// How long it took.
    pub took: Duration,
    /// For [`Exchange::report`], once it is decided whether another attempt follows.
    pub record: AttemptRecord,
}

impl Attempt {
    /// How it ended, as far as repeating it goes. `is_expected` says that the step's author expects this status.
    pub fn ending(&self, is_expected: impl FnOnce(u16) -> bool) -> Ending {
        match &self.outcome {
            Ok(answer) => Ending::of(Ok(answer.status), is_expected(answer.status), self.is_throttled),
            Err(SendError::Transport(error)) => Ending::of(Err(error.failure), false, false),
            Err(SendError::Refused(_) | SendError::Redirect { .. }) => Ending::Rejected,
        }
    }
}

/// What there is to report about an attempt; handed to [`Exchange::report`] once.
#[must_use = "every attempt is reported"]
#[derive(Debug)]
pub struct AttemptRecord {
    purpose: Purpose,
    method: Method,
    shown_address: String,
    attempt: u32,
    was_sent: bool,
    status: Option<u16>,
    problem: Option<String>,
    took: Duration,
}

impl AttemptRecord {
    /// The address as it may be shown; after redirects the last one.
    pub fn shown_address(&self) -> &str {
        &self.shown_address
    }
}

impl Exchange {
    /// Sends through a world's network and tells `events`.
    pub fn new(world: World, events: Events) -> Self {
        Self { world, events }
    }

    /// The ports of the run.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The events of the run.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Waits until one more request may begin in a realm, under its own limit and that of the operation. Whoever waits may
    /// be dropped without harm.
    pub async fn turn(&self, realm: &Rc<Realm>, operation: Option<&Rc<Limiter>>) -> Turn {
        let clock = &self.world.clock;
        let start = realm.earliest(clock.elapsed(), operation.map(Rc::as_ref));
        realm.take(start, operation.map(Rc::as_ref));
        let mut until = start;
        // A pause may begin or grow while this request waits.
        while let Some(wait) = until.checked_sub(clock.elapsed()).filter(|wait| !wait.is_zero()) {
            clock.sleep(wait).await;
            until = start.max(realm.pause_end());
        }
        Turn { realm: realm.clone(), operation: operation.cloned() }
    }

    /// Sends a request. The final address is checked against the realm; redirects are followed for reads only, within the
    /// origin. A throttled answer pauses the realm for as long as the server asks.
    pub async fn send(&self, turn: Turn, rendered: &Rendered, sending: Sending) -> Attempt {
        let clock = self.world.clock.clone();
        let mut shown_address = rendered.shown_address();
        let started = clock.elapsed();
        let outcome = self.follow(&turn, rendered, sending, &mut shown_address).await;
        let took = clock.elapsed().saturating_sub(started);
        let is_throttled = outcome.as_ref().is_ok_and(|answer| self.is_throttled(&turn.realm, answer));
        let wish =
            outcome.as_ref().ok().and_then(|answer| turn.realm.wish(answer, clock.now(), is_throttled));
        if let Some(wish) = wish {
            turn.realm.pause_until(clock.elapsed().saturating_add(wish));
        }
        let record = AttemptRecord {
            purpose: sending.purpose,
            method: rendered.method().clone(),
            shown_address,
            attempt: sending.attempt,
            was_sent: was_sent(&outcome),
            status: status_of(&outcome),
            problem: problem_of(&outcome),
            took,
        };
        Attempt { outcome, is_throttled, wish, took, record }
    }

    /// Emits the event of an attempt. `retry_after` is the wait before the next one, if there is one.
    pub fn report(&self, record: AttemptRecord, retry_after: Option<Duration>) {
        let clean = |text: &str| self.events.clean(text);
        self.events.emit(EventKind::AttemptFinished {
            purpose: record.purpose,
            method: clean(record.method.as_str()),
            address: clean(&record.shown_address),
            attempt: record.attempt,
            was_sent: record.was_sent,
            status: record.status,
            problem: record.problem.as_deref().map(clean),
            took: record.took,
            retry_after,
        });
    }

    fn is_throttled(&self, realm: &Realm, answer: &Answer) -> bool {
        realm.is_throttled(answer).unwrap_or_else(|error| {
            self.events.warn(format!("failed to {error}; taken as not throttled"));
            false
        })
    }

    async fn follow(
        &self,
        turn: &Turn,
        rendered: &Rendered,
        sending: Sending,
        shown_address: &mut String,
    ) -> Result<Answer, SendError> {
        let mut request = rendered
            .to_request()
            .ok_or_else(|| SendError::Refused("a part of the address is not known".to_owned()))?;
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        for _ in 0..=MOST_REDIRECTS {
            let started = self.world.clock.elapsed();
            let response = self.transmit(&turn.realm, &request).await?;
            let follows = is_read && sending.follows_redirects;
            let target = match redirect_target(&request.url, &response) {
                Some(target) if follows => target?,
                _ => return Ok(Answer::decode(response, request.url)),
            };
            let took = self.world.clock.elapsed().saturating_sub(started);
            let next_address = self.events.clean(&target).to_string();
            self.report(
                AttemptRecord {
                    purpose: sending.purpose,
                    method: request.method.clone(),
                    shown_address: std::mem::replace(shown_address, next_address),
                    attempt: sending.attempt,
                    was_sent: true,
                    status: Some(response.status),
                    problem: None,
                    took,
                },
                None,
            );
            request.url = target;
            let _again = self.turn(&turn.realm, turn.operation.as_ref()).await;
        }
        Err(SendError::Redirect {
            status: 302,
            reason: format!("more than {MOST_REDIRECTS} redirects in a row"),
        })
    }

    /// The only call of the transport.
    async fn transmit(&self, realm: &Realm, request: &Request) -> Result<Response, SendError> {
        realm.check(&request.url).map_err(SendError::Refused)?;
        Ok(self.world.transport.send(request).await?)
    }
}

/// Where an answer redirects to; `None` when it does not.
fn redirect_target(from: &Url, response: &Response) -> Option<Result<Url, SendError>> {
    let status = response.status;
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers.get(LOCATION)?.to_str().ok();
    let fail = |reason: String| SendError::Redirect { status, reason };
    let target = match location.and_then(|location| from.join(location).ok()) {
        Some(target) => target,
        None => return Some(Err(fail("redirected to what is no address".to_owned()))),
    };
    let (Some(own), Some(other)) = (Origin::of(from), Origin::of(&target)) else {
        return Some(Err(fail(format!("redirected to an address with the scheme `{}`", target.scheme()))));
    };
    Some(match own == other {
        true => Ok(target),
        false => Err(fail(format!("redirected to {other}; only redirects within {own} are followed"))),
    })
}

fn was_sent(outcome: &Result<Answer, SendError>) -> bool {
    match outcome {
        Err(SendError::Refused(_)) => false,
        Err(SendError::Transport(error)) => error.failure != SendFailure::NotSent,
        Err(SendError::Redirect { .. }) | Ok(_) => true,
    }
}

fn status_of(outcome: &Result<Answer, SendError>) -> Option<u16> {
    match outcome {
        Ok(answer) => Some(answer.status),
        Err(SendError::Redirect { status, .. }) => Some(*status),
        Err(SendError::Transport(TransportError { failure: SendFailure::BodyCut { status }, .. })) => {
            Some(*status)
        }
        Err(_) => None,
    }
}

fn problem_of(outcome: &Result<Answer, SendError>) -> Option<String> {
    match outcome {
        Ok(answer) => answer.problem.as_ref().map(ToString::to_string),
        Err(error) => Some(error.to_string()),
    }
}
