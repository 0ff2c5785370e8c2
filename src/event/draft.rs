//! A failure in the making.

use super::{Events, Failure};
use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::source::{SourceMap, Span};

/// A failure on its way to the report: plain texts, not yet redacted.
#[derive(Debug, Clone)]
pub struct FailureDraft {
    /// Its kind; names the exit code.
    pub cause: Cause,
    /// A sentence without a full stop.
    pub headline: String,
    /// The request that failed.
    pub request: Option<String>,
    /// The place in the file, where it is more exact than the step's.
    pub span: Option<Span>,
    /// More that helps to understand.
    pub notes: Vec<String>,
    /// What to do next.
    pub advice: Option<String>,
}

impl FailureDraft {
    /// A failure with its headline: a sentence without a full stop that quotes no secret.
    pub fn new(cause: Cause, headline: impl Into<String>) -> Self {
        let headline = headline.into();
        Self { cause, headline, request: None, span: None, notes: Vec::new(), advice: None }
    }

    /// The place in the file, where it is more exact than the step's.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// The request that failed.
    #[must_use]
    pub fn request(mut self, request: impl Into<String>) -> Self {
        self.request = Some(request.into());
        self
    }

    /// One more line that helps to understand.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// More lines that help to understand.
    #[must_use]
    pub fn notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// What to do next.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The same failure as a heavier one.
    #[must_use]
    pub fn caused_by(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// The failure for the report, redacted; whoever knows its place adds that.
    pub fn finish(self, redactor: &Redactor) -> Failure {
        let clean = |text: String| redactor.clean(text);
        Failure {
            cause: self.cause,
            headline: clean(self.headline),
            request: self.request.map(clean),
            place: None,
            notes: self.notes.into_iter().map(clean).collect(),
            advice: self.advice.map(clean),
        }
    }

    /// The failure for the report, redacted. `place` is where the step is written.
    pub fn into_failure(self, events: &Events, sources: &SourceMap, place: Option<Span>) -> Failure {
        let place = self.span.or(place).map(|span| events.clean(sources.place(span)));
        Failure { place, ..self.finish(events.redactor()) }
    }
}
