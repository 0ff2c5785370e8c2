//! The command line: one module for each subcommand, named as the user types it.

pub mod diagnostics;
pub mod schema;
pub mod validate;
