//! What signals do to a run that waits for an answer.

use std::sync::mpsc::{self, Receiver, Sender};

use rustix::process::Signal;

use super::support::PATIENCE;
use super::support::raw_server::RawServer;
use super::support::runner::{Runner, Running};
use super::support::scripted::{Reply, ScriptedServer};
use serde_json::json;
use std::time::Duration;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}";

/// A server that says when a request is there and waits with its answer until it is told to give it.
fn slow_server() -> (RawServer, Receiver<()>, Sender<()>) {
    let (received, is_received) = mpsc::channel();
    let (answer, may_answer) = mpsc::channel();
    let server = RawServer::start(move |_, connection| {
        if connection.receive().is_some() {
            received.send(()).expect("the test waits");
            if may_answer.recv().is_ok() {
                connection.send(ANSWER);
            }
        }
    });
    (server, is_received, answer)
}

fn playbook(server: &RawServer) -> String {
    format!(
        "version: 1\nproviders: {{ own: {{ base_url: {} }} }}\nsteps: [{{ get: /slow }}]\n",
        server.url("")
    )
}

/// A run whose request has arrived.
fn start(runner: Runner, server: &RawServer, is_received: &Receiver<()>) -> Running {
    let running = runner.file("p.yaml", playbook(server)).spawn();
    is_received.recv().expect("the request arrives");
    running
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let (server, is_received, _answer) = slow_server();
    let mut running = start(Runner::new().args(["apply", "p.yaml"]), &server, &is_received);
    running.signal(Signal::TERM).signal(Signal::HUP);
    let output = running.finish();
    assert!(matches!(output.code, Some(129 | 143)), "{:?}", output.code);
    // Whoever is killed has no time for a report.
    assert!(!output.stdout.contains("requests"), "{}", output.stdout);
}

#[test]
fn a_signal_that_is_ignored_from_the_beginning_stays_ignored() {
    let (server, is_received, answer) = slow_server();
    let script = format!("trap '' HUP; exec {} apply p.yaml", env!("CARGO_BIN_EXE_runner"));
    let mut running = start(Runner::of("sh").args(["-c", &script]), &server, &is_received);
    // Were the first one not ignored, the second would end the process without a report.
    running.signal(Signal::HUP).signal(Signal::TERM);
    answer.send(()).expect("the server waits");
    let output = running.finish();
    assert!(output.stdout.contains("1 request"), "{}", output.stdout);
}

const TOKEN: &str = "token-geheim-4711";

/// An API with a session, and a step that needs it.
fn playbook_with_session(server: &ScriptedServer, bounds: &str) -> String {
    format!(
        "version: 1
{bounds}
providers:
  own:
    base_url: {}
    credentials: {{ key: {{ from: [{{ env: OWN_KEY }}] }} }}
    auth:
      login: {{ post: /login, json: {{ key: '${{{{ credentials.key }}}}' }} }}
      session: {{ token: $.token }}
      send: {{ headers: {{ Authorization: 'Bearer ${{{{ session.token }}}}' }} }}
      logout: {{ auth: session, delete: /login }}
steps:
  - get: /data
",
        server.base_url()
    )
}

fn with_session(server: &ScriptedServer, bounds: &str) -> Runner {
    let runner = Runner::new().file("p.yaml", playbook_with_session(server, bounds));
    runner.env("OWN_KEY", "key-geheim-0815").plant("key-geheim-0815").plant(TOKEN).args(["apply", "p.yaml"])
}

#[track_caller]
fn assert_logged_out(server: &ScriptedServer) {
    let requests = server.requests();
    let logouts: Vec<_> = requests.iter().filter(|request| request.line == "DELETE /login").collect();
    assert_eq!(logouts.len(), 1, "{:?}", server.lines());
    assert_eq!(logouts[0].header("authorization"), format!("Bearer {TOKEN}"));
    assert_eq!(server.lines().last().unwrap(), "DELETE /login");
}

#[test]
fn a_session_that_opens_after_a_signal_is_closed() {
    let (received, is_received) = mpsc::channel();
    let (answer, may_answer) = mpsc::channel::<()>();
    let server = ScriptedServer::start(move |request| {
        if request.line == "POST /login" {
            received.send(()).expect("the test waits");
            may_answer.recv().expect("the test answers");
            return Reply::json(200, &json!({ "token": TOKEN }));
        }
        Reply::empty(204)
    });
    let mut running = with_session(&server, "").spawn();
    is_received.recv_timeout(PATIENCE).expect("the login arrives");
    running.signal(Signal::TERM);
    answer.send(()).expect("the server waits");
    running.finish().exits(143);
    assert_logged_out(&server);
}

#[test]
fn a_session_that_opens_after_the_deadline_is_closed() {
    let (_silence, answer) = mpsc::channel::<()>();
    let server = ScriptedServer::start(move |request| {
        if request.line == "POST /login" {
            // Slower than the run may be, and faster than its sign-in is given up.
            let _ = answer.recv_timeout(Duration::from_millis(600));
            return Reply::json(200, &json!({ "token": TOKEN }));
        }
        Reply::empty(204)
    });
    let output = with_session(&server, "deadline: 300ms").run().exits(9);
    assert!(output.text().contains("the deadline of 300 ms passed"), "{}", output.text());
    assert_eq!(server.lines(), ["POST /login", "DELETE /login"]);
    assert_logged_out(&server);
}
