//! Small private files, each written whole: a record in JSON.

use crate::system::{create_private, open_own, sync_folder_of};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
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

/// The parts of the name of a record, as far as they can be read.
pub fn parts_of(path: &Path) -> Vec<String> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name.split(',').map(decoded).collect()
}

/// What [`encoded`] was made of; a byte that was cut stays as it is.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits =
            behind.get(..2).filter(|_| first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
    match open_own(path, false) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path, &error)),
    }
}

/// Takes what is no record out of the way, and keeps it. Returns its new path.
///
/// # Errors
/// As the operating system says, with the path.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    let aside = PathBuf::from(name);
    fs::rename(path, &aside).map_err(|error| at(path, &error))?;
    Ok(aside)
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
        assert_eq!(parts_of(&path), ["emnify", "../../x,y", "ops@example.com"]);
        let long = path_of(Path::new("/s"), &[&"ö".repeat(500)], "json");
        assert_eq!(long.file_name().unwrap().len(), 205);
    }
}
