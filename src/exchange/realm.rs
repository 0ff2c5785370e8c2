use super::{Answer, Limiter, Origin, retry};
use crate::document::RateLimit;
use crate::template::{Condition, EvaluationError, Scope};
use jiff::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use url::Url;

/// Where the requests of one account may go, and how fast. Fixed before the first of them: no answer changes it.
#[derive(Debug)]
pub struct Realm {
    origins: Vec<Origin>,
    allows_http: bool,
    ca_file: Option<PathBuf>,
    limit: Option<RateLimit>,
    limiter: Option<Limiter>,
    operation_limiters: RefCell<HashMap<String, Rc<Limiter>>>,
    throttled: Option<(Condition, Scope)>,
    /// No request begins before this time.
    pause_end: Cell<Duration>,
}

impl Realm {
    /// A realm of these origins. `allows_http` lifts the rule that secrets travel encrypted.
    pub fn new(origins: Vec<Origin>, allows_http: bool) -> Self {
        Self {
            origins,
            allows_http,
            ca_file: None,
            limit: None,
            limiter: None,
            operation_limiters: RefCell::default(),
            throttled: None,
            pause_end: Cell::default(),
        }
    }

    /// The realm with the certificates of a private authority, which is trusted here and nowhere else.
    #[must_use]
    pub fn trusting(mut self, ca_file: Option<PathBuf>) -> Self {
        self.ca_file = ca_file;
        self
    }

    /// The realm with the provider's limit.
    #[must_use]
    pub fn limited(mut self, limit: Option<&RateLimit>) -> Self {
        self.limiter = limit.and_then(Limiter::declared);
        self.limit = limit.cloned();
        self
    }

    /// The realm with the provider's own sign of "too fast", which sees the names of `scope` and `response`.
    #[must_use]
    pub fn throttled_when(mut self, sign: Option<(Condition, Scope)>) -> Self {
        self.throttled = sign;
        self
    }

    /// The origins that requests may go to.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// The certificates that are trusted besides those of the machine.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Whether a request may go to an address.
    ///
    /// # Errors
    /// A sentence on why not; it names the origin only.
    pub fn check(&self, url: &Url) -> Result<(), String> {
        let Some(origin) = Origin::of(url) else {
            return Err(format!("`{}` is no scheme that requests are sent to", url.scheme()));
        };
        if !self.origins.contains(&origin) {
            let allowed: Vec<String> = self.origins.iter().map(Origin::to_string).collect();
            return Err(format!("{origin} is none of the provider's origins ({})", allowed.join(", ")));
        }
        if !origin.is_private() && !self.allows_http {
            return Err(format!("{origin} is not encrypted; `allow_http: true` at the provider allows that"));
        }
        Ok(())
    }

    /// The limiter of an operation, shared by all who call it.
    pub fn operation_limiter(&self, name: &str, limit: &RateLimit) -> Option<Rc<Limiter>> {
        if let Some(known) = self.operation_limiters.borrow().get(name) {
            return Some(known.clone());
        }
        let limiter = Rc::new(Limiter::declared(limit)?);
        self.operation_limiters.borrow_mut().insert(name.to_owned(), limiter.clone());
        Some(limiter)
    }

    /// The earliest time, not before `now`, at which one more request may begin. Nothing is reserved.
    pub fn earliest(&self, now: Duration, operation: Option<&Limiter>) -> Duration {
        let start = now.max(self.pause_end.get());
        let limiters = self.limiter.iter().chain(operation);
        limiters.fold(start, |start, limiter| limiter.earliest(start))
    }

    pub(super) fn take(&self, start: Duration, operation: Option<&Limiter>) {
        self.limiter.iter().chain(operation).for_each(|limiter| limiter.take(start));
    }

    /// Until when the provider wants to be left alone, as a time of [`Clock::elapsed`](crate::port::Clock::elapsed).
    pub fn pause_end(&self) -> Duration {
        self.pause_end.get()
    }

    /// Lets no request begin before a time of [`Clock::elapsed`](crate::port::Clock::elapsed). A longer pause stays.
    pub fn pause_until(&self, end: Duration) {
        self.pause_end.set(self.pause_end.get().max(end));
    }

    /// Whether an answer bears the sign of "too fast, surely not done": the provider's own, else 429, or 503 with
    /// `Retry-After`. 429 always is one (RFC 6585, section 4).
    ///
    /// # Errors
    /// When the provider's condition cannot be evaluated.
    pub fn is_throttled(&self, answer: &Answer) -> Result<bool, EvaluationError> {
        if answer.status == 429 {
            return Ok(true);
        }
        match &self.throttled {
            Some((sign, scope)) => sign.holds(&scope.clone().with("response", answer.data())),
            None => Ok(answer.status == 503 && answer.headers.contains_key(http::header::RETRY_AFTER)),
        }
    }

    /// How long an answer asks to be left alone: `Retry-After`, or the provider's own count when nothing remains.
    pub fn wish(&self, answer: &Answer, now: Timestamp, is_throttled: bool) -> Option<Duration> {
        let said = answer.header("retry-after").and_then(|value| retry::retry_after(value, now));
        said.filter(|_| is_throttled).max(self.time_to_reset(answer, is_throttled))
    }

    fn time_to_reset(&self, answer: &Answer, is_throttled: bool) -> Option<Duration> {
        let limit = self.limit.as_ref()?;
        let number =
            |reader: &Option<_>| answer.read(reader.as_ref()?).and_then(|value| retry::seconds(&value));
        let is_spent = is_throttled || number(&limit.remaining).is_some_and(|remaining| remaining.is_zero());
        number(&limit.reset_after).filter(|_| is_spent)
    }
}

/// The realms of addresses that belong to no provider: one for each origin, so that a pause which an answer asks for holds
/// for all that ask there.
#[derive(Debug, Default)]
pub struct Realms(RefCell<HashMap<Origin, Rc<Realm>>>);

impl Realms {
    /// The realm of an address, its own origin being the only place where its requests may go. What is no address of a
    /// server may go nowhere.
    pub fn of(&self, address: Option<&Url>) -> Rc<Realm> {
        let Some(origin) = address.and_then(Origin::of) else {
            return Rc::new(Realm::new(Vec::new(), false));
        };
        let mut realms = self.0.borrow_mut();
        let realm = realms.entry(origin.clone()).or_insert_with(|| Rc::new(Realm::new(vec![origin], false)));
        realm.clone()
    }
}
