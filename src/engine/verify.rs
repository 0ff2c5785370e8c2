//! Whether a write happened of which nobody knows: the read that its author wrote for that.

use super::call::Call;
use super::core::Engine;
use super::error::StepError;
use super::listing::Pages;
use super::outputs::{self, Outputs};
use super::request::Prepared;
use super::scope::Scopes;
use super::stage::Stage;
use super::tally::Tally;
use crate::event::Purpose;
use crate::plan::{PlannedStep, PlannedVerify};
use crate::template::{Data, EvaluationError};
use futures_util::future::{FutureExt, LocalBoxFuture};

/// What asks whether a write happened.
#[derive(Clone)]
pub struct Verifier<'c> {
    /// The step that writes.
    pub step: &'c PlannedStep,
    /// What is asked.
    pub verify: &'c PlannedVerify,
    /// Where in the run the step is done.
    pub stage: Stage,
}

/// What is known of a write afterwards.
pub enum Verified {
    /// It happened; these stand in for the step's outputs of the same name.
    Done(Outputs),
    /// It did not happen, and may be sent again.
    NotDone,
    /// Nobody knows, for this reason.
    Unclear(StepError),
}

impl Engine<'_> {
    /// Asks whether a write happened.
    pub fn verify<'s>(
        &'s self,
        verifier: &'s Verifier<'_>,
        tally: &'s mut Tally,
    ) -> LocalBoxFuture<'s, Verified> {
        async move {
            let mut own = Tally::default();
            let answer = self.ask(verifier, &mut own).await;
            tally.requests += own.requests;
            tally.retries += own.retries;
            match answer {
                Ok(Some(outputs)) => Verified::Done(outputs),
                Ok(None) => Verified::NotDone,
                Err(error) => Verified::Unclear(error),
            }
        }
        .boxed_local()
    }

    /// The outputs of the read if it says that the write happened.
    async fn ask(&self, verifier: &Verifier<'_>, tally: &mut Tally) -> Result<Option<Outputs>, StepError> {
        let Verifier { step, verify, stage } = verifier;
        let request = &verify.request;
        let subject = self.subject(request);
        self.ready(request, stage, &subject).await?;
        // It looks for what the write was made of, at the same moment.
        let moment = self.moment(step, stage, true).await?;
        let scopes = self.scopes(step, request, stage, &moment).await?;
        let rendered = self.render(request, &scopes);
        let rendered = rendered.map_err(|error| self.render_error(&error, &subject.request()))?;
        let subject = subject.with_target(request, &rendered);
        let mut call = self.call(step, request, stage, subject, &rendered);
        call.purpose = Purpose::Verify;
        let mut prepared = Prepared { call, rendered, scopes };
        let Prepared { call, rendered, scopes } = &mut prepared;
        let mut pages = self.pages(call, rendered, scopes, tally, &mut None).await?;
        let rows = pages.take_kept(request);
        pages.set_answer(scopes, rows.as_ref());
        let outputs =
            self.found_outputs(call, &pages, scopes).map_err(|error| self.evaluation_error(&error))?;
        scopes.operation.set("outputs", Data::Map(outputs.clone()));
        self.ask_conditions(call, &pages.last, pages.row_count, scopes)?;
        let is_done = verify.done.holds(&scopes.playbook).map_err(|error| self.evaluation_error(&error))?;
        Ok(is_done.then_some(outputs))
    }

    /// What the read has found: a write that did not happen has left nothing.
    fn found_outputs(
        &self,
        call: &Call<'_>,
        pages: &Pages,
        scopes: &mut Scopes,
    ) -> Result<Outputs, EvaluationError> {
        let Some(answer) = &pages.last.answer else { return Ok(Outputs::new()) };
        let (planned, redactor) = (&call.request.outputs, self.events.redactor());
        outputs::collect_found(planned, &call.step_name, answer, &mut scopes.playbook, redactor)
    }
}
