//! The place of each step: which others stand above it, which are seen from it, which may be skipped.

use super::context::Context;
use super::names::join;
use super::spot::Spot;
use crate::document::{Ident, Output, Playbook, STEP_KINDS, Step, Steps};
use crate::source::{Code, Diagnostic, Span, Spanned, nearest};
use crate::template::Segment;
use std::collections::{HashMap, HashSet};

/// Every step of a playbook, and who sees whom.
pub(super) struct StepIndex<'a> {
    /// By key: a step before those inside of it.
    steps: Vec<Indexed<'a>>,
    by_id: HashMap<&'a str, usize>,
    lists: Vec<List>,
    /// The playbook's own cleanup block.
    cleanup: Option<ListId>,
    /// Ids of steps that could not be read.
    broken: HashSet<&'a str>,
}

struct Indexed<'a> {
    step: &'a Step,
    list: ListId,
    /// The list of its own steps, if it is a group.
    group: Option<ListId>,
    /// The list of its cleanup block.
    cleanup: Option<ListId>,
}

/// Names one list of steps: the work, a group, a cleanup block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListId(usize);

struct List {
    /// The list from which this one is entered, and sees what can be seen there.
    parent: Option<ListId>,
    /// The step that it belongs to.
    owner: Option<usize>,
    is_cleanup: bool,
}

/// A place among the steps.
#[derive(Clone, Copy)]
pub(super) struct StepPlace<'a> {
    pub index: &'a StepIndex<'a>,
    /// The list that the place is in.
    pub list: ListId,
    /// The key of the step at hand: those with a lower one stand above it.
    pub key: usize,
    /// What is known to have succeeded here.
    pub guards: Option<&'a Guard<'a>>,
}

/// Steps that a condition around a place asked for their success.
#[derive(Clone, Copy)]
pub(super) struct Guard<'a> {
    pub asked: &'a [String],
    pub outer: Option<&'a Guard<'a>>,
}

impl<'a> StepIndex<'a> {
    /// Takes all steps up and reports ids that are there twice.
    pub fn new(context: &Context<'_>, playbook: &'a Playbook) -> Self {
        let mut index = Self {
            steps: Vec::new(),
            by_id: HashMap::new(),
            lists: Vec::new(),
            cleanup: None,
            broken: HashSet::new(),
        };
        let work = index.add_list(None, None, false);
        index.add_steps(context, &playbook.steps, work);
        if let Some(cleanup) = &playbook.cleanup {
            let list = index.add_list(Some(work), None, true);
            index.cleanup = Some(list);
            index.add_steps(context, cleanup, list);
        }
        index
    }

    fn add_list(&mut self, parent: Option<ListId>, owner: Option<usize>, is_cleanup: bool) -> ListId {
        self.lists.push(List { parent, owner, is_cleanup });
        ListId(self.lists.len() - 1)
    }

    fn add_steps(&mut self, context: &Context<'_>, steps: &'a Steps, list: ListId) {
        self.broken.extend(steps.broken_ids.iter().map(String::as_str));
        for step in &steps.items {
            let key = self.steps.len();
            self.steps.push(Indexed { step, list, group: None, cleanup: None });
            if let Some(id) = &step.id {
                self.add_id(context, id, key);
            }
            if let Some(inside) = &step.steps {
                let group = self.add_list(Some(list), Some(key), false);
                self.steps[key].group = Some(group);
                self.add_steps(context, inside, group);
            }
            if let Some(cleanup) = &step.cleanup {
                let seen_from = self.steps[key].group.unwrap_or(list);
                let block = self.add_list(Some(seen_from), Some(key), true);
                self.steps[key].cleanup = Some(block);
                self.add_steps(context, cleanup, block);
            }
        }
    }

    fn add_id(&mut self, context: &Context<'_>, id: &'a Spanned<Ident>, key: usize) {
        let name = id.value.as_str();
        let Some(first) = self.by_id.get(name) else {
            self.by_id.insert(name, key);
            return;
        };
        let message = format!("two steps are called `{name}`");
        let mut diagnostic = Diagnostic::new(Code::DuplicateName, id.span, message);
        if let Some(first) = &self.steps[*first].step.id {
            diagnostic = match first.span == id.span {
                true => diagnostic
                    .label("an alias (`*`) repeats this step with its `id`")
                    .help("write the other step out and give it an `id` of its own"),
                false => diagnostic.also(first.span, "the first one is here"),
            };
        }
        context.report(diagnostic);
    }

    /// All ids, in the order of the file.
    fn ids(&self) -> impl Iterator<Item = &'a str> {
        self.steps.iter().filter_map(|indexed| indexed.step.id.as_ref()).map(|id| id.value.as_str())
    }

    /// Whether a step of that id exists, wherever.
    pub fn has_id(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// Whether a step stands inside of the one with that key.
    pub fn is_inside(&self, id: &str, key: usize) -> bool {
        let list = self.by_id.get(id).map(|inner| self.steps[*inner].list);
        list.is_some_and(|list| self.ancestors(list).any(|list| self.lists[list.0].owner == Some(key)))
    }

    /// Whether an output is marked as secret.
    pub fn is_secret_output(&self, id: &str, output: &str) -> bool {
        let step = self.by_id.get(id).map(|key| self.steps[*key].step);
        step.and_then(|step| step.outputs.get(output)).is_some_and(Output::is_marked_secret)
    }

    /// How many steps there are at all depths.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// The list of the work.
    pub fn work(&self) -> ListId {
        ListId(0)
    }

    /// The playbook's own cleanup block.
    pub fn cleanup(&self) -> ListId {
        self.cleanup.unwrap_or(self.work())
    }

    /// The list of the steps inside of a group.
    pub fn group_of(&self, key: usize) -> ListId {
        self.steps[key].group.unwrap_or(self.steps[key].list)
    }

    /// The cleanup block of a step.
    pub fn cleanup_of(&self, key: usize) -> ListId {
        self.steps[key].cleanup.unwrap_or(self.steps[key].list)
    }

    /// Whether a list is a cleanup block or lies in one.
    pub fn is_in_cleanup(&self, list: ListId) -> bool {
        self.ancestors(list).any(|list| self.lists[list.0].is_cleanup)
    }

    /// A list and those from which it is entered.
    fn ancestors(&self, list: ListId) -> impl Iterator<Item = ListId> {
        std::iter::successors(Some(list), |list| self.lists[list.0].parent)
    }

    /// The ids that can be read at a place, the nearest list first.
    fn visible_ids(&self, place: &StepPlace<'_>) -> Vec<&'a str> {
        let ids = self.by_id.iter().filter(|(_, key)| self.standing(**key, place) == Standing::Readable);
        let mut ids: Vec<_> = ids.map(|(id, key)| (*key, *id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    fn standing(&self, key: usize, place: &StepPlace<'_>) -> Standing {
        let target = self.steps[key].list;
        let mut crossed_cleanup = false;
        let mut last_owner = None;
        for list in self.ancestors(place.list) {
            if list == target {
                let is_around = last_owner == Some(key);
                return match (key < place.key, crossed_cleanup) {
                    (_, true) => Standing::Readable,
                    (_, false) if is_around => Standing::Around,
                    (true, false) => Standing::Readable,
                    (false, false) if key == place.key => Standing::Itself,
                    (false, false) => Standing::Below,
                };
            }
            crossed_cleanup |= self.lists[list.0].is_cleanup;
            last_owner = self.lists[list.0].owner;
        }
        Standing::Inside
    }

    /// The group or cleanup block that hides the steps of a list, in words.
    fn hiding_place(&self, list: ListId) -> (String, Option<usize>) {
        let List { owner, is_cleanup, .. } = &self.lists[list.0];
        let id = owner.and_then(|owner| self.steps[owner].step.id.as_ref());
        match (is_cleanup, id) {
            (true, _) => ("a cleanup block".to_owned(), None),
            (false, Some(id)) => (format!("the group `{}`", id.value.as_str()), *owner),
            (false, None) => ("a group".to_owned(), *owner),
        }
    }
}

/// How a step stands to a place that wants to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Readable,
    /// It comes later.
    Below,
    /// It is the step at hand.
    Itself,
    /// It is a group around the place.
    Around,
    /// It is inside of a group or cleanup block elsewhere.
    Inside,
}

impl Guard<'_> {
    fn asks(&self, id: &str) -> bool {
        std::iter::successors(Some(self), |inner| inner.outer)
            .any(|guard| guard.asked.iter().any(|asked| asked == id))
    }
}

/// What a step has to read behind `steps.ID`.
const PROPERTIES: [&str; 6] = ["outputs", "rows", "row_count", "status", "succeeded", "skipped"];

/// A reference that begins with `steps`, with what it is held against.
pub(super) struct StepReference<'r> {
    pub spot: &'r Spot<'r>,
    pub place: &'r StepPlace<'r>,
}

impl StepReference<'_> {
    /// Checks the reference.
    pub fn check(&self) {
        let segments = &self.spot.reference.segments;
        let Some(id) = segments.get(1) else {
            let message = "`steps` is no value of its own".to_owned();
            let help = "read one of its steps: `steps.ID.outputs.NAME`";
            return self.spot.report(&segments[0], Code::UnknownName, message, |it| it.help(help));
        };
        let Some(key) = self.place.index.by_id.get(id.name.as_str()).copied() else {
            return self.unknown_step(id);
        };
        if self.check_standing(id, key) {
            self.check_property(id, key);
        }
    }

    fn unknown_step(&self, id: &Segment) {
        let index = self.place.index;
        if index.broken.contains(id.name.as_str()) {
            return;
        }
        let visible = if self.spot.context.compares() { index.visible_ids(self.place) } else { Vec::new() };
        let suggestion = self.spot.context.nearest(&id.name, visible.iter().copied());
        let suggestion = suggestion.or_else(|| self.spot.context.nearest(&id.name, index.ids()));
        let message = format!("no step is called `{}`", id.name);
        self.spot.report(id, Code::UnknownStep, message, |it| match (suggestion, visible.as_slice()) {
            (Some(_), _) => it.did_you_mean(suggestion),
            (None, []) if !self.spot.context.compares() => it,
            (None, []) => it.help("give the step that is meant an `id`"),
            (None, ids) if ids.len() > 12 => it.help(format!("here one can read {} steps", ids.len())),
            (None, ids) => it.help(format!("here one can read {}", join(ids.iter().copied()))),
        });
    }

    fn check_standing(&self, id: &Segment, key: usize) -> bool {
        let index = self.place.index;
        let name = &id.name;
        let declared = index.steps[key].step.id.as_ref().map(|id| id.span);
        let also = |it: Diagnostic, text: &str| match declared {
            Some(span) => it.also(span, text),
            None => it,
        };
        match index.standing(key, self.place) {
            Standing::Readable => return true,
            Standing::Below => {
                let message = format!("the step `{name}` has not run yet when this is read");
                let help = "a step reads only what stands above it; only `cleanup` looks down";
                self.spot.report(id, Code::UsedTooEarly, message, |it| {
                    also(it.help(help), "it stands here, below")
                });
            }
            Standing::Itself => {
                let message = format!("this is the step `{name}` itself");
                let help = "a step reads its own answer in `expect` and `outputs`, as `outputs.NAME`, \
                            `rows`, `row_count` and `response`";
                self.spot.report(id, Code::UsedTooEarly, message, |it| it.help(help));
            }
            Standing::Around => {
                let message = format!("this stands inside the group `{name}`, which has not ended yet");
                self.spot.report(id, Code::UsedTooEarly, message, |it| also(it, "the group is here"));
            }
            Standing::Inside => {
                let (place, group) = index.hiding_place(index.steps[key].list);
                let message = format!("the step `{name}` is out of reach: it is inside {place}");
                let help = group.map(|_| "give the group `outputs`; only these are read outside of it");
                self.spot.report(id, Code::OutOfScope, message, |it| {
                    let it = also(it, "it stands here");
                    help.into_iter().fold(it, Diagnostic::help)
                });
            }
        }
        false
    }

    fn check_property(&self, id: &Segment, key: usize) {
        let step = self.place.index.steps[key].step;
        let Some(property) = self.spot.reference.segments.get(2) else {
            let message = format!("`steps.{}` is no value of its own", id.name);
            let help = format!("say what of it: {}", join(properties_of(step)));
            return self.spot.report(id, Code::UnknownName, message, |it| it.help(help));
        };
        let name = property.name.as_str();
        if !PROPERTIES.contains(&name) {
            return self.unknown_property(id, property, step);
        }
        if !properties_of(step).contains(&name) {
            let message = format!("the step `{}` has no `{name}`: it sends no request of its own", id.name);
            let help = format!("it has {}", join(properties_of(step)));
            return self.spot.report(property, Code::UnknownName, message, |it| it.help(help));
        }
        match name {
            "outputs" if !self.check_output(id, step) => return,
            "outputs" => {}
            "rows" => {
                self.spot.context.facts.borrow_mut().kept_rows.insert(key);
            }
            "row_count" => {
                self.spot.context.facts.borrow_mut().counted_rows.insert(key);
            }
            _ => return,
        }
        if name != "status" {
            self.check_skipping(id, property, step);
        }
    }

    fn unknown_property(&self, id: &Segment, property: &Segment, step: &Step) {
        let name = &property.name;
        let message = format!("a step has no `{name}`");
        let output = nearest(name, step.outputs.names()).map(|output| format!("outputs.{output}"));
        let suggestion = nearest(name, PROPERTIES).map(str::to_owned).or(output);
        let known = properties_of(step);
        self.spot.report(property, Code::UnknownName, message, |it| match &suggestion {
            Some(_) => it.did_you_mean(suggestion.as_deref()),
            None => it.help(format!("`{}` has {}", id.name, join(known))),
        });
    }

    /// Whether the output is declared; that it is not was reported.
    fn check_output(&self, id: &Segment, step: &Step) -> bool {
        let Some(output) = self.spot.reference.segments.get(3) else { return true };
        if step.outputs.declares(&output.name) {
            return true;
        }
        let message = format!("the step `{}` has no output `{}`", id.name, output.name);
        let suggestion = self.spot.context.nearest(&output.name, step.outputs.names());
        self.spot.report(output, Code::UnknownOutput, message, |it| match suggestion {
            Some(_) => it.did_you_mean(suggestion),
            None if step.outputs.is_empty() => it
                .help(format!("only declared outputs can be read: `outputs: {{ {}: $.path }}`", output.name)),
            None => it.help(format!("it has {}", join(step.outputs.names()))),
        });
        false
    }

    /// What a step that may be skipped yields is read only where that was asked, or where nothing is an
    /// answer too.
    fn check_skipping(&self, id: &Segment, property: &Segment, step: &Step) {
        let name = id.name.as_str();
        let Some(condition) = &step.condition else { return };
        let is_asked = self.spot.reference.asked_steps.iter().any(|asked| asked == name)
            || self.place.guards.is_some_and(|guards| guards.asks(name));
        if is_asked || self.spot.reference.is_defaulted || self.place.index.is_in_cleanup(self.place.list) {
            return;
        }
        let last = self.spot.reference.segments.get(3).unwrap_or(property);
        let message = format!("the step `{name}` may be skipped, and then there is nothing to read");
        let help = format!("ask first: `if: steps.{name}.succeeded`; or give a value: `... | default(...)`");
        self.spot.report(last, Code::MaybeSkipped, message, |it| {
            it.also(condition.expression().span(), "it runs only if this holds").help(help)
        });
    }
}

/// What can be read of a step.
fn properties_of(step: &Step) -> Vec<&'static str> {
    let is_request = step.call.is_some() || step.request.verbs().next().is_some();
    let is_group = step.steps.is_some();
    let has = |property: &&&str| match **property {
        "succeeded" | "skipped" => true,
        "outputs" => is_request || is_group,
        _ => is_request,
    };
    // What a step is that could not be read is unknown: it may have everything.
    let is_unclear = !is_request
        && !is_group
        && step.authenticate.is_none()
        && step.logout.is_none()
        && step.store.is_none();
    PROPERTIES.iter().filter(|property| is_unclear || has(property)).copied().collect()
}

/// The keys that make a step which a span's map has.
pub(super) fn written_kinds(context: &Context<'_>, span: Span) -> Vec<&'static str> {
    STEP_KINDS.into_iter().filter(|kind| context.has_key(span, kind)).collect()
}
