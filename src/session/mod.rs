//! Signed in, and staying so: one session for each provider of a run, opened when it is needed, prolonged ahead of its
//! end, renewed once when it is refused, closed at the end.
//!
//! [`Sessions`] holds them all. Imports `exchange`, `credential`, `plan`, `event` and what lies below.

mod account;
mod failure;
mod needs;
mod sessions;

pub use account::Account;
pub use failure::SignInFailure;
pub use needs::{PlannedLogin, planned_logins};
pub use sessions::{Generation, Profiles, SecretPreview, Sessions, Setup};
