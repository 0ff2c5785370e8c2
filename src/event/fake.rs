//! Events for tests, in which nothing stands but what a test says.

use super::{EventKind, Purpose, StepNote, StepResult, StepStatus};
use crate::model::redacted::Redacted;
use crate::model::redaction::Redactor;
use std::time::Duration;

/// A text without a secret.
pub fn clean(text: &str) -> Redacted {
    Redactor::default().clean(text)
}

/// A step that is neither inner, nor an item, nor cleanup.
pub fn step(label: &str) -> StepNote {
    StepNote { key: 0, depth: 0, label: clean(label), name: None, item: None, is_cleanup: false }
}

/// A step that has ended in no time.
pub fn result(status: StepStatus) -> StepResult {
    StepResult {
        status,
        detail: None,
        rows: None,
        pages: None,
        rounds: None,
        items: None,
        file: None,
        is_restored: false,
        requests: 0,
        retries: 0,
        took: Duration::ZERO,
        failure: None,
    }
}

/// The end of a step.
pub fn finished(step: StepNote, result: StepResult) -> EventKind {
    EventKind::StepFinished { step, result: Box::new(result) }
}

/// An attempt at `GET https://api.example.com/`.
pub struct Attempt {
    pub purpose: Purpose,
    /// 1-based.
    pub number: u32,
    pub was_sent: bool,
    pub status: Option<u16>,
    pub retry_after: Option<Duration>,
}

impl Attempt {
    /// The first one, answered with 200.
    pub fn of(purpose: Purpose) -> Self {
        Self { purpose, number: 1, was_sent: true, status: Some(200), retry_after: None }
    }

    /// Its end, after no time.
    pub fn finished(self) -> EventKind {
        let Self { purpose, number, was_sent, status, retry_after } = self;
        EventKind::AttemptFinished {
            purpose,
            method: clean("GET"),
            address: clean("https://api.example.com/"),
            attempt: number,
            was_sent,
            status,
            problem: None,
            began: Duration::ZERO,
            took: Duration::ZERO,
            retry_after,
            http: None,
        }
    }
}
