//! The steps of a run, gone through without doing them.

use super::types::{DryAction, DryLine};
use crate::document::{Effect, Tree};
use crate::engine::core::Engine;
use crate::engine::pages::{first_position, put_position};
use crate::engine::rows;
use crate::engine::scope::{Frame, StepRecord};
use crate::exchange::{RenderError, Rendered, Value};
use crate::model::redacted::Redacted;
use crate::model::words::counted;
use crate::plan::{Group, PlannedRequest, PlannedStep, ProviderIndex, StepKind, StoreTarget};
use crate::template::{Condition, Data, Moment, Scope};
use futures_util::future::{FutureExt, LocalBoxFuture};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// A run of which nothing leaves this machine.
pub struct Rehearsal<'a> {
    engine: Engine<'a>,
    lines: RefCell<Vec<DryLine>>,
    /// The sessions that would be open, in the order of their opening.
    open: RefCell<Vec<OpenSession>>,
}

/// A session that would be open.
#[derive(Clone)]
struct OpenSession {
    provider: ProviderIndex,
    /// The method that was asked for.
    method: Option<String>,
    /// The credentials that a step gave.
    given: Vec<(String, Data)>,
}

/// Where in a rehearsal a step stands.
#[derive(Clone)]
struct Place {
    frame: Rc<Frame>,
    is_cleanup: bool,
    /// The names of what is not known and decides whether and how often it is done.
    depends: BTreeSet<String>,
    notes: Vec<String>,
    times: usize,
}

impl Place {
    fn new(frame: Rc<Frame>, is_cleanup: bool) -> Self {
        Self { frame, is_cleanup, depends: BTreeSet::new(), notes: Vec::new(), times: 1 }
    }

    fn depending_on(mut self, names: impl IntoIterator<Item = String>, note: String) -> Self {
        self.depends.extend(names);
        self.notes.push(note);
        self
    }
}

impl<'a> Rehearsal<'a> {
    /// Before the first step.
    pub fn new(engine: Engine<'a>) -> Self {
        Self { engine, lines: RefCell::default(), open: RefCell::default() }
    }

    /// The lines of the steps with the end of their sessions, and those of cleanup.
    pub async fn perform(self) -> (Vec<DryLine>, Vec<DryLine>) {
        let plan = self.engine.plan;
        let frame = Frame::outermost(&plan.steps);
        let selected = plan.steps.iter().filter(|step| self.engine.selection.contains(step.key));
        self.steps(selected, &Place::new(frame.clone(), false)).await;
        let open = self.open.borrow().clone();
        self.close_all().await;
        let lines = self.lines.take();
        *self.open.borrow_mut() = open;
        for undo in self.engine.cleanup.take() {
            self.steps(undo.steps, &Place::new(undo.frame.inner(undo.steps), true)).await;
        }
        self.steps(&plan.cleanup, &Place::new(frame.inner(&plan.cleanup), true)).await;
        (lines, self.lines.take())
    }

    fn steps<'s>(
        &'s self,
        steps: impl IntoIterator<Item = &'a PlannedStep> + 's,
        place: &'s Place,
    ) -> LocalBoxFuture<'s, ()>
    where
        'a: 's,
    {
        async move {
            for step in steps {
                self.step(step, place).await;
            }
        }
        .boxed_local()
    }

    async fn step(&self, step: &'a PlannedStep, place: &Place) {
        let done = match self.under_condition(step, place.clone()) {
            Ok(None) => {
                place.frame.record(step, StepRecord { is_skipped: true, ..StepRecord::default() });
                return;
            }
            Ok(Some(place)) => self.for_items(step, place),
            Err(action) => Err(action),
        };
        let done = match done {
            Ok(place) => self.act(step, &place).await,
            Err(action) => Err(action),
        };
        if let Err(action) = done {
            self.push(&step.label(), place, action, Vec::new());
        }
        place.frame.record_data(step, unknown_record(step));
    }

    fn scope(&self, place: &Place) -> Scope {
        let has_failed = place.is_cleanup.then(|| Data::Unknown("run.failed".to_owned()));
        self.engine.names.scope(&Moment::of(self.engine.world), &place.frame, has_failed)
    }

    fn clean(&self, text: impl AsRef<str>) -> Redacted {
        self.engine.events.clean(text)
    }

    fn impossible(&self, reason: impl ToString) -> DryAction {
        DryAction::Impossible(self.clean(reason.to_string()))
    }

    /// The place of the step's work; `None`, and a line that says so, when its `if` does not hold.
    fn under_condition(&self, step: &PlannedStep, place: Place) -> Result<Option<Place>, DryAction> {
        let Some(condition) = &step.condition else { return Ok(Some(place)) };
        let scope = self.scope(&place);
        let words = condition_words(condition);
        let asked = condition.expression().evaluate(&scope).map_err(|error| self.impossible(error))?;
        if asked.is_unknown() {
            return Ok(Some(place.depending_on(asked.unknown, words)));
        }
        if condition.holds(&scope).map_err(|error| self.impossible(error))? {
            return Ok(Some(place));
        }
        let action = DryAction::Nothing(self.clean(format!("`{words}` does not hold")));
        self.push(&step.label(), &place, action, Vec::new());
        Ok(None)
    }

    /// The place of the first item. The others are counted.
    fn for_items(&self, step: &PlannedStep, place: Place) -> Result<Place, DryAction> {
        let Some(repeated) = &step.for_each else { return Ok(place) };
        let list = Value::of_tree(&repeated.over, &self.scope(&place), self.engine.events.redactor());
        let list = list.map_err(|error| self.impossible(error))?;
        let name = &repeated.item_name;
        if !list.unknown.is_empty() {
            let codes: Vec<&str> = repeated
                .over
                .templates()
                .into_iter()
                .flat_map(|template| template.expressions())
                .map(|expression| expression.code())
                .collect();
            let frame = place.frame.of_item(name, Data::Unknown(name.clone()));
            let place = place.depending_on(list.unknown, format!("for each of {}", codes.join(", ")));
            return Ok(Place { frame, ..place });
        }
        let Json::Array(items) = &list.json else {
            return Err(self.impossible(format!("loops over {}, not a list", rows::kind(&list.json))));
        };
        let Some(first) = items.first() else {
            return Err(DryAction::Nothing(self.clean("its list is empty")));
        };
        let frame = place.frame.of_item(name, Value { json: first.clone(), ..list.clone() }.into_data());
        let note = format!("for each of {}", counted(items.len() as u64, "item"));
        let times = place.times * items.len();
        Ok(Place { frame, times, ..place.depending_on(None, note) })
    }

    async fn act(&self, step: &'a PlannedStep, place: &Place) -> Result<(), DryAction> {
        match &step.kind {
            StepKind::Request(request) => self.request(step, request, place).await,
            StepKind::Group(group) => {
                self.group(step, group, place).await;
                Ok(())
            }
            StepKind::Authenticate { provider, method, with, .. } => {
                self.authenticate(step, *provider, method.as_deref(), with, place).await
            }
            StepKind::Logout { provider, .. } => match self.forget(*provider) {
                Some(open) => self.log_out(&open, place).await,
                None => Err(DryAction::Nothing(self.clean("nothing to close"))),
            },
            StepKind::Store { target, value } => {
                let value = Value::of_template(value, &self.scope(place), self.engine.events.redactor());
                let value = value.map_err(|error| self.impossible(error))?;
                self.store(step, target, value.unknown, place);
                Ok(())
            }
        }
    }

    async fn request(
        &self,
        step: &'a PlannedStep,
        request: &'a PlannedRequest,
        place: &Place,
    ) -> Result<(), DryAction> {
        if let Some(provider) = request.provider.filter(|_| request.needs_session) {
            self.sign_in_unless_open(provider, place).await?;
        }
        let moment = Moment::of(self.engine.world);
        let scopes = self.engine.with_operation(request, self.scope(place), &moment);
        let scopes = scopes.map_err(|error| {
            let headline = error.failure.map(|failure| failure.headline.to_string());
            self.impossible(headline.unwrap_or_default())
        })?;
        let rendered = self.engine.render(request, &scopes);
        let mut rendered = rendered.map_err(|error| self.impossible(error))?;
        self.engine.cleanup.register(step, &place.frame);
        let is_write = request.effect != Effect::Read;
        let has_pages = request.paginate.is_some();
        let mut place = place.clone();
        if let Some(keys) = &request.paginate {
            place.notes.push("then as many pages as there are".to_owned());
            if let Some(position) = first_position(keys)
                && !put_position(&mut rendered, keys, position)
            {
                return Err(self.impossible("the body has no place for the page: it is no JSON map"));
            }
        }
        self.push_request(&step.label(), &place, &rendered, is_write, has_pages);
        Ok(())
    }

    async fn group(&self, step: &'a PlannedStep, group: &'a Group, place: &Place) {
        let frame = place.frame.inner(&group.steps);
        self.engine.cleanup.register(step, &frame);
        self.steps(&group.steps, &Place { frame, ..place.clone() }).await;
    }

    async fn sign_in_unless_open(&self, provider: ProviderIndex, place: &Place) -> Result<(), DryAction> {
        if self.open.borrow().iter().any(|open| open.provider == provider) {
            return Ok(());
        }
        let label = format!("authenticate {}", self.engine.plan.provider(provider).name);
        let place = Place { times: 1, notes: Vec::new(), ..place.clone() };
        self.sign_in(&label, provider, None, Vec::new(), &place).await.map_err(|error| self.impossible(error))
    }

    async fn authenticate(
        &self,
        step: &PlannedStep,
        provider: ProviderIndex,
        method: Option<&str>,
        with: &[(String, Tree)],
        place: &Place,
    ) -> Result<(), DryAction> {
        let is_as_wanted = |open: &OpenSession| {
            open.provider == provider && (method.is_none() || open.method.as_deref() == method)
        };
        // Which session cleanup meets depends on where the run ends: its logins are shown in any case.
        let is_open = !place.is_cleanup && self.open.borrow().iter().any(is_as_wanted);
        if with.is_empty() && is_open {
            return Err(DryAction::Nothing(self.clean("the session is open already")));
        }
        if let Some(open) = self.forget(provider).filter(|_| !place.is_cleanup) {
            self.log_out(&open, place).await?;
        }
        let scope = self.scope(place);
        let mut given = Vec::new();
        for (name, tree) in with {
            let value = Value::of_tree(tree, &scope, self.engine.events.redactor());
            given.push((name.clone(), value.map_err(|error| self.impossible(error))?.into_data()));
        }
        let label = step.label();
        self.sign_in(&label, provider, method, given, place).await.map_err(|error| self.impossible(error))
    }

    async fn sign_in(
        &self,
        label: &str,
        provider: ProviderIndex,
        method: Option<&str>,
        given: Vec<(String, Data)>,
        place: &Place,
    ) -> Result<(), RenderError> {
        let shapes = self.engine.sessions.login_shapes(provider, method, &given).await?;
        let planned = &self.engine.plan.provider(provider).method;
        let method = method.map(str::to_owned).or_else(|| planned.clone());
        self.open.borrow_mut().push(OpenSession { provider, method, given });
        shapes.iter().for_each(|rendered| self.push_request(label, place, rendered, false, false));
        Ok(())
    }

    /// Takes note that a session is not open any more.
    fn forget(&self, provider: ProviderIndex) -> Option<OpenSession> {
        let mut open = self.open.borrow_mut();
        let index = open.iter().position(|open| open.provider == provider)?;
        Some(open.remove(index))
    }

    async fn log_out(&self, session: &OpenSession, place: &Place) -> Result<(), DryAction> {
        let OpenSession { provider, method, given } = session;
        let label = format!("logout {}", self.engine.plan.provider(*provider).name);
        let shapes = self.engine.sessions.logout_shapes(*provider, method.as_deref(), given).await;
        let shapes = shapes.map_err(|error| self.impossible(error))?;
        if shapes.is_empty() {
            let action = DryAction::Nothing(self.clean("no logout on this API: tokens are forgotten here"));
            self.push(&label, place, action, Vec::new());
        }
        shapes.iter().for_each(|rendered| self.push_request(&label, place, rendered, false, false));
        Ok(())
    }

    async fn close_all(&self) {
        let place = Place::new(Frame::outermost(&[]), false);
        let open = self.open.take();
        for session in open.iter().rev() {
            if let Err(action) = self.log_out(session, &place).await {
                self.push("logout", &place, action, Vec::new());
            }
        }
    }

    fn store(&self, step: &PlannedStep, target: &StoreTarget, unknown: BTreeSet<String>, place: &Place) {
        let action = DryAction::Store {
            target: self.clean(target.to_string()),
            store: self.clean(self.engine.world.store.name()),
        };
        self.push(&step.label(), place, action, unknown);
    }

    fn push_request(&self, label: &str, place: &Place, rendered: &Rendered, is_write: bool, has_pages: bool) {
        let action = DryAction::Request {
            method: self.clean(rendered.method().as_str()),
            target: self.clean(rendered.shown_target()),
            body: rendered.shown_body().map(|body| self.clean(body)),
            is_write,
            has_pages,
        };
        self.push(label, place, action, rendered.unknown().map(str::to_owned));
    }

    fn push(&self, label: &str, place: &Place, action: DryAction, unknown: impl IntoIterator<Item = String>) {
        let names: BTreeSet<String> = place.depends.iter().cloned().chain(unknown).collect();
        let steps: BTreeSet<&str> = names.iter().filter_map(|name| step_of(name)).collect();
        let line = DryLine {
            label: self.clean(label),
            action,
            after: steps.into_iter().map(|step| self.clean(step)).collect(),
            notes: place.notes.iter().map(|note| self.clean(note)).collect(),
            times: place.times,
        };
        self.lines.borrow_mut().push(line);
    }
}

/// `if` with its condition as written.
fn condition_words(condition: &Condition) -> String {
    format!("if {}", condition.expression().code())
}

/// `issue` of `steps.issue.outputs.token`.
fn step_of(name: &str) -> Option<&str> {
    name.strip_prefix("steps.")?.split('.').next()
}

/// What expressions see of a step that has not run: names without values.
fn unknown_record(step: &PlannedStep) -> Data {
    let id = step.id.as_deref().unwrap_or_default();
    let unknown = |name: &str| (name.to_owned(), Data::Unknown(format!("steps.{id}.{name}")));
    let outputs: Vec<&str> = match &step.kind {
        StepKind::Request(request) => request.outputs.iter().map(|output| output.name.as_str()).collect(),
        StepKind::Group(group) => group.outputs.iter().map(|(name, _)| name.as_str()).collect(),
        _ => Vec::new(),
    };
    let outputs = outputs
        .into_iter()
        .map(|name| (name.to_owned(), Data::Unknown(format!("steps.{id}.outputs.{name}"))));
    let mut entries: Vec<_> = ["succeeded", "skipped", "status", "rows", "row_count"].map(unknown).into();
    entries.push(("outputs".to_owned(), Data::Map(outputs.collect())));
    Data::Map(entries)
}
