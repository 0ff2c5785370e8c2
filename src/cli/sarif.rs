//! Findings as SARIF 2.1.0 (OASIS Static Analysis Results Interchange Format), which code scanning services read.

use super::diagnostics::{JsonDiagnostic, JsonPlace};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;
use url::Url;

/// What may stand in the path of an address as it is (RFC 3986, section 3.3), but for the colon: a relative address must not
/// look as if it had a scheme.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Writes the findings as one log with one run. Files are named as seen from `folder`.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn write(findings: &[JsonDiagnostic], folder: &Path, out: &mut dyn Write) -> io::Result<()> {
    let mut codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Value> = codes.iter().map(|code| json!({ "id": code })).collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, &codes, folder)).collect();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "runner", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    writeln!(out, "{log:#}")
}

fn result(finding: &JsonDiagnostic, codes: &[&str], folder: &Path) -> Value {
    let related = finding.related.iter().enumerate().map(|(index, related)| {
        let mut location = location(&related.place, folder);
        location["id"] = index.into();
        location["message"] = json!({ "text": related.label });
        location
    });
    json!({
        "ruleId": finding.code,
        "ruleIndex": codes.iter().position(|code| *code == finding.code),
        "level": finding.severity,
        "message": { "text": words(finding) },
        "locations": [location(&finding.place, folder)],
        "relatedLocations": related.collect::<Vec<_>>(),
    })
}

fn location(place: &JsonPlace, folder: &Path) -> Value {
    let JsonPlace { line, column, end_line, end_column, .. } = place;
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": address(&relative(&place.file, folder)) },
        "region": { "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column },
    } })
}

/// The message with what stands beside the mark and below it.
pub(super) fn words(finding: &JsonDiagnostic) -> String {
    let parts = std::iter::once(&finding.message).chain(&finding.label).chain(&finding.help);
    parts.map(String::as_str).collect::<Vec<_>>().join("; ")
}

/// A file as seen from a folder, where it lies below it.
pub(super) fn relative(file: &str, folder: &Path) -> String {
    let path = Path::new(file);
    let path = path.strip_prefix(folder).or_else(|_| path.strip_prefix(".")).unwrap_or(path);
    path.display().to_string()
}

fn address(file: &str) -> String {
    Url::from_file_path(file).map_or_else(|()| utf8_percent_encode(file, PATH).to_string(), String::from)
}
