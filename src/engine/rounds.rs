//! Asking again until a condition holds.

use super::call::Settled;
use super::core::Engine;
use super::error::StepError;
use super::limits::{Interruption, TimeLimit};
use super::listing::Pages;
use super::request::Prepared;
use super::save::SavedFile;
use super::scope::StepRecord;
use super::stage::Stage;
use super::tally::Tally;
use crate::event::{EventKind, FailureDraft};
use crate::model::exit::Cause;
use crate::model::words::{asked, duration};
use crate::plan::{PlannedStep, Until};
use crate::template::{Data, Reference};
use serde_json::Value as Json;

/// No value is quoted at greater length than this.
const MOST_QUOTED: usize = 40;

impl<'a> Engine<'a> {
    /// Does what a request is there for: once, or until its condition holds. The request is the same in every round.
    ///
    /// # Errors
    /// When a round fails, or the time is over.
    pub async fn rounds(
        &self,
        step: &'a PlannedStep,
        stage: &Stage,
        prepared: &mut Prepared<'_>,
        tally: &mut Tally,
        file: &mut Option<SavedFile>,
    ) -> Result<StepRecord, StepError> {
        let Some(until) = &prepared.call.request.until else {
            return self.round(step, stage, prepared, tally, file).await.map(|(record, _)| record);
        };
        let mut round = 0;
        let mut seen = Vec::new();
        loop {
            (tally.rows, tally.pages) = (None, None);
            let end = self.round(step, stage, prepared, tally, file).await;
            round += 1;
            tally.rounds = Some(round);
            let (record, pages) = end.map_err(|error| self.in_round(error, round, &seen))?;
            let holds = until.condition.holds(&prepared.scopes.playbook);
            if holds.map_err(|error| self.evaluation_error(&error))? {
                self.save(&prepared.call, &pages.last, Some(&pages.kept), &prepared.scopes, file)?;
                return Ok(record);
            }
            let (rows, round) = (tally.rows.unwrap_or(0), Some(round));
            self.events.emit(EventKind::StepProgress { page: None, item: None, round, rows });
            seen = what_was_seen(until, &record, &pages.last);
            self.wait_for_next_round(until, prepared, tally, &seen, &pages.last).await?;
        }
    }

    async fn round(
        &self,
        step: &'a PlannedStep,
        stage: &Stage,
        prepared: &mut Prepared<'_>,
        tally: &mut Tally,
        file: &mut Option<SavedFile>,
    ) -> Result<(StepRecord, Pages), StepError> {
        let mut rendered = prepared.rendered.clone();
        let mut pages = self.pages(&mut prepared.call, &mut rendered, &prepared.scopes, tally, file).await?;
        let record = self.conclude(step, stage, prepared, &mut pages)?;
        Ok((record, pages))
    }

    /// Waits, unless the time would be over then: what cannot come any more is not waited for.
    async fn wait_for_next_round(
        &self,
        until: &Until,
        prepared: &Prepared<'_>,
        tally: &Tally,
        seen: &[String],
        last: &Settled,
    ) -> Result<(), StepError> {
        let call = &prepared.call;
        if let Some(limit) = call.limits.shortfall(&*self.world.clock, until.every) {
            return Err(self.out_of_rounds(until, limit, tally, seen, last));
        }
        let what = format!("the wait before {} is asked again", call.subject.request());
        let slept = call.limits.wait(self.world, self.world.journal.sleep(until.every)).await;
        slept.map_err(|interruption| match interruption {
            Interruption::OutOfTime(limit) => self.out_of_rounds(until, limit, tally, seen, last),
            Interruption::Signal(_) => {
                self.in_round(self.interrupted(interruption, &what), tally.rounds.unwrap_or(0) + 1, seen)
            }
        })
    }

    fn out_of_rounds(
        &self,
        until: &Until,
        limit: TimeLimit,
        tally: &Tally,
        seen: &[String],
        last: &Settled,
    ) -> StepError {
        let condition = until.condition.expression();
        let time = duration(limit.duration());
        let (cause, bound) = match limit {
            TimeLimit::Within(_) => (Cause::Step, format!("within {time}")),
            TimeLimit::Deadline(_) => (Cause::Deadline, format!("before the deadline of {time}")),
            TimeLimit::Cleanup(_) => (Cause::Step, format!("in the {time} that cleanup may take")),
        };
        let headline = format!("`{}` did not come true {bound}", condition.code());
        let rounds = asked(tally.rounds.unwrap_or(0));
        let trouble = FailureDraft::new(cause, headline)
            .at(condition.span())
            .request(&last.request_line)
            .note(format!("{rounds}, {} apart", duration(until.every)))
            .notes(seen.iter().cloned());
        let trouble = match limit {
            TimeLimit::Within(_) => trouble.advice("see what it waits for, or give it more time: `within`"),
            TimeLimit::Deadline(_) | TimeLimit::Cleanup(_) => trouble.advice(self.rerun_advice()),
        };
        let is_interruption = Interruption::OutOfTime(limit).ends_run();
        StepError { is_interruption, ..self.error(trouble) }
    }

    /// Adds to a failure how often it was asked before, and what was answered then.
    fn in_round(&self, error: StepError, round: u32, seen: &[String]) -> StepError {
        let before = round.saturating_sub(1);
        let failure = error.failure.map(|mut failure| {
            if before > 0 {
                failure.notes.push(self.events.clean(format!("{} before", asked(before))));
                failure.notes.extend(seen.iter().map(|note| self.events.clean(note)));
            }
            failure
        });
        StepError { failure, ..error }
    }
}

/// What the condition read of the last answer, in words. Texts of a body are not quoted, for they may be secret; what is
/// kept as an output and not marked as secret is.
fn what_was_seen(until: &Until, record: &StepRecord, last: &Settled) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for reference in until.condition.expression().references() {
        let Some(value) = value_of(reference, record, last) else { continue };
        let note = format!("`{}` was {value}", reference.path());
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

fn value_of(reference: &Reference, record: &StepRecord, last: &Settled) -> Option<String> {
    match (reference.name(0)?, reference.name(1)) {
        ("row_count", None) => Some(record.row_count?.to_string()),
        ("response", Some("status")) => last.status.map(|status| status.to_string()),
        ("response", Some("body")) => match member(&last.answer.as_ref()?.body, reference, 2) {
            Json::String(_) => Some("a text".to_owned()),
            value => quoted(value),
        },
        ("outputs", Some(name)) => match record.outputs.iter().find(|(known, _)| known == name) {
            Some((_, Data::Json(value))) => quoted(member(value, reference, 2)),
            _ => None,
        },
        _ => None,
    }
}

/// What a reference finds in a value from its `depth`-th name on; null where there is nothing.
fn member<'v>(value: &'v Json, reference: &Reference, depth: usize) -> &'v Json {
    let names = reference.segments.iter().skip(depth);
    names.fold(value, |value, segment| value.get(&segment.name).unwrap_or(&Json::Null))
}

fn quoted(value: &Json) -> Option<String> {
    match value {
        Json::Array(_) | Json::Object(_) => None,
        value => {
            let text = value.to_string();
            let is_short = text.chars().count() <= MOST_QUOTED;
            Some(if is_short { text } else { "a long text".to_owned() })
        }
    }
}
