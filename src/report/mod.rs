//! Renders events and the report folded from them: lines for people ([`LiveReport`]), JSON for machines.
//!
//! Nothing here opens a file or a stream by itself, but for the moving line on standard error: all else writes to what it
//! is given.

mod activity;
mod brief;
mod dry_run;
mod entry;
mod lines;
mod live;
mod log;
mod look;
mod messages;
mod progress;
mod terminal;

pub mod json;

pub use dry_run::write_dry_run;
pub use live::LiveReport;
pub use log::EventLog;
pub use look::Look;
pub use messages::Messages;
pub use progress::Progress;
pub use terminal::Terminal;
