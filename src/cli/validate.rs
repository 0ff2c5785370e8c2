//! `runner validate`: every mistake of playbooks and provider definitions, without sending anything.

use super::diagnostics::{Finding, plural, to_json, write_human, write_json};
use super::{github, sarif};
use crate::plan::{Checked, Options, check_file};
use crate::port::Surroundings;
use crate::source::Severity;
use crate::system::DotenvError;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use thiserror::Error;

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people: each with its source line.
    #[default]
    Human,
    /// For programs: one JSON array.
    Json,
    /// For workflows on GitHub: an annotation for each.
    Github,
    /// For code scanning services: SARIF 2.1.0.
    Sarif,
}

/// Why nothing was validated, or not to the end.
#[derive(Debug, Error)]
pub enum ValidateError {
    /// A folder could not be listed.
    #[error("cannot list the folder {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No file to check.
    #[error("no playbook or definition (`*.yaml`, `*.yml`) lies in {}", .0.display())]
    NoFiles(PathBuf),
    /// The `.env` file beside a playbook cannot be used.
    #[error(transparent)]
    Dotenv(#[from] DotenvError),
    /// The findings could not be written.
    #[error("cannot write the findings")]
    Write(#[from] io::Error),
}

/// What the playbooks of a folder see.
pub type SurroundingsOf<'a> = &'a dyn Fn(&Path) -> Result<Rc<dyn Surroundings>, DotenvError>;

/// Checks files, and in folders all `*.yaml` and `*.yml`, and writes what was found by file and place. True when there
/// are no errors; warnings are no errors.
///
/// # Errors
/// See [`ValidateError`]. A file that cannot be read is a finding.
pub fn validate(
    paths: &[PathBuf],
    format: Format,
    is_coloured: bool,
    surroundings_of: SurroundingsOf<'_>,
    out: &mut dyn Write,
) -> Result<bool, ValidateError> {
    let files = files_of(paths)?;
    let checks = check_all(&files, surroundings_of)?;
    let findings = checks.iter().flat_map(|check| Finding::all(&check.diagnostics, &check.sources)).collect();
    let findings = Finding::merge(findings);
    match format {
        Format::Json => write_json(&findings, out)?,
        Format::Sarif => sarif::write(&to_json(&findings), &working_folder()?, out)?,
        _ if findings.is_empty() => writeln!(out, "{} checked, no mistakes", plural(files.len(), "file"))?,
        Format::Github => github::write(&to_json(&findings), &working_folder()?, out)?,
        Format::Human => write_human(&findings, is_coloured, out)?,
    }
    Ok(findings.iter().all(|finding| finding.diagnostic.severity != Severity::Error))
}

/// Where `runner` was started: for services, files are named as seen from there.
fn working_folder() -> io::Result<PathBuf> {
    std::env::current_dir()
}

fn check_all(files: &[PathBuf], surroundings_of: SurroundingsOf<'_>) -> Result<Vec<Checked>, DotenvError> {
    let mut known: HashMap<&Path, Rc<dyn Surroundings>> = HashMap::new();
    let mut checks = Vec::with_capacity(files.len());
    for file in files {
        let folder = file.parent().unwrap_or(Path::new(""));
        let surroundings = match known.entry(folder) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(surroundings_of(folder)?),
        };
        checks.push(check_file(file, &Options::default(), &**surroundings));
    }
    Ok(checks)
}

/// The files that are meant, each once: a folder stands for what lies below it.
fn files_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ValidateError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        list(path, &mut files).map_err(|source| ValidateError::Folder { folder: path.clone(), source })?;
        if files.len() == before {
            return Err(ValidateError::NoFiles(path.clone()));
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Adds the YAML files below a folder. Hidden ones are passed over, and links to folders, which may lead in a circle.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        let is_yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        if is_hidden {
            continue;
        } else if entry.file_type()?.is_dir() {
            list(&path, files)?;
        } else if is_yaml {
            files.push(path);
        }
    }
    Ok(())
}
