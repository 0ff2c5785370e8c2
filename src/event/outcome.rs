//! The report of a run: a fold of its events.

use super::{
    Event, EventKind, EventSink, Failure, FileNote, Purpose, SessionEnd, SessionNote, StepNote, StepResult,
    StepStatus, Verdict,
};
use crate::model::exit::Cause;
use crate::model::redacted::Redacted;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// The report of a run. Its JSON form is described by `schemas/report.json`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
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
    /// Whether an earlier process had begun it; what that one has sent is not counted here.
    pub resumed: bool,
    /// When it began, UTC.
    pub started_at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// The exit code; 0 when all is well.
    pub exit_code: i32,
    /// What ended or marred the run, each kind once, in the order of appearance; empty when all is well.
    pub causes: Vec<Cause>,
    /// Whether running it again does nothing twice that must not be done twice.
    pub safe_to_rerun: bool,
    /// Whether its journal is damaged, so that the run may have done more than is told here.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub damaged: bool,
    /// Whether a step was begun, which may not be among the entries: a run that is cut ends it without a word.
    #[serde(skip)]
    pub has_begun_step: bool,
    /// Requests that were sent, those of sessions included.
    pub requests: u32,
    /// Of these, how many were repetitions of an attempt that failed.
    pub retries: u32,
    /// Steps, and the logins and logouts that no step asked for, in the order in which they ended.
    pub entries: Vec<EntryReport>,
    /// Failures that belong to no step.
    pub failures: Vec<Failure>,
    /// Warnings.
    pub warnings: Vec<Redacted>,
    /// Those of them that say that something may be open at a provider.
    #[serde(skip)]
    pub alerts: Vec<Redacted>,
    /// With `--simulate`: what each simulator counted, by provider.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub simulators: Option<serde_json::Value>,
}

/// What an entry of the report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EntryReport {
    /// What it is.
    pub kind: EntryKind,
    /// Its id or what it did: `authenticate emnify`. For a login or logout that no step asked for, the provider.
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
    /// Whether an earlier process has done it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub restored: bool,
    /// What it did, in a few words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<Redacted>,
    /// The status of the last answer to its requests, sign-in included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub http_status: Option<u16>,
    /// Why its last request got no whole answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<Redacted>,
    /// How often its last request was tried.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempts: Option<u32>,
    /// Rows of all pages and items.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u64>,
    /// Pages.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pages: Option<u32>,
    /// How often it was asked, where it is asked until a condition holds. The first request of a round is no repetition.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rounds: Option<u32>,
    /// Items of a loop.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub items: Option<usize>,
    /// Of these, how many failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed_items: Option<usize>,
    /// Of these, for how many nothing was done, since every step inside was skipped.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped_items: Option<usize>,
    /// Of these, how many were not begun: the loop had come to its end, or nothing more is sent to where they would go.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_started_items: Option<usize>,
    /// The file that it wrote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<FileNote>,
    /// Requests that it sent.
    pub requests: u32,
    /// Of these, how many were repetitions.
    pub retries: u32,
    /// How long after the run's beginning it began, in milliseconds.
    pub started_ms: f64,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// The session that it opened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<SessionNote>,
    /// How the session that it closed has ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session_end: Option<SessionEnd>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<Failure>,
}

impl EntryReport {
    pub(crate) fn new(kind: EntryKind, label: Redacted, took: Duration) -> Self {
        Self {
            kind,
            label,
            name: None,
            item: None,
            depth: 0,
            status: StepStatus::Done,
            restored: false,
            detail: None,
            http_status: None,
            problem: None,
            attempts: None,
            rows: None,
            pages: None,
            rounds: None,
            items: None,
            failed_items: None,
            skipped_items: None,
            not_started_items: None,
            file: None,
            requests: 0,
            retries: 0,
            started_ms: 0.0,
            took_ms: milliseconds(took),
            session: None,
            session_end: None,
            failure: None,
        }
    }
}

/// Makes a [`RunReport`] of events.
///
/// ```
/// use runner::event::{EventSink, ReportFold};
///
/// let fold = ReportFold::default();
/// assert_eq!(fold.report().version, 1);
/// assert!(fold.report().entries.is_empty());
/// ```
#[derive(Debug)]
pub struct ReportFold {
    report: RunReport,
    session_requests: Requests,
    last_attempt: LastAttempt,
    /// The time of the event at hand, since the run's beginning.
    elapsed: Duration,
}

impl Default for ReportFold {
    fn default() -> Self {
        let report = RunReport { version: 1, ..RunReport::default() };
        Self {
            report,
            session_requests: Requests::default(),
            last_attempt: LastAttempt::default(),
            elapsed: Duration::ZERO,
        }
    }
}

/// How the last attempt ended, and which one it was. Empty when a step begins.
#[derive(Debug, Default)]
struct LastAttempt {
    status: Option<u16>,
    problem: Option<Redacted>,
    number: Option<u32>,
}

/// Requests for sessions that no entry has taken up yet.
#[derive(Debug, Default)]
struct Requests {
    sent: u32,
    retries: u32,
}

impl ReportFold {
    /// The report so far.
    pub fn report(&self) -> &RunReport {
        &self.report
    }

    /// The report, when all events are in it.
    pub fn into_report(self) -> RunReport {
        self.report
    }

    fn attempt(&mut self, purpose: Purpose, attempt: u32, was_sent: bool) {
        let sent = u32::from(was_sent);
        let retries = u32::from(was_sent && attempt > 1);
        self.report.requests += sent;
        self.report.retries += retries;
        if !matches!(purpose, Purpose::Step | Purpose::Verify) {
            self.session_requests.sent += sent;
            self.session_requests.retries += retries;
        }
    }

    /// An entry with the requests for sessions that were made since the last one.
    fn entry(&mut self, kind: EntryKind, label: Redacted, took: Duration) -> EntryReport {
        let Requests { sent, retries } = std::mem::take(&mut self.session_requests);
        let LastAttempt { status, problem, number } = std::mem::take(&mut self.last_attempt);
        EntryReport {
            requests: sent,
            retries,
            http_status: status,
            problem,
            attempts: number,
            started_ms: milliseconds(self.elapsed.saturating_sub(took)),
            ..EntryReport::new(kind, label, took)
        }
    }

    fn session_opened(&mut self, session: &SessionNote, took: Duration) {
        let entry = self.entry(EntryKind::Login, session.provider.clone(), took);
        self.report.entries.push(EntryReport { session: Some(session.clone()), ..entry });
    }

    fn session_closed(&mut self, provider: &Redacted, end: &SessionEnd, took: Duration) {
        let entry = self.entry(EntryKind::Logout, provider.clone(), took);
        let status = match end {
            SessionEnd::Failed { .. } => StepStatus::Failed,
            _ => StepStatus::Done,
        };
        self.report.entries.push(EntryReport { status, session_end: Some(end.clone()), ..entry });
    }

    fn step_finished(&mut self, step: &StepNote, result: &StepResult) {
        let kind = if step.is_cleanup { EntryKind::Cleanup } else { EntryKind::Step };
        let entry = self.entry(kind, step.label.clone(), result.took);
        self.report.entries.push(EntryReport {
            name: step.name.clone(),
            item: step.item,
            depth: step.depth,
            status: result.status,
            restored: result.is_restored,
            detail: result.detail.clone(),
            rows: result.rows,
            pages: result.pages,
            rounds: result.rounds,
            items: result.items.map(|items| items.all),
            failed_items: result.items.map(|items| items.failed),
            skipped_items: result.items.map(|items| items.skipped),
            not_started_items: result.items.map(|items| items.not_started).filter(|count| *count > 0),
            file: result.file.clone(),
            requests: entry.requests + result.requests,
            retries: entry.retries + result.retries,
            failure: result.failure.clone(),
            ..entry
        });
    }

    fn run_finished(&mut self, verdict: &Verdict, elapsed: Duration) {
        self.report.took_ms = milliseconds(elapsed);
        self.report.exit_code = verdict.exit_code();
        self.report.causes = verdict.causes.clone();
        self.report.safe_to_rerun = verdict.is_safe_to_rerun;
        self.report.damaged = verdict.is_damaged;
        self.report.failures = verdict.failures.clone();
    }
}

impl EventSink for ReportFold {
    fn receive(&mut self, event: &Event) {
        self.elapsed = event.elapsed;
        match &event.kind {
            EventKind::RunStarted { run, playbook, file, is_simulated, is_resumed } => {
                self.report.run = run.clone();
                self.report.playbook = playbook.clone();
                self.report.file = file.clone();
                self.report.simulated = *is_simulated;
                self.report.resumed = *is_resumed;
                self.report.started_at = Some(event.at);
            }
            EventKind::Warning { text, is_alert } => {
                self.report.warnings.push(text.clone());
                self.report.alerts.extend(is_alert.then(|| text.clone()));
            }
            EventKind::AttemptFinished { purpose, attempt, was_sent, status, problem, .. } => {
                self.attempt(*purpose, *attempt, *was_sent);
                // What was asked about a write is not what came of it.
                if *purpose != Purpose::Verify {
                    let problem = problem.clone();
                    self.last_attempt = LastAttempt { status: *status, problem, number: Some(*attempt) };
                }
            }
            EventKind::StepStarted { .. } => {
                self.report.has_begun_step = true;
                self.last_attempt = LastAttempt::default();
            }
            EventKind::SessionOpened { session, took } => self.session_opened(session, *took),
            EventKind::SessionClosed { provider, end, took } => self.session_closed(provider, end, *took),
            EventKind::StepFinished { step, result } => self.step_finished(step, result),
            EventKind::SimulatorsCounted { counts } => self.report.simulators = Some(counts.clone()),
            EventKind::RunFinished { verdict } => self.run_finished(verdict, event.elapsed),
            EventKind::CleanupStarted { .. }
            | EventKind::StepProgress { .. }
            | EventKind::SessionRefreshed { .. } => {}
        }
    }
}

/// Milliseconds with three digits behind the point.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::fake::{self, clean};
    use crate::event::{ItemCounts, StepResult};

    fn fold(kinds: impl IntoIterator<Item = EventKind>) -> RunReport {
        let mut fold = ReportFold::default();
        for kind in kinds {
            let at = "2026-11-22T14:02:00Z".parse().unwrap();
            fold.receive(&Event { at, elapsed: Duration::from_micros(1_234_567), kind });
        }
        fold.into_report()
    }

    fn attempt(purpose: Purpose, number: u32, was_sent: bool) -> EventKind {
        fake::Attempt { number, was_sent, status: None, ..fake::Attempt::of(purpose) }.finished()
    }

    fn finished(is_cleanup: bool, requests: u32, retries: u32) -> EventKind {
        let step = StepNote { depth: 1, item: Some(2), is_cleanup, ..fake::step("list") };
        let result = StepResult {
            rows: Some(3),
            items: Some(ItemCounts { all: 5, failed: 1, skipped: 2, not_started: 0 }),
            requests,
            retries,
            took: Duration::from_micros(1500),
            ..fake::result(StepStatus::Done)
        };
        fake::finished(step, result)
    }

    fn session() -> SessionNote {
        let provider = clean("emnify");
        SessionNote { provider, account: None, method: None, valid_until: None, valid_for_ms: None }
    }

    #[test]
    fn requests_are_counted_once_sent_and_told_where_they_belong() {
        let report = fold([
            attempt(Purpose::Login, 1, false),
            attempt(Purpose::Login, 2, true),
            EventKind::SessionOpened { session: session(), took: Duration::ZERO },
            attempt(Purpose::Step, 1, true),
            attempt(Purpose::Refresh, 1, true),
            attempt(Purpose::Step, 2, true),
            finished(false, 2, 1),
        ]);
        assert_eq!((report.requests, report.retries), (4, 2));
        let counts: Vec<_> = report.entries.iter().map(|entry| (entry.requests, entry.retries)).collect();
        assert_eq!(counts, [(1, 1), (3, 1)]);
    }

    #[test]
    fn what_was_asked_about_a_write_is_counted_and_is_not_its_end() {
        let lost = fake::Attempt { status: Some(502), ..fake::Attempt::of(Purpose::Step) }.finished();
        let report = fold([lost, attempt(Purpose::Verify, 2, true), finished(false, 2, 1)]);
        let entry = &report.entries[0];
        assert_eq!((report.requests, report.retries, entry.requests, entry.retries), (2, 1, 2, 1));
        assert_eq!((entry.http_status, entry.attempts), (Some(502), Some(1)));
    }

    #[test]
    fn entries_keep_what_the_events_say() {
        let report = fold([
            finished(false, 0, 0),
            finished(true, 0, 0),
            EventKind::SessionClosed {
                provider: clean("emnify"),
                end: SessionEnd::Failed { reason: clean("refused"), valid_until: None },
                took: Duration::ZERO,
            },
        ]);
        let kinds: Vec<_> = report.entries.iter().map(|entry| (entry.kind, entry.status)).collect();
        let expected = [
            (EntryKind::Step, StepStatus::Done),
            (EntryKind::Cleanup, StepStatus::Done),
            (EntryKind::Logout, StepStatus::Failed),
        ];
        assert_eq!(kinds, expected);
        let step = &report.entries[0];
        assert_eq!((step.item, step.items), (Some(2), Some(5)));
        assert_eq!((step.failed_items, step.skipped_items), (Some(1), Some(2)));
        assert_eq!((step.rows, step.depth, step.took_ms), (Some(3), 1, 1.5));
    }

    #[test]
    fn the_end_gives_the_exit_code_and_the_time() {
        let failure = Failure {
            cause: Cause::Deadline,
            headline: clean("the deadline of 5 min has passed"),
            request: None,
            place: None,
            notes: Vec::new(),
            advice: None,
        };
        let causes = vec![Cause::Cleanup, Cause::Deadline];
        let failures = vec![failure.clone()];
        let verdict = Verdict { causes, is_safe_to_rerun: true, failures, is_damaged: false };
        let report = fold([EventKind::RunFinished { verdict }]);
        assert_eq!((report.exit_code, report.safe_to_rerun, report.took_ms), (9, true, 1234.567));
        assert_eq!(report.failures, [failure]);
    }

    #[test]
    fn a_report_is_written_with_its_version_and_warnings() {
        let report =
            fold([finished(false, 2, 1), EventKind::Warning { text: clean("plain http"), is_alert: false }]);
        let written = serde_json::to_value(&report).unwrap();
        assert_eq!(
            (&written["version"], &written["warnings"]),
            (&1.into(), &["plain http"].as_slice().into())
        );
        assert_eq!(written["entries"][0]["label"], "list");
    }
}
