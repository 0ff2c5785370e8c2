//! A step that is done once for each item of a list.

use super::core::Engine;
use super::error::StepError;
use super::items::{Item, digest};
use super::outputs::{self, Outputs};
use super::references::{asks_for_moment, reads_of_steps};
use super::rows;
use super::save::SavedFile;
use super::scope::StepRecord;
use super::stage::Stage;
use super::step::Flow;
use super::tally::Tally;
use crate::document::Tree;
use crate::event::{EventKind, FailureDraft, ItemCounts};
use crate::exchange::Value;
use crate::model::exit::Cause;
use crate::plan::{Loop, PlannedStep, StepKind};
use crate::template::SharedJson;
use serde_json::Value as Json;

impl<'a> Engine<'a> {
    /// Does a step for each item, in their order.
    ///
    /// # Errors
    /// When an item fails; what went wrong was told with the item.
    pub async fn each_item(
        &self,
        step: &'a PlannedStep,
        repeated: &'a Loop,
        stage: &Stage,
        tally: &mut Tally,
        file: &mut Option<SavedFile>,
    ) -> Result<StepRecord, StepError> {
        let items = self.items(step, &repeated.over, stage).await?;
        let is_list_anew = stage.is_list_anew || self.may_be_read_anew(&repeated.over);
        let count = items.len();
        let mut counts = ItemCounts { all: count, failed: 0, skipped: 0, not_started: 0 };
        tally.items = Some(counts);
        tally.rows = reads_rows(step).then_some(0);
        let unknown_before = self.course.unknown();
        let mut brought = Brought::default();
        let mut stopped = self.refuse_shortened_list(step, stage, count).err();
        let mut is_over = stage.is_over || stopped.is_some();
        let mut reached = 0;
        for (index, Item { data, digest }) in items.into_iter().enumerate() {
            if !is_over && let Err(interruption) = stage.limits.check(self.world) {
                let what = format!("item {} of {count}", index + 1);
                stopped = Some(self.interrupted(interruption, &what));
                is_over = true;
            }
            if is_over && self.taken_up.is_none() {
                break;
            }
            reached += 1;
            let rows = tally.rows.unwrap_or(0);
            self.events.emit(EventKind::StepProgress {
                page: None,
                item: Some((index + 1, count)),
                round: None,
                rows,
            });
            let item_stage = stage.of_item(&repeated.item_name, data, index + 1);
            let item_stage = Stage { is_list_anew, is_over, ..item_stage };
            match self.item(step, &item_stage, digest.as_deref(), tally, file).await {
                Ok((record, is_idle)) => {
                    counts.skipped += usize::from(is_idle);
                    tally.items = Some(counts);
                    brought.add(Some(record));
                }
                Err(Miss { flow, is_not_begun }) => {
                    counts.failed += usize::from(!is_not_begun);
                    counts.not_started += usize::from(is_not_begun);
                    tally.items = Some(counts);
                    brought.add(None);
                    is_over |= flow == Flow::Stop;
                }
            }
        }
        // All are accounted for, those behind the end of the loop too.
        tally.items = Some(ItemCounts { not_started: counts.not_started + count - reached, ..counts });
        tally.is_idle = count > 0 && counts.skipped == count;
        if stopped.is_none() && counts.not_started > 0 && counts.not_started + counts.skipped == count {
            return Err(StepError::not_begun());
        }
        if stopped.is_none() && counts.failed + counts.not_started == 0 {
            return Ok(brought.into_record(step, tally.rows, true));
        }
        // Cleanup needs what the items before the last one have made, whatever ended the loop.
        stage.frame.record(step, brought.into_record(step, tally.rows, false));
        Err(stopped.unwrap_or_else(|| StepError::reported(self.course.unknown() > unknown_before)))
    }

    /// Does a step for one item and tells how that ended. Returns what it left behind, and whether nothing was done for it.
    ///
    /// # Errors
    /// When it failed or was not begun.
    async fn item(
        &self,
        step: &'a PlannedStep,
        stage: &Stage,
        digest: Option<&str>,
        loop_tally: &mut Tally,
        file: &mut Option<SavedFile>,
    ) -> Result<(StepRecord, bool), Miss> {
        // Until the item has brought something, its cleanup is to see nothing, rather than the lists of the loop.
        stage.frame.record(step, StepRecord::default());
        let note = self.note(step, stage);
        self.events.emit(EventKind::StepStarted { step: note.clone() });
        let started = self.world.clock.elapsed();
        let mut tally = Tally::default();
        let end = match self.refuse_changed_item(step, stage, digest).await {
            Ok(()) => self.once(step, stage, &mut tally, file).await,
            Err(changed) => Err(changed),
        };
        loop_tally.add(&tally);
        let took = self.world.clock.elapsed().saturating_sub(started);
        let done = end.as_ref().ok().map(|record| (record.clone(), tally.is_idle));
        let is_not_begun = end.as_ref().is_err_and(|error| error.is_not_begun);
        let flow = self.conclude_step(step, stage, note, end, tally, took);
        done.ok_or(Miss { flow, is_not_begun })
    }

    /// Whether a list is made of what steps brought, one of which was read anew.
    fn may_be_read_anew(&self, over: &Tree) -> bool {
        let expressions = || over.templates().into_iter().flat_map(|template| template.expressions());
        self.course.has_read_anew() && reads_of_steps(expressions()).next().is_some()
    }

    /// The list that a loop goes over.
    ///
    /// # Errors
    /// When it cannot be made, or is no list.
    pub async fn items(
        &self,
        step: &PlannedStep,
        over: &Tree,
        stage: &Stage,
    ) -> Result<Vec<Item>, StepError> {
        let expressions: Vec<_> =
            over.templates().into_iter().flat_map(|template| template.expressions()).collect();
        let moment = self.moment(step, stage, asks_for_moment(&expressions)).await?;
        let scope = self.scope(stage, &moment, &expressions).await?;
        let list = Value::of_tree(over, &scope, self.events.redactor());
        let list = list.map_err(|error| self.evaluation_error(&error))?;
        let Json::Array(items) = list.json else {
            let headline = format!("`{}` loops over {}, not a list", step.label(), rows::kind(&list.json));
            return Err(self.error(FailureDraft::new(Cause::Step, headline).at(over.span)));
        };
        let redactor = self.events.redactor();
        let items = items.into_iter().map(|json| {
            let digest = if list.secrets.is_empty() { digest(&json, redactor) } else { None };
            let (secrets, unknown) = (list.secrets.clone(), list.unknown.clone());
            Item { data: Value { json, secrets, unknown }.into_data(), digest }
        });
        Ok(items.collect())
    }
}

fn reads_rows(step: &PlannedStep) -> bool {
    matches!(&step.kind, StepKind::Request(request) if request.rows.are_read)
}

/// An item that has brought nothing.
struct Miss {
    /// Whether the next item follows.
    flow: Flow,
    /// It has not failed: nothing of it was begun.
    is_not_begun: bool,
}

/// What the items of a loop have brought so far.
#[derive(Default)]
struct Brought {
    outputs: Vec<Option<Outputs>>,
    rows: Vec<SharedJson>,
    status: Option<u16>,
    unknown_base: Option<String>,
}

impl Brought {
    /// Adds an item; `None` = it failed.
    fn add(&mut self, item: Option<StepRecord>) {
        let Some(record) = item else { return self.outputs.push(None) };
        self.outputs.push(Some(record.outputs));
        self.rows.extend(record.rows);
        self.status = record.status;
        self.unknown_base = self.unknown_base.take().or(record.unknown_base);
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
            unknown_base: self.unknown_base,
        }
    }
}
