//! What is known of the deeds of a run, and what follows from that: the one rule for every [`Journal`](super::Journal).

use super::Clock;
use super::journal::{Class, Deed, Earlier, End, Outcome, Place, Ran};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

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

/// What a journal knows of all deeds, as long as its process lives.
pub struct Memory {
    clock: Rc<dyn Clock>,
    /// The wall clock and the time since some moment, when this process began.
    began: (Timestamp, Duration),
    known: RefCell<BTreeMap<Place, Known>>,
}

/// How a deed begins.
pub enum Begin {
    /// It does not: so it went its way.
    Not(Ran),
    /// It is to be announced as of this time, and done.
    At(Timestamp, Option<Earlier>),
}

impl Memory {
    /// What processes before have left.
    pub fn new(clock: Rc<dyn Clock>, known: impl IntoIterator<Item = (Place, Known)>) -> Self {
        let began = (clock.now(), clock.elapsed());
        Self { clock, began, known: RefCell::new(known.into_iter().collect()) }
    }

    /// How a deed begins.
    pub fn begin(&self, deed: &Deed) -> Begin {
        let now = self.now();
        let known = self.known.borrow().get(&deed.place).cloned().unwrap_or_default();
        match decide(&known, deed, now) {
            Decision::Skip(outcome) => Begin::Not(Ran::Before(outcome)),
            Decision::Unclear(at) => Begin::Not(Ran::Unclear(at)),
            Decision::Do => Begin::At(now, known.earlier(deed)),
        }
    }

    /// Takes note that a deed is about to be done. Of what does no harm when it is done again nothing is noted.
    pub fn announce(&self, deed: &Deed, at: Timestamp) {
        if deed.class.is_write() {
            self.change(&deed.place, |known| known.announce(at, &deed.class, deed.is_surely_undone));
        }
    }

    /// Takes note of what came of it.
    pub fn conclude(&self, deed: &Deed, outcome: Outcome) {
        if deed.class.is_write() || outcome.end == End::Done {
            self.change(&deed.place, |known| known.conclude(outcome));
        }
    }

    /// Takes down what a person has found out about a deed.
    #[cfg(test)]
    pub fn resolve(&self, place: &Place, resolution: Resolution) {
        self.change(place, |known| known.resolve(resolution, Json::Null));
    }

    /// Of how many deeds something is known.
    #[cfg(test)]
    pub fn remembered(&self) -> usize {
        self.known.borrow().len()
    }

    fn change(&self, place: &Place, change: impl FnOnce(&mut Known)) {
        change(self.known.borrow_mut().entry(place.clone()).or_default());
    }

    /// The wall clock, but for its steps back while this process lives: a key grows no younger. Forward it may have slept.
    fn now(&self) -> Timestamp {
        let (wall, since) = self.began;
        let passed = self.clock.elapsed().saturating_sub(since);
        wall.checked_add(passed).unwrap_or(wall).max(self.clock.now())
    }

    /// Forgets a whole step that is done, and what it was made of: in this process nobody asks for them any more. Its cleanup
    /// is yet to come.
    pub fn forget(&self, step: &Deed) {
        if !step.is_step {
            return;
        }
        let step = &step.place;
        let (inside, cleanup) = (format!("{step}/"), format!("{step}/cleanup/"));
        let mut all = self.known.borrow_mut();
        all.remove(step);
        let inner = all.range(Place(inside.clone())..).map(|(place, _)| place);
        let inner = inner.take_while(|place| place.0.starts_with(&inside));
        let done: Vec<_> = inner.filter(|place| !place.0.starts_with(&cleanup)).cloned().collect();
        done.iter().for_each(|place| drop(all.remove(place)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::redaction::Redactor;
    use crate::port::IdempotencyKey;
    use crate::port::fake::FakeClock;

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
            request: None,
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

    /// A clock that goes back while a process lives makes no key younger.
    #[test]
    fn a_key_stays_valid_though_the_clock_goes_back() {
        let clock = Rc::new(FakeClock::at("2026-11-22T06:00:00Z"));
        let memory = Memory::new(clock.clone(), []);
        let deed = deed(with_key(Some(60_000)));
        let Begin::At(first, None) = memory.begin(&deed) else { panic!("it is new") };
        memory.announce(&deed, first);
        memory.conclude(&deed, Outcome::plain(End::Unknown, Json::Null));
        clock.set_wall_clock("2026-11-22T04:00:00Z");
        clock.advance(Duration::from_secs(60));
        assert!(matches!(memory.begin(&deed), Begin::At(now, Some(_)) if now == at(1)));
        clock.advance(Duration::from_secs(1));
        assert!(matches!(memory.begin(&deed), Begin::Not(Ran::Unclear(since)) if since == first));
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
