use super::look::{Look, ODD, painted};
use super::progress::Progress;
use super::terminal::Terminal;
use crate::event::{Event, EventKind, EventSink, ReportFold, RunReport};
use std::io::Write;

/// Shows a run while it goes on: lines of the report as things end, warnings at once, and on a terminal the moving line of
/// the running step.
pub struct LiveReport {
    fold: ReportFold,
    lines: Terminal,
    warnings: Box<dyn Write>,
    look: Look,
    progress: Progress,
}

impl LiveReport {
    /// Lines go where `lines` writes, warnings go to `warnings`.
    pub fn new(lines: Terminal, warnings: impl Write + 'static, look: Look, progress: Progress) -> Self {
        Self { fold: ReportFold::default(), lines, warnings: Box::new(warnings), look, progress }
    }

    /// The report so far.
    pub fn report(&self) -> &RunReport {
        self.fold.report()
    }

    fn print(&mut self, event: &Event, known_entries: usize) {
        let report = self.fold.report();
        match &event.kind {
            EventKind::RunStarted { .. } => self.lines.header(report),
            EventKind::Warning { text } => {
                let line = format!("{}: {}\n", painted(ODD.bold(), "warning"), self.look.text(text.as_str()));
                // Where nobody listens, there is nobody to tell.
                let _ = self.warnings.write_all(line.as_bytes()).and_then(|()| self.warnings.flush());
            }
            EventKind::RunFinished { .. } => self.lines.end(report),
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
