//! The one place from which requests leave.

use super::breaker::{Breaker, Health};
use super::budget::Budget;
use super::flight::Flight;
use super::part::whole;
use super::retry::Ending;
use super::wire::{Keeping, Wire};
use super::{Answer, Limiter, Origin, Realm, Rendered};
use crate::event::{EventKind, Events, Purpose};
use crate::port::{Departure, Request, Response, TransportError, World};
use http::Method;
use http::header::{LOCATION, RANGE};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use thiserror::Error;
use url::Url;

/// How many redirects are followed in a row.
const MOST_REDIRECTS: u32 = 10;

/// Sends requests: each within its [`Realm`], at its pace, and each with its event.
#[derive(Clone)]
pub struct Exchange {
    world: World,
    events: Events,
    keeps_bodies: bool,
    budget: Rc<Budget>,
    breaker: Rc<Breaker>,
}

/// The permission to send one request now: see [`Exchange::turn`].
#[must_use]
pub struct Turn {
    realm: Rc<Realm>,
    origin: Option<Origin>,
    operation: Option<Rc<Limiter>>,
    latest: Option<Duration>,
    paced: Duration,
    departure: Departure,
}

impl Turn {
    /// What will be known of its request if that is given up.
    pub fn departure(&self) -> Departure {
        self.departure.clone()
    }

    /// How long it was waited for because of our own rate, not because the provider asked for a pause.
    pub fn paced(&self) -> Duration {
        self.paced
    }
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
    /// Whether the step expects a part of a body (206), though it asks for none with `Range`.
    pub takes_part: bool,
    /// Whether the bodies hold what the step makes a secret of later: then no event does.
    pub hides_bodies: bool,
}

impl Sending {
    /// The attempt of that number, redirects followed.
    pub fn attempt(purpose: Purpose, attempt: u32) -> Self {
        Self { purpose, attempt, follows_redirects: true, takes_part: false, hides_bodies: false }
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

impl SendError {
    /// The status that came all the same.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Redirect { status, .. } => Some(*status),
            Self::Transport(error) => error.failure.status(),
            Self::Refused(_) => None,
        }
    }
}

/// One try of a request.
pub struct Attempt {
    /// What came of it.
    pub outcome: Result<Answer, SendError>,
    /// The answer bears the sign of "too fast, surely not done".
    pub is_throttled: bool,
    /// How long the server asked to be left alone.
    pub wish: Option<Duration>,
    /// How many requests were sent: none, or one and one more for each redirect that was followed.
    pub requests: u32,
    /// How long our own rate kept it waiting, before it and between its redirects.
    pub paced: Duration,
    /// For [`Exchange::report`], once it is decided whether another attempt follows.
    pub record: AttemptRecord,
}

impl Attempt {
    /// The status that came, be it without a whole answer.
    pub fn status(&self) -> Option<u16> {
        status_of(&self.outcome)
    }

    /// How it ended, as far as repeating it goes. `is_expected` says that the step's author expects this status.
    pub fn ending(&self, is_expected: impl FnOnce(u16) -> bool) -> Ending {
        match &self.outcome {
            Ok(answer) => Ending::of(Ok(answer.status), is_expected(answer.status), self.is_throttled),
            Err(SendError::Transport(error)) => Ending::of(Err(error.failure), false, false),
            Err(SendError::Refused(_) | SendError::Redirect { .. }) => Ending::Rejected,
        }
    }

    /// What it says of the origin's health.
    fn health(&self, ending: Ending) -> Health {
        match (&self.outcome, ending) {
            (Err(SendError::Refused(_)), _) => Health::Unsaid,
            (Err(SendError::Transport(error)), Ending::Rejected) if !error.failure.was_sent() => {
                Health::Unsaid
            }
            (_, Ending::Unreadable) => Health::Unsaid,
            (_, Ending::NotSent | Ending::Unknown) => Health::Down,
            _ => Health::Answered,
        }
    }
}

/// What there is to report about an attempt; handed to [`Exchange::report`] once.
#[must_use = "every attempt is reported"]
#[derive(Debug)]
pub struct AttemptRecord {
    pub(super) purpose: Purpose,
    pub(super) method: Method,
    pub(super) shown_address: String,
    pub(super) attempt: u32,
    pub(super) was_sent: bool,
    pub(super) status: Option<u16>,
    pub(super) problem: Option<String>,
    pub(super) began: Duration,
    pub(super) took: Duration,
    pub(super) wire: Option<Wire>,
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
        Self { world, events, keeps_bodies: false, budget: Rc::default(), breaker: Rc::default() }
    }

    /// Keeps the texts of bodies in its events, too.
    #[must_use]
    pub fn keeping_bodies(self, keeps_bodies: bool) -> Self {
        Self { keeps_bodies, ..self }
    }

    /// The ports of the run.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The events of the run.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Pays for a repetition of a request after an attempt that ended so. Returns false when there is to be none: too much
    /// was repeated at its origin already, or that is left alone.
    pub fn may_repeat(&self, rendered: &Rendered, ending: Ending) -> bool {
        let may_repeat = |origin| !self.breaker.is_open(&origin) && self.budget.pay(&origin, ending);
        rendered.origin().is_some_and(may_repeat)
    }

    /// Takes note of a request that is settled: nothing of it will be sent again. `None`: it was given up before its answer
    /// came.
    pub fn note_settled(&self, rendered: &Rendered, attempt: Option<&Attempt>, ending: Ending) {
        let Some(origin) = rendered.origin() else { return };
        if ending == Ending::Done {
            self.budget.earn(&origin);
        }
        self.breaker.note(&origin, attempt.map_or(Health::Down, |attempt| attempt.health(ending)));
    }

    /// The origin of a request, if that is left alone for the rest of the run. Cleanup and logout are tried all the same.
    pub fn left_alone(&self, origin: Option<Origin>) -> Option<Origin> {
        origin.filter(|origin| self.breaker.is_open(origin))
    }

    /// Waits until a request may begin in a realm, under its own limit and that of the operation. Whoever waits may be
    /// dropped without harm. `latest` is for what has to be tried whatever the provider asks for: where the wait would last
    /// beyond that time of [`Clock::elapsed`](crate::port::Clock::elapsed), the turn is now.
    pub async fn turn(
        &self,
        realm: &Rc<Realm>,
        rendered: &Rendered,
        operation: Option<&Rc<Limiter>>,
        latest: Option<Duration>,
    ) -> Turn {
        let (realm, origin) = (realm.clone(), rendered.origin());
        let (paced, departure) = (Duration::ZERO, Departure::default());
        self.next_turn(Turn { realm, origin, operation: operation.cloned(), latest, paced, departure }).await
    }

    /// Waits for the next turn after one, in the same place and under the same limits.
    async fn next_turn(&self, last: Turn) -> Turn {
        let Turn { realm, origin, operation, latest, departure, .. } = last;
        let clock = &self.world.clock;
        let began = clock.elapsed();
        let is_in_time = |start: &Duration| latest.is_none_or(|latest| *start <= latest);
        let start = realm.earliest(began, origin.as_ref(), operation.as_deref());
        let start = Some(start).filter(is_in_time).unwrap_or(began);
        realm.take(start, operation.as_deref());
        let pause_end = || realm.pause_end(origin.as_ref());
        let mut until = start;
        // A pause may begin or grow while this request waits.
        while let Some(wait) = until.checked_sub(clock.elapsed()).filter(|wait| !wait.is_zero()) {
            clock.sleep(wait).await;
            until = Some(start.max(pause_end())).filter(is_in_time).unwrap_or(start);
        }
        let paced = clock.elapsed().saturating_sub(began.max(pause_end()));
        Turn { realm, origin, operation, latest, paced, departure }
    }

    /// Sends a request. The final address is checked against the realm; redirects are followed for reads only, within the
    /// origin. A throttled answer pauses its origin for as long as the server asks, for this account. Whoever drops the future gives the
    /// request up: that is reported at once, since it may have reached the server. [`Turn::departure`] says if it has not.
    pub async fn send(&self, turn: Turn, rendered: &Rendered, sending: Sending) -> Attempt {
        let clock = self.world.clock.clone();
        let mut flight = Flight::begin(self, rendered, sending, &turn);
        let (realm, origin) = (turn.realm.clone(), turn.origin.clone());
        let outcome = self.follow(turn, rendered, sending, &mut flight).await;
        let requests = flight.redirects + u32::from(was_sent(&outcome));
        let paced = flight.paced;
        let record = flight.land(was_sent(&outcome), status_of(&outcome), problem_of(&outcome));
        let is_throttled = outcome.as_ref().is_ok_and(|answer| self.is_throttled(&realm, answer));
        let wish = outcome.as_ref().ok().and_then(|answer| realm.wish(answer, clock.now(), is_throttled));
        if let (Some(wish), Some(origin)) = (wish, origin) {
            realm.pause_until(origin, clock.elapsed().saturating_add(wish));
        }
        Attempt { outcome, is_throttled, wish, requests, paced, record }
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
            began: record.began,
            took: record.took,
            retry_after,
            http: record.wire.map(|wire| Box::new(wire.note(record.purpose, &self.events))),
        });
    }

    fn is_throttled(&self, realm: &Realm, answer: &Answer) -> bool {
        realm.is_throttled(answer, self.world.clock.now()).unwrap_or_else(|error| {
            self.events.warn(format!("failed to {error}; taken as not throttled"));
            false
        })
    }

    async fn follow(
        &self,
        mut turn: Turn,
        rendered: &Rendered,
        sending: Sending,
        flight: &mut Flight<'_>,
    ) -> Result<Answer, SendError> {
        let mut request = rendered
            .to_request()
            .ok_or_else(|| SendError::Refused("a part of the address is not known".to_owned()))?;
        request.ca_file = turn.realm.ca_file().map(Path::to_owned);
        request.departure = turn.departure();
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        loop {
            let response = self.transmit(&turn.realm, rendered, &request, flight).await?;
            let follows = is_read && sending.follows_redirects;
            let target = match redirect_target(&request.url, &response) {
                Some(target) if follows => target?,
                _ => {
                    let takes_part = sending.takes_part || request.headers.contains_key(RANGE);
                    return whole(Answer::decode(response, request.url), takes_part);
                }
            };
            if flight.redirects >= MOST_REDIRECTS {
                let reason = format!("more than {MOST_REDIRECTS} redirects in a row");
                return Err(SendError::Redirect { status: response.status, reason });
            }
            self.report(flight.record(true, Some(response.status), None), None);
            flight.shown_address = self.events.clean(&target).to_string();
            flight.redirects += 1;
            request.url = target;
            turn = self.next_turn(turn).await;
            flight.paced += turn.paced;
        }
    }

    /// The only call of the transport.
    async fn transmit(
        &self,
        realm: &Realm,
        rendered: &Rendered,
        request: &Request,
        flight: &mut Flight<'_>,
    ) -> Result<Response, SendError> {
        realm.check(&request.url).map_err(SendError::Refused)?;
        flight.sent_at = self.world.clock.elapsed();
        let Sending { purpose, hides_bodies, .. } = flight.sending;
        let keeping = Keeping::of(purpose, self.keeps_bodies, hides_bodies);
        let wire = flight.wire.insert(Wire::of_request(rendered, request, keeping));
        let response = self.world.transport.send(request).await?;
        wire.answered(&response);
        Ok(response)
    }
}

/// Whether a status sends the client elsewhere.
pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Where an answer redirects to; `None` when it does not.
fn redirect_target(from: &Url, response: &Response) -> Option<Result<Url, SendError>> {
    let status = response.status;
    if !is_redirect(status) {
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
        Err(SendError::Transport(error)) => error.failure.was_sent(),
        Err(SendError::Redirect { .. }) | Ok(_) => true,
    }
}

fn status_of(outcome: &Result<Answer, SendError>) -> Option<u16> {
    outcome.as_ref().map_or_else(SendError::status, |answer| Some(answer.status))
}

fn problem_of(outcome: &Result<Answer, SendError>) -> Option<String> {
    match outcome {
        Ok(answer) => answer.problem.as_ref().map(ToString::to_string),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Rate, RateLimit};
    use crate::event::{Event, EventSink};
    use crate::port::Transport;
    use crate::port::fake::{FakeClock, FakeWorld, Reply, ScriptedTransport};
    use crate::source::{SourceMap, Span, Spanned};
    use futures_util::future::{FutureExt, LocalBoxFuture};
    use serde_json::json;
    use std::cell::RefCell;

    #[derive(Default)]
    struct Log(Vec<EventKind>);

    impl EventSink for Log {
        fn receive(&mut self, event: &Event) {
            self.0.push(event.kind.clone());
        }
    }

    struct Bench {
        exchange: Exchange,
        transport: Rc<ScriptedTransport>,
        clock: Rc<FakeClock>,
        log: Rc<RefCell<Log>>,
    }

    fn bench(transport: ScriptedTransport) -> Bench {
        let (fake, transport) = (FakeWorld::default(), Rc::new(transport));
        let world = World { transport: transport.clone(), ..fake.world() };
        let log = Rc::new(RefCell::new(Log::default()));
        let events = Events::new(log.clone(), world.clock.clone(), Default::default());
        Bench { exchange: Exchange::new(world, events), transport, clock: fake.clock, log }
    }

    fn realm(origins: &[&str], allows_http: bool) -> Rc<Realm> {
        let origins = origins.iter().map(|origin| Origin::of(&origin.parse().unwrap()).unwrap()).collect();
        Rc::new(Realm::new(origins, allows_http))
    }

    fn rendered(method: Method, address: &str) -> Rendered {
        Rendered::new(method, Some(address.parse().unwrap()), address.to_owned(), Duration::from_secs(30))
    }

    impl Bench {
        async fn send(&self, realm: &Rc<Realm>, rendered: &Rendered) -> Attempt {
            let turn = self.exchange.turn(realm, rendered, None, None).await;
            self.exchange.send(turn, rendered, Sending::attempt(Purpose::Step, 1)).await
        }

        async fn get(&self, address: &str) -> Attempt {
            self.send(&realm(&["https://a.example"], false), &rendered(Method::GET, address)).await
        }
    }

    fn reason(attempt: Attempt) -> String {
        attempt.outcome.expect_err("a failure").to_string()
    }

    #[tokio::test]
    async fn nothing_leaves_for_another_origin() {
        let bench = bench(ScriptedTransport::script([]));
        for address in
            ["https://b.example/", "https://a.example:444/", "http://a.example/", "https://a.example.evil/"]
        {
            let attempt = bench.get(address).await;
            assert_eq!(attempt.ending(|_| false), Ending::Rejected);
            assert!(reason(attempt).contains("is none of the provider's origins"), "{address}");
        }
        let open = realm(&["http://a.example"], false);
        let attempt = bench.send(&open, &rendered(Method::GET, "http://a.example/")).await;
        assert!(reason(attempt).contains("not encrypted"));
        assert_eq!(bench.transport.lines(), [""; 0]);
    }

    /// A network that never answers.
    struct Silence;

    impl Transport for Silence {
        fn send<'a>(&'a self, _: &'a Request) -> LocalBoxFuture<'a, Result<Response, TransportError>> {
            std::future::pending().boxed_local()
        }
    }

    #[test]
    fn a_request_that_is_given_up_is_reported_as_sent() {
        let mut bench = bench(ScriptedTransport::script([]));
        bench.exchange.world.transport = Rc::new(Silence);
        assert!(bench.get("https://a.example/x").now_or_never().is_none());
        let reported: Vec<_> = bench.log.borrow().0.iter().map(|event| format!("{event:?}")).collect();
        assert_eq!(reported.len(), 1);
        assert!(reported[0].contains("was_sent: true") && reported[0].contains("given up"), "{reported:?}");
    }

    #[tokio::test]
    async fn http_goes_to_this_machine_or_where_it_is_allowed() {
        let bench = bench(ScriptedTransport::new(|_| Reply::status(204)));
        for (address, allows_http) in [("http://127.0.0.1:8080/", false), ("http://a.example/", true)] {
            let attempt = bench.send(&realm(&[address], allows_http), &rendered(Method::GET, address)).await;
            assert_eq!(attempt.outcome.unwrap().status, 204);
        }
    }

    #[tokio::test]
    async fn redirects_of_reads_are_followed_within_the_origin() {
        let bench = bench(ScriptedTransport::script([
            ("GET https://a.example/x", Reply::status(302).header("location", "/y?z=1")),
            ("GET https://a.example/y?z=1", Reply::status(308).header("location", "https://a.example/z")),
            ("GET https://a.example/z", Reply::json(200, json!({"ok": true}))),
        ]));
        let attempt = bench.get("https://a.example/x").await;
        assert_eq!(attempt.outcome.unwrap().body, json!({"ok": true}));
        bench.exchange.report(attempt.record, None);
        let reported: Vec<_> = bench
            .log
            .borrow()
            .0
            .iter()
            .map(|kind| match kind {
                EventKind::AttemptFinished { address, status, .. } => (address.to_string(), status.unwrap()),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected =
            [("https://a.example/x", 302), ("https://a.example/y?z=1", 308), ("https://a.example/z", 200)];
        assert_eq!(reported, expected.map(|(address, status)| (address.to_owned(), status)));
    }

    #[tokio::test]
    async fn redirects_elsewhere_or_without_end_or_of_writes_are_not_followed() {
        for (location, words) in [
            ("https://evil.example/x", "redirected to https://evil.example;"),
            ("http://a.example/x", "redirected to http://a.example;"),
            ("//evil.example/x", "redirected to https://evil.example;"),
            ("ftp://a.example/x", "the scheme `ftp`"),
        ] {
            let reply = Reply::status(307).header("location", location);
            let bench = bench(ScriptedTransport::script([("GET https://a.example/x", reply)]));
            assert!(reason(bench.get("https://a.example/x").await).contains(words), "{location}");
        }
        let endless = bench(ScriptedTransport::new(|_| Reply::status(302).header("location", "/x")));
        let attempt = endless.get("https://a.example/x").await;
        assert_eq!((attempt.requests, endless.transport.sent().len()), (11, 11));
        assert_eq!(endless.log.borrow().0.len(), 10, "the last one is reported with the attempt");
        assert!(reason(attempt).contains("more than 10 redirects"));
        let write = bench(ScriptedTransport::new(|_| Reply::status(302).header("location", "/x")));
        let attempt = write
            .send(&realm(&["https://a.example"], false), &rendered(Method::POST, "https://a.example/x"))
            .await;
        assert_eq!(attempt.outcome.unwrap().status, 302);
        assert_eq!(write.transport.sent().len(), 1);
    }

    #[tokio::test]
    async fn a_part_that_nobody_asked_for_is_not_taken_for_the_whole() {
        let part = |range: &str| Reply::json(206, json!([1])).header("content-range", range);
        for (range, words) in [
            ("bytes 0-20/1000", "a part came only: bytes 0-20 of 1,000"),
            ("bytes 1000-1999/*", "a part came only: bytes 1,000-1,999"),
            ("items 0-20/1000", "a part came only: it does not say which"),
        ] {
            let bench = bench(ScriptedTransport::new(move |_| part(range)));
            let attempt = bench.get("https://a.example/x").await;
            assert_eq!((attempt.status(), attempt.ending(|_| true)), (Some(206), Ending::DoneBodyCut));
            assert_eq!(reason(attempt), words);
        }
        let all = bench(ScriptedTransport::new(move |_| part("bytes 0-2/3")));
        assert_eq!(all.get("https://a.example/x").await.outcome.unwrap().body, json!([1]));
        let expected = Sending { takes_part: true, ..Sending::attempt(Purpose::Step, 1) };
        let bench = bench(ScriptedTransport::new(move |_| part("bytes 0-20/1000")));
        let (realm, request) =
            (realm(&["https://a.example"], false), rendered(Method::GET, "https://a.example/x"));
        let turn = bench.exchange.turn(&realm, &request, None, None).await;
        assert_eq!(bench.exchange.send(turn, &request, expected).await.outcome.unwrap().body, json!([1]));
    }

    #[tokio::test]
    async fn a_throttled_answer_pauses_all_of_the_account() {
        let bench = bench(ScriptedTransport::script([
            ("GET https://a.example/x", Reply::status(429).header("retry-after", "7")),
            ("GET https://a.example/y", Reply::status(200)),
        ]));
        let realm = realm(&["https://a.example"], false);
        let attempt = bench.send(&realm, &rendered(Method::GET, "https://a.example/x")).await;
        assert!(attempt.is_throttled);
        assert_eq!(attempt.ending(|_| false), Ending::Throttled);
        assert_eq!(attempt.wish, Some(Duration::from_secs(7)));
        bench.send(&realm, &rendered(Method::GET, "https://a.example/y")).await.outcome.unwrap();
        assert_eq!(crate::port::Clock::elapsed(&*bench.clock), Duration::from_secs(7));
    }

    fn rate_limit(rate: Option<Rate>, readers: bool) -> RateLimit {
        let file = SourceMap::default().add("t", "");
        let span = Span::new(file, 0..0);
        let header = |name: &str| {
            let place = crate::document::ReaderPlace::Header(Spanned::new(name.to_owned(), span));
            Some(crate::document::Reader { place, secret: None, default: None, span }).filter(|_| readers)
        };
        RateLimit {
            rate: rate.map(|rate| Spanned::new(rate, span)),
            burst: None,
            remaining: header("x-remaining"),
            reset_after: header("x-reset"),
            span,
        }
    }

    #[tokio::test]
    async fn a_rate_holds_across_requests_and_operations_have_their_own() {
        let bench = bench(ScriptedTransport::new(|_| Reply::status(200)));
        let rate = |count, seconds| Rate { count, per: Duration::from_secs(seconds) };
        let origin = Origin::of(&"https://a.example".parse().unwrap()).unwrap();
        let limit = rate_limit(Some(rate(3, 10)), false);
        let realm = Rc::new(Realm::new(vec![origin], false).limited(Some(&limit)));
        let operation = realm.operation_limiter("list", &rate_limit(Some(rate(1, 1)), false)).unwrap();
        let rendered = rendered(Method::GET, "https://a.example/");
        let mut starts = Vec::new();
        for _ in 0..4 {
            let _turn = bench.exchange.turn(&realm, &rendered, Some(&operation), None).await;
            starts.push(crate::port::Clock::elapsed(&*bench.clock).as_secs());
        }
        assert_eq!(starts, [0, 1, 2, 10]);
    }

    #[tokio::test]
    async fn nothing_remaining_means_to_wait_for_the_reset() {
        let bench = bench(ScriptedTransport::script([
            ("GET https://a.example/", Reply::status(200).header("x-remaining", "1").header("x-reset", "9")),
            ("GET https://a.example/", Reply::status(200).header("x-remaining", "0").header("x-reset", "9")),
            ("GET https://a.example/", Reply::status(200)),
        ]));
        let origin = Origin::of(&"https://a.example".parse().unwrap()).unwrap();
        let realm = Rc::new(Realm::new(vec![origin], false).limited(Some(&rate_limit(None, true))));
        let mut starts = Vec::new();
        for _ in 0..3 {
            let attempt = bench.send(&realm, &rendered(Method::GET, "https://a.example/")).await;
            attempt.outcome.unwrap();
            starts.push(crate::port::Clock::elapsed(&*bench.clock).as_secs());
        }
        assert_eq!(starts, [0, 0, 9]);
    }
}
