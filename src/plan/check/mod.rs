//! From documents to a plan, or to everything that is wrong with them.
//!
//! The passes: [`load`] reads the playbook and the definitions that it names; [`definition`] checks each
//! definition for itself; [`provider`] joins it with what the playbook says otherwise; [`order`] gives each
//! step its place; [`step`] checks and plans the steps. They report through one
//! [`context`](context::Context); what a place may read is a [`View`](view::View), and [`template`] holds
//! each expression against it.

mod address;
mod auth;
mod conceal;
mod context;
mod definition;
mod entry;
mod idempotency_key;
mod literal_secret;
mod load;
mod names;
mod options;
mod order;
mod path;
mod playbook;
mod polling;
mod preset;
mod provider;
mod reach;
mod repetition;
mod report;
mod request;
mod schedule;
mod send;
mod source;
mod spot;
mod step;
mod store;
mod template;
#[cfg(test)]
mod tests;
mod value;
mod view;

pub use entry::{Checked, FileKind, check_file, check_text};
pub use load::read_definition;
pub use options::Options;
pub(super) use value::{convert, describe_type, violation};
