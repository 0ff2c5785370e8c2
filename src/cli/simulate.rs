//! `runner simulate`: providers on this machine, until Ctrl-C.

use super::args::SimulateArgs;
use super::refusal::Refusal;
use super::show;
use crate::document::{Source, SourceKind};
use crate::plan::BuiltIn;
use crate::port::Cancellation;
use crate::simulate::{DemoKind, DemoValue, Options, Provider, Simulator, UnknownProvider};
use crate::system::cancel_on_signals;
use std::io::{self, Write};
use std::time::Duration;

/// A provider may take two ports: one for its API, one for signing in.
const PORTS_EACH: u16 = 2;

/// Starts the simulators, says how to reach them, and holds them until Ctrl-C or SIGTERM.
///
/// # Errors
/// When there is no such simulator, a port is taken, or `out` cannot be written.
pub(super) async fn simulate(args: &SimulateArgs, out: &mut dyn Write) -> Result<i32, Refusal> {
    let cancellation = Cancellation::default();
    cancel_on_signals(&cancellation)?;
    let mut simulators = Vec::with_capacity(args.providers.len());
    for (name, index) in args.providers.iter().zip(0..) {
        let provider: Provider =
            name.parse().map_err(|unknown: UnknownProvider| Refusal::usage(unknown.to_string()))?;
        simulators.push(Simulator::start(provider, &options(args, index)).await?);
    }
    for simulator in &simulators {
        introduce(simulator, out)?;
    }
    writeln!(out, "Ctrl-C ends it.")?;
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
    for instead in needed.instead {
        let words = instead.iter().map(|(variable, value)| format!(" {variable}={}", quoted(value)));
        writeln!(out, "  # or, instead: export{}", words.collect::<String>())?;
    }
    write!(out, "  runner apply --base-url {name}={}", simulator.base_url())?;
    if let Some(address) = simulator.auth_base_url() {
        write!(out, " --auth-base-url {name}={address}")?;
    }
    writeln!(out, " PLAYBOOK")?;
    writeln!(out, "  curl {}    # counts of requests and logins\n", stats_address(simulator.base_url()))?;
    if needed.settings.is_empty() {
        return Ok(());
    }
    writeln!(out, "and in the playbook:\n\n  providers:\n    {name}:\n      settings:")?;
    for (setting, value) in needed.settings {
        writeln!(out, "        {setting}: {value}")?;
    }
    writeln!(out)
}

/// The counts lie at the root, whatever path the API begins with.
fn stats_address(base_url: &str) -> String {
    let origin = base_url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    format!("{origin}/_sim/stats")
}

/// What one must give to use a simulator.
struct Needed<'s> {
    /// Environment variable -> value.
    variables: Vec<(&'s str, &'s str)>,
    /// The same for each other way to sign in. Given together, one way would hide another.
    instead: Vec<Vec<(&'s str, &'s str)>>,
    /// Setting that comes from no variable -> value.
    settings: Vec<(&'s str, &'s str)>,
}

impl<'s> Needed<'s> {
    fn of(simulator: &'s Simulator) -> Self {
        let built_in = BuiltIn::find(simulator.provider().as_str());
        let definition = built_in.map(BuiltIn::definition);
        let ways = built_in.map_or_else(Vec::new, |built_in| ways_to_sign_in(built_in, simulator.demo()));
        let mut needed = Self { variables: Vec::new(), instead: Vec::new(), settings: Vec::new() };
        needed.instead.resize_with(ways.len(), Vec::new);
        for DemoValue { name, kind, variable, value } in simulator.demo() {
            let setting = definition.as_ref().and_then(|definition| definition.keys.settings.get(name));
            let has_variable = match kind {
                DemoKind::Credential => true,
                DemoKind::Setting => setting.is_some_and(|setting| setting.from.iter().any(is_variable)),
            };
            let way = ways.iter().position(|way| way.iter().any(|needed| needed == name));
            match (variable.filter(|_| has_variable), way) {
                (Some(variable), Some(other)) if other > 0 => needed.instead[other].push((variable, value)),
                (Some(variable), _) => needed.variables.push((variable, value)),
                (None, _) if setting.is_some() => needed.settings.push((name, value)),
                (None, _) => {}
            }
        }
        needed.instead.retain(|way| !way.is_empty());
        needed
    }
}

/// The credentials that each way to sign in needs; first the way of the demo's first credential.
fn ways_to_sign_in(built_in: &BuiltIn, demo: &[DemoValue]) -> Vec<Vec<String>> {
    let plan = show::planned(built_in);
    let mut ways: Vec<_> = plan.providers[0].methods.iter().map(|method| method.required.clone()).collect();
    let is_first =
        |way: &Vec<String>| demo.first().is_some_and(|first| way.iter().any(|name| name == first.name));
    ways.sort_by_key(|way| !is_first(way));
    ways
}

fn is_variable(source: &Source) -> bool {
    matches!(source.kind, SourceKind::Env(_))
}

/// A word for a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
