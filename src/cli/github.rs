//! Findings as commands of a GitHub workflow: each becomes an annotation beside its line.
//!
//! The form is that of "Workflow commands for GitHub Actions", its escapes those of `@actions/core`.

use super::diagnostics::JsonDiagnostic;
use super::sarif::{relative, words};
use std::io::{self, Write};
use std::path::Path;

/// Writes a line for each finding. Files are named as seen from `folder`.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn write(findings: &[JsonDiagnostic], folder: &Path, out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        let place = &finding.place;
        let file = property(&relative(&place.file, folder));
        let (line, end_line) = (place.line, place.end_line);
        // A column of the first line says nothing of a range of several.
        let column = if line == end_line { format!(",col={}", place.column) } else { String::new() };
        let (severity, title) = (finding.severity, property(finding.code));
        let text = data(&words(finding));
        writeln!(
            out,
            "::{severity} file={file},line={line},endLine={end_line}{column},title={title}::{text}"
        )?;
    }
    Ok(())
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
