//! What every simulated provider can do.

use super::answer::Answer;
use super::call::Call;
use super::sessions::SessionCounts;

/// One provider: its accounts, tokens and data, and how it answers.
pub(super) trait Api: Send {
    /// The method and path template that would handle the call, `None` for a path the provider does not have.
    fn route(&self, call: &Call) -> Option<String>;

    /// Handles the call.
    fn answer(&mut self, call: &Call) -> Answer;

    /// Sign-ins so far and the sessions open at `now` (seconds since the Unix epoch).
    fn session_counts(&self, now: i64) -> SessionCounts;

    /// Refuses every access token issued so far; refresh tokens keep working.
    fn revoke_access(&mut self);
}
