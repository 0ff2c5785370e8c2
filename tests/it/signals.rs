//! What signals do to a run that waits for an answer.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use rustix::process::Signal;

use super::support::PATIENCE;
use super::support::raw_server::RawServer;
use super::support::runner::{Runner, Running};
use super::support::scripted::{Reply, ScriptedServer};
use super::support::session_api::{self, LOGIN, LOGOUT, assert_logged_out};

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
