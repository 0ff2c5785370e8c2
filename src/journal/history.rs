//! The runs of the past, as their journals tell them.

use super::recording::{Recording, open};
use super::state_dir::{StateDir, StateDirError, StateFolder};
use crate::system::open_own;
use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The ending of a journal's file name.
const ENDING: &str = ".journal";

/// A run with its journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunFile {
    /// The run's identity.
    pub run: String,
    /// Its journal.
    pub path: PathBuf,
}

impl RunFile {
    /// Reads the journal.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn read(&self) -> io::Result<Recording> {
        open(&self.path)
    }

    /// Reads what a summary needs of the journal.
    ///
    /// # Errors
    /// As the operating system says.
    pub(super) fn read_in_brief(&self) -> io::Result<Recording> {
        Recording::read_in_brief(&open_own(&self.path, false)?)
    }

    /// Whether a process is at work on the run.
    pub fn is_at_work(&self) -> bool {
        // Asked for as those who only read do it: they keep each other out no more than the run itself.
        open_own(&self.path, false)
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// Which run is meant cannot be told.
#[derive(Debug, Error)]
pub enum NoRun {
    /// There is none whose identity begins so.
    #[error("there is no run `{wanted}`; `runner history` lists them")]
    Unknown {
        /// What was asked for.
        wanted: String,
    },
    /// There are several.
    #[error("several runs begin with `{wanted}`: {}; write more of it", runs.join(", "))]
    Several {
        /// What was asked for.
        wanted: String,
        /// They.
        runs: Vec<String>,
    },
    /// The folder cannot be read.
    #[error(transparent)]
    Folder(#[from] StateDirError),
}

/// All runs, the newest last.
///
/// # Errors
/// When the state folder cannot be read.
pub fn runs(state: &StateDir) -> Result<Vec<RunFile>, StateDirError> {
    let folder = state.folder(StateFolder::Runs)?;
    let unusable = |source| StateDirError::Unusable { path: folder.display().to_string(), source };
    let mut runs = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unusable)? {
        runs.extend(run_of(&entry.map_err(unusable)?.path()));
    }
    runs.sort_unstable();
    Ok(runs)
}

fn run_of(path: &Path) -> Option<RunFile> {
    let run = path.file_name()?.to_str()?.strip_suffix(ENDING)?;
    Some(RunFile { run: run.to_owned(), path: path.to_owned() })
}

/// The run whose identity begins so, in either case; `last` is the newest one.
///
/// # Errors
/// When there is none, or there are several.
pub fn find(state: &StateDir, wanted: &str) -> Result<RunFile, NoRun> {
    let unknown = || NoRun::Unknown { wanted: wanted.to_owned() };
    let all = runs(state)?;
    if wanted == "last" {
        return all.into_iter().next_back().ok_or_else(unknown);
    }
    let prefix = wanted.to_ascii_uppercase();
    let mut found: Vec<_> =
        all.into_iter().filter(|run| !prefix.is_empty() && run.run.starts_with(&prefix)).collect();
    match found.len() {
        0 => Err(unknown()),
        1 => Ok(found.remove(0)),
        _ => {
            let runs = found.into_iter().map(|run| run.run).collect();
            Err(NoRun::Several { wanted: wanted.to_owned(), runs })
        }
    }
}

/// The beginnings of the identities of runs, in their order, each long enough to tell the run from all others.
pub fn shown_ids(runs: &[RunFile]) -> Vec<&str> {
    /// No run is shown with less.
    const SHORTEST: usize = 8;
    let shared = |run: &str, other: Option<&RunFile>| {
        let pairs = run.bytes().zip(other.into_iter().flat_map(|other| other.run.bytes()));
        pairs.take_while(|(a, b)| a == b).count()
    };
    let shown = |(index, run): (usize, &'_ RunFile)| {
        let before = index.checked_sub(1).and_then(|before| runs.get(before));
        let longest = shared(&run.run, before).max(shared(&run.run, runs.get(index + 1)));
        run.run.len().min(SHORTEST.max(longest + 1))
    };
    let lengths = runs.iter().enumerate().map(shown);
    runs.iter().zip(lengths).map(|(run, length)| run.run.get(..length).unwrap_or(&run.run)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_as_long_as_they_must_be() {
        let ids = ["01M81PCP7A", "01M81PCP7B", "01M81PCP7BC", "01M9", "ödipus-öä"];
        let runs = ids.map(|run| RunFile { run: run.to_owned(), path: PathBuf::new() });
        assert_eq!(shown_ids(&runs), ["01M81PCP7A", "01M81PCP7B", "01M81PCP7BC", "01M9", "ödipus-"]);
        assert_eq!(shown_ids(&runs[..1]), ["01M81PCP"]);
    }
}
