use crate::document::Source;
use crate::model::secret::SecretText;
use crate::port::{StoreKey, VariableOrigin};
use crate::template::Scope;
use std::fmt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A value that is looked for, with the sources that may have it.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    /// What is looked for, as people know it: `emnify.password`.
    pub name: String,
    /// What a person is asked when a `prompt` has no text of its own: `Password of emnify`.
    pub question: String,
    /// Where it may be, in the order to try.
    pub sources: &'a [Source],
    /// What templates in the sources see: `inputs` and `profile`, or `settings`.
    pub scope: &'a Scope,
    /// The folder that relative paths of files count from: the playbook's.
    pub folder: &'a Path,
    /// A built-in definition wrote the sources: they may name any file.
    pub is_built_in: bool,
    /// Why `env` sources are passed over, when a profile was named: `passed over, for the profile acme was named`.
    /// `None`: they are asked.
    pub env_passed_over: Option<String>,
    /// Where the store keeps it; `None` = the store cannot hold it (settings).
    pub stored_as: Option<StoreKey>,
    /// The origins that it may be sent to: the store gives it for these only. Empty for secrets of playbooks.
    pub origins: Vec<String>,
    /// Whether it must not be seen when it is typed.
    pub is_secret: bool,
}

impl<'a> Chain<'a> {
    /// A chain for what is no secret, is not kept in the store, and of which nobody is asked: a setting, a profile.
    pub fn plain(name: String, sources: &'a [Source], scope: &'a Scope, folder: &'a Path) -> Self {
        Self {
            name,
            question: String::new(),
            sources,
            scope,
            folder,
            is_built_in: false,
            env_passed_over: None,
            stored_as: None,
            origins: Vec::new(),
            is_secret: false,
        }
    }
}

/// A value that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The value, never empty.
    pub value: SecretText,
    /// Where it was.
    pub found_in: FoundIn,
    /// What the user should know about it: a trailing newline that was cut, sources that were passed over.
    pub notes: Vec<String>,
}

/// What a dry run says about a value: it asks nobody.
#[derive(Debug, Clone)]
pub enum Preview {
    /// A source has it.
    Found(Found),
    /// The person at the terminal would be asked; someone is there.
    WouldAsk {
        /// What the user should know: sources that were passed over.
        notes: Vec<String>,
        /// The sources that do not have it.
        tried: Vec<Tried>,
    },
}

/// Where a value was found. `Display` is what people read: `env EMNIFY_PASSWORD, .env line 3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundIn {
    /// An environment variable.
    Env {
        /// Its name.
        name: String,
        /// The process's environment, or which file.
        origin: VariableOrigin,
    },
    /// The user's store.
    Stored {
        /// What people call the store.
        store: String,
        /// Where in it.
        key: StoreKey,
    },
    /// A file.
    File {
        /// Which.
        path: PathBuf,
        /// The path in its JSON.
        value: Option<String>,
    },
    /// A person typed it.
    Prompt,
    /// Computed from a TOTP secret of that name.
    Totp(String),
    /// It stands in the playbook or its inputs.
    Value,
    /// A step gave it (`with`).
    Step,
}

impl fmt::Display for FoundIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env { name, origin: VariableOrigin::Process } => write!(f, "env {name}"),
            Self::Env { name, origin: VariableOrigin::File { path, line } } => {
                write!(f, "env {name}, {} line {line}", path.display())
            }
            Self::Stored { store, key } => write!(f, "{store}, {key}"),
            Self::File { path, value: None } => write!(f, "file {}", path.display()),
            Self::File { path, value: Some(value) } => write!(f, "file {}, {value}", path.display()),
            Self::Prompt => f.write_str("the terminal"),
            Self::Totp(name) => write!(f, "totp {name}"),
            Self::Value => f.write_str("the playbook"),
            Self::Step => f.write_str("the step"),
        }
    }
}

/// A source that did not answer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The source: `env EMNIFY_PASSWORD`.
    pub source: String,
    /// Why: `not set`, `no terminal to ask at`.
    pub reason: String,
}

/// No source has the value.
#[derive(Debug, Clone, Error)]
#[error("no source has {name}")]
pub struct Missing {
    /// What was looked for.
    pub name: String,
    /// Every source, in the order in which they were tried.
    pub tried: Vec<Tried>,
    /// A person was asked and gave no answer: whoever does so wants no more questions.
    pub is_unanswered: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_as_people_say_them() {
        let origin = VariableOrigin::File { path: ".env".into(), line: 3 };
        let key = StoreKey::credential("emnify", "default", "password");
        for (place, text) in [
            (FoundIn::Env { name: "A".into(), origin: VariableOrigin::Process }, "env A"),
            (FoundIn::Env { name: "A".into(), origin }, "env A, .env line 3"),
            (FoundIn::Stored { store: "keychain".into(), key }, "keychain, runner/emnify default/password"),
            (FoundIn::File { path: "~/a".into(), value: None }, "file ~/a"),
            (FoundIn::File { path: "~/a.json".into(), value: Some("$.x".into()) }, "file ~/a.json, $.x"),
            (FoundIn::Totp("mfa_secret".into()), "totp mfa_secret"),
        ] {
            assert_eq!(place.to_string(), text);
        }
    }
}
