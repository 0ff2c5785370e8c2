//! What will be done, checked before anything is sent: every name resolved, every default filled in.
//!
//! [`check`] turns documents into a [`Plan`] or says everything that is wrong with them. Imports `document`, `template`,
//! `port` and what lies below.

mod types;

pub use types::*;
