//! Events: the facts of a run, in order. They are the contract between the engine and everything that reports: the terminal,
//! progress and the JSON report all are folds of the same events. Every text in them is [`Redacted`](crate::model::redacted).

mod draft;
mod duration;
#[cfg(test)]
pub mod fake;
mod http;
mod kind;
mod outcome;
mod record;
mod session;
mod sink;

pub use draft::FailureDraft;
pub use http::{BodyNote, HeaderNote, HttpNote, MessageNote, Omission, ResponseNote};
pub use kind::{
    Event, EventKind, Failure, FileNote, ItemCounts, Purpose, SessionEnd, SessionNote, StepNote, StepResult,
    StepStatus, Verdict,
};
pub use outcome::{EntryKind, EntryReport, ReportFold, RunReport};
pub use record::{RecordFold, RequestRecord, RunRecord};
pub use sink::{EventSink, Events, Fanout};
