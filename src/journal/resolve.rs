//! What a person has found out about a write of which nobody knew whether it was done.

use super::left::{LeftJournal, TakeUpError};
use super::record::Record;
use super::recording::Recording;
use crate::port::{Class, End, InDoubt, Known, Place, Resolution, SentBefore, WritesLeft};
use jiff::Timestamp;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap, HashSet};
use thiserror::Error;

/// A resolution cannot be taken down.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// Nothing is unknown there.
    #[error("it is known of every write at `{wanted}` whether it was done{}", hint(unknown))]
    NothingUnknown {
        /// What was asked for.
        wanted: String,
        /// The steps of which it is not.
        unknown: Vec<String>,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] TakeUpError),
}

fn hint(unknown: &[String]) -> String {
    match unknown {
        [] => ", and of all others in this run".to_owned(),
        places => format!("; unknown is: {}", places.join(", ")),
    }
}

/// The deeds of which nobody knows whether they were done, and nobody has said it. What does no harm when it is done again
/// is none of them: whoever goes on with the run does it again.
pub fn unknown(recording: &Recording) -> Vec<Place> {
    let all = recording.known();
    let is_done = |place: &Place| {
        let step = all.get(&Place(step_of(place).to_owned()));
        step.and_then(|step| step.outcome.as_ref()).is_some_and(|outcome| outcome.end == End::Done)
    };
    let unknown = all.iter().filter(|(place, known)| {
        let harms = known.class.as_ref().is_some_and(is_harmful);
        harms && known.in_doubt_since().is_some() && !is_done(place)
    });
    let mut unknown: Vec<Place> = unknown.map(|(place, _)| place.clone()).collect();
    unknown.sort_unstable();
    unknown
}

/// What the processes so far have left of the writes of a run.
pub fn writes_left(recording: &Recording) -> WritesLeft {
    let mut keys: HashMap<String, HashSet<Place>> = HashMap::new();
    for intent in recording.intents() {
        if let Class::Idempotent { key: Some(key) } = &intent.class {
            keys.entry(key.value.to_string()).or_default().insert(Place(step_of(&intent.place).to_owned()));
        }
    }
    let known = recording.known();
    let is_left = |known: &Known| known.is_done() || known.in_doubt_since().is_some();
    let is_of_step =
        |place: &Place| !["/moment", "/item of the list"].iter().any(|end| place.0.ends_with(end));
    let places = known.into_iter().filter(|(place, known)| is_left(known) && is_of_step(place));
    WritesLeft {
        sent: sent(recording),
        in_doubt: in_doubt(recording),
        are_resolved: recording.records.iter().any(|record| matches!(record, Record::Resolved { .. })),
        keys,
        have_harmful: has_written(recording),
        places: places.map(|(place, _)| place).collect(),
    }
}

/// The writes that were done, or may have been, by the places of their steps.
fn sent(recording: &Recording) -> BTreeMap<Place, SentBefore> {
    let all = recording.known();
    let mut sent: BTreeMap<Place, SentBefore> = BTreeMap::new();
    for intent in recording.intents() {
        let step = Place(step_of(&intent.place).to_owned());
        let Some(known) = all.get(&intent.place) else { continue };
        if known.class.is_none() || known.resolution == Some(Resolution::Retry) {
            continue;
        }
        let is_done = known.is_done() || all.get(&step).is_some_and(Known::is_done);
        let before = sent.entry(step).or_insert(SentBefore { request: None, is_done });
        before.request.clone_from(&intent.request);
        before.is_done &= is_done;
    }
    sent
}

/// Whether a write was done, or may have been, that a run anew would do twice: that one has other keys.
pub fn has_written(recording: &Recording) -> bool {
    recording.known().values().any(|known| {
        let is_repeatable = matches!(
            known.class,
            None | Some(Class::Read | Class::Composed | Class::Idempotent { key: None })
        );
        let is_undone = known.outcome.as_ref().is_some_and(|outcome| outcome.end == End::NotDone);
        !is_repeatable && (known.open.is_some() || !is_undone)
    })
}

/// As [`unknown`], with what is known of each.
fn in_doubt(recording: &Recording) -> Vec<InDoubt> {
    let all = recording.known();
    let found = unknown(recording).into_iter().filter_map(|place| {
        let known = all.get(&place)?;
        let (since, was_cut_off) = (known.in_doubt_since()?, known.open.is_some());
        Some(InDoubt { step: Place(step_of(&place).to_owned()), place, since, was_cut_off })
    });
    found.collect()
}

fn is_harmful(class: &Class) -> bool {
    match class {
        Class::Read | Class::Composed => false,
        // A server that forgets keys may have forgotten this one by then.
        Class::Idempotent { key } => key.as_ref().is_some_and(|key| key.valid_for_ms.is_some()),
        Class::Once => true,
    }
}

/// The step to which the request at a place belongs.
pub fn step_of(place: &Place) -> &str {
    place.0.rsplit_once("/request").map_or(place.0.as_str(), |(step, _)| step)
}

/// The writes of which a person has said whether they were done since the last process worked on the run: nobody has acted
/// upon that.
fn said(recording: &Recording) -> impl Iterator<Item = &Place> {
    let records = recording.records.iter().rev();
    let since = records.take_while(|record| !matches!(record, Record::Begun(_)));
    since.filter_map(|record| match record {
        Record::Resolved { place, .. } => Some(place),
        _ => None,
    })
}

/// The writes of a step that a person can say something of: the unknown ones, and those of which nobody has acted yet upon
/// what was said.
///
/// # Errors
/// When there are none.
pub fn unknown_of(recording: &Recording, step: &str) -> Result<Vec<Place>, ResolveError> {
    let all = unknown(recording);
    let mut places: Vec<_> =
        all.iter().chain(said(recording)).filter(|place| step_of(place) == step).cloned().collect();
    places.sort_unstable();
    places.dedup();
    if places.is_empty() {
        let unknown = all.iter().map(|place| format!("`{}`", step_of(place))).collect();
        return Err(ResolveError::NothingUnknown { wanted: step.to_owned(), unknown });
    }
    Ok(places)
}

/// What a person says of the writes of a step.
#[derive(Debug, Clone)]
pub struct Finding<'a> {
    /// The step.
    pub step: &'a str,
    /// What they are.
    pub resolution: Resolution,
    /// What the step has brought, in the form of the engine; null where nothing is said.
    pub told: Json,
    /// When it was said.
    pub at: Timestamp,
}

/// Takes down what a person says of all writes of [`unknown_of`] a step, in place of what was said before. Returns how many
/// there are.
///
/// # Errors
/// When there are none, or the journal cannot be written.
pub fn resolve(left: LeftJournal, finding: &Finding<'_>) -> Result<usize, ResolveError> {
    let places = unknown_of(left.recording(), finding.step)?;
    let (log, _) = left.go_on().map_err(TakeUpError::from)?;
    for place in &places {
        let Finding { resolution, told, at, .. } = finding.clone();
        let record = Record::Resolved { at, place: place.clone(), resolution, told };
        log.add(&record).map_err(TakeUpError::from)?;
    }
    log.commit_now().map_err(TakeUpError::from)?;
    Ok(places.len())
}
