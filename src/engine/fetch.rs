//! One request until it is settled: signed in, sent, repeated where that is allowed.

use super::call::{Call, Settled, Tries, Unsettled, signed};
use super::core::Engine;
use super::doubt::{Doubt, ending_of};
use super::error::StepError;
use super::failure::attempt_words;
use super::outputs::{self};
use super::replay::{Broken, Tried};
use super::tally::Tally;
use crate::document::Effect;
use crate::event::FailureDraft;
use crate::exchange::retry::{Bounds, Ending, Next, REQUEST_TIME, Sequel, TIME_TO_ANSWER, next};
use crate::exchange::{Attempt, Origin, Rendered, SendError, Sending, is_redirect};
use crate::model::exit::Cause;
use crate::model::words::duration;
use crate::plan::PlannedRequest;
use crate::port::Earlier;
use crate::session::Generation;
use futures_util::{FutureExt, TryFutureExt};
use http::Method;
use jiff::SignedDuration;
use std::time::Duration;

impl Engine<'_> {
    /// Sends a request until it is settled. Every effect that a step has on a provider goes through here, with the class
    /// that [`PlannedRequest::effect`] says: what keeps intents and outcomes has its place around this function.
    ///
    /// # Errors
    /// When no attempt was answered, or it is not known what became of one.
    pub async fn fetch(
        &self,
        call: &Call<'_>,
        rendered: &Rendered,
        tally: &mut Tally,
    ) -> Result<Settled, StepError> {
        self.refuse_left_alone(call.is_cleanup, rendered.origin())?;
        let mut tries = Tries {
            started: self.world.clock.elapsed(),
            paced: Duration::ZERO,
            attempt: 1,
            last: call.request.attempts.max(1),
            is_renewed: false,
            first_sent: None,
            was_unknown: false,
            was_done: false,
            done_status: None,
            is_surely_undone: false,
        };
        let end = self.attempts(call, rendered, &mut tries, tally).await;
        if call.request.effect == Effect::Once {
            self.course.note_doubt(None);
        }
        end
    }

    /// Sends it again as long as that is allowed and of use.
    async fn attempts(
        &self,
        call: &Call<'_>,
        rendered: &Rendered,
        tries: &mut Tries,
        tally: &mut Tally,
    ) -> Result<Settled, StepError> {
        loop {
            let (tried, generation) = self
                .attempt(call, rendered, tries, tally)
                .await
                .map_err(|error| self.in_doubt(call, tries, error))?;
            let attempt = match tried {
                Tried::Now(attempt, earlier) => {
                    self.note_earlier(call, earlier, tries);
                    *attempt
                }
                earlier => match self.settle_earlier(call, earlier, tries, tally).await? {
                    Some(settled) => return Ok(settled),
                    None => continue,
                },
            };
            let ending = ending_of(call, &attempt);
            tries.paced += attempt.paced;
            self.note_attempt(call, &attempt, ending, tries);
            if self.is_expired(call, generation, &attempt, ending) {
                let renewed = self.renew(call, generation, attempt, tries).await;
                renewed.map_err(|error| self.in_doubt(call, tries, error))?;
                continue;
            }
            let next = match self.what_next(call, &attempt, ending, tries) {
                (Sequel::Verify, Some(next)) => {
                    let asked = self.ask_whether_done(call, rendered, attempt, next, tries, tally);
                    match asked.await? {
                        Some(settled) => return Ok(settled),
                        None => continue,
                    }
                }
                (_, next) => next,
            };
            match next {
                Some(Next::Wait(wait)) if self.exchange.may_repeat(rendered, ending) => {
                    self.exchange.report(attempt.record, Some(wait));
                    tries.attempt += 1;
                    let what = format!("attempt {} of {}", tries.attempt, call.subject.request());
                    self.wait(call, tries, wait, &what).await?;
                }
                end => {
                    self.exchange.note_settled(rendered, Some(&attempt), ending);
                    return self.settle(call, attempt, ending, end, tries);
                }
            }
        }
    }

    /// Takes note of what attempts before have done, or may have, of which only the journal knows if a process before has
    /// made them.
    fn note_earlier(&self, call: &Call<'_>, earlier: Option<Earlier>, tries: &mut Tries) {
        let Some(Earlier { since, was_done }) = earlier else { return };
        let clock = &self.world.clock;
        let age = clock.now().duration_since(since).max(SignedDuration::ZERO);
        let sent = signed(clock.elapsed()).saturating_sub(age);
        tries.first_sent = Some(tries.first_sent.map_or(sent, |first| first.min(sent)));
        tries.was_done |= was_done;
        tries.was_unknown |= !was_done;
        self.note_deed(call);
    }

    /// Waits before something.
    ///
    /// # Errors
    /// When the time of the step or the run is over.
    pub async fn wait(
        &self,
        call: &Call<'_>,
        tries: &Tries,
        wait: Duration,
        what: &str,
    ) -> Result<(), StepError> {
        let slept = call.limits.wait(self.world, self.world.journal.sleep(wait)).await;
        slept.map_err(|interruption| {
            self.in_doubt(call, tries, self.interrupted(interruption, &format!("the wait before {what}")))
        })
    }

    /// One attempt. The session is put on a copy of the request, since a renewed one replaces it.
    async fn attempt(
        &self,
        call: &Call<'_>,
        rendered: &Rendered,
        tries: &mut Tries,
        tally: &mut Tally,
    ) -> Result<(Tried, Option<Generation>), StepError> {
        let what = call.subject.request();
        let begun = call.limits.check(self.world);
        begun.map_err(|interruption| self.interrupted(interruption, &what))?;
        let mut outgoing = rendered.clone();
        let generation = self.authorize(call, &mut outgoing).await?;
        self.refuse_long_pause(call, outgoing.origin().as_ref())?;
        let (realm, limiter) = (&call.realm, call.limiter.as_ref());
        let turn = self.exchange.turn(realm, &outgoing, limiter, self.latest_start(call));
        let turn = call.limits.wait(self.world, turn).await;
        let turn = turn.map_err(|interruption| self.interrupted(interruption, &what))?;
        let sending = Sending {
            follows_redirects: !expects_redirect(call.request),
            takes_part: call.request.is_status_written && call.request.status.names(206),
            hides_bodies: outputs::makes_secrets(&call.request.outputs),
            ..Sending::attempt(call.purpose, tries.attempt)
        };
        self.course.note_flight(Some((what, call.request.effect)));
        let started = self.world.clock.elapsed();
        let undone = tries.is_surely_undone;
        let sent = self.send_in_journal(call, turn, &outgoing, sending, undone, generation).await;
        self.course.note_flight(None);
        let requests = match &sent {
            Ok(Tried::Now(attempt, _)) => attempt.requests,
            Err(Broken::GivenUp { was_sent, .. }) => u32::from(*was_sent),
            Ok(_) | Err(Broken::Journal(_)) => 0,
        };
        tally.requests += requests;
        tally.retries += u32::from(tries.attempt > 1 && requests > 0);
        let tried = sent.map_err(|broken| self.broken(call, rendered, tries, broken))?;
        if requests > 0 {
            tries.first_sent.get_or_insert(signed(started));
        }
        if let Tried::Now(attempt, _) = &tried
            && let Ok(answer) = &attempt.outcome
        {
            outputs::learn(&call.request.outputs, &call.step_name, answer, self.events);
        }
        Ok((tried, generation))
    }

    async fn authorize(
        &self,
        call: &Call<'_>,
        outgoing: &mut Rendered,
    ) -> Result<Option<Generation>, StepError> {
        let Some(provider) = call.request.provider.filter(|_| call.request.needs_session) else {
            return Ok(None);
        };
        let what = format!("the sign-in before {}", call.subject.request());
        let authorized = self.sessions.authorize(provider, outgoing).boxed_local();
        self.sign_in(&call.limits, &what, authorized).await.map(Some)
    }

    /// A pause that is longer than the time that is left is not slept, nor one that the provider asked for and that would
    /// keep this request waiting for longer than its repetitions may take. Cleanup is tried all the same: a provider that
    /// refuses it does no harm, and what is not tried is surely not undone.
    fn refuse_long_pause(&self, call: &Call<'_>, origin: Option<&Origin>) -> Result<(), StepError> {
        if call.is_cleanup {
            return Ok(());
        }
        let now = self.world.clock.elapsed();
        let wait = call.realm.earliest(now, origin, call.limiter.as_deref()).saturating_sub(now);
        let asked = call.realm.pause_end(origin).saturating_sub(now);
        let is_too_long = call.limits.remaining(&*self.world.clock).is_some_and(|remaining| wait > remaining);
        if !is_too_long && asked <= REQUEST_TIME {
            return Ok(());
        }
        let (provider, is_asked) = (&call.subject.provider, asked >= wait);
        let wait = duration(wait);
        let headline = match is_asked {
            true => format!("{provider} wants to be left alone for {wait}"),
            false => format!("the rate limit of {provider} allows the next request in {wait} only"),
        };
        Err(self.error(
            FailureDraft::new(Cause::Unavailable, headline)
                .advice(self.minding_writes(&format!("run it again in {wait}"))),
        ))
    }

    /// The time up to which a request waits for its turn and is then sent anyway: that of cleanup, which leaves time for an
    /// answer.
    fn latest_start(&self, call: &Call<'_>) -> Option<Duration> {
        let clock = &*self.world.clock;
        let remaining = call.limits.remaining(clock).filter(|_| call.is_cleanup)?;
        Some(clock.elapsed() + remaining.saturating_sub(TIME_TO_ANSWER))
    }

    /// Takes note of what an attempt may have done. What the step expects says nothing of that: a refusal that is fine is
    /// a refusal all the same, and nothing is to be undone. What `verify` is asked about is known only then.
    fn note_attempt(&self, call: &Call<'_>, attempt: &Attempt, ending: Ending, tries: &mut Tries) {
        let is_once = call.request.effect == Effect::Once;
        let is_open = matches!(ending, Ending::Unknown | Ending::Unreadable);
        tries.was_unknown |= is_open;
        tries.is_surely_undone &= !is_open;
        if is_open && is_once {
            self.course.note_doubt(Some(call.subject.request()));
        }
        if matches!(ending, Ending::DoneBodyCut | Ending::DoneUnreadable) {
            tries.was_done = true;
            tries.done_status = attempt.status();
        }
        let is_asked = is_open && is_once && call.verifier.is_some();
        if !is_asked && !attempt.ending(|_| false).is_surely_not_done() {
            self.note_deed(call);
        }
    }

    /// Takes note that a request may have been done.
    pub fn note_deed(&self, call: &Call<'_>) {
        call.may_be_done.set(true);
        self.note_done(call.request.effect, call.is_cleanup);
    }

    /// Takes note that something may have been done.
    pub fn note_done(&self, effect: Effect, is_cleanup: bool) {
        self.course.note_deed();
        if effect == Effect::Once && !is_cleanup {
            self.course.note_write();
        }
    }

    /// Takes note of a request that has come to its end and does no harm when it is sent again.
    pub fn note_repeatable(&self, effect: Effect, is_cleanup: bool, is_surely_done: bool) {
        if effect == Effect::Idempotent && !is_cleanup {
            self.course.note_repeatable(is_surely_done);
        }
    }

    /// Whether an answer says that the session has ended; never one that the step expects, nor one that asks for a pause.
    pub fn is_expired(
        &self,
        call: &Call<'_>,
        generation: Option<Generation>,
        attempt: &Attempt,
        ending: Ending,
    ) -> bool {
        let (Some(provider), Some(generation), Ok(answer)) =
            (call.request.provider, generation, &attempt.outcome)
        else {
            return false;
        };
        let is_expected = call.request.is_status_written && call.request.status.contains(answer.status);
        !is_expected && ending != Ending::Throttled && self.sessions.is_expired(provider, generation, answer)
    }

    /// Renews the session once; a session that is refused again ends the step.
    async fn renew(
        &self,
        call: &Call<'_>,
        generation: Option<Generation>,
        attempt: Attempt,
        tries: &mut Tries,
    ) -> Result<(), StepError> {
        let line = self.request_line(call, &attempt, tries);
        self.exchange.report(attempt.record, None);
        let (Some(provider), Some(generation), Ok(answer)) =
            (call.request.provider, generation, attempt.outcome)
        else {
            return Ok(());
        };
        if tries.is_renewed {
            let headline =
                format!("{}, with a session that it has just given", call.subject.answered(answer.status));
            let advice = "check whether this account may do this; signing in itself works";
            return Err(self.error(FailureDraft::new(Cause::SignIn, headline).request(line).advice(advice)));
        }
        let what = format!("the renewed sign-in before {}", call.subject.request());
        let renewal = self.sessions.renew(provider, generation, &answer);
        let renewal = renewal.map_err(|failure| failure.of_request(self.events.clean(line))).boxed_local();
        self.sign_in(&call.limits, &what, renewal).await?;
        tries.is_renewed = true;
        tries.attempt += 1;
        tries.last += 1;
        Ok(())
    }

    /// The time that is left for a request and its repetitions.
    pub fn remaining(&self, call: &Call<'_>, tries: &Tries) -> Duration {
        let spent = self.world.clock.elapsed().saturating_sub(tries.started);
        let own = (REQUEST_TIME.max(call.request.timeout) + tries.paced).saturating_sub(spent);
        call.limits.remaining(&*self.world.clock).map_or(own, |limit| limit.min(own))
    }

    /// What follows an attempt, and when. No `Next`: nothing follows, whatever time and attempts are left.
    fn what_next(
        &self,
        call: &Call<'_>,
        attempt: &Attempt,
        ending: Ending,
        tries: &Tries,
    ) -> (Sequel, Option<Next>) {
        let remaining = self.remaining(call, tries);
        let bounds =
            Bounds { attempt: tries.attempt, attempts: tries.last, remaining, server_wish: attempt.wish };
        let next = next(bounds, self.world.random.fraction());
        let effect = call.request.effect;
        // What was not done this time was done before, or may have been.
        let ending = match ending {
            Ending::NotSent | Ending::Throttled | Ending::Unknown | Ending::Unreadable
                if tries.is_done(call) =>
            {
                Ending::DoneBodyCut
            }
            Ending::NotSent | Ending::Throttled if tries.is_in_doubt(call) => Ending::Unknown,
            ending => ending,
        };
        match ending.sequel(effect, self.safeguard(call, tries, next), needs_body(call.request)) {
            Sequel::End => (Sequel::End, None),
            sequel => (sequel, Some(next)),
        }
    }

    /// The end of a request after its last attempt. `end` says why no other one follows, where one was allowed.
    fn settle(
        &self,
        call: &Call<'_>,
        attempt: Attempt,
        ending: Ending,
        end: Option<Next>,
        tries: &Tries,
    ) -> Result<Settled, StepError> {
        let request_line = self.request_line(call, &attempt, tries);
        let Attempt { outcome, record, .. } = attempt;
        let is_done_without_body =
            end.is_none() && call.request.effect != Effect::Read && !needs_body(call.request);
        self.exchange.report(record, None);
        let (is_in_doubt, is_done) = (tries.is_in_doubt(call), tries.is_done(call));
        match (outcome, ending) {
            (Ok(answer), Ending::Done | Ending::Rejected)
                if ending == Ending::Done || !(is_in_doubt || is_done) =>
            {
                let is_gone = call.request.method == Method::DELETE && answer.status == 404;
                let is_fine = is_gone && (tries.was_unknown || tries.was_done);
                let status = Some(answer.status);
                Ok(Settled { status, answer: Some(answer), is_fine, stand_in: None, request_line })
            }
            (_, _) if is_done && !needs_body(call.request) => {
                let status = tries.done_status;
                Ok(Settled { answer: None, status, is_fine: false, stand_in: None, request_line })
            }
            (Err(SendError::Transport(error)), Ending::DoneBodyCut | Ending::DoneUnreadable)
                if is_done_without_body =>
            {
                let status = error.failure.status();
                Ok(Settled { answer: None, status, is_fine: false, stand_in: None, request_line })
            }
            (outcome, ending) => {
                let doubt = match (is_done, is_in_doubt) {
                    (true, _) => Doubt::Done,
                    (false, true) => Doubt::Earlier,
                    (false, false) => Doubt::None,
                };
                let age = self.age(tries);
                let unsettled = Unsettled { ending, end, doubt, age, request_line };
                Err(self.unsettled(call, &outcome, unsettled))
            }
        }
    }

    /// ``GET https://… · attempt 3 of 3 after 4.2 s · empty body``
    pub fn request_line(&self, call: &Call<'_>, attempt: &Attempt, tries: &Tries) -> String {
        let after = self.world.clock.elapsed().saturating_sub(tries.started);
        let attempts = match call.request.effect {
            Effect::Once if tries.attempt == 1 && call.key.is_none() && call.verifier.is_none() => 1,
            _ => tries.last,
        };
        let came_back = match &attempt.outcome {
            Ok(answer) => answer.describe_body().to_owned(),
            Err(error) => error.to_string(),
        };
        let words = attempt_words(tries.attempt, attempts, after);
        format!("{} {} · {words} · {came_back}", call.request.method, attempt.record.shown_address())
    }
}

/// Whether anything is read from the answer's body.
pub fn needs_body(request: &PlannedRequest) -> bool {
    !request.outputs.is_empty()
        || request.rows.are_read
        || request.save.is_some()
        || !request.that.is_empty()
        || request.until.is_some()
        || request.schema.is_some()
}

/// Whether a redirect is what the step wants: then it is not followed.
fn expects_redirect(request: &PlannedRequest) -> bool {
    (300..400).any(|status| is_redirect(status) && request.status.contains(status))
}
