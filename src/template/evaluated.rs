//! What an evaluation yields: a value that knows which secrets went into it.

use super::scope::Reads;
use crate::model::redaction::{Redactor, each_text, placeholder};
use crate::model::secret::SecretText;
use crate::source::Span;
use serde_json::Value as Json;
use thiserror::Error;

/// The result of an evaluation.
#[derive(Clone)]
pub struct Evaluated {
    /// The value; nothing found is null.
    pub value: Json,
    /// The names of the secrets that went into it, sorted. Not empty means: the value is secret.
    pub secrets: Vec<String>,
    /// The names of what went into it and is not known yet, sorted. Not empty means: `value` says nothing.
    pub unknown: Vec<String>,
    /// The text with `‹name›` in the place of each part that is secret or not known yet. `None`: nothing of it is, and
    /// `value` may be shown.
    pub shown: Option<String>,
    /// What single expressions made of secrets, each with the names of these.
    made: Vec<(String, SecretText)>,
}

impl Evaluated {
    /// A value that no secret went into.
    pub fn plain(value: Json) -> Self {
        Self { value, secrets: Vec::new(), unknown: Vec::new(), shown: None, made: Vec::new() }
    }

    /// What one expression yields.
    pub(super) fn of_expression(value: Json, reads: Reads) -> Self {
        let Reads { secrets, unknown } = reads;
        let mut evaluated = Self { secrets, unknown, ..Self::plain(value) };
        evaluated.shown = evaluated.placeholder();
        if evaluated.is_secret() {
            let names = evaluated.names();
            let mut made = Vec::new();
            each_text(&evaluated.value, &mut |text| made.push((names.clone(), text.into())));
            evaluated.made = made;
        }
        evaluated
    }

    /// A text that is put together of pieces: what went into these went into it.
    pub(super) fn joined(text: String, shown: String, pieces: Vec<Evaluated>) -> Self {
        let mut joined = Self::plain(Json::String(text));
        for piece in pieces {
            joined.secrets.extend(piece.secrets);
            joined.unknown.extend(piece.unknown);
            joined.made.extend(piece.made);
        }
        for names in [&mut joined.secrets, &mut joined.unknown] {
            names.sort();
            names.dedup();
        }
        joined.shown = joined.placeholder().map(|_| shown);
        joined
    }

    /// The names of all that must not be shown, or cannot be.
    fn names(&self) -> String {
        let names: Vec<&str> = self.secrets.iter().chain(&self.unknown).map(String::as_str).collect();
        names.join(", ")
    }

    fn placeholder(&self) -> Option<String> {
        (self.is_secret() || self.is_unknown()).then(|| placeholder(&self.names()))
    }

    /// True when a secret went into the value.
    pub fn is_secret(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// True when something went into the value that is not known yet.
    pub fn is_unknown(&self) -> bool {
        !self.unknown.is_empty()
    }

    /// Lets a redactor learn what was made of secrets, such as the digest of a password: from 4 characters on it is found
    /// in every text from now on.
    pub fn teach(&self, redactor: &Redactor) {
        for (names, text) in &self.made {
            // What is too short to be searched for is written as its placeholder where it stands.
            let _ = redactor.learn(names, text.expose());
        }
    }
}

impl std::fmt::Debug for Evaluated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.is_secret() {
            true => f.write_str("[secret]"),
            false => self.value.fmt(f),
        }
    }
}

/// An expression could not be evaluated.
#[derive(Debug, Clone, Error)]
#[error("evaluate `{expression}`: {reason}")]
pub struct EvaluationError {
    /// The expression as written.
    pub expression: String,
    /// What went wrong. It may quote values, so it must pass a redactor before anyone sees it.
    pub reason: String,
    /// Where the expression is written.
    pub span: Span,
}
