//! What will be done, checked before anything is sent: every name resolved, every default filled in.
//!
//! [`check_file`] turns documents into a [`Plan`] or says everything that is wrong with them. Imports
//! `document`, `template`, `port` and what lies below.

mod builtin;
mod check;
mod inputs;
mod report;
mod types;

pub use builtin::{BUILT_IN, BuiltIn};
pub use check::{Checked, FileKind, Options, check_file, check_text, read_definition};
pub use inputs::{InputMistake, check_value, read_value, resolve_inputs, resolve_inputs_of};
pub use report::{PlannedReport, PlannedReportFile, ReportFile, ReportForm};
pub use types::*;
