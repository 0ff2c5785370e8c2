//! Questions to the person at the terminal, which must not mix with the moving line.

use crate::model::secret::SecretText;
use crate::port::{Prompt, PromptError, Question};
use crate::report::Progress;
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::rc::Rc;

/// Takes the moving line away before it asks.
pub(super) struct QuietPrompt {
    pub(super) prompt: Rc<dyn Prompt>,
    pub(super) progress: Progress,
}

impl Prompt for QuietPrompt {
    fn availability(&self) -> Result<(), PromptError> {
        self.prompt.availability()
    }

    fn ask<'a>(&'a self, question: &'a Question) -> LocalBoxFuture<'a, Result<SecretText, PromptError>> {
        async {
            self.progress.hide();
            self.prompt.ask(question).await
        }
        .boxed_local()
    }
}
