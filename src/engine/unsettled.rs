//! What is told of a request that brought no answer which could be used.

use super::call::{Call, Tries, Unsettled};
use super::core::Engine;
use super::doubt::Doubt;
use super::error::StepError;
use super::failure::{ANSWER_LOST, refusal_advice};
use super::limits::Interruption;
use super::replay::Broken;
use crate::document::Effect;
use crate::event::FailureDraft;
use crate::exchange::retry::{Ending, Next};
use crate::exchange::{Answer, Rendered, Said, SendError};
use crate::model::exit::Cause;
use crate::model::words::duration;
use crate::port::SendFailure;

impl Engine<'_> {
    /// A request that brought no answer which could be used.
    pub fn unsettled(
        &self,
        call: &Call<'_>,
        outcome: &Result<Answer, SendError>,
        unsettled: Unsettled,
    ) -> StepError {
        let Unsettled { ending, end, doubt, age, request_line } = unsettled;
        let subject = &call.subject;
        let happened = match outcome {
            Ok(answer) => subject.answered(answer.status),
            Err(SendError::Refused(reason)) => format!("{} was not sent: {reason}", subject.request()),
            Err(SendError::Redirect { status, reason }) => format!("{}: {reason}", subject.answered(*status)),
            Err(SendError::Transport(error)) => match error.failure {
                SendFailure::NotSent | SendFailure::ProxyFailed | SendFailure::ProxyRefused => {
                    format!("{} cannot be reached: {error}", subject.provider)
                }
                SendFailure::TurnedAway => format!("{} was {error}", subject.request()),
                SendFailure::Local => format!("{} cannot be sent: {error}", subject.request()),
                SendFailure::Unknown => format!("no answer to {} came: {error}", subject.request()),
                SendFailure::BodyCut { status } => format!("{}: {error}", subject.answered(status)),
                SendFailure::Part => format!("{}: {error}", subject.answered(206)),
                SendFailure::Unreadable { status: Some(status) } => {
                    format!("{}, but {error}", subject.answered(status))
                }
                SendFailure::Unreadable { status: None } => {
                    format!("the answer to {} cannot be read: {error}", subject.request())
                }
            },
        };
        let (cause, headline) = match (ending, call.request.effect) {
            (Ending::DoneBodyCut | Ending::DoneUnreadable, Effect::Once) => {
                (Cause::Step, format!("{happened}; it was done, but what it brought is lost"))
            }
            (_, Effect::Once) if matches!(doubt, Doubt::Done) => (
                Cause::Step,
                format!("{happened}; an attempt before has done it, but what it brought is lost"),
            ),
            (_, Effect::Once) if matches!(doubt, Doubt::NotDone) => {
                (Cause::Unavailable, format!("{happened}; it was not done, says `verify`"))
            }
            (Ending::Unknown | Ending::Unreadable, Effect::Once) => {
                (Cause::Unknown, format!("{happened}; nobody knows whether it was done"))
            }
            (_, Effect::Once) if matches!(doubt, Doubt::Earlier) => {
                (Cause::Unknown, format!("{happened}; nobody knows whether an attempt before was done"))
            }
            (Ending::Rejected, _) if has_failed_as(outcome, SendFailure::Local) => (Cause::Machine, happened),
            (Ending::Rejected, _) if has_failed_as(outcome, SendFailure::ProxyRefused) => {
                (Cause::Unavailable, happened)
            }
            (Ending::Rejected | Ending::DoneUnreadable | Ending::Unreadable, _) => (Cause::Step, happened),
            _ => (Cause::Unavailable, happened),
        };
        let mut trouble = FailureDraft::new(cause, headline).request(request_line);
        if let Doubt::Unclear(reason) = &doubt {
            trouble = trouble.note(could_not_tell(reason));
        }
        if cause == Cause::Unknown {
            self.note_deed(call);
        }
        if let Ok(answer) = outcome {
            trouble = self.with_words_of_provider(trouble, call, answer);
        }
        let advice = match cause {
            Cause::Unknown => Some(self.advice_in_doubt(call, age)),
            Cause::Step if matches!(doubt, Doubt::Done) => Some(ANSWER_LOST.to_owned()),
            _ => self.advice(call, outcome, cause, ending, end),
        };
        trouble.advice = advice;
        self.error(trouble)
    }

    /// Adds what the provider says in its answer, and the hint for it.
    pub fn with_words_of_provider(
        &self,
        trouble: FailureDraft,
        call: &Call<'_>,
        answer: &Answer,
    ) -> FailureDraft {
        let provider = call.request.provider.map(|provider| self.plan.provider(provider));
        let errors = provider.and_then(|provider| provider.errors.as_ref());
        let said = Said::read(answer, errors);
        trouble.said(&call.subject.provider, &said, &call.request.hints, answer.status)
    }

    fn advice(
        &self,
        call: &Call<'_>,
        outcome: &Result<Answer, SendError>,
        cause: Cause,
        ending: Ending,
        end: Option<Next>,
    ) -> Option<String> {
        let provider = &call.subject.provider;
        let on_the_way = outcome.as_ref().err().and_then(SendError::advice);
        match (cause, end) {
            (_, Some(Next::Wait(_))) => Some(self.minding_deed(
                call,
                ending,
                &format!(
                    "run it again later: so much was repeated in this run that nothing more is repeated at {provider}"
                ),
            )),
            (_, Some(Next::AskedToWait(wish))) => Some(self.minding_deed(
                call,
                ending,
                &format!("run it again in {}: {provider} asks for that pause", duration(wish)),
            )),
            (Cause::Unavailable, _) => {
                let advice = on_the_way.unwrap_or_else(|| "run it again later".to_owned());
                Some(self.minding_deed(call, ending, &advice))
            }
            (Cause::Step, _)
                if call.request.effect == Effect::Once
                    && matches!(ending, Ending::DoneBodyCut | Ending::DoneUnreadable) =>
            {
                Some(ANSWER_LOST.to_owned())
            }
            (Cause::Step, None)
                if call.request.effect != Effect::Once
                    && matches!(ending, Ending::DoneUnreadable | Ending::Unreadable) =>
            {
                Some(format!(
                    "run again, it would be answered so again: ask for less at once, or see what stands between this \
                     machine and {provider}"
                ))
            }
            (Cause::Machine, _) => Some("see that the file is there and that it may be read".to_owned()),
            (Cause::Step, _) if ending == Ending::Rejected => on_the_way.or_else(|| {
                let status = outcome.as_ref().err().and_then(SendError::status);
                status.map(|status| refusal_advice(status).to_owned())
            }),
            _ => None,
        }
    }

    /// The advice to run it again, with what this request has done, or may have done, that does no harm when it is done again.
    fn minding_deed(&self, call: &Call<'_>, ending: Ending, advice: &str) -> String {
        let deed = match ending {
            _ if call.request.effect != Effect::Idempotent || !call.may_be_done.get() => {
                return self.minding_writes(advice);
            }
            Ending::DoneBodyCut | Ending::DoneUnreadable => "it was done",
            _ => "it may have been done",
        };
        self.naming_writes(&format!("{advice}; {deed}, and doing it again does no harm"))
    }

    /// An attempt that came to no end of its own.
    pub fn broken(&self, call: &Call<'_>, rendered: &Rendered, tries: &Tries, broken: Broken) -> StepError {
        let what = call.subject.request();
        match broken {
            Broken::Journal(error) => self.journal_error(&error, &what),
            Broken::GivenUp { interruption, was_sent } => {
                self.exchange.note_settled(rendered, None, Ending::Unknown);
                match was_sent {
                    true => self.cut_off(call, tries, interruption),
                    false => self.interrupted(interruption, &format!("the connection for {what}")),
                }
            }
        }
    }

    /// A request that was given up while it was in flight.
    fn cut_off(&self, call: &Call<'_>, tries: &Tries, interruption: Interruption) -> StepError {
        self.note_deed(call);
        let is_unknown = call.request.effect == Effect::Once;
        let what = call.subject.request();
        let trouble = FailureDraft::interruption(interruption, &what);
        let is_interruption = interruption.ends_run();
        let trouble = match is_unknown {
            true => trouble
                .caused_by(Cause::Unknown)
                .note("nobody knows whether it was done")
                .advice(self.advice_in_doubt(call, self.age(tries))),
            false => trouble.advice(self.minding_deed(call, Ending::Unknown, "run it again later")),
        };
        StepError { is_interruption, ..self.error(trouble) }
    }
}

/// Whether a request did not come further than that.
fn has_failed_as(outcome: &Result<Answer, SendError>, failure: SendFailure) -> bool {
    matches!(outcome, Err(SendError::Transport(error)) if error.failure == failure)
}

/// Why `verify` has not answered.
pub fn could_not_tell(reason: &str) -> String {
    format!("`verify` could not tell: {reason}")
}
