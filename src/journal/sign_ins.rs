//! What runs tell each other about signing in, a file for each thing.

use super::records;
use super::state_dir::{StateDir, StateDirError, StateFolder};
use crate::port::{LedgerEntry, LoginKey, Noted, OpenSession, RefusedLogin, SignIns};
use crate::system::open_lock;
use jiff::Timestamp;
use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Refusals, ledger and locks in the state folder. A session belongs to the process that has the lock of its file: the
/// kernel takes it from those who die, however they die.
pub struct StateSignIns {
    state: Result<StateDir, StateDirError>,
    /// The files of the sessions that this process has opened, by their names: locked for as long as they are here.
    own: RefCell<HashMap<String, File>>,
}

impl StateSignIns {
    /// Those of a state folder. Where there is none, every question is answered by that error.
    pub fn new(state: Result<StateDir, StateDirError>) -> Self {
        Self { state, own: RefCell::default() }
    }

    fn folder(&self, folder: StateFolder) -> io::Result<PathBuf> {
        let state = self.state.as_ref().map_err(|error| io::Error::other(error.to_string()))?;
        state.folder(folder).map_err(io::Error::other)
    }

    fn refusal_path(&self, login: &LoginKey) -> io::Result<PathBuf> {
        let LoginKey { definition, origin, account, method, sources } = login;
        let parts = [definition, method, account, origin, sources].map(|part| part.as_str());
        Ok(records::path_of(&self.folder(StateFolder::Refusals)?, &parts, "json"))
    }

    /// Whose session it is stands in the name, too, which outlives a damaged record.
    fn session_path(&self, session: &OpenSession) -> io::Result<PathBuf> {
        let OpenSession { id, provider, account, origin, .. } = session;
        let account = account.as_ref().map_or("", |account| account.as_str());
        let parts = [id, provider.as_str(), account, origin.as_str()];
        Ok(records::path_of(&self.folder(StateFolder::Sessions)?, &parts, "json"))
    }

    /// The session in a file, unless it is of this process or not there any more. Whoever looks is in nobody's way for
    /// longer than that, and not at all in the way of others who look. What is no record is put aside: it can be told once
    /// only.
    fn look_at(&self, path: &Path, noted: &mut Noted<LedgerEntry>) -> io::Result<()> {
        let Some(file) = records::open(path)? else { return Ok(()) };
        let is_free = match file.try_lock_shared() {
            // Somebody else may have struck it off between the opening and the locking.
            Ok(()) if !is_there(&file) => return Ok(()),
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(records::at(path, &error)),
        };
        match records::read::<OpenSession>(path, &file)? {
            Some(session) if path == self.session_path(&session)? => {
                let is_own = self.own.borrow().contains_key(&session.id);
                noted.records.extend((!is_own).then_some(LedgerEntry { session, is_in_use: !is_free }));
            }
            _ if is_free => {
                let aside = records::set_aside(path)?;
                noted.problems.push(damaged_session(path, &aside));
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
        let file = records::write(&self.session_path(session)?, session)?;
        self.own.borrow_mut().insert(session.id.clone(), file);
        Ok(())
    }

    fn strike_off(&self, session: &OpenSession) -> io::Result<()> {
        records::remove(&self.session_path(session)?)?;
        self.own.borrow_mut().remove(&session.id);
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

    fn take_up(&self, session: &OpenSession) -> io::Result<Option<Box<dyn Any>>> {
        let path = self.session_path(session)?;
        let Some(file) = records::open(&path)? else { return Ok(None) };
        Ok(locked(file, &path)?.filter(is_there).map(|file| Box::new(file) as Box<dyn Any>))
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn Any>>> {
        let path = records::path_of(&self.folder(StateFolder::Locks)?, &[name], "lock");
        let file = open_lock(&path).map_err(|error| records::at(&path, &error))?;
        Ok(locked(file, &path)?.map(|file| Box::new(file) as Box<dyn Any>))
    }
}

/// The file with its lock; `None`: another process has that.
fn locked(file: File, path: &Path) -> io::Result<Option<File>> {
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(records::at(path, &error)),
    }
}

/// The refusal in a file, if it still holds. One that has not held for long is removed; what is none is put aside.
fn look_at_refusal(path: &Path, now: Timestamp, noted: &mut Noted<RefusedLogin>) -> io::Result<()> {
    let Some(file) = records::open(path)? else { return Ok(()) };
    match records::read::<RefusedLogin>(path, &file)? {
        Some(refusal) if refusal.holds_until(now).is_some() => noted.records.push(refusal),
        Some(refusal) if refusal.is_forgettable(now) => records::remove(path)?,
        Some(_) => {}
        None => {
            let aside = records::set_aside(path)?;
            noted.problems.push(damaged_refusal(path, &aside));
        }
    }
    Ok(())
}

fn damaged_refusal(path: &Path, aside: &Path) -> String {
    let parts = records::parts_of(path);
    let whose = match &parts[..] {
        [definition, _, account, ..] => format!(" of {account} at {definition}"),
        _ => String::new(),
    };
    format!("the record of a refused login{whose} is damaged, and is kept aside as {}", aside.display())
}

/// The name of a session begins with its run.
fn damaged_session(path: &Path, aside: &Path) -> String {
    let parts = records::parts_of(path);
    let run = parts[0].split('-').next().unwrap_or_default();
    let whose = match &parts[1..] {
        [provider, account, ..] if account.is_empty() => format!(" at {provider}"),
        [provider, account, ..] => format!(" at {provider} as {account}"),
        _ => String::new(),
    };
    format!(
        "the record of a session of run {run}{whose} is damaged, so that nobody closes it: it may be open. The record is \
         kept aside as {}",
        aside.display()
    )
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::model::redaction::Redactor;
    use crate::port::Closing;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use tempfile::TempDir;

    const NOW: &str = "2026-11-22T06:00:00Z";

    /// What one process has of the state folder.
    fn process(room: &TempDir) -> StateSignIns {
        StateSignIns::new(StateDir::locate(Some(room.path()), &|_| None))
    }

    fn room() -> TempDir {
        let room = tempfile::tempdir().unwrap();
        fs::set_permissions(room.path(), fs::Permissions::from_mode(0o700)).unwrap();
        room
    }

    fn refusal(account: &str, at: &str) -> RefusedLogin {
        let clean = |text: &str| Redactor::default().clean(text);
        let login = LoginKey {
            definition: clean("emnify"),
            origin: clean("https://cdn.emnify.net"),
            account: clean(account),
            method: clean("user"),
            sources: clean("password from env EMNIFY_PASSWORD"),
        };
        let (run, at) = ("01JD".to_owned(), at.parse().unwrap());
        RefusedLogin { login, run, at, lasts_ms: 300_000, answer: clean("401"), places: Vec::new() }
    }

    fn session(id: &str) -> OpenSession {
        let clean = |text: &str| Redactor::default().clean(text);
        OpenSession {
            id: id.to_owned(),
            run: "01JD".to_owned(),
            provider: clean("emnify"),
            definition: clean("emnify"),
            origin: clean("https://cdn.emnify.net"),
            profile: clean("default"),
            account: None,
            method: clean("user"),
            opened_at: NOW.parse().unwrap(),
            valid_until: None,
            closing: Closing::NoLogout,
        }
    }

    fn refusals(process: &StateSignIns) -> Vec<RefusedLogin> {
        process.refusals(NOW.parse().unwrap()).unwrap().records
    }

    fn files(room: &TempDir, folder: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(room.path().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn a_refusal_is_one_private_file_until_it_is_over_or_forgotten() {
        let room = room();
        let (one, other) = (process(&room), process(&room));
        let (mine, yours) = (refusal("a/b@example.com", NOW), refusal("b", NOW));
        one.remember(&refusal("a/b@example.com", "2026-11-22T05:59:00Z")).unwrap();
        one.remember(&mine).unwrap();
        one.remember(&yours).unwrap();
        assert_eq!(refusals(&other), [mine.clone(), yours.clone()]);
        for file in files(&room, "refusals") {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        other.forget(&mine.login).unwrap();
        other.forget(&mine.login).unwrap();
        assert_eq!(refusals(&one), [yours]);
        let held = |at: &str| one.refusals(at.parse().unwrap()).unwrap().records.len();
        assert_eq!(held("2026-11-24T06:00:00Z"), 0);
        assert_eq!(held(NOW), 1, "a clock that was wrong once forgets nothing");
        assert_eq!((held("2026-12-22T06:05:00Z"), files(&room, "refusals").len()), (0, 0));
    }

    #[test]
    fn what_is_damaged_or_strange_is_told_and_in_nobodys_way() {
        let room = room();
        let process = process(&room);
        process.remember(&refusal("a", NOW)).unwrap();
        let whole = fs::read(&files(&room, "refusals")[0]).unwrap();
        let folder = room.path().join("refusals");
        fs::write(folder.join("cut.json"), &whole[..whole.len() / 2]).unwrap();
        fs::write(folder.join("empty.json"), "").unwrap();
        fs::write(folder.join("bytes.json"), [0xff; 100]).unwrap();
        fs::create_dir(folder.join("folder.json")).unwrap();
        symlink("/etc/passwd", folder.join("link.json")).unwrap();
        let noted = process.refusals(NOW.parse().unwrap()).unwrap();
        assert_eq!((noted.records.len(), noted.problems.len()), (1, 5), "{:#?}", noted.problems);
        let damaged =
            noted.problems.iter().filter(|problem| problem.contains("is damaged, and is kept aside as "));
        assert_eq!(damaged.count(), 3);
        let noted = process.refusals(NOW.parse().unwrap()).unwrap();
        assert_eq!((noted.records.len(), noted.problems.len()), (1, 2), "{:#?}", noted.problems);
    }

    #[test]
    fn a_session_belongs_to_its_process_for_as_long_as_that_lives() {
        let room = room();
        let (one, other) = (process(&room), process(&room));
        one.write_down(&session("01JD-1")).unwrap();
        assert!(one.ledger().unwrap().records.is_empty(), "it knows its own");
        let in_use = LedgerEntry { session: session("01JD-1"), is_in_use: true };
        assert_eq!(other.ledger().unwrap().records, [in_use]);
        let renewed = OpenSession { valid_until: Some(NOW.parse().unwrap()), ..session("01JD-1") };
        one.write_down(&renewed).unwrap();
        assert!(other.ledger().unwrap().records[0].is_in_use, "a new life changes nothing");
        drop(one);
        let left = LedgerEntry { session: renewed, is_in_use: false };
        let third = process(&room);
        for process in [&other, &third, &other] {
            assert_eq!(
                process.ledger().unwrap().records,
                std::slice::from_ref(&left),
                "whoever looks takes nothing"
            );
        }
    }

    #[test]
    fn a_session_that_was_left_is_taken_up_by_one_and_given_back() {
        let room = room();
        let (one, other, third) = (process(&room), process(&room), process(&room));
        one.write_down(&session("01JD-1")).unwrap();
        assert!(other.take_up(&session("01JD-1")).unwrap().is_none(), "its process is at work");
        drop(one);
        let taken = other.take_up(&session("01JD-1")).unwrap();
        assert!(taken.is_some() && third.take_up(&session("01JD-1")).unwrap().is_none(), "no two close it");
        assert!(third.ledger().unwrap().records[0].is_in_use);
        drop(taken);
        assert!(!third.ledger().unwrap().records[0].is_in_use);
        let taken = third.take_up(&session("01JD-1")).unwrap();
        third.strike_off(&session("01JD-1")).unwrap();
        drop(taken);
        assert!(other.take_up(&session("01JD-1")).unwrap().is_none(), "it is closed");
        assert_eq!((other.ledger().unwrap().records.len(), files(&room, "sessions").len()), (0, 0));
    }

    #[test]
    fn a_record_under_another_name_is_none() {
        let room = room();
        let process = process(&room);
        process.write_down(&session("01JD-1")).unwrap();
        fs::copy(&files(&room, "sessions")[0], room.path().join("sessions/01JD-2.json")).unwrap();
        let noted = process.ledger().unwrap();
        assert_eq!((noted.records.len(), noted.problems.len(), files(&room, "sessions").len()), (0, 1, 2));
        assert!(noted.problems[0].starts_with("the record of a session of run 01JD is damaged, "));
    }

    #[test]
    fn a_damaged_session_is_named_and_kept_aside() {
        let room = room();
        let account = Some(Redactor::default().clean("ops/1, x@example.com"));
        process(&room).write_down(&OpenSession { account, ..session("01JD-1") }).unwrap();
        let path = files(&room, "sessions").remove(0);
        fs::write(&path, "{ \"id\":").unwrap();
        let noted = process(&room).ledger().unwrap();
        let aside = files(&room, "sessions").remove(0);
        let whose = "the record of a session of run 01JD at emnify as ops/1, x@example.com is damaged, ";
        assert!(noted.problems[0].starts_with(whose), "{:?}", noted.problems);
        assert!(noted.problems[0].ends_with(&format!("kept aside as {}", aside.display())));
        assert_eq!(fs::read(aside).unwrap(), b"{ \"id\":");
        assert!(process(&room).ledger().unwrap().problems.is_empty(), "told once");
    }

    #[test]
    fn what_others_may_write_or_own_is_not_believed() {
        let room = room();
        process(&room).write_down(&session("01JD-1")).unwrap();
        process(&room).remember(&refusal("a", NOW)).unwrap();
        let records = [files(&room, "sessions").remove(0), files(&room, "refusals").remove(0)];
        for record in &records {
            fs::set_permissions(record, fs::Permissions::from_mode(0o666)).unwrap();
        }
        let problems = || {
            let (ledger, refusals) =
                (process(&room).ledger().unwrap(), process(&room).refusals(NOW.parse().unwrap()).unwrap());
            assert_eq!((ledger.records.len(), refusals.records.len()), (0, 0));
            [ledger.problems, refusals.problems].concat()
        };
        assert!(problems().iter().all(|problem| problem.contains("other users may write it")));
        assert_eq!(problems().len(), 2, "they stay, and so does what is said of them");
        for record in &records {
            fs::set_permissions(record, fs::Permissions::from_mode(0o600)).unwrap();
            // Only root can give a file away, and only then is there such a case.
            if std::os::unix::fs::chown(record, Some(65534), None).is_ok() {
                assert!(problems().iter().any(|problem| problem.contains("it belongs to another user")));
            }
        }
        let lock = room.path().join("locks/x.lock");
        process(&room).try_lock("x").unwrap();
        fs::remove_file(&lock).unwrap();
        symlink(room.path().join("elsewhere"), &lock).unwrap();
        let error = process(&room).try_lock("x").map(drop).unwrap_err().to_string();
        assert!(error.contains("it is no regular file"), "{error}");
        assert!(!room.path().join("elsewhere").exists());
    }

    #[test]
    fn a_lock_is_held_by_one_and_freed_by_its_end() {
        let room = room();
        let (one, other) = (process(&room), process(&room));
        let lock = one.try_lock("sign-in a/b").unwrap();
        assert!(lock.is_some() && other.try_lock("sign-in a/b").unwrap().is_none());
        assert!(other.try_lock("sign-in c").unwrap().is_some());
        drop(lock);
        assert!(other.try_lock("sign-in a/b").unwrap().is_some());
    }

    #[test]
    fn without_a_folder_every_answer_says_so() {
        let nowhere = StateSignIns::new(StateDir::locate(None, &|_| None));
        let room = room();
        fs::set_permissions(room.path(), fs::Permissions::from_mode(0o777)).unwrap();
        for (sign_ins, problem) in
            [(nowhere, "there is no folder"), (process(&room), "writable by other users")]
        {
            let errors = [
                sign_ins.refusals(NOW.parse().unwrap()).map(drop),
                sign_ins.remember(&refusal("a", NOW)),
                sign_ins.forget(&refusal("a", NOW).login),
                sign_ins.write_down(&session("a")),
                sign_ins.strike_off(&session("a")),
                sign_ins.ledger().map(drop),
                sign_ins.take_up(&session("a")).map(drop),
                sign_ins.try_lock("a").map(drop),
            ];
            for error in errors {
                let error = error.unwrap_err().to_string();
                assert!(error.contains(problem), "{error}");
            }
        }
    }
}
