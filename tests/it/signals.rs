//! What signals do to a run that waits for an answer.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::PATIENCE;
use super::support::held::slow_server;
use super::support::raw_server::RawServer;
use super::support::runner::{Runner, Running};
use super::support::scripted::{Reply, ScriptedServer};
use super::support::session_api::{self, LOGIN, LOGOUT, assert_logged_out};

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
    for words in ["a second signal came: stopped at once", "`GET /slow` was in flight"] {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
}

#[test]
fn a_second_signal_leaves_no_unfinished_file_and_says_what_is_left() {
    let (received, is_received) = mpsc::channel();
    let server = RawServer::start(move |_, connection| {
        while let Some(request) = connection.receive() {
            match request.starts_with("POST /login") {
                true => connection.send(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 22\r\ncontent-type: application/json\r\n\r\n{\"token\":\"tok-abcdef\"}",
                ),
                false => {
                    received.send(()).expect("the test waits");
                    connection.wait_for_close();
                }
            }
        }
    });
    let playbook = format!(
        "version: 1
providers:
  own:
    base_url: {}
    auth:
      login: {{ post: /login }}
      session: {{ token: $.token }}
      send: {{ headers: {{ Authorization: 'Bearer ${{{{ session.token }}}}' }} }}
      logout: {{ auth: session, delete: /session }}
steps:
  - {{ post: /slow, save: o.json, rows: $, cleanup: [{{ delete: /slow }}] }}
  - {{ id: behind, get: /slow }}
  - {{ id: last, get: /slow }}
",
        server.url("")
    );
    let mut running =
        Runner::new().args(["apply", "--report", "json=r.json", "p.yaml"]).file("p.yaml", playbook).spawn();
    is_received.recv_timeout(PATIENCE).expect("the request arrives");
    running.signal(Signal::INT).signal(Signal::TERM);
    let output = running.finish();
    assert!(matches!(output.code, Some(130 | 143)), "{:?}", output.code);
    for words in [
        "`POST /slow` was in flight: nobody knows whether it was done",
        "the session at own may be open",
        "not run: the cleanup of 1 step",
    ] {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
    let report: Value = serde_json::from_str(&output.read("r.json")).expect("a report is JSON");
    assert_eq!((&report["safe_to_rerun"], &report["causes"][0]), (&json!(false), &json!("unknown")));
    // Each step of the playbook is told of.
    let entries = report["entries"].as_array().expect("a list").iter();
    let steps = entries.filter(|entry| entry["kind"] == "step");
    let steps: Vec<_> = steps.map(|entry| (entry["label"].as_str(), entry["status"].as_str())).collect();
    let expected = [("POST /slow", "unknown"), ("behind", "not_started"), ("last", "not_started")];
    assert_eq!(steps, expected.map(|(label, status)| (Some(label), Some(status))));
    assert!(output.stdout.contains("interrupted: 0 of 3 steps done"), "{}", output.stdout);
    let left = std::fs::read_dir(&output.dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, ["p.yaml", "r.json"]);
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

#[test]
fn a_session_that_opens_after_a_signal_is_closed() {
    let (received, is_received) = mpsc::channel();
    let (answer, may_answer) = mpsc::channel::<()>();
    let server = ScriptedServer::start(move |request| {
        if request.line == LOGIN {
            received.send(()).expect("the test waits");
            may_answer.recv().expect("the test answers");
            return session_api::token();
        }
        Reply::empty(204)
    });
    let mut running = session_api::apply(&server, "steps: [{ get: /data }]").spawn();
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
        if request.line == LOGIN {
            // Slower than the run may be, and faster than its sign-in is given up.
            let _ = answer.recv_timeout(Duration::from_millis(600));
            return session_api::token();
        }
        Reply::empty(204)
    });
    let rest = "deadline: 300ms\nsteps: [{ get: /data }]";
    let output = session_api::apply(&server, rest).run().exits(9);
    assert!(output.text().contains("the deadline of 300 ms passed"), "{}", output.text());
    assert_eq!(server.lines(), [LOGIN, LOGOUT]);
    assert_logged_out(&server);
}
