//! `runner simulate`: providers on this machine, until Ctrl-C.

use super::args::SimulateArgs;
use super::refusal::Refusal;
use super::show;
use super::simulated::SimulationError;
use crate::document::{Source, SourceKind};
use crate::plan::BuiltIn;
use crate::port::Cancellation;
use crate::simulate::{DemoAccount, DemoKind, DemoValue, Options, Provider, Simulator};
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
        simulators.push(start(provider, &options(args, index)).await?);
    }
    for simulator in &simulators {
        introduce(simulator, out)?;
    }
    writeln!(out, "Ctrl-C ends it.")?;
    out.flush()?;
    cancellation.cancelled().await;
    Ok(0)
}

async fn start(provider: Provider, options: &Options) -> Result<Simulator, SimulationError> {
    let name = options.port.map_or_else(|| provider.to_string(), |port| format!("{provider} at port {port}"));
    Simulator::start(provider, options).await.map_err(|source| SimulationError::Start { name, source })
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
    let needed = Needed::of(name, simulator.demo());
    writeln!(out, "{name} answers at {}", simulator.base_url())?;
    writeln!(out, "In another terminal:\n")?;
    needed.write_exports("", out)?;
    write!(out, "  runner apply --base-url {name}={}", simulator.base_url())?;
    if let Some(address) = simulator.auth_base_url() {
        write!(out, " --auth-base-url {name}={address}")?;
    }
    writeln!(out, " PLAYBOOK")?;
    writeln!(out, "  curl {}    # counts of requests and logins\n", stats_address(simulator.base_url()))?;
    if !needed.settings.is_empty() {
        writeln!(out, "and in the playbook:\n\n  providers:\n    {name}:\n      settings:")?;
        for (setting, value) in needed.settings {
            writeln!(out, "        {setting}: {value}")?;
        }
        writeln!(out)?;
    }
    introduce_others(name, simulator.accounts().get(1..).unwrap_or_default(), out)
}

/// The accounts with second factors and the like. All of it is comments: the lines to paste are the plain account's.
fn introduce_others(name: Provider, others: &[DemoAccount], out: &mut dyn Write) -> io::Result<()> {
    if others.is_empty() {
        return Ok(());
    }
    writeln!(out, "Other accounts, each for a terminal of its own:\n")?;
    for account in others {
        let needed = Needed::of(name, &account.values);
        writeln!(out, "  # {}", account.label)?;
        needed.write_exports("# ", out)?;
        for (credential, value) in needed.answers {
            writeln!(out, "  # {credential}, when it is asked for: {value}")?;
        }
        writeln!(out)?;
    }
    Ok(())
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
    /// Credential that comes from no variable -> value.
    answers: Vec<(&'s str, &'s str)>,
}

impl<'s> Needed<'s> {
    fn of(provider: Provider, values: &'s [DemoValue]) -> Self {
        let built_in = BuiltIn::find(provider.as_str());
        let definition = built_in.map(BuiltIn::definition);
        let ways = built_in.map_or_else(Vec::new, |built_in| ways_to_sign_in(built_in, values));
        let mut needed =
            Self { variables: Vec::new(), instead: Vec::new(), settings: Vec::new(), answers: Vec::new() };
        needed.instead.resize_with(ways.len(), Vec::new);
        for DemoValue { name, kind, variable, value } in values {
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
                (None, _) if *kind == DemoKind::Credential => needed.answers.push((name, value)),
                (None, _) => {}
            }
        }
        needed.instead.retain(|way| !way.is_empty());
        needed
    }

    /// A line for each variable, and one for each other way to sign in, which is a comment in any case.
    fn write_exports(&self, comment: &str, out: &mut dyn Write) -> io::Result<()> {
        for (variable, value) in &self.variables {
            writeln!(out, "  {comment}export {variable}={}", quoted(value))?;
        }
        for instead in &self.instead {
            let words = instead.iter().map(|(variable, value)| format!(" {variable}={}", quoted(value)));
            writeln!(out, "  # or, instead: export{}", words.collect::<String>())?;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a provider, and its simulator.
    async fn introduced(provider: Provider) -> (String, Simulator) {
        let simulator = Simulator::start(provider, &Options::default()).await.unwrap();
        let mut out = Vec::new();
        introduce(&simulator, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), simulator)
    }

    #[tokio::test]
    async fn every_credential_of_every_account_is_printed_under_its_label() {
        for provider in Provider::ALL {
            let (text, simulator) = introduced(provider).await;
            let (plain, _) = text.split_once("Other accounts").unwrap_or((&text, ""));
            for (account, place) in simulator.accounts().iter().zip(0..) {
                let credentials = account.values.iter().filter(|value| value.kind == DemoKind::Credential);
                if place == 0 {
                    for value in credentials {
                        let said = format!("{}='{}'", value.variable.expect("it has one"), value.value);
                        assert!(plain.contains(&said), "{said} is not in\n{plain}");
                    }
                    continue;
                }
                let (_, block) = text.split_once(&format!("\n\n  # {}\n", account.label)).expect("its label");
                let block = block.split("\n\n").next().unwrap_or_default();
                for value in credentials {
                    let said = match value.variable {
                        Some(variable) => format!("{variable}='{}'", value.value),
                        None => format!("{}, when it is asked for: {}", value.name, value.value),
                    };
                    assert!(block.contains(&said), "{said} is not in\n{block}");
                }
            }
        }
    }

    #[tokio::test]
    async fn all_that_is_no_comment_means_the_plain_account_by_its_first_method() {
        let (text, _) = introduced(Provider::Emnify).await;
        let exported: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("  export ")).collect();
        assert_eq!(exported.len(), 2, "{text}");
        assert!(exported.contains(&"EMNIFY_USERNAME='demo@example.com'"), "{text}");
        assert!(text.contains("\n  # or, instead: export EMNIFY_APPLICATION_TOKEN='"), "{text}");
    }

    #[tokio::test]
    async fn the_variables_of_credentials_are_those_that_the_definitions_read() {
        for provider in Provider::ALL {
            let definition = BuiltIn::find(provider.as_str()).unwrap().definition();
            let simulator = Simulator::start(provider, &Options::default()).await.unwrap();
            for value in simulator.accounts().iter().flat_map(|account| &account.values) {
                let (Some(credential), Some(variable)) =
                    (definition.keys.credentials.get(value.name), value.variable)
                else {
                    continue;
                };
                let reads = |source: &Source| matches!(&source.kind, SourceKind::Env(name) if name.source() == variable);
                assert!(credential.from.iter().any(reads), "{provider}: {variable}");
            }
        }
    }
}
