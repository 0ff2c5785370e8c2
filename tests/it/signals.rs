//! What signals do to a run that waits for an answer.

use std::sync::mpsc::{self, Receiver};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::PATIENCE;
use super::support::held::slow_server;
use super::support::pty::Size;
use super::support::raw_server::RawServer;
use super::support::runner::{Output, Runner, Running};
use super::support::scripted::{Reply, ScriptedServer};
use super::support::session_api::{self, LOGIN, assert_logged_out};

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
fn a_login_that_hangs_ends_with_the_deadline() {
    let (silence, answer) = mpsc::channel::<()>();
    let server = ScriptedServer::start(move |_| {
        let _ = answer.recv();
        session_api::token()
    });
    let rest = "deadline: 300ms\nsteps: [{ get: /data }]";
    let program = session_api::apply(&server, rest).args(["--report", "json=r.json"]);
    let output = program.run().exits(9);
    drop(silence);
    for words in ["the deadline of 300 ms passed", "a session may be left open there"] {
        assert!(output.text().contains(words), "{words}: {}", output.text());
    }
    let report: serde_json::Value = serde_json::from_str(&output.read("r.json")).expect("a report");
    let took = report["took_ms"].as_f64().expect("milliseconds");
    assert!(took < 3_000.0, "the sign-in ends with the deadline, not 5 s later: {took} ms");
    assert_eq!(server.lines(), [LOGIN]);
}

const STOPPING: &str = "closed first; a second signal stops at once";

#[test]
fn a_signal_is_told_when_it_comes() {
    for quiet in [false, true] {
        let (server, is_received, answer) = slow_server();
        let program = Runner::new().args(["apply", "p.yaml"]);
        let program = if quiet { program.args(["--quiet"]) } else { program };
        let mut running = start(program, &server, &is_received);
        running.signal_while_it_waits(Signal::TERM);
        answer.send(()).expect("the server waits");
        let output = running.finish().exits(143);
        let told = output.stderr.matches(STOPPING).count();
        assert_eq!(told, usize::from(!quiet), "{}", output.stderr);
        assert!(output.stderr.contains("SIGTERM came"), "{}", output.stderr);
        if !quiet {
            assert!(output.stderr.starts_with("stopping on SIGTERM: "), "{}", output.stderr);
        }
    }
}

/// A run whose steps are all done when the signal comes, during cleanup.
fn signalled_in_cleanup(arguments: &[&str]) -> Output {
    let (received, is_received) = mpsc::channel();
    let (answer, may_answer) = mpsc::channel::<()>();
    let server = session_api::start(move |request| {
        if request.line == "DELETE /orders" {
            received.send(()).expect("the test waits");
            may_answer.recv().expect("the test answers");
        }
        Reply::empty(204)
    });
    let steps = "steps: [{ post: /orders, cleanup: [{ delete: /orders }] }]";
    let mut running = session_api::apply(&server, steps).args(arguments).spawn();
    is_received.recv_timeout(PATIENCE).expect("cleanup begins");
    running.signal_while_it_waits(Signal::INT);
    answer.send(()).expect("the server waits");
    let output = running.finish();
    assert_logged_out(&server);
    output
}

#[test]
fn a_signal_during_cleanup_leaves_the_verdict_as_it_is() {
    let output = signalled_in_cleanup(&[]).exits(0);
    assert!(output.stderr.contains(STOPPING), "{}", output.stderr);
    assert!(output.stdout.contains("done: 1 step"), "{}", output.stdout);
    let output = signalled_in_cleanup(&["--quiet"]).exits(0);
    assert_eq!(output.text(), "", "not one byte when all is well");
}

#[test]
fn ctrl_c_leaves_no_dead_line_on_the_terminal() {
    let (server, is_received, answer) = slow_server();
    let program = Runner::new().args(["apply", "p.yaml"]).file("p.yaml", playbook(&server));
    let mut terminal = program.open_terminal(Size { columns: 120, rows: 30 });
    is_received.recv_timeout(PATIENCE).expect("the request arrives");
    terminal.wait_for("GET /slow").send("\x03").wait_for(STOPPING);
    answer.send(()).expect("the server waits");
    let output = terminal.finish().exits(130);
    // What the terminal echoes stands behind the moving line, which is erased as a whole.
    assert!(output.stdout.contains("GET /slow\u{1b}[K^C"), "{:?}", output.stdout);
}
