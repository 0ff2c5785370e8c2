//! Renders events and the report folded from them: lines for people ([`LiveReport`]), JSON for machines.
//!
//! Nothing here opens a file or a stream by itself, but for the moving line on standard error: all else writes to what it
//! is given.

mod activity;
mod brief;
mod dry_run;
mod entry;
mod form;
mod har;
mod html;
mod json;
mod junit;
mod layout;
mod lines;
mod live;
mod log;
mod look;
mod messages;
mod moving_line;
mod progress;
mod terminal;
mod text;

pub use dry_run::write_dry_run;
pub use form::{keeps_bodies, needs_requests, write_report};
pub use live::LiveReport;
pub use log::EventLog;
pub use look::Look;
pub use messages::Messages;
pub use progress::Progress;
pub use terminal::Terminal;
