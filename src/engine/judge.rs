//! Whether an answer is what a step wants.

use super::call::{Call, Settled};
use super::core::Engine;
use super::error::StepError;
use super::expect;
use super::failure::ANSWER_LOST;
use super::fetch::needs_body;
use super::scope::Scopes;
use crate::document::Effect;
use crate::event::FailureDraft;
use crate::exchange::{Answer, SOMEONE_IN_FRONT};
use crate::model::exit::Cause;
use crate::model::words::counted;
use crate::plan::{PlannedRequest, SaveForm};
use std::time::Duration;

impl Engine<'_> {
    /// Judges an answer by what can be said of it alone: its status, its body, the provider's sign, the schema.
    ///
    /// # Errors
    /// When it is no success.
    pub fn judge(&self, call: &Call<'_>, settled: &Settled, scopes: &Scopes) -> Result<(), StepError> {
        if settled.is_fine {
            return Ok(());
        }
        let judged = match settled.status {
            Some(status) if !call.request.status.contains(status) => Err(refusal(call, status)),
            _ => Ok(()),
        };
        let Some(answer) = &settled.answer else {
            return judged.map_err(|trouble| self.error(trouble.request(&settled.request_line)));
        };
        let judged = judged
            .and_then(|()| self.judge_message(call, answer))
            .and_then(|()| self.judge_sign(call, answer, scopes))
            .and_then(|()| judge_schema(call, answer));
        judged.map_err(|trouble| {
            let trouble = self.with_words_of_provider(trouble, call, answer);
            self.error(trouble.request(&settled.request_line))
        })
    }

    /// Judges the form.
    fn judge_message(&self, call: &Call<'_>, answer: &Answer) -> Result<(), FailureDraft> {
        let answered = call.subject.answered(answer.status);
        let is_write = call.request.effect == Effect::Once && answer.is_success();
        let happened = match &answer.problem {
            Some(problem) if !answer.is_foreign() => {
                return match is_write {
                    // The same answer with its body cut is a success, too.
                    true if !self.reads_body(call.request) => Ok(()),
                    true => {
                        let headline =
                            format!("{answered}, but {problem}; it was done, but what it brought is lost");
                        Err(FailureDraft::new(Cause::Step, headline).advice(ANSWER_LOST))
                    }
                    false => {
                        let trouble = FailureDraft::new(Cause::Step, format!("{answered}, but {problem}"));
                        Err(trouble.advice(problem.advice()))
                    }
                };
            }
            Some(problem) => format!("{answered}, but {problem}"),
            None if answer.is_foreign() && !keeps_page(call.request) => {
                format!("{answered} with an HTML page")
            }
            None if !answer.is_proven_whole && answer.is_success() && self.reads_body(call.request) => {
                return Err(doubtful(&answered, is_write));
            }
            None => return Ok(()),
        };
        if is_write {
            let headline = format!("{happened}; nobody knows whether it was done");
            return Err(FailureDraft::new(Cause::Unknown, headline)
                .advice(self.advice_in_doubt(call, Duration::ZERO)));
        }
        let advice = format!("{SOMEONE_IN_FRONT}; `save` the page if it is what the step wants");
        Err(FailureDraft::new(Cause::Step, happened).advice(advice))
    }

    /// Whether anything reads the body, be it the provider's sign of success.
    pub fn reads_body(&self, request: &PlannedRequest) -> bool {
        let provider = request.provider.map(|provider| self.plan.provider(provider));
        needs_body(request) || provider.is_some_and(|provider| provider.success.is_some())
    }

    /// Says of a write whose answer is not what the step wants that it was done all the same.
    pub fn minding_done(&self, trouble: FailureDraft, call: &Call<'_>) -> FailureDraft {
        let was_done = call.request.effect == Effect::Once && call.may_be_done.get();
        match was_done {
            true => trouble.note("the write was done all the same: a new run does it again"),
            false => trouble,
        }
    }

    /// Asks the provider's own sign of success.
    fn judge_sign(&self, call: &Call<'_>, answer: &Answer, scopes: &Scopes) -> Result<(), FailureDraft> {
        let provider = call.request.provider.map(|provider| self.plan.provider(provider));
        let Some(sign) = provider.and_then(|provider| provider.success.as_ref()) else { return Ok(()) };
        let scope = scopes.operation.clone().with("response", answer.data());
        if sign.holds(&scope).map_err(|error| FailureDraft::evaluation(&error))? {
            return Ok(());
        }
        let headline = format!("{}, but says that it failed", call.subject.answered(answer.status));
        Err(FailureDraft::new(Cause::Step, headline))
    }

    /// Asks the conditions under `expect`, once everything has come.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn ask_conditions(
        &self,
        call: &Call<'_>,
        last: &Settled,
        row_count: Option<u64>,
        scopes: &Scopes,
    ) -> Result<(), StepError> {
        let unmet = expect::unmet(scopes.pair(&call.request.that));
        let Some(condition) = unmet.map_err(|error| self.evaluation_error(&error))? else { return Ok(()) };
        let expression = condition.expression();
        let headline =
            format!("the answer to `{}` does not satisfy `{}`", call.subject.what, expression.code());
        let mut trouble =
            FailureDraft::new(Cause::Step, headline).at(expression.span()).request(&last.request_line);
        let reads = |name| expression.references().iter().any(|reference| reference.path() == name);
        if let Some(count) = row_count.filter(|_| reads("row_count")) {
            trouble = trouble.note(format!("the answer has {}", counted(count, "row")));
        }
        if let Some(status) = last.status.filter(|_| reads("response.status")) {
            trouble = trouble.note(format!("its status is {status}"));
        }
        let advice = "compare `expect` with what the provider answers; `--report har=FILE` keeps that";
        trouble = self.minding_done(trouble, call).advice(advice);
        Err(self.error(trouble))
    }
}

fn judge_schema(call: &Call<'_>, answer: &Answer) -> Result<(), FailureDraft> {
    let Some(schema) = &call.request.schema else { return Ok(()) };
    let violations = expect::violations(schema, &answer.body);
    if violations.is_empty() {
        return Ok(());
    }
    let headline = format!("the answer to {} does not fulfil the schema", call.subject.request());
    Err(violations.iter().fold(FailureDraft::new(Cause::Step, headline), |trouble, violation| {
        let place = if violation.place.is_empty() { "the body itself" } else { &violation.place };
        trouble.note(format!("{place}: `{}`", violation.keyword))
    }))
}

/// An answer with a status that the step does not expect. Some servers redirect a write that they have carried out.
fn refusal(call: &Call<'_>, status: u16) -> FailureDraft {
    let trouble = call.subject.refusal(status);
    let may_be_done = call.request.effect == Effect::Once && matches!(status, 300..=306);
    if !may_be_done {
        return trouble;
    }
    let provider = &call.subject.provider;
    trouble.advice(format!(
        "look at {provider} whether it was done: some servers answer so to what they have done"
    ))
}

/// A body that may be a part of what was sent: nothing but the end of a plain connection ends it.
fn doubtful(answered: &str, is_write: bool) -> FailureDraft {
    let lost = if is_write { "; it was done, but what it brought is lost" } else { "" };
    let headline = format!("{answered}, but nothing says whether its body is whole{lost}");
    FailureDraft::new(Cause::Step, headline)
        .note("it has no `Content-Length`, no chunks and no encryption")
        .advice("use https, or let the server say how long its answers are")
}

/// Whether an answer to a write says as much as none: something in front of the provider may have given it.
pub fn says_nothing(call: &Call<'_>, answer: &Answer) -> bool {
    answer.is_foreign() && !keeps_page(call.request)
}

/// Whether the step keeps the body as it came.
fn keeps_page(request: &PlannedRequest) -> bool {
    request.save.as_ref().is_some_and(|save| save.form == SaveForm::Body)
}
