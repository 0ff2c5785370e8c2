//! Small private files, each written whole: a record in JSON.

use crate::system::{create_private, sync_folder_of};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// No record is larger.
const MOST_BYTES: u64 = 64 * 1024;

/// The path of a record in a folder. Each part of its name is encoded, so that no part can lead elsewhere or be taken for
/// another; a name that no disk would take is cut.
pub fn path_of(folder: &Path, parts: &[&str], ending: &str) -> PathBuf {
    const LONGEST: usize = 200;
    let mut name = parts.iter().map(|part| encoded(part)).collect::<Vec<_>>().join(",");
    name.truncate(LONGEST);
    folder.join(format!("{name}.{ending}"))
}

/// Letters, digits and a few signs stay; of the rest each byte is `%` and two digits. All of it is ASCII.
fn encoded(part: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'_' | b'@' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    part.bytes().map(byte).collect()
}

/// The records of a folder, in the order of their names.
///
/// # Errors
/// When the folder cannot be read.
pub fn paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| at(folder, &error))? {
        paths.push(entry.map_err(|error| at(folder, &error))?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    Ok(paths)
}

/// Writes a record in place of what has its name. It is on disk when this returns; the file is returned open, and locked
/// by this process since before it had its name.
///
/// # Errors
/// As the operating system says, with the path.
pub fn write(path: &Path, record: &impl Serialize) -> io::Result<File> {
    let temporary = path.with_extension(format!("{:016x}.tmp", fastrand::u64(..)));
    let written = write_beside(&temporary, path, record);
    if written.is_err() {
        // The first failure is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(|error| at(path, &error))
}

fn write_beside(temporary: &Path, path: &Path, record: &impl Serialize) -> io::Result<File> {
    let mut file = create_private(temporary)?;
    file.lock()?;
    file.write_all(&serde_json::to_vec_pretty(record)?)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    sync_folder_of(path)?;
    Ok(file)
}

/// Reads a record; `None`: what is there is none.
///
/// # Errors
/// As the operating system says, with the path.
pub fn read<T: DeserializeOwned>(path: &Path, file: &File) -> io::Result<Option<T>> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|error| at(path, &error))?;
    Ok(serde_json::from_slice(&bytes).ok())
}

/// Opens a file; `None`: there is none of that name any more.
///
/// # Errors
/// As the operating system says, with the path; also for what is no file of one's own.
pub fn open(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true);
    // A pipe would keep us waiting, and a link might lead anywhere.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed(),
    );
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path, &error)),
    };
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(Some(file)),
        Ok(_) => Err(at(path, &io::Error::other("not a regular file"))),
        Err(error) => Err(at(path, &error)),
    }
}

/// Removes a file. One that is not there is no failure.
///
/// # Errors
/// As the operating system says, with the path.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path, &error)),
        _ => Ok(()),
    }
}

/// An error with the file that it is about.
pub fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        let path = path_of(Path::new("/s"), &["emnify", "../../x,y", "ops@example.com"], "json");
        assert_eq!(path, Path::new("/s/emnify,%2e%2e%2f%2e%2e%2fx%2cy,ops@example%2ecom.json"));
        let long = path_of(Path::new("/s"), &[&"ö".repeat(500)], "json");
        assert_eq!(long.file_name().unwrap().len(), 205);
    }
}
