//! A journal that an earlier process has left, taken to be gone on with.

use super::log::{Log, unwritable};
use super::recording::{Damage, Recording};
use crate::port::JournalError;
use crate::system::open_own;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A run cannot be taken up.
#[derive(Debug, Error)]
pub enum TakeUpError {
    /// Its file cannot be read.
    #[error("the journal {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Another process works on it.
    #[error("another process is at work on this run")]
    Busy,
    /// Something of it is lost.
    #[error(
        "the journal {path} is damaged: {damage}. Nothing is sent: what it does not tell any more might be done twice. \
         `runner report` shows what it still tells"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What.
        damage: Damage,
    },
    /// It cannot be written.
    #[error(transparent)]
    Unwritable(#[from] JournalError),
}

/// A whole journal that an earlier process has left. As long as this lives no other process works on the run, so that what
/// it tells stays true until somebody acts upon it.
#[derive(Debug)]
pub struct LeftJournal {
    path: PathBuf,
    file: File,
    recording: Recording,
}

impl LeftJournal {
    /// Opens a journal, keeps other processes from it, and only then reads it.
    ///
    /// # Errors
    /// When another process has it, when it is damaged, or when it cannot be used.
    pub fn open(path: &Path) -> Result<Self, TakeUpError> {
        let shown = || path.display().to_string();
        let unreadable = |source| TakeUpError::Unreadable { path: shown(), source };
        let file = open_locked(path)?;
        let recording = Recording::read(&file).map_err(unreadable)?;
        match recording.damage {
            Some(damage) => Err(TakeUpError::Damaged { path: shown(), damage }),
            None => Ok(Self { path: path.to_owned(), file, recording }),
        }
    }

    /// What it says.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The file, to add to it, and what it says so far.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn go_on(self) -> Result<(Log, Recording), JournalError> {
        let Self { path, file, recording } = self;
        Ok((Log::go_on(&path, file, recording.length, recording.sum)?, recording))
    }
}

/// Opens a journal and keeps other processes from it, as long as the file is open.
///
/// # Errors
/// When another process has it, when it was removed meanwhile, or when it is not the user's own.
pub(super) fn open_locked(path: &Path) -> Result<File, TakeUpError> {
    let unreadable = |source| TakeUpError::Unreadable { path: path.display().to_string(), source };
    let file = open_own(path, true).map_err(unreadable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(TakeUpError::Busy),
        Err(TryLockError::Error(error)) => return Err(unwritable(path, &error).into()),
    }
    // Between the opening and the lock it may have been removed: what is written to such a file is lost.
    refuse_removed(path, &file).map_err(unreadable)?;
    Ok(file)
}

/// Refuses an open file that has lost its name.
#[cfg(unix)]
pub(super) fn refuse_removed(path: &Path, file: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let (named, opened) = (fs::symlink_metadata(path)?, file.metadata()?);
    match (named.dev(), named.ino()) == (opened.dev(), opened.ino()) {
        true => Ok(()),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

#[cfg(not(unix))]
pub(super) fn refuse_removed(_: &Path, _: &File) -> io::Result<()> {
    Ok(())
}
