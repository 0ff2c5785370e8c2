//! Keys under which a provider does a write once, however often it is sent.

use super::core::Engine;
use super::error::StepError;
use super::scope::Scopes;
use crate::event::FailureDraft;
use crate::exchange::{RenderError, Rendered};
use crate::model::exit::Cause;
use crate::plan::{PlannedRequest, PlannedStep, StepKey};
use crate::port::Place;
use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

/// The key of one write, the same in all its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// What the header says.
    pub value: String,
    /// How long the provider remembers it, counted from when it was sent first.
    pub valid_for: Duration,
}

/// The keys that this process has used, each with its step.
pub type UsedKeys = RefCell<HashSet<(StepKey, String)>>;

impl Engine<'_> {
    /// Puts the key of a request on it, if it has one.
    ///
    /// # Errors
    /// When there is none to be had, or an item before has used the same.
    pub fn key(
        &self,
        step: &PlannedStep,
        request: &PlannedRequest,
        place: &Place,
        scopes: &Scopes,
        rendered: &mut Rendered,
        subject: &str,
    ) -> Result<Option<IdempotencyKey>, StepError> {
        let value =
            self.put_key(request, scopes, rendered).map_err(|error| self.render_error(&error, subject))?;
        let (Some(value), Some(planned)) = (value, &request.idempotency) else { return Ok(None) };
        let was_used =
            self.taken_up.is_some_and(|left| left.has_used_elsewhere(&self.events.clean(&value), place));
        if !self.keys.borrow_mut().insert((step.key, value.clone())) || was_used {
            let headline =
                format!("{subject} was not sent: an item before had the same idempotency key, `{value}`");
            let trouble = FailureDraft::new(Cause::Step, headline).at(planned.key.value.span());
            return Err(self.error(trouble.advice("let the key name what is different in each item")));
        }
        Ok(Some(IdempotencyKey { value, valid_for: planned.valid_for }))
    }

    /// Puts the key on a request. Returns it; `None` where there is none, or a part of it is not known yet.
    ///
    /// # Errors
    /// As [`Rendered::put_key`].
    pub fn put_key(
        &self,
        request: &PlannedRequest,
        scopes: &Scopes,
        rendered: &mut Rendered,
    ) -> Result<Option<String>, RenderError> {
        let Some(planned) = &request.idempotency else { return Ok(None) };
        let (key, scope) = (&planned.key.value, scopes.of(planned.key.scope));
        rendered.put_key(&planned.header, key, scope, self.events.redactor())
    }
}
