//! The steps of a run, gone through without doing them.

use super::types::{DryAction, DryLine};
use crate::document::{Effect, Tree};
use crate::engine::core::Engine;
use crate::engine::pages::{first_position, put_position};
use crate::engine::rows;
use crate::engine::scope::{Frame, StepRecord};
use crate::exchange::{RenderError, Rendered, Value};
use crate::model::redacted::Redacted;
use crate::model::words::duration;
use crate::plan::{
    Group, PlannedRequest, PlannedStep, PlannedVerify, ProviderIndex, StepKind, StoreTarget, Until,
};
use crate::template::{Condition, Data, Moment, Scope};
use futures_util::future::{FutureExt, LocalBoxFuture};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How many items of a loop are shown. All are rendered and counted.
const SHOWN_ITEMS: usize = 5;

/// What is said of the first page of a list.
const PAGES: &str = "then as many pages as there are";

/// A run of which nothing leaves this machine.
pub struct Rehearsal<'a> {
    engine: Engine<'a>,
    lines: RefCell<Vec<DryLine>>,
    /// What cleanup would undo, in the order of the steps.
    undos: RefCell<Vec<Undo<'a>>>,
    /// Secret -> the origins of the requests that hold it.
    destinations: RefCell<Destinations>,
    /// The sessions that would be open, in the order of their opening.
    open: RefCell<Vec<OpenSession>>,
}

/// Secret -> the origins that it would be sent to, in the order of the requests.
pub type Destinations = BTreeMap<String, Vec<Redacted>>;

/// What a rehearsal has found.
pub struct Rehearsed {
    /// What the steps do, with the end of their sessions.
    pub lines: Vec<DryLine>,
    /// What cleanup does.
    pub cleanup: Vec<DryLine>,
    /// Where secrets go.
    pub destinations: Destinations,
}

/// A session that would be open.
#[derive(Clone)]
struct OpenSession {
    provider: ProviderIndex,
    /// The method that was asked for.
    method: Option<String>,
    /// The credentials that a step gave.
    given: Vec<(String, Data)>,
    /// The names of what is not known and decides whether it is opened at all.
    depends: BTreeSet<String>,
    /// It is opened by a request, so that it is closed or forgotten, too.
    has_login: bool,
}

/// A cleanup block, and where the step stands that it undoes.
struct Undo<'a> {
    steps: &'a [PlannedStep],
    place: Place,
    is_shown: bool,
}

/// Where in a rehearsal a step stands.
#[derive(Clone)]
struct Place {
    frame: Rc<Frame>,
    is_cleanup: bool,
    /// The names of what is not known and decides whether and how often it is done.
    depends: BTreeSet<String>,
    notes: Vec<String>,
    /// Nobody knows how often it is done.
    is_open_ended: bool,
}

impl Place {
    fn new(frame: Rc<Frame>, is_cleanup: bool) -> Self {
        Self { frame, is_cleanup, depends: BTreeSet::new(), notes: Vec::new(), is_open_ended: false }
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
        Self {
            engine,
            lines: RefCell::default(),
            undos: RefCell::default(),
            destinations: RefCell::default(),
            open: RefCell::default(),
        }
    }

    /// Goes through all steps, then through cleanup.
    pub async fn perform(self) -> Rehearsed {
        let plan = self.engine.plan;
        let frame = Frame::outermost(&plan.steps);
        let selected = plan.steps.iter().filter(|step| self.engine.selection.contains(step.key));
        self.steps(selected, &Place::new(frame.clone(), false)).await;
        let open = self.open.borrow().clone();
        self.close_all().await;
        let lines = self.lines.take();
        *self.open.borrow_mut() = open.clone();
        for Undo { steps, place, is_shown } in self.undos.take().into_iter().rev() {
            let first = self.lines.borrow().len();
            let frame = place.frame.inner(steps);
            self.steps(steps, &Place { frame, is_cleanup: true, ..place }).await;
            if !is_shown {
                self.hide_since(first);
            }
        }
        self.steps(&plan.cleanup, &Place::new(frame.inner(&plan.cleanup), true)).await;
        // The sessions that cleanup alone has opened.
        let is_new = |session: &OpenSession| open.iter().all(|known| known.provider != session.provider);
        self.open.borrow_mut().retain(is_new);
        self.close_all().await;
        Rehearsed { lines, cleanup: self.lines.take(), destinations: self.destinations.take() }
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
        let rounds = match self.under_condition(step, place.clone()) {
            Ok(None) => {
                place.frame.record(step, StepRecord { is_skipped: true, ..StepRecord::default() });
                return;
            }
            Ok(Some(place)) => self.rounds(step, place),
            Err(action) => Err(action),
        };
        match rounds {
            Ok(rounds) => self.go_through(step, &rounds).await,
            Err(action) => self.push(&step.label(), place, action, Vec::new()),
        }
        place.frame.record_data(step, unknown_record(step));
    }

    /// Does a step once, or for each item. Behind the first items only the first is shown that cannot be done.
    async fn go_through(&self, step: &'a PlannedStep, rounds: &[Place]) {
        let mut has_failed = false;
        for (index, place) in rounds.iter().enumerate() {
            let (first_line, first_undo) = (self.lines.borrow().len(), self.undos.borrow().len());
            if let Err(action) = self.act(step, place).await {
                self.push(&step.label(), place, action, Vec::new());
            }
            let fails = self.lines.borrow()[first_line..].iter().any(DryLine::is_impossible);
            if index >= SHOWN_ITEMS && (has_failed || !fails) {
                self.hide_since(first_line);
                self.undos.borrow_mut()[first_undo..].iter_mut().for_each(|undo| undo.is_shown = false);
            }
            has_failed |= fails;
        }
    }

    fn hide_since(&self, first: usize) {
        self.lines.borrow_mut()[first..].iter_mut().for_each(|line| line.is_shown = false);
    }

    /// Takes note of what cleanup would have to undo.
    fn register(&self, step: &'a PlannedStep, place: &Place) {
        if !step.cleanup.is_empty() {
            let undo = Undo { steps: &step.cleanup, place: place.clone(), is_shown: true };
            self.undos.borrow_mut().push(undo);
        }
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

    /// The place of each item, or of one that stands for all while nobody knows them; that of the step if it is no loop.
    fn rounds(&self, step: &PlannedStep, place: Place) -> Result<Vec<Place>, DryAction> {
        let Some(repeated) = &step.for_each else { return Ok(vec![place]) };
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
            return Ok(vec![Place { frame, is_open_ended: true, ..place }]);
        }
        let Json::Array(items) = &list.json else {
            return Err(self.impossible(format!("loops over {}, not a list", rows::kind(&list.json))));
        };
        if items.is_empty() {
            return Err(DryAction::Nothing(self.clean("its list is empty")));
        }
        let round = |(index, item): (usize, &Json)| {
            let item = Value { json: item.clone(), ..list.clone() }.into_data();
            let note = format!("item {} of {}", index + 1, items.len());
            Place { frame: place.frame.of_item(name, item), ..place.clone().depending_on(None, note) }
        };
        Ok(items.iter().enumerate().map(round).collect())
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
                self.store(step, target, value.unknown, place).await;
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
        let rendered = self.rendered(request, place).await?;
        self.register(step, place);
        let is_write = request.effect != Effect::Read;
        let may_be_more = request.paginate.is_some() || request.until.is_some();
        let mut place = place.clone();
        place.notes.extend(request.paginate.as_ref().map(|_| PAGES.to_owned()));
        place.notes.extend(request.until.as_ref().map(until_words));
        self.push_request(&step.label(), &place, &rendered, is_write, may_be_more);
        match &request.verify {
            Some(verify) => self.question(step, verify, &place).await,
            None => Ok(()),
        }
    }

    /// Shows what is asked when nobody knows whether a write was done.
    async fn question(
        &self,
        step: &PlannedStep,
        verify: &PlannedVerify,
        place: &Place,
    ) -> Result<(), DryAction> {
        let request = &verify.request;
        let mut place = place.clone();
        place.notes.push("if nobody knows whether it was done".to_owned());
        place.notes.extend(request.paginate.as_ref().map(|_| PAGES.to_owned()));
        let rendered = self.rendered(request, &place).await?;
        self.push_request(&format!("verify {}", step.label()), &place, &rendered, false, true);
        if let Some(line) = self.lines.borrow_mut().last_mut() {
            line.is_question = true;
        }
        Ok(())
    }

    /// A request with all that is put on it, at its first page.
    async fn rendered(&self, request: &PlannedRequest, place: &Place) -> Result<Rendered, DryAction> {
        let moment = Moment::of(self.engine.world);
        let scopes = self.engine.with_operation(request, self.scope(place), &moment);
        let scopes = scopes.map_err(|error| {
            let headline = error.failure.map(|failure| failure.headline.to_string());
            self.impossible(headline.unwrap_or_default())
        })?;
        let rendered = self.engine.render(request, &scopes);
        let mut rendered = rendered.map_err(|error| self.impossible(error))?;
        let key = self.engine.put_key(request, &scopes, &mut rendered);
        key.map_err(|error| self.impossible(error))?;
        if let Some(provider) = request.provider.filter(|_| request.needs_session) {
            let carried = self.carry(provider, &mut rendered).await;
            carried.map_err(|error| self.impossible(error))?;
        }
        if let Some(keys) = &request.paginate
            && let Some(position) = first_position(keys)
            && !put_position(&mut rendered, keys, position)
        {
            return Err(self.impossible("the body has no place for the page: it is no JSON map"));
        }
        Ok(rendered)
    }

    async fn group(&self, step: &'a PlannedStep, group: &'a Group, place: &Place) {
        let place = Place { frame: place.frame.inner(&group.steps), ..place.clone() };
        self.register(step, &place);
        self.steps(&group.steps, &place).await;
    }

    async fn sign_in_unless_open(&self, provider: ProviderIndex, place: &Place) -> Result<(), DryAction> {
        if let Some(open) = self.open.borrow_mut().iter_mut().find(|open| open.provider == provider) {
            if place.depends.is_empty() {
                open.depends.clear();
            }
            return Ok(());
        }
        let label = format!("authenticate {}", self.engine.plan.provider(provider).name);
        let place = Place { notes: Vec::new(), is_open_ended: false, ..place.clone() };
        let signed_in = self.sign_in(&label, provider, None, Vec::new(), &place).await;
        signed_in.map_err(|error| self.impossible(error)).map(|_| ())
    }

    /// Puts on a request what its session adds.
    async fn carry(&self, provider: ProviderIndex, rendered: &mut Rendered) -> Result<(), RenderError> {
        let open = self.open.borrow().iter().rev().find(|open| open.provider == provider).cloned();
        let Some(OpenSession { method, given, .. }) = open else { return Ok(()) };
        self.engine.sessions.carry_shape(provider, method.as_deref(), &given, rendered).await
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
        let signed_in = self.sign_in(&label, provider, method, given, place).await;
        match signed_in.map_err(|error| self.impossible(error))? {
            true => Ok(()),
            false => Err(DryAction::Nothing(self.clean("each request carries the credentials"))),
        }
    }

    /// Shows the requests of a login, if there are any.
    async fn sign_in(
        &self,
        label: &str,
        provider: ProviderIndex,
        method: Option<&str>,
        given: Vec<(String, Data)>,
        place: &Place,
    ) -> Result<bool, RenderError> {
        let shapes = self.engine.sessions.login_shapes(provider, method, &given).await?;
        let (has_login, depends) = (!shapes.is_empty(), place.depends.clone());
        let planned = &self.engine.plan.provider(provider).method;
        let method = method.map(str::to_owned).or_else(|| planned.clone());
        self.open.borrow_mut().push(OpenSession { provider, method, given, depends, has_login });
        shapes.iter().for_each(|rendered| self.push_request(label, place, rendered, false, false));
        Ok(has_login)
    }

    /// Takes note that a session is not open any more.
    fn forget(&self, provider: ProviderIndex) -> Option<OpenSession> {
        let mut open = self.open.borrow_mut();
        let index = open.iter().position(|open| open.provider == provider)?;
        Some(open.remove(index))
    }

    async fn log_out(&self, session: &OpenSession, place: &Place) -> Result<(), DryAction> {
        let OpenSession { provider, method, given, has_login, .. } = session;
        let label = format!("logout {}", self.engine.plan.provider(*provider).name);
        let shapes = self.engine.sessions.logout_shapes(*provider, method.as_deref(), given).await;
        let shapes = shapes.map_err(|error| self.impossible(error))?;
        if shapes.is_empty() && *has_login {
            let action = DryAction::Nothing(self.clean("no logout on this API: tokens are forgotten here"));
            self.push(&label, place, action, Vec::new());
        }
        shapes.iter().for_each(|rendered| self.push_request(&label, place, rendered, false, false));
        Ok(())
    }

    async fn close_all(&self) {
        let open = self.open.take();
        for session in open.iter().rev() {
            let place = Place::new(Frame::outermost(&[]), false);
            let place = Place { depends: session.depends.clone(), ..place };
            if let Err(action) = self.log_out(session, &place).await {
                self.push("logout", &place, action, Vec::new());
            }
        }
    }

    async fn store(
        &self,
        step: &PlannedStep,
        target: &StoreTarget,
        unknown: BTreeSet<String>,
        place: &Place,
    ) {
        let store = &self.engine.world.store;
        let action = DryAction::Store {
            target: self.clean(target.to_string()),
            store: self.clean(store.name()),
            problem: store.check().await.err().map(|problem| self.clean(problem.to_string())),
        };
        self.push(&step.label(), place, action, unknown);
    }

    fn push_request(
        &self,
        label: &str,
        place: &Place,
        rendered: &Rendered,
        is_write: bool,
        may_be_more: bool,
    ) {
        let origin = rendered.shown_origin().map(|origin| self.clean(origin));
        self.note_destination(rendered, origin.as_ref());
        let action = DryAction::Request {
            method: self.clean(rendered.method().as_str()),
            origin,
            target: self.clean(rendered.shown_target()),
            headers: rendered
                .shown_headers()
                .into_iter()
                .map(|(name, value)| self.clean(format!("{name}: {value}")))
                .collect(),
            body: rendered.shown_body().map(|body| self.clean(body)),
            is_write,
            may_be_more,
        };
        self.push(label, place, action, rendered.unknown().map(str::to_owned));
    }

    fn note_destination(&self, rendered: &Rendered, origin: Option<&Redacted>) {
        let Some(origin) = origin else { return };
        let mut destinations = self.destinations.borrow_mut();
        for secret in rendered.secrets().chain(rendered.unknown()) {
            let known = destinations.entry(secret.to_owned()).or_default();
            if !known.contains(origin) {
                known.push(origin.clone());
            }
        }
    }

    fn push(&self, label: &str, place: &Place, action: DryAction, unknown: impl IntoIterator<Item = String>) {
        let names: BTreeSet<String> = place.depends.iter().cloned().chain(unknown).collect();
        let steps: BTreeSet<&str> = names.iter().filter_map(|name| step_of(name)).collect();
        let line = DryLine {
            label: self.clean(label),
            action,
            after: steps.into_iter().map(|step| self.clean(step)).collect(),
            notes: place.notes.iter().map(|note| self.clean(note)).collect(),
            is_certain: place.depends.is_empty(),
            is_open_ended: place.is_open_ended,
            is_shown: true,
            is_question: false,
        };
        self.lines.borrow_mut().push(line);
    }
}

/// `if` with its condition as written.
fn condition_words(condition: &Condition) -> String {
    format!("if {}", condition.expression().code())
}

/// `again every 5 s until outputs.state == "shipped"`
fn until_words(until: &Until) -> String {
    let Until { condition, every } = until;
    format!("again every {} until {}", duration(*every), condition.expression().code())
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
