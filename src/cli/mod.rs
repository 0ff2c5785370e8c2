//! The command line: one module for each subcommand, named as the user types it.

mod account;
mod admission;
mod apply;
mod args;
mod asking;
mod at_work;
mod bug;
mod console;
mod github;
mod history;
mod later;
mod log;
mod login;
mod logout;
mod outlets;
mod pings;
mod playbook;
mod pruning;
mod refusal;
mod report;
mod reports;
mod resolve;
mod resume;
mod run_journal;
mod sarif;
mod schedule;
mod show;
mod simulate;
mod simulated;
mod state;
mod status;
mod streams;
mod subject;
mod world;

pub mod diagnostics;
pub mod schema;
pub mod validate;

use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::plan::Options;
use crate::port::{Cancellation, Surroundings};
use crate::report::Messages;
use crate::system::{SystemSurroundings, cancel_on_signals, harden};
use args::{Cli, Command, LogArgs, SubjectArgs, ValidateArgs};
use clap::Parser;
use console::Console;
use refusal::Refusal;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use subject::PlaybookSubjects;
use validate::ValidateError;
use world::{around, real_world};

/// Runs the command that the process was started with, and returns the exit code.
pub fn run() -> i32 {
    harden();
    let redactor = Redactor::default();
    bug::end_process_on_panic(&redactor);
    match Cli::try_parse() {
        Ok(cli) => begin(cli, &redactor),
        Err(error) => refuse(&error),
    }
}

fn begin(cli: Cli, redactor: &Redactor) -> i32 {
    log::start(cli.log, redactor).expect("the process has no other log");
    dispatch(cli.command, cli.log, redactor).unwrap_or_else(|refusal| {
        for reason in &refusal.reasons {
            fail(redactor, reason);
        }
        refusal.cause.exit_code()
    })
}

fn dispatch(command: Command, log: LogArgs, redactor: &Redactor) -> Result<i32, Refusal> {
    let out = &mut streams::stdout(redactor);
    match command {
        Command::Apply(args) => return runtime()?.block_on(apply::apply(&args, log, redactor)),
        Command::Resume(args) => return runtime()?.block_on(resume::resume(&args, log, redactor)),
        Command::Resolve(args) => return resolve::resolve(&args, out),
        Command::Report(args) => return report::report(&args, redactor),
        Command::History(args) => return history::history(&args, out),
        Command::Validate(args) => return validate(&args, out, &mut streams::stderr(redactor)),
        Command::Simulate(args) => return runtime()?.block_on(simulate::simulate(&args, out)),
        Command::Providers => show::write_providers(streams::stdout_look(), out)?,
        Command::Show(args) => show::show(&args, redactor, out)?,
        Command::Schedule(args) => schedule::schedule(&args, redactor)?,
        Command::Schema(args) => schema::write_schema(args.kind, out)?,
        Command::Login(args) => {
            let (subject, options) = (&args.subject, login::options(&args));
            return at_console(redactor, subject, options, async |console| {
                login::login(&args, console).await
            });
        }
        Command::Logout(args) => {
            let (subject, options) = (&args.subject, Options::of_profile(args.profile.as_deref()));
            return at_console(redactor, subject, options, async |console| {
                logout::logout(&args, console).await
            });
        }
        Command::Status(args) => {
            let (subject, options) = (&args.subject, Options::of_profile(args.profile.as_deref()));
            return at_console(redactor, subject, options, async |console| {
                status::status(&args, console).await
            });
        }
    }
    Ok(0)
}

/// Does what concerns one provider and the person at the terminal.
fn at_console(
    redactor: &Redactor,
    subject: &SubjectArgs,
    options: Options,
    work: impl AsyncFnOnce(&mut Console<'_>) -> Result<i32, Refusal>,
) -> Result<i32, Refusal> {
    let (mut out, mut err) = (streams::stdout(redactor), streams::stderr(redactor));
    if subject.state.state_dir.is_some() {
        state::open(&subject.state)?;
    }
    let folder = subject.playbook.as_deref().map_or(Path::new(""), playbook::folder);
    let surroundings = around(folder, &subject.around)?;
    for warning in surroundings.warnings() {
        writeln!(err, "warning: {warning}")?;
    }
    let playbook = match &subject.playbook {
        Some(file) => {
            let (plan, _) = playbook::check(file, &options, &surroundings, &mut err)?;
            Some(PlaybookSubjects { file: file.clone(), plan, inputs: subject.input.clone() })
        }
        None => None,
    };
    runtime()?.block_on(async {
        let cancellation = Cancellation::default();
        cancel_on_signals(&cancellation).map_err(|error| Refusal::start(&error))?;
        let world = real_world(Rc::new(surroundings), &subject.state, false, &cancellation);
        let redactor = redactor.clone();
        let (look, messages) = (streams::stdout_look(), Messages::new(err, streams::stderr_look()));
        let out = &mut out;
        work(&mut Console { world, redactor, out, look, messages, options, playbook }).await
    })
}

fn validate(args: &ValidateArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<i32, Refusal> {
    let is_coloured = streams::is_stdout_coloured();
    let warnings = RefCell::new(BTreeSet::new());
    let surroundings_of = |folder: &Path| {
        let surroundings = SystemSurroundings::new(folder, args.around.env_file.as_deref())?;
        warnings.borrow_mut().extend(surroundings.warnings().iter().cloned());
        let surroundings: Rc<dyn Surroundings> = Rc::new(surroundings.allow_read(&args.around.allow_read));
        Ok(surroundings)
    };
    let validated = validate::validate(&args.paths, args.format, is_coloured, &surroundings_of, out);
    for warning in warnings.take() {
        writeln!(err, "warning: {warning}")?;
    }
    match validated {
        Ok(true) => Ok(0),
        Ok(false) => Ok(Cause::Invalid.exit_code()),
        Err(ValidateError::Write(error)) => Err(error.into()),
        Err(error) => Err(Refusal::invalid(&error)),
    }
}

/// Says what is wrong with the command line, or what was asked for: help, version.
fn refuse(error: &clap::Error) -> i32 {
    match later::refusal(error) {
        Some(refusal) => fail(&Redactor::default(), &refusal),
        // Where nobody listens, the exit code says it all.
        None => drop(error.print()),
    }
    error.exit_code()
}

/// Says why nothing was done.
fn fail(redactor: &Redactor, why: &str) {
    // Where nobody listens, the exit code says it all.
    let _ = writeln!(streams::stderr(redactor), "error: {why}");
}

/// What drives a run: one thread is enough for waiting, and spares every lock.
fn runtime() -> Result<tokio::runtime::Runtime, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Refusal::start(&error))
}
