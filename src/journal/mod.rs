//! What runs leave on disk for those after them.
//!
//! All of it lies in one folder, the [`StateDir`]. Imports `port`, `event`, `plan` and `model`; like `system`, it makes ports
//! real.
#![expect(clippy::disallowed_methods, reason = "this is where state files are read and written")]

mod records;
mod sign_ins;
mod state_dir;

pub use sign_ins::StateSignIns;
pub use state_dir::{StateDir, StateDirError, StateFolder};
