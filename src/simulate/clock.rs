//! The time the simulators live in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The wall clock plus what was skipped on request, so that a test reaches an expiry without waiting for it.
#[derive(Debug, Default)]
pub(super) struct Clock {
    skipped: SignedDuration,
}

impl Clock {
    /// The simulated time.
    pub(super) fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one place where simulators read the wall clock")]
        let wall = Timestamp::now();
        wall.saturating_add(self.skipped).unwrap_or(Timestamp::MAX)
    }

    /// Moves the time on; it never goes back.
    pub(super) fn advance(&mut self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.skipped = self.skipped.saturating_add(by);
    }
}
