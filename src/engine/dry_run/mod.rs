//! What a run would do, without doing it: nothing is sent and nobody is asked. [`dry_run`] yields plain data.

mod entry;
mod pings;
mod rehearsal;
mod types;

pub use entry::dry_run;
pub use types::{DryAction, DryLine, DryRun, DrySecret};
