//! Executes a checked plan: the one loop over its steps, with retries, pages, outputs, files and cleanup.
//!
//! [`run`] does it all. Imports `session`, `exchange`, `credential`, `plan`, `event` and what lies below.

mod call;
mod cleanup;
mod core;
mod course;
mod doubt;
mod dry_run;
mod error;
mod expect;
mod failure;
mod fetch;
mod held;
mod idempotency;
mod items;
mod judge;
mod limits;
mod listing;
mod looping;
mod needed;
mod outlets;
mod outputs;
mod pages;
mod ping;
mod places;
mod record;
mod references;
mod replay;
mod request;
mod rounds;
mod rows;
mod run;
mod save;
mod saving;
mod scope;
mod secrets;
mod selection;
mod sessions;
mod stage;
mod step;
mod taken_up;
mod tally;
mod unsettled;
mod verify;

pub use dry_run::{DryAction, DryLine, DryRun, DrySecret, dry_run};
pub use held::displaced;
pub use needed::{NeededOutput, outputs_at};
pub use outlets::{Outlet, outlets};
pub use ping::Ping;
pub use replay::told;
pub use run::{RunIdentity, RunOptions, cancelled_before_start, leave_out, refuse, run};
pub use selection::{Selection, SelectionError};
pub use taken_up::TakenUp;

#[cfg(test)]
mod tests;
