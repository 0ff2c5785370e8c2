use super::lines::Lines;
use super::look::{BAD, BOLD, Look, ODD, painted};
use crate::event::{Failure, RunReport};
use crate::model::words::counted;
use std::io::Write;

/// So many failures are told in full; a loop may have thousands, and the JSON report has them all.
const MOST_FAILURES: usize = 10;

/// Warnings, and errors from their cause to what to do next. They have a stream of their own, so that a report in a pipe or
/// a file does not swallow them.
pub struct Messages {
    lines: Lines,
    look: Look,
}

impl Messages {
    /// Messages that go to `out`, which takes colours away where they do not belong.
    pub fn new(out: impl Write + 'static, look: Look) -> Self {
        Self { lines: Lines::new(out), look }
    }

    /// Something to look at, which stops nothing.
    pub fn warning(&mut self, text: &str) {
        let kind = painted(ODD.bold(), "warning");
        self.paragraph(&format!("{kind}: {}", self.look.text(text)), 0, 2);
    }

    /// What goes on, said at once.
    pub fn notice(&mut self, text: &str) {
        self.paragraph(&self.look.text(text), 0, 2);
    }

    /// What failed, each with a line between it and the next.
    pub fn failures(&mut self, failures: &[&Failure]) {
        for (index, failure) in failures.iter().take(MOST_FAILURES).enumerate() {
            if index > 0 {
                self.gap();
            }
            self.failure(failure);
        }
        if failures.len() > MOST_FAILURES {
            self.gap();
            let more = counted((failures.len() - MOST_FAILURES) as u64, "failure");
            self.lines.line(&format!("and {more} more; `--report json=FILE` has them all"));
        }
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.lines.line("");
    }

    /// What went wrong, as a sentence.
    pub(super) fn headline(&mut self, text: &str) {
        let error = painted(BAD.bold(), "error");
        let headline = painted(BOLD, &self.look.text(text));
        self.paragraph(&format!("{error}: {headline}"), 0, 2);
    }

    /// What failed, from its headline to what to do next.
    pub(super) fn failure(&mut self, failure: &Failure) {
        self.headline(failure.headline.as_str());
        for text in failure.request.iter().chain(&failure.place).chain(&failure.notes) {
            self.indented(text.as_str());
        }
        if let Some(advice) = &failure.advice {
            self.indented(&format!("what now: {advice}"));
        }
    }

    /// A line below a headline.
    pub(super) fn indented(&mut self, text: &str) {
        self.paragraph(&self.look.text(text), 2, 4);
    }

    fn paragraph(&mut self, text: &str, indent: usize, hanging: usize) {
        self.look.paragraph(text, indent, hanging).iter().for_each(|line| self.lines.line(line));
    }
}

/// All failures in the order of appearance. What a loop or a group repeats of its parts is told once.
pub(super) fn failures(report: &RunReport) -> Vec<&Failure> {
    let mut failures: Vec<&Failure> = Vec::new();
    for failure in report.entries.iter().filter_map(|entry| entry.failure.as_ref()).chain(&report.failures) {
        if failures.last() != Some(&failure) {
            failures.push(failure);
        }
    }
    failures
}
