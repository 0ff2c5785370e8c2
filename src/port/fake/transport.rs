use super::FakeClock;
use crate::port::{Body, Clock, Request, Response, SendFailure, Transport, TransportError};
use futures_util::future::{FutureExt, LocalBoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// A request as the network saw it.
#[derive(Debug, Clone)]
pub struct Sent {
    /// `POST https://api.example.com/login?a=b`
    pub line: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; of files and parts the names only.
    pub body: String,
    /// How long it might have taken.
    pub timeout: Duration,
}

impl Sent {
    /// A header's value, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("readable"))
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    fn of(request: &Request) -> Self {
        let body = match &request.body {
            Body::Empty => String::new(),
            Body::Bytes(bytes) => String::from_utf8(bytes.clone()).expect("text"),
            Body::File(path) => path.display().to_string(),
            Body::Multipart(parts) => {
                parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")
            }
        };
        let line = format!("{} {}", request.method, request.url);
        Self { line, headers: request.headers.clone(), body, timeout: request.timeout }
    }
}

/// What the network does with a request.
#[derive(Clone)]
pub struct Reply {
    result: Result<Response, TransportError>,
    delay: Option<(Rc<FakeClock>, Duration)>,
    is_connected: bool,
}

impl Reply {
    /// An empty answer.
    pub fn status(status: u16) -> Self {
        Self::of(Ok(Response::new(status, HeaderMap::new(), Vec::new())))
    }

    /// A JSON answer.
    #[expect(clippy::needless_pass_by_value, reason = "`json!` makes values")]
    pub fn json(status: u16, body: Value) -> Self {
        Self::text(status, "application/json", &body.to_string())
    }

    /// An answer of any type.
    pub fn text(status: u16, content_type: &str, body: &str) -> Self {
        Self::body(status, body).header("content-type", content_type)
    }

    /// An answer that does not say of which type it is.
    pub fn body(status: u16, body: &str) -> Self {
        Self::of(Self::status(status).result.map(|response| Response { body: body.into(), ..response }))
    }

    /// The answer with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Ok(response) = &mut self.result {
            let name = HeaderName::try_from(name).expect("a header name");
            response.headers.append(name, HeaderValue::try_from(value).expect("a header value"));
        }
        self
    }

    /// The same, so much later.
    #[must_use]
    pub fn after(self, delay: Duration, clock: &Rc<FakeClock>) -> Self {
        Self { delay: Some((clock.clone(), delay)), ..self }
    }

    fn of(result: Result<Response, TransportError>) -> Self {
        Self { result, delay: None, is_connected: true }
    }

    /// What the transport hands on.
    ///
    /// # Errors
    /// As the reply says.
    pub fn into_result(self) -> Result<Response, TransportError> {
        self.result
    }

    /// No connection.
    pub fn unsent() -> Self {
        Self::of(Err(TransportError {
            failure: SendFailure::NotSent,
            reason: "connection refused".to_owned(),
        }))
    }

    /// No connection, however long it is waited for.
    pub fn connecting() -> Self {
        Self { is_connected: false, ..Self::unsent() }
    }

    /// No request, since a file of its body cannot be read.
    pub fn unreadable() -> Self {
        Self::of(Err(TransportError { failure: SendFailure::Local, reason: "cannot read a.bin".to_owned() }))
    }

    /// An answer of which only this status came whole.
    pub fn cut(status: u16) -> Self {
        let failure = SendFailure::BodyCut { status };
        Self::of(Err(TransportError { failure, reason: "the body ended early".to_owned() }))
    }

    /// An answer that is too large, of which this status could be read, if any.
    pub fn unreadable_answer(status: Option<u16>) -> Self {
        let failure = SendFailure::Unreadable { status };
        Self::of(Err(TransportError { failure, reason: "the answer is larger than 64 MB".to_owned() }))
    }

    /// The request went out and nothing came back.
    pub fn lost() -> Self {
        Self::of(Err(TransportError {
            failure: SendFailure::Unknown,
            reason: "no answer within 30 s".to_owned(),
        }))
    }
}

/// A network that answers as a test says, and remembers what it was sent. Each answer lets other tasks run first.
pub struct ScriptedTransport {
    answer: Box<dyn Fn(&Sent) -> Reply>,
    sent: RefCell<Vec<Sent>>,
    slowness: Option<Slowness>,
}

/// How long each answer takes, by which clock.
struct Slowness {
    clock: Rc<dyn Clock>,
    seconds: Box<dyn Fn(&Sent) -> u64>,
}

impl ScriptedTransport {
    /// Answers each request by a function.
    pub fn new(answer: impl Fn(&Sent) -> Reply + 'static) -> Self {
        Self { answer: Box::new(answer), sent: RefCell::default(), slowness: None }
    }

    /// The network whose answers take so many seconds.
    #[must_use]
    pub fn slow(mut self, clock: Rc<dyn Clock>, seconds: impl Fn(&Sent) -> u64 + 'static) -> Self {
        self.slowness = Some(Slowness { clock, seconds: Box::new(seconds) });
        self
    }

    /// Answers these requests in this order, named as in [`Sent::line`]; another one fails the test.
    pub fn script<const N: usize>(script: [(&'static str, Reply); N]) -> Self {
        let script = RefCell::new(VecDeque::from(script));
        Self::new(move |sent| match script.borrow_mut().pop_front() {
            Some((line, reply)) => {
                assert_eq!(sent.line, line);
                reply
            }
            None => panic!("{} was not expected", sent.line),
        })
    }

    /// All requests so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.borrow().clone()
    }

    /// All requests so far as [`Sent::line`]s.
    pub fn lines(&self) -> Vec<String> {
        self.sent.borrow().iter().map(|sent| sent.line.clone()).collect()
    }
}

impl Transport for ScriptedTransport {
    fn send<'a>(&'a self, request: &'a Request) -> LocalBoxFuture<'a, Result<Response, TransportError>> {
        async move {
            let sent = Sent::of(request);
            self.sent.borrow_mut().push(sent.clone());
            if let Some(Slowness { clock, seconds }) = &self.slowness {
                clock.sleep(Duration::from_secs(seconds(&sent))).await;
            }
            let has_waited = Cell::new(false);
            std::future::poll_fn(|context| match has_waited.replace(true) {
                true => std::task::Poll::Ready(()),
                false => {
                    context.waker().wake_by_ref();
                    std::task::Poll::Pending
                }
            })
            .await;
            let reply = (self.answer)(&sent);
            if !reply.is_connected {
                request.departure.prevent();
                return std::future::pending().await;
            }
            if let Some((clock, delay)) = &reply.delay {
                clock.sleep(*delay).await;
            }
            reply.into_result()
        }
        .boxed_local()
    }
}
