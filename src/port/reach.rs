//! Where the paths lead that a playbook or definition writes, and whether a playbook may read there.

use super::{Surroundings, VariableOrigin};
use std::io;
use std::path::{Component, Path, PathBuf};
use thiserror::Error;

/// Where systems hand secrets to a process: Docker, Podman, Kubernetes.
const SECRET_FOLDERS: [&str; 2] = ["/run/secrets", "/var/run/secrets"];
/// Names the folder in which a service of systemd finds its credentials (systemd.exec(5)).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// How a path begins that leads there.
pub const CREDENTIALS_PREFIX: &str = "$CREDENTIALS_DIRECTORY/";

/// Why a path leads nowhere.
#[derive(Debug, Error)]
pub enum OutOfReach {
    /// A playbook must not read there.
    #[error("it is not below the playbook's folder; allow it with `--allow-read {}`", folder.display())]
    NotAllowed {
        /// The folder that would have to be allowed.
        folder: PathBuf,
    },
    /// Systemd has given no credentials to this process.
    #[error("CREDENTIALS_DIRECTORY is not set: systemd gave no credentials")]
    NoCredentials,
    /// The user has no home folder.
    #[error("there is no home folder")]
    NoHome,
    /// The operating system does not tell where it leads.
    #[error(transparent)]
    Unresolved(#[from] io::Error),
}

/// The files that a playbook may read: those below its folder and below `--allow-read`, and those in which systems hand
/// secrets to a process. Links are followed before folders are compared, so that none leads out.
#[derive(Clone, Copy)]
pub struct Reach<'a> {
    /// The files that there are.
    pub surroundings: &'a dyn Surroundings,
    /// The folder that relative paths count from: the playbook's.
    pub folder: &'a Path,
}

impl Reach<'_> {
    /// Where a path leads that somebody writes who may name any file. `~/` at its beginning is the home folder, and
    /// `$CREDENTIALS_DIRECTORY/` the folder of systemd's credentials.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn expand(&self, written: &str) -> Result<PathBuf, OutOfReach> {
        if let Some(rest) = written.strip_prefix(CREDENTIALS_PREFIX) {
            return Ok(self.credentials().ok_or(OutOfReach::NoCredentials)?.join(rest));
        }
        match Path::new(written).strip_prefix("~") {
            Ok(rest) => Ok(self.surroundings.home().ok_or(OutOfReach::NoHome)?.join(rest)),
            Err(_) => Ok(self.folder.join(written.strip_prefix("./").unwrap_or(written))),
        }
    }

    /// As [`Reach::expand`], for what a playbook or a user's own definition writes.
    ///
    /// # Errors
    /// Also when a playbook must not read there.
    pub fn locate(&self, written: &str) -> Result<PathBuf, OutOfReach> {
        let path = self.expand(written)?;
        let real = self.surroundings.canonical(&path)?;
        let folders = self.folders();
        let is_allowed = |real: &Path| folders.iter().any(|folder| real.starts_with(folder));
        if is_allowed(&real) {
            return Ok(path);
        }
        // The folder as it is written, unless a link leads out of an allowed one.
        let folder = parent(&path);
        let is_link = self.surroundings.canonical(&folder).is_ok_and(|folder| is_allowed(&folder));
        Err(OutOfReach::NotAllowed { folder: if is_link { parent(&real) } else { folder } })
    }

    /// As [`Reach::locate`], for a path of which only the beginning is known: an error if none that begins so can be read.
    ///
    /// # Errors
    /// As [`Reach::locate`].
    pub fn check_start(&self, start: &str) -> Result<(), OutOfReach> {
        let known = start.rfind('/').map_or("", |end| &start[..=end]);
        let folder = self.expand(known)?;
        let real = self.surroundings.canonical(&folder)?;
        let meets = |allowed: &PathBuf| real.starts_with(allowed) || allowed.starts_with(&real);
        match self.folders().iter().any(meets) {
            true => Ok(()),
            false => Err(OutOfReach::NotAllowed { folder }),
        }
    }

    /// The folders below which a playbook may read, as far as they are there.
    fn folders(&self) -> Vec<PathBuf> {
        let secrets = SECRET_FOLDERS.map(PathBuf::from).into_iter().chain(self.credentials());
        let own = std::iter::once(self.folder.to_owned());
        let folders = own.chain(secrets).chain(self.surroundings.readable_folders().iter().cloned());
        folders.filter_map(|folder| self.surroundings.canonical(&folder).ok()).collect()
    }

    /// Only the process's own environment counts: a `.env` that came along with a playbook must not open other folders.
    fn credentials(&self) -> Option<PathBuf> {
        match self.surroundings.variable(CREDENTIALS_DIRECTORY)? {
            (folder, VariableOrigin::Process) => Some(folder.into()),
            (_, VariableOrigin::File { .. }) => None,
        }
    }
}

fn parent(path: &Path) -> PathBuf {
    let parent = path.parent().unwrap_or(path);
    if parent.as_os_str().is_empty() { ".".into() } else { parent.to_owned() }
}

/// A path as it would be in a world without links: `a/../b` is `b`.
pub fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            _ => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::fake::FakeSurroundings;

    fn located(surroundings: &FakeSurroundings, written: &str) -> Result<String, String> {
        let reach = Reach { surroundings, folder: Path::new("/plays") };
        let path = reach.locate(written).map_err(|error| error.to_string())?;
        Ok(path.display().to_string())
    }

    fn refused(folder: &str) -> Result<String, String> {
        Err(format!("it is not below the playbook's folder; allow it with `--allow-read {folder}`"))
    }

    #[test]
    fn below_the_folder_and_where_systems_hand_secrets_over() {
        let world = FakeSurroundings::default();
        for (written, path) in [
            ("a/b", "/plays/a/b"),
            ("./a", "/plays/a"),
            ("a/../b", "/plays/a/../b"),
            ("/plays/a", "/plays/a"),
            ("/run/secrets/db", "/run/secrets/db"),
            ("/var/run/secrets/db", "/var/run/secrets/db"),
        ] {
            assert_eq!(located(&world, written).unwrap(), path, "{written}");
        }
        for (written, folder) in [
            ("../a", "/plays/.."),
            ("a/../../b", "/plays/a/../.."),
            ("/playsome/a", "/playsome"),
            ("/etc/passwd", "/etc"),
            ("/run/secrets/../a", "/run/secrets/.."),
            ("~/.ssh/id", "~/.ssh"),
        ] {
            assert_eq!(located(&world, written), refused(folder), "{written}");
        }
    }

    #[test]
    fn what_is_allowed_and_what_systemd_gives() {
        let world = FakeSurroundings::default().allow_read("~/.tool").allow_read("/srv/keys");
        assert_eq!(located(&world, "~/.tool/x.json").unwrap(), "~/.tool/x.json");
        assert_eq!(located(&world, "/srv/keys/a").unwrap(), "/srv/keys/a");
        assert_eq!(located(&world, "/srv/other"), refused("/srv"));
        let unset = Err("CREDENTIALS_DIRECTORY is not set: systemd gave no credentials".to_owned());
        assert_eq!(located(&world, "$CREDENTIALS_DIRECTORY/key"), unset);
        let service =
            FakeSurroundings::default().variable("CREDENTIALS_DIRECTORY", "/run/credentials/a.service");
        let key = "/run/credentials/a.service/key";
        assert_eq!(located(&service, "$CREDENTIALS_DIRECTORY/key").unwrap(), key);
        assert_eq!(located(&service, key).unwrap(), key);
        assert_eq!(
            located(&service, "a/$CREDENTIALS_DIRECTORY/b").unwrap(),
            "/plays/a/$CREDENTIALS_DIRECTORY/b"
        );
        assert!(located(&service, "$CREDENTIALS_DIRECTORY/../b").is_err());
    }

    #[test]
    fn a_dotenv_opens_no_folder() {
        let world = FakeSurroundings::default().dotenv("CREDENTIALS_DIRECTORY", "/etc", 1);
        assert_eq!(located(&world, "/etc/passwd"), refused("/etc"));
        assert!(located(&world, "$CREDENTIALS_DIRECTORY/passwd").is_err());
    }

    #[test]
    fn a_beginning_is_refused_if_nothing_below_it_can_be_read() {
        let world = FakeSurroundings::default();
        let check =
            |start| Reach { surroundings: &world, folder: Path::new("/plays") }.check_start(start).is_ok();
        for start in ["", "a", "a/b", "../", "/", "/run/", "/run/sec", "/plays/a"] {
            assert!(check(start), "{start}");
        }
        for start in ["/etc/", "/etc/pass", "~/.tool/", "../../etc/"] {
            assert!(!check(start), "{start}");
        }
    }
}
