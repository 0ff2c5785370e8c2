//! `runner validate`: every mistake of playbooks and provider definitions, without sending anything.

use super::diagnostics::{write_human, write_json};
use crate::document::lower::{FromNode, Lower};
use crate::document::{Definition, Playbook, parse};
use crate::port::Surroundings;
use crate::source::{Code, Diagnostic, Diagnostics, Severity, SourceMap, Span};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Checks one file.
pub fn check_file(path: &Path, surroundings: &dyn Surroundings) -> (SourceMap, Vec<Diagnostic>) {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let name = path.display().to_string();
    match surroundings.read_text(path) {
        Ok(text) => {
            let file = sources.add(name, text);
            if let Some(node) = parse(&sources, file, &mut diagnostics) {
                let mut lower = Lower::new(&mut diagnostics);
                if node.get("provider").is_some() && node.get("steps").is_none() {
                    Definition::from_node(&node, &mut lower);
                } else {
                    Playbook::from_node(&node, &mut lower);
                }
            }
        }
        Err(error) => {
            let file = sources.add(name, "");
            diagnostics.push(Diagnostic::new(Code::UnreadableFile, Span::new(file, 0..0), error.to_string()));
        }
    }
    (sources, diagnostics.into_sorted())
}

/// Temporary
pub fn validate(path: &Path, surroundings: &dyn Surroundings, out: &mut dyn Write) -> io::Result<i32> {
    let (sources, diagnostics) = check_file(path, surroundings);
    write_human(&diagnostics, &sources, false, out)?;
    Ok(if diagnostics.iter().any(|d| d.severity == Severity::Error) { 2 } else { 0 })
}
