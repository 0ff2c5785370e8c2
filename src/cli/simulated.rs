//! `apply --simulate`: a plan turned to simulators on this machine, in surroundings without anything real.

use super::refusal::Refusal;
use crate::document::{Source, SourceKind, Tree, TreeKind};
use crate::plan::{Address, Plan, PlannedProvider, PlannedSecret};
use crate::port::{Request, Response, SendFailure, Surroundings, Transport, TransportError, VariableOrigin};
use crate::simulate::{DemoKind, DemoValue, Options, Provider, Simulator};
use crate::source::{Span, Text};
use crate::template::Template;
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::{io, iter};
use thiserror::Error;

/// Variables that are no credentials and may come from the real environment.
const INPUTS: &str = "RUNNER_INPUT_";
/// As many devices as fill more than one page everywhere.
const DEVICES: usize = 1250;

/// A plan cannot be simulated.
#[derive(Debug, Error)]
pub(super) enum SimulationError {
    /// There is no simulator.
    #[error(
        "`{name}` has no simulator: `--simulate` knows the built-in providers soracom, emnify, echome and simpleiot"
    )]
    NoSimulator {
        /// The provider's name in the playbook.
        name: String,
    },
    /// A simulator could not be started.
    #[error("cannot start the simulator of {name}")]
    Start {
        /// The provider's name in the playbook.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl From<SimulationError> for Refusal {
    fn from(error: SimulationError) -> Self {
        match error {
            SimulationError::NoSimulator { .. } => Self::usage(error.to_string()),
            SimulationError::Start { .. } => Self::machine(&error),
        }
    }
}

/// The simulators of a run: one for each provider of the plan, under its name in the playbook.
pub(super) struct Simulators(Vec<(String, Simulator)>);

impl Simulators {
    /// Starts a simulator for each provider of a plan, and turns the plan to them: addresses, settings, credentials. The
    /// playbook's own secrets get made-up values.
    ///
    /// # Errors
    /// When a provider has no simulator, or one cannot be started.
    pub(super) async fn start(plan: &mut Plan) -> Result<Self, SimulationError> {
        let mut simulators = Vec::with_capacity(plan.providers.len());
        for provider in &mut plan.providers {
            let simulator = simulator_of(provider).await?;
            turn(provider, &simulator);
            simulators.push((provider.name.clone(), simulator));
        }
        plan.secrets.iter_mut().for_each(make_up);
        Ok(Self(simulators))
    }

    /// What each simulator has counted, by the provider's name.
    pub(super) fn counts(&self) -> serde_json::Value {
        let counts = self.0.iter().map(|(name, simulator)| {
            let stats = serde_json::to_value(simulator.stats()).expect("counts are plain data");
            (name.clone(), stats)
        });
        serde_json::Value::Object(counts.collect())
    }

    /// The values that demo accounts give to environment variables.
    pub(super) fn variables(&self) -> HashMap<String, String> {
        let values = self.0.iter().flat_map(|(_, simulator)| simulator.demo());
        values.filter_map(|value| Some((value.variable?.to_owned(), value.value.clone()))).collect()
    }
}

async fn simulator_of(provider: &PlannedProvider) -> Result<Simulator, SimulationError> {
    let name = || provider.name.clone();
    let known = Provider::named(&provider.definition).filter(|_| provider.is_built_in);
    let known = known.ok_or_else(|| SimulationError::NoSimulator { name: name() })?;
    let options = Options { devices: DEVICES, ..Options::default() };
    let started = Simulator::start(known, &options).await;
    started.map_err(|source| SimulationError::Start { name: name(), source })
}

fn turn(provider: &mut PlannedProvider, simulator: &Simulator) {
    let address = |url: &str| Address::Override(url.to_owned());
    provider.base_url = address(simulator.base_url());
    provider.auth_base_url = address(simulator.auth_base_url().unwrap_or(simulator.base_url()));
    provider.allow_http = false;
    provider.profile = None;
    provider.profile_sources.clear();
    let demo = |kind, name: &str| {
        let value = simulator.demo().iter().find(|value| value.kind == kind && value.name == name);
        value.map(|value: &DemoValue| value.value.as_str())
    };
    for setting in &mut provider.settings {
        setting.sources.clear();
        if let Some(value) = demo(DemoKind::Setting, &setting.name) {
            setting.value =
                Some(Tree { kind: TreeKind::Template(literal(value, setting.span)), span: setting.span });
        }
    }
    for credential in &mut provider.credentials {
        let span = credential.span;
        // What a step has stored in this run comes first: the real chains are refused at check time where it would not.
        let stored = iter::once(SourceKind::Stored).filter(|_| !credential.is_one_time);
        let value =
            demo(DemoKind::Credential, &credential.name).map(|value| SourceKind::Value(literal(value, span)));
        credential.is_chain_of_playbook = true;
        credential.sources = stored.chain(value).map(|kind| Source { kind, span }).collect();
    }
}

/// A secret of the playbook's own gets a value that says what it is.
fn make_up(secret: &mut PlannedSecret) {
    let value = literal(&format!("simulated {}", secret.name), secret.span);
    secret.sources = vec![Source { kind: SourceKind::Value(value), span: secret.span }];
}

fn literal(value: &str, span: Span) -> Template {
    let text = Text::new(value.to_owned(), span, value, false);
    Template::parse(&text).expect("demo values hold no templates")
}

/// Surroundings in which no real secret can be found: no environment but inputs and demo values, no files but playbooks.
pub(super) struct SimulatedSurroundings {
    real: Rc<dyn Surroundings>,
    /// The demo values of a run; `None` while the playbook is checked.
    demo: Option<HashMap<String, String>>,
}

impl SimulatedSurroundings {
    /// For the check: files are read as they are, and variables for inputs.
    pub(super) fn of_check(real: Rc<dyn Surroundings>) -> Self {
        Self { real, demo: None }
    }

    /// For the run: what reads files there are the sources of secrets.
    pub(super) fn of_run(real: Rc<dyn Surroundings>, demo: HashMap<String, String>) -> Self {
        Self { real, demo: Some(demo) }
    }
}

impl Surroundings for SimulatedSurroundings {
    fn variable(&self, name: &str) -> Option<(String, VariableOrigin)> {
        let demo = self.demo.iter().find_map(|demo| demo.get(name));
        let demo = demo.map(|value| (value.clone(), VariableOrigin::Process));
        demo.or_else(|| self.real.variable(name).filter(|_| name.starts_with(INPUTS)))
    }

    fn read_text(&self, path: &Path) -> io::Result<String> {
        match self.demo {
            None => self.real.read_text(path),
            Some(_) => Err(io::Error::other("a simulated run reads no real secrets")),
        }
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.real.canonical(path)
    }

    fn home(&self) -> Option<PathBuf> {
        self.real.home()
    }

    fn readable_folders(&self) -> &[PathBuf] {
        self.real.readable_folders()
    }
}

/// A network that ends at this machine.
pub(super) struct LoopbackOnly(pub(super) Rc<dyn Transport>);

impl Transport for LoopbackOnly {
    fn send<'a>(&'a self, request: &'a Request) -> LocalBoxFuture<'a, Result<Response, TransportError>> {
        if is_loopback(&request.url) {
            return self.0.send(request);
        }
        let reason = "a simulated run sends nothing beyond this machine".to_owned();
        async { Err(TransportError { failure: SendFailure::NotSent, reason }) }.boxed_local()
    }
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(_)) | None => false,
    }
}
