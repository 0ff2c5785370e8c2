//! Why a command was not carried out.

use crate::model::exit::Cause;
use std::error::Error;
use std::io;

const SIGPIPE: i32 = 13;

/// Nothing was sent, for these reasons.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Names the exit code.
    pub(super) cause: Cause,
    /// What is still to be said; empty when all was said.
    pub(super) reasons: Vec<String>,
}

impl Refusal {
    /// The command line asks for what cannot be.
    pub(super) fn usage(reason: impl Into<String>) -> Self {
        Self { cause: Cause::Invalid, reasons: vec![reason.into()] }
    }

    /// Something that the user gave cannot be taken.
    pub(super) fn invalid(error: &dyn Error) -> Self {
        Self { cause: Cause::Invalid, reasons: vec![with_causes(error)] }
    }

    /// All was said already.
    pub(super) fn said(cause: Cause) -> Self {
        Self { cause, reasons: Vec::new() }
    }

    /// This machine does not let the process begin: no threads, no signal handlers, no memory.
    pub(super) fn start(error: &io::Error) -> Self {
        Self { cause: Cause::Machine, reasons: vec![format!("cannot start: {error}")] }
    }

    /// This machine does not do what is asked.
    pub(super) fn machine(error: &dyn Error) -> Self {
        Self { cause: Cause::Machine, reasons: vec![with_causes(error)] }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // `runner show soracom | head` has shown enough: it ends as if SIGPIPE had ended it.
            io::ErrorKind::BrokenPipe => Self::said(Cause::Signal(SIGPIPE)),
            _ => Self { cause: Cause::Machine, reasons: vec![format!("cannot write the output: {error}")] },
        }
    }
}

/// An error and what it comes from: `cannot start the simulator of emnify: address in use`.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
