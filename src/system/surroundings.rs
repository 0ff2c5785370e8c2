use super::dotenv::{Dotenv, DotenvError};
use super::file::{open_regular, read_capped};
use crate::port::{Surroundings, VariableOrigin};
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The environment of the process, a `.env` file, and the files around a playbook.
pub struct SystemSurroundings {
    home: Option<PathBuf>,
    dotenv: Option<Dotenv>,
    readable: Vec<PathBuf>,
}

impl SystemSurroundings {
    /// The surroundings of a playbook in `folder`: its `.env` file is `env_file`, else the one in the folder, if there is one.
    ///
    /// # Errors
    /// When the `.env` file cannot be read, was given and is not there, or others could have written it.
    pub fn new(folder: &Path, env_file: Option<&Path>) -> Result<Self, DotenvError> {
        let beside = folder.join(".env");
        let dotenv = Dotenv::load(env_file.unwrap_or(&beside))?;
        if let (Some(path), None) = (env_file, &dotenv) {
            let source = io::Error::new(io::ErrorKind::NotFound, "there is no such file");
            return Err(DotenvError::Unreadable { path: path.to_owned(), source });
        }
        Ok(Self { home: env::home_dir(), dotenv, readable: Vec::new() })
    }

    /// Surroundings without any `.env` file.
    pub fn without_env_file() -> Self {
        Self { home: env::home_dir(), dotenv: None, readable: Vec::new() }
    }

    /// The same, with folders in which playbooks may read.
    #[must_use]
    pub fn allow_read(self, folders: &[PathBuf]) -> Self {
        Self { readable: folders.to_owned(), ..self }
    }

    /// What the user should know about the `.env` file.
    pub fn warnings(&self) -> &[String] {
        self.dotenv.as_ref().map_or(&[], |dotenv| &dotenv.warnings)
    }
}

impl Surroundings for SystemSurroundings {
    fn variable(&self, name: &str) -> Option<(String, VariableOrigin)> {
        let own = env::var(name).ok().filter(|value| !value.is_empty());
        own.map(|value| (value, VariableOrigin::Process)).or_else(|| {
            let dotenv = self.dotenv.as_ref()?;
            // As in a shell that reads the file, the last line of a name counts.
            let variable = dotenv.variables.iter().rfind(|variable| variable.name == name)?;
            let origin = VariableOrigin::File { path: dotenv.path.clone(), line: variable.line };
            (!variable.value.is_empty()).then(|| (variable.value.clone(), origin))
        })
    }

    fn look_at(&self, path: &Path) -> io::Result<()> {
        open_regular(path).map(drop)
    }

    fn read_text(&self, path: &Path) -> io::Result<String> {
        read_capped(open_regular(path)?)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match (fs::canonicalize(path), path.parent(), path.file_name()) {
            (Err(error), Some(folder), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
                Ok(self.canonical(folder)?.join(name))
            }
            (found, ..) => found,
        }
    }

    fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }

    fn readable_folders(&self) -> &[PathBuf] {
        &self.readable
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::file::MAX_FILE_BYTES;
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::PermissionsExt;

    fn write(path: &Path, text: &[u8], mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_variable_of_the_process_wins_over_one_of_the_file() {
        let folder = folder();
        write(
            &folder.path().join(".env"),
            b"PATH=x\nRUNNER_TEST_A=old\n\nRUNNER_TEST_A=new\nRUNNER_TEST_B=\n",
            0o600,
        );
        let surroundings = SystemSurroundings::new(folder.path(), None).unwrap();
        assert_eq!(surroundings.variable("PATH").unwrap().1, VariableOrigin::Process);
        let (value, origin) = surroundings.variable("RUNNER_TEST_A").unwrap();
        assert_eq!(value, "new");
        assert_eq!(origin, VariableOrigin::File { path: folder.path().join(".env"), line: 4 });
        assert_eq!(surroundings.variable("RUNNER_TEST_B"), None);
        assert_eq!(surroundings.warnings(), [""; 0]);
    }

    #[test]
    fn the_file_beside_may_lack_and_a_named_one_may_not() {
        let folder = folder();
        assert_eq!(SystemSurroundings::new(folder.path(), None).unwrap().variable("RUNNER_TEST_A"), None);
        let named = folder.path().join("prod.env");
        let error = SystemSurroundings::new(folder.path(), Some(&named)).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot read {}", named.display()));
        write(&named, b"RUNNER_TEST_A=prod", 0o600);
        write(&folder.path().join(".env"), b"RUNNER_TEST_A=beside", 0o600);
        let surroundings = SystemSurroundings::new(folder.path(), Some(&named)).unwrap();
        assert_eq!(surroundings.variable("RUNNER_TEST_A").unwrap().0, "prod");
    }

    #[test]
    fn a_file_that_others_can_write_is_refused_and_one_that_they_can_read_is_said() {
        let folder = folder();
        let path = folder.path().join(".env");
        for mode in [0o620, 0o602] {
            write(&path, b"A=1", mode);
            let error = SystemSurroundings::new(folder.path(), None).map(|_| ()).unwrap_err();
            assert!(matches!(error, DotenvError::WritableByOthers { .. }), "{mode:o}: {error}");
        }
        for mode in [0o640, 0o604] {
            write(&path, b"A=1", mode);
            let surroundings = SystemSurroundings::new(folder.path(), None).unwrap();
            let warning = format!("{} can be read by others; `chmod 600` it", path.display());
            assert_eq!(surroundings.warnings(), [warning], "{mode:o}");
        }
    }

    #[test]
    fn links_are_followed_and_what_is_not_there_keeps_its_name() {
        let folder = folder();
        let root = fs::canonicalize(folder.path()).unwrap();
        let surroundings = SystemSurroundings::without_env_file();
        fs::create_dir_all(root.join("real/deep")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        for (path, real) in
            [("link", "real"), ("link/deep/../x", "real/x"), ("link/a/b", "real/a/b"), (".", "")]
        {
            assert_eq!(surroundings.canonical(&root.join(path)).unwrap(), root.join(real), "{path}");
        }
        assert!(surroundings.canonical(&root.join("none/../x")).is_err());
        assert_eq!(surroundings.canonical(Path::new("")).unwrap(), env::current_dir().unwrap());
    }

    #[test]
    fn only_regular_text_files_are_read() {
        let folder = folder();
        let surroundings = SystemSurroundings::new(folder.path(), None).unwrap();
        write(&folder.path().join("latin1"), b"\xfc", 0o600);
        let read = |name: &str| surroundings.read_text(&folder.path().join(name)).unwrap_err();
        for (name, reason) in
            [("latin1", "not UTF-8 text"), (".", "not a regular file"), ("/dev/zero", "not a regular file")]
        {
            assert_eq!(read(name).to_string(), reason, "{name}");
        }
        assert_eq!(read("none").kind(), io::ErrorKind::NotFound);
        File::create(folder.path().join("large")).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        assert_eq!(read("large").to_string(), "larger than 64 MB");
    }
}
