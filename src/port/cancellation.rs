use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What is in flight when a run ends before its time gets this long.
pub const GRACE: Duration = Duration::from_secs(5);

/// The wish that a run ends: asked for by a signal, obeyed by the engine. Clones share it.
#[derive(Debug, Clone)]
pub struct Cancellation(Arc<watch::Sender<Option<i32>>>);

impl Default for Cancellation {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Cancellation {
    /// Asks for the end, because the signal with this number came. The first one stays.
    pub fn cancel(&self, signal: i32) {
        self.0.send_if_modified(|current| {
            let is_first = current.is_none();
            current.get_or_insert(signal);
            is_first
        });
    }

    /// The signal, if the end was asked for.
    pub fn signal(&self) -> Option<i32> {
        *self.0.borrow()
    }

    /// Waits until the end is asked for, and returns the signal.
    pub async fn cancelled(&self) -> i32 {
        let mut receiver = self.0.subscribe();
        match receiver.wait_for(Option::is_some).await {
            Ok(signal) => signal.expect("waited for"),
            Err(_) => std::future::pending().await,
        }
    }
}
