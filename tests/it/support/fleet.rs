//! Simulated providers, and the real program that is pointed at them.
//!
//! ```ignore
//! let emnify = Fleet::emnify(25);
//! let output = emnify.apply(PLAYBOOK).account(&emnify, "plain", &["username", "password"]).run().exits(0);
//! emnify.agrees_with(&output.report());
//! ```

use std::fs;
use std::ops::Deref;
use std::sync::LazyLock;

use jsonschema::Validator;
use runner::simulate::{DemoAccount, DemoKind, Options, Provider, RecordedRequest, Simulator};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::runner::{Output, Runner};

/// Where a playbook lies in the working folder.
pub const PLAYBOOK: &str = "playbook.yaml";
/// Where the report for machines lies in the working folder.
pub const REPORT: &str = "report.json";

/// What demo accounts have that is no secret.
const PUBLIC: [&str; 5] = ["username", "email", "auth_key_id", "operator_id", "user_name"];

/// The JSON Schema of reports.
static REPORT_SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let text = fs::read_to_string(shipped("schemas/report.json")).expect("the schema is there");
    let schema = serde_json::from_str(&text).expect("a schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is one")
});

/// A simulated provider in the process of the test, on a runtime of its own.
pub struct Fleet {
    /// The provider.
    pub simulator: Simulator,
    // Dropped last: it drives the simulator.
    _runtime: Runtime,
}

impl Fleet {
    /// Soracom with that many SIMs, subscribers, devices and gadgets.
    pub fn soracom(devices: usize) -> Self {
        Self::start(Provider::Soracom, &Options { devices, ..Options::default() })
    }

    /// emnify with that many endpoints and SIMs.
    pub fn emnify(devices: usize) -> Self {
        Self::start(Provider::Emnify, &Options { devices, ..Options::default() })
    }

    /// A provider with as many devices as it has by itself.
    pub fn of(provider: Provider) -> Self {
        Self::start(provider, &Options::default())
    }

    /// Any provider.
    pub fn start(provider: Provider, options: &Options) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("threads can be started");
        let simulator =
            runtime.block_on(Simulator::start(provider, options)).expect("loopback has free ports");
        Self { simulator, _runtime: runtime }
    }

    /// `runner apply` of a playbook whose requests to this provider go here, with a report for machines. The secrets of
    /// all accounts are planted; none of them is given to the program yet.
    pub fn apply(&self, playbook: impl AsRef<[u8]>) -> Runner {
        self.point(self.plant(Runner::applying(playbook)))
    }

    /// Leads the program's requests to this provider here.
    pub fn point(&self, runner: Runner) -> Runner {
        let provider = self.simulator.provider();
        let addresses = [("--base-url", Some(self.simulator.base_url()))];
        let addresses = addresses.into_iter().chain([("--auth-base-url", self.simulator.auth_base_url())]);
        addresses
            .filter_map(|(flag, url)| Some((flag, url?)))
            .fold(runner, |runner, (flag, url)| runner.args([flag.to_owned(), format!("{provider}={url}")]))
    }

    /// Plants the secrets of all accounts.
    pub fn plant(&self, runner: Runner) -> Runner {
        let values = self.simulator.accounts().iter().flat_map(|account| &account.values);
        // An address that users type is no secret, and stands in every journal.
        let credentials = values.filter(|value| value.kind == DemoKind::Credential);
        let secrets = credentials.filter(|value| !PUBLIC.contains(&value.name));
        secrets.fold(runner, |runner, secret| runner.plant(secret.value.clone()))
    }

    /// A value of the account with that label.
    #[track_caller]
    pub fn demo(&self, label: &str, name: &str) -> &str {
        let value = self.account(label).get(name);
        value.unwrap_or_else(|| panic!("the account {label} has no {name}"))
    }

    #[track_caller]
    fn account(&self, label: &str) -> &DemoAccount {
        let mut accounts = self.simulator.accounts().iter();
        accounts.find(|account| account.label == label).unwrap_or_else(|| panic!("no account {label}"))
    }

    /// The requests with that method and path, query aside, oldest first. A `*` at the end of the path stands for
    /// anything.
    pub fn requests_of(&self, method: &str, path: &str) -> Vec<RecordedRequest> {
        let fits = |asked: &str| match path.strip_suffix('*') {
            Some(begin) => asked.starts_with(begin),
            None => asked.split('?').next() == Some(path),
        };
        let mut requests = self.simulator.requests();
        requests.retain(|request| request.method == method && fits(&request.path));
        requests
    }

    /// The bodies of these requests, read as JSON.
    pub fn bodies(&self, method: &str, path: &str) -> Vec<Value> {
        let requests = self.requests_of(method, path).into_iter();
        requests.map(|request| serde_json::from_str(&request.body).expect("a JSON body")).collect()
    }

    /// Asserts that a report counts the requests that came here, all of them in its entries.
    #[track_caller]
    pub fn agrees_with(&self, report: &Value) {
        let sent = self.stats().total_requests();
        assert_eq!(report["requests"].as_u64(), Some(sent), "requests of the report\n{report:#}");
        let entries = report["entries"].as_array().expect("entries are a list");
        // A loop tells the requests of its items again.
        let told = entries
            .iter()
            .filter(|entry| entry["items"].is_null())
            .filter_map(|entry| entry["requests"].as_u64())
            .sum::<u64>();
        assert_eq!(told, sent, "requests of the entries\n{report:#}");
    }

    /// Asserts that no token which the program put on a request shows in its outputs or in its report.
    #[track_caller]
    pub fn stayed_silent(&self, output: &Output) {
        let report = fs::read_to_string(output.dir.join(REPORT)).unwrap_or_default();
        for token in self.tokens() {
            for text in [&output.stdout, &output.stderr, &report] {
                assert!(!text.contains(&token), "the token {token} shows\n{text}");
            }
        }
    }

    /// The tokens in the headers of all requests so far.
    fn tokens(&self) -> Vec<String> {
        let requests = self.simulator.requests();
        let headers = requests.iter().flat_map(|request| &request.headers);
        let bears_token =
            |name: &str| ["authorization", "x-soracom-token", "x-soracom-api-key"].contains(&name);
        let tokens = headers.filter(|(name, _)| bears_token(name));
        tokens.map(|(_, value)| value.trim_start_matches("Bearer ").to_owned()).collect()
    }
}

impl Deref for Fleet {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.simulator
    }
}

impl Runner {
    /// Sends the requests of `runner login` to a simulator.
    pub fn at(self, fleet: &Fleet) -> Self {
        let runner = self.args(["--base-url", fleet.base_url()]);
        match fleet.auth_base_url() {
            Some(url) => runner.args(["--auth-base-url", url]),
            None => runner,
        }
    }

    /// `runner apply` of a playbook with a report for machines, where more than ASCII is known.
    pub fn applying(playbook: impl AsRef<[u8]>) -> Self {
        let runner = Self::new().env("LANG", "C.UTF-8").file(PLAYBOOK, playbook);
        runner.args(["apply", PLAYBOOK, "--report"]).args([format!("json={REPORT}")])
    }

    /// Gives the program these values of a demo account, in the variables that users have for them.
    #[track_caller]
    pub fn account(self, fleet: &Fleet, label: &str, names: &[&str]) -> Self {
        let account = fleet.account(label);
        let values = names.iter().map(|name| {
            let value = account.values.iter().find(|value| value.name == *name);
            value.unwrap_or_else(|| panic!("the account {label} has no {name}"))
        });
        values.fold(self, |runner, value| {
            let variable =
                value.variable.unwrap_or_else(|| panic!("no variable is known for {}", value.name));
            runner.env(variable, &value.value)
        })
    }
}

impl Output {
    /// The report for machines, which must be what its schema says.
    #[track_caller]
    pub fn report(&self) -> Value {
        let report: Value = serde_json::from_str(&self.read(REPORT)).expect("a report is JSON");
        let violations: Vec<_> = REPORT_SCHEMA.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(violations.is_empty(), "{violations:#?}\n{report:#}");
        // Whoever reads that a run has not ended well reads why.
        let mut entries = report["entries"].as_array().expect("a list").iter();
        let is_told = report["failures"] != Value::Array(Vec::new())
            || entries.any(|entry| entry["failure"].is_object());
        assert!(is_told || report["exit_code"] == 0, "{report:#}");
        report
    }

    /// The lines of a file of rows.
    #[track_caller]
    pub fn rows(&self, path: &str) -> Vec<Value> {
        self.read(path).lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
    }

    /// Asserts that standard output has these texts, in this order.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        self.has_in_order(&self.stdout, texts);
        self
    }

    /// Asserts that standard error has these texts, in this order: what failed, where, what to do.
    #[track_caller]
    pub fn explains(self, texts: &[&str]) -> Self {
        self.has_in_order(&self.stderr, texts);
        self
    }

    #[track_caller]
    fn has_in_order(&self, mut rest: &str, texts: &[&str]) {
        for text in texts {
            let Some(at) = rest.find(text) else {
                panic!("{text:?} is missing or comes too early\n{}\n{}", self.stdout, self.stderr)
            };
            rest = &rest[at + text.len()..];
        }
    }
}

/// The entries of a report with that label.
pub fn entries<'a>(report: &'a Value, label: &str) -> Vec<&'a Value> {
    let entries = report["entries"].as_array().expect("entries are a list");
    entries.iter().filter(|entry| entry["label"] == label).collect()
}

/// The one entry of a report with that label.
#[track_caller]
pub fn entry<'a>(report: &'a Value, label: &str) -> &'a Value {
    let found = entries(report, label);
    assert_eq!(found.len(), 1, "entries called {label}\n{report:#}");
    found[0]
}

/// The path of a file that ships with the program.
pub fn shipped(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of a playbook that ships with the program.
#[track_caller]
pub fn shipped_playbook(path: &str) -> String {
    let path = shipped("playbooks").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}
