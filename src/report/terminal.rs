//! The report for people: one line for each thing that was done, then the sum.

use super::entry;
use super::layout::{Columns, Row, dimmed};
use super::lines::Lines;
use super::look::{BAD, BOLD, DIM, GOOD, Look, ODD, painted};
use crate::event::{EntryKind, EntryReport, RunReport, StepStatus};
use crate::model::exit::Cause;
use crate::model::words::{counted, total};
use anstyle::Style;
use jiff::Timestamp;
use std::io::{self, Write};
use std::time::Duration;

/// So many characters of a run's identity tell it from others.
const RUN_HANDLE: usize = 8;

/// Writes a report line by line while the run goes on.
pub struct Terminal {
    lines: Lines,
    look: Look,
    columns: Columns,
    has_cleanup_heading: bool,
}

impl Terminal {
    /// A report that goes to `out`, which takes colours away where they do not belong. The labels of the steps to come
    /// decide how wide their column is.
    pub fn new<'a>(out: impl Write + 'static, look: Look, labels: impl IntoIterator<Item = &'a str>) -> Self {
        let columns = Columns::of(look, labels);
        Self { lines: Lines::new(out), look, columns, has_cleanup_heading: false }
    }

    /// What runs.
    pub(super) fn header(&mut self, report: &RunReport) {
        let title = painted(BOLD, &self.look.text(report.playbook.as_str()));
        let note = if report.simulated { "simulated, nothing leaves this machine" } else { "" };
        self.all_lines(self.look.spread(&title, &dimmed(note), 0));
        self.lines.line("");
    }

    /// What was done, unless it is of no interest: the single items of a loop, a cleanup that was not needed.
    pub(super) fn entry(&mut self, entry: &EntryReport, now: Timestamp) {
        if !is_shown(entry) {
            return;
        }
        if entry.kind == EntryKind::Cleanup && !self.has_cleanup_heading {
            self.has_cleanup_heading = true;
            let heading = painted(DIM, "cleanup");
            self.lines.line(&format!("\n  {heading}"));
        }
        let (mark, style) = mark(entry.status);
        let mark = painted(style, &self.look.text(mark));
        let label = self.look.text(entry::label(entry));
        let details = self.look.text(entry::details(entry, now));
        let (mark, label, details, took) = (&mark, &label, &details, &entry::took(entry));
        self.all_lines(self.columns.lines(&Row { mark, depth: entry.depth, label, details, took }));
    }

    /// Why not all of the report could be written; that nobody reads on is no error.
    pub(super) fn error(&self) -> Option<&io::Error> {
        self.lines.error()
    }

    /// A line between what was done and what comes of it.
    pub(super) fn end_of_entries(&mut self, report: &RunReport) {
        if !report.entries.is_empty() {
            self.lines.line("");
        }
    }

    /// The sum of all.
    pub(super) fn summary(&mut self, report: &RunReport) {
        let (word, style) = verdict(report);
        let sum = format!("{}: {}", painted(style, word), counts(report));
        let handle: String = report.run.chars().take(RUN_HANDLE).collect();
        let exit =
            if report.exit_code == 0 { String::new() } else { format!(" · exit {}", report.exit_code) };
        let right = painted(DIM, &self.look.text(format!("run {handle}{exit}")));
        self.all_lines(self.look.spread(&sum, &right, 2));
    }

    fn all_lines(&mut self, lines: Vec<String>) {
        lines.iter().for_each(|line| self.lines.line(line));
    }
}

pub(super) fn is_shown(entry: &EntryReport) -> bool {
    match entry.status {
        StepStatus::Skipped if entry.kind == EntryKind::Cleanup => false,
        StepStatus::Done | StepStatus::Skipped => entry.item.is_none(),
        // The loop says how many there are, and the run why.
        StepStatus::NotStarted => entry.item.is_none() || entry.detail.is_some(),
        StepStatus::Failed | StepStatus::Unknown => true,
    }
}

fn mark(status: StepStatus) -> (&'static str, Style) {
    match status {
        StepStatus::Done => ("✓", GOOD),
        StepStatus::Failed => ("✗", BAD),
        StepStatus::Unknown => ("?", ODD),
        StepStatus::Skipped | StepStatus::NotStarted => ("○", DIM),
    }
}

/// `failed: 1 of 2 steps, 5 requests, 2 retries, 4.4 s`
pub(super) fn outcome(report: &RunReport) -> String {
    format!("{}: {}", verdict(report).0, counts(report))
}

fn counts(report: &RunReport) -> String {
    let counts = [
        steps(report),
        counted(report.requests.into(), "request"),
        counted(report.retries.into(), "retry"),
        total(Duration::from_secs_f64(report.took_ms.max(0.0) / 1000.0)),
    ];
    counts.join(", ")
}

/// The run's end in a word or two.
pub(super) fn verdict(report: &RunReport) -> (&'static str, Style) {
    match Cause::heaviest(report.causes.iter().copied()) {
        None => ("done", GOOD.bold()),
        Some(Cause::Cleanup) => ("done, but not cleaned up", ODD.bold()),
        Some(Cause::Unknown) => ("unknown", ODD.bold()),
        Some(Cause::Deadline) => ("out of time", BAD.bold()),
        Some(Cause::Signal(_)) => ("interrupted", BAD.bold()),
        Some(Cause::Busy) => ("busy", BAD.bold()),
        Some(_) => ("failed", BAD.bold()),
    }
}

/// `6 steps`, `5 steps, 1 skipped`, `1 of 2 steps` for those that failed, `3 of 6 steps done` for a run that ended early.
pub(super) fn steps(report: &RunReport) -> String {
    let is_whole_step =
        |entry: &&EntryReport| entry.kind == EntryKind::Step && entry.depth == 0 && entry.item.is_none();
    let steps: Vec<StepStatus> =
        report.entries.iter().filter(is_whole_step).map(|entry| entry.status).collect();
    let count = |wanted: &[StepStatus]| steps.iter().filter(|status| wanted.contains(status)).count() as u64;
    let all = counted(steps.len() as u64, "step");
    let done = count(&[StepStatus::Done]);
    let skipped = count(&[StepStatus::Skipped]);
    let failed = count(&[StepStatus::Failed, StepStatus::Unknown]);
    match Cause::heaviest(report.causes.iter().copied()) {
        None | Some(Cause::Cleanup) if skipped > 0 => {
            format!("{}, {skipped} skipped", counted(steps.len() as u64 - skipped, "step"))
        }
        None | Some(Cause::Cleanup) => all,
        Some(_) if report.damaged => format!("{} as far as the journal tells", counted(done, "step")),
        Some(_) if steps.is_empty() && report.has_begun_step => "in the first step".to_owned(),
        Some(_) if steps.is_empty() => "before the first step".to_owned(),
        Some(Cause::Deadline | Cause::Signal(_)) => format!("{done} of {all} done"),
        Some(_) if failed == 0 && done == 0 => "before the first step".to_owned(),
        Some(_) if failed == 0 => format!("after {done} of {all}"),
        Some(_) => format!("{failed} of {all}"),
    }
}

#[cfg(test)]
mod tests;
