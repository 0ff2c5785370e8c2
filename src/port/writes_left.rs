use super::journal::Place;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A write of an earlier process of which nobody knows whether it was done.
#[derive(Debug, Clone)]
pub struct InDoubt {
    /// Where it stands.
    pub place: Place,
    /// Where the step stands to which it belongs.
    pub step: Place,
    /// Since when.
    pub since: Timestamp,
    /// Whether the process ended while it was on its way.
    pub was_cut_off: bool,
}

/// A write that an earlier process has done, or may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentBefore {
    /// The digest of its request; `None`: the journal does not have it.
    pub request: Option<String>,
    /// Whether it was surely done.
    pub is_done: bool,
}

/// What earlier processes have left of the writes of a run.
#[derive(Debug, Clone, Default)]
pub struct WritesLeft {
    /// Those that were done, or may have been, by the places of their steps.
    pub sent: BTreeMap<Place, SentBefore>,
    /// Those of which nobody knows whether they were done, and of which that is to be told.
    pub in_doubt: Vec<InDoubt>,
    /// Whether a person has said of any whether it was done.
    pub are_resolved: bool,
    /// The idempotency keys that they were sent under, each with the places of its steps.
    pub keys: HashMap<String, HashSet<Place>>,
    /// Whether a run anew would do one of them twice.
    pub have_harmful: bool,
    /// The places of all that was done, or may have been.
    pub places: BTreeSet<Place>,
}

impl WritesLeft {
    /// Whether something of a step was done, or may have been: the step itself, an item of it, or a step inside of it.
    pub fn are_of(&self, step: &Place) -> bool {
        let behind = self.places.range(step.clone()..);
        let mut of_step = behind.map_while(|place| place.0.strip_prefix(&step.0));
        of_step.any(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
    }
}
