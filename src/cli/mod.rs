//! The command line: one module for each subcommand, named as the user types it.

mod apply;
mod args;
mod asking;
mod bug;
mod later;
mod log;
mod refusal;
mod show;
mod simulate;
mod simulated;
mod streams;

pub mod diagnostics;
pub mod schema;
pub mod validate;

use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::system::{SystemSurroundings, harden};
use args::{Cli, Command, ValidateArgs};
use clap::Parser;
use refusal::Refusal;
use std::io::{self, Write};
use std::path::Path;
use validate::ValidateError;

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
    let is_logging = cli.log.verbose > 0;
    dispatch(cli.command, is_logging, redactor).unwrap_or_else(|refusal| {
        for reason in &refusal.reasons {
            fail(redactor, reason);
        }
        refusal.cause.exit_code()
    })
}

fn dispatch(command: Command, is_logging: bool, redactor: &Redactor) -> Result<i32, Refusal> {
    let out = &mut streams::stdout(redactor);
    match command {
        Command::Apply(args) => return runtime()?.block_on(apply::apply(&args, is_logging, redactor)),
        Command::Validate(args) => return validate(&args, out),
        Command::Simulate(args) => return runtime()?.block_on(simulate::simulate(&args, out)),
        Command::Providers => show::write_providers(out)?,
        Command::Show(args) => show::show(&args, out)?,
        Command::Schema(args) => schema::write_schema(args.kind, out)?,
        _ => return Err(Refusal::usage("not wired yet")),
    }
    Ok(0)
}

fn validate(args: &ValidateArgs, out: &mut dyn Write) -> Result<i32, Refusal> {
    let surroundings =
        SystemSurroundings::new(Path::new(""), None).map_err(|error| Refusal::invalid(&error))?;
    let is_valid =
        validate::validate(&args.paths, args.format, streams::is_stdout_coloured(), &surroundings, out);
    match is_valid {
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
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
