//! The command line: one module for each subcommand, named as the user types it.

mod args;
mod bug;
mod later;
mod log;
mod simulate;
mod streams;

pub mod diagnostics;
pub mod schema;
pub mod validate;

use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::simulate::Provider;
use args::{Cli, Command, SimulateArgs};
use clap::Parser;
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
    match dispatch(cli.command, redactor) {
        Ok(exit_code) => exit_code,
        // `runner show soracom | head`: who has seen enough has got what was asked for.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            fail(redactor, &error.to_string());
            Cause::Machine.exit_code()
        }
    }
}

fn dispatch(command: Command, redactor: &Redactor) -> io::Result<i32> {
    let out = &mut streams::stdout(redactor);
    match command {
        Command::Schema(args) => schema::write_schema(args.kind, out).map(|()| 0),
        Command::Simulate(args) => simulate(&args, redactor),
        _ => todo!(),
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

/// Says in one line why nothing was done.
fn fail(redactor: &Redactor, why: &str) {
    // Where nobody listens, the exit code says it all.
    let _ = writeln!(streams::stderr(redactor), "error: {why}");
}

fn simulate(args: &SimulateArgs, redactor: &Redactor) -> io::Result<i32> {
    let providers: Result<Vec<Provider>, _> = args.providers.iter().map(|name| name.parse()).collect();
    let providers = match providers {
        Ok(providers) => providers,
        Err(unknown) => {
            fail(redactor, &unknown.to_string());
            return Ok(Cause::Invalid.exit_code());
        }
    };
    runtime()?.block_on(async {
        let _simulators = simulate::start(&providers, args, &mut streams::stdout(redactor)).await?;
        tokio::signal::ctrl_c().await?;
        Ok(0)
    })
}

/// What drives a run: one thread is enough for waiting, and spares every lock.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
