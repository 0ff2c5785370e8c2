//! What makes a run survive its process: each step and each attempt of a write goes through the journal, which knows what
//! an earlier process has done of it.

use super::call::Call;
use super::cleanup::Registration;
use super::core::Engine;
use super::doubt::ending_of;
use super::error::StepError;
use super::held::digest;
use super::idempotency::IdempotencyKey;
use super::judge::says_nothing;
use super::limits::Interruption;
use super::record::{self, Unrestorable};
use super::scope::{Frame, StepRecord};
use super::stage::Stage;
use super::tally::Tally;
use crate::document::Effect;
use crate::event::FailureDraft;
use crate::exchange::retry::Ending;
use crate::exchange::{Attempt, Rendered, Sending, Turn};
use crate::model::exit::Cause;
use crate::model::words;
use crate::plan::{PlannedStep, StepKind};
use crate::port::{self, Class, Deed, Earlier, End, JournalError, Outcome, Place, Ran};
use crate::session::Generation;
use crate::template::Moment;
use futures_util::future::FutureExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::rc::Rc;

/// An attempt, as the journal lets it happen.
pub enum Tried {
    /// It was made, after those that have done the same or may have.
    Now(Box<Attempt>, Option<Earlier>),
    /// An earlier process has done what it would do.
    Before(Answered),
    /// An earlier process was about to do it at this time.
    Unclear(Timestamp),
}

/// An attempt that came to no end of its own.
pub enum Broken {
    /// The journal cannot be written. Nothing was sent.
    Journal(JournalError),
    /// It was given up before its answer came. Unless it `was_sent`, no byte of it was written.
    GivenUp { interruption: Interruption, was_sent: bool },
}

impl From<JournalError> for Broken {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

#[derive(Serialize, Deserialize)]
struct Seed {
    now: Timestamp,
    uuids: String,
}

/// What is kept of the answer to a write.
#[derive(Default, Serialize, Deserialize)]
pub struct Answered {
    /// Its status, if that is known.
    pub status: Option<u16>,
    /// What a person says that its step has brought, who has seen that it was done: its outputs, but for those that nobody
    /// needs. Nothing else is known of the answer then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub told: Option<Map<String, Json>>,
}

/// What a person says that a step has brought, as the journal keeps it.
pub fn told(outputs: Map<String, Json>) -> Json {
    json!(Answered { status: None, told: Some(outputs) })
}

impl<'a> Engine<'a> {
    /// Registers what undoes a step, before the step does anything.
    pub fn register_cleanup(&self, step: &'a PlannedStep, stage: &Stage, frame: &Rc<Frame>) -> Registration {
        self.cleanup.register(step, frame, self.places.of_cleanup(step, stage))
    }

    /// The moment that the templates of a step speak of. Where it `matters` what they yield, another process that takes
    /// the run up gets the same.
    pub async fn moment(
        &self,
        step: &PlannedStep,
        stage: &Stage,
        matters: bool,
    ) -> Result<Moment, StepError> {
        if !matters {
            return Ok(Moment::of(self.world));
        }
        let place = Place(format!("{}/moment", self.places.of_step(step, stage)));
        let fresh = Seed { now: self.world.clock.now(), uuids: self.world.random.uuid() };
        let outcome = Outcome::plain(End::Done, json!(fresh));
        let deed = self.deed(place, Class::Composed, "the time and chance of a step");
        let ran = self.world.journal.run(&deed, async { outcome }.boxed_local()).await;
        let seed = match ran.map_err(|error| self.journal_error(&error, &step.label()))? {
            Ran::Before(outcome) => match Seed::deserialize(&outcome.value) {
                Ok(seed) => seed,
                Err(_) => return Err(self.lost(step, &Unrestorable::Foreign)),
            },
            Ran::Now(_) | Ran::Unclear(_) => fresh,
        };
        Ok(Moment::seeded(seed.now, &seed.uuids))
    }

    /// Does a step, or one item of it, unless an earlier process has: then what that has brought is there again.
    ///
    /// # Errors
    /// Those of `work`, or when the journal cannot be written, or when what was brought is lost.
    pub async fn in_journal(
        &self,
        step: &'a PlannedStep,
        stage: &Stage,
        tally: &mut Tally,
        mut work: impl AsyncFnMut(&mut Tally) -> Result<StepRecord, StepError>,
    ) -> Result<StepRecord, StepError> {
        if stage.is_list_anew && effect(step) == Effect::Read {
            // What the journal knows at this place may be about another item.
            return if stage.is_over { Err(StepError::not_begun()) } else { work(tally).await };
        }
        let label = step.label();
        let class = if effect(step) == Effect::Read { Class::Read } else { Class::Composed };
        let deed = self.deed(self.places.of_step(step, stage), class, &label);
        let deed = Deed { is_step: true, ..deed };
        let mut end = None;
        let ran = {
            let work = async {
                let done = match stage.is_over {
                    true => Err(self.end_of_unfinished(step, stage).await),
                    false => work(tally).await,
                };
                let outcome = match &done {
                    Ok(record) => record::outcome(record, tally, self.events),
                    Err(_) => Outcome::plain(End::NotDone, json!(null)),
                };
                end = Some(done);
                outcome
            };
            self.world.journal.run(&deed, work.boxed_local()).await
        };
        let outcome = match ran.map_err(|error| self.journal_error(&error, &label))? {
            Ran::Now(_) => return end.expect("it was polled to its end"),
            Ran::Before(outcome) => outcome,
            Ran::Unclear(_) => return Err(StepError::reported(true)),
        };
        match record::restore(&outcome, self.events) {
            Ok((record, restored)) => {
                self.note_restored(step, stage, Some(&record), &restored).await?;
                *tally = restored;
                Ok(record)
            }
            Err(_) if effect(step) == Effect::Read && stage.is_over => Err(StepError::not_begun()),
            Err(_) if effect(step) == Effect::Read => {
                // It may bring another list than the one whose items are known as done.
                self.course.note_read_anew();
                work(tally).await
            }
            Err(lost) => {
                let restored = Tally { may_be_done: true, ..Tally::default() };
                self.note_restored(step, stage, None, &restored).await?;
                Err(self.lost(step, &lost))
            }
        }
    }

    /// Takes note of what an earlier process has done, or may have, so that it is undone at the end: each item of a loop by
    /// itself.
    ///
    /// # Errors
    /// When its list is another one now. What is still there of it is taken note of.
    async fn note_restored(
        &self,
        step: &'a PlannedStep,
        stage: &Stage,
        record: Option<&StepRecord>,
        restored: &Tally,
    ) -> Result<(), StepError> {
        if !restored.may_be_done {
            return Ok(());
        }
        self.note_done(effect(step), stage.is_cleanup);
        self.note_repeatable(effect(step), stage.is_cleanup, restored.is_restored);
        let Some((items, end)) = self.item_stages(step, stage).await else {
            self.register_cleanup(step, stage, &stage.frame);
            return Ok(());
        };
        for (index, item) in items {
            item.frame.record(step, record.map(|record| record.of_item(index)).unwrap_or_default());
            self.register_cleanup(step, &item, &item.frame);
        }
        end
    }

    /// The stages of the items of a loop that is known as a whole, each with its place in the list, and whether they are what
    /// they were; what is another one is left out. `None`: it is no loop.
    async fn item_stages(
        &self,
        step: &PlannedStep,
        stage: &Stage,
    ) -> Option<(Vec<(usize, Stage)>, Result<(), StepError>)> {
        let repeated = step.for_each.as_ref().filter(|_| stage.loop_item.is_none())?;
        // Without its list nobody knows what the cleanup would be about.
        let items = match self.items(step, &repeated.over, stage).await {
            Ok(items) => items,
            Err(_) => return Some((Vec::new(), Ok(()))),
        };
        let mut end = self.refuse_shortened_list(step, stage, items.len());
        let mut stages = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let item_stage = stage.of_item(&repeated.item_name, item.data, index + 1);
            match self.refuse_changed_item(step, &item_stage, item.digest.as_deref()).await {
                Ok(()) => stages.push((index, item_stage)),
                Err(other) => end = end.and(Err(other)),
            }
        }
        Some((stages, end))
    }

    fn lost(&self, step: &PlannedStep, lost: &Unrestorable) -> StepError {
        let what = match lost {
            Unrestorable::Lost(name) => format!("`{name}` is a secret and was kept nowhere"),
            Unrestorable::Foreign => "the journal does not say what it brought".to_owned(),
        };
        let headline = format!("`{}` was done by the process before, but {what}", step.label());
        let advice = "what is registered as cleanup undoes it; run the playbook anew then";
        self.error(FailureDraft::new(Cause::Step, headline).advice(advice))
    }

    /// What is left to do about a step that an earlier process has not finished and that does not begin any more: what it
    /// may have done is to be undone.
    async fn end_of_unfinished(&self, step: &'a PlannedStep, stage: &Stage) -> StepError {
        if effect(step) != Effect::Read {
            let items = self.item_stages(step, stage).await.map(|(items, _)| items);
            for (_, stage) in items.unwrap_or_else(|| vec![(0, stage.clone())]) {
                if self.may_have_sent(step, &stage).await {
                    let restored = Tally { may_be_done: true, ..Tally::default() };
                    // One item has no list.
                    let _ = self.note_restored(step, &stage, None, &restored).await;
                }
            }
        }
        StepError::not_begun()
    }

    /// Whether an earlier process has done the request of a step, or may have.
    async fn may_have_sent(&self, step: &PlannedStep, stage: &Stage) -> bool {
        let place = Place(format!("{}/request", self.places.of_step(step, stage)));
        // Of this class nothing is written down: it is a mere question.
        let deed = self.deed(place, Class::Composed, &step.label());
        let nothing = async { Outcome::plain(End::NotDone, json!(null)) };
        let ran = self.world.journal.run(&deed, nothing.boxed_local()).await;
        matches!(ran, Ok(Ran::Before(_) | Ran::Unclear(_)))
    }

    /// Sends one attempt of a request. Of a write the journal knows before its first byte goes out.
    ///
    /// # Errors
    /// When the journal cannot be written, or the time ends before the answer comes.
    pub async fn send_in_journal(
        &self,
        call: &Call<'_>,
        turn: Turn,
        outgoing: &Rendered,
        sending: Sending,
        is_surely_undone: bool,
        generation: Option<Generation>,
    ) -> Result<Tried, Broken> {
        let send = self.send_in_time(call, turn, outgoing, sending);
        let class = match call.request.effect {
            Effect::Read => return Ok(Tried::Now(Box::new(send.await?), None)),
            Effect::Idempotent => Class::Idempotent { key: None },
            Effect::Once => match &call.key {
                Some(key) => Class::Idempotent { key: Some(self.known_key(key)) },
                None => Class::Once,
            },
        };
        let page = call.subject.page.filter(|page| *page > 1);
        let page = page.map(|page| format!(" of page {page}")).unwrap_or_default();
        let words = format!("{} {}", outgoing.method(), outgoing.shown_address());
        let deed = Deed {
            attempt: sending.attempt,
            is_surely_undone,
            account: call.account.as_ref().map(|account| self.events.clean(account)),
            request: Some(digest(self.plan, call.request)),
            ..self.deed(Place(format!("{}/request{page}", call.place)), class, &words)
        };
        if self.taken_up.is_some() {
            self.course.note_asked(&deed.place);
        }
        let mut sent = None;
        let work = async {
            let attempt = send.await;
            let end = match &attempt {
                Ok(attempt) => self.end_of(call, generation, attempt),
                Err(Broken::GivenUp { was_sent: true, .. }) => End::Unknown,
                Err(_) => End::NotDone,
            };
            let answer = attempt.as_ref().ok().and_then(|attempt| attempt.outcome.as_ref().ok());
            let status = answer.map(|answer| answer.status);
            sent = Some(attempt);
            Outcome::plain(end, json!(Answered { status, told: None }))
        };
        Ok(match self.world.journal.run(&deed, work.boxed_local()).await? {
            Ran::Now(earlier) => Tried::Now(Box::new(sent.expect("it was polled to its end")?), earlier),
            Ran::Before(outcome) => Tried::Before(Answered::deserialize(&outcome.value).unwrap_or_default()),
            Ran::Unclear(at) => Tried::Unclear(at),
        })
    }

    /// Sends an attempt, and gives it up when its time ends.
    async fn send_in_time(
        &self,
        call: &Call<'_>,
        turn: Turn,
        outgoing: &Rendered,
        sending: Sending,
    ) -> Result<Attempt, Broken> {
        let departure = turn.departure();
        let send = self.exchange.send(turn, outgoing, sending);
        let sent = call.limits.finish(self.world, send).await;
        let was_sent = || !departure.was_prevented();
        sent.map_err(|interruption| Broken::GivenUp { interruption, was_sent: was_sent() })
    }

    /// What an attempt has done, as the engine judges it.
    fn end_of(&self, call: &Call<'_>, generation: Option<Generation>, attempt: &Attempt) -> End {
        let ending = ending_of(call, attempt);
        let says_nothing =
            attempt.outcome.as_ref().is_ok_and(|answer| answer.is_success() && says_nothing(call, answer));
        match ending {
            _ if self.is_expired(call, generation, attempt, ending) => End::NotDone,
            Ending::Done if says_nothing => End::Unknown,
            Ending::NotSent | Ending::Throttled | Ending::Rejected => End::NotDone,
            Ending::Done | Ending::DoneBodyCut | Ending::DoneUnreadable => End::Done,
            Ending::Unknown | Ending::Unreadable => End::Unknown,
        }
    }

    fn known_key(&self, key: &IdempotencyKey) -> port::IdempotencyKey {
        let valid_for_ms = u64::try_from(key.valid_for.as_millis()).ok();
        port::IdempotencyKey { value: self.events.clean(&key.value), valid_for_ms }
    }

    /// A deed that nobody's account is needed for.
    pub fn deed(&self, place: Place, class: Class, words: &str) -> Deed {
        let words = self.events.clean(words);
        Deed {
            place,
            class,
            account: None,
            words,
            request: None,
            attempt: 1,
            is_surely_undone: false,
            is_step: false,
        }
    }

    /// Why nothing is cleaned up yet: the run is not over.
    pub fn pending_cleanup(&self, blocks: usize) -> String {
        let (blocks, run) = (words::counted(blocks as u64, "cleanup block"), self.names.run_id_text());
        format!(
            "not run yet, since the run waits for an answer: {blocks}. `runner resume {run} --clean-up` runs nothing else"
        )
    }

    /// A step that was not begun, or not gone on with, since its intent could not be written down.
    pub fn journal_error(&self, error: &JournalError, what: &str) -> StepError {
        let headline = format!("{error}; `{what}` was not sent", what = what.trim_matches('`'));
        let advice = "make room there, or name another folder with --state-dir; what was done so far is in the journal";
        let error = self.error(FailureDraft::new(Cause::Machine, headline).advice(advice));
        StepError { is_interruption: true, ..error }
    }
}

fn effect(step: &PlannedStep) -> Effect {
    match &step.kind {
        StepKind::Request(request) => request.effect,
        StepKind::Store { .. } => Effect::Idempotent,
        _ => Effect::Read,
    }
}
