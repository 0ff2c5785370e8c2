use std::io;
use std::path::{Path, PathBuf};

/// Files that a run writes: whole, or not at all.
pub trait OutputFiles {
    /// Begins a file. Nothing is seen under its name before [`OutputFile::commit`].
    ///
    /// # Errors
    /// As the operating system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn OutputFile>>;

    /// The one name of the file that a path means, links followed. Nothing is written.
    ///
    /// # Errors
    /// When no file can be there: its folder is missing or is none, or something else has its name.
    fn locate(&self, path: &Path) -> io::Result<PathBuf>;
}

/// A file that is being written.
pub trait OutputFile: io::Write {
    /// Gives the file its name; what had that name is replaced in one step. A `FILE.partial` of an earlier run goes.
    ///
    /// # Errors
    /// As the operating system says; the file is then left as [`OutputFile::leave_partial`] leaves it.
    fn commit(self: Box<Self>) -> io::Result<()>;

    /// Leaves what was written so far as `FILE.partial`, and what had the file's name alone.
    ///
    /// # Errors
    /// As the operating system says.
    fn leave_partial(self: Box<Self>) -> io::Result<()>;
}
