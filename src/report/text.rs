//! Texts of events on their way into a document.

use crate::model::redacted::Redacted;
use crate::model::redaction::Redactor;
use crate::model::visible::visible;

/// Redacts once more: each text was redacted when its event was made; what became known as a secret only later is found now.
pub(super) struct Texts<'a>(pub(super) &'a Redactor);

impl Texts<'_> {
    /// The text for people: odd characters are shown, not obeyed.
    pub(super) fn of(&self, text: &Redacted) -> String {
        self.show(text.as_str())
    }

    /// As [`Texts::of`], for a text that is made of such.
    pub(super) fn show(&self, text: impl AsRef<str>) -> String {
        visible(&self.0.redact(text.as_ref())).into_owned()
    }

    /// The text for programs, each character as it is.
    pub(super) fn raw(&self, text: &Redacted) -> String {
        self.0.redact(text.as_str()).into_owned()
    }
}
