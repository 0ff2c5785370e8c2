//! What a run would do, without doing it: nothing is sent and nobody is asked.

use super::budget::Budget;
use super::cleanup::Cleanup;
use super::core::{Engine, moment};
use super::course::Course;
use super::limits::Limits;
use super::pages::{first_position, put_position};
use super::run::{RunOptions, names, secrets_needed, setup};
use super::scope::Frame;
use super::secrets;
use super::value::Value;
use crate::credential::{Missing, Preview, preview};
use crate::document::Effect;
use crate::event::{Events, Failure};
use crate::exchange::{Exchange, RenderError, Rendered};
use crate::model::exit::Cause;
use crate::model::redacted::Redacted;
use crate::model::words::counted;
use crate::plan::{Group, Plan, PlannedRequest, PlannedStep, ProviderIndex, StepKind, StoreTarget};
use crate::port::World;
use crate::session::Sessions;
use crate::source::SourceMap;
use crate::template::{Condition, Data, Scope};
use futures_util::future::{FutureExt, LocalBoxFuture};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// What a run would do.
#[derive(Debug, Clone)]
pub struct DryRun {
    /// The secrets that it needs.
    pub secrets: Vec<DrySecret>,
    /// What its steps would do, the sessions that they need and their end included.
    pub lines: Vec<DryLine>,
    /// What cleanup would do.
    pub cleanup: Vec<DryLine>,
}

/// A secret that a run needs.
#[derive(Debug, Clone)]
pub struct DrySecret {
    /// Its name: `emnify.password`.
    pub name: Redacted,
    /// Where it would come from; else every source and why it has nothing.
    pub source: Result<Redacted, Vec<Redacted>>,
    /// The origins that it would be sent to; empty for a secret of the playbook.
    pub origins: Vec<Redacted>,
}

/// One thing that a run would do.
#[derive(Debug, Clone)]
pub struct DryLine {
    /// The step, as reports call it.
    pub label: Redacted,
    /// What it would do.
    pub action: DryAction,
    /// The steps on whose answers it depends.
    pub after: Vec<Redacted>,
    /// Under which conditions and how often it would be done, in words.
    pub notes: Vec<Redacted>,
    /// How often it would be done at least.
    pub times: usize,
}

/// What a line of a dry run would do.
#[derive(Debug, Clone)]
pub enum DryAction {
    /// Send a request.
    Request {
        /// The verb.
        method: Redacted,
        /// Path and query, secrets and what is not known yet as `‹name›`.
        target: Redacted,
        /// The body.
        body: Option<Redacted>,
        /// Whether it would change something.
        is_write: bool,
        /// Whether there may be more pages.
        has_pages: bool,
    },
    /// Keep a secret.
    Store {
        /// As what.
        target: Redacted,
        /// Where.
        store: Redacted,
    },
    /// Nothing, for this reason.
    Nothing(Redacted),
    /// What is written cannot be done.
    Impossible(Redacted),
}

impl DryLine {
    fn is_request(&self) -> bool {
        matches!(self.action, DryAction::Request { .. })
    }

    /// Whether what would be sent, or whether at all, depends on an answer.
    fn depends_on_answers(&self) -> bool {
        let has_pages = matches!(self.action, DryAction::Request { has_pages: true, .. });
        self.is_request() && (has_pages || !self.after.is_empty())
    }
}

impl DryRun {
    /// `4 requests, 2 depend on answers, 1 write; nothing was sent`. Cleanup is not counted: it runs if something is left
    /// to undo.
    pub fn summary(&self) -> String {
        let count = |wanted: &dyn Fn(&DryLine) -> bool| -> u64 {
            self.lines.iter().filter(|line| wanted(line)).map(|line| line.times as u64).sum()
        };
        let requests = counted(count(&DryLine::is_request), "request");
        let writes = |line: &DryLine| matches!(line.action, DryAction::Request { is_write: true, .. });
        let dependent = match count(&DryLine::depends_on_answers) {
            0 => "none depends on answers".to_owned(),
            1 => "1 depends on answers".to_owned(),
            many => format!("{many} depend on answers"),
        };
        format!("{requests}, {dependent}, {}; nothing was sent", counted(count(&writes), "write"))
    }

    /// The exit code of the process: that of a missing secret, or of something that cannot be done.
    pub fn exit_code(&self) -> i32 {
        let is_missing = self.secrets.iter().any(|secret| secret.source.is_err());
        let lines = self.lines.iter().chain(&self.cleanup);
        let is_impossible = lines.into_iter().any(|line| matches!(line.action, DryAction::Impossible(_)));
        let causes = [is_missing.then_some(Cause::SignIn), is_impossible.then_some(Cause::Step)];
        Cause::heaviest(causes.into_iter().flatten()).map_or(0, Cause::exit_code)
    }
}

/// Says what a run would do.
///
/// # Errors
/// What keeps a provider from being made ready: a setting without a value, an address that is none.
pub async fn dry_run(
    plan: &Rc<Plan>,
    sources: &SourceMap,
    options: &RunOptions,
    world: &World,
    events: &Events,
) -> Result<DryRun, Vec<Failure>> {
    let exchange = Exchange::new(world.clone(), events.clone());
    let (sessions, credentials) = Sessions::preview(setup(plan, options, &exchange)).await?;
    // The run's identity is known before anything is sent, so nothing depends on it: its name stands for it.
    let mut names = names(options, "‹run.id›".into(), "‹run.started_at›".into());
    let mut secrets = Vec::new();
    for found in credentials {
        secrets.push(secret_line(events, &found.name, found.source, &found.origins));
    }
    for secret in secrets_needed(plan, &options.selection) {
        let scope = names.source_scope(&moment(world));
        let chain = secrets::chain(secret, &plan.folder, &scope);
        let found = preview(world, &chain, &|_| None).await;
        names.secrets.push((secret.name.clone(), known_data(&chain.name, &found, events)));
        secrets.push(secret_line(events, &chain.name, found, &[]));
    }
    let engine = Engine {
        plan,
        sources,
        selection: &options.selection,
        world,
        events,
        exchange,
        sessions,
        names,
        limits: Limits::of_run(&*world.clock, None),
        budget: Budget::default(),
        cleanup: Cleanup::default(),
        course: Course::default(),
    };
    let rehearsal = Rehearsal { engine, lines: RefCell::default(), open: RefCell::default() };
    let (lines, cleanup) = rehearsal.perform().await;
    Ok(DryRun { secrets, lines, cleanup })
}

fn secret_line(
    events: &Events,
    name: &str,
    source: Result<Preview, Missing>,
    origins: &[String],
) -> DrySecret {
    let source = match source {
        Ok(Preview::Found(found)) => Ok(events.clean(found.found_in.to_string())),
        Ok(Preview::WouldAsk { .. }) => Ok(events.clean("would be asked for at the terminal")),
        Err(missing) => {
            let tried = missing.tried.iter();
            Err(tried.map(|tried| events.clean(format!("{}: {}", tried.source, tried.reason))).collect())
        }
    };
    let origins = origins.iter().map(|origin| events.clean(origin)).collect();
    DrySecret { name: events.clean(name), source, origins }
}

fn known_data(name: &str, found: &Result<Preview, Missing>, events: &Events) -> Data {
    match found {
        Ok(Preview::Found(found)) => {
            // One that is too short to be looked for is shown by its name where it is used.
            let _ = events.redactor().learn(name, found.value.expose());
            Data::Secret(name.to_owned(), found.value.expose().as_str().into())
        }
        _ => Data::Unknown(name.to_owned()),
    }
}

/// A run of which nothing leaves this machine.
struct Rehearsal<'a> {
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
    fn depending_on(mut self, names: impl IntoIterator<Item = String>, note: String) -> Self {
        self.depends.extend(names);
        self.notes.push(note);
        self
    }
}

impl<'a> Rehearsal<'a> {
    /// The lines of the steps with the end of their sessions, and those of cleanup.
    async fn perform(self) -> (Vec<DryLine>, Vec<DryLine>) {
        let plan = self.engine.plan;
        let frame = Frame::outermost(&plan.steps);
        let place =
            |frame| Place { frame, is_cleanup: false, depends: BTreeSet::new(), notes: Vec::new(), times: 1 };
        let selected = plan.steps.iter().filter(|step| self.engine.selection.contains(step.key));
        self.steps(selected, &place(frame.clone())).await;
        let open = self.open.borrow().clone();
        self.close_all().await;
        let mut lines = self.lines.take();
        *self.open.borrow_mut() = open;
        for undo in self.engine.cleanup.take() {
            let place = Place { is_cleanup: true, ..place(undo.frame.inner(undo.steps)) };
            self.steps(undo.steps, &place).await;
        }
        let own = Place { is_cleanup: true, ..place(frame.inner(&plan.cleanup)) };
        self.steps(&plan.cleanup, &own).await;
        let cleanup = self.lines.take();
        lines.shrink_to_fit();
        (lines, cleanup)
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
            Ok(place) => match self.for_items(step, place) {
                Ok(place) => self.act(step, &place).await,
                Err(line) => Err(line),
            },
            Err(line) => Err(line),
        };
        if let Err(action) = done {
            self.push(&step.label(), place, action, Vec::new());
        }
        place.frame.record_data(step, unknown_record(step));
    }

    fn scope(&self, place: &Place) -> Scope {
        let has_failed = place.is_cleanup.then(|| Data::Unknown("run.failed".to_owned()));
        self.engine.names.scope(&moment(self.engine.world), &place.frame, has_failed)
    }

    fn clean(&self, text: impl AsRef<str>) -> Redacted {
        self.engine.events.clean(text)
    }

    fn impossible(&self, reason: impl ToString) -> DryAction {
        DryAction::Impossible(self.clean(reason.to_string()))
    }

    fn under_condition(&self, step: &PlannedStep, place: Place) -> Result<Place, DryAction> {
        let Some(condition) = &step.condition else { return Ok(place) };
        let scope = self.scope(&place);
        let words = condition_words(condition);
        let asked = condition.expression().evaluate(&scope).map_err(|error| self.impossible(error))?;
        if asked.is_unknown() {
            return Ok(place.depending_on(asked.unknown, words));
        }
        match condition.holds(&scope).map_err(|error| self.impossible(error))? {
            true => Ok(place),
            false => Err(DryAction::Nothing(self.clean(format!("`{words}` does not hold")))),
        }
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
            return Err(self.impossible(format!("loops over {}, not a list", super::rows::kind(&list.json))));
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
        let moment = moment(self.engine.world);
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
        with: &[(String, crate::document::Tree)],
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
        let frame = Frame::outermost(&[]);
        let place = Place { frame, is_cleanup: false, depends: BTreeSet::new(), notes: Vec::new(), times: 1 };
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
