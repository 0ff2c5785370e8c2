use std::io::Write;

/// A stream that takes whole lines and lets each be seen at once. When nobody reads on (`| head`), or the disk is full, it
/// falls silent: the run itself is not to suffer from that.
pub(super) struct Lines {
    out: Box<dyn Write>,
    is_closed: bool,
}

impl Lines {
    pub(super) fn new(out: impl Write + 'static) -> Self {
        Self { out: Box::new(out), is_closed: false }
    }

    pub(super) fn line(&mut self, line: &str) {
        if self.is_closed {
            return;
        }
        self.is_closed = writeln!(self.out, "{line}").and_then(|()| self.out.flush()).is_err();
    }
}
