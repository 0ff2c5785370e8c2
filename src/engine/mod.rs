//! Executes a checked plan: the one loop over its steps, with retries, pages, outputs, files and cleanup.
//!
//! Imports `session`, `exchange`, `credential`, `plan`, `event` and what lies below.

mod limits;
mod pages;
mod references;
mod rows;
mod save;
mod scope;
