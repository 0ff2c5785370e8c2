use crate::model::redacted::Redacted;
use crate::model::secret::SecretText;
use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
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
    Now,
    /// An earlier process has done it, with this outcome.
    Before(Outcome),
    /// An earlier process was about to do it at this time, and nobody knows whether it did. It was not tried now.
    Unclear(Timestamp),
}

/// What a journal knows of a deed.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// When the first attempt was about to begin that may have done it.
    pub first: Option<Timestamp>,
    /// When its last attempt was about to begin; `None` when it has its outcome.
    pub open: Option<Timestamp>,
    /// The outcome of its attempts together.
    pub outcome: Option<Outcome>,
    /// What a person has found out about it.
    pub resolution: Option<Resolution>,
}

impl Known {
    /// Takes note that an attempt is about to begin. `is_surely_undone`: none before has done it.
    pub fn announce(&mut self, at: Timestamp, is_surely_undone: bool) {
        if is_surely_undone {
            *self = Self::default();
        }
        self.first.get_or_insert(at);
        self.open = Some(at);
        // What a person said was of the attempts before.
        self.resolution = None;
    }

    /// Takes note of what came of an attempt. That this one has not done it says nothing of an earlier one.
    pub fn conclude(&mut self, outcome: Outcome) {
        self.open = None;
        let was_unknown = self.outcome.as_ref().is_some_and(|before| before.end == End::Unknown);
        match outcome.end {
            End::NotDone if was_unknown => {}
            End::NotDone => *self = Self { outcome: Some(outcome), ..Self::default() },
            End::Done | End::Unknown => self.outcome = Some(outcome),
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
    let open_since = match (known.open, &known.outcome) {
        (Some(at), _) => at,
        (None, None) => return Decision::Do,
        (None, Some(outcome)) => match outcome.end {
            // Who asks again for what may be done again wants its answer.
            End::Done if matches!(deed.class, Class::Idempotent { .. }) && may_repeat(known, deed, now) => {
                return Decision::Do;
            }
            End::Done => return Decision::Skip(outcome.clone()),
            End::NotDone => return Decision::Do,
            End::Unknown => known.first.unwrap_or(now),
        },
    };
    match (known.resolution, &deed.class) {
        (Some(Resolution::Done), _) => Decision::Skip(Outcome::plain(End::Done, Json::Null)),
        (Some(Resolution::Retry), _) => Decision::Do,
        (None, _) if deed.is_surely_undone || may_repeat(known, deed, now) => Decision::Do,
        (None, _) => Decision::Unclear(open_since),
    }
}

/// Whether doing it again does no harm.
fn may_repeat(known: &Known, deed: &Deed, now: Timestamp) -> bool {
    match &deed.class {
        Class::Read | Class::Composed | Class::Idempotent { key: None } => true,
        Class::Idempotent { key: Some(key) } => key.is_valid(known.first, now),
        Class::Once => false,
    }
}

impl IdempotencyKey {
    /// Whether the server still knows the key at `now`, after the first attempt with it.
    pub fn is_valid(&self, first: Option<Timestamp>, now: Timestamp) -> bool {
        let (Some(first), Some(valid_for_ms)) = (first, self.valid_for_ms) else { return true };
        // A clock that went back makes it valid, not invalid: the server counts by its own.
        now.duration_since(first).as_millis() <= i128::from(valid_for_ms)
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

    /// The table of what a new process does with what it finds: outcome there, intent without outcome, neither.
    #[test]
    fn what_is_found_decides() {
        let ended = |end| Known {
            first: Some(at(0)),
            outcome: Some(Outcome::plain(end, Json::Null)),
            ..Known::default()
        };
        let open = Known { first: Some(at(0)), open: Some(at(0)), ..Known::default() };
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
            assert_eq!(decision(&ended(End::Done), &deed), of_done, "{:?}", deed.class);
            assert_eq!(decision(&ended(End::NotDone), &deed), "do", "{:?}", deed.class);
            assert_eq!(decision(&ended(End::Unknown), &deed), of_unknown, "{:?}", deed.class);
            assert_eq!(decision(&open, &deed), of_unknown, "{:?}", deed.class);
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
}
