//! What a provider answers.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

/// Status, headers and body of one answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its headers, without those that belong to the transport.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub(super) body: Bytes,
}

impl Answer {
    /// No body and no content type.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// A JSON body.
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// A body of any text type.
    pub(super) fn text(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Self {
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
        Self { status, headers, body: Bytes::from(body.into()) }
    }

    /// Adds a header. A value that no header can hold becomes empty.
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        let value =
            HeaderValue::from_str(&value.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
        self.headers.push((HeaderName::from_static(name), value));
        self
    }
}
