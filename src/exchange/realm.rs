use super::{Answer, Limiter, Origin, retry};
use crate::document::RateLimit;
use crate::template::{Condition, EvaluationError, Scope};
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use std::cell::RefCell;
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
    /// What lets plain http through, for those whose address it is.
    http_help: &'static str,
    ca_file: Option<PathBuf>,
    limit: Option<RateLimit>,
    limiter: Option<Limiter>,
    operation_limiters: RefCell<HashMap<String, Rc<Limiter>>>,
    throttled: Option<(Condition, Scope)>,
    /// No request to such an origin begins before this time.
    pause_ends: RefCell<HashMap<Origin, Duration>>,
}

impl Realm {
    /// A realm of these origins. `allows_http` lifts the rule that secrets travel encrypted.
    pub fn new(origins: Vec<Origin>, allows_http: bool) -> Self {
        Self {
            origins,
            allows_http,
            http_help: "`allow_http: true` at the provider allows that",
            ca_file: None,
            limit: None,
            limiter: None,
            operation_limiters: RefCell::default(),
            throttled: None,
            pause_ends: RefCell::default(),
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
            return Err(format!("{origin} is not encrypted; {}", self.http_help));
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

    /// The earliest time, not before `now`, at which one more request to an origin may begin. Nothing is reserved.
    pub fn earliest(&self, now: Duration, origin: Option<&Origin>, operation: Option<&Limiter>) -> Duration {
        let start = now.max(self.pause_end(origin));
        let limiters = self.limiter.iter().chain(operation);
        limiters.fold(start, |start, limiter| limiter.earliest(start))
    }

    pub(super) fn take(&self, start: Duration, operation: Option<&Limiter>) {
        self.limiter.iter().chain(operation).for_each(|limiter| limiter.take(start));
    }

    /// Until when the provider wants this account to leave an origin alone, as a time of
    /// [`Clock::elapsed`](crate::port::Clock::elapsed).
    pub fn pause_end(&self, origin: Option<&Origin>) -> Duration {
        origin.and_then(|origin| self.pause_ends.borrow().get(origin).copied()).unwrap_or_default()
    }

    /// Lets no request to an origin begin before a time of [`Clock::elapsed`](crate::port::Clock::elapsed). A longer pause
    /// stays.
    pub fn pause_until(&self, origin: Origin, end: Duration) {
        let mut ends = self.pause_ends.borrow_mut();
        let known = ends.entry(origin).or_default();
        *known = end.max(*known);
    }

    /// Whether an answer bears the sign of "too fast, surely not done": 429 (RFC 6585, section 4), 503 with a
    /// `Retry-After` that says something, or the provider's own.
    ///
    /// # Errors
    /// When the provider's condition cannot be evaluated.
    pub fn is_throttled(&self, answer: &Answer, now: Timestamp) -> Result<bool, EvaluationError> {
        if answer.status == 429 || answer.status == 503 && asked_for(answer, now).is_some() {
            return Ok(true);
        }
        match &self.throttled {
            Some((sign, scope)) => sign.holds(&scope.clone().with("response", answer.data())),
            None => Ok(false),
        }
    }

    /// How long an answer asks to be left alone: `Retry-After` of a server that is too busy or not well, or the provider's
    /// own count when nothing remains.
    pub fn wish(&self, answer: &Answer, now: Timestamp, is_throttled: bool) -> Option<Duration> {
        let said = asked_for(answer, now).filter(|_| is_throttled || answer.status >= 500);
        said.max(self.time_to_reset(answer, is_throttled))
    }

    fn time_to_reset(&self, answer: &Answer, is_throttled: bool) -> Option<Duration> {
        let limit = self.limit.as_ref()?;
        let number =
            |reader: &Option<_>| answer.read(reader.as_ref()?).and_then(|value| retry::seconds(&value));
        let is_spent = is_throttled || number(&limit.remaining).is_some_and(|remaining| remaining.is_zero());
        number(&limit.reset_after).filter(|_| is_spent)
    }
}

/// What `Retry-After` says. A date is read against the server's own clock, so that a wrong one here does no harm.
fn asked_for(answer: &Answer, now: Timestamp) -> Option<Duration> {
    retry::retry_after(answer.header_values(RETRY_AFTER), answer.date().unwrap_or(now))
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
        let realm = realms.entry(origin.clone()).or_insert_with(|| {
            let realm = Realm::new(vec![origin], false);
            Rc::new(Realm {
                http_help: "write https: without a provider plain http goes to this machine only",
                ..realm
            })
        });
        realm.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Response;
    use http::{HeaderMap, HeaderName};

    const NOW: &str = "2026-11-22T06:00:00Z";

    fn answer(status: u16, headers: &[(&'static str, &str)]) -> Answer {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().expect("a header value"))
        };
        let headers: HeaderMap = headers.iter().map(pair).collect();
        let response = Response::new(status, headers, Vec::new());
        Answer::decode(response, "https://a.example".parse().unwrap())
    }

    /// The answer, whether it is surely not done for now, and for how many seconds it asks to be left alone.
    #[test]
    fn what_answers_ask_for() {
        let realm = Realm::new(Vec::new(), false);
        let wish = "retry-after";
        for (status, headers, is_throttled, seconds) in [
            (429, &[][..], true, None),
            (429, &[(wish, "7")], true, Some(7)),
            (429, &[(wish, "soon")], true, None),
            (503, &[(wish, "7")], true, Some(7)),
            // Whether it was done is not said by an answer that cannot be read.
            (503, &[(wish, "soon")], false, None),
            (503, &[(wish, "")], false, None),
            (503, &[], false, None),
            (500, &[(wish, "7")], false, Some(7)),
            (502, &[(wish, "7")], false, Some(7)),
            (200, &[(wish, "7")], false, None),
            (404, &[(wish, "7")], false, None),
            (429, &[(wish, "Sun, 22 Nov 2026 06:00:30 GMT")], true, Some(30)),
            // The server's clock is two hours ahead, or behind: it is its own clock that counts.
            (
                429,
                &[(wish, "Sun, 22 Nov 2026 08:00:30 GMT"), ("date", "Sun, 22 Nov 2026 08:00:00 GMT")],
                true,
                Some(30),
            ),
            (
                503,
                &[(wish, "Sun, 22 Nov 2026 04:00:30 GMT"), ("date", "Sun, 22 Nov 2026 04:00:00 GMT")],
                true,
                Some(30),
            ),
            (429, &[(wish, "Sun, 22 Nov 2026 06:00:30 GMT"), ("date", "today")], true, Some(30)),
        ] {
            let (answer, now) = (answer(status, headers), NOW.parse().unwrap());
            let throttled = realm.is_throttled(&answer, now).unwrap();
            let wish = realm.wish(&answer, now, throttled);
            assert_eq!(
                (throttled, wish.map(|wish| wish.as_secs())),
                (is_throttled, seconds),
                "{status} {headers:?}"
            );
        }
    }

    #[test]
    fn a_pause_holds_for_its_origin_and_its_account() {
        let [api, auth] = ["https://api.example", "https://auth.example"]
            .map(|url| Origin::of(&url.parse().unwrap()).expect("an origin"));
        let realm = || Realm::new(vec![api.clone(), auth.clone()], false);
        let (one, other) = (realm(), realm());
        let seconds = Duration::from_secs;
        one.pause_until(api.clone(), seconds(9));
        one.pause_until(api.clone(), seconds(5));
        assert_eq!(one.earliest(seconds(1), Some(&api), None), seconds(9), "a longer pause stays");
        assert_eq!(one.earliest(seconds(1), Some(&auth), None), seconds(1));
        assert_eq!(other.earliest(seconds(1), Some(&api), None), seconds(1));
    }
}
