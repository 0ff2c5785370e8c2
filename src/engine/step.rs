//! One step of a list: its condition, its loop, and what it does.

use super::core::Engine;
use super::error::StepError;
use super::failure::interruption_words;
use super::limits::{Interruption, TimeLimit};
use super::outputs::Outputs;
use super::references::{asks_for_moment, steps_built_upon};
use super::save::SavedFile;
use super::scope::StepRecord;
use super::stage::Stage;
use super::tally::Tally;
use crate::document::OnError;
use crate::event::{EventKind, Failure, FailureDraft, StepNote, StepResult, StepStatus};
use crate::exchange::Value;
use crate::model::exit::Cause;
use crate::plan::{Group, PlannedRequest, PlannedStep, StepKind};
use crate::template::{Moment, json_to_text};
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::time::Duration;

/// Whether a list of steps goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// With the next step.
    On,
    /// Not at all: a step has failed.
    Stop,
}

impl<'a> Engine<'a> {
    /// Does the steps of a list in their order, up to the first that fails; the others are told as not started. What an
    /// earlier process has done of them is found all the same, to be undone.
    pub fn steps<'s>(&'s self, steps: &'a [PlannedStep], stage: &'s Stage) -> LocalBoxFuture<'s, Flow>
    where
        'a: 's,
    {
        async move {
            let mut flow = Flow::On;
            for step in steps {
                match flow {
                    Flow::On => flow = self.step(step, stage).await,
                    Flow::Stop => self.not_begin(step, stage).await,
                }
            }
            flow
        }
        .boxed_local()
    }

    /// Does a step and tells how it ended.
    pub async fn step(&self, step: &'a PlannedStep, stage: &Stage) -> Flow {
        if let Some(interruption) = stage.limits.check(self.world).err().filter(|_| !stage.is_over) {
            self.not_begin(step, stage).await;
            self.tell_end_before(step, stage, interruption);
            return Flow::Stop;
        }
        if let Some(base) = unknown_base(step, stage) {
            let detail = format!("builds upon `{base}`, of which nobody knows whether it was done");
            self.leave_out(step, stage, StepStatus::NotStarted, Some(detail));
            stage.frame.note_unknown(step, &base);
            return Flow::On;
        }
        let note = self.note(step, stage);
        self.events.emit(EventKind::StepStarted { step: note.clone() });
        let started = self.world.clock.elapsed();
        let mut tally = Tally::default();
        let end = self.perform(step, stage, &mut tally).await;
        let took = self.world.clock.elapsed().saturating_sub(started);
        self.conclude_step(step, stage, note, end, tally, took)
    }

    /// Does not begin a step. What an earlier process has done of it is found, to be undone.
    pub async fn not_begin(&self, step: &'a PlannedStep, stage: &Stage) {
        match self.taken_up {
            Some(_) if !stage.is_cleanup => drop(self.step(step, &stage.over()).boxed_local().await),
            _ => self.leave_out(step, stage, StepStatus::NotStarted, None),
        }
    }

    /// Tells of a step that is not done at all.
    pub fn leave_out(&self, step: &PlannedStep, stage: &Stage, status: StepStatus, detail: Option<String>) {
        let is_skipped = status == StepStatus::Skipped;
        stage.frame.record(step, StepRecord { is_skipped, ..StepRecord::default() });
        let tally = Tally { detail, ..Tally::default() };
        self.emit_finished(self.note(step, stage), status, tally, Duration::ZERO, None);
    }

    /// The time of the run, of a step around this one or of its cleanup ends before this step. What ends the run is told
    /// once.
    fn tell_end_before(&self, step: &PlannedStep, stage: &Stage, interruption: Interruption) {
        let (cause, why) = interruption_words(interruption);
        if interruption.ends_run() && self.course.has_failed_for(cause) {
            return;
        }
        let headline = format!("{why} before `{}`", step.label());
        let trouble = match stage.is_cleanup {
            true => FailureDraft::new(Cause::Cleanup, headline)
                .advice("look at what is left, and undo it by hand"),
            false => FailureDraft::new(cause, headline).advice(self.rerun_advice()),
        };
        let failure = trouble.into_failure(self.events, self.sources, Some(step.span));
        self.course.fail_without_step(failure);
    }

    /// Tells how a step or an item of its loop ended, and keeps what it has brought. Returns whether the list goes on.
    pub fn conclude_step(
        &self,
        step: &'a PlannedStep,
        stage: &Stage,
        note: StepNote,
        end: Result<StepRecord, StepError>,
        tally: Tally,
        took: Duration,
    ) -> Flow {
        let error = match end {
            Ok(record) => {
                let is_skipped = record.is_skipped || tally.is_idle;
                let status = if is_skipped { StepStatus::Skipped } else { StepStatus::Done };
                if !is_skipped {
                    self.course.note_performed();
                }
                stage.frame.record(step, record);
                self.emit_finished(note, status, tally, took, None);
                return Flow::On;
            }
            // What is over has failed before: that something cannot be found out now is no news.
            Err(error) if error.is_not_begun || stage.is_over && !error.is_unknown => {
                let tells_why = stage.item.is_none() && !stage.is_over;
                let detail = tells_why.then(|| "nothing more is sent there".to_owned());
                stage.frame.record(step, StepRecord::default());
                self.emit_finished(note, StepStatus::NotStarted, Tally { detail, ..tally }, took, None);
                return match stage.is_over || step.on_error == OnError::Continue {
                    true => Flow::On,
                    false => Flow::Stop,
                };
            }
            Err(error) => self.placed(self.naming_item(error, step, stage), step.span),
        };
        self.course.note_performed();
        let status = if error.is_unknown { StepStatus::Unknown } else { StepStatus::Failed };
        if error.is_unknown {
            self.course.note_unknown();
            stage.frame.note_unknown(step, &step.label());
        }
        if let Some(failure) = &error.failure {
            let is_mere_cleanup = stage.is_cleanup && !error.is_unknown;
            self.course.fail(if is_mere_cleanup { Cause::Cleanup } else { failure.cause });
        }
        self.emit_finished(note, status, tally, took, error.failure.map(|failure| *failure));
        // What one item of cleanup leaves is no reason to leave the next one.
        let goes_on = step.on_error == OnError::Continue || stage.is_cleanup && stage.loop_item.is_some();
        if goes_on && !error.is_interruption { Flow::On } else { Flow::Stop }
    }

    /// Adds the item to what nobody knows: each is to be looked at by itself.
    fn naming_item(&self, mut error: StepError, step: &PlannedStep, stage: &Stage) -> StepError {
        if let Some(failure) = error.failure.as_mut().filter(|_| error.is_unknown && stage.item.is_some()) {
            let place = self.places.of_step(step, stage);
            failure.headline = self.events.clean(format!("`{place}`: {}", failure.headline));
        }
        error
    }

    /// Does a step, once or for each item.
    async fn perform(
        &self,
        step: &'a PlannedStep,
        stage: &Stage,
        tally: &mut Tally,
    ) -> Result<StepRecord, StepError> {
        if !self.is_wanted(step, stage).await? {
            return Ok(StepRecord { is_skipped: true, ..StepRecord::default() });
        }
        let within = step.within.map(TimeLimit::Within);
        let stage = Stage { limits: stage.limits.within(&*self.world.clock, within), ..stage.clone() };
        // What goes into a file is done as a whole, or anew: half of the file would be lost otherwise.
        match saves(step) {
            true => {
                self.in_journal(step, &stage, tally, async |tally| self.saved(step, &stage, tally).await)
                    .await
            }
            false => self.all_items(step, &stage, tally, &mut None).await,
        }
    }

    async fn saved(
        &self,
        step: &'a PlannedStep,
        stage: &Stage,
        tally: &mut Tally,
    ) -> Result<StepRecord, StepError> {
        let mut file = self.begin_file(step, stage).await?;
        let end = self.all_items(step, stage, tally, &mut file).await;
        match file {
            Some(file) => self.end_file(file, end, tally),
            None => end,
        }
    }

    async fn all_items(
        &self,
        step: &'a PlannedStep,
        stage: &Stage,
        tally: &mut Tally,
        file: &mut Option<SavedFile>,
    ) -> Result<StepRecord, StepError> {
        match &step.for_each {
            None => self.once(step, stage, tally, file).await,
            Some(repeated) => self.each_item(step, repeated, stage, tally, file).await,
        }
    }

    async fn is_wanted(&self, step: &PlannedStep, stage: &Stage) -> Result<bool, StepError> {
        let Some(condition) = &step.condition else { return Ok(true) };
        // What was decided once is not decided anew: it was done, and is to be undone.
        if self.taken_up.is_some_and(|taken_up| taken_up.writes.are_of(&self.places.of_step(step, stage))) {
            return Ok(true);
        }
        let expressions = [condition.expression()];
        let moment = self.moment(step, stage, asks_for_moment(&expressions)).await?;
        let scope = self.scope(stage, &moment, &expressions).await?;
        condition.holds(&scope).map_err(|error| self.evaluation_error(&error))
    }

    /// Does a step once: what it is there for.
    pub fn once<'s>(
        &'s self,
        step: &'a PlannedStep,
        stage: &'s Stage,
        tally: &'s mut Tally,
        file: &'s mut Option<SavedFile>,
    ) -> LocalBoxFuture<'s, Result<StepRecord, StepError>>
    where
        'a: 's,
    {
        // A request says itself whether it may have been done, and a group leaves that to its steps.
        if !matches!(step.kind, StepKind::Request(_) | StepKind::Group(_)) {
            if stage.is_over {
                return async { Err(StepError::not_begun()) }.boxed_local();
            }
            self.course.note_deed();
        }
        match &step.kind {
            StepKind::Request(request) if saves(step) => {
                self.single_request(step, request, stage, tally, file).boxed_local()
            }
            StepKind::Request(request) => {
                let work = async |tally: &mut Tally| {
                    self.single_request(step, request, stage, tally, &mut None).await
                };
                self.in_journal(step, stage, tally, work).boxed_local()
            }
            StepKind::Group(group) => self.group(step, group, stage, tally).boxed_local(),
            StepKind::Authenticate { provider, method, with, .. } => {
                self.authenticate(step, *provider, method.as_deref(), with, stage, tally).boxed_local()
            }
            StepKind::Logout { provider, .. } => self.log_out(*provider, tally).boxed_local(),
            StepKind::Store { target, value } => {
                let work = async |tally: &mut Tally| self.store(step, target, value, stage, tally).await;
                self.in_journal(step, stage, tally, work).boxed_local()
            }
        }
    }

    async fn single_request(
        &self,
        step: &'a PlannedStep,
        request: &'a PlannedRequest,
        stage: &Stage,
        tally: &mut Tally,
        file: &mut Option<SavedFile>,
    ) -> Result<StepRecord, StepError> {
        let record = self.request(step, request, stage, tally, file).await?;
        let status = record.status.filter(|_| record.row_count.is_none()).map(|status| status.to_string());
        tally.detail = if tally.is_verified { Some("done, says `verify`".to_owned()) } else { status };
        Ok(record)
    }

    /// Does the steps of a group. What they leave behind is seen inside of it only.
    async fn group(
        &self,
        step: &'a PlannedStep,
        group: &'a Group,
        stage: &Stage,
        tally: &mut Tally,
    ) -> Result<StepRecord, StepError> {
        let frame = stage.frame.inner(&group.steps);
        let registration = self.register_cleanup(step, stage, &frame);
        let within = self.places.within(step, stage).into();
        let inner = Stage { frame, depth: stage.depth + 1, within, loop_item: None, ..stage.clone() };
        let (unknown_before, deeds_before) = (self.course.unknown(), self.course.deeds());
        let (performed_before, not_begun_before) = (self.course.performed(), self.course.not_begun());
        let flow = self.steps(&group.steps, &inner).await;
        if self.course.deeds() == deeds_before {
            self.cleanup.drop(registration);
        }
        let is_idle = self.course.performed() == performed_before;
        if is_idle && self.course.not_begun() > not_begun_before {
            return Err(StepError::not_begun());
        }
        if flow == Flow::Stop {
            return Err(StepError::reported(self.course.unknown() > unknown_before));
        }
        tally.is_idle = is_idle;
        let expressions: Vec<_> =
            group.outputs.iter().flat_map(|(_, template)| template.expressions()).collect();
        let moment = self.moment(step, stage, asks_for_moment(&expressions)).await?;
        let scope = self.scope(&inner, &moment, &expressions).await?;
        let mut outputs = Outputs::new();
        for (name, template) in &group.outputs {
            let value = Value::of_template(template, &scope, self.events.redactor());
            let value = value.map_err(|error| self.evaluation_error(&error))?;
            outputs.push((name.clone(), value.into_data()));
        }
        let unknown_base = unknown_base(step, &inner);
        Ok(StepRecord { has_succeeded: true, outputs, unknown_base, ..StepRecord::default() })
    }

    /// The step as events name it.
    pub fn note(&self, step: &PlannedStep, stage: &Stage) -> StepNote {
        let label = step.label();
        let name = step.name.as_ref().filter(|name| **name != label);
        let as_sent = stage.is_cleanup.then(|| self.label_as_sent(step, stage)).flatten();
        StepNote {
            key: step.key.0,
            depth: stage.depth,
            name: name.map(|name| self.events.clean(name)),
            label: self.events.clean(as_sent.unwrap_or(label)),
            item: stage.item,
            is_cleanup: stage.is_cleanup,
        }
    }

    /// What a step is called that has nothing but its request, as far as that is known before it is sent: each round of a
    /// loop leaves its own to the cleanup.
    fn label_as_sent(&self, step: &PlannedStep, stage: &Stage) -> Option<String> {
        let StepKind::Request(request) = &step.kind else { return None };
        let has_name = step.id.is_some() || step.name.is_some() || request.operation.is_some();
        let path = request.path.template();
        let expressions: Vec<_> = path.expressions().collect();
        if has_name || expressions.is_empty() || asks_for_moment(&expressions) {
            return None;
        }
        let scope = self.names.scope(&Moment::of(self.world), &stage.frame, None);
        let path = Value::of_template(path, &scope, self.events.redactor()).ok()?;
        let is_plain = path.secrets.is_empty() && path.unknown.is_empty();
        let path = json_to_text(&path.json).filter(|_| is_plain)?;
        Some(format!("{} {path}", request.method))
    }

    fn emit_finished(
        &self,
        step: StepNote,
        status: StepStatus,
        tally: Tally,
        took: Duration,
        failure: Option<Failure>,
    ) {
        if step.depth == 0 && step.item.is_none() {
            self.course.note_told(step.key);
        }
        let result = StepResult {
            status,
            detail: tally.detail.map(|detail| self.events.clean(detail)),
            rows: tally.rows,
            pages: tally.pages,
            rounds: tally.rounds,
            items: tally.items,
            file: tally.file,
            is_restored: tally.is_restored,
            requests: tally.requests,
            retries: tally.retries,
            took,
            failure,
        };
        self.events.emit(EventKind::StepFinished { step, result: Box::new(result) });
    }
}

fn saves(step: &PlannedStep) -> bool {
    matches!(&step.kind, StepKind::Request(request) if request.save.is_some())
}

/// The step of which nobody knows whether it was done, and which this one builds upon. Cleanup is done all the same: what
/// may have been done is to be undone.
fn unknown_base(step: &PlannedStep, stage: &Stage) -> Option<String> {
    match stage.is_cleanup {
        true => None,
        false => stage.frame.unknown_base(steps_built_upon(step)),
    }
}
