use std::io::{self, Write};

/// A stream that takes whole lines and lets each be seen at once. When nobody reads on (`| head`), or the disk is full, it
/// falls silent: the run itself is not to suffer from that.
pub(super) struct Lines {
    out: Box<dyn Write>,
    /// Why it is silent.
    error: Option<io::Error>,
}

impl Lines {
    pub(super) fn new(out: impl Write + 'static) -> Self {
        Self { out: Box::new(out), error: None }
    }

    pub(super) fn line(&mut self, line: &str) {
        if self.error.is_none() {
            self.error = writeln!(self.out, "{line}").and_then(|()| self.out.flush()).err();
        }
    }

    /// Why not all could be written. That nobody reads on is no error.
    pub(super) fn error(&self) -> Option<&io::Error> {
        self.error.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }
}
