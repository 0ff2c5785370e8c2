//! `runner history`: the runs of the past.

use super::args::{HistoryArgs, HistoryCommand, HistoryFormat, PruneArgs};
use super::pruning::remove;
use super::refusal::Refusal;
use super::state;
use crate::journal::{Prunable, RunFile, RunState, RunSummary, TakeUpError, runs, shown_ids};
use crate::model::exit::Cause;
use crate::model::visible::visible;
use crate::model::words::{counted, duration, moment, shell_quoted};
use crate::system::Keychain;
use jiff::Timestamp;
use std::io::{self, Write};
use std::time::Duration;

/// Lists runs, or removes their journals.
///
/// # Errors
/// When the state folder cannot be read.
pub(super) fn history(args: &HistoryArgs, out: &mut dyn Write) -> Result<i32, Refusal> {
    if let Some(HistoryCommand::Prune(args)) = &args.command {
        return super::runtime()?.block_on(prune(args, out));
    }
    let state = state::open(&args.state)?;
    let all = runs(&state).map_err(|error| Refusal::machine(&error))?;
    let ids = shown_ids(&all);
    let newest = all.iter().zip(ids).rev().take(args.limit);
    match args.format {
        HistoryFormat::Json => {
            for (run, _) in newest {
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
    runs: impl Iterator<Item = (&'a RunFile, &'a str)> + Clone,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let width = runs.clone().map(|(_, id)| id.len()).max().unwrap_or_default();
    for (run, id) in runs {
        let summary = RunSummary::of(run);
        let began = summary.started_at.map(|at| moment(at, now)).unwrap_or_default();
        let name =
            summary.playbook.as_ref().map(|name| visible(name.as_str()).into_owned()).unwrap_or_default();
        writeln!(out, "{id:width$}  {began:21}  {:28}  {name}", end(&summary))?;
        for step in &summary.unknown {
            let step = visible(step);
            let indent = width + 2;
            let what_now = match summary.over {
                true => "the run is over, and nobody goes on with it".to_owned(),
                false => format!("`runner resolve {id} {} --done` or `--retry`", shell_quoted(&step)),
            };
            writeln!(out, "{:indent$}unknown: `{step}`; {what_now}", "")?;
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
        (RunState::Unreadable, _) => {
            format!("its journal cannot be read: {}", summary.problem.as_deref().unwrap_or_default())
        }
        (RunState::NotBegun, _) => "ended before it began".to_owned(),
        (RunState::Unfinished, _) if summary.over => "killed".to_owned(),
        (RunState::Unfinished, _) => "killed; may be resumed".to_owned(),
        (RunState::Done, _) => format!("done in {took}"),
        (RunState::Failed, code) => format!("failed (exit {}) in {took}", code.unwrap_or_default()),
    };
    if summary.simulated { format!("{end}, simulated") } else { end }
}

/// Removes journals, and the secrets that were kept for those who would have taken their runs up.
async fn prune(args: &PruneArgs, out: &mut dyn Write) -> Result<i32, Refusal> {
    let state = state::open(&args.state)?;
    let mut all = runs(&state).map_err(|error| Refusal::machine(&error))?;
    let kept = args.keep.unwrap_or(0).min(all.len());
    all.truncate(all.len() - kept);
    let store = Keychain::default();
    let (mut removed, mut open, mut busy, mut unusable) = (0, 0, 0, Vec::new());
    let mut damaged = Vec::new();
    for run in &all {
        let prunable = match Prunable::of(run) {
            Ok(prunable) => prunable,
            Err(TakeUpError::Busy) => {
                busy += 1;
                continue;
            }
            Err(error) => {
                unusable.push(error.to_string());
                continue;
            }
        };
        let summary = prunable.summary();
        let is_old = args.older_than.is_none_or(|age| is_older(&summary, age));
        match (is_old, args.unfinished || !summary.is_open()) {
            (false, _) => {}
            _ if summary.state == RunState::Damaged => damaged.push(&run.path),
            (true, false) => open += 1,
            (true, true) => {
                remove(prunable, run, &store).await?;
                removed += 1;
            }
        }
    }
    writeln!(out, "{} removed", counted(removed, "journal"))?;
    let left = [
        (open, "that may be gone on with; `--unfinished` removes them too"),
        (busy, "whose runs are at work"),
        (
            damaged.len() as u64,
            "damaged, of which nobody knows all that was done; look at the provider, then remove the file by hand",
        ),
        (unusable.len() as u64, "of which nobody knows what they tell"),
    ];
    for (count, why) in left.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(out, "{} left {why}", counted(count, "journal"))?;
    }
    damaged.iter().try_for_each(|path| writeln!(out, "  damaged: {}", path.display()))?;
    match unusable.is_empty() {
        true => Ok(0),
        false => Err(Refusal { cause: Cause::Machine, reasons: unusable }),
    }
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
