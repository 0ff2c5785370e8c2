//! The output of a running program, collected as it comes.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Bytes that a thread of its own reads until their end. Clones see the same bytes.
#[derive(Clone, Default)]
pub struct Stream(Arc<Shared>);

#[derive(Default)]
struct Shared {
    collected: Mutex<Collected>,
    changed: Condvar,
}

#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    has_ended: bool,
}

impl Stream {
    /// Starts to collect what `source` yields. A read error counts as the end: it is how a pseudo-terminal
    /// says that nobody holds its other side any more.
    pub fn collect(mut source: impl Read + Send + 'static) -> Self {
        let stream = Self::default();
        let shared = Arc::clone(&stream.0);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = source.read(&mut chunk) {
                shared.change(|collected| collected.bytes.extend_from_slice(&chunk[..length]));
            }
            shared.change(|collected| collected.has_ended = true);
        });
        stream
    }

    /// A stream without bytes that has already ended.
    pub fn ended() -> Self {
        let stream = Self::default();
        stream.0.change(|collected| collected.has_ended = true);
        stream
    }

    /// Waits until `text` appears at or after the byte `from`, and returns the offset of the byte behind it;
    /// `None` if the stream ends or `limit` passes without it.
    pub fn wait_for(&self, text: &str, from: usize, limit: Duration) -> Option<usize> {
        let end_of_text = |collected: &Collected| find(&collected.bytes[from..], text.as_bytes());
        let collected =
            self.0.wait_while(limit, |collected| !collected.has_ended && end_of_text(collected).is_none());
        end_of_text(&collected).map(|end| from + end)
    }

    /// Waits for the end and returns all bytes, or `None` if `limit` passes before.
    pub fn wait_for_end(&self, limit: Duration) -> Option<Vec<u8>> {
        let collected = self.0.wait_while(limit, |collected| !collected.has_ended);
        collected.has_ended.then(|| collected.bytes.clone())
    }

    /// What has come so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().bytes).into_owned()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().expect("no holder of the lock panics")
    }

    fn change(&self, change: impl FnOnce(&mut Collected)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn wait_while(
        &self,
        limit: Duration,
        mut condition: impl FnMut(&Collected) -> bool,
    ) -> MutexGuard<'_, Collected> {
        let waited = self.changed.wait_timeout_while(self.lock(), limit, |collected| condition(collected));
        waited.expect("no holder of the lock panics").0
    }
}

/// The offset behind the first occurrence of `needle`.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle).map(|start| start + needle.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::PATIENCE;

    #[test]
    fn a_text_is_found_from_the_given_byte_on() {
        let stream = Stream::collect(&b"code: code: end"[..]);
        assert_eq!(stream.wait_for("code: ", 0, PATIENCE), Some(6));
        assert_eq!(stream.wait_for("code: ", 6, PATIENCE), Some(12));
        assert_eq!(stream.wait_for("code: ", 12, PATIENCE), None);
        assert_eq!(stream.wait_for_end(PATIENCE), Some(b"code: code: end".to_vec()));
    }

    #[test]
    fn waiting_ends_at_the_limit() {
        let (_writer, reader) = std::os::unix::net::UnixStream::pair().unwrap();
        let silent = Stream::collect(reader);
        assert_eq!(silent.wait_for("x", 0, Duration::from_millis(1)), None);
        assert_eq!(silent.wait_for_end(Duration::from_millis(1)), None);
    }
}
