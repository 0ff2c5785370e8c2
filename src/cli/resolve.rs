//! `runner resolve`: what a person has found out about a write of which nobody knew whether it was done.

use super::apply;
use super::args::{ApplyArgs, ResolveArgs, StateArgs};
use super::refusal::Refusal;
use super::run_journal::{self, refusal};
use super::state;
use crate::engine::{NeededOutput, outputs_at, told};
use crate::journal::{Finding, Recording, ResolveError, find, resolve as resolve_writes, unknown_of};
use crate::model::words::counted;
use crate::port::{Place, Resolution};
use crate::source::nearest;
use serde_json::{Map, Value as Json};
use std::env;
use std::io::Write;

/// Takes it down.
///
/// # Errors
/// When nothing is unknown there, what is said of the outputs does not fit the step, or the journal cannot be used.
pub(super) fn resolve(args: &ResolveArgs, out: &mut dyn Write) -> Result<i32, Refusal> {
    let state_dir = args.state.state_dir.as_deref().map(std::path::absolute).transpose()?;
    let run = find(&state::open(&StateArgs { state_dir })?, &args.run)?;
    let left = run_journal::left(&run)?;
    unknown_of(left.recording(), &args.step)?;
    let resolution = if args.done { Resolution::Done } else { Resolution::Retry };
    let is_over = left.recording().is_over();
    // What nobody goes on with needs nothing.
    let is_needed = args.done && !(is_over && args.output.is_empty());
    let outputs = is_needed.then(|| outputs(args, left.recording())).transpose()?.flatten();
    let lost = outputs.as_ref().map(|outputs| outputs.lost.clone()).unwrap_or_default();
    let told = outputs.map_or(Json::Null, |outputs| told(outputs.given));
    #[expect(clippy::disallowed_methods, reason = "the command says when it was said")]
    let at = jiff::Timestamp::now();
    let finding = Finding { step: &args.step, resolution, told, at };
    let count = resolve_writes(left, &finding)?;
    let (writes, step) = (counted(count as u64, "write"), &args.step);
    let what = match (args.done, is_over) {
        (true, _) => "counts as done",
        (false, true) => "counts as not done",
        (false, false) => "will be sent again",
    };
    let what_now = match is_over {
        true => "the run is over, and nobody goes on with it".to_owned(),
        false => format!("`runner resume {}` goes on", args.run),
    };
    writeln!(out, "{writes} of `{step}` {what}; {what_now}")?;
    for name in lost {
        writeln!(out, "its output `{name}` is a secret and lost: what needs it fails")?;
    }
    Ok(0)
}

/// What is said of the outputs of a step.
struct Said {
    /// Their values.
    given: Map<String, Json>,
    /// Secrets that others read, and that nobody says on a command line.
    lost: Vec<String>,
}

/// What is said of the outputs of a step, held against what the playbook wants of it. `None`: nothing is said, and the
/// playbook cannot be asked any more.
fn outputs(args: &ResolveArgs, recording: &Recording) -> Result<Option<Said>, Refusal> {
    let Some(all) = planned_outputs(recording, &args.step) else {
        return match args.output.is_empty() {
            true => Ok(None),
            false => Err(Refusal::usage(format!(
                "the playbook of the run cannot be read any more, or has no step `{}`: `--output` cannot be held against it",
                args.step
            ))),
        };
    };
    let mut given = Map::new();
    for (name, text) in &args.output {
        refuse_unfit(&args.step, name, &all)?;
        // What is no JSON is a text.
        let value = serde_json::from_str(text).unwrap_or_else(|_| Json::from(text.as_str()));
        if given.insert(name.clone(), value).is_some() {
            return Err(Refusal::usage(format!("`--output {name}` is given twice")));
        }
    }
    let missing: Vec<_> =
        all.iter().filter(|output| output.is_needed() && !given.contains_key(&output.name)).collect();
    let (lost, missing): (Vec<_>, Vec<_>) = missing.into_iter().partition(|output| output.is_secret);
    if !missing.is_empty() {
        let reads =
            missing.iter().map(|output| format!("`{}` (read by {})", output.name, quoted(&output.read_by)));
        let flags = missing.iter().map(|output| format!("--output {}=VALUE", output.name));
        return Err(Refusal::usage(format!(
            "`{}` has brought what later steps need: {}; give what the provider shows, with `{}`, `null` where there is none",
            args.step,
            reads.collect::<Vec<_>>().join(", "),
            flags.collect::<Vec<_>>().join(" ")
        )));
    }
    Ok(Some(Said { given, lost: lost.into_iter().map(|output| output.name.clone()).collect() }))
}

/// Refuses an output that the step does not have, or that is not for a command line.
fn refuse_unfit(step: &str, name: &str, all: &[NeededOutput]) -> Result<(), Refusal> {
    match all.iter().find(|output| output.name == name) {
        Some(output) if output.is_secret => Err(Refusal::usage(format!(
            "the output `{name}` of `{step}` is a secret: on a command line others see it; without it, what needs it fails \
             when the run is gone on with"
        ))),
        Some(_) => Ok(()),
        None => {
            let names: Vec<_> = all.iter().map(|output| output.name.as_str()).collect();
            let hint = nearest(name, names.iter().copied());
            let hint = hint.map(|hint| format!("; did you mean `{hint}`?")).unwrap_or_default();
            let known = match names.as_slice() {
                [] => "it has none".to_owned(),
                names => format!("it has {}", quoted(names)),
            };
            Err(Refusal::usage(format!("`{step}` has no output `{name}`{hint} ({known})")))
        }
    }
}

/// The outputs of a step, as the playbook has them now. `None`: that cannot be told.
fn planned_outputs(recording: &Recording, step: &str) -> Option<Vec<NeededOutput>> {
    let begun = recording.processes().next_back()?;
    let apply = serde_json::from_value::<ApplyArgs>(begun.arguments.clone()).ok()?;
    env::set_current_dir(&begun.folder).ok()?;
    outputs_at(&apply::planned(&apply)?, &Place(step.to_owned()))
}

fn quoted(names: &[impl AsRef<str>]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

impl From<ResolveError> for Refusal {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::NothingUnknown { .. } => Self::usage(error.to_string()),
            ResolveError::Journal(error) => refusal(&error),
        }
    }
}
