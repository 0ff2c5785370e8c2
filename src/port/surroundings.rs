use std::io;
use std::path::{Path, PathBuf};

/// Where an environment variable was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableOrigin {
    /// In the environment of the process.
    Process,
    /// In a `.env` file.
    File {
        /// The file as the user knows it.
        path: PathBuf,
        /// The line in it, 1-based.
        line: usize,
    },
}

/// What a check and the sources of secrets may look at: environment and files. Nothing is changed.
pub trait Surroundings {
    /// The value of an environment variable, the process's own before `.env`. Empty ones are missing.
    fn variable(&self, name: &str) -> Option<(String, VariableOrigin)>;

    /// Whether a file can be read as it is, whatever is in it.
    ///
    /// # Errors
    /// As the operating system says; also for what is no regular file.
    fn look_at(&self, path: &Path) -> io::Result<()> {
        match self.read_text(path) {
            Err(error) if error.kind() != io::ErrorKind::InvalidData => Err(error),
            _ => Ok(()),
        }
    }

    /// The text of a file. A relative path counts from the folder where `runner` was started. Paths that stand in a playbook
    /// pass [`Reach`](super::Reach) first.
    ///
    /// # Errors
    /// As the operating system says; also for files that are no regular files, no UTF-8 or larger than 64 MB.
    fn read_text(&self, path: &Path) -> io::Result<String>;

    /// The same path, absolute, without links and dots. What is not there yet keeps its name.
    ///
    /// # Errors
    /// As the operating system says.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// The user's home folder.
    fn home(&self) -> Option<PathBuf> {
        None
    }

    /// The folders, besides its own, in which the user lets a playbook read.
    fn readable_folders(&self) -> &[PathBuf] {
        &[]
    }
}
