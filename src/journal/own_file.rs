use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file that an earlier process has left: a regular one, the user's own, which nobody else may write. What lies there
/// instead is not even opened: a pipe would keep whoever does that waiting.
///
/// # Errors
/// As the operating system says, or what lies there instead.
pub fn open_own(path: &Path, is_writable: bool) -> io::Result<File> {
    refuse_others(&fs::symlink_metadata(path)?)?;
    OpenOptions::new().read(true).write(is_writable).open(path)
}

fn refuse_others(found: &Metadata) -> io::Result<()> {
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it belongs to another user"));
        }
        if found.mode() & 0o022 != 0 {
            return Err(io::Error::other(
                "other users may write it, so that nobody can tell what of it is true",
            ));
        }
    }
    Ok(())
}

/// Makes it durable that a file or folder is there.
///
/// # Errors
/// As the operating system says.
#[cfg(unix)]
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Makes it durable that a file or folder is there, where the system asks for that.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn sync_folder_of(_: &Path) -> io::Result<()> {
    Ok(())
}
