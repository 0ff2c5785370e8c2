//! `runner resume`: a run that was left is gone on with.

use super::apply;
use super::args::{ApplyArgs, LogArgs, ResumeArgs, StateArgs, TimingArgs};
use super::refusal::Refusal;
use super::run_journal::{self, Earlier, refuse_unbegun};
use super::state;
use crate::journal::{NoRun, Recording, find};
use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use std::env;

/// Goes on with a run, and returns its exit code.
///
/// # Errors
/// Why nothing was sent.
pub(super) async fn resume(args: &ResumeArgs, log: LogArgs, redactor: &Redactor) -> Result<i32, Refusal> {
    let state_dir = args.state.state_dir.as_deref().map(std::path::absolute).transpose()?;
    let state_args = StateArgs { state_dir };
    let run = find(&state::open(&state_args)?, &args.run)?;
    let left = run_journal::left(&run)?;
    let recording = left.recording();
    refuse_what_is_over(recording, &run.run)?;
    let Some(begun) = recording.processes().next_back().cloned() else {
        return Err(refuse_unbegun(&run.run));
    };
    let recorded = serde_json::from_value::<ApplyArgs>(begun.arguments.clone());
    let Ok(mut apply) = recorded else {
        return Err(Refusal::usage(format!(
            "run {} was begun by version {} of the program, whose command line this one does not know; go on with that \
             version, or run the playbook anew with `--from`",
            run.run, begun.program
        )));
    };
    // Nobody asked this command to leave the run out, or to wait: what the first one was told is not for it.
    apply.state = state_args;
    apply.timing = TimingArgs { jitter: None, overlap: Some(args.overlap), ..apply.timing };
    apply.no_prompt |= args.no_prompt;
    if let Err(error) = env::set_current_dir(&begun.folder) {
        let reason =
            format!("{}, where the run was started, cannot be entered: {error}", begun.folder.display());
        return Err(Refusal { cause: Cause::Machine, reasons: vec![reason] });
    }
    let earlier = Earlier {
        left,
        begun,
        accepts_changes: args.changed_playbook,
        accepts_account: args.changed_account,
        is_given_up: args.clean_up,
    };
    apply::run(&apply, log, redactor, Some(earlier)).await
}

/// Refuses a run of which nothing is left to do, or that would be done on top of its own cleanup.
fn refuse_what_is_over(recording: &Recording, run: &str) -> Result<(), Refusal> {
    if !recording.is_over() {
        return Ok(());
    }
    let is_done = recording.end().is_some_and(|(verdict, _)| verdict.causes.is_empty());
    Err(Refusal::usage(match is_done {
        _ if recording.is_simulated() => {
            format!("run {run} was simulated: its providers ended with it; run the playbook anew")
        }
        true => format!("run {run} is done; there is nothing to go on with"),
        false => {
            format!("run {run} has ended, and its cleanup has undone what it did; run the playbook anew")
        }
    }))
}

impl From<NoRun> for Refusal {
    fn from(error: NoRun) -> Self {
        match error {
            NoRun::Folder(_) => Self { cause: Cause::Machine, reasons: vec![error.to_string()] },
            _ => Self::usage(error.to_string()),
        }
    }
}
