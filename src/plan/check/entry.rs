//! The way in: a file or text is checked as a whole.

use super::conceal;
use super::context::Context;
use super::definition::{self, Origin};
use super::load::{self, Documents, Main};
use super::options::Options;
use super::playbook;
use crate::plan::Plan;
use crate::port::Surroundings;
use crate::source::{Diagnostic, Severity, SourceMap};
use std::path::Path;

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A playbook.
    Playbook,
    /// A provider definition.
    Definition,
}

/// The result of a check.
#[derive(Debug)]
pub struct Checked {
    /// The files that it read: the playbook first.
    pub sources: SourceMap,
    /// Everything that was found, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// What the file is.
    pub kind: FileKind,
    /// The plan. `None` when there are errors, or the file is a definition.
    pub plan: Option<Plan>,
}

impl Checked {
    /// True when at least one diagnostic forbids the run.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Checks a playbook or a provider definition with all files that it names. Nothing is sent and nothing is
/// written.
pub fn check_file(path: &Path, options: &Options, surroundings: &dyn Surroundings) -> Checked {
    finish(load::load_file(path, options, surroundings), options, surroundings)
}

/// Checks the text of a playbook or a provider definition. Paths in it count from the folder of `path`.
pub fn check_text(path: &Path, text: &str, options: &Options, surroundings: &dyn Surroundings) -> Checked {
    finish(load::load_text(path, text, options, surroundings), options, surroundings)
}

fn finish(mut documents: Documents, options: &Options, surroundings: &dyn Surroundings) -> Checked {
    let diagnostics = std::mem::take(&mut documents.diagnostics);
    let context =
        Context::new(&documents.files, options, surroundings, documents.folder.clone(), diagnostics);
    let kind = match documents.main {
        Main::Definition => FileKind::Definition,
        Main::Playbook(_) | Main::Unreadable => FileKind::Playbook,
    };
    for loaded in &documents.definitions {
        let origin = if loaded.is_built_in { Origin::BuiltIn } else { Origin::File };
        definition::check(&context, &loaded.keys, &documents.presets, origin);
    }
    for loaded in &documents.definitions {
        definition::check_schemas(&context, &loaded.keys, &loaded.folder);
    }
    let plan = match &documents.main {
        Main::Playbook(playbook) => Some(playbook::plan(&context, &documents, playbook)),
        Main::Definition | Main::Unreadable => None,
    };
    let diagnostics = context.into_diagnostics();
    let plan = plan.filter(|_| !diagnostics.has_errors());
    let mut diagnostics = diagnostics.into_sorted();
    conceal::in_diagnostics(&mut diagnostics, &documents.files.sources);
    Checked { diagnostics, kind, plan, sources: documents.files.sources }
}
