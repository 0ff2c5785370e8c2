use super::own_file::{create_private, open_own};
use crate::port::{OutputFile, OutputFiles};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Files on disk, readable by their owner only.
pub struct SystemOutput;

impl OutputFiles for SystemOutput {
    fn create(&self, path: &Path) -> io::Result<Box<dyn OutputFile>> {
        Ok(Box::new(Unfinished::create(path)?))
    }

    fn locate(&self, path: &Path) -> io::Result<PathBuf> {
        target_of(path)
    }
}

/// A file under a name of its own beside the one that it will get: moving it there is one step, for both lie on one disk.
struct Unfinished {
    writer: BufWriter<File>,
    target: PathBuf,
    /// Where it lies now; `None` when it has its final name.
    temporary: Option<PathBuf>,
}

impl Unfinished {
    fn create(path: &Path) -> io::Result<Self> {
        let target = target_of(path)?;
        let (file, temporary) = create_temporary(&target)?;
        Ok(Self { writer: BufWriter::new(file), target, temporary: Some(temporary) })
    }

    fn move_to(&mut self, target: &Path) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, target)?;
            self.temporary = None;
        }
        Ok(())
    }
}

/// Makes the file of the first name that is free beside a target. What a process writes it keeps locked: a file that
/// nobody locks was left by one that was killed, and makes room.
fn create_temporary(target: &Path) -> io::Result<(File, PathBuf)> {
    // Where a name is taken for ever, such as by another user's file, the next one is free.
    const NAMES: u32 = 1_000;
    for number in 1..NAMES {
        let path = beside(target, |name| format!(".{name}.{number}.tmp"))?;
        let file = match create_private(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && remove_left(&path) => {
                create_private(&path)
            }
            made => made,
        };
        match file {
            Ok(file) if !is_taken(&file) => return Ok((file, path)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many unfinished files of this name lie beside it"))
}

/// Locks a file that was just made. True when another process has taken it for one that was left, and removes it. Where the
/// disk knows no locks, nobody takes one for that.
fn is_taken(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock)) || is_removed(file)
}

#[cfg(unix)]
fn is_removed(file: &File) -> bool {
    file.metadata().is_ok_and(|found| std::os::unix::fs::MetadataExt::nlink(&found) == 0)
}

/// An open file cannot be removed there.
#[cfg(not(unix))]
fn is_removed(_: &File) -> bool {
    false
}

/// Removes a file that a killed process has left. Returns whether there was such a file.
fn remove_left(path: &Path) -> bool {
    let Ok(file) = open_own(path, true) else { return false };
    // Whoever has it open may have given it its final name meanwhile.
    file.try_lock().is_ok() && is_at(&file, path) && fs::remove_file(path).is_ok()
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |found: fs::Metadata| (found.dev(), found.ino());
    let (open, there) = (file.metadata().map(identity), fs::symlink_metadata(path).map(identity));
    matches!((open, there), (Ok(open), Ok(there)) if open == there)
}

/// Nobody can tell: the file stays.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    false
}

/// The file that a path means. A link stays a link; a device or a pipe cannot be replaced by a file.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().to_string_lossy().ends_with(std::path::is_separator) {
        return Err(io::Error::other("this names a folder; name a file in it"));
    }
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let folder = folder_of(path)?;
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => fs::canonicalize(path),
        Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => Err(io::Error::other("not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(folder.join(name)),
        Err(error) => Err(error),
    }
}

/// The folder in which a file is to be, which has to be there.
fn folder_of(path: &Path) -> io::Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = folder.display();
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => fs::canonicalize(folder),
        Ok(_) => Err(io::Error::other(format!("{shown} is not a folder"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("there is no folder {shown}")))
        }
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("the folder {shown} cannot be used: {error}")))
        }
    }
}

/// The name under which a file that is not whole is left.
fn partial_of(target: &Path) -> io::Result<PathBuf> {
    beside(target, |name| format!("{name}.partial"))
}

/// A path in the same folder, with a name made of this one's.
fn beside(path: &Path, name: impl FnOnce(&str) -> String) -> io::Result<PathBuf> {
    let own = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    Ok(path.with_file_name(name(&own.to_string_lossy())))
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl OutputFile for Unfinished {
    fn commit(mut self: Box<Self>) -> io::Result<()> {
        let target = self.target.clone();
        match self.move_to(&target) {
            Ok(()) => {
                // One of an earlier run says no more what is missing. That it is there is no failure of this one.
                let _ = partial_of(&target).map(fs::remove_file);
                Ok(())
            }
            Err(error) => {
                // The first failure is the one to tell; the second, if there is one, has the same cause.
                let _ = self.leave_partial();
                Err(error)
            }
        }
    }

    fn leave_partial(mut self: Box<Self>) -> io::Result<()> {
        let partial = partial_of(&self.target)?;
        self.move_to(&partial)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    fn written(path: &Path) -> Box<dyn OutputFile> {
        let mut file = SystemOutput.create(path).unwrap();
        file.write_all(b"new").unwrap();
        file
    }

    #[test]
    fn a_file_appears_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "old").unwrap();
        let file = written(&path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(files(folder.path()), ["a.json"]);
    }

    #[test]
    fn what_is_not_all_is_called_partial() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "old").unwrap();
        written(&path).leave_partial().unwrap();
        assert_eq!(files(folder.path()), ["a.json", "a.json.partial"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_to_string(folder.path().join("a.json.partial")).unwrap(), "new");
        written(&path).commit().unwrap();
        assert_eq!(files(folder.path()), ["a.json"], "the whole file takes its place");
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(written(&folder.path().join("a.json")));
        assert_eq!(files(folder.path()), [""; 0]);
    }

    #[test]
    fn what_a_killed_process_has_left_makes_room_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for left in [".a.json.1.tmp", ".a.json.2.tmp"] {
            drop(create_private(&folder.path().join(left)).unwrap());
        }
        let (first, second) = (written(&path), written(&path));
        assert_eq!(files(folder.path()), [".a.json.1.tmp", ".a.json.2.tmp"], "each has one of its own");
        let third = written(&path);
        assert_eq!(files(folder.path()).len(), 3);
        second.commit().unwrap();
        drop(third);
        assert_eq!(files(folder.path()), [".a.json.1.tmp", "a.json"]);
        first.commit().unwrap();
        assert_eq!(files(folder.path()), ["a.json"]);
        // What is no file of one's own is nobody's to remove.
        symlink(&path, folder.path().join(".a.json.1.tmp")).unwrap();
        written(&path).commit().unwrap();
        assert_eq!(files(folder.path()), [".a.json.1.tmp", "a.json"]);
    }

    #[test]
    fn a_link_stays_and_its_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        written(&link).commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn devices_folders_and_missing_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for path in [Path::new("/dev/null"), folder.path(), &folder.path().join("none/a.json")] {
            assert!(SystemOutput.create(path).is_err(), "{}", path.display());
        }
        assert_eq!(files(folder.path()), [""; 0]);
    }

    #[test]
    fn a_file_has_one_name_and_its_folder_is_named_when_it_is_missing() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().canonicalize().unwrap();
        fs::create_dir(folder.join("real")).unwrap();
        fs::write(folder.join("real/file"), "").unwrap();
        symlink(folder.join("real"), folder.join("link")).unwrap();
        symlink(folder.join("real/file"), folder.join("other")).unwrap();
        let located = |path: &str| SystemOutput.locate(&folder.join(path));
        for path in ["real/file", "link/file", "real/../link/./file", "other"] {
            assert_eq!(located(path).unwrap(), folder.join("real/file"), "{path}");
        }
        assert_eq!(located("link/new").unwrap(), folder.join("real/new"));
        let none = folder.join("none");
        for (path, problem) in [
            ("none/a", format!("there is no folder {}", none.display())),
            ("other/a", format!("{} is not a folder", folder.join("other").display())),
            ("real/", "this names a folder; name a file in it".to_owned()),
        ] {
            assert_eq!(located(path).unwrap_err().to_string(), problem, "{path}");
        }
    }

    #[test]
    fn a_commit_that_fails_leaves_the_partial_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let file = written(&path);
        fs::create_dir(&path).unwrap();
        file.commit().unwrap_err();
        assert_eq!(files(folder.path()), ["a.json", "a.json.partial"]);
    }
}
