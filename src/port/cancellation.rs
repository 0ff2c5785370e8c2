use std::sync::Arc;
use tokio::sync::watch;

/// Why a run ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A signal with this number came.
    Signal(i32),
    /// The playbook's deadline has passed.
    Deadline,
}

/// The wish that a run ends: asked for from outside, obeyed by the engine. Clones share it.
#[derive(Debug, Clone)]
pub struct Cancellation(Arc<watch::Sender<Option<Reason>>>);

impl Default for Cancellation {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Cancellation {
    /// Asks for the end. The first reason stays.
    pub fn cancel(&self, reason: Reason) {
        self.0.send_if_modified(|current| {
            let is_first = current.is_none();
            current.get_or_insert(reason);
            is_first
        });
    }

    /// The reason, if the end was asked for.
    pub fn reason(&self) -> Option<Reason> {
        *self.0.borrow()
    }

    /// Waits until the end is asked for.
    pub async fn cancelled(&self) -> Reason {
        let mut receiver = self.0.subscribe();
        match receiver.wait_for(Option::is_some).await {
            Ok(reason) => reason.expect("waited for"),
            Err(_) => std::future::pending().await,
        }
    }
}
