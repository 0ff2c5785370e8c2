use super::{StateDir, StateDirError, StateFolder};
use crate::model::hex::hex;
use crate::system::open_lock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use thiserror::Error;

/// More than that is no holder.
const MAX_HOLDER_BYTES: u64 = 4096;

/// What only one run at a time may work on: a playbook with an account. Two of the same name keep each other out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockName(String);

impl LockName {
    /// The name for a playbook, a path without links, and the words that name the account. None of them is a secret: a
    /// digest of them becomes the name of a file.
    pub fn of(playbook: &Path, account: &[String]) -> Self {
        let mut digest = Sha256::new();
        let words = account.iter().map(|word| word.as_bytes());
        for part in std::iter::once(playbook.as_os_str().as_encoded_bytes()).chain(words) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(hex(&digest.finalize()[..16]))
    }
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
    /// Its run, once that has begun.
    pub run: Option<String>,
}

/// What came of asking for a lock.
#[derive(Debug)]
pub enum Claim {
    /// It is ours.
    Held(RunLock),
    /// Another process holds it; `None` when its file does not say which.
    Busy(Option<Holder>),
}

/// A lock cannot be asked for.
#[derive(Debug, Error)]
pub enum LockError {
    /// The state folder cannot be used.
    #[error(transparent)]
    Folder(#[from] StateDirError),
    /// Its file cannot be made, opened or locked, or is none of the user's own.
    #[error("the lock file {path} cannot be used: {reason}")]
    Unusable {
        /// The file.
        path: String,
        /// Why.
        reason: io::Error,
    },
}

/// A lock of the kernel on a file, held until this is dropped or the process ends, however it ends. The file stays: to
/// remove it would let two processes hold two files of one name.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    holder: Holder,
}

impl RunLock {
    /// Asks for the lock of a name; never waits.
    ///
    /// # Errors
    /// [`LockError`], when nobody can tell whether it is free.
    pub fn claim(state: &StateDir, name: &LockName, now: Timestamp) -> Result<Claim, LockError> {
        let path = state.folder(StateFolder::Locks)?.join(format!("{}.lock", name.0));
        let mut file = open_lock(&path).map_err(|reason| unusable(&path, reason))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Claim::Busy(read_holder(&mut file))),
            Err(TryLockError::Error(reason)) => return Err(unusable(&path, reason)),
        }
        let mut lock = Self { file, holder: Holder { pid: std::process::id(), since: now, run: None } };
        lock.tell();
        Ok(Claim::Held(lock))
    }

    /// Tells others which run holds the lock.
    pub fn name_run(&mut self, run: &str) {
        self.holder.run = Some(run.to_owned());
        self.tell();
    }

    /// Writes the holder for those who find the lock taken. It is a courtesy to them: where it cannot be written, such as on
    /// a full disk, the lock holds all the same.
    fn tell(&mut self) {
        let text = serde_json::to_vec(&self.holder).expect("a holder is plain data");
        let _ = self.replace(&text);
    }

    fn replace(&mut self, text: &[u8]) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(text)
    }
}

impl Drop for RunLock {
    /// The kernel lets the lock go with the file; what the file says goes first.
    fn drop(&mut self) {
        let _ = self.replace(b"");
    }
}

fn unusable(path: &Path, reason: io::Error) -> LockError {
    LockError::Unusable { path: path.display().to_string(), reason }
}

/// The holder as its file has it; `None` while it is being written, and for what is no holder.
fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = Vec::new();
    file.take(MAX_HOLDER_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    struct Bench {
        _room: tempfile::TempDir,
        state: StateDir,
        name: LockName,
    }

    impl Bench {
        fn new() -> Self {
            let room = tempfile::tempdir().unwrap();
            let state = StateDir::locate(Some(&room.path().join("state")), &|_| None).unwrap();
            Self { _room: room, state, name: LockName::of(Path::new("/p.yaml"), &["emnify".to_owned()]) }
        }

        fn claim(&self) -> Result<Claim, LockError> {
            RunLock::claim(&self.state, &self.name, now())
        }

        fn held(&self) -> RunLock {
            match self.claim().unwrap() {
                Claim::Held(lock) => lock,
                Claim::Busy(holder) => panic!("held by {holder:?}"),
            }
        }

        fn file(&self) -> PathBuf {
            self.state.folder(StateFolder::Locks).unwrap().join(format!("{}.lock", self.name.0))
        }

        fn refusal(&self) -> String {
            self.claim().unwrap_err().to_string()
        }
    }

    fn now() -> Timestamp {
        "2026-11-22T14:02:00Z".parse().unwrap()
    }

    fn holder(claim: Claim) -> Option<Holder> {
        match claim {
            Claim::Busy(holder) => holder,
            Claim::Held(_) => panic!("free"),
        }
    }

    #[test]
    fn one_holds_it_and_the_others_hear_who_that_is() {
        let bench = Bench::new();
        let mut lock = bench.held();
        let pid = std::process::id();
        assert_eq!(holder(bench.claim().unwrap()), Some(Holder { pid, since: now(), run: None }));
        lock.name_run("01JD8Y3K");
        let named = Holder { pid, since: now(), run: Some("01JD8Y3K".to_owned()) };
        assert_eq!(holder(bench.claim().unwrap()), Some(named));
        drop(lock);
        assert_eq!(fs::read(bench.file()).unwrap(), b"", "nobody is named who is gone");
        bench.held();
    }

    #[test]
    fn other_accounts_and_other_playbooks_have_locks_of_their_own() {
        let name = |playbook: &str, account: &[&str]| {
            let account: Vec<_> = account.iter().map(|&word| word.to_owned()).collect();
            LockName::of(Path::new(playbook), &account)
        };
        let names = [
            name("/p.yaml", &["a", "b"]),
            name("/p.yaml", &["ab"]),
            name("/p.yaml", &["a"]),
            name("/p.yaml", &[]),
            name("/q.yaml", &["a", "b"]),
        ];
        for (index, one) in names.iter().enumerate() {
            assert!(!names[..index].contains(one), "{index}");
        }
        assert_eq!(name("/p.yaml", &["a", "b"]), names[0]);
    }

    #[test]
    fn what_a_file_says_without_a_lock_counts_for_nothing() {
        let bench = Bench::new();
        for text in ["{", "\0\0\0", r#"{"pid":1,"since":"2020-01-01T00:00:00Z","run":null}"#] {
            fs::write(bench.file(), text).unwrap();
            let lock = bench.held();
            assert_eq!(holder(bench.claim().unwrap()).unwrap().pid, std::process::id());
            fs::write(bench.file(), text.repeat(100_000)).unwrap();
            assert_eq!(holder(bench.claim().unwrap()), None, "garbage names nobody");
            drop(lock);
        }
    }

    #[test]
    fn a_file_that_is_wide_open_is_closed() {
        let bench = Bench::new();
        fs::write(bench.file(), "").unwrap();
        fs::set_permissions(bench.file(), fs::Permissions::from_mode(0o666)).unwrap();
        let _lock = bench.held();
        assert_eq!(fs::metadata(bench.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let bench = Bench::new();
        symlink("/dev/null", bench.file()).unwrap();
        assert!(bench.refusal().ends_with("cannot be used: it is no regular file"), "{}", bench.refusal());
        fs::remove_file(bench.file()).unwrap();
        fs::create_dir(bench.file()).unwrap();
        assert!(bench.refusal().ends_with("cannot be used: it is no regular file"), "{}", bench.refusal());
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let bench = Bench::new();
        fs::write(bench.file(), "").unwrap();
        // Only root can give a file away, and only then is there such a case.
        if std::os::unix::fs::chown(bench.file(), Some(65534), None).is_ok() {
            assert!(bench.refusal().contains("belongs to another user"), "{}", bench.refusal());
        }
    }
}
