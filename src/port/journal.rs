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
    /// What is asked for, as the playbook writes it: a digest; `None`: it is no request.
    pub request: Option<String>,
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
