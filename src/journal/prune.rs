//! The removal of journals.

use super::file_journal::key;
use super::history::RunFile;
use super::left::{TakeUpError, open_locked};
use super::recording::Recording;
use super::summary::RunSummary;
use crate::port::StoreKey;
use jiff::{SignedDuration, Timestamp};
use std::fs::{self, File};
use std::io;

/// How long the journals of runs that are over stay.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How much room all journals take together before the oldest of them go.
const MOST_BYTES: u64 = 1_000_000_000;

/// The runs whose journals go by themselves once the runs are over, the oldest first: nothing was written to them for 90
/// days, or all journals together take more than 1 GB.
pub fn outdated(runs: Vec<RunFile>, now: Timestamp) -> Vec<RunFile> {
    let aged = runs.into_iter().filter_map(|run| {
        // What is gone meanwhile, or is none of ours, is nobody's to remove.
        let metadata = fs::symlink_metadata(&run.path).ok().filter(fs::Metadata::is_file)?;
        let written = Timestamp::try_from(metadata.modified().ok()?).ok()?;
        Some((run, now.duration_since(written), metadata.len()))
    });
    chosen(aged.collect())
}

/// Of runs with the age and the size of their journals, the oldest first, those that go.
fn chosen(runs: Vec<(RunFile, SignedDuration, u64)>) -> Vec<RunFile> {
    let mut bytes: u64 = runs.iter().map(|(_, _, size)| size).sum();
    let outdated = runs.into_iter().filter(|(_, age, size)| {
        let is_outdated = *age > KEPT_FOR || bytes > MOST_BYTES;
        bytes -= if is_outdated { *size } else { 0 };
        is_outdated
    });
    outdated.map(|(run, _, _)| run).collect()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_goes_and_the_oldest_of_what_is_too_much() {
        let names = |runs: &[(&str, i64, u64)]| {
            let runs = runs.iter().map(|(name, days, size)| {
                let run = RunFile { run: (*name).to_owned(), path: (*name).into() };
                (run, SignedDuration::from_hours(days * 24), size * 1_000_000)
            });
            chosen(runs.collect()).into_iter().map(|run| run.run).collect::<String>()
        };
        assert_eq!(names(&[("a", 91, 1), ("b", 90, 1), ("c", 0, 1)]), "a");
        assert_eq!(names(&[("a", 3, 300), ("b", 2, 400), ("c", 1, 300)]), "");
        assert_eq!(names(&[("a", 4, 300), ("b", 3, 400), ("c", 2, 300), ("d", 0, 1)]), "a");
        assert_eq!(names(&[("a", 99, 600), ("b", 2, 600), ("c", 100, 500)]), "abc");
        // A clock that went back proves nothing.
        assert_eq!(names(&[("a", -99, 1)]), "");
    }
}
