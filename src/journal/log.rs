//! The file of a journal: lines are only added, and durable when that is asked for.

use super::left::refuse_removed;
use super::record::{HEADER_LENGTH, Record, header, line};
use crate::port::JournalError;
use crate::system::{create_private, sync_folder_of};
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// So much may wait in memory before it is written.
const MOST_UNWRITTEN: usize = 64 * 1024;

/// A journal that is being written. Only one process at a time has it.
pub struct Log {
    path: PathBuf,
    state: RefCell<State>,
    is_syncing: Cell<bool>,
    has_synced: Notify,
}

struct State {
    file: Arc<File>,
    /// Lines that are not yet in the file.
    unwritten: Vec<u8>,
    /// The length of the file.
    written: u64,
    /// How much of it is durable.
    synced: u64,
    /// The checksum of all lines.
    sum: u32,
    /// The folder knows the file for good.
    is_in_folder: bool,
    /// Once something could not be written, nothing is written any more.
    broken: Option<JournalError>,
    /// Why a sync has failed, also one for which nobody waited to the end: the system says it once.
    failed_sync: Arc<OnceLock<JournalError>>,
}

impl Log {
    /// Makes a new file, for its owner only.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let file = create_private(path).map_err(|error| unwritable(path, &error))?;
        file.try_lock().map_err(|error| unwritable(path, &io::Error::from(error)))?;
        // Between the two it may have been removed, as one whose process had ended.
        refuse_removed(path, &file).map_err(|error| unwritable(path, &error))?;
        let log = Self::of(path, file, 0, 0);
        log.state.borrow_mut().unwritten.extend(header(HEADER_LENGTH as u64).into_bytes());
        Ok(log)
    }

    /// Goes on with a file of which the first `length` bytes are lines with this checksum; what is behind them goes. The
    /// file is locked by the caller.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn go_on(path: &Path, file: File, length: u64, sum: u32) -> Result<Self, JournalError> {
        file.set_len(length).map_err(|error| unwritable(path, &error))?;
        Ok(Self::of(path, file, length, sum))
    }

    fn of(path: &Path, file: File, written: u64, sum: u32) -> Self {
        let state = State {
            file: Arc::new(file),
            unwritten: Vec::new(),
            written,
            synced: 0,
            sum,
            is_in_folder: false,
            broken: None,
            failed_sync: Arc::default(),
        };
        let (is_syncing, has_synced) = (Cell::new(false), Notify::new());
        Self { path: path.to_owned(), state: RefCell::new(state), is_syncing, has_synced }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why nothing is written any more.
    pub fn error(&self) -> Option<JournalError> {
        self.state.borrow().intact().err()
    }

    /// The length of the file when all that was added is in it.
    pub fn end(&self) -> u64 {
        let state = self.state.borrow();
        state.written + state.unwritten.len() as u64
    }

    /// Whether so much of the file is durable, and nothing has gone wrong since.
    pub fn is_durable_up_to(&self, end: u64) -> bool {
        let state = self.state.borrow();
        state.synced >= end && state.intact().is_ok()
    }

    /// Adds a record. It is in the file after [`Log::write`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&self, record: &Record) -> Result<(), JournalError> {
        let is_much = {
            let mut state = self.state.borrow_mut();
            let (line, sum) = line(state.sum, record);
            state.sum = sum;
            state.unwritten.extend(line.into_bytes());
            state.unwritten.len() > MOST_UNWRITTEN
        };
        if is_much { self.write() } else { self.error().map_or(Ok(()), Err) }
    }

    /// Writes what was added: it outlives the process, not yet the machine.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self) -> Result<(), JournalError> {
        let state = &mut *self.state.borrow_mut();
        state.intact()?;
        let lines = std::mem::take(&mut state.unwritten);
        if lines.is_empty() {
            return Ok(());
        }
        let written = state.write_at(state.written, &lines);
        state.note(&self.path, written)?;
        state.written += lines.len() as u64;
        Ok(())
    }

    /// Makes what was added durable. Those who ask at the same time share one sync.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn commit(&self) -> Result<(), JournalError> {
        self.write()?;
        let wanted = self.state.borrow().written;
        loop {
            if self.state.borrow().synced >= wanted {
                return Ok(());
            }
            if self.is_syncing.get() {
                self.has_synced.notified().await;
                self.state.borrow().intact()?;
                continue;
            }
            self.sync().await?;
        }
    }

    async fn sync(&self) -> Result<(), JournalError> {
        let _syncing = Syncing::begin(self);
        let (sync, length) = self.begin_sync()?;
        let synced =
            tokio::task::spawn_blocking(sync).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        self.end_sync(synced, length)
    }

    /// As [`Log::commit`], without letting anything else go on meanwhile.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn commit_now(&self) -> Result<(), JournalError> {
        self.write()?;
        let (sync, length) = self.begin_sync()?;
        self.end_sync(sync(), length)
    }

    /// Writes the new length over the old one; what is returned makes both durable.
    fn begin_sync(&self) -> Result<(impl FnOnce() -> io::Result<()> + Send + 'static, u64), JournalError> {
        let state = &mut *self.state.borrow_mut();
        state.intact()?;
        let length = state.written;
        let written = state.write_at(0, header(length).as_bytes());
        state.note(&self.path, written)?;
        let (file, path) = (state.file.clone(), self.path.clone());
        let is_in_folder = state.is_in_folder;
        let failed = state.failed_sync.clone();
        let sync = move || {
            let synced = file.sync_data().and_then(|()| match is_in_folder {
                true => Ok(()),
                false => sync_folder_of(&path),
            });
            synced.inspect_err(|error| {
                // Another failure may have come before: it is the one to be told.
                let _ = failed.set(unwritable(&path, error));
            })
        };
        Ok((sync, length))
    }

    fn end_sync(&self, synced: io::Result<()>, length: u64) -> Result<(), JournalError> {
        let state = &mut *self.state.borrow_mut();
        state.note(&self.path, synced)?;
        state.is_in_folder = true;
        state.synced = state.synced.max(length);
        Ok(())
    }
}

impl State {
    fn intact(&self) -> Result<(), JournalError> {
        self.broken.as_ref().or_else(|| self.failed_sync.get()).cloned().map_or(Ok(()), Err)
    }

    fn write_at(&self, place: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(place))?;
        file.write_all(bytes)
    }

    fn note<T>(&mut self, path: &Path, result: io::Result<T>) -> Result<T, JournalError> {
        result.map_err(|error| {
            let error = unwritable(path, &error);
            self.broken = Some(error.clone());
            error
        })
    }
}

/// The time of a sync, to its end or until nobody waits for it any more.
struct Syncing<'a>(&'a Log);

impl<'a> Syncing<'a> {
    fn begin(log: &'a Log) -> Self {
        log.is_syncing.set(true);
        Self(log)
    }
}

impl Drop for Syncing<'_> {
    fn drop(&mut self) {
        self.0.is_syncing.set(false);
        self.0.has_synced.notify_waiters();
    }
}

/// The error of a journal's file.
pub fn unwritable(path: &Path, error: &io::Error) -> JournalError {
    JournalError { path: path.display().to_string(), reason: error.to_string() }
}
