//! The files that a run will write, held against each other before anything is sent.

use super::refusal::Refusal;
use super::reports::{Report, Reports};
use crate::engine::{Selection, outlets};
use crate::model::exit::Cause;
use crate::plan::Plan;
use crate::port::OutputFiles;
use crate::source::SourceMap;
use std::path::{Path, PathBuf};

/// A file that is there for one purpose.
struct Use {
    file: PathBuf,
    /// What for: `the report json=a.json`.
    what: String,
    /// Another conditional use may be the only one.
    is_conditional: bool,
}

/// Tries whether all reports can be written, and looks for files that would be written twice, the playbook itself among
/// them.
///
/// # Errors
/// When a report cannot be written, or one file would replace another.
pub(super) fn check(
    playbook: &Path,
    reports: &Reports,
    plan: &Plan,
    sources: &SourceMap,
    selection: &Selection,
    files: &dyn OutputFiles,
) -> Result<(), Refusal> {
    let mut uses = Vec::new();
    let mut note = |path: &Path, what: String, is_conditional| {
        let file = files.locate(path)?;
        uses.push(Use { file, what, is_conditional });
        Ok::<(), std::io::Error>(())
    };
    // A playbook that is no file, such as a pipe, is not written over; a `save` without a place has its own error.
    let _ = note(playbook, "the playbook itself".to_owned(), false);
    for outlet in outlets(plan, selection) {
        let what = format!("the `save` at {}", sources.place(outlet.span));
        let _ = note(outlet.path, what, outlet.is_conditional);
    }
    for (report, path) in reports.files() {
        let noted = note(path, report.words(sources), false);
        let tried = noted.and_then(|()| files.create(path).map(drop));
        tried.map_err(|error| unwritable(report, &error))?;
    }
    refuse_twice(&uses)
}

fn unwritable(report: &Report, error: &std::io::Error) -> Refusal {
    let reason = format!("failed to write the report to {}: {error}; nothing was sent", report.target.place);
    Refusal { cause: Cause::Machine, reasons: vec![reason] }
}

fn refuse_twice(uses: &[Use]) -> Result<(), Refusal> {
    let mut reasons = Vec::new();
    for (index, later) in uses.iter().enumerate() {
        let clashes =
            |earlier: &&Use| earlier.file == later.file && !(earlier.is_conditional && later.is_conditional);
        if let Some(earlier) = uses[..index].iter().find(clashes) {
            let (file, what) = (later.file.display(), &later.what);
            reasons.push(format!(
                "{what} would replace {}: both are {file}; give each a file of its own",
                earlier.what
            ));
        }
    }
    match reasons.is_empty() {
        true => Ok(()),
        false => Err(Refusal { cause: Cause::Invalid, reasons }),
    }
}
