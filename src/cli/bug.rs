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

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::process::Command;

    const SECRET: &str = "geheim-4711-planted";
    /// Set for the process that is to panic.
    const HAS_A_BUG: &str = "RUNNER_TEST_BUG";

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test starts itself as a process of its own")]
    fn a_panic_exits_with_the_code_of_a_bug_and_shows_no_secret() {
        if env::var_os(HAS_A_BUG).is_some() {
            let redactor = Redactor::default();
            let _ = redactor.learn("api.password", SECRET);
            end_process_on_panic(&redactor);
            panic!("no place for {SECRET}");
        }
        let mut itself = Command::new(env::current_exe().expect("this program"));
        let name = "cli::bug::tests::a_panic_exits_with_the_code_of_a_bug_and_shows_no_secret";
        itself.args(["--exact", name, "--nocapture"]).env(HAS_A_BUG, "1");
        let output = itself.output().expect("it can be started");
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(70), "{stdout}{stderr}");
        assert!(stderr.contains("error: a bug in runner ") && stderr.contains("bug.rs:"), "{stderr}");
        assert!(stderr.contains("no place for ‹api.password›") && stderr.contains("what now: "), "{stderr}");
        assert!(!stdout.contains(SECRET) && !stderr.contains(SECRET), "{stdout}{stderr}");
    }
}
