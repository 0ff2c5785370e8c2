//! Standard output and error: behind the redactor, coloured where that is wanted, with the look that fits.
#![expect(clippy::disallowed_methods, reason = "the locale decides which symbols can be printed")]

use crate::model::redaction::{RedactingWriter, Redactor};
use crate::report::Look;
use anstream::AutoStream;
use std::env;
use std::io::{self, IsTerminal, Stderr, Stdout};
use terminal_size::{Width, terminal_size_of};

/// A stream that shows no secret, and colours only where they are wanted (`NO_COLOR`, `CLICOLOR_FORCE`).
pub(super) type Stream<S> = RedactingWriter<AutoStream<S>>;

pub(super) fn stdout(redactor: &Redactor) -> Stream<Stdout> {
    RedactingWriter::new(redactor.clone(), AutoStream::auto(io::stdout()))
}

pub(super) fn stderr(redactor: &Redactor) -> Stream<Stderr> {
    RedactingWriter::new(redactor.clone(), AutoStream::auto(io::stderr()))
}

/// Whether colours are wanted on standard output.
pub(super) fn is_stdout_coloured() -> bool {
    AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Whether colours are wanted on standard error.
pub(super) fn is_stderr_coloured() -> bool {
    AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// How a report looks on standard output.
pub(super) fn stdout_look() -> Look {
    look(io::stdout().is_terminal(), terminal_size_of(io::stdout()))
}

/// How a report looks on standard error.
pub(super) fn stderr_look() -> Look {
    look(io::stderr().is_terminal(), terminal_size_of(io::stderr()))
}

fn look(is_terminal: bool, size: Option<(Width, terminal_size::Height)>) -> Look {
    let is_unicode = is_utf8(["LC_ALL", "LC_CTYPE", "LANG"].map(|name| env::var(name).ok()));
    match size.filter(|(Width(columns), _)| is_terminal && *columns > 0) {
        Some((Width(columns), _)) => Look::terminal(columns.into(), is_unicode),
        None => Look::pipe(is_unicode),
    }
}

/// Whether the locale knows more than ASCII: the first of the three variables that is not empty decides, as in POSIX.
fn is_utf8(locale: [Option<String>; 3]) -> bool {
    let named = locale.into_iter().flatten().find(|name| !name.is_empty());
    let named = named.unwrap_or_default().to_ascii_lowercase();
    cfg!(windows) || named.contains("utf-8") || named.contains("utf8")
}

#[cfg(all(test, unix))]
mod tests {
    use super::is_utf8;

    #[test]
    fn the_first_variable_of_the_locale_decides() {
        let said = |all: &str, ctype: &str, lang: &str| {
            is_utf8([all, ctype, lang].map(|text| Some(text.to_owned())))
        };
        assert!(said("", "", "en_US.UTF-8"));
        assert!(said("", "C.utf8", "C"));
        assert!(!said("C", "C.utf8", "en_US.UTF-8"));
        assert!(!said("", "", "de_DE@euro"));
        assert!(!is_utf8([None, None, None]));
    }
}
