//! The machine: signals, disks, terminals, keychains.

use crate::support::own_mounts::own_mounts;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json as object};

use super::api::{Api, LOGIN, LOGOUT, PASSWORD, Sessions, arguments, complete, furnish, refusal};
use super::server::{Act, Answer, Request, json, reply};
use crate::support::PATIENCE;
use crate::support::keyring::Keyring;
use crate::support::runner::{Output, Runner};

const RUNNER: &str = env!("CARGO_BIN_EXE_runner");

const READ: &str = "steps:\n  - { id: read, get: /data }\n";
const DATA: &str = "GET /data";

// Signals

/// A run with one of everything, and what it asks when nobody disturbs it.
const ALL: &str = "steps:
  - get: /data
  - { post: /orders, cleanup: [{ delete: /orders }] }
  - call: api.list_items
  - get: /busy
";
const ASKED: [&str; 8] =
    [LOGIN, DATA, "POST /orders", "GET /items", "GET /items?cursor=a", "GET /busy", "DELETE /orders", LOGOUT];

/// What a server does at the request where the signal comes: it tells the test, and waits for it.
struct Station {
    line: &'static str,
    is_here: Sender<()>,
    may_go_on: Option<Receiver<()>>,
}

impl Station {
    fn answer(&mut self, request: &Request, sessions: &mut Sessions) -> Option<Answer> {
        let answer = match request.line.as_str() {
            "GET /items" => json(200, &object!({ "items": [1], "next": "a", "total": 2 })),
            "GET /items?cursor=a" => json(200, &object!({ "items": [2], "total": 2 })),
            _ => sessions.answer(request),
        };
        if request.line != self.line {
            return Some(answer);
        }
        let may_go_on = self.may_go_on.take().expect("each station is passed once");
        let before = [Act::Announce(self.is_here.clone()), Act::Await(may_go_on)];
        Some(before.into_iter().chain(answer).collect())
    }
}

/// The signal comes while the request with this line is under way.
fn signal_at(signal: Signal, line: &'static str) -> (Api, Output) {
    let (is_here, here) = channel();
    let (go_on, may_go_on) = channel();
    let mut station = Station { line, is_here, may_go_on: Some(may_go_on) };
    let api = Api::start(move |request, sessions| station.answer(request, sessions));
    let mut running = api.apply(ALL).spawn();
    here.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{line} is asked"));
    running.signal_while_it_waits(signal);
    go_on.send(()).expect("the server waits");
    let output = running.finish();
    (api, output)
}

/// Wherever the signal comes: what was under way ends, nothing more of the steps is sent, what may have been done is
/// undone, the session is closed.
fn signal_at_each_step(signal: Signal) {
    for (at, line) in ASKED.iter().enumerate() {
        let (api, output) = signal_at(signal, line);
        // When everything was done before, the verdict stands: only what closes the run was under way.
        let is_over = ["DELETE /orders", LOGOUT].contains(line);
        let output = output.exits(if is_over { 0 } else { 128 + signal.as_raw() });
        let mut wanted = ASKED[..=at].to_vec();
        let has_written = wanted.contains(&"POST /orders");
        wanted.extend((has_written && !wanted.contains(&"DELETE /orders")).then_some("DELETE /orders"));
        wanted.extend((!wanted.contains(&LOGOUT)).then_some(LOGOUT));
        assert_eq!(api.server.lines(), wanted, "{signal:?} at {line}\n{}", output.text());
        api.complete(&output);
    }
}

#[test]
fn sigint_at_each_step() {
    signal_at_each_step(Signal::INT);
}

#[test]
fn sigterm_at_each_step() {
    signal_at_each_step(Signal::TERM);
}

#[test]
fn sighup_at_each_step() {
    signal_at_each_step(Signal::HUP);
}

#[test]
fn signal_while_a_step_waits_to_ask_again() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (is_here, here) = channel();
        let api = Api::answering(DATA, move |_| {
            let busy = reply(429, &[("retry-after", "20")], "");
            busy.into_iter().chain([Act::Announce(is_here.clone())]).collect()
        });
        let mut running = api.apply(READ).spawn();
        here.recv_timeout(PATIENCE).expect("the read is asked");
        running.signal(signal);
        let output = running.finish().exits(128 + signal.as_raw());
        api.assert_asked(&[DATA]);
        let took = api.complete(&output)["took_ms"].as_f64().expect("milliseconds");
        assert!(took < 15_000.0, "a wait ends at once: {took} ms");
    }
}

// Disks

/// The program with a folder `small` on a disk of its own that holds 16 KiB. What lies there at the end is listed in the
/// file `left`.
fn with_a_small_disk(api: &Api, rest: &str, report: &str) -> Output {
    let script = "mkdir small && mount -t tmpfs -o size=16k none small || exit 99
        \"$@\"; code=$?; ls small > left; exit $code";
    let program = furnish(Runner::of("unshare"), rest, &api.server.url());
    let program = program.args(own_mounts()).args(["sh", "-c", script, "sh", RUNNER, "apply", "p.yaml"]);
    let address = format!("api={}", api.server.url());
    program.args(["--base-url", &address, "--report", &format!("json={report}")]).run()
}

/// A list of some 100 kB.
fn long_list() -> Api {
    let items: Vec<Value> = (0..1000).map(|id| object!({ "id": id, "name": "x".repeat(80) })).collect();
    Api::answering("GET /items", move |_| json(200, &object!({ "items": items, "total": 1000 })))
}

#[test]
fn disk_full_for_the_output() {
    let api = long_list();
    let steps = "steps:\n  - { call: api.list_items, save: small/items.ndjson }\n  - get: /later\n";
    let output = with_a_small_disk(&api, steps, "report.json").exits(8);
    let output = output.explains(&["error: ", "small/items.ndjson", "No space left on device", "what now: "]);
    api.assert_asked(&["GET /items"]);
    assert!(!output.read("left").lines().any(|name| name == "items.ndjson"), "{}", output.read("left"));
    assert_eq!(api.complete(&output)["causes"], object!(["machine"]));
}

#[test]
fn disk_full_for_the_report() {
    const STEPS: usize = 150;
    let api = Api::start(|_, _| None);
    let steps: String = (0..STEPS).map(|number| format!("  - get: /step/{number}\n")).collect();
    let output = with_a_small_disk(&api, &format!("steps:\n{steps}"), "small/report.json").exits(8);
    assert!(output.stderr.contains("small/report.json: No space left on device"), "{}", output.stderr);
    assert_eq!(output.read("left"), "", "no half report");
    assert_eq!((api.server.count(LOGIN), api.server.count(LOGOUT)), (1, 1));
    assert_eq!(api.server.lines().len(), STEPS + 2, "what was to be done was done");
}

// Terminals and standard streams

/// The definition with other sources for its password.
fn sources(from: &str) -> String {
    let definition = include_str!("../../cases/faults/api.yaml");
    definition.replace("[{ env: API_PASSWORD }]", from)
}

#[test]
fn no_tty() {
    // In a session of its own a process has no terminal, whoever starts the tests.
    let start = |api: &Api| {
        let program = furnish(Runner::of("setsid"), READ, &api.server.url());
        program.args(["--wait", RUNNER]).args(arguments(&api.server.url()))
    };
    let api = Api::start(|_, _| None);
    let output = start(&api).run().exits(0);
    assert!(!output.text().contains('\u{1b}'), "no colours: {}", output.text());
    api.assert_asked(&[DATA]);
    api.complete(&output);
    // Nobody is asked where nobody is.
    let api = Api::start(|_, _| None);
    let prompting = sources("[{ env: NO_SUCH_VARIABLE }, prompt]");
    let output = start(&api).file("api.yaml", prompting).run().exits(3);
    let output = output.explains(&["error: ", "no source has api.password", "what now: "]);
    assert_eq!(api.server.lines(), Vec::<String>::new());
    api.complete(&output);
}

#[test]
fn closed_stdin() {
    for closed in ["<&-", "<&- >&-", "<&- >&- 2>&-"] {
        let api = Api::start(|_, _| None);
        let program = furnish(Runner::of("sh"), READ, &api.server.url());
        let script = format!("exec \"$0\" \"$@\" {closed}");
        let output = program.args(["-c", &script, RUNNER]).args(arguments(&api.server.url())).run().exits(0);
        api.assert_asked(&[DATA]);
        api.complete(&output);
    }
}

#[test]
fn lang_c() {
    let rest = "steps:\n  - { id: read, name: Zürich → Genève, call: api.list_items, save: geräte.ndjson }\n";
    for (variable, value) in [("LANG", "C"), ("LC_ALL", "C"), ("LC_ALL", "no_SUCH.locale")] {
        let api = Api::answering("GET /items", |_| {
            json(200, &object!({ "items": [{ "name": "Köln" }], "total": 1 }))
        });
        let output = api.apply(rest).env(variable, value).run().exits(0);
        assert_eq!(output.rows("geräte.ndjson"), [object!({ "name": "Köln" })]);
        api.complete(&output);
        let api = Api::answering("GET /items", |_| refusal(409, "belegt", "Gerät ist belegt – später"));
        let output =
            api.apply(rest).env(variable, value).run().exits(1).explains(&["error: ", "409", "belegt"]);
        api.complete(&output);
    }
}

// Keychains

/// A run whose password is asked of the keychain first. With the variable it gets on without; else the keychain is why
/// it cannot sign in, and nothing is sent.
#[track_caller]
fn without_a_keychain(variables: &[(&str, &str)], reason: &str) {
    let start = |api: &Api| {
        let runner = api.apply(READ).file("api.yaml", sources("[stored, { env: API_PASSWORD }]"));
        variables.iter().fold(runner, |runner, (name, value)| runner.env(name, *value))
    };
    let api = Api::start(|_, _| None);
    let output = start(&api).run().exits(0);
    api.assert_asked(&[DATA]);
    api.complete(&output);
    let api = Api::start(|_, _| None);
    let output = start(&api).env("API_PASSWORD", "").run().exits(3);
    let output = output.explains(&["error: ", "no source has api.password", reason, "what now: "]);
    assert_eq!(api.server.lines(), Vec::<String>::new());
    complete(&output, 0);
}

#[test]
fn no_d_bus() {
    without_a_keychain(&[], "no keychain on this machine");
}

#[test]
fn locked_keychain() {
    let keyring = Keyring::open();
    let store = Runner::of("secret-tool").keyring(&keyring).stdin(PASSWORD).args(["store", "--label=test"]);
    store.args(["service", "runner/api", "username", "default/password"]).run().exits(0);
    let keyring = keyring.lock();
    without_a_keychain(&keyring.variables(), "locked");
}

#[test]
fn hanging_keychain() {
    // Somebody takes the call, and never says a word.
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("bus");
    let listener = UnixListener::bind(&path).expect("the folder is writable");
    thread::spawn(move || {
        let mut calls = Vec::new();
        for call in listener.incoming() {
            calls.push(call);
        }
    });
    without_a_keychain(&[("DBUS_SESSION_BUS_ADDRESS", &format!("unix:path={}", path.display()))], "keychain");
}

#[test]
fn hanging_keychain_on_a_bus_in_good_health() {
    let keyring = Keyring::open().hanging();
    without_a_keychain(&keyring.variables(), "keychain");
}
