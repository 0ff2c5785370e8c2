//! An API with sessions at the fault server, the playbooks that ask it, and what every run must leave behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use serde_json::{Value, json as object};

use super::server::{Answer, FaultServer, Request, json, reply};
use crate::support::fleet::REPORT;
use crate::support::runner::{Output, Runner};

/// What the account signs in with.
pub const PASSWORD: &str = "api-password-geheim-7Qx";
/// What each access token has in it.
pub const ACCESS: &str = "access-geheim-4Kd";
/// What each refresh token has in it.
pub const REFRESH: &str = "refresh-geheim-9Wm";

/// The way in.
pub const LOGIN: &str = "POST /session";
/// The way to a new token.
pub const RENEW: &str = "POST /session/refresh";
/// The way out.
pub const LOGOUT: &str = "DELETE /session";

/// The sessions that the server knows.
pub struct Sessions {
    /// How long it says that a token lives, in seconds.
    pub lifetime: i64,
    /// The access token of a number.
    pub token: fn(u32) -> String,
    issued: u32,
    open: Vec<u32>,
}

impl Sessions {
    /// A new pair of tokens, the only one of its session that is good from now on.
    pub fn issue(&mut self) -> Answer {
        self.issued += 1;
        self.open.push(self.issued);
        let tokens = object!({
            "access_token": (self.token)(self.issued),
            "refresh_token": format!("{REFRESH}-{}", self.issued),
            "expires_in": self.lifetime,
        });
        json(200, &tokens)
    }

    /// Takes all tokens back, but leaves what they can be renewed with.
    pub fn revoke(&mut self) {
        self.open.clear();
    }

    /// Whether the request bears a good token.
    pub fn knows(&self, request: &Request) -> bool {
        let token = request.header("authorization");
        self.open.iter().any(|number| token == format!("Bearer {}", (self.token)(*number)))
    }

    /// What it does where a test plans nothing else.
    pub fn answer(&mut self, request: &Request) -> Answer {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        match request.line.as_str() {
            LOGIN if body["password"] == PASSWORD => self.issue(),
            RENEW if body["refresh_token"] == format!("{REFRESH}-{}", self.issued) => {
                self.revoke();
                self.issue()
            }
            LOGOUT if self.knows(request) => {
                self.revoke();
                reply(204, &[], "")
            }
            _ if self.knows(request) => json(200, &object!({ "id": 7 })),
            _ => refusal(401, "unauthorized", "who are you?"),
        }
    }
}

/// An answer that says why not.
pub fn refusal(status: u16, code: &str, message: &str) -> Answer {
    json(status, &object!({ "error": { "code": code, "message": message } }))
}

/// The API.
pub struct Api {
    /// What it was asked.
    pub server: FaultServer,
}

impl Api {
    /// Starts it. What `plan` has no answer for is answered as an API in good health does.
    pub fn start(plan: impl FnMut(&Request, &mut Sessions) -> Option<Answer> + Send + 'static) -> Self {
        Self { server: FaultServer::start(with_sessions(plan)) }
    }

    /// The same behind TLS.
    pub fn start_tls(config: Arc<ServerConfig>) -> Self {
        Self { server: FaultServer::start_tls(config, with_sessions(|_, _| None)) }
    }

    /// It answers the requests with this line as `plan` says, all others in good health.
    pub fn answering(line: &'static str, mut plan: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::start(move |request, _| (request.line == line).then(|| plan(request)))
    }

    /// `runner apply` of these steps, and what else a playbook holds, with a report for machines.
    pub fn apply(&self, rest: &str) -> Runner {
        furnish(Runner::new(), rest, &self.server.url()).args(arguments(&self.server.url()))
    }

    /// Runs these steps.
    pub fn run(&self, rest: &str) -> Output {
        self.apply(rest).run()
    }

    /// Asserts that what was sent behind the login and before the logout is this, and that the one session that was
    /// opened was closed.
    #[track_caller]
    pub fn assert_asked(&self, wanted: &[&str]) {
        let lines = self.server.lines();
        let all: Vec<&str> = [LOGIN].into_iter().chain(wanted.iter().copied()).chain([LOGOUT]).collect();
        assert_eq!(lines, all, "what came to the server");
    }

    /// Asserts that the run has left all that it must leave, and returns its report.
    #[track_caller]
    pub fn complete(&self, output: &Output) -> Value {
        complete(output, self.server.requests().len())
    }
}

fn with_sessions(
    mut plan: impl FnMut(&Request, &mut Sessions) -> Option<Answer> + Send + 'static,
) -> impl FnMut(&Request) -> Answer + Send + 'static {
    let sessions = Mutex::new(Sessions {
        lifetime: 3600,
        token: |number| format!("{ACCESS}-{number}"),
        issued: 0,
        open: Vec::new(),
    });
    move |request| {
        let mut sessions = sessions.lock().expect("a plan does not panic");
        plan(request, &mut sessions).unwrap_or_else(|| sessions.answer(request))
    }
}

/// Gives a program the playbook `p.yaml` with these steps, the definition of the API, and the account.
pub fn furnish(program: Runner, rest: &str, url: &str) -> Runner {
    let way = match url {
        _ if url.starts_with("https://127.") => ", ca_file: ca.pem",
        _ if url.starts_with("http://api.") => ", allow_http: true",
        _ => "",
    };
    let playbook = format!(
        "version: 1\nname: survival\nproviders: {{ api: {{ use: ./api.yaml{way} }} }}\n{}{rest}\n",
        if rest.contains("deadline:") { "" } else { "deadline: 25s\n" },
    );
    let definition = include_str!("../../cases/faults/api.yaml");
    let program = program.file("p.yaml", playbook).file("api.yaml", definition);
    let program = program.env("API_USERNAME", "ops@example.com").env("API_PASSWORD", PASSWORD);
    program.plant(PASSWORD).plant(ACCESS).plant(REFRESH)
}

/// What the program is called with.
pub fn arguments(url: &str) -> [String; 6] {
    let words =
        ["apply", "p.yaml", "--base-url", &format!("api={url}"), "--report", &format!("json={REPORT}")];
    words.map(str::to_owned)
}

/// Asserts what holds for every run that came to its own end, whatever went wrong: no panic, the first error as the
/// headline, a whole report that agrees with the exit code and with the `sent` requests at the servers, and a whole journal
/// that agrees with the report.
#[track_caller]
pub fn complete(output: &Output, sent: usize) -> Value {
    assert!(!output.text().contains("panicked"), "{}", output.text());
    let report = output.report();
    let code = output.code.expect("the run ends by itself");
    assert_eq!(report["exit_code"], code, "{report:#}");
    assert_eq!(report["requests"], sent, "requests of the report\n{report:#}\n{}", output.text());
    if code != 0 && code != 7 {
        assert!(output.stderr.contains("error: "), "an error has a headline: {}", output.stderr);
        assert_eq!(report["causes"].as_array().map(Vec::is_empty), Some(false), "{report:#}");
    }
    let run = report["run"].as_str().expect("a run has an id");
    assert_journal(&state_folder(output).join(format!("runs/{run}.journal")), sent);
    report
}

/// Where runs leave what outlives them.
pub fn state_folder(output: &Output) -> PathBuf {
    output.dir.parent().expect("the sandbox has folders").join("state/runner")
}

/// Asserts that a journal is its owner's only, tells of every request that was sent, and ends with the end of the run.
#[track_caller]
fn assert_journal(path: &Path, sent: usize) {
    let mode = fs::metadata(path).expect("a run leaves a journal").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    let text = fs::read_to_string(path).expect("a journal is text");
    let records: Vec<Value> = text.lines().skip(1).map(record).collect();
    let attempts = records.iter().map(|record| &record["event"]["kind"]["attempt_finished"]);
    let told = attempts.filter(|attempt| attempt["was_sent"] == true).count();
    assert_eq!(told, sent, "requests of the journal\n{text}");
    let last = records.last().expect("records");
    assert!(last["event"]["kind"]["run_finished"].is_object(), "the last record ends the run\n{text}");
}

/// A record: a checksum, and JSON.
#[track_caller]
fn record(line: &str) -> Value {
    let (_checksum, json) = line.split_once(' ').expect("a checksum comes first");
    serde_json::from_str(json).expect("a record is JSON")
}
