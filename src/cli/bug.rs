//! What is said when `runner` itself is wrong.

use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::system::restore_terminal;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::{io, panic, process};

const WHERE_TO_REPORT: &str =
    "please report it with this text and the command line; it holds no secrets that runner knew";

/// From now on a panic ends the process with the exit code of a bug and a text without secrets.
pub(super) fn end_process_on_panic(redactor: &Redactor) {
    let redactor = redactor.clone();
    panic::set_hook(Box::new(move |panic| {
        // Whoever was about to type a password goes on with a terminal that shows what is typed.
        restore_terminal();
        let text = text(panic);
        // Nothing is left to do if standard error is closed.
        let _ = io::stderr().write_all(redactor.redact(&text).as_bytes());
        process::exit(Cause::Bug.exit_code());
    }));
}

fn text(panic: &PanicHookInfo<'_>) -> String {
    let what = panic.payload_as_str().unwrap_or("no reason given");
    let place =
        panic.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    format!("\nerror: a bug in runner {version}{place}: {what}\n  what now: {WHERE_TO_REPORT}\n")
}
