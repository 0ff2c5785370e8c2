//! Signed in, and staying so: one session for each provider of a run, opened when it is needed, prolonged ahead of its
//! end, renewed once when it is refused, closed at the end.
//!
//! [`Sessions`] holds them all. Imports `exchange`, `credential`, `plan`, `event` and what lies below.

mod account;
mod choice;
mod credential_lock;
mod failure;
mod freshness;
mod intent;
mod ledger;
mod left_open;
mod login;
mod names;
mod needs;
mod preview;
mod refusals;
mod run_end;
mod seat;
mod sessions;
mod settings;
mod values;
mod visit;
mod wallet;

pub use account::{Account, profile_of};
pub use failure::SignInFailure;
pub use freshness::{Freshness, Life};
pub use left_open::{LedgerNote, Standing, ledger_line};
pub use needs::{PlannedLogin, planned_logins};
pub use preview::SecretPreview;
pub use seat::Generation;
pub use sessions::{Sessions, Setup};
pub use wallet::Given;

#[cfg(test)]
mod tests;
