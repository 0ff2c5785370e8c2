//! A step that sends a request: rendered once, all its pages fetched, the answer judged, read and kept.

use super::call::{Call, Settled, StandIn};
use super::core::Engine;
use super::error::StepError;
use super::failure::Subject;
use super::listing::Pages;
use super::needed::needed_outputs;
use super::outputs::{self, OutputProblem, Outputs};
use super::references::own_expressions;
use super::save::SavedFile;
use super::scope::{Scopes, StepRecord};
use super::stage::Stage;
use super::tally::Tally;
use super::verify::Verifier;
use crate::document::{Effect, Literal, OnError, Tree};
use crate::event::{FailureDraft, Purpose};
use crate::exchange::{Answer, Origin, Parts, RenderError, Rendered, UNDECLARED_JSON, Value, render};
use crate::model::exit::Cause;
use crate::plan::{PlannedCall, PlannedPath, PlannedRequest, PlannedStep};
use crate::port::Reach;
use crate::template::{Data, Moment, Scope};
use futures_util::FutureExt;
use std::cell::Cell;
use url::Url;

/// A request that is rendered and can be sent.
pub struct Prepared<'c> {
    /// Whom it asks, and within which bounds.
    pub call: Call<'c>,
    /// What is sent.
    pub rendered: Rendered,
    /// What its templates see.
    pub scopes: Scopes,
}

impl<'a> Engine<'a> {
    /// Sends the request of a step, for one item if the step is a loop.
    ///
    /// # Errors
    /// When the answer is not what the step wants, or there is none.
    pub async fn request(
        &self,
        step: &'a PlannedStep,
        request: &'a PlannedRequest,
        stage: &Stage,
        tally: &mut Tally,
        file: &mut Option<SavedFile>,
    ) -> Result<StepRecord, StepError> {
        let subject = self.subject(request);
        self.ready(request, stage, &subject).await?;
        let moment = self.moment(step, stage, request.effect != Effect::Read).await?;
        let scopes = self.scopes(step, request, stage, &moment).await?;
        let rendered = self.render(request, &scopes);
        let mut rendered = rendered.map_err(|error| self.render_error(&error, &subject.request()))?;
        let place = self.places.of_step(step, stage);
        let key = self.key(step, request, &place, &scopes, &mut rendered, &subject.request())?;
        let subject = subject.with_target(request, &rendered);
        let call = Call { key, ..self.call(step, request, stage, subject, &rendered) };
        let registration = self.register_cleanup(step, stage, &stage.frame);
        let mut prepared = Prepared { call, rendered, scopes };
        let end = self.rounds(step, stage, &mut prepared, tally, file).await;
        tally.may_be_done = prepared.call.may_be_done.get();
        match tally.may_be_done {
            true => self.note_repeatable(request.effect, stage.is_cleanup, end.is_ok()),
            false => self.cleanup.drop(registration),
        }
        end
    }

    /// Signs in before the request is rendered, since its templates may name the session.
    ///
    /// # Errors
    /// When the provider does not let us in.
    pub async fn ready(
        &self,
        request: &PlannedRequest,
        stage: &Stage,
        subject: &Subject,
    ) -> Result<(), StepError> {
        let Some(provider) = request.provider.filter(|_| request.needs_session) else { return Ok(()) };
        let origin = Origin::of(self.sessions.account(provider).base_url());
        self.refuse_left_alone(stage.is_cleanup, origin)?;
        let what = format!("the sign-in before {}", subject.request());
        self.sign_in(&stage.limits, &what, self.sessions.ready(provider).boxed_local()).await?;
        Ok(())
    }

    /// Which request it is, in words.
    pub fn subject(&self, request: &PlannedRequest) -> Subject {
        let provider = match (request.provider, &request.path) {
            (Some(provider), _) => self.plan.provider(provider).name.clone(),
            (None, path) => literal_host(path).unwrap_or_else(|| "the server".to_owned()),
        };
        let what = match &request.operation {
            Some(operation) => operation.name.clone(),
            None => format!("{} {}", request.method, request.path.source()),
        };
        Subject { provider, what, page: None }
    }

    /// What the templates of a request of a step see.
    ///
    /// # Errors
    /// When a secret or a parameter cannot be had.
    pub async fn scopes(
        &self,
        step: &PlannedStep,
        request: &PlannedRequest,
        stage: &Stage,
        moment: &Moment,
    ) -> Result<Scopes, StepError> {
        let playbook = self.scope(stage, moment, &own_expressions(step)).await?;
        self.with_operation(request, playbook, moment)
    }

    /// Adds what the templates of the operation see.
    pub fn with_operation(
        &self,
        request: &PlannedRequest,
        playbook: Scope,
        moment: &Moment,
    ) -> Result<Scopes, StepError> {
        let Some(provider) = request.provider else {
            return Ok(Scopes { operation: playbook.clone(), playbook });
        };
        let mut operation = self.sessions.scope(provider, moment);
        if let Some(call) = &request.operation {
            operation.set("params", self.params(call, &playbook)?);
        }
        Ok(Scopes { playbook, operation })
    }

    /// The parameters of an operation: as given, else their defaults.
    fn params(&self, call: &PlannedCall, scope: &Scope) -> Result<Data, StepError> {
        let mut params = Vec::with_capacity(call.params.len());
        for param in &call.params {
            let given = match &param.value {
                Some(tree) => Value::of_tree(tree, scope, self.events.redactor())
                    .map_err(|error| self.evaluation_error(&error))?,
                None => Value::default(),
            };
            let is_given = !given.json.is_null() || !given.unknown.is_empty();
            let data = match (is_given, &param.declaration.default) {
                (true, _) => given.into_data(),
                (false, Some(Literal { value, .. })) => Data::Json(value.clone()),
                (false, None) => return Err(self.missing_param(call, &param.name, param.value.as_ref())),
            };
            params.push((param.name.clone(), data));
        }
        Ok(Data::Map(params))
    }

    fn missing_param(&self, call: &PlannedCall, name: &str, value: Option<&Tree>) -> StepError {
        let headline = format!("`{}` needs `{name}`, and what is given yields nothing", call.name);
        let trouble = FailureDraft::new(Cause::Step, headline);
        self.error(match value {
            Some(tree) => trouble.at(tree.span),
            None => trouble,
        })
    }

    /// Renders a request.
    ///
    /// # Errors
    /// As [`render`].
    pub fn render(&self, request: &PlannedRequest, scopes: &Scopes) -> Result<Rendered, RenderError> {
        let nowhere = Url::parse("https://invalid.").expect("an address");
        let base = request.provider.map_or(&nowhere, |provider| self.sessions.account(provider).base_url());
        let parts = Parts {
            method: &request.method,
            path: &request.path,
            base,
            query: &request.query,
            headers: scopes.pair(&request.headers),
            cookies: &request.cookies,
            body: &request.body,
            scope: scopes.of(request.scope),
            reach: Reach { surroundings: &*self.world.surroundings, folder: &self.plan.folder },
            timeout: request.timeout,
        };
        render(&parts, self.events.redactor())
    }

    /// A request of a step with all that is needed to send it.
    pub fn call<'c>(
        &self,
        step: &'c PlannedStep,
        request: &'c PlannedRequest,
        stage: &Stage,
        subject: Subject,
        rendered: &Rendered,
    ) -> Call<'c> {
        let realm = match request.provider {
            Some(provider) => self.sessions.account(provider).realm().clone(),
            None => self.realms.of(rendered.address()),
        };
        let limit = request.rate_limit.as_ref();
        let limiter = limit.and_then(|limit| realm.operation_limiter(&subject.what, limit));
        Call {
            request,
            account: request.provider.map(|provider| {
                let account = self.sessions.account(provider);
                format!("{}/{}", account.provider().name, account.profile())
            }),
            place: self.places.of_step(step, stage),
            step_name: step.id.clone().unwrap_or_else(|| step.label()),
            subject,
            realm,
            limiter,
            purpose: Purpose::Step,
            key: None,
            verifier: request.verify.as_deref().map(|verify| Verifier { step, verify, stage: stage.clone() }),
            limits: stage.limits,
            is_cleanup: stage.is_cleanup,
            ends_list: step.on_error == OnError::Stop && stage.depth == 0,
            may_be_done: Cell::new(false),
        }
    }

    /// Reads the outputs of the last answer and asks the conditions.
    ///
    /// # Errors
    /// When an output cannot be had, or a condition does not hold.
    pub fn conclude(
        &self,
        step: &PlannedStep,
        stage: &Stage,
        prepared: &mut Prepared<'_>,
        pages: &mut Pages,
    ) -> Result<StepRecord, StepError> {
        let Prepared { call, scopes, .. } = prepared;
        let request = call.request;
        let rows = pages.take_kept(request);
        if !request.that.is_empty() || !request.outputs.is_empty() || request.until.is_some() {
            pages.set_answer(scopes, rows.as_ref());
        }
        let (last, row_count) = (&pages.last, pages.row_count);
        let outputs = self.outputs(call, last, scopes)?;
        scopes.operation.set("outputs", Data::Map(outputs.clone()));
        let status = last.status;
        let record =
            StepRecord { has_succeeded: true, status, outputs, rows, row_count, ..StepRecord::default() };
        // Cleanup needs what was made even if the answer turns out not to be what the step wants.
        stage.frame.record(step, StepRecord { has_succeeded: false, ..record.clone() });
        // What has been found by `verify`, or was told, is what the author wants to know of a lost answer.
        if last.stand_in.is_none() {
            self.ask_conditions(call, last, row_count, scopes)?;
        }
        Ok(record)
    }

    /// Reads the outputs of an answer, or takes what stands in for them.
    ///
    /// # Errors
    /// When one cannot be had.
    pub fn outputs(
        &self,
        call: &Call<'_>,
        last: &Settled,
        scopes: &mut Scopes,
    ) -> Result<Outputs, StepError> {
        let (planned, step) = (&call.request.outputs, &call.step_name);
        let (scope, redactor) = (&mut scopes.playbook, self.events.redactor());
        let outputs = match (&last.stand_in, &last.answer) {
            (Some(StandIn::Verified(found)), _) => outputs::stand_in(planned, step, found, scope, redactor),
            (Some(StandIn::Told(told)), _) => {
                let needed = needed_outputs(self.plan, Some(step), planned);
                outputs::told(planned, step, (told, &needed), scope, redactor)
            }
            (None, Some(answer)) => outputs::collect(planned, step, answer, scope, redactor),
            (None, None) => Ok(Outputs::new()),
        };
        outputs.map_err(|problem| self.output_error(call, last, problem))
    }

    fn output_error(&self, call: &Call<'_>, last: &Settled, problem: OutputProblem) -> StepError {
        let undeclared = last.answer.as_ref().and_then(Answer::undeclared_json);
        let (headline, advice, span) = match &problem {
            OutputProblem::Evaluation(error) => return self.evaluation_error(error),
            OutputProblem::Missing { span, .. } => {
                let answered = last.status.map(|status| call.subject.answered(status)).unwrap_or_default();
                let advice = match &undeclared {
                    Some(_) => UNDECLARED_JSON.to_owned(),
                    None => "give it a `default` if it may be missing".to_owned(),
                };
                (format!("{answered}, but {problem}"), advice, *span)
            }
            OutputProblem::Lost { name, span } => {
                let advice = format!("let `verify` bring it: `outputs: {{ {name}: ... }}`");
                (format!("{} was done, but {problem}", call.subject.request()), advice, *span)
            }
            OutputProblem::Untold { span, .. } => {
                let advice = "what is registered as cleanup undoes it; run the playbook anew then".to_owned();
                (format!("{} was done, but {problem}", call.subject.request()), advice, *span)
            }
        };
        let trouble = FailureDraft::new(Cause::Step, headline).at(span).request(&last.request_line);
        let trouble = trouble.notes(undeclared).advice(advice);
        self.error(match problem {
            OutputProblem::Missing { .. } => self.minding_done(trouble, call),
            _ => trouble,
        })
    }
}

fn literal_host(path: &PlannedPath) -> Option<String> {
    let address = path.template().as_literal()?;
    Url::parse(address).ok()?.host_str().map(str::to_owned)
}
