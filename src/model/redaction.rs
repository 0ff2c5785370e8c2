//! Placeholder until the redactor is here.
use std::borrow::Cow;
/// Placeholder.
#[derive(Clone, Default, Debug)]
pub struct Redactor;
impl Redactor {
    /// Placeholder.
    pub fn learn(&self, _name: &str, _secret: &str) {}
    /// Placeholder.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(text)
    }
}
