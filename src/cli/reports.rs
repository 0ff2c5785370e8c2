//! The reports that a run writes besides the one for people: those of the command line, and those of the playbook.

use super::args::{ReportPlace, ReportTarget};
use super::refusal::Refusal;
use crate::event::RunRecord;
use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::plan::{Plan, ReportFile, ReportForm};
use crate::port::{OutputFiles, World};
use crate::report::{keeps_bodies, needs_requests, write_report};
use crate::source::{SourceMap, Span};
use crate::template::Moment;
use serde_json::{Map, Value};
use std::io;
use std::path::Path;

/// A report that will be written.
pub(super) struct Report {
    /// Its form, and where it goes.
    pub(super) target: ReportTarget,
    /// Where the playbook asks for it; `None` when the command line does.
    written_at: Option<Span>,
}

impl Report {
    /// What it is: `the report a.json`, `the report at p.yaml:7:12`.
    pub(super) fn words(&self, sources: &SourceMap) -> String {
        match self.written_at {
            Some(span) => format!("the report at {}", sources.place(span)),
            None => format!("the report {}", self.target.place),
        }
    }
}

/// The reports that a run writes.
pub(super) struct Reports(Vec<Report>);

impl Reports {
    /// Those of the command line, then those of the playbook.
    ///
    /// # Errors
    /// When the path of a report cannot be made, or two would go to standard output.
    pub(super) fn of(
        given: &[ReportTarget],
        plan: &Plan,
        sources: &SourceMap,
        inputs: &Map<String, Value>,
        world: &World,
    ) -> Result<Self, Refusal> {
        if given.iter().filter(|target| target.place == ReportPlace::Stdout).count() > 1 {
            let reason = "only one report can go to standard output; give the others a file each";
            return Err(Refusal::usage(reason.to_owned()));
        }
        let given = given.iter().map(|target| Report { target: target.clone(), written_at: None });
        let asked = plan.report_files(inputs, &Moment::of(world)).map_err(|mistakes| Refusal {
            cause: Cause::Invalid,
            reasons: mistakes
                .iter()
                .map(|(span, reason)| format!("{reason} ({})", sources.place(*span)))
                .collect(),
        })?;
        let asked = asked.into_iter().map(|ReportFile { form, path, span }| {
            let target = ReportTarget { form, place: ReportPlace::File(path) };
            Report { target, written_at: Some(span) }
        });
        Ok(Self(given.chain(asked).collect()))
    }

    /// Drops those of the playbook, for a run that does not begin: they stay as the last run has written them.
    pub(super) fn keep_earlier_ones(&mut self) {
        self.0.retain(|report| report.written_at.is_none());
    }

    /// Whether a report goes to standard output, so that the one for people cannot.
    pub(super) fn is_stdout_taken(&self) -> bool {
        self.0.iter().any(|report| report.target.place == ReportPlace::Stdout)
    }

    /// Whether one shows single requests.
    pub(super) fn need_requests(&self) -> bool {
        self.0.iter().any(|report| needs_requests(report.target.form))
    }

    /// Whether one shows the texts of bodies.
    pub(super) fn keep_bodies(&self) -> bool {
        self.0.iter().any(|report| keeps_bodies(report.target.form))
    }

    /// Those that go into a file, with its path.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Report, &Path)> {
        self.0.iter().filter_map(|report| match &report.target.place {
            ReportPlace::Stdout => None,
            ReportPlace::File(path) => Some((report, path.as_path())),
        })
    }

    /// Writes all of them. `missing` hears of each that could not be written; that nobody reads on is no error.
    pub(super) fn write(
        &self,
        record: &RunRecord,
        redactor: &Redactor,
        files: &dyn OutputFiles,
        missing: &mut dyn FnMut(&ReportPlace, &io::Error),
    ) {
        for Report { target, .. } in &self.0 {
            let written = match &target.place {
                ReportPlace::Stdout => write_report(target.form, record, redactor, &mut io::stdout().lock()),
                ReportPlace::File(path) => write_file(target.form, record, redactor, files, path),
            };
            match written {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => missing(&target.place, &error),
                _ => {}
            }
        }
    }
}

/// Writes a report into a file, whole or not at all.
fn write_file(
    form: ReportForm,
    record: &RunRecord,
    redactor: &Redactor,
    files: &dyn OutputFiles,
    path: &Path,
) -> io::Result<()> {
    let mut file = files.create(path)?;
    write_report(form, record, redactor, &mut file)?;
    file.commit()
}
