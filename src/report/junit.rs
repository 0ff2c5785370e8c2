//! The report for test services: JUnit's XML. A wrong answer is a failure; no answer, or trouble on this machine, an error.

use super::entry;
use super::text::Texts;
use crate::event::{EntryKind, EntryReport, Failure, RunReport, StepStatus};
use crate::model::exit::Cause;
use jiff::Timestamp;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use std::io::{self, Write};
use std::time::Duration;

/// The report as XML.
///
/// # Errors
/// The writer's.
pub(super) fn write(report: &RunReport, texts: &Texts<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut document = Report::new(texts.of(&report.playbook));
    document.set_time(milliseconds(report.took_ms));
    document.add_test_suite(Suite { report, texts }.build());
    document.serialize(&mut *out).map_err(io::Error::other)?;
    out.flush()
}

struct Suite<'a> {
    report: &'a RunReport,
    texts: &'a Texts<'a>,
}

impl Suite<'_> {
    fn build(&self) -> TestSuite {
        let report = self.report;
        let mut suite = TestSuite::new(self.texts.of(&report.playbook));
        suite.set_time(milliseconds(report.took_ms));
        if let Some(started_at) = report.started_at {
            let timestamp = started_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            suite.extra.insert("timestamp".into(), timestamp.into());
        }
        suite.add_properties(self.properties());
        // What no step was to close and is open is a failure of the run.
        let is_told_by_run = |entry: &EntryReport| {
            entry.kind == EntryKind::Logout
                && report.failures.iter().any(|failure| failure.cause == Cause::Cleanup)
        };
        let told_here = (0..report.entries.len()).filter(|&index| {
            let entry = &report.entries[index];
            entry.status != StepStatus::Failed || !is_told_by_run(entry)
        });
        suite.add_test_cases(told_here.map(|index| self.entry(index)));
        suite.add_test_cases(report.failures.iter().map(|failure| self.run(failure)));
        if !report.warnings.is_empty() {
            let warnings: Vec<String> =
                report.warnings.iter().map(|text| format!("warning: {}", self.texts.of(text))).collect();
            suite.set_system_err(warnings.join("\n"));
        }
        suite
    }

    fn properties(&self) -> Vec<Property> {
        let report = self.report;
        let causes: Vec<String> = report.causes.iter().map(|cause| word(*cause)).collect();
        let properties = [
            ("run", report.run.clone()),
            ("file", self.texts.of(&report.file)),
            ("exit_code", report.exit_code.to_string()),
            ("causes", causes.join(" ")),
            ("simulated", report.simulated.to_string()),
            ("safe_to_rerun", report.safe_to_rerun.to_string()),
            ("requests", report.requests.to_string()),
            ("retries", report.retries.to_string()),
        ];
        properties.into_iter().map(|(name, value)| Property::new(name, value)).collect()
    }

    fn entry(&self, index: usize) -> TestCase {
        let entry = &self.report.entries[index];
        let details = self.texts.show(entry::details(entry, self.ended_at()));
        let status = match entry.status {
            StepStatus::Done => TestCaseStatus::success(),
            StepStatus::Skipped => skipped("skipped"),
            StepStatus::NotStarted => skipped("not started: the run ended before"),
            StepStatus::Failed | StepStatus::Unknown => match &entry.failure {
                Some(failure) => self.failure(failure, entry.http_status.is_some()),
                None => {
                    let mut status = TestCaseStatus::non_success(self.kind_inside(index));
                    status.set_message(&details);
                    status
                }
            },
        };
        let mut case = self.case(entry::label(entry), status);
        case.set_time(milliseconds(entry.took_ms));
        if !details.is_empty() {
            case.set_system_out(details);
        }
        case
    }

    /// How a step failed that says no reason of its own: as what is in it, errors before failures.
    fn kind_inside(&self, index: usize) -> NonSuccessKind {
        let depth = self.report.entries[index].depth;
        let is_session = |entry: &EntryReport| matches!(entry.kind, EntryKind::Login | EntryKind::Logout);
        let before = self.report.entries[..index].iter().rev();
        let inside = before.take_while(|entry| entry.depth > depth || is_session(entry));
        let failures =
            inside.filter_map(|entry| Some((entry.failure.as_ref()?, entry.http_status.is_some())));
        let kinds: Vec<_> =
            failures.map(|(failure, was_answered)| kind(failure.cause, was_answered)).collect();
        match !kinds.is_empty() && kinds.iter().all(|kind| *kind == NonSuccessKind::Failure) {
            true => NonSuccessKind::Failure,
            false => NonSuccessKind::Error,
        }
    }

    /// What failed without belonging to a step.
    fn run(&self, failure: &Failure) -> TestCase {
        self.case("run".to_owned(), self.failure(failure, false))
    }

    fn case(&self, name: String, status: TestCaseStatus) -> TestCase {
        let mut case = TestCase::new(self.texts.show(name), status);
        case.set_classname(self.texts.of(&self.report.playbook));
        case
    }

    fn failure(&self, failure: &Failure, was_answered: bool) -> TestCaseStatus {
        let mut status = TestCaseStatus::non_success(kind(failure.cause, was_answered));
        let request = failure.request.iter().chain(&failure.place).chain(&failure.notes);
        let mut lines: Vec<String> = request.map(|text| self.texts.of(text)).collect();
        lines.extend(failure.advice.as_ref().map(|advice| format!("what now: {}", self.texts.of(advice))));
        status.set_message(self.texts.of(&failure.headline)).set_type(word(failure.cause));
        status.set_description(lines.join("\n"));
        status
    }

    fn ended_at(&self) -> Timestamp {
        let started_at = self.report.started_at.unwrap_or_default();
        started_at.saturating_add(milliseconds(self.report.took_ms)).unwrap_or(started_at)
    }
}

/// A failure is a wrong answer, a refused sign-in among them; all else is an error.
fn kind(cause: Cause, was_answered: bool) -> NonSuccessKind {
    match cause {
        Cause::Step => NonSuccessKind::Failure,
        Cause::SignIn if was_answered => NonSuccessKind::Failure,
        _ => NonSuccessKind::Error,
    }
}

fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(why);
    status
}

/// The cause as the JSON report has it.
fn word(cause: Cause) -> String {
    match cause {
        Cause::Step => "step".to_owned(),
        Cause::Invalid => "invalid".to_owned(),
        Cause::SignIn => "sign_in".to_owned(),
        Cause::Unavailable => "unavailable".to_owned(),
        Cause::Unknown => "unknown".to_owned(),
        Cause::Cleanup => "cleanup".to_owned(),
        Cause::Machine => "machine".to_owned(),
        Cause::Deadline => "deadline".to_owned(),
        Cause::Bug => "bug".to_owned(),
        Cause::Busy => "busy".to_owned(),
        Cause::Signal(number) => format!("signal {number}"),
    }
}

fn milliseconds(milliseconds: f64) -> Duration {
    Duration::from_secs_f64(milliseconds.max(0.0) / 1000.0)
}
