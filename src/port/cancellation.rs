use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What is in flight when a signal comes gets this long.
pub const GRACE: Duration = Duration::from_secs(5);

/// The wish that a run ends: asked for by a signal, obeyed by the engine. Clones share it.
#[derive(Debug, Clone)]
pub struct Cancellation(Arc<Wish>);

#[derive(Debug)]
struct Wish {
    signal: watch::Sender<Option<i32>>,
    /// Whether it is to end at once.
    is_urgent: watch::Sender<bool>,
}

impl Default for Cancellation {
    fn default() -> Self {
        Self(Arc::new(Wish { signal: watch::Sender::new(None), is_urgent: watch::Sender::new(false) }))
    }
}

impl Cancellation {
    /// Asks for the end, because the signal with this number came. The first one stays.
    pub fn cancel(&self, signal: i32) {
        self.0.signal.send_if_modified(|current| {
            let is_first = current.is_none();
            current.get_or_insert(signal);
            is_first
        });
    }

    /// The signal, if the end was asked for.
    pub fn signal(&self) -> Option<i32> {
        *self.0.signal.borrow()
    }

    /// Waits until the end is asked for, and returns the signal.
    pub async fn cancelled(&self) -> i32 {
        let mut receiver = self.0.signal.subscribe();
        match receiver.wait_for(Option::is_some).await {
            Ok(signal) => signal.expect("waited for"),
            Err(_) => std::future::pending().await,
        }
    }

    /// Asks for the end at once, whatever is still to be done. Returns false when nobody hears that, or was asked before.
    pub fn insist(&self) -> bool {
        self.0.is_urgent.receiver_count() > 0 && !self.0.is_urgent.send_replace(true)
    }

    /// Waits until the end is asked for at once.
    pub async fn insisted(&self) {
        let mut receiver = self.0.is_urgent.subscribe();
        if receiver.wait_for(|is_urgent| *is_urgent).await.is_err() {
            std::future::pending().await
        }
    }
}
