//! What templates see during a run: the playbook's names, and what the steps have left behind.

use super::outputs;
use crate::plan::{PlannedStep, Scoped, TemplateScope};
use crate::template::{Data, Moment, Scope, SharedJson};
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// What a step has left behind.
#[derive(Clone, Default)]
pub struct StepRecord {
    /// It did what it should.
    pub has_succeeded: bool,
    /// Its `if` did not hold, or it was left out.
    pub is_skipped: bool,
    /// The status of its last answer.
    pub status: Option<u16>,
    /// Its outputs; one that never came is not there and reads as null.
    pub outputs: Vec<(String, Data)>,
    /// Its rows, if a template may ask for them.
    pub rows: Option<SharedJson>,
    /// How many rows there were.
    pub row_count: Option<u64>,
    /// The step of which nobody knows whether it was done, and which this one builds upon.
    pub unknown_base: Option<String>,
}

impl StepRecord {
    /// What expressions see as `steps.ID`. What is plain is shared: it is seen by many scopes, in a loop by one for each
    /// item.
    fn into_data(self) -> Data {
        let outputs = self.outputs.into_iter().map(|(name, data)| (name, shared(data))).collect();
        let rows = self.rows.map_or(Data::Json(Json::Null), Data::Shared);
        let entries = [
            ("succeeded", json!(self.has_succeeded).into()),
            ("skipped", json!(self.is_skipped).into()),
            ("status", json!(self.status).into()),
            ("outputs", Data::Map(outputs)),
            ("rows", rows),
            ("row_count", json!(self.row_count).into()),
        ];
        Data::Map(entries.map(|(name, data)| (name.to_owned(), data)).into())
    }
}

impl StepRecord {
    /// What an item of a loop has left behind, out of what the loop has.
    pub fn of_item(&self, index: usize) -> Self {
        let of_item = |(name, data): &(String, Data)| Some((name.clone(), outputs::of_item(data, index)?));
        Self {
            has_succeeded: self.has_succeeded,
            outputs: self.outputs.iter().filter_map(of_item).collect(),
            ..Self::default()
        }
    }
}

fn shared(data: Data) -> Data {
    match data {
        Data::Json(json) => Data::Shared(json.into()),
        data => data,
    }
}

/// One list of steps at work: what its steps have left behind, and the item if it is done for one. A frame sees the
/// frames around it. Cleanup keeps the frame of its step, so that it sees the end state of exactly that round.
pub struct Frame {
    outer: Option<Rc<Frame>>,
    item: Option<(String, Data)>,
    records: RefCell<HashMap<String, Kept>>,
}

/// What is kept of a step.
struct Kept {
    data: Data,
    unknown_base: Option<String>,
}

impl Kept {
    fn of(mut record: StepRecord) -> Self {
        let unknown_base = record.unknown_base.take();
        Self { data: record.into_data(), unknown_base }
    }
}

impl Frame {
    /// The frame of the playbook's own steps.
    pub fn outermost(steps: &[PlannedStep]) -> Rc<Self> {
        Self::build(None, None, steps)
    }

    /// A frame inside this one, for a group or a cleanup block.
    pub fn inner(self: &Rc<Self>, steps: &[PlannedStep]) -> Rc<Self> {
        Self::build(Some(self.clone()), None, steps)
    }

    /// A frame inside this one that knows an item of a loop by its name.
    pub fn of_item(self: &Rc<Self>, name: &str, item: Data) -> Rc<Self> {
        Self::build(Some(self.clone()), Some((name.to_owned(), item)), &[])
    }

    /// A step that has not run has not succeeded either, so each has a record from the beginning.
    fn build(outer: Option<Rc<Self>>, item: Option<(String, Data)>, steps: &[PlannedStep]) -> Rc<Self> {
        let ids = steps.iter().filter_map(|step| step.id.clone());
        let records = ids.map(|id| (id, Kept::of(StepRecord::default()))).collect();
        Rc::new(Self { outer, item, records: RefCell::new(records) })
    }

    /// Keeps what a step has left behind; a step without an id leaves nothing.
    pub fn record(&self, step: &PlannedStep, record: StepRecord) {
        self.keep(step, Kept::of(record));
    }

    /// As [`Frame::record`], for a step of which only the names are known.
    pub fn record_data(&self, step: &PlannedStep, data: Data) {
        self.keep(step, Kept { data, unknown_base: None });
    }

    fn keep(&self, step: &PlannedStep, kept: Kept) {
        if let Some(id) = &step.id {
            self.records.borrow_mut().insert(id.clone(), kept);
        }
    }

    /// Takes note that a step of this list builds upon one of which nobody knows whether it was done, or is that one.
    pub fn note_unknown(&self, step: &PlannedStep, base: &str) {
        let mut records = self.records.borrow_mut();
        if let Some(kept) = step.id.as_ref().and_then(|id| records.get_mut(id)) {
            kept.unknown_base = Some(base.to_owned());
        }
    }

    /// The first step of which nobody knows whether it was done, and which one of these builds upon.
    pub fn unknown_base<'s>(&self, steps: impl IntoIterator<Item = &'s str>) -> Option<String> {
        steps.into_iter().find_map(|id| self.unknown_base_of(id))
    }

    fn unknown_base_of(&self, id: &str) -> Option<String> {
        match (self.records.borrow().get(id), &self.outer) {
            (Some(kept), _) => kept.unknown_base.clone(),
            (None, Some(outer)) => outer.unknown_base_of(id),
            (None, None) => None,
        }
    }

    /// Gives a scope the names `steps` and those of all items.
    fn add_to(&self, scope: &mut Scope) {
        let mut steps = HashMap::new();
        self.collect(&mut steps, scope);
        scope.set("steps", Data::Map(steps.into_iter().collect()));
    }

    /// From the outermost frame to the innermost, so that what is nearer replaces what is farther.
    fn collect(&self, steps: &mut HashMap<String, Data>, scope: &mut Scope) {
        if let Some(outer) = &self.outer {
            outer.collect(steps, scope);
        }
        if let Some((name, item)) = &self.item {
            scope.set(name, item.clone());
        }
        steps.extend(self.records.borrow().iter().map(|(id, kept)| (id.clone(), kept.data.clone())));
    }
}

/// The names that hold for a whole run.
pub struct RunNames {
    /// `inputs`
    pub inputs: SharedJson,
    /// `secrets`, each under the name that people know it by; those that hold once are added where they are used.
    pub secrets: Vec<(String, Data)>,
    /// `run.id`
    pub run_id: Data,
    /// `run.started_at`
    pub started_at: Data,
}

impl RunNames {
    /// `run.id` as text.
    pub fn run_id_text(&self) -> String {
        match &self.run_id {
            Data::Json(Json::String(id)) => id.clone(),
            _ => String::new(),
        }
    }

    /// What templates in the sources of secrets see: the inputs.
    pub fn source_scope(&self, moment: &Moment) -> Scope {
        Scope::new(moment).with("inputs", Data::Shared(self.inputs.clone()))
    }

    /// What the templates of a step see. `has_failed` is `run.failed`, known in cleanup only.
    pub fn scope(&self, moment: &Moment, frame: &Frame, has_failed: Option<Data>) -> Scope {
        let mut run =
            vec![("id".to_owned(), self.run_id.clone()), ("started_at".to_owned(), self.started_at.clone())];
        run.extend(has_failed.map(|failed| ("failed".to_owned(), failed)));
        let mut scope = Scope::new(moment)
            .with("inputs", Data::Shared(self.inputs.clone()))
            .with("secrets", Data::Map(self.secrets.clone()))
            .with("run", Data::Map(run));
        frame.add_to(&mut scope);
        scope
    }
}

/// What the templates of a request see, by the place where they are written.
pub struct Scopes {
    /// Those of the playbook.
    pub playbook: Scope,
    /// Those of a definition's operation; as the playbook's where there is none.
    pub operation: Scope,
}

impl Scopes {
    /// What a template that is written at such a place sees.
    pub fn of(&self, scope: TemplateScope) -> &Scope {
        match scope {
            TemplateScope::Playbook => &self.playbook,
            TemplateScope::Operation => &self.operation,
        }
    }

    /// Pairs each with what it sees.
    pub fn pair<'s, T>(&'s self, scoped: &'s [Scoped<T>]) -> Vec<(&'s T, &'s Scope)> {
        scoped.iter().map(|one| (&one.value, self.of(one.scope))).collect()
    }

    /// Sets a name that holds at every place.
    pub fn set(&mut self, name: &str, data: &Data) {
        self.playbook.set(name, data.clone());
        self.operation.set(name, data.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_outputs_are_shared_by_all_who_see_them() {
        let secret = Data::Secret("token".to_owned(), json!("t"));
        let outputs = vec![("ids".to_owned(), Data::Json(json!([1, 2]))), ("token".to_owned(), secret)];
        let Data::Map(record) = (StepRecord { outputs, ..StepRecord::default() }).into_data() else {
            panic!("a record is a map")
        };
        let Some((_, Data::Map(outputs))) = record.into_iter().find(|(name, _)| name == "outputs") else {
            panic!("outputs are a map")
        };
        assert!(matches!(outputs[0].1, Data::Shared(_)) && matches!(outputs[1].1, Data::Secret(..)));
    }
}
