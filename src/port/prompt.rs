use crate::model::secret::SecretText;
use futures_util::future::LocalBoxFuture;
use thiserror::Error;

/// A question to the person at the terminal.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is asked for, without a colon: `Password of emnify`.
    pub text: String,
    /// Whether the answer must not be seen.
    pub is_secret: bool,
}

/// Nobody answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PromptError {
    /// Standard input or error is no terminal.
    #[error("no terminal to ask at")]
    NoTerminal,
    /// `--no-prompt` was given.
    #[error("not asked (`--no-prompt`)")]
    Forbidden,
    /// The person ended the input without an answer.
    #[error("no answer was given")]
    NoAnswer,
}

/// The person at the terminal.
pub trait Prompt {
    /// Whether there is someone to ask, and if not, why.
    ///
    /// # Errors
    /// [`PromptError::NoTerminal`] or [`PromptError::Forbidden`].
    fn availability(&self) -> Result<(), PromptError>;

    /// Asks and waits for the answer.
    fn ask<'a>(&'a self, question: &'a Question) -> LocalBoxFuture<'a, Result<SecretText, PromptError>>;
}
