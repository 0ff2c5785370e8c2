//! What schedulers are given, so that they run a playbook by itself: units of systemd, a line of a crontab, a CronJob of
//! Kubernetes, a workflow of GitHub.
//!
//! Pure: a [`Job`] says what is to be run and when, and each scheduler has a function that writes it down in the
//! scheduler's form. Names and paths may hold anything: each form quotes what it can carry and refuses the rest
//! ([`Unsayable`]). Imports `plan`, `calendar` and what lies below.

mod calendar_line;
mod crontab;
mod github;
mod job;
mod kubernetes;
mod mark;
mod needs;
mod systemd;
mod text;
mod upcoming;

pub use crontab::{Crontab, CrontabError, Entry, entry};
pub use github::{Checkout, workflow};
pub use job::{Job, JobId, Unsayable, grace};
pub use kubernetes::cron_job;
pub use mark::{Mark, Origin, marked, origin};
pub use needs::{CredentialFile, Needs, SecretFile, Variable};
pub use systemd::{Manager, Units, units};
pub use text::{duration_text, one_line};
pub use upcoming::upcoming;
