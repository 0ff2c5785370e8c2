//! The report of a run: a fold of its events.

use super::{
    Event, EventKind, EventSink, Failure, FileNote, Purpose, SessionEnd, SessionNote, StepNote, StepStatus,
};
use crate::model::redacted::Redacted;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The report of a run. Its JSON form is described by `schemas/report.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "runner report")]
pub struct RunReport {
    /// The version of this form: 1.
    pub version: u32,
    /// The run's identity.
    pub run: String,
    /// The playbook's name.
    pub playbook: Redacted,
    /// The playbook's file.
    pub file: Redacted,
    /// Whether all providers were simulated on this machine.
    pub simulated: bool,
    /// When it began, UTC.
    pub started_at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// The exit code; 0 when all is well.
    pub exit_code: i32,
    /// Whether running it again does nothing twice.
    pub safe_to_rerun: bool,
    /// Requests that were sent, those of sessions included.
    pub requests: u32,
    /// Of these, how many were repetitions of an attempt that failed.
    pub retries: u32,
    /// Steps, and the logins and logouts that no step asked for, in the order in which they ended.
    pub entries: Vec<EntryReport>,
    /// Failures that belong to no step.
    pub failures: Vec<Failure>,
    /// Warnings, each once.
    pub warnings: Vec<Redacted>,
    /// With `--simulate`: what each simulator counted, by provider.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub simulators: Option<serde_json::Value>,
}

/// What an entry of the report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A step of the playbook.
    Step,
    /// A step of a cleanup block.
    Cleanup,
    /// A login that a step needed.
    Login,
    /// The closing of a session.
    Logout,
}

/// One line of the report.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EntryReport {
    /// What it is.
    pub kind: EntryKind,
    /// Its id or what it did: `authenticate emnify`.
    pub label: Redacted,
    /// The name that its author gave it, where the label is something else.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<Redacted>,
    /// Its place in a loop, 1-based.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub item: Option<usize>,
    /// How many groups and loops it lies in.
    pub depth: usize,
    /// How it ended.
    pub status: StepStatus,
    /// What it did, in a few words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<Redacted>,
    /// Rows of all pages and items.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u64>,
    /// Pages.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pages: Option<u32>,
    /// Items of a loop.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub items: Option<usize>,
    /// Of these, how many failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed_items: Option<usize>,
    /// The file that it wrote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<FileNote>,
    /// Requests that it sent.
    pub requests: u32,
    /// Of these, how many were repetitions.
    pub retries: u32,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// The session that it opened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<SessionNote>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<Failure>,
}

impl EntryReport {
    fn new(kind: EntryKind, label: Redacted, took: Duration) -> Self {
        Self {
            kind,
            label,
            name: None,
            item: None,
            depth: 0,
            status: StepStatus::Done,
            detail: None,
            rows: None,
            pages: None,
            items: None,
            failed_items: None,
            file: None,
            requests: 0,
            retries: 0,
            took_ms: milliseconds(took),
            session: None,
            failure: None,
        }
    }
}

/// Milliseconds with three digits behind the point.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
