//! A past run in a few words.

use super::history::RunFile;
use super::recording::Recording;
use super::resolve::{step_of, unknown};
use crate::event::Verdict;
use crate::model::redacted::Redacted;
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// A past run.
#[derive(Debug, Clone, Serialize)]
pub struct RunSummary {
    /// Its identity.
    pub run: String,
    /// How it ended.
    pub state: RunState,
    /// When it began, UTC.
    pub started_at: Option<Timestamp>,
    /// The playbook's name.
    pub playbook: Option<Redacted>,
    /// The playbook's file.
    pub file: Option<String>,
    /// Whether its providers were simulated.
    pub simulated: bool,
    /// How many processes have worked on it.
    pub processes: usize,
    /// The exit code of the last one, if it came to its end.
    pub exit_code: Option<i32>,
    /// How long the last one took, in milliseconds, if it came to its end.
    pub took_ms: Option<u64>,
    /// Whether nobody can go on with it.
    pub over: bool,
    /// The steps of whose writes nobody knows whether they were done.
    pub unknown: Vec<String>,
    /// Why its journal cannot be read, or not to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A process is at work on it.
    AtWork,
    /// Well.
    Done,
    /// Not well: the exit code says why.
    Failed,
    /// Before it had begun: nothing was sent.
    NotBegun,
    /// Not at all: its process was killed, or the machine went down.
    Unfinished,
    /// Its journal cannot be read to its end.
    Damaged,
    /// Its journal cannot be read at all, so that nobody knows what it tells.
    Unreadable,
}

impl RunSummary {
    /// The summary of a run.
    pub fn of(file: &RunFile) -> Self {
        match file.read_in_brief() {
            Ok(recording) => Self::of_recording(file, &recording, file.is_at_work()),
            Err(error) => Self {
                state: RunState::Unreadable,
                problem: Some(error.to_string()),
                ..Self::of_recording(file, &Recording::of(&[]), false)
            },
        }
    }

    /// The summary of what a journal tells.
    pub(super) fn of_recording(file: &RunFile, recording: &Recording, is_at_work: bool) -> Self {
        let begun = recording.processes().next_back();
        let end = recording.end();
        let mut unknown: Vec<_> = unknown(recording).iter().map(|place| step_of(place).to_owned()).collect();
        unknown.dedup();
        Self {
            run: file.run.clone(),
            state: state(is_at_work, recording, end.map(|(verdict, _)| verdict)),
            started_at: begun.map(|begun| begun.started_at),
            playbook: begun.map(|begun| begun.name.clone()),
            file: begun.map(|begun| begun.playbook.clone()),
            simulated: recording.is_simulated(),
            processes: recording.processes().count(),
            exit_code: end.map(|(verdict, _)| verdict.exit_code()),
            took_ms: end.map(|(_, took)| milliseconds(took)),
            over: !is_at_work && recording.is_over(),
            unknown,
            problem: recording.damage.as_ref().map(ToString::to_string),
        }
    }

    /// Whether it may still be gone on with, or looked into; what a damaged journal does not tell is not known to be over.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, RunState::Done | RunState::Failed | RunState::NotBegun)
            || !self.unknown.is_empty()
    }
}

fn state(is_at_work: bool, recording: &Recording, verdict: Option<&Verdict>) -> RunState {
    match verdict {
        _ if is_at_work => RunState::AtWork,
        _ if recording.damage.is_some() => RunState::Damaged,
        None if recording.processes().next().is_none() => RunState::NotBegun,
        None => RunState::Unfinished,
        Some(verdict) if verdict.causes.is_empty() => RunState::Done,
        Some(_) => RunState::Failed,
    }
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
