use crate::port::{Surroundings, VariableOrigin, without_dots};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// An environment and files that a test wrote down.
#[derive(Default)]
pub struct FakeSurroundings {
    variables: BTreeMap<String, (String, VariableOrigin)>,
    files: BTreeMap<PathBuf, String>,
    readable: Vec<PathBuf>,
}

impl FakeSurroundings {
    /// With one more variable of the process.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), (value.to_owned(), VariableOrigin::Process));
        self
    }

    /// With one more variable of a `.env` file.
    #[must_use]
    pub fn dotenv(mut self, name: &str, value: &str, line: usize) -> Self {
        let origin = VariableOrigin::File { path: ".env".into(), line };
        self.variables.insert(name.to_owned(), (value.to_owned(), origin));
        self
    }

    /// With one more file.
    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.to_owned());
        self
    }

    /// With one more folder in which playbooks may read.
    #[must_use]
    pub fn allow_read(mut self, folder: &str) -> Self {
        self.readable.push(folder.into());
        self
    }
}

impl Surroundings for FakeSurroundings {
    fn variable(&self, name: &str) -> Option<(String, VariableOrigin)> {
        self.variables.get(name).filter(|(value, _)| !value.is_empty()).cloned()
    }

    fn read_text(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(without_dots(&Path::new("/work").join(path)))
    }

    /// Left as people write it.
    fn home(&self) -> Option<PathBuf> {
        Some("~".into())
    }

    fn readable_folders(&self) -> &[PathBuf] {
        &self.readable
    }
}
