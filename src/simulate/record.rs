//! Requests kept for tests to look at.

use std::collections::VecDeque;

use serde::Serialize;

use super::call::Call;

/// One request as it came, secrets included: the simulators know only demo accounts and loopback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedRequest {
    /// Its method.
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// Header names in lower case, and values, in the order they came.
    pub headers: Vec<(String, String)>,
    /// Its body; bytes that are no UTF-8 are replaced.
    pub body: String,
}

impl RecordedRequest {
    /// The first value of a header; `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn of(call: &Call) -> Self {
        let query = call.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = call.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes())));
        Self {
            method: call.method.to_string(),
            path: format!("{}{query}", call.path),
            headers: headers.collect(),
            body: text(&call.body),
        }
    }
}

/// The latest requests. Older ones are dropped, so that a simulator that is kept up does not grow for ever.
#[derive(Debug, Default)]
pub(super) struct Recorder(VecDeque<RecordedRequest>);

impl Recorder {
    const CAPACITY: usize = 10_000;

    pub(super) fn record(&mut self, call: &Call) {
        if self.0.len() == Self::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(RecordedRequest::of(call));
    }

    /// From the oldest to the newest.
    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.0.iter().cloned().collect()
    }
}
