//! `runner apply`: check, then run, then report.

use super::args::{ApplyArgs, LogArgs, ReportTarget};
use super::asking::QuietPrompt;
use super::outlets;
use super::playbook;
use super::refusal::Refusal;
use super::simulated::{LoopbackOnly, SimulatedSurroundings, Simulators};
use super::state;
use super::streams;
use super::world::{around, real_world};
use crate::engine::{self, RunOptions, Selection};
use crate::event::{Event, EventSink, Events, RunReport, Verdict};
use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::plan::{Options, Plan, PlannedStep, StepKind, resolve_inputs};
use crate::port::{Cancellation, Forgetful, Surroundings, World};
use crate::report::{EventLog, LiveReport, Messages, Progress, Terminal, json, write_dry_run};
use crate::source::SourceMap;
use crate::system::{MemoryStore, SystemSurroundings, cancel_on_signals};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

/// Runs a playbook and returns the exit code.
///
/// # Errors
/// Why nothing was sent.
pub(super) async fn apply(args: &ApplyArgs, log: LogArgs, redactor: &Redactor) -> Result<i32, Refusal> {
    let surroundings = surroundings(args, redactor)?;
    let (plan, sources) = playbook::check(
        &args.playbook,
        &check_options(args),
        &*surroundings,
        &mut streams::stderr(redactor),
    )?;
    let options = options(args, &plan, &*surroundings)?;
    if !args.dry_run {
        state::open(&args.state)?;
    }
    let cancellation = Cancellation::default();
    cancel_on_signals(&cancellation).map_err(|error| Refusal::start(&error))?;
    let progress = Progress::new(streams::stderr_look(), !log.is_on());
    let world = world(args, surroundings, &progress, &cancellation);
    outlets::check(args, &plan, &sources, &options.selection, &*world.output)?;
    let job = Job { args, log, sources, options, redactor, progress };
    match (args.dry_run, args.simulate) {
        (true, _) => job.rehearse(plan, world).await,
        (false, true) => job.simulate(plan, world).await,
        (false, false) => job.run(plan, world, None).await,
    }
}

/// The environment with its `.env` file, and the files. A simulated run gets none of the user's secrets.
fn surroundings(args: &ApplyArgs, redactor: &Redactor) -> Result<Rc<dyn Surroundings>, Refusal> {
    if args.simulate {
        let real = SystemSurroundings::without_env_file().allow_read(&args.around.allow_read);
        let real = Rc::new(real);
        return Ok(Rc::new(SimulatedSurroundings::of_check(real)));
    }
    let folder = playbook::folder(&args.playbook);
    Ok(Rc::new(around(folder, &args.around, &mut streams::stderr(redactor))?))
}

/// What the command line says that the check must know.
fn check_options(args: &ApplyArgs) -> Options {
    Options {
        base_urls: args.base_url.clone(),
        auth_base_urls: args.auth_base_url.clone(),
        profiles: args.profile.iter().map(|profile| split_profile(profile)).collect(),
        is_simulated: args.simulate,
    }
}

/// `PROFILE`, or `PROVIDER=PROFILE`.
fn split_profile(written: &str) -> (Option<String>, String) {
    match written.split_once('=') {
        Some((provider, profile)) => (Some(provider.to_owned()), profile.to_owned()),
        None => (None, written.to_owned()),
    }
}

/// What the command line says about the run, held against the plan.
fn options(args: &ApplyArgs, plan: &Plan, surroundings: &dyn Surroundings) -> Result<RunOptions, Refusal> {
    let inputs = resolve_inputs(plan, &args.input, surroundings).map_err(|mistakes| Refusal {
        cause: Cause::Invalid,
        reasons: mistakes.iter().map(ToString::to_string).collect(),
    })?;
    let selection = Selection::of(plan, &args.only, args.from.as_deref())
        .map_err(|error| Refusal::usage(error.to_string()))?;
    Ok(RunOptions { inputs, selection, is_simulated: args.simulate })
}

fn world(
    args: &ApplyArgs,
    surroundings: Rc<dyn Surroundings>,
    progress: &Progress,
    cancellation: &Cancellation,
) -> World {
    let real = real_world(surroundings, &args.state, args.no_prompt, cancellation);
    let prompt = Rc::new(QuietPrompt { prompt: real.prompt, progress: progress.clone() });
    if !args.simulate {
        return World { prompt, ..real };
    }
    let transport = Rc::new(LoopbackOnly(real.transport));
    let store = Rc::new(MemoryStore::default());
    World { prompt, transport, store, sign_ins: Rc::new(Forgetful), ..real }
}

/// A run with all that is around it.
struct Job<'a> {
    args: &'a ApplyArgs,
    log: LogArgs,
    sources: SourceMap,
    options: RunOptions,
    redactor: &'a Redactor,
    progress: Progress,
}

impl Job<'_> {
    /// Runs the plan against simulators instead of its providers.
    async fn simulate(self, mut plan: Plan, mut world: World) -> Result<i32, Refusal> {
        let simulators = Simulators::start(&mut plan).await?;
        world.surroundings =
            Rc::new(SimulatedSurroundings::of_run(world.surroundings.clone(), simulators.variables()));
        self.run(plan, world, Some(simulators)).await
    }

    /// Shows what the run would do.
    async fn rehearse(self, plan: Plan, world: World) -> Result<i32, Refusal> {
        let listeners = Rc::new(RefCell::new(self.listeners(&plan)));
        let events = Events::new(listeners, world.clock.clone(), self.redactor.clone());
        let plan = Rc::new(plan);
        match engine::dry_run(&plan, &self.sources, &self.options, &world, &events).await {
            Ok(rehearsed) => {
                let out = &mut streams::stdout(self.redactor);
                write_dry_run(&plan.name, &rehearsed, streams::stdout_look(), out)?;
                Ok(rehearsed.exit_code())
            }
            Err(failures) => {
                self.messages().failures(&failures.iter().collect::<Vec<_>>());
                let cause = Cause::heaviest(failures.iter().map(|failure| failure.cause));
                Ok(cause.map_or(0, Cause::exit_code))
            }
        }
    }

    async fn run(self, plan: Plan, world: World, simulators: Option<Simulators>) -> Result<i32, Refusal> {
        let listeners = Rc::new(RefCell::new(self.listeners(&plan)));
        let events = Events::new(listeners.clone(), world.clock.clone(), self.redactor.clone());
        let verdict = engine::run(Rc::new(plan), &self.sources, &self.options, &world, &events).await;
        let live = &listeners.borrow().live;
        let mut report = live.report().clone();
        report.simulators = simulators.map(|simulators| simulators.counts());
        Ok(self.finish(live, &report, &verdict, &world))
    }

    fn listeners(&self, plan: &Plan) -> Listeners {
        let labels = labels(plan);
        let labels = labels.iter().map(String::as_str);
        let is_stdout_taken = self.args.report.contains(&ReportTarget::Stdout);
        let lines = if is_stdout_taken {
            Terminal::new(streams::stderr(self.redactor), streams::stderr_look(), labels)
        } else {
            Terminal::new(streams::stdout(self.redactor), streams::stdout_look(), labels)
        };
        let messages = if self.log.holds_messages() {
            Messages::new(io::sink(), streams::stderr_look())
        } else {
            self.messages()
        };
        let live = LiveReport::new(lines, messages, self.progress.clone());
        Listeners { live, log: EventLog }
    }

    fn messages(&self) -> Messages {
        Messages::new(streams::stderr(self.redactor), streams::stderr_look())
    }

    /// Writes the reports for machines. Returns the exit code of the run, in which a report that is missing counts.
    fn finish(&self, live: &LiveReport, report: &RunReport, verdict: &Verdict, world: &World) -> i32 {
        let mut causes = verdict.causes.clone();
        let mut missing = |report: &str, error: &io::Error| {
            causes.push(Cause::Machine);
            // Where nobody listens, the exit code says it all.
            let _ = writeln!(streams::stderr(self.redactor), "error: failed to write {report}: {error}");
        };
        if let Some(error) = live.error() {
            missing("the report", error);
        }
        for target in &self.args.report {
            let written = match target {
                ReportTarget::Stdout => json::write(report, self.redactor, &mut io::stdout()),
                ReportTarget::File(path) => json::write_file(report, self.redactor, &*world.output, path),
            };
            match written {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    missing(&format!("the report to {target}"), &error);
                }
                _ => {}
            }
        }
        Cause::heaviest(causes).map_or(0, Cause::exit_code)
    }
}

/// Who follows the run.
struct Listeners {
    live: LiveReport,
    log: EventLog,
}

impl EventSink for Listeners {
    fn receive(&mut self, event: &Event) {
        self.log.receive(event);
        self.live.receive(event);
    }
}

/// What the lines of the report will be called, those of sessions included.
fn labels(plan: &Plan) -> Vec<String> {
    let mut labels = Vec::new();
    for provider in plan.providers.iter().filter(|provider| provider.needs_session) {
        labels.push(format!("authenticate {}", provider.name));
    }
    for step in plan.steps.iter().chain(&plan.cleanup) {
        add_labels(step, 0, &mut labels);
    }
    labels
}

fn add_labels(step: &PlannedStep, depth: usize, labels: &mut Vec<String>) {
    labels.push(format!("{:indent$}{}", "", step.label(), indent = 2 * depth));
    if let StepKind::Group(group) = &step.kind {
        group.steps.iter().for_each(|inner| add_labels(inner, depth + 1, labels));
    }
}
