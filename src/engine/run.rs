//! A whole run: from the first secret to the last logout.

use super::budget::Budget;
use super::cleanup::Cleanup;
use super::core::Engine;
use super::course::Course;
use super::failure::interruption_words;
use super::idempotency::UsedKeys;
use super::limits::{Interruption, Limits};
use super::outlets::try_outlets;
use super::references::{certain_store, secrets_read};
use super::scope::{Frame, RunNames};
use super::secrets;
use super::selection::Selection;
use super::stage::Stage;
use super::step::Flow;
use crate::document::Effect;
use crate::event::{EventKind, Events, Failure, FailureDraft, StepStatus, Verdict};
use crate::exchange::{Exchange, Realms};
use crate::model::exit::Cause;
use crate::model::words::{self, counted};
use crate::plan::{Plan, PlannedSecret};
use crate::port::World;
use crate::session::{Sessions, Setup, planned_logins};
use crate::source::SourceMap;
use crate::template::{Data, SharedJson};
use futures_util::future::{Either, FutureExt, select};
use serde_json::{Map, Value as Json};
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
    let run_id = world.random.run_id();
    events.emit(EventKind::RunStarted {
        run: run_id.clone(),
        playbook: events.clean(&plan.name),
        file: events.clean(&plan.file),
        is_simulated: options.is_simulated,
    });
    let verdict = match prepare(&plan, sources, options, world, events, run_id).await {
        Ok(engine) => engine.run().await,
        Err(failures) => {
            let course = Course::default();
            failures.into_iter().for_each(|failure| course.fail_without_step(failure));
            course.verdict()
        }
    };
    events.emit(EventKind::RunFinished { verdict: verdict.clone() });
    verdict
}

/// Tries the files, makes providers ready and looks all secrets up. Nothing is sent.
async fn prepare<'a>(
    plan: &'a Rc<Plan>,
    sources: &'a SourceMap,
    options: &'a RunOptions,
    world: &'a World,
    events: &'a Events,
    run_id: String,
) -> Result<Engine<'a>, Vec<Failure>> {
    let unwritable = try_outlets(plan, &options.selection, &*world.output, events, sources);
    if !unwritable.is_empty() {
        return Err(unwritable);
    }
    let limits = Limits::of_run(&*world.clock, plan.deadline);
    let exchange = Exchange::new(world.clone(), events.clone());
    let mut names = names(options, run_id.into(), started_at(world));
    let interrupted = |interruption: Interruption| {
        let trouble =
            FailureDraft::interruption(interruption, "the look-up of secrets").advice("run it again");
        vec![trouble.into_failure(events, sources, None)]
    };
    let sessions = Sessions::prepare(setup(plan, options, &exchange));
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
        names,
        limits,
        budget: Budget::default(),
        keys: UsedKeys::default(),
        cleanup: Cleanup::default(),
        course: Course::default(),
    })
}

/// What sessions are made from: the logins that the selected steps and all cleanup may ask for.
pub fn setup(plan: &Rc<Plan>, options: &RunOptions, exchange: &Exchange) -> Setup {
    let mut logins = planned_logins(&plan.steps, &|key| options.selection.contains(key));
    let of_cleanup = planned_logins(&plan.cleanup, &|_| true);
    logins.extend(of_cleanup.into_iter().filter(|login| !logins.contains(login)).collect::<Vec<_>>());
    Setup {
        plan: plan.clone(),
        inputs: Data::Json(Json::Object(options.inputs.clone())),
        logins,
        exchange: exchange.clone(),
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

fn started_at(world: &World) -> Json {
    let printer = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(0));
    printer.timestamp_to_string(&world.clock.now()).into()
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

impl Engine<'_> {
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
    }

    async fn work(&self) {
        let frame = Frame::outermost(&self.plan.steps);
        self.do_steps(&frame).await;
        self.note_cancellation();
        self.sessions.begin_cleanup();
        self.clean_up(&frame).await;
        self.close_sessions().await;
    }

    async fn do_steps(&self, frame: &Rc<Frame>) {
        let stage =
            Stage { frame: frame.clone(), depth: 0, item: None, limits: self.limits, is_cleanup: false };
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
                Flow::Stop => self.leave_out(step, &stage, StepStatus::NotStarted, None),
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

    /// Runs the cleanup blocks of the steps, the newest first, then the playbook's own. Each has time of its own, and none
    /// stops another.
    async fn clean_up(&self, frame: &Rc<Frame>) {
        let undone = self.cleanup.take();
        let own = self.plan.cleanup.len();
        if undone.len() + own == 0 {
            return;
        }
        self.course.begin_step(None);
        self.events.emit(EventKind::CleanupStarted { blocks: undone.len() + own });
        for undo in undone {
            self.steps(undo.steps, &self.cleanup_stage(undo.frame.inner(undo.steps))).await;
        }
        let frame = frame.inner(&self.plan.cleanup);
        for step in &self.plan.cleanup {
            self.step(step, &self.cleanup_stage(frame.clone())).await;
        }
    }

    fn cleanup_stage(&self, frame: Rc<Frame>) -> Stage {
        let limits = Limits::of_cleanup(&*self.world.clock, CLEANUP_TIME);
        Stage { frame, depth: 0, item: None, limits, is_cleanup: true }
    }

    async fn close_sessions(&self) {
        self.sessions.close_all().await;
        if self.sessions.has_failed_to_close() && !self.course.has_failed_for(Cause::Cleanup) {
            self.course.fail(Cause::Cleanup);
        }
    }
}
