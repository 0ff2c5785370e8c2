//! Writes of which nobody knows whether they were done: what lets them be sent again, and what is said otherwise.

use super::call::{Call, Settled, StandIn, Tries, Unsettled};
use super::core::Engine;
use super::error::StepError;
use super::fetch::needs_body;
use super::idempotency::IdempotencyKey;
use super::judge::says_nothing;
use super::replay::Tried;
use super::tally::Tally;
use super::unsettled::could_not_tell;
use super::verify::Verified;
use crate::document::Effect;
use crate::event::FailureDraft;
use crate::exchange::retry::{Ending, Next, Safeguard, pause};
use crate::exchange::{Attempt, Rendered};
use crate::model::exit::Cause;
use crate::model::words::{duration, shell_quoted};
use crate::plan::{PlannedStep, StepKind};
use std::time::Duration;

/// What is known of a write besides how its last attempt ended.
pub enum Doubt {
    /// Nothing.
    None,
    /// An attempt before has done it.
    Done,
    /// An attempt before may have done it.
    Earlier,
    /// `verify` says that it was not done.
    NotDone,
    /// `verify` could not tell, for this reason.
    Unclear(String),
}

impl Tries {
    /// Whether nobody knows if a write was done that must not be done twice.
    pub fn is_in_doubt(&self, call: &Call<'_>) -> bool {
        self.was_unknown && !self.was_done && call.request.effect == Effect::Once
    }

    /// Whether a write was done that must not be done twice, and its answer is lost.
    pub fn is_done(&self, call: &Call<'_>) -> bool {
        self.was_done && call.request.effect == Effect::Once
    }
}

impl Engine<'_> {
    /// How long ago the first attempt was sent.
    pub fn age(&self, tries: &Tries) -> Duration {
        tries.age(self.world.clock.elapsed())
    }

    /// What would let a write be sent again after this wait. The key comes first; what it leaves open `verify` is asked.
    pub fn safeguard(&self, call: &Call<'_>, tries: &Tries, next: Next) -> Safeguard {
        let wait = if let Next::Wait(wait) = next { Some(wait) } else { None };
        let sent_at = self.world.clock.elapsed() + wait.unwrap_or_default();
        let is_known = |key: &IdempotencyKey| tries.age(sent_at) <= key.valid_for;
        match (&call.key, &call.verifier) {
            (Some(key), None) if is_known(key) => Safeguard::Key,
            (Some(key), Some(_)) if is_known(key) && wait.is_some() => Safeguard::Key,
            (_, Some(_)) => Safeguard::Verify,
            (_, None) => Safeguard::None,
        }
    }

    /// Asks whether a write was done. `None`: it was not, and may be sent again.
    ///
    /// # Errors
    /// When nobody knows, it cannot be sent again, or what it brought is lost.
    pub async fn ask_whether_done(
        &self,
        call: &Call<'_>,
        rendered: &Rendered,
        attempt: Attempt,
        next: Next,
        tries: &mut Tries,
        tally: &mut Tally,
    ) -> Result<Option<Settled>, StepError> {
        let ending = ending_of(call, &attempt);
        let request_line = self.request_line(call, &attempt, tries);
        let status = attempt.status();
        let Attempt { outcome, record, .. } = attempt;
        self.exchange.report(record, None);
        let is_done = tries.is_done(call);
        if !is_done {
            let wait = match next {
                Next::Wait(wait) => wait,
                _ => pause(tries.attempt, self.remaining(call, tries), self.world.random.fraction()),
            };
            self.wait(call, tries, wait, &format!("`verify` asks about {}", call.subject.request())).await?;
        }
        let verifier = call.verifier.as_ref().expect("only where it can be asked it is asked");
        let (doubt, is_interruption) = match self.verify(verifier, tally).await {
            Verified::Done(outputs) => {
                self.note_deed(call);
                tally.is_verified = true;
                let status = status.filter(|_| is_done);
                return self.stand_in(call, StandIn::Verified(outputs), status, request_line).map(Some);
            }
            Verified::NotDone if is_done => {
                (Doubt::Unclear("it says that it was not done".to_owned()), false)
            }
            Verified::NotDone => {
                tries.was_unknown = false;
                tries.is_surely_undone = true;
                self.course.note_doubt(None);
                if matches!(next, Next::Wait(_)) && self.exchange.may_repeat(rendered, ending) {
                    tries.attempt += 1;
                    return Ok(None);
                }
                (Doubt::NotDone, false)
            }
            Verified::Unclear(error) => (Doubt::Unclear(reason(&error)), error.is_interruption),
        };
        let end = Some(next).filter(|_| !is_done);
        let error = self.unsettled(
            call,
            &outcome,
            Unsettled { ending, end, doubt, age: self.age(tries), request_line },
        );
        Err(StepError { is_interruption, ..error })
    }

    /// What becomes of a write that an earlier process has done, or may have done. `None`: it has not, and may be sent.
    ///
    /// # Errors
    /// When nobody knows, or what it brought is lost.
    pub async fn settle_earlier(
        &self,
        call: &Call<'_>,
        earlier: Tried,
        tries: &mut Tries,
        tally: &mut Tally,
    ) -> Result<Option<Settled>, StepError> {
        let request_line = "sent by the process before".to_owned();
        let is_done = matches!(earlier, Tried::Before(_));
        let mut status = None;
        if let Tried::Before(answered) = &earlier {
            status = answered.status;
            if let Some(told) = &answered.told {
                self.note_deed(call);
                return self.stand_in(call, StandIn::Told(told.clone()), None, request_line).map(Some);
            }
        }
        if is_done && !self.reads_body(call.request) {
            self.note_deed(call);
            return Ok(Some(Settled { answer: None, status, is_fine: false, stand_in: None, request_line }));
        }
        let verified = match &call.verifier {
            Some(verifier) => Some(self.verify(verifier, tally).await),
            None => None,
        };
        match (verified, earlier) {
            (Some(Verified::Done(outputs)), _) => {
                self.note_deed(call);
                tally.is_verified = true;
                self.stand_in(call, StandIn::Verified(outputs), status, request_line).map(Some)
            }
            (Some(Verified::NotDone), Tried::Unclear(_)) => {
                tries.is_surely_undone = true;
                Ok(None)
            }
            (Some(Verified::Unclear(error)), Tried::Unclear(at)) => {
                self.note_deed(call);
                let trouble = self.unclear(call, at).note(could_not_tell(&reason(&error)));
                Err(StepError { is_interruption: error.is_interruption, ..self.error(trouble) })
            }
            (None, Tried::Unclear(at)) => {
                self.note_deed(call);
                Err(self.error(self.unclear(call, at)))
            }
            (Some(Verified::NotDone | Verified::Unclear(_)) | None, _) => {
                self.note_deed(call);
                Err(self.error(self.done_before(call)))
            }
        }
    }

    /// A write that an earlier process has done, and whose step did not end well there or did not end. Its answer is kept
    /// nowhere.
    fn done_before(&self, call: &Call<'_>) -> FailureDraft {
        let done = format!("{} was done by the process before", call.subject.request());
        let failed = self.taken_up.and_then(|taken_up| taken_up.failed.get(&call.place));
        let headline = match failed {
            Some(failure) => format!("{done}, whose step failed then: {failure}"),
            None => format!("{done}, but what it brought is lost"),
        };
        let (provider, run) = (&call.subject.provider, self.names.run_id_text());
        FailureDraft::new(Cause::Step, headline).advice(format!(
            "look at {provider} for what it brought; then take what reads its answer out of the step and go on with \
             `runner resume {run} --changed-playbook`, or do the steps behind it with `runner apply --from STEP`"
        ))
    }

    /// A write whose answer is lost, and of which `verify` or a person has said that it was done.
    fn stand_in(
        &self,
        call: &Call<'_>,
        stand_in: StandIn,
        status: Option<u16>,
        request_line: String,
    ) -> Result<Settled, StepError> {
        if call.request.rows.are_read || call.request.save.is_some() {
            let what = if call.request.save.is_some() { "the file" } else { "the rows" };
            let who = if let StandIn::Told(_) = stand_in { "as was said" } else { "says `verify`" };
            let headline = format!(
                "{} was done, {who}, but its answer is lost and with it {what}",
                call.subject.request()
            );
            let trouble = FailureDraft::new(Cause::Step, headline).request(request_line);
            return Err(self.error(trouble.advice("read it from the provider in a step of its own")));
        }
        Ok(Settled { answer: None, status, is_fine: true, stand_in: Some(stand_in), request_line })
    }

    /// What to do about a write of which nobody knows whether it was done, and which command goes on with the run.
    pub fn advice_in_doubt(&self, call: &Call<'_>, age: Duration) -> String {
        let provider = &call.subject.provider;
        let look = format!("look at {provider} whether it was done");
        if !self.can_be_resumed(call) {
            return format!("{look} before you run this again, or it may be done twice");
        }
        let left = call.key.as_ref().map(|key| key.valid_for.saturating_sub(age));
        let (run, step) = (self.names.run_id_text(), shell_quoted(&call.place.0));
        match left.filter(|left| !left.is_zero()) {
            Some(left) => format!(
                "`runner resume {run}` sends it again under its idempotency key, which {provider} knows for {} more; \
                 later, or before you run this anew, {look}",
                duration(left)
            ),
            None => format!(
                "{look} before you run this again, or it may be done twice; `runner resolve {run} {step} --done` or \
                 `--retry` says so, and `runner resume {run}` goes on"
            ),
        }
    }

    /// Whether another process can go on with the run as it stands: not once it was cleaned up.
    fn can_be_resumed(&self, call: &Call<'_>) -> bool {
        let is_left_as_it_is = self.plan.cleanup.is_empty()
            && self.cleanup.is_empty()
            && (call.ends_list || !has_cleanup(&self.plan.steps));
        !self.is_simulated && !call.is_cleanup && (self.course.is_pending() || is_left_as_it_is)
    }

    /// What ends a request while nobody knows whether an attempt before was done: that weighs more than the reason.
    pub fn in_doubt(&self, call: &Call<'_>, tries: &Tries, error: StepError) -> StepError {
        if !tries.is_in_doubt(call) {
            return error;
        }
        self.note_deed(call);
        let failure = error.failure.map(|mut failure| {
            if failure.cause != Cause::Unknown {
                failure.cause = Cause::Unknown;
                let note =
                    format!("{} was sent before: nobody knows whether it was done", call.subject.request());
                failure.notes.push(self.events.clean(note));
                failure.advice = Some(self.events.clean(self.advice_in_doubt(call, self.age(tries))));
            }
            failure
        });
        StepError { failure, is_unknown: true, ..error }
    }
}

fn reason(error: &StepError) -> String {
    error.failure.as_ref().map(|failure| failure.headline.to_string()).unwrap_or_default()
}

fn has_cleanup(steps: &[PlannedStep]) -> bool {
    steps.iter().any(|step| {
        let inner = matches!(&step.kind, StepKind::Group(group) if has_cleanup(&group.steps));
        inner || !step.cleanup.is_empty()
    })
}

/// How an attempt ended. Where `verify` can be asked, an answer that says nothing of a write is as good as none.
pub fn ending_of(call: &Call<'_>, attempt: &Attempt) -> Ending {
    let is_expected = |status| call.request.is_status_written && call.request.status.contains(status);
    match (attempt.ending(is_expected), &attempt.outcome) {
        (Ending::Done, Ok(answer)) if call.verifier.is_some() && answer.is_success() => {
            match (says_nothing(call, answer), &answer.problem) {
                (true, _) => Ending::Unreadable,
                (false, Some(_)) if needs_body(call.request) => Ending::DoneUnreadable,
                (false, _) => Ending::Done,
            }
        }
        (ending, _) => ending,
    }
}
