//! Reading what users name, with care: it may be a pipe, a disk, a photograph.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Larger files are no credentials, settings or playbooks.
pub(super) const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Opens a file, unless it is a folder, a device or a pipe, which might never end.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    File::open(path)
}

/// Reads a file that is small enough and text.
pub(super) fn read_capped(file: File) -> io::Result<String> {
    let mut text = String::new();
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text);
    match read {
        Ok(length) if length as u64 > MAX_FILE_BYTES => Err(io::Error::other("larger than 64 MB")),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(io::Error::other("not UTF-8 text")),
        Err(error) => Err(error),
    }
}
