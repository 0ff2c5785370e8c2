//! What is said when a step fails: first the cause, then where, then what now.

use super::limits::{Interruption, TimeLimit};
use super::pages::PageProblem;
use super::rows::RowsProblem;
use crate::event::FailureDraft;
use crate::exchange::{Rendered, Said, hint, status_text};
use crate::model::exit::Cause;
use crate::model::words::{duration, signal_name};
use crate::plan::PlannedRequest;
use crate::template::EvaluationError;
use std::time::Duration;

impl FailureDraft {
    /// The failure of an expression, at its place.
    pub fn evaluation(error: &EvaluationError) -> Self {
        Self::new(Cause::Step, error.to_string()).at(error.span)
    }

    /// Work that ended before it was done. `what` is what did not end: `the wait before attempt 2`.
    pub fn interruption(interruption: Interruption, what: &str) -> Self {
        let (cause, why) = interruption_words(interruption);
        Self::new(cause, format!("{why} during {what}"))
    }

    /// What the provider itself says, and the author's hint for it.
    #[must_use]
    pub fn said(mut self, provider: &str, said: &Said, hints: &[(String, String)], status: u16) -> Self {
        self.notes.extend(said.words().map(|words| format!("{provider} says: {words}")));
        let hints: Vec<_> = hints.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
        self.notes.extend(hint(&hints, said.code.as_deref(), status).map(|hint| format!("hint: {hint}")));
        self
    }
}

/// The cause of an interruption, and what happened in a few words.
pub fn interruption_words(interruption: Interruption) -> (Cause, String) {
    match interruption {
        Interruption::Signal(number) => (Cause::Signal(number), format!("{} came", signal_name(number))),
        Interruption::OutOfTime(TimeLimit::Deadline(time)) => {
            (Cause::Deadline, format!("the deadline of {} passed", duration(time)))
        }
        Interruption::OutOfTime(TimeLimit::Within(time)) => {
            (Cause::Step, format!("the step's {} (`within`) passed", duration(time)))
        }
        Interruption::OutOfTime(TimeLimit::Cleanup(time)) => {
            (Cause::Step, format!("the {} that cleanup may take passed", duration(time)))
        }
    }
}

/// What to do about a write that was done and whose answer is lost.
pub const ANSWER_LOST: &str = "look at the provider for what it brought before you run this again";

/// Which request of a step is spoken of: `page 2 of list_devices`.
pub struct Subject {
    /// The provider's name, or the host of an address of its own.
    pub provider: String,
    /// The operation or the request as written.
    pub what: String,
    /// The page, where there is paging.
    pub page: Option<u32>,
}

impl Subject {
    /// Names a request that is no operation by its path as it is sent, secrets in it as `‹name›`.
    #[must_use]
    pub fn with_target(mut self, request: &PlannedRequest, rendered: &Rendered) -> Self {
        if request.operation.is_none() && request.provider.is_some() {
            let target = rendered.shown_target();
            let path = target.split('?').next().unwrap_or_default();
            self.what = format!("{} {path}", request.method);
        }
        self
    }

    /// ``page 2 of `list_devices` ``
    pub fn request(&self) -> String {
        match self.page {
            Some(page) => format!("page {page} of `{}`", self.what),
            None => format!("`{}`", self.what),
        }
    }

    /// ``emnify answered 404 Not Found to `get_device` ``
    pub fn answered(&self, status: u16) -> String {
        format!("{} answered {} to {}", self.provider, status_text(status), self.request())
    }

    /// An answer with a status that the step does not expect.
    pub fn refusal(&self, status: u16) -> FailureDraft {
        FailureDraft::new(Cause::Step, self.answered(status)).advice(refusal_advice(status))
    }

    /// An answer without the rows that it should have.
    pub fn no_rows(&self, problem: &RowsProblem) -> FailureDraft {
        let headline = format!("the rows of {} cannot be read: {problem}", self.request());
        FailureDraft::new(Cause::Step, headline).advice("compare `rows` with what the provider answers")
    }

    /// A list that is not complete.
    pub fn incomplete(&self, problem: &PageProblem) -> FailureDraft {
        let headline = format!("the list of `{}` is not complete: {problem}", self.what);
        FailureDraft::new(Cause::Step, headline).advice(match problem {
            PageProblem::Miscounted { .. } => {
                "run it again: rows may have come or gone between two pages, or `total` counts something else"
            }
            PageProblem::TooMany { .. } => "raise `max_pages` if the list is really that long",
            _ => "compare `paginate` with what the provider answers",
        })
    }
}

/// What to do about a status that the step does not expect.
pub fn refusal_advice(status: u16) -> &'static str {
    match status {
        200..=299 => "compare `expect: { status: ... }` with what the provider answers",
        300..=399 => "a redirect is no success: send the request where the provider wants it",
        401 => "check whether this request needs a session, and whether its credentials are right",
        403 => "use an account that may do this, or give this one the right to",
        404 | 410 => "check the address and the ids in it; `expect: { status: [2xx, 404] }` if this is fine",
        405 => "check the verb and the path: this address takes other verbs",
        409 => "see what is there already; `expect: { status: [2xx, 409] }` if this is fine",
        412 => "it has changed there since it was read: read it anew, then send what fits that",
        413 => "send less at once",
        423 => "somebody holds it: release it there, or run it again later",
        425 => "run it again later: the provider fears that somebody has copied this request",
        499 => "see what stands between: a proxy says that the connection was closed before the answer",
        511 => "sign in to the network on the way, then run it again",
        _ => "compare what is sent with what the provider wants; `--dry-run` shows each request",
    }
}

/// `attempt 3 of 3 after 4.2 s`
pub fn attempt_words(attempt: u32, attempts: u32, after: Duration) -> String {
    match attempts {
        0 | 1 => format!("sent once, {}", duration(after)),
        _ => format!("attempt {attempt} of {attempts} after {}", duration(after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_subject_names_provider_operation_and_page() {
        let subject = |page| Subject { provider: "emnify".into(), what: "list_devices".into(), page };
        assert_eq!(
            subject(Some(2)).answered(503),
            "emnify answered 503 Service Unavailable to page 2 of `list_devices`"
        );
        assert_eq!(subject(None).answered(404), "emnify answered 404 Not Found to `list_devices`");
    }

    #[test]
    fn what_the_provider_says_and_the_hint_for_it() {
        let said = Said { code: Some("A1".into()), message: Some("no".into()) };
        let hints = [("A1".to_owned(), "ask first".to_owned())];
        let trouble = FailureDraft::new(Cause::Step, "x").said("emnify", &said, &hints, 403);
        assert_eq!(trouble.notes, ["emnify says: A1: no", "hint: ask first"]);
        let silent = FailureDraft::new(Cause::Step, "x").said("emnify", &Said::default(), &[], 403);
        assert!(silent.notes.is_empty());
    }

    #[test]
    fn interruptions_have_their_cause() {
        let minute = Duration::from_secs(60);
        for (interruption, cause, words) in [
            (Interruption::Signal(15), Cause::Signal(15), "SIGTERM came during x"),
            (
                Interruption::OutOfTime(TimeLimit::Deadline(minute)),
                Cause::Deadline,
                "the deadline of 1 min passed during x",
            ),
            (
                Interruption::OutOfTime(TimeLimit::Within(minute)),
                Cause::Step,
                "the step's 1 min (`within`) passed during x",
            ),
        ] {
            let trouble = FailureDraft::interruption(interruption, "x");
            assert_eq!((trouble.cause, trouble.headline.as_str()), (cause, words));
        }
    }
}
