//! What runs tell each other about signing in, a file for each thing.

use super::records;
use super::state_dir::{StateDir, StateDirError, StateFolder};
use crate::port::{LedgerEntry, LoginKey, Noted, OpenSession, RefusedLogin, SignIns};
use jiff::Timestamp;
use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Refusals, ledger and locks in the state folder. A session belongs to the process that has the lock of its file: the
/// kernel takes it from those who die, however they die.
pub struct StateSignIns {
    state: Result<StateDir, StateDirError>,
    /// The files of the sessions that belong to this process, by their names.
    held: RefCell<HashMap<String, Held>>,
}

/// A session's file, locked for as long as it is held.
struct Held {
    _file: File,
    is_own: bool,
}

impl StateSignIns {
    /// Those of a state folder. Where there is none, every question is answered by that error.
    pub fn new(state: Result<StateDir, StateDirError>) -> Self {
        Self { state, held: RefCell::default() }
    }

    fn folder(&self, folder: StateFolder) -> io::Result<PathBuf> {
        let state = self.state.as_ref().map_err(|error| io::Error::other(error.to_string()))?;
        state.folder(folder).map_err(io::Error::other)
    }

    fn refusal_path(&self, login: &LoginKey) -> io::Result<PathBuf> {
        let LoginKey { definition, origin, account, method } = login;
        let parts = [definition, method, account, origin].map(|part| part.as_str());
        Ok(records::path_of(&self.folder(StateFolder::Refusals)?, &parts, "json"))
    }

    fn session_path(&self, id: &str) -> io::Result<PathBuf> {
        Ok(records::path_of(&self.folder(StateFolder::Sessions)?, &[id], "json"))
    }

    /// The session in a file, unless it is of this process or not there any more. What is no record is removed: it can be
    /// told once only.
    fn look_at(&self, path: &Path, noted: &mut Noted<LedgerEntry>) -> io::Result<()> {
        let Some(file) = records::open(path)? else { return Ok(()) };
        let is_free = match file.try_lock() {
            // Somebody else may have struck it off between the opening and the locking.
            Ok(()) if !is_there(&file) => return Ok(()),
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(records::at(path, &error)),
        };
        match records::read::<OpenSession>(path, &file)? {
            Some(session) if path.file_stem().is_some_and(|name| name == session.id.as_str()) => {
                let is_own = self.held.borrow().get(&session.id).map(|held| held.is_own);
                if is_own != Some(true) {
                    let is_in_use = !is_free && is_own.is_none();
                    if is_free {
                        let held = Held { _file: file, is_own: false };
                        self.held.borrow_mut().insert(session.id.clone(), held);
                    }
                    noted.records.push(LedgerEntry { session, is_in_use });
                }
            }
            _ if is_free => {
                records::remove(path)?;
                noted.problems.push(garbage("a session that may have been left open", path));
            }
            _ => {}
        }
        Ok(())
    }
}

impl SignIns for StateSignIns {
    fn refusals(&self, now: Timestamp) -> io::Result<Noted<RefusedLogin>> {
        let mut noted = Noted::default();
        for path in records::paths(&self.folder(StateFolder::Refusals)?)? {
            if let Err(error) = look_at_refusal(&path, now, &mut noted) {
                noted.problems.push(unreadable("a refused login", &error));
            }
        }
        Ok(noted)
    }

    fn remember(&self, refusal: &RefusedLogin) -> io::Result<()> {
        records::write(&self.refusal_path(&refusal.login)?, refusal).map(drop)
    }

    fn forget(&self, login: &LoginKey) -> io::Result<()> {
        records::remove(&self.refusal_path(login)?)
    }

    fn write_down(&self, session: &OpenSession) -> io::Result<()> {
        let file = records::write(&self.session_path(&session.id)?, session)?;
        self.held.borrow_mut().insert(session.id.clone(), Held { _file: file, is_own: true });
        Ok(())
    }

    fn strike_off(&self, id: &str) -> io::Result<()> {
        records::remove(&self.session_path(id)?)?;
        self.held.borrow_mut().remove(id);
        Ok(())
    }

    fn ledger(&self) -> io::Result<Noted<LedgerEntry>> {
        let mut noted = Noted::default();
        for path in records::paths(&self.folder(StateFolder::Sessions)?)? {
            if let Err(error) = self.look_at(&path, &mut noted) {
                noted.problems.push(unreadable("a session that may have been left open", &error));
            }
        }
        Ok(noted)
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn Any>>> {
        let path = records::path_of(&self.folder(StateFolder::Locks)?, &[name], "lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|error| records::at(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(records::at(&path, &error)),
        }
    }
}

/// The refusal in a file, if it still holds. One that does not, and what is none, is removed.
fn look_at_refusal(path: &Path, now: Timestamp, noted: &mut Noted<RefusedLogin>) -> io::Result<()> {
    let Some(file) = records::open(path)? else { return Ok(()) };
    match records::read::<RefusedLogin>(path, &file)? {
        Some(refusal) if refusal.holds_until(now).is_some() => noted.records.push(refusal),
        Some(_) => records::remove(path)?,
        None => {
            records::remove(path)?;
            noted.problems.push(garbage("a refused login", path));
        }
    }
    Ok(())
}

fn garbage(what: &str, path: &Path) -> String {
    format!("the record of {what} was damaged, and is removed: {}", path.display())
}

fn unreadable(what: &str, error: &io::Error) -> String {
    format!("the record of {what} cannot be read: {error}")
}

/// Whether a file still has a name.
#[cfg(unix)]
fn is_there(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
}

#[cfg(not(unix))]
fn is_there(_: &File) -> bool {
    true
}
