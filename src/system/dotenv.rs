//! `.env` files: who may have written them, and where in them each variable stands.

use super::file::{open_regular, read_capped};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A `.env` file that cannot be used.
#[derive(Debug, Error)]
pub enum DotenvError {
    /// It could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Someone else may have put words into it.
    #[error("{} {reason}: whoever can write it can redirect your secrets; `chmod 600` it", path.display())]
    WritableByOthers {
        /// The file.
        path: PathBuf,
        /// Who, as a fragment: `can be written by others`.
        reason: &'static str,
    },
    /// A line is not `NAME=value`.
    #[error("{}:{line} is not `NAME=value`; quote a value that has blanks or `#` in it", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, 1-based.
        line: usize,
    },
}

/// A variable of a `.env` file.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    /// 1-based.
    pub(super) line: usize,
}

/// The variables of a file in its order.
pub(super) struct Dotenv {
    pub(super) path: PathBuf,
    pub(super) variables: Vec<Variable>,
    /// What the user should know about the file.
    pub(super) warnings: Vec<String>,
}

impl Dotenv {
    /// Reads a file; `None` if it is not there.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, DotenvError> {
        let fail = |source| DotenvError::Unreadable { path: path.to_owned(), source };
        let file = match open_regular(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        let mut warnings = check_access(path, &file)?;
        let text = read_capped(file).map_err(fail)?;
        let variables = parse(path, &text, &mut warnings)?;
        Ok(Some(Self { path: path.to_owned(), variables, warnings }))
    }
}

/// Refuses a file that others can write, warns of one that others can read.
#[cfg(unix)]
fn check_access(path: &Path, file: &File) -> Result<Vec<String>, DotenvError> {
    use std::os::unix::fs::MetadataExt;
    let metadata =
        file.metadata().map_err(|source| DotenvError::Unreadable { path: path.to_owned(), source })?;
    let refuse = |reason| Err(DotenvError::WritableByOthers { path: path.to_owned(), reason });
    let us = rustix::process::geteuid().as_raw();
    if metadata.uid() != us && metadata.uid() != 0 {
        return refuse("belongs to another user");
    }
    if metadata.mode() & 0o022 != 0 {
        return refuse("can be written by others");
    }
    let is_readable = metadata.mode() & 0o044 != 0;
    Ok(is_readable
        .then(|| format!("{} can be read by others; `chmod 600` it", path.display()))
        .into_iter()
        .collect())
}

#[cfg(not(unix))]
fn check_access(_: &Path, _: &File) -> Result<Vec<String>, DotenvError> {
    Ok(Vec::new())
}

/// Hands the text out line by line, so that the place of whoever reads it is known.
struct Lines<'a> {
    rest: &'a [u8],
    read: &'a Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.iter().position(|&byte| byte == b'\n').map_or(self.rest.len(), |end| end + 1);
        let length = line.min(buffer.len());
        buffer[..length].copy_from_slice(&self.rest[..length]);
        self.rest = &self.rest[length..];
        self.read.set(self.read.get() + length);
        Ok(length)
    }
}

fn parse(path: &Path, text: &str, warnings: &mut Vec<String>) -> Result<Vec<Variable>, DotenvError> {
    let text = text.trim_start_matches('\u{feff}');
    let read = Cell::new(0);
    let mut before = 0;
    let mut variables = Vec::new();
    for entry in dotenvy::from_read_iter(Lines { rest: text.as_bytes(), read: &read }) {
        let written = &text[before..read.get()];
        let line_of = |offset: usize| text[..before + offset].matches('\n').count() + 1;
        // The error holds the line, secret and all: it must go no further than this.
        let Ok((name, value)) = entry else {
            let line = line_of(written.trim_end().rfind('\n').map_or(0, |end| end + 1));
            return Err(DotenvError::Syntax { path: path.to_owned(), line });
        };
        let start = start_of(written, &name);
        let line = line_of(start);
        if has_lost_a_dollar(&written[start..], &value) {
            let place = format!("{}:{line}", path.display());
            warnings.push(format!(
                "{place}: a `$` in the value of {name} was taken for a variable; put the value into single quotes"
            ));
        }
        variables.push(Variable { name, value, line });
        before = read.get();
    }
    Ok(variables)
}

/// Whether a `$` of the line was taken for a variable: with every `$` escaped, the same line yields another value. Within
/// single quotes an escape stands for itself, and no `$` is taken for anything.
fn has_lost_a_dollar(line: &str, value: &str) -> bool {
    let escaped = line.replace("\\$", "$").replace('$', "\\$");
    match dotenvy::from_read_iter(escaped.as_bytes()).next() {
        Some(Ok((_, whole))) => whole.replace("\\$", "$") != value.replace("\\$", "$"),
        _ => false,
    }
}

/// Where in a piece of the file, comments and empty lines before it included, the variable begins.
fn start_of(written: &str, name: &str) -> usize {
    let mut offset = 0;
    for line in written.split_inclusive('\n') {
        let words = line.trim_start();
        let words = words.strip_prefix("export").map_or(words, str::trim_start);
        if words.starts_with(name) || line.trim_start().starts_with(name) {
            return offset;
        }
        offset += line.len();
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Vec<(String, String, usize)>, Vec<String>) {
        let mut warnings = Vec::new();
        let variables = parse(Path::new(".env"), text, &mut warnings).unwrap();
        let parts = |variable: Variable| (variable.name, variable.value, variable.line);
        (variables.into_iter().map(parts).collect(), warnings)
    }

    #[test]
    fn each_variable_has_its_line() {
        let text = "\u{feff}# comment with A=1\n\nA=1\n  export B='two words' # why\nC=\"three\nlines\n\"\n\nD=\"x\\ny\"\nE=";
        let (variables, warnings) = parsed(text);
        let expected = [
            ("A", "1", 3),
            ("B", "two words", 4),
            ("C", "three\nlines\n", 5),
            ("D", "x\ny", 9),
            ("E", "", 10),
        ];
        assert_eq!(variables, expected.map(|(name, value, line)| (name.into(), value.into(), line)));
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn a_dollar_that_vanishes_is_said() {
        let (variables, warnings) =
            parsed("A=pa$word\nB='pa$word'\nC=pa\\$word\nD=abcd # costs $5\nE=\"a$b c\" # $\n");
        assert_eq!(variables[0].1, "pa");
        assert_eq!((variables[1].1.as_str(), variables[2].1.as_str()), ("pa$word", "pa$word"));
        let warning = |line, name| {
            format!(
                ".env:{line}: a `$` in the value of {name} was taken for a variable; put the value into single quotes"
            )
        };
        assert_eq!(warnings, [warning(1, "A"), warning(5, "E")]);
    }

    #[test]
    fn a_bad_line_is_named_and_not_shown() {
        for (text, line) in
            [("A=1\nhunter2 and more\nB=2", 2), ("\n\nA=hunter2 and more\n", 3), ("A='hunter2", 1)]
        {
            let error = parse(Path::new(".env"), text, &mut Vec::new()).map(|_| ()).unwrap_err();
            let expected =
                format!(".env:{line} is not `NAME=value`; quote a value that has blanks or `#` in it");
            assert_eq!(error.to_string(), expected, "{text}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
