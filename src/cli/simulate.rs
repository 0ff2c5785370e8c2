//! `runner simulate`: providers on this machine, until Ctrl-C.

use super::args::SimulateArgs;
use super::refusal::Refusal;
use crate::document::{Source, SourceKind};
use crate::plan::BuiltIn;
use crate::port::Cancellation;
use crate::simulate::{DemoKind, DemoValue, Options, Provider, Simulator};
use crate::system::cancel_on_signals;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use std::io::{self, Write};
use std::time::Duration;

/// A provider may take two ports: one for its API, one for signing in.
const PORTS_EACH: u16 = 2;

impl ValueEnum for Provider {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

/// Starts the simulators, says how to reach them, and holds them until Ctrl-C or SIGTERM.
///
/// # Errors
/// When a port is taken, or `out` cannot be written.
pub(super) async fn simulate(args: &SimulateArgs, out: &mut dyn Write) -> Result<i32, Refusal> {
    let cancellation = Cancellation::default();
    cancel_on_signals(&cancellation)?;
    let mut simulators = Vec::with_capacity(args.providers.len());
    for (&provider, index) in args.providers.iter().zip(0..) {
        simulators.push(Simulator::start(provider, &options(args, index)).await?);
    }
    for simulator in &simulators {
        introduce(simulator, out)?;
    }
    writeln!(out, "Counts of requests and logins: GET /_sim/stats at these addresses. Ctrl-C ends it.")?;
    out.flush()?;
    cancellation.cancelled().await;
    Ok(0)
}

fn options(args: &SimulateArgs, index: u16) -> Options {
    let own = Options::default();
    Options {
        devices: args.devices.unwrap_or(own.devices),
        token_life: args.token_life.map(Duration::from_secs),
        port: args.port.map(|first| first.saturating_add(PORTS_EACH.saturating_mul(index))),
    }
}

/// Address, demo credentials, and the command that uses them.
fn introduce(simulator: &Simulator, out: &mut dyn Write) -> io::Result<()> {
    let name = simulator.provider();
    let needed = Needed::of(simulator);
    writeln!(out, "{name} answers at {}", simulator.base_url())?;
    writeln!(out, "In another terminal:\n")?;
    for (variable, value) in needed.variables {
        writeln!(out, "  export {variable}={}", quoted(value))?;
    }
    write!(out, "  runner apply --base-url {name}={}", simulator.base_url())?;
    if let Some(address) = simulator.auth_base_url() {
        write!(out, " --auth-base-url {name}={address}")?;
    }
    writeln!(out, " PLAYBOOK\n")?;
    if needed.settings.is_empty() {
        return Ok(());
    }
    writeln!(out, "and in the playbook:\n\n  providers:\n    {name}:\n      settings:")?;
    for (setting, value) in needed.settings {
        writeln!(out, "        {setting}: {value}")?;
    }
    writeln!(out)
}

/// What one must give to use a simulator.
struct Needed<'s> {
    /// Environment variable -> value.
    variables: Vec<(&'s str, &'s str)>,
    /// Setting that comes from no variable -> value.
    settings: Vec<(&'s str, &'s str)>,
}

impl<'s> Needed<'s> {
    fn of(simulator: &'s Simulator) -> Self {
        let definition = BuiltIn::find(simulator.provider().as_str()).map(BuiltIn::definition);
        let mut needed = Self { variables: Vec::new(), settings: Vec::new() };
        for DemoValue { name, kind, variable, value } in simulator.demo() {
            let setting = definition.as_ref().and_then(|definition| definition.keys.settings.get(name));
            let has_variable = match kind {
                DemoKind::Credential => true,
                DemoKind::Setting => setting.is_some_and(|setting| setting.from.iter().any(is_variable)),
            };
            match variable.filter(|_| has_variable) {
                Some(variable) => needed.variables.push((variable, value)),
                None if setting.is_some() => needed.settings.push((name, value)),
                None => {}
            }
        }
        needed
    }
}

fn is_variable(source: &Source) -> bool {
    matches!(source.kind, SourceKind::Env(_))
}

/// A word for a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
