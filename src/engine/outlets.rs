//! The files that a run will write as far as that is known before it begins.

use super::selection::Selection;
use crate::event::{Events, Failure, FailureDraft};
use crate::model::exit::Cause;
use crate::plan::{Plan, PlannedStep, StepKind};
use crate::port::OutputFiles;
use crate::source::{SourceMap, Span};
use std::path::Path;

/// A `save` whose file is written out in the playbook.
pub struct Outlet<'a> {
    /// The file.
    pub path: &'a Path,
    /// Where that is written.
    pub span: Span,
    /// A condition may leave it out.
    pub is_conditional: bool,
}

/// Those of the selected steps and of all cleanup, in their order.
pub fn outlets<'a>(plan: &'a Plan, selection: &Selection) -> Vec<Outlet<'a>> {
    let mut found = Vec::new();
    for step in plan.steps.iter().filter(|step| selection.contains(step.key)).chain(&plan.cleanup) {
        collect(step, false, &mut found);
    }
    found
}

fn collect<'a>(step: &'a PlannedStep, is_conditional: bool, found: &mut Vec<Outlet<'a>>) {
    let is_conditional = is_conditional || step.condition.is_some();
    match &step.kind {
        StepKind::Request(request) => {
            let file = request.save.as_ref().map(|save| &save.file);
            let literal = file.and_then(|file| Some((file.as_literal()?, file.span())));
            found.extend(literal.map(|(path, span)| Outlet { path: path.as_ref(), span, is_conditional }));
        }
        StepKind::Group(group) => group.steps.iter().for_each(|step| collect(step, is_conditional, found)),
        StepKind::Authenticate { .. } | StepKind::Logout { .. } | StepKind::Store { .. } => {}
    }
    step.cleanup.iter().for_each(|step| collect(step, is_conditional, found));
}

/// The failures of files that cannot be written where they are to be. Each is begun and dropped: nothing stays of it.
pub fn try_outlets(
    plan: &Plan,
    selection: &Selection,
    files: &dyn OutputFiles,
    events: &Events,
    sources: &SourceMap,
) -> Vec<Failure> {
    let mut failures = Vec::new();
    for outlet in outlets(plan, selection) {
        if let Err(error) = files.locate(outlet.path).and_then(|_| files.create(outlet.path)) {
            let trouble = unwritable(outlet.path, &error).at(outlet.span);
            failures.push(trouble.into_failure(events, sources, None));
        }
    }
    failures
}

/// What is said of a file that cannot be written.
pub fn unwritable(path: &Path, error: &std::io::Error) -> FailureDraft {
    let headline = format!("failed to write {}: {error}", path.display());
    FailureDraft::new(Cause::Machine, headline).advice("give it a place where it can be written")
}
