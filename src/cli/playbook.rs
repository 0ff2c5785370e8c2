//! A playbook on its way in: checked as a whole, everything that was found said.

use super::diagnostics::{Finding, write_human};
use super::refusal::Refusal;
use super::streams;
use crate::model::exit::Cause;
use crate::plan::{Checked, FileKind, Options, Plan, check_file};
use crate::port::Surroundings;
use crate::source::{Diagnostic, SourceMap};
use std::io::{self, Write};
use std::path::Path;

/// The plan of a playbook, unless something forbids to go on. All that was found is written to `err`.
///
/// # Errors
/// When the playbook has mistakes, or is none.
pub(super) fn check(
    file: &Path,
    options: &Options,
    surroundings: &dyn Surroundings,
    err: &mut dyn Write,
) -> Result<(Plan, SourceMap), Refusal> {
    let checked = check_file(file, options, surroundings);
    write_findings(&checked, err)?;
    planned(file, checked)
}

/// As [`check`], but what does not forbid to go on is added to `warnings` instead of written.
///
/// # Errors
/// As [`check`].
pub(super) fn check_quietly(
    file: &Path,
    options: &Options,
    surroundings: &dyn Surroundings,
    warnings: &mut Vec<String>,
    err: &mut dyn Write,
) -> Result<(Plan, SourceMap), Refusal> {
    let checked = check_file(file, options, surroundings);
    if checked.plan.is_none() {
        write_findings(&checked, err)?;
    }
    let place = |found: &Diagnostic| checked.sources.place(found.primary.span);
    warnings.extend(checked.diagnostics.iter().map(|found| format!("{} ({})", found.message, place(found))));
    planned(file, checked)
}

fn write_findings(checked: &Checked, err: &mut dyn Write) -> io::Result<()> {
    let findings = Finding::all(&checked.diagnostics, &checked.sources);
    write_human(&findings, streams::is_stderr_coloured(), err)
}

fn planned(file: &Path, checked: Checked) -> Result<(Plan, SourceMap), Refusal> {
    match checked.plan {
        Some(plan) => Ok((plan, checked.sources)),
        None if checked.kind == FileKind::Definition => Err(Refusal::usage(format!(
            "{} is a provider definition: a playbook says what to do with it",
            file.display()
        ))),
        None => Err(Refusal::said(Cause::Invalid)),
    }
}

/// The folder of a playbook: what it names lies there, and its `.env`.
pub(super) fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// `PROFILE`, or `PROVIDER=PROFILE`.
pub(super) fn split_profile(written: &str) -> (Option<String>, String) {
    match written.split_once('=') {
        Some((provider, profile)) => (Some(provider.to_owned()), profile.to_owned()),
        None => (None, written.to_owned()),
    }
}
