use super::entry;
use super::messages::{Messages, failures};
use super::terminal::outcome;
use crate::event::{EntryReport, RunReport, StepStatus};
use crate::model::exit::Cause;
use jiff::Timestamp;

impl Messages {
    /// What may be open after a run that has done its work, in one paragraph for those who want to hear nothing else of it.
    /// Nothing where all is well.
    pub fn alerts(&mut self, report: &RunReport) {
        let Some((first, rest)) = report.alerts.split_first() else { return };
        self.warning(first.as_str());
        rest.iter().for_each(|alert| self.indented(alert.as_str()));
        let RunReport { run, playbook, file, .. } = report;
        self.indented(&format!("{playbook} ({file}) · {}", outcome(report)));
        self.indented(&format!("run {run} · exit 0"));
    }

    /// What went wrong in one paragraph, for those who want to hear nothing else of a run, such as the reader of cron's
    /// mail: the headline, where, what to do now, and which run that was. `cause` names the exit code; `unwritten` are
    /// sentences on reports that could not be written.
    pub fn brief(&mut self, report: &RunReport, cause: Cause, unwritten: &[String]) {
        let failures = failures(report);
        // What names the exit code comes first, even if something lighter came before it.
        let heaviest = failures.iter().find(|failure| failure.cause == cause);
        let mut others =
            report.entries.iter().filter(|entry| is_bad(entry)).map(|entry| in_words(entry, report));
        let mut rest = unwritten.iter();
        match heaviest.or(failures.first()) {
            Some(failure) => self.failure(failure),
            None => self.headline(&others.next().or_else(|| rest.next().cloned()).unwrap_or_default()),
        }
        rest.for_each(|what| self.indented(what));
        report.alerts.iter().for_each(|alert| self.indented(alert.as_str()));
        if failures.len() > 1 {
            self.indented(&format!("{} failures in all; `--report json=FILE` has them", failures.len()));
        }
        let RunReport { run, playbook, file, .. } = report;
        self.indented(&format!("{playbook} ({file}) · {}", outcome(report)));
        self.indented(&format!("run {run} · exit {}", cause.exit_code()));
    }
}

/// A logout that failed is no failure of a step.
fn is_bad(entry: &EntryReport) -> bool {
    matches!(entry.status, StepStatus::Failed | StepStatus::Unknown)
}

fn in_words(entry: &EntryReport, report: &RunReport) -> String {
    let seen_from = report.started_at.unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{}: {}", entry::label(entry), entry::details(entry, seen_from))
}
