//! One step of a list: its condition, its loop, and what it does.

use super::core::{Engine, moment};
use super::error::StepError;
use super::failure::{Trouble, interruption_words};
use super::limits::{Interruption, TimeLimit};
use super::outputs::{self, Outputs};
use super::references::steps_built_upon;
use super::rows;
use super::save::{SavedFile, partial_name};
use super::scope::StepRecord;
use super::stage::Stage;
use super::tally::Tally;
use super::value::Value;
use crate::document::{OnError, Tree};
use crate::event::{EventKind, Failure, FileNote, StepNote, StepResult, StepStatus};
use crate::model::exit::Cause;
use crate::model::words::counted;
use crate::plan::{Group, Loop, PlannedRequest, PlannedSave, PlannedStep, StepKind};
use crate::template::{Data, SharedJson};
use futures_util::future::{FutureExt, LocalBoxFuture};
use serde_json::Value as Json;
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
    /// Does the steps of a list in their order, up to the first that fails.
    pub fn steps<'s>(&'s self, steps: &'a [PlannedStep], stage: &'s Stage) -> LocalBoxFuture<'s, Flow>
    where
        'a: 's,
    {
        async move {
            for step in steps {
                if self.step(step, stage).await == Flow::Stop {
                    return Flow::Stop;
                }
            }
            Flow::On
        }
        .boxed_local()
    }

    /// Does a step and tells how it ended.
    pub async fn step(&self, step: &'a PlannedStep, stage: &Stage) -> Flow {
        if let Err(interruption) = stage.limits.check(self.world) {
            self.stop_before(step, stage, interruption);
            return Flow::Stop;
        }
        if let Some(unknown) = self.unknown_base(step, stage) {
            let detail = format!("builds upon `{unknown}`, of which nobody knows whether it was done");
            self.leave_out(step, stage, StepStatus::NotStarted, Some(detail));
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

    /// The step of which nobody knows whether it was done, and which this one builds upon. Cleanup is done all the same:
    /// what may have been done is to be undone.
    fn unknown_base<'s>(&self, step: &'s PlannedStep, stage: &Stage) -> Option<&'s str> {
        match stage.is_cleanup {
            true => None,
            false => self.course.first_unknown(steps_built_upon(step)),
        }
    }

    /// Tells of a step that is not done at all.
    pub fn leave_out(&self, step: &PlannedStep, stage: &Stage, status: StepStatus, detail: Option<String>) {
        let is_skipped = status == StepStatus::Skipped;
        stage.frame.record(step, StepRecord { is_skipped, ..StepRecord::default() });
        let tally = Tally { detail, ..Tally::default() };
        self.emit_finished(self.note(step, stage), status, tally, Duration::ZERO, None);
    }

    /// The run ends before this step. The reason is told once.
    fn stop_before(&self, step: &PlannedStep, stage: &Stage, interruption: Interruption) {
        self.leave_out(step, stage, StepStatus::NotStarted, None);
        let (cause, why) = interruption_words(interruption);
        match (stage.is_cleanup, interruption.ends_run()) {
            (true, _) => self.course.fail(Cause::Cleanup),
            (false, true) if !self.course.has_failed_for(cause) => {
                let headline = format!("{why} before `{}`", step.label());
                let trouble = Trouble::new(cause, headline).advice(self.course.rerun_advice());
                self.course.fail_without_step(trouble.into_failure(
                    self.events,
                    self.sources,
                    Some(step.span),
                ));
            }
            (false, _) => {}
        }
    }

    fn conclude_step(
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
                let status = if record.is_skipped { StepStatus::Skipped } else { StepStatus::Done };
                stage.frame.record(step, record);
                self.emit_finished(note, status, tally, took, None);
                return Flow::On;
            }
            Err(error) => self.placed(error, step.span),
        };
        let status = if error.is_unknown { StepStatus::Unknown } else { StepStatus::Failed };
        if error.is_unknown {
            self.course.note_unknown(step.id.as_deref());
        }
        if let Some(failure) = &error.failure {
            self.course.fail(if stage.is_cleanup { Cause::Cleanup } else { failure.cause });
        }
        self.emit_finished(note, status, tally, took, error.failure.map(|failure| *failure));
        match step.on_error {
            OnError::Continue if !error.is_interruption => Flow::On,
            _ => Flow::Stop,
        }
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
        let mut file = self.begin_file(step, &stage).await?;
        let end = match &step.for_each {
            None => self.once(step, &stage, tally, &mut file).await,
            Some(repeated) => self.each_item(step, repeated, &stage, tally, &mut file).await,
        };
        let failed_items = tally.items.is_some_and(|(_, failed)| failed > 0);
        match file {
            Some(file) => self.end_file(file, end, failed_items, tally),
            None => end,
        }
    }

    async fn is_wanted(&self, step: &PlannedStep, stage: &Stage) -> Result<bool, StepError> {
        let Some(condition) = &step.condition else { return Ok(true) };
        let scope = self.scope(stage, &moment(self.world), &[condition.expression()]).await?;
        condition.holds(&scope).map_err(|error| self.evaluation_error(&error))
    }

    /// Does a step once: what it is there for.
    fn once<'s>(
        &'s self,
        step: &'a PlannedStep,
        stage: &'s Stage,
        tally: &'s mut Tally,
        file: &'s mut Option<SavedFile>,
    ) -> LocalBoxFuture<'s, Result<StepRecord, StepError>>
    where
        'a: 's,
    {
        match &step.kind {
            StepKind::Request(request) => {
                self.single_request(step, request, stage, tally, file).boxed_local()
            }
            StepKind::Group(group) => self.group(step, group, stage).boxed_local(),
            StepKind::Authenticate { provider, method, with, .. } => {
                self.authenticate(step, *provider, method.as_deref(), with, stage, tally).boxed_local()
            }
            StepKind::Logout { provider, .. } => self.log_out(*provider, stage, tally).boxed_local(),
            StepKind::Store { target, value } => self.store(step, target, value, stage, tally).boxed_local(),
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
        tally.detail = record.status.filter(|_| record.row_count.is_none()).map(|status| status.to_string());
        Ok(record)
    }

    /// Does the steps of a group. What they leave behind is seen inside of it only.
    async fn group(
        &self,
        step: &'a PlannedStep,
        group: &'a Group,
        stage: &Stage,
    ) -> Result<StepRecord, StepError> {
        let frame = stage.frame.inner(&group.steps);
        self.cleanup.register(step, &frame);
        let inner = Stage { frame, depth: stage.depth + 1, ..stage.clone() };
        let unknown_before = self.course.unknown();
        if self.steps(&group.steps, &inner).await == Flow::Stop {
            return Err(StepError::reported(self.course.unknown() > unknown_before));
        }
        let expressions: Vec<_> =
            group.outputs.iter().flat_map(|(_, template)| template.expressions()).collect();
        let scope = self.scope(&inner, &moment(self.world), &expressions).await?;
        let mut outputs = Outputs::new();
        for (name, template) in &group.outputs {
            let value = Value::of_template(template, &scope, self.events.redactor());
            let value = value.map_err(|error| self.evaluation_error(&error))?;
            outputs.push((name.clone(), value.into_data()));
        }
        Ok(StepRecord { has_succeeded: true, outputs, ..StepRecord::default() })
    }

    /// Does a step for each item, in their order.
    async fn each_item(
        &self,
        step: &'a PlannedStep,
        repeated: &'a Loop,
        stage: &Stage,
        tally: &mut Tally,
        file: &mut Option<SavedFile>,
    ) -> Result<StepRecord, StepError> {
        let items = self.items(step, &repeated.over, stage).await?;
        let count = items.len();
        tally.items = Some((count, 0));
        tally.rows = reads_rows(step).then_some(0);
        let unknown_before = self.course.unknown();
        let mut brought = Brought::default();
        for (index, item) in items.into_iter().enumerate() {
            stage.limits.check(self.world).map_err(|interruption| {
                self.interrupted(interruption, &format!("item {} of {count}", index + 1))
            })?;
            let rows = tally.rows.unwrap_or(0);
            self.events.emit(EventKind::StepProgress { page: None, item: Some((index + 1, count)), rows });
            let item_stage = stage.of_item(&repeated.item_name, item, index + 1);
            match self.item(step, &item_stage, tally, file).await {
                Ok(record) => brought.add(Some(record)),
                Err(flow) => {
                    tally.items = tally.items.map(|(count, failed)| (count, failed + 1));
                    if flow == Flow::Stop {
                        return Err(StepError::reported(self.course.unknown() > unknown_before));
                    }
                    brought.add(None);
                }
            }
        }
        match tally.items {
            Some((_, failed)) if failed > 0 => {
                stage.frame.record(step, brought.into_record(step, tally.rows, false));
                Err(StepError::reported(self.course.unknown() > unknown_before))
            }
            _ => Ok(brought.into_record(step, tally.rows, true)),
        }
    }

    /// Does a step for one item and tells how that ended. `Err`: it failed, and whether the next item follows.
    async fn item(
        &self,
        step: &'a PlannedStep,
        stage: &Stage,
        loop_tally: &mut Tally,
        file: &mut Option<SavedFile>,
    ) -> Result<StepRecord, Flow> {
        // Until the item has brought something, its cleanup is to see nothing, rather than the lists of the loop.
        stage.frame.record(step, StepRecord::default());
        let note = self.note(step, stage);
        self.events.emit(EventKind::StepStarted { step: note.clone() });
        let started = self.world.clock.elapsed();
        let mut tally = Tally::default();
        let end = self.once(step, stage, &mut tally, file).await;
        loop_tally.add(&tally);
        let took = self.world.clock.elapsed().saturating_sub(started);
        let record = end.as_ref().ok().cloned();
        let flow = self.conclude_step(step, stage, note, end, tally, took);
        record.ok_or(flow)
    }

    async fn items(&self, step: &PlannedStep, over: &Tree, stage: &Stage) -> Result<Vec<Data>, StepError> {
        let expressions: Vec<_> =
            over.templates().into_iter().flat_map(|template| template.expressions()).collect();
        let scope = self.scope(stage, &moment(self.world), &expressions).await?;
        let list = Value::of_tree(over, &scope, self.events.redactor());
        let list = list.map_err(|error| self.evaluation_error(&error))?;
        let Json::Array(items) = list.json else {
            let headline = format!("`{}` loops over {}, not a list", step.label(), rows::kind(&list.json));
            return Err(self.error(Trouble::new(Cause::Step, headline).at(over.span)));
        };
        let items = items.into_iter().map(|json| {
            let (secrets, unknown) = (list.secrets.clone(), list.unknown.clone());
            Value { json, secrets, unknown }.into_data()
        });
        Ok(items.collect())
    }

    async fn begin_file(&self, step: &PlannedStep, stage: &Stage) -> Result<Option<SavedFile>, StepError> {
        let StepKind::Request(request) = &step.kind else { return Ok(None) };
        let Some(PlannedSave { file, form, .. }) = &request.save else { return Ok(None) };
        let expressions: Vec<_> = file.expressions().collect();
        let scope = self.scope(stage, &moment(self.world), &expressions).await?;
        let path = file.evaluate(&scope).map_err(|error| self.evaluation_error(&error))?;
        let path = path.value.as_str().unwrap_or_default().to_owned();
        let created = SavedFile::create(&*self.world.output, path.as_ref(), *form);
        created.map(Some).map_err(|error| self.file_error(path.as_ref(), &error))
    }

    /// Gives the file its name if all is in it; else what is there stays as `FILE.partial`, and the failure says so.
    fn end_file(
        &self,
        file: SavedFile,
        end: Result<StepRecord, StepError>,
        has_failed_items: bool,
        tally: &mut Tally,
    ) -> Result<StepRecord, StepError> {
        let path = file.path().to_owned();
        if end.is_ok() && !has_failed_items {
            file.commit().map_err(|error| self.file_error(&path, &error))?;
            let path = self.events.clean(path.display().to_string());
            tally.file = Some(FileNote { path, is_complete: true });
            return end;
        }
        let has_content = file.has_content();
        file.leave_partial().map_err(|error| self.file_error(&path, &error))?;
        if !has_content {
            return end;
        }
        let name = partial_name(&path);
        tally.file = Some(FileNote { path: self.events.clean(&name), is_complete: false });
        end.map_err(|error| self.with_partial(error, &name, tally))
    }

    fn with_partial(&self, error: StepError, name: &str, tally: &Tally) -> StepError {
        let Some(mut failure) = error.failure else { return error };
        let what = match (tally.rows, tally.pages) {
            (Some(rows), Some(pages)) => {
                format!("{} of {}", counted(rows, "row"), counted(pages.into(), "page"))
            }
            (Some(rows), None) => counted(rows, "row"),
            (None, _) => "what came before".to_owned(),
        };
        let first = failure.advice.take().map(|advice| format!("{advice}. ")).unwrap_or_default();
        failure.advice = Some(self.events.clean(format!("{first}{what} are in {name}")));
        StepError { failure: Some(failure), ..error }
    }

    fn note(&self, step: &PlannedStep, stage: &Stage) -> StepNote {
        let label = step.label();
        let name = step.name.as_ref().filter(|name| **name != label);
        StepNote {
            key: step.key.0,
            depth: stage.depth,
            name: name.map(|name| self.events.clean(name)),
            label: self.events.clean(label),
            item: stage.item,
            is_cleanup: stage.is_cleanup,
        }
    }

    fn emit_finished(
        &self,
        step: StepNote,
        status: StepStatus,
        tally: Tally,
        took: Duration,
        failure: Option<Failure>,
    ) {
        let result = StepResult {
            status,
            detail: tally.detail.map(|detail| self.events.clean(detail)),
            rows: tally.rows,
            pages: tally.pages,
            items: tally.items,
            file: tally.file,
            requests: tally.requests,
            retries: tally.retries,
            took,
            failure,
        };
        self.events.emit(EventKind::StepFinished { step, result: Box::new(result) });
    }
}

fn reads_rows(step: &PlannedStep) -> bool {
    matches!(&step.kind, StepKind::Request(request) if request.rows.are_read)
}

/// What the items of a loop have brought so far.
#[derive(Default)]
struct Brought {
    outputs: Vec<Option<Outputs>>,
    rows: Vec<SharedJson>,
    status: Option<u16>,
}

impl Brought {
    /// Adds an item; `None` = it failed.
    fn add(&mut self, item: Option<StepRecord>) {
        let Some(record) = item else { return self.outputs.push(None) };
        self.outputs.push(Some(record.outputs));
        self.rows.extend(record.rows);
        self.status = record.status;
    }

    fn into_record(self, step: &PlannedStep, row_count: Option<u64>, has_succeeded: bool) -> StepRecord {
        let names: Vec<&str> = match &step.kind {
            StepKind::Request(request) => request.outputs.iter().map(|output| output.name.as_str()).collect(),
            StepKind::Group(group) => group.outputs.iter().map(|(name, _)| name.as_str()).collect(),
            _ => Vec::new(),
        };
        StepRecord {
            has_succeeded,
            is_skipped: false,
            status: self.status,
            outputs: outputs::of_items(&names, &self.outputs),
            rows: row_count.map(|_| SharedJson::concat(self.rows)),
            row_count,
        }
    }
}
