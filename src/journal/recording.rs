//! A journal that is read back.

use super::record::{Begun, HEADER_LENGTH, Intent, Record, parse_header, proven, read_in_brief, read_whole};
use super::resolve::{has_written, step_of, unknown};
use crate::event::{Event, EventKind, FailureDraft, StepStatus, Verdict};
use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::port::{Known, Outcome, Place};
use crate::system::open_own;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;
use thiserror::Error;

/// What ends a process without a word: SIGKILL, or the machine.
const KILLED: Cause = Cause::Signal(9);

/// What a journal says.
#[derive(Debug)]
pub struct Recording {
    /// All records that can be read and were wanted, in their order.
    pub records: Vec<Record>,
    /// The length of what can be read.
    pub length: u64,
    /// The checksum of what can be read.
    pub sum: u32,
    /// Why what follows, or what should follow, cannot be.
    pub damage: Option<Damage>,
}

/// What is wrong with a journal. Whoever goes on with it might do twice what it does not tell any more.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Damage {
    /// Its first line is none of a journal, or is damaged.
    #[error("its first line is damaged, or it is no journal of this version")]
    Header,
    /// It has lost its end.
    #[error("it is cut: {found} of at least {wanted} bytes are there")]
    Cut {
        /// How long it is.
        found: u64,
        /// How long it was.
        wanted: u64,
    },
    /// A line has changed, or some before it are missing.
    #[error("line {line} is damaged, at byte {byte}")]
    Line {
        /// The line, 1-based.
        line: usize,
        /// Where it begins.
        byte: u64,
    },
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// As the operating system says. What is wrong in it is a [`Damage`].
    pub fn read(file: &File) -> io::Result<Self> {
        Ok(Self::of(&bytes_of(file)?))
    }

    /// As [`Recording::read`], of what a summary of the run needs: most events and all values are left out. Each line is held
    /// against its checksum all the same.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_in_brief(file: &File) -> io::Result<Self> {
        Ok(Self::of_records(&bytes_of(file)?, read_in_brief))
    }

    /// Reads the bytes of a file.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_records(bytes, read_whole)
    }

    fn of_records(bytes: &[u8], read: impl Fn(&str) -> Option<Option<Record>>) -> Self {
        let mut recording = Self { records: Vec::new(), length: 0, sum: 0, damage: None };
        let Some(durable) = parse_header(bytes) else {
            // The first line is durable before anything is sent: where there is none, nothing was.
            recording.damage = (!bytes.is_empty()).then_some(Damage::Header);
            return recording;
        };
        let mut place = HEADER_LENGTH;
        recording.length = place as u64;
        for (index, line) in bytes[HEADER_LENGTH..].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let text = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
            let proven = text.and_then(|text| proven(recording.sum, text));
            let Some((record, sum)) = proven.and_then(|(json, sum)| Some((read(json)?, sum))) else {
                let byte = place as u64;
                // A process that was killed may have left half a line behind what was made durable.
                let is_tail = place + line.len() == bytes.len() && byte >= durable;
                recording.damage = (!is_tail).then_some(Damage::Line { line: index + 2, byte });
                break;
            };
            place += line.len();
            recording.length = place as u64;
            recording.sum = sum;
            recording.records.extend(record);
        }
        if (bytes.len() as u64) < durable {
            recording.damage = Some(Damage::Cut { found: bytes.len() as u64, wanted: durable });
        }
        recording
    }

    /// The processes that worked on the run.
    pub fn processes(&self) -> impl DoubleEndedIterator<Item = &Begun> {
        self.records.iter().filter_map(|record| match record {
            Record::Begun(begun) => Some(&**begun),
            _ => None,
        })
    }

    /// The events of all processes.
    pub fn events(&self) -> impl Iterator<Item = &Event> + Clone {
        events_of(&self.records)
    }

    /// The events of the last process that worked on the run.
    pub fn last_events(&self) -> impl Iterator<Item = &Event> + Clone {
        let begin = self.records.iter().rposition(|record| matches!(record, Record::Begun(_))).unwrap_or(0);
        events_of(&self.records[begin..])
    }

    /// The writes that were about to be sent.
    pub fn intents(&self) -> impl Iterator<Item = &Intent> {
        self.records.iter().filter_map(|record| match record {
            Record::Intent(intent) => Some(intent),
            _ => None,
        })
    }

    /// Whether its last process has come to the end of the run.
    pub fn is_finished(&self) -> bool {
        self.end().is_some()
    }

    /// The verdict and the duration of its last process, if that has come to the end of the run.
    pub fn end(&self) -> Option<(&Verdict, Duration)> {
        self.last_events().find_map(|event| match &event.kind {
            EventKind::RunFinished { verdict } => Some((verdict, event.elapsed)),
            _ => None,
        })
    }

    /// Whether it was simulated: its providers have ended with it.
    pub fn is_simulated(&self) -> bool {
        self.processes().any(|begun| begun.is_simulated)
    }

    /// Whether nobody can go on with the run: it is done, its cleanup has undone what it did, or it was simulated.
    pub fn is_over(&self) -> bool {
        let is_undone = |verdict: &Verdict| verdict.causes.is_empty() || self.has_cleaned_up();
        self.is_simulated() || self.end().is_some_and(|(verdict, _)| is_undone(verdict))
    }

    /// Whether the last cleanup of the run has come to its end, and every step of it ended well: nothing of it is left to do.
    fn has_cleaned_up(&self) -> bool {
        let events: Vec<_> = self.events().collect();
        let is_start = |event: &&Event| matches!(event.kind, EventKind::CleanupStarted { .. });
        let Some(start) = events.iter().rposition(is_start) else { return false };
        let (mut at_work, mut is_over) = (HashSet::new(), false);
        for event in &events[start..] {
            match &event.kind {
                EventKind::StepStarted { step } if step.is_cleanup => {
                    at_work.insert((step.key, step.depth, step.item));
                }
                EventKind::StepFinished { step, result } if step.is_cleanup => {
                    at_work.remove(&(step.key, step.depth, step.item));
                    if !matches!(result.status, StepStatus::Done | StepStatus::Skipped) {
                        return false;
                    }
                }
                EventKind::RunFinished { .. } => is_over = true,
                _ => {}
            }
        }
        // A second signal ends a step without a word.
        is_over && at_work.is_empty()
    }

    /// The names of the secrets that each deed has brought.
    pub fn secret_names(&self) -> HashMap<Place, Vec<String>> {
        let outcomes = self.records.iter().filter_map(|record| match record {
            Record::Outcome(outcome) if !outcome.secrets.is_empty() => Some(outcome),
            _ => None,
        });
        outcomes.map(|outcome| (outcome.place.clone(), outcome.secrets.clone())).collect()
    }

    /// The verdict of a run whose last process has not come to its end.
    pub fn verdict_of_unfinished(&self, run: &str, redactor: &Redactor) -> Verdict {
        let unknown = unknown(self);
        let draft = match unknown.is_empty() {
            true => FailureDraft::new(KILLED, "the process ended in the middle of the run")
                .advice(format!("`runner resume {run}` goes on with it")),
            false => unknown.iter().fold(
                FailureDraft::new(Cause::Unknown, "the process ended while a write was on its way")
                    .advice(format!("`runner resume {run}` says what is to be looked at, and goes on")),
                |draft, place| draft.note(format!("nobody knows whether `{}` was done", step_of(place))),
            ),
        };
        Verdict {
            causes: vec![draft.cause],
            is_safe_to_rerun: !has_written(self),
            failures: vec![draft.finish(redactor)],
            is_damaged: false,
        }
    }

    /// The verdict of a run whose journal is damaged. `told` is the one that it tells, if it does: another process may have
    /// gone on with the run since.
    pub fn verdict_of_damaged(
        &self,
        damage: &Damage,
        told: Option<&Verdict>,
        redactor: &Redactor,
    ) -> Verdict {
        let unknown = unknown(self);
        let cause = if unknown.is_empty() { Cause::Machine } else { Cause::Unknown };
        let mut draft = FailureDraft::new(cause, format!("the journal is damaged: {damage}"))
            .note("nobody knows what the run has done behind that place")
            .advice("look at the provider what was done before you run the playbook again");
        for place in unknown {
            draft = draft.note(format!("nobody knows whether `{}` was done", step_of(&place)));
        }
        let Verdict { mut causes, mut failures, .. } = told.cloned().unwrap_or_default();
        if !causes.contains(&cause) {
            causes.push(cause);
        }
        failures.push(draft.finish(redactor));
        Verdict { causes, is_safe_to_rerun: false, failures, is_damaged: true }
    }

    /// What is known of each deed, without the secrets that it brought.
    pub fn known(&self) -> HashMap<Place, Known> {
        let mut all: HashMap<Place, Known> = HashMap::new();
        for record in &self.records {
            match record {
                Record::Intent(intent) => {
                    let known = all.entry(intent.place.clone()).or_default();
                    known.announce(intent.at, &intent.class, intent.is_surely_undone);
                }
                Record::Outcome(outcome) => {
                    let known = all.entry(outcome.place.clone()).or_default();
                    known.conclude(Outcome::plain(outcome.end, outcome.value.clone()));
                }
                Record::Resolved { place, resolution, told, .. } => {
                    all.entry(place.clone()).or_default().resolve(*resolution, told.clone());
                }
                Record::Begun(_) | Record::Event(_) => {}
            }
        }
        all
    }
}

fn bytes_of(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Seek::rewind(&mut file)?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn events_of(records: &[Record]) -> impl Iterator<Item = &Event> + Clone {
    records.iter().filter_map(|record| match record {
        Record::Event(event) => Some(event),
        _ => None,
    })
}

/// Opens a journal to read it.
///
/// # Errors
/// As the operating system says, or when it is not the user's own.
pub fn open(path: &Path) -> io::Result<Recording> {
    Recording::read(&open_own(path, false)?)
}
