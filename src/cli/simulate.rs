//! `runner simulate`: providers on this machine, until Ctrl-C.

use super::args::SimulateArgs;
use crate::simulate::{DemoValue, Options, Provider, Simulator};
use std::io::{self, Write};
use std::time::Duration;

/// A provider may take two ports: one for its API, one for signing in.
const PORTS_EACH: u16 = 2;

/// Starts the simulators, says how to reach them, and returns them: they live as long as they are held.
///
/// # Errors
/// When a port cannot be bound, or `out` not be written.
pub(super) async fn start(
    providers: &[Provider],
    args: &SimulateArgs,
    out: &mut dyn Write,
) -> io::Result<Vec<Simulator>> {
    let mut simulators = Vec::with_capacity(providers.len());
    for (provider, index) in providers.iter().zip(0..) {
        simulators.push(Simulator::start(*provider, &options(args, index)).await?);
    }
    for simulator in &simulators {
        introduce(simulator, out)?;
    }
    writeln!(out, "Counts of requests and logins: GET ADDRESS/_sim/stats. Ctrl-C ends it.")?;
    out.flush()?;
    Ok(simulators)
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
    writeln!(out, "{name} answers at {}", simulator.base_url())?;
    writeln!(out, "In another terminal:\n")?;
    for value in simulator.demo() {
        if let Some(variable) = value.variable {
            writeln!(out, "  export {variable}={}", quoted(&value.value))?;
        }
    }
    write!(out, "  runner apply --base-url {name}={}", simulator.base_url())?;
    if let Some(address) = simulator.auth_base_url() {
        write!(out, " --auth-base-url {name}={address}")?;
    }
    writeln!(out, " PLAYBOOK")?;
    let settings: Vec<&DemoValue> =
        simulator.demo().iter().filter(|value| value.variable.is_none()).collect();
    if !settings.is_empty() {
        writeln!(out, "\nand in the playbook, under `providers: {{ {name}: {{ settings:`\n")?;
        for setting in settings {
            writeln!(out, "  {}: {}", setting.name, setting.value)?;
        }
    }
    writeln!(out)
}

/// A word for a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
