//! Text that is free of secrets by construction.

use super::redaction::Redactor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A text that has passed the [`Redactor`]. Events hold no other, so that no reporter can forget it. One that is read back
/// from a journal passed it before it was written there.
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

    /// As [`Redactor::clean`], for many short texts: they are looked through all at once, and one by one only where a secret
    /// may be among them.
    pub fn clean_all(&self, texts: Vec<String>) -> Vec<Redacted> {
        // What is in one of them is in all of them together, too.
        let is_clean = matches!(self.redact(&texts.join("\n")), Cow::Borrowed(_));
        let clean = |text: String| if is_clean { Redacted(text) } else { self.clean(text) };
        texts.into_iter().map(clean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_texts_are_cleaned_as_each_of_them_would_be() {
        let redactor = Redactor::default();
        let _ = redactor.learn("x", "geheim-4711");
        // The last two make a secret of what stands on two lines, which neither of them holds.
        for texts in [&["a", ""][..], &["a", "b geheim-4711"], &["geheim", "-4711"]] {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            let one_by_one: Vec<Redacted> = texts.iter().map(|text| redactor.clean(text)).collect();
            assert_eq!(redactor.clean_all(texts), one_by_one);
        }
    }
}
