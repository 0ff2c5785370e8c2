//! The dead-man switch over real sockets: what a server like healthchecks.io hears of a run.

use std::sync::mpsc;

use super::support::PATIENCE;
use super::support::held::slow_server;
use super::support::raw_server::RawServer;
use super::support::runner::Runner;
use super::support::scripted::{Reply, ScriptedServer};

const SWITCH: &str = "2f4a6c1e-geheim-switch";

fn switch() -> ScriptedServer {
    ScriptedServer::start(|_| Reply::text(200, "text/plain", "OK"))
}

/// A run of one step whose switch is a secret.
fn apply(api: &str, switch: &str) -> Runner {
    let playbook = format!(
        "version: 1
secrets: {{ switch: {{ from: [{{ env: SWITCH }}] }} }}
providers: {{ own: {{ base_url: {api} }} }}
report: {{ ping: '${{{{ secrets.switch }}}}' }}
steps: [{{ get: /data }}]
"
    );
    let runner =
        Runner::new().file("p.yaml", playbook).args(["apply", "p.yaml", "--report", "json=report.json"]);
    runner.env("SWITCH", format!("{switch}/{SWITCH}")).plant(SWITCH)
}

fn pings(switch: &ScriptedServer) -> Vec<String> {
    let lines = switch.lines();
    lines.iter().map(|line| line.replace(&format!("GET /{SWITCH}"), "")).collect()
}

#[test]
fn a_run_that_is_done_is_told_at_its_start_and_its_end() {
    let (api, switch) = (ScriptedServer::start(|_| Reply::empty(204)), switch());
    let report = apply(&api.base_url(), &switch.base_url()).run().exits(0).report();
    assert_eq!(pings(&switch), ["/start", ""]);
    assert_eq!(report["requests"], 1, "a ping is no request of the run");
}

#[test]
fn a_run_that_fails_is_told_with_its_exit_code() {
    let (api, switch) = (ScriptedServer::start(|_| Reply::empty(404)), switch());
    apply(&api.base_url(), &switch.base_url()).run().exits(1);
    assert_eq!(pings(&switch), ["/start", "/1"]);
    let switch = self::switch();
    let unwritable = apply(&api.base_url(), &switch.base_url()).args(["--only", "nothing"]);
    unwritable.run().exits(2);
    assert_eq!(pings(&switch), [""; 0], "nothing has begun");
}

#[test]
fn a_run_that_finds_another_one_is_told_and_one_that_is_left_out_is_not() {
    let (api, is_received, answer) = slow_server();
    let switch = switch();
    let runner = apply(&api.url(""), &switch.base_url());
    let first = runner.spawn();
    is_received.recv_timeout(PATIENCE).expect("the request arrives");
    runner.clone().args(["--overlap", "skip"]).run().exits(0);
    runner.clone().args(["--quiet"]).run().exits(75);
    answer.send(()).expect("the server waits");
    first.finish().exits(0);
    assert_eq!(pings(&switch), ["/start", "/75", ""]);
}

#[test]
fn a_switch_that_is_away_is_a_warning_and_changes_nothing() {
    let api = ScriptedServer::start(|_| Reply::empty(204));
    let output = apply(&api.base_url(), "http://127.0.0.1:9").run().exits(0);
    let warning = "warning: the ping of the end failed: 127.0.0.1: connection refused";
    assert!(output.stderr.contains(warning), "{}", output.stderr);
    let quiet = apply(&api.base_url(), "http://127.0.0.1:9").args(["--quiet"]).run().exits(0);
    assert_eq!(quiet.text(), "");
}

#[test]
fn the_ping_of_the_start_never_holds_the_run_up() {
    let (arrived, has_arrived) = mpsc::channel();
    let api = ScriptedServer::start(move |_| {
        arrived.send(()).expect("the switch waits");
        Reply::empty(204)
    });
    let mut pings = 0;
    let switch = ScriptedServer::start(move |_| {
        pings += 1;
        if pings == 1 {
            // The start is answered only when the run has done its work.
            has_arrived.recv_timeout(PATIENCE).expect("the run goes on meanwhile");
        }
        Reply::empty(200)
    });
    apply(&api.base_url(), &switch.base_url()).run().exits(0);
    assert_eq!(self::pings(&switch), ["/start", ""]);
}

/// Whoever takes the ping of the start and never answers it hears of the end all the same.
#[test]
fn a_ping_of_the_start_that_hangs_does_not_hold_the_end_back() {
    let api = ScriptedServer::start(|_| Reply::empty(204));
    let mut hanging = Vec::new();
    let switch = RawServer::start(move |number, connection| {
        connection.receive();
        match number {
            0 => hanging.push(connection.stream.try_clone().expect("a socket")),
            _ => connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        }
    });
    let output = apply(&api.base_url(), &switch.url("")).run().exits(0);
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);
    let heard = switch.requests();
    let last = heard.last().expect("pings").lines().next().map(str::to_owned);
    assert_eq!(last, Some(format!("GET /{SWITCH} HTTP/1.1")), "{heard:?}");
}

#[test]
fn a_simulated_run_and_a_dry_run_tell_nobody() {
    let switch = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let playbook = format!(
        "version: 1\nproviders: {{ emnify: {{}} }}\nreport: {{ ping: '{}' }}\nsteps: [{{ call: emnify.list_devices }}]\n",
        switch.url("/switch")
    );
    let runner = Runner::new().file("p.yaml", playbook);
    runner.clone().args(["apply", "--simulate", "p.yaml"]).run().exits(0);
    runner
        .env("EMNIFY_APPLICATION_TOKEN", "token-geheim-4")
        .args(["apply", "--dry-run", "p.yaml"])
        .run()
        .exits(0);
    assert_eq!(switch.requests(), [""; 0]);
}
