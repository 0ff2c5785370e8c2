//! `runner history`: the runs of the past.

use super::args::{HistoryArgs, HistoryCommand, HistoryFormat, PruneArgs};
use super::refusal::Refusal;
use super::state;
use crate::journal::{RunFile, RunState, RunSummary, runs};
use crate::model::exit::Cause;
use crate::model::visible::visible;
use crate::model::words::{counted, duration, moment};
use jiff::Timestamp;
use std::io::{self, Write};
use std::time::Duration;

/// So much of a run's identity tells it from others.
const SHOWN_ID: usize = 8;

/// Lists runs, or removes their journals.
///
/// # Errors
/// When the state folder cannot be read.
pub(super) fn history(args: &HistoryArgs, out: &mut dyn Write) -> Result<i32, Refusal> {
    if let Some(HistoryCommand::Prune(args)) = &args.command {
        return prune(args, out);
    }
    let state = state::open(&args.state)?;
    let all = runs(&state).map_err(|error| Refusal::machine(&error))?;
    let newest = all.iter().rev().take(args.limit);
    match args.format {
        HistoryFormat::Json => {
            for run in newest {
                serde_json::to_writer(&mut *out, &RunSummary::of(run)).map_err(io::Error::from)?;
                writeln!(out)?;
            }
        }
        HistoryFormat::Human if all.is_empty() => writeln!(out, "no runs in {}", state.path().display())?,
        HistoryFormat::Human => write_list(newest, now(), out)?,
    }
    Ok(0)
}

fn write_list<'a>(
    runs: impl Iterator<Item = &'a RunFile>,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    for run in runs {
        let summary = RunSummary::of(run);
        let id = summary.run.get(..SHOWN_ID).unwrap_or(&summary.run);
        let began = summary.started_at.map(|at| moment(at, now)).unwrap_or_default();
        let name =
            summary.playbook.as_ref().map(|name| visible(name.as_str()).into_owned()).unwrap_or_default();
        writeln!(out, "{id}  {began:21}  {:28}  {name}", end(&summary))?;
        for step in &summary.unknown {
            let step = visible(step);
            writeln!(out, "{:10}unknown: `{step}`; `runner resolve {id} '{step}' --done` or `--retry`", "")?;
        }
    }
    Ok(())
}

/// `done in 4.2 s`, `failed (exit 4) after 12 s`, `killed: runner resume 01JD8Y3K`
fn end(summary: &RunSummary) -> String {
    let took = summary.took_ms.map(|took| duration(Duration::from_millis(took))).unwrap_or_default();
    let end = match (summary.state, summary.exit_code) {
        (RunState::AtWork, _) => "at work".to_owned(),
        (RunState::Damaged, _) => "its journal is damaged".to_owned(),
        (RunState::Unfinished, _) => "killed; may be resumed".to_owned(),
        (RunState::Done, _) => format!("done in {took}"),
        (RunState::Failed, code) => format!("failed (exit {}) in {took}", code.unwrap_or_default()),
    };
    if summary.simulated { format!("{end}, simulated") } else { end }
}

/// Removes journals.
fn prune(args: &PruneArgs, out: &mut dyn Write) -> Result<i32, Refusal> {
    let state = state::open(&args.state)?;
    let mut all = runs(&state).map_err(|error| Refusal::machine(&error))?;
    let kept = args.keep.unwrap_or(0).min(all.len());
    all.truncate(all.len() - kept);
    let (mut removed, mut left) = (0, 0);
    for run in &all {
        let summary = RunSummary::of(run);
        let is_old = args.older_than.is_none_or(|age| is_older(&summary, age));
        let may_go = summary.state != RunState::AtWork && (args.unfinished || !summary.is_open());
        match (is_old, may_go) {
            (false, _) => {}
            (true, false) => left += 1,
            (true, true) => {
                run.remove().map_err(|error| Refusal {
                    cause: Cause::Machine,
                    reasons: vec![format!("{} cannot be removed: {error}", run.path.display())],
                })?;
                removed += 1;
            }
        }
    }
    writeln!(out, "{} removed", counted(removed, "journal"))?;
    if left > 0 {
        writeln!(
            out,
            "{} left that may be gone on with; `--unfinished` removes them too",
            counted(left, "journal")
        )?;
    }
    Ok(0)
}

fn is_older(summary: &RunSummary, age: Duration) -> bool {
    summary
        .started_at
        .is_none_or(|at| Duration::try_from(now().duration_since(at)).is_ok_and(|since| since > age))
}

#[expect(clippy::disallowed_methods, reason = "the list says how long ago")]
fn now() -> Timestamp {
    Timestamp::now()
}
