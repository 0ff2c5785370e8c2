//! What runs leave on disk for those after them.
//!
//! All of it lies in one folder, the [`StateDir`]. Like `system`, whose way with private files it shares, it makes ports
//! real. Imports `system`, `event`, `port` and `model`.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests prepare and inspect files themselves"))]

mod file_journal;
mod history;
mod left;
mod lock;
mod log;
mod prune;
mod record;
mod recording;
mod records;
mod resolve;
mod sign_ins;
mod state_dir;
mod summary;
#[cfg(test)]
mod tests;

pub use file_journal::{FileJournal, JournalPorts, path_of};
pub use history::{NoRun, RunFile, find, runs, shown_ids};
pub use left::{LeftJournal, TakeUpError};
pub use lock::{Claim, Holder, LockError, LockName, RunLock};
pub use prune::{Prunable, outdated};
pub use record::{Begun, Intent, Record, RecordedOutcome, VERSION};
pub use recording::{Damage, Recording, open};
pub use resolve::{Finding, ResolveError, has_written, resolve, step_of, unknown, unknown_of, writes_left};
pub use sign_ins::StateSignIns;
pub use state_dir::{StateDir, StateDirError, StateFolder};
pub use summary::{RunState, RunSummary};
