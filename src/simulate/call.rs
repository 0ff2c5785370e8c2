//! A request as it reaches a provider.

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

/// Which of a provider's listeners was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The API itself.
    Api,
    /// The separate host on which one signs in.
    SignIn,
}

/// One request, whole.
#[derive(Debug)]
pub(super) struct Call {
    /// The listener it came to.
    pub(super) origin: Origin,
    /// Its method.
    pub(super) method: Method,
    /// Its path as sent, percent-encoding included.
    pub(super) path: String,
    /// Its query as sent, without the question mark.
    pub(super) query: Option<String>,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its body.
    pub(super) body: Bytes,
    /// When it came, by the simulator's clock.
    pub(super) at: Timestamp,
}

/// Why a body could not be read as JSON of the expected form.
#[derive(Debug)]
pub(super) enum BodyError {
    /// The content type is missing or another one.
    MediaType,
    /// No JSON, or JSON of another form; with the parser's explanation.
    Malformed(String),
}

impl Call {
    /// When it came, in whole seconds since the Unix epoch.
    pub(super) fn now(&self) -> i64 {
        self.at.as_second()
    }

    /// A header's value, `None` when it is missing or no text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first value of a query parameter, decoded.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref()?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into())
    }

    /// The path's segments, decoded.
    pub(super) fn segments(&self) -> Vec<String> {
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        path.split('/').map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
    }

    /// The content type in lower case without its parameters; empty when there is none.
    pub(super) fn media_type(&self) -> String {
        let value = self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The body read as `application/json`.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, BodyError> {
        self.json_as("application/json")
    }

    /// The body read as JSON that was announced as `media_type`.
    pub(super) fn json_as<T: DeserializeOwned>(&self, media_type: &str) -> Result<T, BodyError> {
        if self.media_type() != media_type {
            return Err(BodyError::MediaType);
        }
        serde_json::from_slice(&self.body).map_err(|error| BodyError::Malformed(error.to_string()))
    }

    /// The fields of a form-encoded body, decoded.
    pub(super) fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}
