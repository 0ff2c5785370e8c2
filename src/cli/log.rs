//! The log on standard error: off unless asked for, and behind the redactor, whatever a library may say.

use super::args::{LogArgs, LogFormat};
use crate::model::redaction::{RedactingWriter, Redactor};
use std::io::{self, Stderr};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Starts the log of the process, if any was asked for.
///
/// # Errors
/// When there is one already.
pub(super) fn start(args: LogArgs, redactor: &Redactor) -> Result<(), TryInitError> {
    let levels = match args.verbose {
        0 if args.log_format == LogFormat::Text => return Ok(()),
        0 => "warn",
        1 => "warn,runner=info",
        2 => "debug",
        _ => "trace",
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(levels))
        .with_writer(RedactedStderr(redactor.clone()))
        // Nobody reads the log any more, or its disk is full: the run goes on, and its sessions are closed.
        .log_internal_errors(false)
        .with_ansi(false);
    match args.log_format {
        LogFormat::Text => lines.finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    }
}

/// Makes a writer for each line.
struct RedactedStderr(Redactor);

impl<'a> MakeWriter<'a> for RedactedStderr {
    type Writer = RedactingWriter<Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        RedactingWriter::new(self.0.clone(), io::stderr())
    }
}
