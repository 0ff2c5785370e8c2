//! `runner report`: the report of a past run, made of what its journal tells.

use super::args::ReportArgs;
use super::at_work::refuse_at_work;
use super::refusal::Refusal;
use super::run_journal::refuse_unbegun;
use super::state;
use super::streams;
use crate::event::{Event, EventKind, EventSink, RecordFold, Verdict};
use crate::journal::{Begun, Recording, RunFile, find};
use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::plan::ReportForm;
use crate::port::OutputFiles;
use crate::report::{LiveReport, Messages, Progress, Terminal, needs_requests, write_report};
use crate::system::SystemOutput;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// Writes the report of a run that ended, or of what its journal tells of one that did not.
///
/// # Errors
/// When the run is not there or still at work, its journal cannot be read, or the report cannot be written.
pub(super) fn report(args: &ReportArgs, redactor: &Redactor) -> Result<i32, Refusal> {
    let state = state::open(&args.state)?;
    let run = find(&state, &args.run)?;
    let events = events(&run, redactor)?;
    match (args.format, &args.output) {
        (Some(form), output) => write(form, &events, output.as_deref(), redactor)?,
        (None, Some(_)) => {
            return Err(Refusal::usage(
                "`--output` needs `--format`: the report for people is for the terminal",
            ));
        }
        (None, None) => show(&events, redactor),
    }
    Ok(0)
}

/// The events of the last process that worked on a run, with an end that says so where it has none of its own.
fn events(run: &RunFile, redactor: &Redactor) -> Result<Vec<Event>, Refusal> {
    let unreadable = |reason: String| Refusal {
        cause: Cause::Machine,
        reasons: vec![format!("the journal {} cannot be read: {reason}", run.path.display())],
    };
    let was_at_work = run.is_at_work();
    let recording = run.read().map_err(|error| unreadable(error.to_string()))?;
    // One that has come to its end is told, though its process may still be busy with its own reports.
    if !recording.is_finished() && (was_at_work || run.is_at_work()) {
        return Err(refuse_at_work(run, Some(&recording)));
    }
    if let Some(damage) = &recording.damage {
        // Where nobody listens, the exit code says it all.
        let _ = writeln!(
            streams::stderr(redactor),
            "warning: the journal {} is damaged: {damage}; the report ends there",
            run.path.display()
        );
    }
    let mut events: Vec<Event> = recording.last_events().cloned().collect();
    if events.is_empty() {
        let Some(begun) = recording.processes().next_back() else {
            return Err(match &recording.damage {
                Some(damage) => unreadable(damage.to_string()),
                None => refuse_unbegun(&run.run),
            });
        };
        events.push(beginning(begun, &recording, redactor));
    }
    let end = match (&recording.damage, recording.is_finished()) {
        (None, true) => None,
        (None, false) => Some(recording.verdict_of_unfinished(&run.run, redactor)),
        (Some(damage), _) => {
            let told = take_verdict(&mut events);
            Some(recording.verdict_of_damaged(damage, told.as_ref(), redactor))
        }
    };
    if let (Some(verdict), Some(last)) = (end, events.last().cloned()) {
        events.push(Event { kind: EventKind::RunFinished { verdict }, ..last });
    }
    Ok(events)
}

/// Takes the end of a run out of its events, if it has one.
fn take_verdict(events: &mut Vec<Event>) -> Option<Verdict> {
    let is_end = |event: &Event| matches!(event.kind, EventKind::RunFinished { .. });
    let end = events.iter().rposition(is_end).map(|place| events.remove(place))?;
    match end.kind {
        EventKind::RunFinished { verdict } => Some(verdict),
        _ => None,
    }
}

/// The beginning of a run whose process ended before it has written one down.
fn beginning(begun: &Begun, recording: &Recording, redactor: &Redactor) -> Event {
    let kind = EventKind::RunStarted {
        run: begun.run.clone(),
        playbook: begun.name.clone(),
        file: redactor.clean(&begun.playbook),
        is_simulated: begun.is_simulated,
        is_resumed: recording.processes().count() > 1,
    };
    Event { at: begun.at, elapsed: Duration::ZERO, kind }
}

/// Writes a report for machines, the same to the byte as the run wrote it.
fn write(
    form: ReportForm,
    events: &[Event],
    output: Option<&Path>,
    redactor: &Redactor,
) -> Result<(), Refusal> {
    let mut fold = RecordFold::default().keeping_requests(needs_requests(form));
    events.iter().for_each(|event| fold.receive(event));
    let record = fold.record();
    let written = match output {
        None => write_report(form, &record, redactor, &mut io::stdout().lock()),
        Some(path) => SystemOutput.create(path).and_then(|mut file| {
            write_report(form, &record, redactor, &mut file)?;
            file.commit()
        }),
    };
    Ok(written?)
}

/// Shows what the run has shown.
fn show(events: &[Event], redactor: &Redactor) {
    let labels = events.iter().filter_map(|event| match &event.kind {
        EventKind::StepFinished { step, .. } => Some(step.label.as_str()),
        _ => None,
    });
    let lines = Terminal::new(streams::stdout(redactor), streams::stdout_look(), labels);
    let messages = Messages::new(streams::stderr(redactor), streams::stderr_look());
    let mut live = LiveReport::new(lines, messages, Progress::new(streams::stderr_look(), false));
    events.iter().for_each(|event| live.receive(event));
}
