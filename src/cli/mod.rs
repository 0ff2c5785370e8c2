//! The command line: one module for each subcommand, named as the user types it.

mod apply;
mod args;
mod asking;
mod bug;
mod console;
mod later;
mod log;
mod login;
mod logout;
mod refusal;
mod show;
mod simulate;
mod simulated;
mod status;
mod streams;
mod world;

pub mod diagnostics;
pub mod schema;
pub mod validate;

use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::port::Cancellation;
use crate::system::{SystemSurroundings, cancel_on_signals, harden};
use args::{Cli, Command, LogArgs, ValidateArgs};
use clap::Parser;
use console::Console;
use refusal::Refusal;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use validate::ValidateError;
use world::real_world;

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
        Command::Validate(args) => return validate(&args, out),
        Command::Simulate(args) => return runtime()?.block_on(simulate::simulate(&args, out)),
        Command::Providers => show::write_providers(streams::stdout_look(), out)?,
        Command::Show(args) => show::show(&args, redactor, out)?,
        Command::Schema(args) => schema::write_schema(args.kind, out)?,
        Command::Login(args) => {
            return at_console(redactor, async |console| login::login(&args, console).await);
        }
        Command::Logout(args) => {
            return at_console(redactor, async |console| logout::logout(&args, console).await);
        }
        Command::Status(args) => {
            return at_console(redactor, async |console| status::status(&args, console).await);
        }
    }
    Ok(0)
}

/// Does what concerns one provider and the person at the terminal.
fn at_console(
    redactor: &Redactor,
    work: impl AsyncFnOnce(&mut Console<'_>) -> Result<i32, Refusal>,
) -> Result<i32, Refusal> {
    let surroundings = here()?;
    let (mut out, mut err) = (streams::stdout(redactor), streams::stderr(redactor));
    for warning in surroundings.warnings() {
        writeln!(err, "warning: {warning}")?;
    }
    runtime()?.block_on(async {
        let cancellation = Cancellation::default();
        cancel_on_signals(&cancellation).map_err(|error| Refusal::start(&error))?;
        let world = real_world(Rc::new(surroundings), Vec::new(), false, &cancellation);
        work(&mut Console { world, redactor: redactor.clone(), out: &mut out, err: &mut err }).await
    })
}

/// The surroundings of a command that has no playbook: `.env` lies in the working folder.
fn here() -> Result<SystemSurroundings, Refusal> {
    SystemSurroundings::new(Path::new(""), None).map_err(|error| Refusal::invalid(&error))
}

fn validate(args: &ValidateArgs, out: &mut dyn Write) -> Result<i32, Refusal> {
    let is_coloured = streams::is_stdout_coloured();
    match validate::validate(&args.paths, args.format, is_coloured, &here()?, out) {
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
