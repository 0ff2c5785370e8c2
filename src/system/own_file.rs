//! Files and folders that are the user's own: made for nobody else, and believed only as such.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a file to write and read, for its owner only, whatever the umask says.
///
/// # Errors
/// As the operating system says, also when the file is there.
pub fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// Opens a file that an earlier process has left: a regular one, the user's own, which nobody else may write. What lies there
/// instead is not even opened: a pipe would keep whoever does that waiting.
///
/// # Errors
/// As the operating system says, or what lies there instead.
pub fn open_own(path: &Path, is_writable: bool) -> io::Result<File> {
    let found = fs::symlink_metadata(path)?;
    refuse_strange(&found)?;
    if is_open_to_others(&found) {
        return Err(io::Error::other("other users may write it, so that nobody can tell what of it is true"));
    }
    open_as_it_is(OpenOptions::new().read(true).write(is_writable), path)
}

/// Opens the file of a lock, and makes it where there is none. Nothing that stands in it is believed, but whoever can open it
/// can hold it: what others may do with it is taken from them.
///
/// # Errors
/// As the operating system says, or what lies there instead.
pub fn open_lock(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(found) => {
            refuse_strange(&found)?;
            close_to_others(path, &found)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    open_as_it_is(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)
}

/// Opens what has been looked at. A link or a pipe that has taken its place meanwhile leads nowhere, and keeps nobody.
fn open_as_it_is(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    }
    options.open(path)
}

fn refuse_strange(found: &Metadata) -> io::Result<()> {
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if is_foreign(found) {
        return Err(io::Error::other("it belongs to another user"));
    }
    Ok(())
}

#[cfg(unix)]
fn close_to_others(path: &Path, found: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match found.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => fs::set_permissions(path, fs::Permissions::from_mode(0o600)),
    }
}

#[cfg(not(unix))]
fn close_to_others(_: &Path, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Whether something belongs to another user.
#[cfg(unix)]
pub fn is_foreign(found: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(found) != rustix::process::geteuid().as_raw()
}

/// Whether other users may write something.
#[cfg(unix)]
pub fn is_open_to_others(found: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(found) & 0o022 != 0
}

/// Whether something belongs to another user, where that can be told.
#[cfg(not(unix))]
pub fn is_foreign(_: &Metadata) -> bool {
    false
}

/// Whether other users may write something, where that can be told.
#[cfg(not(unix))]
pub fn is_open_to_others(_: &Metadata) -> bool {
    false
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
