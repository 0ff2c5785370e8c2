//! The writer that stands before every sink.
use std::io::{self, Write};

use zeroize::Zeroizing;

use super::matcher::{Span, replace};
use super::redactor::Redactor;

/// Text without a line end is collected up to this many bytes.
const LONGEST_LINE_BYTES: usize = 64 * 1024;

/// Passes text on without secrets, also those that reach it in pieces.
///
/// Text goes on to the sink at each line end, at [`Write::flush`], and every 64 KB. Then an end of it that
/// may be the beginning of a secret, in any encoding, stays here until what follows decides. After a line
/// end, where the rest could only be a secret wrapped into lines, fewer than four characters are taken for
/// chance and let go, or every other log line would come too late; if they were the beginning of a secret
/// after all, the rest of it is still replaced.
///
/// [`RedactingWriter::finish`] writes out what is left, and so does dropping it, without a word about errors.
/// A text must be cut short after it was redacted, not before: half a secret with nothing after it is no
/// secret that is known.
pub struct RedactingWriter<W: Write> {
    redactor: Redactor,
    /// `None` only once it was given back.
    sink: Option<W>,
    /// Text of which the first `passed_on` bytes are in the sink already, kept to recognise what they begin.
    text: Zeroizing<Vec<u8>>,
    passed_on: usize,
}

impl<W: Write> RedactingWriter<W> {
    /// Wraps a sink; secrets that `redactor` or a clone of it learns later count as well.
    pub fn new(redactor: Redactor, sink: W) -> Self {
        Self { redactor, sink: Some(sink), text: Zeroizing::default(), passed_on: 0 }
    }

    /// Writes out what is left, flushes, and gives the sink back.
    ///
    /// # Errors
    /// Those of the sink, which is lost then.
    pub fn finish(mut self) -> io::Result<W> {
        self.pass_on(self.text.len(), Follows::Nothing)?;
        let mut sink = self.sink.take().ok_or(io::ErrorKind::BrokenPipe)?;
        sink.flush()?;
        Ok(sink)
    }

    /// Passes on what is decided of the text before `limit`, and forgets it unless it is part of what is not.
    fn pass_on(&mut self, limit: usize, follows: Follows) -> io::Result<()> {
        let Some(sink) = self.sink.as_mut().filter(|_| self.passed_on < self.text.len()) else {
            return Ok(());
        };
        let matcher = self.redactor.matcher();
        let views = matcher.views(&self.text);
        let spans = matcher.spans(&views);
        let open = matcher.open_end(&views, self.text.len());
        let decided = match follows {
            Follows::Nothing => self.text.len(),
            Follows::Text if self.text.last().is_some_and(is_line_end) => open.probable,
            Follows::Text => open.possible,
        };
        let write_to = before_span(&spans, decided.min(limit)).max(self.passed_on);
        let keep_from = before_span(&spans, open.possible.min(write_to));
        let redacted = replace(&self.text, self.passed_on..write_to, &spans);
        drop(views);
        self.text.drain(..keep_from);
        self.passed_on = write_to - keep_from;
        sink.write_all(&redacted)
    }
}

/// The boundary, or the start of the secret across it, whose second half would not be recognised by itself.
fn before_span(spans: &[Span<'_>], boundary: usize) -> usize {
    let across = spans.iter().find(|span| span.range.start < boundary && boundary < span.range.end);
    across.map_or(boundary, |span| span.range.start)
}

/// What comes after the text that was collected.
enum Follows {
    Text,
    Nothing,
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        let is_too_long = self.text.len() - self.passed_on >= LONGEST_LINE_BYTES;
        let after_line = bytes.iter().rev().position(is_line_end).map(|from_end| self.text.len() - from_end);
        if let Some(limit) = after_line.or(is_too_long.then_some(self.text.len())) {
            self.pass_on(limit, Follows::Text)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on(self.text.len(), Follows::Text)?;
        self.sink.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl<W: Write> Drop for RedactingWriter<W> {
    fn drop(&mut self) {
        let _ = self.pass_on(self.text.len(), Follows::Nothing);
    }
}

/// A carriage return ends a line that will be written over.
fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the chunks one by one, a `⏎` in place of a chunk being a flush, and returns what the sink held
    /// after each.
    fn written(secrets: &[&str], chunks: &[&str]) -> Vec<String> {
        let redactor = Redactor::default();
        for secret in secrets {
            let _ = redactor.learn("x", secret);
        }
        let mut writer = RedactingWriter::new(redactor, Vec::new());
        let mut states = Vec::new();
        for chunk in chunks {
            match *chunk {
                "⏎" => writer.flush().unwrap(),
                text => writer.write_all(text.as_bytes()).unwrap(),
            }
            states.push(String::from_utf8(writer.sink.clone().unwrap()).unwrap());
        }
        states.push(String::from_utf8(writer.finish().unwrap()).unwrap());
        states
    }

    #[test]
    fn lines_go_on_at_their_end() {
        let states = written(&["hunter22"], &["one ", "line\ntw", "o\n"]);
        assert_eq!(states, ["", "one line\n", "one line\ntwo\n", "one line\ntwo\n"]);
    }

    #[test]
    fn flush_passes_on_a_prompt() {
        assert_eq!(written(&["hunter22"], &["User: ", "⏎"])[1], "User: ");
    }

    #[test]
    fn flush_keeps_the_beginning_of_a_secret() {
        let states = written(&["hunter22"], &["pw=hunt", "⏎", "er", "⏎", "22", "⏎", "!\n"]);
        assert_eq!(states, ["", "pw=", "pw=", "pw=", "pw=", "pw=‹x›", "pw=‹x›!\n", "pw=‹x›!\n"]);
        assert_eq!(written(&["hunter22"], &["pw=hunt", "⏎", "ing", "⏎"])[3], "pw=hunting");
    }

    #[test]
    fn flush_keeps_the_beginning_of_an_escape() {
        for (secret, chunks) in [
            ("p@ssword", ["p%4", "0ssword"]),
            ("p@ssword", ["p%2", "540ssword"]),
            ("péssword", [r"p\u00", r"e9ssword"]),
            ("p😀ssword", [r"p\ud83d", r"\ude00ssword"]),
            ("p&ssword", ["p&a", "mp;ssword"]),
            ("hunter22", ["aHVu", "dGVyMjI="]),
        ] {
            let states = written(&[secret], &[chunks[0], "⏎", chunks[1], "\n"]);
            assert_eq!(states[1], "", "{chunks:?}");
            assert_eq!(
                states[3].trim_end_matches("=\n"),
                states[3].trim_end_matches("=\n").replace(chunks[1], "")
            );
            assert!(states[3].starts_with("‹x›"), "{chunks:?} gave {}", states[3]);
        }
    }

    #[test]
    fn a_secret_wrapped_into_lines_is_found() {
        for chunks in [["hunt\n", "er22\n"], ["key: hunte\n", "  r22\n"], ["aHVudG\n", "VyMjI=\n"]] {
            let states = written(&["hunter22"], &[chunks[0], "⏎", chunks[1]]);
            let expected = chunks.concat();
            assert!(states[1].len() <= "key: ".len(), "{} left too early", states[1]);
            assert!(states[2].contains("‹x›") && states[2].len() < expected.len() + 4, "{}", states[2]);
        }
    }

    #[test]
    fn chance_at_a_line_end_delays_nothing_and_leaks_little() {
        let states = written(&["hunter22"], &["a path\n", "in search of hun\n", "ter22 and more\n"]);
        assert_eq!(states[..2], ["a path\n", "a path\nin search of hun\n"]);
        assert_eq!(states[2], "a path\nin search of hun\n‹x› and more\n");
    }

    #[test]
    fn a_secret_over_three_lines_is_followed() {
        let states = written(&["abcdefghijkl"], &["abc\n", "defgh\nij", "kl.\n"]);
        assert_eq!(states[0], "abc\n");
        assert_eq!(states[3], "abc\n‹x›.\n");
    }

    #[test]
    fn a_secret_is_replaced_once_wherever_its_text_is_divided() {
        let states = written(&["abcdefghijkl"], &["abc\n", "def\nghijkl", ".\n"]);
        assert_eq!(states[1..3], ["abc\n", "abc\n‹x›.\n"]);
        assert_eq!(written(&["abcdefab"], &["abcdefab", "⏎", "!\n"])[1..3], ["", "‹x›!\n"]);
        assert_eq!(written(&["hunter22"], &["aHVudGVyMj", "⏎", "I=\n"])[1..3], ["", "‹x›=\n"]);
    }

    #[test]
    fn a_secret_that_begins_a_longer_one_waits_for_it() {
        let states = written(&["abcdefgh", "abcdefghij"], &["abcdefgh", "⏎", "ij\n"]);
        assert_eq!(states[1..3], ["", "‹x›\n"]);
    }

    #[test]
    fn what_is_held_back_is_written_at_the_end() {
        assert_eq!(written(&["hunter22"], &["a hunter"]), ["", "a hunter"]);
        let mut sink = Vec::new();
        let redactor = Redactor::default();
        let _ = redactor.learn("x", "hunter22");
        write!(RedactingWriter::new(redactor, &mut sink), "hunter22 hunter").unwrap();
        assert_eq!(String::from_utf8(sink).unwrap(), "‹x› hunter");
    }

    #[test]
    fn a_secret_may_be_learned_between_two_writes() {
        let redactor = Redactor::default();
        let mut writer = RedactingWriter::new(redactor.clone(), Vec::new());
        writer.write_all(b"hunter22 100%\nhunt").unwrap();
        assert_eq!(writer.sink.as_deref(), Some(&b"hunter22 100%\n"[..]));
        let _ = redactor.learn("x", "hunter22");
        writer.write_all(b"er22\n").unwrap();
        assert_eq!(writer.finish().unwrap(), "hunter22 100%\n‹x›\n".as_bytes());
    }

    #[test]
    fn endless_lines_take_bounded_memory() {
        let redactor = Redactor::default();
        let _ = redactor.learn("x", "hunter22");
        let mut writer = RedactingWriter::new(redactor, Vec::new());
        for _ in 0..40 {
            writer.write_all(&[b'.'; 4096]).unwrap();
            assert!(writer.text.len() < LONGEST_LINE_BYTES);
        }
        assert_eq!(writer.finish().unwrap().len(), 40 * 4096);
    }

    #[test]
    fn a_failing_sink_fails_the_write() {
        let mut full = [0_u8; 2];
        let mut writer = RedactingWriter::new(Redactor::default(), &mut full[..]);
        assert!(writer.write_all(b"abc\n").is_err());
    }
}
