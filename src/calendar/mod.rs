//! Cron expressions, time zones, and the times that follow from both.
//!
//! Pure: the present time is given. [`CronExpression`] is what five fields say; [`times`] lists when that is, as the
//! scheduler understands it that will do the work ([`Clockwork`]). Imports nothing of the project.

mod cron;
mod field;
mod mistake;
mod next;
mod shift;
mod zone;

pub use cron::CronExpression;
pub use field::{Field, Part};
pub use mistake::CronMistake;
pub use next::{Clockwork, changes_matter, times};
pub use shift::{Shifted, shifted};
pub use zone::{Zone, known_zones};
