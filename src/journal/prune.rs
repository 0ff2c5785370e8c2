//! The removal of journals.

use super::file_journal::key;
use super::history::RunFile;
use super::left::{TakeUpError, open_locked};
use super::recording::Recording;
use super::summary::RunSummary;
use crate::port::StoreKey;
use std::fs::{self, File};
use std::io;

/// A journal that nobody works on, nor can until it is removed or this is dropped.
#[derive(Debug)]
pub struct Prunable<'a> {
    run: &'a RunFile,
    _locked: File,
    recording: Recording,
}

impl<'a> Prunable<'a> {
    /// Keeps other processes from a run and reads its journal.
    ///
    /// # Errors
    /// When a process is at work on it, or when it cannot be read: nobody knows what it tells then.
    pub fn of(run: &'a RunFile) -> Result<Self, TakeUpError> {
        let locked = open_locked(&run.path)?;
        let unreadable = |source| TakeUpError::Unreadable { path: run.path.display().to_string(), source };
        let recording = Recording::read_in_brief(&locked).map_err(unreadable)?;
        Ok(Self { run, _locked: locked, recording })
    }

    /// The run in a few words.
    pub fn summary(&self) -> RunSummary {
        RunSummary::of_recording(self.run, &self.recording, false)
    }

    /// Where the secrets are that were kept for those who take the run up. Without the journal nobody finds them any more.
    pub fn kept_secrets(&self) -> Vec<StoreKey> {
        let all = self.recording.secret_names();
        let keys =
            all.iter().flat_map(|(place, names)| names.iter().map(|name| key(&self.run.run, place, name)));
        keys.collect()
    }

    /// Removes the journal.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.run.path)
    }
}
