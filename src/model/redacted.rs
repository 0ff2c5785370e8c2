//! Text that is free of secrets by construction.

use super::redaction::Redactor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A text that has passed the [`Redactor`]. Events hold no other, so that no reporter can forget it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, description = "Text without secrets.")]
pub struct Redacted(String);

impl Redacted {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Redactor {
    /// Redacts a text and remembers in its type that this was done.
    pub fn clean(&self, text: impl AsRef<str>) -> Redacted {
        Redacted(self.redact(text.as_ref()).into_owned())
    }
}
