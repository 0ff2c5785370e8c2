//! `runner apply`: check, then run, then report.

use super::account::{account_words, lock_name};
use super::admission::{Admission, Waiting, unkept};
use super::args::{ApplyArgs, LogArgs};
use super::asking::QuietPrompt;
use super::outlets;
use super::pings::Pings;
use super::playbook;
use super::pruning::prune_outdated;
use super::refusal::Refusal;
use super::reports::Reports;
use super::run_journal::{self, Earlier, Subject};
use super::simulated::{LoopbackOnly, SimulatedSurroundings, Simulators};
use super::state;
use super::streams;
use super::world::{around, real_world};
use crate::engine::{self, Ping, RunOptions, Selection};
use crate::event::{Event, EventKind, EventSink, Events, RecordFold, Verdict};
use crate::journal::{FileJournal, RunLock, StateDir, StateDirError};
use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::model::words::signal_name;
use crate::plan::{Options, Plan, PlannedStep, StepKind, resolve_inputs};
use crate::port::{Cancellation, JournalError, Surroundings, World};
use crate::report::{EventLog, LiveReport, Messages, Progress, Terminal, write_dry_run};
use crate::source::SourceMap;
use crate::system::{SystemSurroundings, TerminalPrompt, cancel_on_signals, passing_world};
use futures_util::future::{Either, select};
use std::cell::RefCell;
use std::io::{self, Write};
use std::pin::pin;
use std::rc::Rc;

/// Runs a playbook and returns the exit code.
///
/// # Errors
/// Why nothing was sent.
pub(super) async fn apply(args: &ApplyArgs, log: LogArgs, redactor: &Redactor) -> Result<i32, Refusal> {
    run(args, log, redactor, None).await
}

/// Runs a playbook, or goes on with a run that an `earlier` process has left. Returns the exit code.
///
/// # Errors
/// Why nothing was sent.
pub(super) async fn run(
    args: &ApplyArgs,
    log: LogArgs,
    redactor: &Redactor,
    earlier: Option<Earlier>,
) -> Result<i32, Refusal> {
    let mut warnings = Vec::new();
    let surroundings = surroundings(args, &mut warnings)?;
    let (plan, sources) = check(args, &*surroundings, redactor, &mut warnings)?;
    let mut options = RunOptions { warnings, ..options(args, &plan, &*surroundings)? };
    if let Some(earlier) = &earlier {
        earlier.refuse_changes(&sources)?;
        earlier.add_to(&mut options, redactor);
        earlier.refuse_displaced(&plan, &sources, &options)?;
    }
    let state = (!args.dry_run).then(|| state::tried(&args.state));
    let cancellation = Cancellation::default();
    cancel_on_signals(&cancellation).map_err(|error| Refusal::start(&error))?;
    let progress = Progress::new(streams::stderr_look(), !log.is_on() && !args.quiet);
    let world = world(args, surroundings, &progress, &cancellation);
    let reports = Reports::of(&args.report, &plan, &sources, &options.inputs, &world)?;
    options.keeps_bodies = reports.keep_bodies();
    outlets::check(&args.playbook, &reports, &plan, &sources, &options.selection, &*world.output)?;
    let job = Job { args, reports, log, sources, options, redactor, progress, state, earlier };
    match (args.dry_run, args.simulate) {
        (true, _) => job.rehearse(plan, world).await,
        (false, true) => job.simulate(plan, world).await,
        (false, false) => job.run(plan, world, None).await,
    }
}

/// The plan of a playbook, as far as it can be had without a word about it.
pub(super) fn planned(args: &ApplyArgs) -> Option<Plan> {
    let mut unsaid = Vec::new();
    let surroundings = surroundings(args, &mut unsaid).ok()?;
    let options = check_options(args);
    let checked =
        playbook::check_quietly(&args.playbook, &options, &*surroundings, &mut unsaid, &mut io::sink());
    checked.ok().map(|(plan, _)| plan)
}

/// The checked plan, with what the command line says otherwise.
fn check(
    args: &ApplyArgs,
    surroundings: &dyn Surroundings,
    redactor: &Redactor,
    warnings: &mut Vec<String>,
) -> Result<(Plan, SourceMap), Refusal> {
    let (file, options, mut err) = (&args.playbook, check_options(args), streams::stderr(redactor));
    let checked = match args.quiet {
        true => playbook::check_quietly(file, &options, surroundings, warnings, &mut err),
        false => playbook::check(file, &options, surroundings, &mut err),
    };
    let (plan, sources) = checked?;
    Ok((Plan { deadline: args.timing.deadline.or(plan.deadline), ..plan }, sources))
}

/// The environment with its `.env` file, and the files. A simulated run gets none of the user's secrets.
fn surroundings(args: &ApplyArgs, warnings: &mut Vec<String>) -> Result<Rc<dyn Surroundings>, Refusal> {
    if args.simulate {
        let real = SystemSurroundings::without_env_file().allow_read(&args.around.allow_read);
        let real = Rc::new(real);
        return Ok(Rc::new(SimulatedSurroundings::of_check(real)));
    }
    let folder = playbook::folder(&args.playbook);
    let surroundings = around(folder, &args.around)?;
    warnings.extend(surroundings.warnings().iter().cloned());
    Ok(Rc::new(surroundings))
}

/// What the command line says that the check must know.
fn check_options(args: &ApplyArgs) -> Options {
    Options {
        base_urls: args.base_url.clone(),
        auth_base_urls: args.auth_base_url.clone(),
        profiles: args.profile.iter().map(|profile| playbook::split_profile(profile)).collect(),
        is_simulated: args.simulate,
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
    Ok(RunOptions { inputs, selection, is_simulated: args.simulate, ..RunOptions::default() })
}

fn world(
    args: &ApplyArgs,
    surroundings: Rc<dyn Surroundings>,
    progress: &Progress,
    cancellation: &Cancellation,
) -> World {
    let quiet = |prompt| Rc::new(QuietPrompt { prompt, progress: progress.clone() });
    if args.simulate {
        let world = passing_world(surroundings, args.no_prompt, cancellation);
        let transport = Rc::new(LoopbackOnly(world.transport));
        return World { prompt: quiet(world.prompt), transport, ..world };
    }
    let world = real_world(surroundings, &args.state, args.no_prompt, cancellation);
    World { prompt: quiet(world.prompt), ..world }
}

/// A run with all that is around it.
struct Job<'a> {
    args: &'a ApplyArgs,
    reports: Reports,
    log: LogArgs,
    sources: SourceMap,
    options: RunOptions,
    redactor: &'a Redactor,
    progress: Progress,
    /// Where runs leave what outlives them; `None` for a dry run, which leaves nothing.
    state: Option<Result<StateDir, StateDirError>>,
    /// The run that is gone on with.
    earlier: Option<Earlier>,
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
        self.options.warnings.iter().for_each(|warning| events.warn(warning));
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

    async fn run(
        mut self,
        plan: Plan,
        mut world: World,
        simulators: Option<Simulators>,
    ) -> Result<i32, Refusal> {
        let account = account_words(self.args, &plan, &self.options, &world).await;
        if let Some(earlier) = &self.earlier {
            earlier.refuse_account(&account, self.redactor)?;
        }
        let (lock, hindrance) = match self.admit(&plan, &account, &world).await {
            Admission::Begin(lock) => (lock, None),
            Admission::Refuse(why) => (None, Some(why)),
            Admission::Skip(why) => return Ok(self.skip(&plan, &world, &why)),
        };
        let (journal, hindrance) = match hindrance {
            None => match self.begin_journal(&plan, &account, &mut world) {
                Ok(journal) => (Some(journal), None),
                Err(error) => (None, Some(unkept(&error))),
            },
            Some(_) => (None, hindrance),
        };
        if hindrance.is_some() {
            self.reports.keep_earlier_ones();
        }
        let listeners = Listeners { lock, journal: journal.clone(), simulators, ..self.listeners(&plan) };
        let listeners = Rc::new(RefCell::new(listeners));
        let events = Events::new(listeners.clone(), world.clock.clone(), self.redactor.clone());
        let Self { sources, options, .. } = &self;
        let plan = Rc::new(plan);
        let unattended = self.without_a_person(&world);
        let ping = Ping::of(&plan, options, &unattended, &events).filter(|_| !self.args.simulate);
        let mut pings = Pings::of(ping, &events);
        let verdict = match hindrance {
            None => {
                let run = pings.beside(engine::run(plan.clone(), sources, options, &world, &events));
                self.telling_of_signals(&world.cancellation, run).await
            }
            Some(why) => engine::refuse(&plan, sources, options, &world, &events, why),
        };
        if let Some(journal) = &journal {
            journal.forget_secrets().await;
        }
        let exit_code = self.finish(&listeners.borrow().live, &verdict, journal.as_ref(), &world);
        if let Err(why) = pings.end(exit_code).await {
            self.warn_after_end(&why);
        }
        if journal.is_some() {
            self.prune_outdated(&world).await;
        }
        Ok(exit_code)
    }

    /// Removes journals that nobody needs any more. A simulated run cannot do so: it has not the secrets that belong to them.
    async fn prune_outdated(&self, world: &World) {
        if let Some(Ok(state)) = self.state.as_ref().filter(|_| !self.args.simulate) {
            prune_outdated(state, world).await;
        }
    }

    /// The world for what must not ask anybody.
    fn without_a_person(&self, world: &World) -> World {
        World { prompt: Rc::new(TerminalPrompt::new(true, world.cancellation.clone())), ..world.clone() }
    }

    /// Does a run, and says of a signal that comes meanwhile what becomes of it. With `--quiet` the run says that itself, if
    /// it does not end well.
    async fn telling_of_signals<T>(&self, cancellation: &Cancellation, run: impl Future<Output = T>) -> T {
        let told = async {
            let name = signal_name(cancellation.cancelled().await);
            let text =
                format!("stopping on {name}: what was opened is closed first; a second signal stops at once");
            match (self.args.quiet, self.log.holds_messages()) {
                (true, _) => {}
                (false, true) => tracing::warn!(target: "runner", "{text}"),
                (false, false) => self.progress.suspended(|| self.messages().notice(&text)),
            }
            std::future::pending().await
        };
        match select(pin!(told), pin!(run)).await {
            Either::Left((never, _)) => never,
            Either::Right((end, _)) => end,
        }
    }

    /// Says what is wrong when the report is written already.
    fn warn_after_end(&self, text: &str) {
        match (self.args.quiet, self.log.holds_messages()) {
            (true, _) => {}
            (false, true) => tracing::warn!(target: "runner", "{text}"),
            (false, false) => self.messages().warning(text),
        }
    }

    /// Waits until the run may begin. A simulated one is in nobody's way.
    async fn admit(&self, plan: &Plan, account: &[String], world: &World) -> Admission {
        let waiting = Waiting { world, progress: &self.progress };
        let state = match self.state.as_ref().expect("a run has its state folder") {
            Ok(state) => state,
            Err(error) => return Admission::Refuse(unkept(error)),
        };
        if let Err(why) = waiting.jitter(self.args.timing.jitter.unwrap_or_default()).await {
            return Admission::Refuse(why);
        }
        if self.args.simulate {
            return Admission::Begin(None);
        }
        let name = lock_name(self.args, account, world);
        waiting.lock(state, &name, plan, self.args.timing.overlap(plan)).await
    }

    fn begin_journal(
        &mut self,
        plan: &Plan,
        account: &[String],
        world: &mut World,
    ) -> Result<FileJournal, JournalError> {
        let Self { args, sources, options, state, earlier, redactor, .. } = self;
        let Some(Ok(state)) = state else { unreachable!("a run is let in where it can keep its journal") };
        let subject = Subject { args, plan, sources, account };
        run_journal::begin(&subject, options, state, earlier.take(), redactor, world)
    }

    /// Says that the run was left out, also in the reports that the command line asks for. Returns its exit code.
    fn skip(&mut self, plan: &Plan, world: &World, why: &str) -> i32 {
        let mut err = streams::stderr(self.redactor);
        if !self.args.quiet {
            // Where nobody listens, the exit code says it all.
            let _ = writeln!(err, "{why}");
        }
        self.reports.keep_earlier_ones();
        let fold = Rc::new(RefCell::new(RecordFold::default()));
        let events = Events::new(fold.clone(), world.clock.clone(), self.redactor.clone());
        engine::leave_out(plan, &self.options, world, &events, why);
        let mut exit_code = 0;
        self.reports.write(&fold.borrow().record(), self.redactor, &*world.output, &mut |place, error| {
            exit_code = Cause::Machine.exit_code();
            let _ = writeln!(err, "error: failed to write the report to {place}: {error}");
        });
        exit_code
    }

    fn listeners(&self, plan: &Plan) -> Listeners {
        let labels = labels(plan);
        let labels = labels.iter().map(String::as_str);
        let lines = if self.args.quiet {
            Terminal::new(io::sink(), streams::stderr_look(), labels)
        } else if self.reports.is_stdout_taken() {
            Terminal::new(streams::stderr(self.redactor), streams::stderr_look(), labels)
        } else {
            Terminal::new(streams::stdout(self.redactor), streams::stdout_look(), labels)
        };
        let messages = if self.args.quiet || self.log.holds_messages() {
            Messages::new(io::sink(), streams::stderr_look())
        } else {
            self.messages()
        };
        let live = LiveReport::new(lines, messages, self.progress.clone());
        let live = live.keeping_requests(self.reports.need_requests());
        Listeners { live, log: EventLog, journal: None, lock: None, simulators: None }
    }

    fn messages(&self) -> Messages {
        Messages::new(streams::stderr(self.redactor), streams::stderr_look())
    }

    /// Writes the reports for machines. Returns the exit code of the run, in which a report that is missing counts.
    fn finish(
        &self,
        live: &LiveReport,
        verdict: &Verdict,
        journal: Option<&FileJournal>,
        world: &World,
    ) -> i32 {
        let mut causes = verdict.causes.clone();
        let mut unwritten = Vec::new();
        let mut missing = |report: &str, error: &io::Error| {
            causes.push(Cause::Machine);
            unwritten.push(format!("failed to write {report}: {error}"));
        };
        if let Some(error) = live.error() {
            missing("the report", error);
        }
        self.reports.write(&live.record(), self.redactor, &*world.output, &mut |place, error| {
            missing(&format!("the report to {place}"), error);
        });
        if let Some(error) = journal.and_then(FileJournal::error) {
            causes.push(Cause::Machine);
            unwritten.push(error.to_string());
        }
        let cause = Cause::heaviest(causes);
        match cause {
            Some(cause) if self.args.quiet => self.messages().brief(live.report(), cause, &unwritten),
            None if self.args.quiet => self.messages().alerts(live.report()),
            _ => {
                let mut err = streams::stderr(self.redactor);
                // Where nobody listens, the exit code says it all.
                let _ = unwritten.iter().try_for_each(|what| writeln!(err, "error: {what}"));
            }
        }
        cause.map_or(0, Cause::exit_code)
    }
}

/// Who follows the run.
struct Listeners {
    live: LiveReport,
    log: EventLog,
    /// What outlives the process.
    journal: Option<FileJournal>,
    /// What keeps other runs out until this one is told to its end.
    lock: Option<RunLock>,
    simulators: Option<Simulators>,
}

impl Listeners {
    fn tell(&mut self, event: &Event) {
        if let Some(journal) = &mut self.journal {
            journal.receive(event);
        }
        self.log.receive(event);
        self.live.receive(event);
    }
}

impl EventSink for Listeners {
    fn receive(&mut self, event: &Event) {
        if let (EventKind::RunStarted { run, .. }, Some(lock)) = (&event.kind, &mut self.lock) {
            lock.name_run(run);
        }
        // All requests were made, and the last event is the last.
        if let (EventKind::RunFinished { .. }, Some(simulators)) = (&event.kind, &self.simulators) {
            let counts = simulators.counts();
            self.tell(&Event { kind: EventKind::SimulatorsCounted { counts }, ..event.clone() });
        }
        self.tell(event);
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
