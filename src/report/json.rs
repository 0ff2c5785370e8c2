//! The report for machines. Its form is described by `schemas/report.json`.

use crate::event::RunReport;
use crate::model::redaction::Redactor;
use crate::port::OutputFiles;
use std::io::{self, Write};
use std::path::Path;

/// The report as JSON, indented, with a line end behind it.
///
/// # Errors
/// The writer's.
pub fn write(report: &RunReport, redactor: &Redactor, out: &mut dyn Write) -> io::Result<()> {
    // Every text was redacted when its event was made. What a secret is spread over several of them for is seen only in
    // the whole.
    let text = serde_json::to_string_pretty(report)?;
    writeln!(out, "{}", redactor.redact(&text))?;
    out.flush()
}

/// Writes the report into a file, whole or not at all.
///
/// # Errors
/// As the operating system says.
pub fn write_file(
    report: &RunReport,
    redactor: &Redactor,
    files: &dyn OutputFiles,
    path: &Path,
) -> io::Result<()> {
    let mut file = files.create(path)?;
    write(report, redactor, &mut file)?;
    file.commit()
}
