use super::messages::{Messages, failures};
use super::progress::Progress;
use super::terminal::Terminal;
use crate::event::{Event, EventKind, EventSink, RecordFold, RunRecord, RunReport};
use std::io;

/// Shows a run while it goes on: lines of the report as things end, warnings at once, errors at the end, and on a terminal the moving line of
/// the running step.
pub struct LiveReport {
    fold: RecordFold,
    lines: Terminal,
    messages: Messages,
    progress: Progress,
}

impl LiveReport {
    /// The report goes where `lines` writes, warnings and errors where `messages` does.
    pub fn new(lines: Terminal, messages: Messages, progress: Progress) -> Self {
        Self { fold: RecordFold::default(), lines, messages, progress }
    }

    /// Keeps each request for a report that shows it.
    #[must_use]
    pub fn keeping_requests(self, keeps_requests: bool) -> Self {
        Self { fold: self.fold.keeping_requests(keeps_requests), ..self }
    }

    /// What other reports are made of.
    pub fn record(&self) -> RunRecord {
        self.fold.record()
    }

    /// The report so far.
    pub fn report(&self) -> &RunReport {
        self.fold.report()
    }

    /// Why not all of the report for people could be written; that nobody reads on is no error.
    pub fn error(&self) -> Option<&io::Error> {
        self.lines.error()
    }

    fn print(&mut self, event: &Event, known_entries: usize) {
        let report = self.fold.report();
        match &event.kind {
            EventKind::RunStarted { .. } => self.lines.header(report),
            EventKind::Warning { text, .. } => self.messages.warning(text.as_str()),
            EventKind::RunFinished { .. } => {
                self.lines.end_of_entries(report);
                let failures = failures(report);
                self.messages.failures(&failures);
                if !failures.is_empty() {
                    self.messages.gap();
                }
                self.lines.summary(report);
            }
            _ => {}
        }
        for entry in &report.entries[known_entries..] {
            self.lines.entry(entry, event.at);
        }
    }
}

impl EventSink for LiveReport {
    fn receive(&mut self, event: &Event) {
        let known_entries = self.fold.report().entries.len();
        self.fold.receive(event);
        self.progress.receive(event);
        let progress = self.progress.clone();
        progress.suspended(|| self.print(event, known_entries));
    }
}
