//! What is told of a request and its answer: headers always, bodies where somebody asked for them before the run.

use super::Rendered;
use crate::event::{BodyNote, Events, HeaderNote, HttpNote, MessageNote, Omission, Purpose, ResponseNote};
use crate::model::redacted::Redacted;
use crate::model::redaction::placeholder;
use crate::port::{Body, Request, Response};
use http::{HeaderMap, HeaderName, Version, header};
use std::fmt;
use std::time::Duration;

/// How much of a body is kept, in bytes.
const KEPT_BYTES: usize = 64 * 1024;
/// So much is redacted before it is cut: a secret that lies across the cut is found as a whole.
const REDACTED_BYTES: usize = 2 * KEPT_BYTES;

/// Headers of the answer to a sign-in that may be shown. Each other one may hold what is about to become a secret.
const PLAIN_HEADERS: [HeaderName; 11] = [
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::DATE,
    header::LOCATION,
    header::RETRY_AFTER,
    header::SERVER,
    header::TRANSFER_ENCODING,
    header::VARY,
    header::WWW_AUTHENTICATE,
];

/// Parts of the names of headers whose values are never shown.
const SECRET_WORDS: [&str; 12] = [
    "auth",
    "cookie",
    "token",
    "secret",
    "password",
    "passwd",
    "api-key",
    "apikey",
    "access-key",
    "session",
    "credential",
    "signature",
];

/// Which bodies are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// The texts of both.
    Bodies,
    /// None, for this reason.
    Nothing(Omission),
}

impl Keeping {
    /// What is kept of a request for that purpose. `is_asked` is what the run wants; `is_secret`, what the step knows.
    pub(super) fn of(purpose: Purpose, is_asked: bool, is_secret: bool) -> Self {
        match purpose {
            _ if !is_asked => Self::Nothing(Omission::NotAsked),
            Purpose::Step | Purpose::Verify if is_secret => Self::Nothing(Omission::Secret),
            Purpose::Step | Purpose::Verify => Self::Bodies,
            Purpose::Login | Purpose::Refresh | Purpose::Logout => Self::Nothing(Omission::SignIn),
        }
    }
}

/// A request and its answer on their way into an event; not yet redacted.
pub(super) struct Wire {
    keeping: Keeping,
    headers: Vec<(String, String)>,
    body: DraftBody,
    answer: Option<DraftAnswer>,
}

struct DraftAnswer {
    version: Version,
    headers: HeaderMap,
    body: DraftBody,
    waited: Duration,
}

#[derive(Default)]
struct DraftBody {
    bytes: Option<u64>,
    /// The beginning, if it is to be kept.
    start: Vec<u8>,
}

/// Shows nothing: it holds what is not redacted yet.
impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    /// A request that goes out.
    pub(super) fn of_request(rendered: &Rendered, request: &Request, keeping: Keeping) -> Self {
        let bytes = match &request.body {
            Body::Empty => Some(0),
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::File(_) | Body::Multipart(_) => None,
        };
        let shown = || rendered.shown_body().unwrap_or_default();
        let start = if keeping == Keeping::Bodies { start_of(shown().as_bytes()) } else { Vec::new() };
        let body = DraftBody { bytes, start };
        Self { keeping, headers: shown_headers(rendered, &request.headers), body, answer: None }
    }

    /// The answer has come.
    pub(super) fn answered(&mut self, response: &Response) {
        let Response { headers, body, version, waited, .. } = response;
        let start = if self.keeping == Keeping::Bodies { start_of(body) } else { Vec::new() };
        let body = DraftBody { bytes: Some(body.len() as u64), start };
        self.answer =
            Some(DraftAnswer { version: *version, headers: headers.clone(), body, waited: *waited });
    }

    /// What may be shown of it.
    pub(super) fn note(self, purpose: Purpose, events: &Events) -> HttpNote {
        let headers = clean_headers(self.headers, events);
        let request = MessageNote { headers, body: self.body.note(self.keeping, events) };
        let response = self.answer.map(|answer| ResponseNote {
            version: format!("{:?}", answer.version),
            message: MessageNote {
                headers: clean_headers(answered_headers(&answer.headers, purpose), events),
                body: answer.body.note(self.keeping, events),
            },
            waited: answer.waited,
        });
        HttpNote { request, response }
    }
}

impl DraftBody {
    fn note(self, keeping: Keeping, events: &Events) -> BodyNote {
        let Self { bytes, start } = self;
        let omitted = |omission| BodyNote { bytes, text: None, omission: Some(omission) };
        match keeping {
            _ if bytes == Some(0) => BodyNote { bytes, text: None, omission: None },
            Keeping::Nothing(omission) => omitted(omission),
            Keeping::Bodies => match text_of(&start) {
                None => omitted(Omission::NoText),
                Some(text) => {
                    let (text, is_cut) = kept(&events.clean(text), events);
                    let is_cut = is_cut || bytes.is_some_and(|bytes| bytes > REDACTED_BYTES as u64);
                    BodyNote { bytes, text: Some(text), omission: is_cut.then_some(Omission::Cut) }
                }
            },
        }
    }
}

fn start_of(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(REDACTED_BYTES)].to_vec()
}

/// The bytes as a text, but for a character that was cut at the end.
fn text_of(bytes: &[u8]) -> Option<&str> {
    match str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

/// The beginning that is kept of a text, and whether that is not all.
fn kept(text: &Redacted, events: &Events) -> (Redacted, bool) {
    let shown = text.as_str();
    match shown.len() > KEPT_BYTES {
        false => (text.clone(), false),
        true => (events.clean(&shown[..shown.floor_char_boundary(KEPT_BYTES)]), true),
    }
}

/// The headers of a request as they may be shown: each under the name that its author wrote.
fn shown_headers(rendered: &Rendered, sent: &HeaderMap) -> Vec<(String, String)> {
    let mut shown = rendered.shown_headers();
    for (name, value) in sent {
        if !shown.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.as_str())) {
            shown.push((name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
    }
    for (name, value) in &mut shown {
        let is_marked = sent.get(name.as_str()).is_some_and(http::HeaderValue::is_sensitive);
        // Where a placeholder stands, the secret is hidden already, and its name says more.
        if (is_marked || is_secret_name(name)) && !value.contains('‹') {
            *value = placeholder(name);
        }
    }
    shown
}

/// The headers of an answer, with placeholders for values that are not shown.
fn answered_headers(headers: &HeaderMap, purpose: Purpose) -> Vec<(String, String)> {
    let shown = |(name, value): (&HeaderName, &http::HeaderValue)| {
        let may_be_shown = match purpose {
            Purpose::Step | Purpose::Verify => !is_secret_name(name.as_str()),
            Purpose::Login | Purpose::Refresh | Purpose::Logout => PLAIN_HEADERS.contains(name),
        };
        let value = match may_be_shown {
            true => String::from_utf8_lossy(value.as_bytes()).into_owned(),
            false => placeholder(name.as_str()),
        };
        (name.to_string(), value)
    };
    headers.iter().map(shown).collect()
}

fn clean_headers(headers: Vec<(String, String)>, events: &Events) -> Vec<HeaderNote> {
    let (names, values): (Vec<_>, Vec<_>) = headers.into_iter().unzip();
    let count = names.len();
    let mut names = events.redactor().clean_all([names, values].concat());
    let values = names.split_off(count);
    names.into_iter().zip(values).map(|(name, value)| HeaderNote(name, value)).collect()
}

/// Whether a header holds a secret, judged by its name. A challenge (`WWW-Authenticate`) is none.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.ends_with("-authenticate") && SECRET_WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind, EventSink};
    use crate::exchange::{Exchange, Origin, Realm, Sending};
    use crate::port::World;
    use crate::port::fake::{FakeWorld, Reply, ScriptedTransport};
    use http::Method;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[derive(Default)]
    struct Notes(Vec<(Duration, HttpNote)>);

    impl EventSink for Notes {
        fn receive(&mut self, event: &Event) {
            if let EventKind::AttemptFinished { began, http: Some(http), .. } = &event.kind {
                self.0.push((*began, HttpNote::clone(http)));
            }
        }
    }

    /// What is told of a GET, and of the redirects on its way, when a redactor knows that secret.
    async fn told<const N: usize>(
        replies: [Reply; N],
        secret: &str,
        keeps_bodies: bool,
        sending: Sending,
    ) -> Vec<(Duration, HttpNote)> {
        let script = replies.map(|reply| ("GET https://a.example/", reply));
        let world =
            World { transport: Rc::new(ScriptedTransport::script(script)), ..FakeWorld::default().world() };
        let notes = Rc::new(RefCell::new(Notes::default()));
        let events = Events::new(notes.clone(), world.clock.clone(), Default::default());
        events.learn("x.token", secret);
        let exchange = Exchange::new(world, events).keeping_bodies(keeps_bodies);
        let url: url::Url = "https://a.example/".parse().unwrap();
        let realm = Rc::new(Realm::new(vec![Origin::of(&url).unwrap()], false));
        let rendered =
            Rendered::new(Method::GET, Some(url), "https://a.example/".into(), Duration::from_secs(1));
        let turn = exchange.turn(&realm, &rendered, None, None).await;
        let attempt = exchange.send(turn, &rendered, sending).await;
        exchange.report(attempt.record, None);
        notes.take().0
    }

    async fn answer_told(reply: Reply, keeps_bodies: bool, sending: Sending) -> MessageNote {
        let (_, note) = told([reply], "geheim-4711", keeps_bodies, sending).await.pop().unwrap();
        note.response.expect("an answer").message
    }

    fn step() -> Sending {
        Sending::attempt(Purpose::Step, 1)
    }

    fn values(message: &MessageNote) -> Vec<String> {
        message.headers.iter().map(|HeaderNote(name, value)| format!("{name}: {value}")).collect()
    }

    #[tokio::test]
    async fn headers_are_told_without_what_is_or_becomes_secret() {
        let reply = || {
            let reply = Reply::status(200).header("set-cookie", "sid=1").header("x-auth-token", "abc");
            reply.header("x-page", "2 of geheim-4711").header("server", "nginx")
        };
        let step = values(&answer_told(reply(), false, step()).await);
        let told = [
            "set-cookie: ‹set-cookie›",
            "x-auth-token: ‹x-auth-token›",
            "x-page: 2 of ‹x.token›",
            "server: nginx",
        ];
        assert_eq!(step, told);
        let login = values(&answer_told(reply(), false, Sending::attempt(Purpose::Login, 1)).await);
        assert_eq!(login[2..], ["x-page: ‹x-page›", "server: nginx"]);
    }

    #[tokio::test]
    async fn bodies_are_told_when_somebody_asked_and_never_those_of_a_sign_in() {
        let reply = || Reply::text(200, "text/plain", "token geheim-4711");
        let body = answer_told(reply(), true, step()).await.body;
        assert_eq!(
            (body.text.unwrap().as_str(), body.omission, body.bytes),
            ("token ‹x.token›", None, Some(17))
        );
        let hidden = Sending { hides_bodies: true, ..step() };
        for (is_asked, sending, omission) in [
            (false, step(), Omission::NotAsked),
            (true, hidden, Omission::Secret),
            (true, Sending::attempt(Purpose::Login, 1), Omission::SignIn),
            (true, Sending::attempt(Purpose::Refresh, 1), Omission::SignIn),
            (true, Sending::attempt(Purpose::Logout, 1), Omission::SignIn),
        ] {
            let body = answer_told(reply(), is_asked, sending).await.body;
            assert_eq!((body.text, body.omission), (None, Some(omission)));
        }
    }

    #[tokio::test]
    async fn a_long_body_is_cut_and_no_secret_with_it() {
        // The secret lies across the cut, and one more across the end of what is looked at.
        let filler = |length: usize| "ä".repeat(length / 2);
        let text = format!("{}geheim-4711{}geheim-4711", filler(KEPT_BYTES - 4), filler(KEPT_BYTES - 12));
        let body = answer_told(Reply::text(200, "text/plain", &text), true, step()).await.body;
        let kept = body.text.unwrap();
        assert_eq!((body.omission, body.bytes), (Some(Omission::Cut), Some(text.len() as u64)));
        assert!(
            kept.as_str().len() <= KEPT_BYTES && !kept.as_str().contains("gehe"),
            "{}",
            kept.as_str().len()
        );
    }

    #[test]
    fn only_text_is_kept() {
        assert_eq!(text_of(b"\xff\xfe\x00"), None);
        assert_eq!(text_of("gr\u{fc}n".as_bytes()), Some("grün"));
        assert_eq!(text_of(&"grü".as_bytes()[..3]), Some("gr"));
    }

    #[tokio::test]
    async fn each_request_on_a_way_of_redirects_is_told() {
        let on = || Reply::status(302).header("location", "/");
        let told = told([on(), on(), Reply::status(204)], "geheim-4711", false, step()).await;
        let locations =
            |(_, note): &(Duration, HttpNote)| values(&note.response.as_ref().unwrap().message).len();
        assert_eq!(told.iter().map(locations).collect::<Vec<_>>(), [1, 1, 0]);
        assert_eq!(values(&told[0].1.request), values(&told[2].1.request));
        assert!(values(&told[0].1.request).contains(&"accept: application/json".to_owned()));
    }

    #[test]
    fn names_tell_which_headers_hold_secrets() {
        for name in
            ["Authorization", "Proxy-Authorization", "Cookie", "X-Soracom-API-Key", "X-Amz-Security-Token"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["WWW-Authenticate", "Content-Type", "X-Request-Id", "Idempotency-Key", "ETag"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
