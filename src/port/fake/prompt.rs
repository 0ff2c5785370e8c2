use crate::model::secret::SecretText;
use crate::port::{Prompt, PromptError, Question};
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::cell::RefCell;
use std::collections::VecDeque;

/// A person with prepared answers, or none at all.
pub struct FakePrompt {
    absence: Option<PromptError>,
    answers: RefCell<VecDeque<String>>,
    asked: RefCell<Vec<Question>>,
}

impl FakePrompt {
    /// Nobody is there, for this reason.
    pub fn nobody(reason: PromptError) -> Self {
        Self { absence: Some(reason), answers: RefCell::default(), asked: RefCell::default() }
    }

    /// Someone who gives these answers in this order, and then none.
    pub fn answering<const N: usize>(answers: [&str; N]) -> Self {
        let answers = answers.map(str::to_owned).into_iter().collect();
        Self { absence: None, answers: RefCell::new(answers), asked: RefCell::default() }
    }

    /// The questions so far.
    pub fn asked(&self) -> Vec<Question> {
        self.asked.borrow().clone()
    }
}

impl Prompt for FakePrompt {
    fn availability(&self) -> Result<(), PromptError> {
        self.absence.clone().map_or(Ok(()), Err)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> LocalBoxFuture<'a, Result<SecretText, PromptError>> {
        async move {
            self.availability()?;
            self.asked.borrow_mut().push(question.clone());
            self.answers.borrow_mut().pop_front().map(SecretText::from).ok_or(PromptError::NoAnswer)
        }
        .boxed_local()
    }
}
