use crate::model::redacted::Redacted;
use crate::model::secret::SecretText;
use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// What keeps a run in order beyond this process: what it is about to do, what came of that, its waits and its end. The
/// engine reaches it through these three functions only, so that a durable execution engine can take its place.
pub trait Journal {
    /// Does a deed, unless an earlier process has done it: what it is about to do is durable before `work` is polled for the
    /// first time, and what came of it is written down before this returns. For [`Class::Read`] and
    /// [`Class::Composed`] only the outcome is, if it was done.
    ///
    /// # Errors
    /// When it cannot be written down. Nothing was done then.
    fn run<'a>(
        &'a self,
        deed: &'a Deed,
        work: LocalBoxFuture<'a, Outcome>,
    ) -> LocalBoxFuture<'a, Result<Ran, JournalError>>;

    /// Waits, in the order of the run.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()>;

    /// Waits until the run is asked to end, and returns the signal.
    fn cancelled(&self) -> LocalBoxFuture<'_, i32>;
}

/// The place of a deed in a run, the same in each process that works on it: `issue`, `each[3]/create`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Place(pub String);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Place {
    /// The place without the numbers of items, the same for all items of a loop: `each/create`.
    pub fn of_all_items(&self) -> String {
        let parts = self.0.split('/').map(|part| {
            match part.strip_suffix(']').and_then(|part| part.rsplit_once('[')) {
                Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
                _ => part,
            }
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

/// What may happen when a deed is done twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Nothing: it changes nothing.
    Read,
    /// Nothing: it is made of deeds that are written down themselves.
    Composed,
    /// Nothing: it has the same end, or the server knows the key and does it once.
    Idempotent {
        /// The key, where there is one.
        key: Option<IdempotencyKey>,
    },
    /// Harm.
    Once,
}

impl Class {
    /// Whether it is a write that is announced before it is done.
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Idempotent { .. } | Self::Once)
    }
}

/// What makes a write repeatable. It is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdempotencyKey {
    /// The key.
    pub value: Redacted,
    /// How long the server knows it, in milliseconds from the first attempt; `None` = for ever.
    pub valid_for_ms: Option<u64>,
}

/// Something that is to be done once in a run.
#[derive(Debug, Clone)]
pub struct Deed {
    /// Where it stands.
    pub place: Place,
    /// What if it is done twice.
    pub class: Class,
    /// Who does it, if known.
    pub account: Option<Redacted>,
    /// What it is, in words: `POST https://api.example.com/orders`.
    pub words: Redacted,
    /// The attempt in this process, 1-based.
    pub attempt: u32,
    /// Whether it is certain that no attempt before has done it, whatever its outcome says.
    pub is_surely_undone: bool,
    /// Whether it is a whole step: in this process nobody asks for it again, nor, once it is done, for what it was made of.
    pub is_step: bool,
}

/// What came of a deed.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// In a word.
    pub end: End,
    /// What is to be known of it later. It holds no secret.
    pub value: Json,
    /// The secrets that it brought, by names that `value` refers to.
    pub secrets: Vec<(String, SecretText)>,
}

impl Outcome {
    /// An outcome without secrets.
    pub fn plain(end: End, value: Json) -> Self {
        Self { end, value, secrets: Vec::new() }
    }
}

/// The end of a deed in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It was done.
    Done,
    /// It was surely not done.
    NotDone,
    /// Nobody knows whether it was done.
    Unknown,
}

/// How a deed went its way.
#[derive(Debug, Clone)]
pub enum Ran {
    /// It was done just now, or tried.
    Now(Option<Earlier>),
    /// An earlier process has done it, with this outcome.
    Before(Outcome),
    /// An earlier process was about to do it at this time, and nobody knows whether it did. It was not tried now.
    Unclear(Timestamp),
}

/// The attempts at a deed before the present one, where they have done it or may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// When the first of them was about to begin.
    pub since: Timestamp,
    /// Whether one of them has surely done it.
    pub was_done: bool,
}

/// What a journal knows of a deed.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// As what the first attempt was announced that may have done it.
    pub class: Option<Class>,
    /// When that one was about to begin.
    pub first: Option<Timestamp>,
    /// When its last attempt was about to begin; `None` when it has its outcome.
    pub open: Option<Timestamp>,
    /// The outcome of its attempts together.
    pub outcome: Option<Outcome>,
    /// What a person has found out about it.
    pub resolution: Option<Resolution>,
    /// What that person says it has brought: the value of its outcome; null where nothing is said.
    pub told: Json,
}

impl Known {
    /// Since when an attempt may have done it of which nobody knows.
    pub fn in_doubt_since(&self) -> Option<Timestamp> {
        let is_open = match self.end() {
            Some(End::Done) => false,
            Some(End::Unknown) => true,
            Some(End::NotDone) | None => self.open.is_some(),
        };
        self.first.or(self.open).filter(|_| is_open && self.resolution.is_none())
    }

    /// What attempts before `deed` have done, or may have.
    pub fn earlier(&self, deed: &Deed) -> Option<Earlier> {
        let was_done = self.end() == Some(End::Done);
        let since = if was_done { self.first } else { self.in_doubt_since() };
        since.filter(|_| !deed.is_surely_undone).map(|since| Earlier { since, was_done })
    }

    /// Whether it was surely done.
    pub fn is_done(&self) -> bool {
        self.end() == Some(End::Done) || self.resolution == Some(Resolution::Done)
    }

    fn end(&self) -> Option<End> {
        self.outcome.as_ref().map(|outcome| outcome.end)
    }

    /// Takes note that an attempt is about to begin.
    pub fn announce(&mut self, at: Timestamp, class: &Class, is_surely_undone: bool) {
        if is_surely_undone || self.resolution == Some(Resolution::Retry) {
            *self = Self::default();
        } else if self.open.is_some() && self.end() != Some(End::Done) {
            // Nobody has heard of the attempt before, whatever becomes of this one.
            self.outcome = Some(Outcome::plain(End::Unknown, Json::Null));
        }
        self.class.get_or_insert_with(|| class.clone());
        self.first.get_or_insert(at);
        self.open = Some(at);
        self.resolution = None;
    }

    /// Takes note of what a person has found out about it.
    pub fn resolve(&mut self, resolution: Resolution, told: Json) {
        self.resolution = Some(resolution);
        self.told = told;
    }

    /// Takes note of what came of an attempt. What an earlier one has done stays done, and what it may have done is in doubt
    /// until one has surely done it.
    pub fn conclude(&mut self, outcome: Outcome) {
        self.open = None;
        match (self.end(), outcome.end) {
            (Some(End::Done), End::NotDone | End::Unknown) | (Some(End::Unknown), End::NotDone) => {}
            (_, End::NotDone) => *self = Self { outcome: Some(outcome), ..Self::default() },
            (_, End::Done | End::Unknown) => self.outcome = Some(outcome),
        }
    }
}

/// What a person says of a deed of which nobody knew whether it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It was done.
    Done,
    /// It was not done, and is to be done.
    Retry,
}

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

/// What earlier processes have left of the writes of a run.
#[derive(Debug, Clone, Default)]
pub struct WritesLeft {
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

/// Whether a deed is done now.
#[derive(Debug, Clone)]
pub enum Decision {
    /// It is.
    Do,
    /// It was done before.
    Skip(Outcome),
    /// Nobody knows whether it was done at this time.
    Unclear(Timestamp),
}

/// Decides whether a deed is done, by what is known of its attempts. The one rule for every [`Journal`].
pub fn decide(known: &Known, deed: &Deed, now: Timestamp) -> Decision {
    let is_repeatable = may_repeat(known, &deed.class, now);
    match &known.outcome {
        // Who asks again for what may be done again wants its answer.
        Some(outcome) if outcome.end == End::Done => {
            return match is_repeatable && matches!(deed.class, Class::Idempotent { .. }) {
                true => Decision::Do,
                false => Decision::Skip(outcome.clone()),
            };
        }
        _ => {}
    }
    match (known.resolution, known.in_doubt_since()) {
        (Some(Resolution::Done), _) => Decision::Skip(Outcome::plain(End::Done, known.told.clone())),
        (None, Some(since)) if !deed.is_surely_undone && !is_repeatable => Decision::Unclear(since),
        _ => Decision::Do,
    }
}

/// Whether doing it again does no harm: by its class, as long as that is the one it was announced with.
fn may_repeat(known: &Known, class: &Class, now: Timestamp) -> bool {
    match (&known.class, class) {
        (_, Class::Once) => false,
        (None, _) => true,
        (Some(Class::Idempotent { key: before }), Class::Idempotent { key }) => match (before, key) {
            (None, None) => true,
            (Some(before), Some(key)) => before.value == key.value && before.is_valid(known.first, now),
            _ => false,
        },
        (Some(before), class) => before == class,
    }
}

impl IdempotencyKey {
    /// Whether the server surely knows the key at `now`, after the first attempt with it. A clock that went back proves
    /// nothing.
    pub fn is_valid(&self, first: Option<Timestamp>, now: Timestamp) -> bool {
        let Some(first) = first else { return true };
        let age = now.duration_since(first).as_millis();
        age >= 0 && self.valid_for_ms.is_none_or(|valid_for_ms| age <= i128::from(valid_for_ms))
    }
}

/// A journal cannot be written.
#[derive(Debug, Clone, Error)]
#[error("the journal {path} cannot be written: {reason}")]
pub struct JournalError {
    /// The file.
    pub path: String,
    /// Why, in the words of the operating system.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::redaction::Redactor;

    fn at(minute: u32) -> Timestamp {
        format!("2026-11-22T06:{minute:02}:00Z").parse().unwrap()
    }

    fn deed(class: Class) -> Deed {
        let words = Redactor::default().clean("POST /orders");
        Deed {
            place: Place("order".into()),
            class,
            account: None,
            words,
            attempt: 1,
            is_surely_undone: false,
            is_step: false,
        }
    }

    fn with_key(valid_for_ms: Option<u64>) -> Class {
        Class::Idempotent {
            key: Some(IdempotencyKey { value: Redactor::default().clean("k"), valid_for_ms }),
        }
    }

    fn decision(known: &Known, deed: &Deed) -> &'static str {
        match decide(known, deed, at(30)) {
            Decision::Do => "do",
            Decision::Skip(_) => "skip",
            Decision::Unclear(_) => "unclear",
        }
    }

    #[test]
    fn the_items_of_a_loop_share_a_place() {
        for (place, shared) in [
            ("each[3]/create[12]/request", "each/create/request"),
            ("GET /x[a]", "GET /x[a]"),
            ("order", "order"),
        ] {
            assert_eq!(Place(place.to_owned()).of_all_items(), shared);
        }
    }

    /// The table of what a new process does with what it finds: outcome there, intent without outcome, neither.
    #[test]
    fn what_is_found_decides() {
        let open = |class: &Class| {
            let mut known = Known::default();
            known.announce(at(0), class, false);
            known
        };
        let ended = |class: &Class, end| {
            let mut known = open(class);
            known.conclude(Outcome::plain(end, Json::Null));
            known
        };
        for (class, of_done, of_unknown) in [
            (Class::Read, "skip", "do"),
            (Class::Idempotent { key: None }, "do", "do"),
            (with_key(None), "do", "do"),
            (with_key(Some(1_800_000)), "do", "do"),
            (with_key(Some(1_799_999)), "skip", "unclear"),
            (Class::Once, "skip", "unclear"),
        ] {
            let deed = deed(class);
            assert_eq!(decision(&Known::default(), &deed), "do", "{:?}", deed.class);
            assert_eq!(decision(&ended(&deed.class, End::Done), &deed), of_done, "{:?}", deed.class);
            assert_eq!(decision(&ended(&deed.class, End::NotDone), &deed), "do", "{:?}", deed.class);
            assert_eq!(decision(&ended(&deed.class, End::Unknown), &deed), of_unknown, "{:?}", deed.class);
            assert_eq!(decision(&open(&deed.class), &deed), of_unknown, "{:?}", deed.class);
        }
    }

    #[test]
    fn who_has_looked_decides_what_nobody_knew() {
        let resolved = |resolution| Known { open: Some(at(0)), resolution, ..Known::default() };
        assert_eq!(decision(&resolved(Some(Resolution::Done)), &deed(Class::Once)), "skip");
        assert_eq!(decision(&resolved(Some(Resolution::Retry)), &deed(Class::Once)), "do");
        let asked = Deed { is_surely_undone: true, ..deed(Class::Once) };
        assert_eq!(decision(&resolved(None), &asked), "do");
    }

    /// An attempt of which nobody has heard stays in doubt, whatever becomes of a later one.
    #[test]
    fn a_later_attempt_that_did_nothing_says_nothing_of_an_earlier_one() {
        let key = |value: &str| Class::Idempotent {
            key: Some(IdempotencyKey {
                value: Redactor::default().clean(value),
                valid_for_ms: Some(1_799_999),
            }),
        };
        let mut known = Known::default();
        known.announce(at(0), &key("k"), false);
        known.announce(at(1), &key("k"), false);
        known.conclude(Outcome::plain(End::NotDone, Json::Null));
        assert_eq!(known.in_doubt_since(), Some(at(0)));
        assert_eq!(decision(&known, &deed(key("k"))), "unclear", "the provider has forgotten the key");
        assert!(matches!(decide(&known, &deed(key("k")), at(29)), Decision::Do));
        assert!(matches!(decide(&known, &deed(key("other")), at(29)), Decision::Unclear(_)));
        assert!(matches!(
            decide(&known, &deed(Class::Idempotent { key: None }), at(29)),
            Decision::Unclear(_)
        ));
        let before_the_first = "2026-11-22T05:00:00Z".parse().unwrap();
        assert!(matches!(decide(&known, &deed(key("k")), before_the_first), Decision::Unclear(_)));
    }

    /// What was done stays done, whatever becomes of the attempts behind it.
    #[test]
    fn a_later_attempt_does_not_undo_an_earlier_one() {
        let class = with_key(Some(1_799_999));
        for end in [None, Some(End::NotDone), Some(End::Unknown), Some(End::Done)] {
            let mut known = Known::default();
            known.announce(at(0), &class, false);
            known.conclude(Outcome::plain(End::Done, Json::Null));
            known.announce(at(1), &class, false);
            if let Some(end) = end {
                known.conclude(Outcome::plain(end, Json::Null));
            }
            assert_eq!(known.in_doubt_since(), None, "{end:?}");
            let earlier = Earlier { since: at(0), was_done: true };
            assert_eq!(known.earlier(&deed(class.clone())), Some(earlier), "{end:?}");
            assert!(matches!(decide(&known, &deed(class.clone()), at(29)), Decision::Do), "{end:?}");
            assert_eq!(decision(&known, &deed(class.clone())), "skip", "its key is forgotten: {end:?}");
            assert_eq!(decision(&known, &deed(Class::Once)), "skip", "{end:?}");
        }
    }

    #[test]
    fn what_a_person_wants_again_is_repeated_like_anything_else() {
        let mut known = Known::default();
        known.announce(at(0), &Class::Once, false);
        known.resolution = Some(Resolution::Retry);
        known.announce(at(1), &Class::Once, false);
        known.conclude(Outcome::plain(End::NotDone, Json::Null));
        assert_eq!(decision(&known, &deed(Class::Once)), "do");
    }
}
