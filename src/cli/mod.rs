//! The command line: one module for each subcommand, named as the user types it.

mod args;
mod bug;
mod console;
mod later;
mod log;
mod login;
mod logout;
mod refusal;
mod simulate;
mod status;
mod streams;

pub mod diagnostics;
pub mod schema;
pub mod validate;

use crate::model::redaction::Redactor;
use args::{Cli, Command};
use clap::Parser;
use refusal::Refusal;
use std::io::{self, Write};

/// Runs the command that the process was started with, and returns the exit code.
pub fn run() -> i32 {
    let redactor = Redactor::default();
    bug::end_process_on_panic(&redactor);
    match Cli::try_parse() {
        Ok(cli) => begin(cli, &redactor),
        Err(error) => refuse(&error),
    }
}

fn begin(cli: Cli, redactor: &Redactor) -> i32 {
    log::start(cli.log, redactor).expect("the process has no other log");
    dispatch(cli.command, redactor).unwrap_or_else(|refusal| {
        for reason in &refusal.reasons {
            fail(redactor, reason);
        }
        refusal.cause.exit_code()
    })
}

fn dispatch(command: Command, redactor: &Redactor) -> Result<i32, Refusal> {
    let out = &mut streams::stdout(redactor);
    match command {
        Command::Schema(args) => schema::write_schema(args.kind, out)?,
        Command::Simulate(args) => return runtime()?.block_on(simulate::simulate(&args, out)),
        _ => return Err(Refusal::usage("not wired yet")),
    }
    Ok(0)
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
