//! `runner apply`: check, then run, then report.

use super::args::{ApplyArgs, ReportTarget};
use super::asking::QuietPrompt;
use super::diagnostics::write_human;
use super::refusal::Refusal;
use super::simulated::{LoopbackOnly, SimulatedSurroundings, Simulators};
use super::streams;
use crate::engine::{self, RunOptions, Selection};
use crate::event::{Event, EventSink, Events, RunReport};
use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::plan::{FileKind, Options, Plan, PlannedStep, StepKind, check_file, resolve_inputs};
use crate::port::{Cancellation, SecretStore, Surroundings, Transport, World};
use crate::report::{EventLog, LiveReport, Progress, Terminal, json};
use crate::session::Profiles;
use crate::system::{
    HttpTransport, Keychain, MemoryStore, SystemClock, SystemOutput, SystemRandom, SystemSurroundings,
    TerminalPrompt, cancel_on_signals,
};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

/// Runs a playbook and returns the exit code.
///
/// # Errors
/// Why nothing was sent.
pub(super) async fn apply(args: &ApplyArgs, is_logging: bool, redactor: &Redactor) -> Result<i32, Refusal> {
    let surroundings = surroundings(args, redactor)?;
    let plan = check(args, &*surroundings, redactor)?;
    let inputs = inputs(&plan, args, &*surroundings)?;
    let selection = Selection::of(&plan, &args.only, args.from.as_deref())
        .map_err(|unknown| Refusal::usage(unknown.to_string()))?;
    let job = Job { args, is_logging, redactor };
    if args.simulate { job.simulate(plan, inputs, selection, surroundings).await } else { job.run(plan) .await }
}
