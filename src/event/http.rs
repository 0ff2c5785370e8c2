//! What went over the wire, as far as it may be shown.

use crate::model::redacted::Redacted;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A request and its answer, as far as they may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HttpNote {
    /// What was sent.
    pub request: MessageNote,
    /// What came back; `None` when no whole answer did.
    pub response: Option<ResponseNote>,
}

/// An answer, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResponseNote {
    /// Its protocol: `HTTP/1.1`.
    pub version: String,
    /// Headers and body.
    pub message: MessageNote,
    /// How long its head was waited for.
    #[serde(with = "super::duration")]
    #[schemars(with = "u64")]
    pub waited: Duration,
}

/// Headers and body of a request or an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageNote {
    /// The headers, in their order.
    pub headers: Vec<HeaderNote>,
    /// The body.
    pub body: BodyNote,
}

/// A header: its name, and its value or a placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderNote(
    /// The name.
    pub Redacted,
    /// The value.
    pub Redacted,
);

/// A body. Its text is kept only when somebody asked for it before the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BodyNote {
    /// How many bytes it has, decompressed; `None` when that is not known.
    pub bytes: Option<u64>,
    /// Its text, or the beginning of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<Redacted>,
    /// Why its text is not here, or not all of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub omission: Option<Omission>,
}

/// Why the text of a body is not kept, or not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Omission {
    /// Nobody asked for it before the run.
    NotAsked,
    /// It belongs to a sign-in.
    SignIn,
    /// The step makes a secret of what is in it.
    Secret,
    /// It is no text in UTF-8, or a file that was streamed.
    NoText,
    /// Only its beginning is kept.
    Cut,
}
