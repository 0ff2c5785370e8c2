use crate::system::{is_foreign, is_open_to_others, sync_folder_of};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The folder where runs leave what outlives them: journals, open sessions, refused logins, locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir(PathBuf);

/// The parts of a [`StateDir`], a folder each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFolder {
    /// The journals of runs, a file each.
    Runs,
    /// Sessions that were opened and not yet closed, a file each.
    Sessions,
    /// Logins that were refused, a file for each account.
    Refusals,
    /// Locks between processes.
    Locks,
}

impl StateFolder {
    fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Sessions => "sessions",
            Self::Refusals => "refusals",
            Self::Locks => "locks",
        }
    }
}

/// The state folder cannot be used.
#[derive(Debug, Error)]
pub enum StateDirError {
    /// Nothing says where it is to be.
    #[error(
        "there is no folder for journals and locks: neither $STATE_DIRECTORY, $XDG_STATE_HOME nor $HOME names one; \
         name one with `--state-dir DIR`"
    )]
    Nowhere,
    /// It cannot be made, or is no folder.
    #[error("the state folder {path} cannot be used: {source}; name another with `--state-dir DIR`")]
    Unusable {
        /// The folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Others could write there and make a run believe what never happened.
    #[error("the state folder {path} is writable by other users; `chmod go-w {path}`")]
    Open {
        /// The folder.
        path: String,
    },
    /// It belongs to somebody else.
    #[error("the state folder {path} belongs to another user; name one of your own with `--state-dir DIR`")]
    Foreign {
        /// The folder.
        path: String,
    },
}

impl StateDir {
    /// The folder that the user names, else `$STATE_DIRECTORY` (systemd.exec(5)), else `runner` in `$XDG_STATE_HOME` (XDG
    /// Base Directory Specification), else in `~/.local/state`. `variable` reads the environment. Nothing is made yet.
    ///
    /// # Errors
    /// [`StateDirError::Nowhere`].
    pub fn locate(
        named: Option<&Path>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, StateDirError> {
        let folder = |name: &str| {
            let path = variable(name).map(PathBuf::from);
            // Relative paths are to be ignored, says the specification of XDG.
            path.filter(|path| path.is_absolute())
        };
        let of_service = || {
            // Several folders are separated by colons.
            let folders = variable("STATE_DIRECTORY")?.into_string().ok()?;
            folders.split(':').next().map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let of_user = || Some(folder("XDG_STATE_HOME")?.join("runner"));
        let of_home = || Some(folder("HOME")?.join(".local/state/runner"));
        let found = named.map(Path::to_owned).or_else(of_service).or_else(of_user).or_else(of_home);
        found.map(Self).ok_or(StateDirError::Nowhere)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// One of its parts, made if it is not there, for its owner only.
    ///
    /// # Errors
    /// When it cannot be made, or when others could write there.
    pub fn folder(&self, folder: StateFolder) -> Result<PathBuf, StateDirError> {
        make(&self.0)?;
        let path = self.0.join(folder.name());
        make(&path)?;
        Ok(path)
    }
}

fn make(path: &Path) -> Result<(), StateDirError> {
    let unusable = |source| StateDirError::Unusable { path: path.display().to_string(), source };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
    builder.create(path).map_err(unusable)?;
    // A journal in a folder that is gone after a power failure would not have been durable.
    missing.into_iter().try_for_each(sync_folder_of).map_err(unusable)?;
    refuse_others(path, &fs::metadata(path).map_err(unusable)?)
}

fn refuse_others(path: &Path, metadata: &Metadata) -> Result<(), StateDirError> {
    let path = path.display().to_string();
    match metadata {
        found if is_foreign(found) => Err(StateDirError::Foreign { path }),
        found if is_open_to_others(found) => Err(StateDirError::Open { path }),
        _ => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn located(named: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
        let variable = |wanted: &str| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
        };
        let found = StateDir::locate(named.map(Path::new), &variable).ok()?;
        Some(found.path().display().to_string())
    }

    #[test]
    fn the_nearest_name_counts() {
        let all = [("STATE_DIRECTORY", "/s:/t"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(located(Some("here"), &all).unwrap(), "here");
        assert_eq!(located(None, &all).unwrap(), "/s");
        assert_eq!(located(None, &all[1..]).unwrap(), "/x/runner");
        assert_eq!(located(None, &all[2..]).unwrap(), "/h/.local/state/runner");
        assert_eq!(located(None, &[("XDG_STATE_HOME", "relative"), ("HOME", "")]), None);
    }

    #[test]
    fn its_parts_are_for_the_owner_only() {
        let room = tempfile::tempdir().unwrap();
        let state = StateDir(room.path().join("a/state"));
        let runs = state.folder(StateFolder::Runs).unwrap();
        for folder in [&runs, state.path()] {
            assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        }
        fs::set_permissions(&runs, fs::Permissions::from_mode(0o770)).unwrap();
        let error = state.folder(StateFolder::Runs).unwrap_err().to_string();
        assert!(error.contains("writable by other users"), "{error}");
    }

    #[test]
    fn a_file_in_its_place_is_an_error() {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("state"), "").unwrap();
        let state = StateDir(room.path().join("state"));
        assert!(matches!(state.folder(StateFolder::Runs), Err(StateDirError::Unusable { .. })));
    }
}
