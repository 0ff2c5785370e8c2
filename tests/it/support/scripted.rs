//! A server on loopback that answers as a test has planned, and keeps what it was asked.

use std::collections::VecDeque;

use serde_json::Value;

use super::raw_server::RawServer;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and path with query: `GET /devices?page=2`.
    pub line: String,
    /// The lines of its head behind the first.
    pub head: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Request {
    /// Reads it from its bytes.
    pub fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a request has a head");
        let mut lines = head.lines();
        let line = lines.next().and_then(|line| line.strip_suffix(" HTTP/1.1")).expect("HTTP/1.1");
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let head = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { line: line.to_owned(), head, body: body.to_owned() }
    }

    /// The value of a header, by its name in lower case; empty if there is none.
    ///
    /// # Panics
    /// If there are several.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.head.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next().unwrap_or_default();
        assert_eq!(values.next(), None, "a second {name}");
        first
    }

    /// Its body as JSON, and null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// An answer to be given.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// An answer with a body of that content type.
    pub fn text(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::empty(status) }.header("content-type", content_type)
    }

    /// An answer in JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let Self { status, headers, body } = self;
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length =
            if *status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        format!("HTTP/1.1 {status} As planned\r\nconnection: close\r\n{length}{headers}\r\n{body}")
            .into_bytes()
    }
}

/// The server. It lives as long as the program of the tests.
pub struct ScriptedServer(RawServer);

impl ScriptedServer {
    /// Answers each request by `answer`, one after another.
    pub fn start(mut answer: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        Self(RawServer::start(move |_, connection| {
            if let Some(text) = connection.receive() {
                connection.send(&answer(&Request::read(&text)).bytes());
            }
        }))
    }

    /// Gives the replies in their order, and 599 when they are used up.
    pub fn replying(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        Self::start(move |_| replies.pop_front().unwrap_or_else(|| Reply::empty(599)))
    }

    /// Its address, without a slash at its end.
    pub fn base_url(&self) -> String {
        self.0.url("")
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.0.requests().iter().map(|text| Request::read(text)).collect()
    }

    /// Method and path of the requests so far.
    pub fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }
}
