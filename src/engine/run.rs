//! A whole run: from the first secret to the last logout.

use super::cleanup::Cleanup;
use super::core::Engine;
use super::course::Course;
use super::failure::interruption_words;
use super::idempotency::UsedKeys;
use super::limits::{Interruption, Limits};
use super::outlets::try_outlets;
use super::places::{CLEANUP, Places};
use super::references::{certain_store, secrets_read, steps_built_upon_inside};
use super::scope::{Frame, RunNames};
use super::secrets;
use super::selection::Selection;
use super::stage::Stage;
use super::step::Flow;
use super::taken_up::{TakenUp, unbegun};
use crate::document::Effect;
use crate::event::{EventKind, Events, Failure, FailureDraft, StepStatus, Verdict};
use crate::exchange::{Exchange, Realms};
use crate::model::exit::Cause;
use crate::model::words::{self, counted};
use crate::plan::{Plan, PlannedSecret, PlannedStep};
use crate::port::World;
use crate::session::{LedgerNote, Sessions, Setup, Standing, planned_logins};
use crate::source::SourceMap;
use crate::template::{Data, SharedJson};
use futures_util::future::{Either, FutureExt, select};
use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// What each piece of cleanup may take, whatever time the run has left.
const CLEANUP_TIME: Duration = Duration::from_secs(10);

/// What the caller says about a run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The values of all inputs, each of its type.
    pub inputs: Map<String, Json>,
    /// The steps to do.
    pub selection: Selection,
    /// All providers are simulated on this machine.
    pub is_simulated: bool,
    /// Which run it is; without it a new one.
    pub identity: Option<RunIdentity>,
    /// What an earlier process has left of this run.
    pub taken_up: Option<TakenUp>,
    /// What was seen before the run and is worth a warning in its report.
    pub warnings: Vec<String>,
    /// Whether events keep the texts of bodies, for a report that shows them.
    pub keeps_bodies: bool,
}

/// Which run it is, the same in each process that works on it.
#[derive(Debug, Clone)]
pub struct RunIdentity {
    /// In expressions `run.id`.
    pub id: String,
    /// In expressions `run.started_at`.
    pub started_at: Timestamp,
}

impl RunIdentity {
    /// A new run.
    pub fn new(world: &World) -> Self {
        Self { id: world.random.run_id(), started_at: world.clock.now() }
    }
}

/// Runs a plan: looks its secrets up, does its steps, cleans up, closes all sessions. What happens is told by `events`,
/// the first of which is [`EventKind::RunStarted`] and the last [`EventKind::RunFinished`] with the verdict that is
/// returned.
pub async fn run(
    plan: Rc<Plan>,
    sources: &SourceMap,
    options: &RunOptions,
    world: &World,
    events: &Events,
) -> Verdict {
    let identity = begin(&plan, options, world, events);
    let run = identity.id.clone();
    let verdict = match prepare(&plan, sources, options, world, events, identity).await {
        Ok(engine) => engine.run().await,
        Err(failures) => unbegun(failures, options, &run, world.clock.now(), events, sources).verdict(),
    };
    events.emit(EventKind::RunFinished { verdict: verdict.clone() });
    verdict
}

/// Tells a run that does not begin, as [`run`] does: another one is at work, or a signal came while it waited.
pub fn refuse(
    plan: &Plan,
    sources: &SourceMap,
    options: &RunOptions,
    world: &World,
    events: &Events,
    why: FailureDraft,
) -> Verdict {
    let RunIdentity { id, .. } = begin(plan, options, world, events);
    let why = vec![why.into_failure(events, sources, None)];
    let verdict = unbegun(why, options, &id, world.clock.now(), events, sources).verdict();
    events.emit(EventKind::RunFinished { verdict: verdict.clone() });
    verdict
}

/// Tells a run that leaves its work to another one, as it was asked to: nothing of it has failed.
pub fn leave_out(plan: &Plan, options: &RunOptions, world: &World, events: &Events, why: &str) {
    begin(plan, options, world, events);
    events.warn(why);
    events.emit(EventKind::RunFinished { verdict: Course::default().verdict() });
}

/// Why a run that a signal has reached while it waited for something does not begin.
pub fn cancelled_before_start(signal: i32, during: &str) -> FailureDraft {
    let trouble = FailureDraft::interruption(Interruption::Signal(signal), during);
    trouble.advice("run it again; nothing was sent")
}

/// Says that the run begins, and returns its identity.
fn begin(plan: &Plan, options: &RunOptions, world: &World, events: &Events) -> RunIdentity {
    let identity = options.identity.clone().unwrap_or_else(|| RunIdentity::new(world));
    events.emit(EventKind::RunStarted {
        run: identity.id.clone(),
        playbook: events.clean(&plan.name),
        file: events.clean(&plan.file),
        is_simulated: options.is_simulated,
        is_resumed: options.taken_up.is_some(),
    });
    options.warnings.iter().for_each(|warning| events.warn(warning));
    identity
}

/// Tries the files, makes providers ready and looks all secrets up. Nothing is sent for the run itself; when all is ready,
/// sessions are closed that earlier runs have left open.
async fn prepare<'a>(
    plan: &'a Rc<Plan>,
    sources: &'a SourceMap,
    options: &'a RunOptions,
    world: &'a World,
    events: &'a Events,
    identity: RunIdentity,
) -> Result<Engine<'a>, Vec<Failure>> {
    let unwritable = try_outlets(plan, &options.selection, &*world.output, events, sources);
    if !unwritable.is_empty() {
        return Err(unwritable);
    }
    let limits = Limits::of_run(&*world.clock, plan.deadline);
    let exchange = Exchange::new(world.clone(), events.clone()).keeping_bodies(options.keeps_bodies);
    let run_id = identity.id.clone();
    let mut names = names(options, identity.id.into(), started_at(identity.started_at));
    let interrupted_at = |what: &'static str| {
        move |interruption: Interruption| {
            let trouble = FailureDraft::interruption(interruption, what).advice("run it again");
            vec![trouble.into_failure(events, sources, None)]
        }
    };
    let interrupted = interrupted_at("the look-up of secrets");
    let sessions = Sessions::prepare(setup(plan, options, &exchange, &run_id));
    let sessions = limits.wait(world, sessions).await.map_err(interrupted)?;
    let secrets = limits.wait(world, look_up_secrets(plan, sources, options, world, events, &names));
    let secrets = secrets.await.map_err(interrupted)?;
    let store = limits.wait(world, check_store(plan, sources, options, world, events));
    let store = store.await.map_err(interrupted)?;
    let (sessions, secrets) = match (sessions, secrets, store) {
        (Ok(sessions), Ok(secrets), Ok(())) => (sessions, secrets),
        (sessions, secrets, store) => {
            let failures = [sessions.err(), secrets.err(), store.err()].into_iter().flatten();
            return Err(failures.flatten().collect());
        }
    };
    let left_open = limits.wait(world, sessions.close_left_open()).await;
    let left_open = left_open.map_err(interrupted_at("the closing of sessions that were left open"))?;
    let left_open = left_open.map_err(|failure| vec![failure])?;
    for LedgerNote { text, standing } in left_open {
        match standing {
            Standing::InUse => {}
            Standing::Over => events.warn(text),
            Standing::Open | Standing::NotClosed => events.alert(text),
        }
    }
    names.secrets = secrets;
    Ok(Engine {
        plan,
        sources,
        selection: &options.selection,
        world,
        events,
        exchange,
        realms: Realms::default(),
        sessions,
        places: Places::of(plan),
        taken_up: options.taken_up.as_ref(),
        is_simulated: options.is_simulated,
        names,
        limits,
        keys: UsedKeys::default(),
        cleanup: Cleanup::default(),
        course: Course::of(options.taken_up.as_ref()),
    })
}

/// What sessions are made from: the logins that the selected steps and all cleanup may ask for.
pub fn setup(plan: &Rc<Plan>, options: &RunOptions, exchange: &Exchange, run: &str) -> Setup {
    let mut logins = planned_logins(&plan.steps, &|key| options.selection.contains(key));
    let of_cleanup = planned_logins(&plan.cleanup, &|_| true);
    logins.extend(of_cleanup.into_iter().filter(|login| !logins.contains(login)).collect::<Vec<_>>());
    Setup {
        plan: plan.clone(),
        inputs: Data::Json(Json::Object(options.inputs.clone())),
        logins,
        exchange: exchange.clone(),
        run: run.to_owned(),
    }
}

/// The names that hold for a whole run, secrets not yet among them.
pub fn names(options: &RunOptions, run_id: Json, started_at: Json) -> RunNames {
    RunNames {
        inputs: SharedJson::from(Json::Object(options.inputs.clone())),
        secrets: Vec::new(),
        run_id: run_id.into(),
        started_at: started_at.into(),
    }
}

fn started_at(at: Timestamp) -> Json {
    let printer = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(0));
    printer.timestamp_to_string(&at).into()
}

/// Looks up the secrets of the playbook that the run reads, but for those that hold once.
async fn look_up_secrets(
    plan: &Plan,
    sources: &SourceMap,
    options: &RunOptions,
    world: &World,
    events: &Events,
    names: &RunNames,
) -> Result<Vec<(String, Data)>, Vec<Failure>> {
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for secret in secrets_needed(plan, &options.selection).filter(|secret| !secret.is_one_time) {
        match secrets::fetch(world, events, secret, &plan.folder, names).await {
            Ok(data) => found.push((secret.name.clone(), data)),
            Err(trouble) => failures.push(trouble.into_failure(events, sources, None)),
        }
    }
    if failures.is_empty() { Ok(found) } else { Err(failures) }
}

/// Finds before anything is sent that a secret cannot be kept which the run would make.
async fn check_store(
    plan: &Plan,
    sources: &SourceMap,
    options: &RunOptions,
    world: &World,
    events: &Events,
) -> Result<(), Vec<Failure>> {
    let selected = plan.steps.iter().filter(|step| options.selection.contains(step.key));
    let Some((step, target)) = certain_store(selected.chain(&plan.cleanup)) else { return Ok(()) };
    world.store.check().await.map_err(|error| {
        let trouble = FailureDraft::new(Cause::Machine, format!("`{target}` cannot be kept: {error}"));
        let trouble = trouble.advice("run it where there is one; nothing was sent");
        vec![trouble.into_failure(events, sources, Some(step.span))]
    })
}

/// The secrets of the playbook that the selected steps and all cleanup read.
pub fn secrets_needed<'a>(plan: &'a Plan, selection: &Selection) -> impl Iterator<Item = &'a PlannedSecret> {
    let selected = plan.steps.iter().filter(|step| selection.contains(step.key));
    let read = secrets_read(selected.chain(&plan.cleanup));
    plan.secrets.iter().filter(move |secret| read.contains(&secret.name))
}

impl<'a> Engine<'a> {
    /// Does all of it; whoever insists on the end gets it at once.
    async fn run(&self) -> Verdict {
        let work = self.work().boxed_local();
        match select(work, pin!(self.world.cancellation.insisted())).await {
            Either::Left(_) => {}
            Either::Right(((), work)) => {
                // What is in flight says that it was given up, and unfinished files go.
                drop(work);
                self.give_up();
            }
        }
        self.course.verdict()
    }

    /// Says what is left as it is.
    fn give_up(&self) {
        self.tell_doubts();
        let signal = self.world.cancellation.signal().unwrap_or_default();
        let now = self.world.clock.now();
        let headline = "a second signal came: stopped at once, nothing was closed or cleaned up";
        let mut trouble = FailureDraft::new(Cause::Signal(signal), headline);
        let in_flight = self.course.in_flight();
        let is_write = in_flight.as_ref().is_some_and(|(_, effect)| *effect == Effect::Once);
        let in_doubt = self.course.in_doubt().filter(|_| !is_write);
        if let Some((request, _)) = in_flight {
            let doubt = if is_write { ": nobody knows whether it was done" } else { "" };
            trouble = trouble.note(format!("{request} was in flight{doubt}"));
        }
        if let Some(request) = &in_doubt {
            trouble = trouble.note(format!("{request} was sent before: nobody knows whether it was done"));
        }
        if is_write || in_doubt.is_some() {
            self.course.note_unknown();
            self.course.fail(Cause::Unknown);
            if !self.is_simulated && self.course.current().is_some() {
                let run = self.names.run_id_text();
                trouble = trouble
                    .advice(format!("`runner resume {run}` says what is to be looked at, and goes on"));
            }
        }
        for session in self.sessions.open_sessions() {
            let until = session.valid_until.map(|until| format!(" until {}", words::moment(until, now)));
            let (provider, until) = (&session.provider, until.unwrap_or_default());
            trouble = trouble.note(format!("the session at {provider} may be open{until}"));
        }
        let blocks = self.cleanup.take().len() as u64;
        if blocks > 0 {
            trouble = trouble.note(format!("not run: the cleanup of {}", counted(blocks, "step")));
        }
        self.course.fail_without_step(trouble.into_failure(self.events, self.sources, None));
        self.tell_untold(is_write || in_doubt.is_some());
    }

    /// Tells of the steps whose ends were not told: the one that was at work, and those behind it.
    fn tell_untold(&self, is_in_doubt: bool) {
        let stage = Stage::of_list(Frame::outermost(&self.plan.steps), "", self.limits, false);
        let mut was_at_work = self.course.current().is_some();
        for step in self.plan.steps.iter().filter(|step| !self.course.was_told(step.key.0)) {
            let (status, detail) = match (self.selection.contains(step.key), was_at_work) {
                (false, _) => (StepStatus::Skipped, None),
                (true, false) => (StepStatus::NotStarted, None),
                (true, true) if is_in_doubt => (StepStatus::Unknown, Some("given up".to_owned())),
                (true, true) => (StepStatus::Failed, Some("given up".to_owned())),
            };
            was_at_work &= !self.selection.contains(step.key);
            self.leave_out(step, &stage, status, detail);
        }
    }

    async fn work(&self) {
        let frame = Frame::outermost(&self.plan.steps);
        self.do_steps(&frame).await;
        self.note_cancellation();
        self.sessions.begin_cleanup();
        let is_in_cleanup = self.taken_up.is_some_and(|taken_up| taken_up.is_in_cleanup);
        if !is_in_cleanup {
            self.tell_doubts();
        }
        self.clean_up(&frame).await;
        if is_in_cleanup {
            self.tell_doubts();
        }
        self.close_sessions().await;
    }

    async fn do_steps(&self, frame: &Rc<Frame>) {
        let is_over = self.taken_up.is_some_and(|taken_up| taken_up.is_in_cleanup);
        let stage = Stage { is_over, ..Stage::of_list(frame.clone(), "", self.limits, false) };
        let mut flow = Flow::On;
        for step in &self.plan.steps {
            match flow {
                _ if !self.selection.contains(step.key) => {
                    self.leave_out(step, &stage, StepStatus::Skipped, None);
                }
                Flow::On => {
                    self.course.begin_step(Some(step.id.as_deref().unwrap_or(&step.label())));
                    flow = self.step(step, &stage).await;
                }
                Flow::Stop => self.not_begin(step, &stage).await,
            }
        }
    }

    /// A run that was asked to end has ended for that reason, even if nothing was in flight.
    fn note_cancellation(&self) {
        let Some(signal) = self.world.cancellation.signal() else { return };
        let (cause, why) = interruption_words(Interruption::Signal(signal));
        if !self.course.has_failed_for(cause) {
            let trouble = FailureDraft::new(cause, format!("{why} while the run was at work"));
            self.course.fail_without_step(trouble.into_failure(self.events, self.sources, None));
        }
    }

    /// Runs the cleanup blocks of the steps, the newest first, then the playbook's own.
    async fn clean_up(&self, frame: &Rc<Frame>) {
        let undone = self.cleanup.take();
        let own = self.plan.cleanup.len();
        if undone.len() + own == 0 {
            return;
        }
        if self.course.is_pending() {
            self.events.warn(self.pending_cleanup(undone.len() + own));
            return;
        }
        self.course.begin_step(None);
        let (blocks, verdict) = (undone.len() + own, self.course.verdict());
        self.events.emit(EventKind::CleanupStarted { blocks, verdict });
        for undo in undone {
            self.undo(undo.steps, undo.frame.inner(undo.steps), &undo.within).await;
        }
        self.undo(&self.plan.cleanup, frame.inner(&self.plan.cleanup), CLEANUP).await;
    }

    /// Does the steps of a cleanup block. Each has time of its own, and none stops another but one that builds upon it.
    async fn undo(&self, steps: &'a [PlannedStep], frame: Rc<Frame>, within: &str) {
        let mut failed = BTreeSet::new();
        for step in steps {
            let stage = self.cleanup_stage(frame.clone(), within);
            let end = match steps_built_upon_inside(step).intersection(&failed).next() {
                Some(base) => {
                    let detail = format!("builds upon `{base}`, which was not done");
                    self.leave_out(step, &stage, StepStatus::NotStarted, Some(detail));
                    Flow::Stop
                }
                None => self.step(step, &stage).await,
            };
            failed.extend(step.id.as_deref().filter(|_| end == Flow::Stop));
        }
    }

    fn cleanup_stage(&self, frame: Rc<Frame>, within: &str) -> Stage {
        let limits = Limits::of_cleanup(&*self.world.clock, CLEANUP_TIME);
        Stage::of_list(frame, within, limits, true)
    }

    async fn close_sessions(&self) {
        self.sessions.close_all().await;
        self.sessions.not_closed().into_iter().for_each(|failure| self.course.fail_without_step(failure));
    }
}
