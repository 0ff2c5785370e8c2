//! The log on standard error: off unless asked for, and behind the redactor, whatever a library may say.

use super::args::{LogArgs, LogFormat};
use crate::model::redaction::{RedactingWriter, Redactor};
use crate::model::visible::visible;
use std::io::{self, Stderr, Write};
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
    // In JSON such characters are escaped.
    let shows_odd = args.log_format == LogFormat::Text;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(levels))
        .with_writer(RedactedStderr { redactor: redactor.clone(), shows_odd })
        // Nobody reads the log any more, or its disk is full: the run goes on, and its sessions are closed.
        .log_internal_errors(false)
        .with_ansi(false);
    match args.log_format {
        LogFormat::Text => lines.finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    }
}

/// Makes a writer for each line.
struct RedactedStderr {
    redactor: Redactor,
    /// Whether odd characters are to be shown, so that no terminal obeys them.
    shows_odd: bool,
}

impl<'a> MakeWriter<'a> for RedactedStderr {
    type Writer = RedactingWriter<Line<Stderr>>;

    fn make_writer(&'a self) -> Self::Writer {
        let line = Line { bytes: Vec::new(), shows_odd: self.shows_odd, sink: io::stderr() };
        RedactingWriter::new(self.redactor.clone(), line)
    }
}

/// A line on its way to a sink, which gets it as a whole.
struct Line<W: Write> {
    bytes: Vec<u8>,
    shows_odd: bool,
    sink: W,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for Line<W> {
    fn drop(&mut self) {
        // As with every line of the log: nobody hears of one that cannot be written.
        let _ = match self.shows_odd {
            true => {
                let text = String::from_utf8_lossy(&self.bytes);
                let (line, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
                self.sink.write_all(format!("{}{end}", visible(line)).as_bytes())
            }
            false => self.sink.write_all(&self.bytes),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_moves_no_cursor_and_stays_one_line() {
        for (shows_odd, expected) in
            [(true, "pump \\u{1b}[31m\\u{0}\\n INFO fake\n"), (false, "pump \u{1b}[31m\0\n INFO fake\n")]
        {
            let mut written = Vec::new();
            let mut line = Line { bytes: Vec::new(), shows_odd, sink: &mut written };
            line.write_all("pump \u{1b}[31m".as_bytes()).unwrap();
            line.write_all(b"\0\n INFO fake\n").unwrap();
            drop(line);
            assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
    }
}
