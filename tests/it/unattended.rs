//! Runs that nobody watches: without an environment, a terminal, a home; and what they say then.

use crate::support::own_mounts::own_mounts;
use std::ffi::OsString;
use std::sync::mpsc;

use rustix::process::Signal;
use serde_json::json;

use super::support::PATIENCE;
use super::support::held::slow_server;
use super::support::pty::Size;
use super::support::raw_server::RawServer;
use super::support::runner::{Output, Runner};
use super::support::scripted::{Reply, ScriptedServer};

const PROGRAM: &str = env!("CARGO_BIN_EXE_runner");
const KEY: &str = "key-geheim-0815";

/// A playbook that needs a secret, which lies in `.env` beside it.
fn playbook(server: &ScriptedServer) -> String {
    format!(
        "version: 1
name: nightly
secrets: {{ key: {{ from: [{{ env: OWN_KEY }}] }} }}
providers: {{ own: {{ base_url: {} }} }}
steps: [{{ get: /data, headers: {{ X-Key: '${{{{ secrets.key }}}}' }} }}]
",
        server.base_url()
    )
}

fn server(status: u16) -> ScriptedServer {
    ScriptedServer::start(move |_| Reply::empty(status))
}

/// A shell script in the clean room; `"$@"` is the program with its arguments.
fn script(server: &ScriptedServer, script: &str, arguments: &[&str]) -> Runner {
    let room = Runner::of("unshare").args(own_mounts()).args(["sh", "-c", script, "sh", PROGRAM]);
    let room = room.args(["apply", "p.yaml"]).args(arguments.iter().map(OsString::from));
    room.file("p.yaml", playbook(server)).file(".env", format!("OWN_KEY={KEY}\n")).plant(KEY)
}

fn apply(server: &ScriptedServer) -> Runner {
    let runner = Runner::new().file("p.yaml", playbook(server)).env("OWN_KEY", KEY).plant(KEY);
    runner.args(["apply", "p.yaml", "--report", "json=report.json"])
}

#[track_caller]
fn assert_refused(server: &ScriptedServer, output: &Output, words: &[&str]) {
    for words in words.iter().chain(&["`--state-dir DIR`", "nothing was sent"]) {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
    assert_eq!(server.lines(), [""; 0]);
}

/// What cron gives at worst: nothing.
const BARE: &str = "exec env -i \"$@\" <&-";
/// A home where nothing can be made, not even by root.
const READ_ONLY_HOME: &str = "mount -t tmpfs -o ro none \"$HOME\" && exec env -i HOME=\"$HOME\" \"$@\" <&-";
/// A home that is not there, and cannot be made.
const NO_HOME: &str = "mount -t tmpfs -o ro none \"$HOME\" && exec env -i HOME=\"$HOME/gone\" \"$@\" <&-";

#[test]
fn without_a_place_for_its_state_a_run_sends_nothing() {
    for (script, words) in [
        (BARE, &["there is no folder for journals and locks"][..]),
        (READ_ONLY_HOME, &["/.local/state/runner cannot be used", "Read-only file system"]),
        (NO_HOME, &["/gone/.local/state/runner cannot be used"]),
    ] {
        let server = server(204);
        let output = self::script(&server, script, &[]).run().exits(8);
        assert_refused(&server, &output, words);
    }
}

#[test]
fn with_a_place_for_its_state_a_run_needs_nothing_else() {
    for script in [BARE, READ_ONLY_HOME, NO_HOME] {
        let server = server(204);
        self::script(&server, script, &["--state-dir", "state"]).run().exits(0);
        assert_eq!(server.lines(), ["GET /data"], "{script}");
        let quiet = self::script(&server, script, &["--state-dir", "state", "--quiet"]).run().exits(0);
        assert_eq!(quiet.text(), "", "{script}");
    }
}

#[test]
fn a_state_folder_on_a_read_only_disk_is_refused() {
    let server = server(204);
    let full = "mkdir -p state && mount -t tmpfs -o ro,mode=700 none state && exec \"$@\"";
    let output = script(&server, full, &["--state-dir", "state"]).run().exits(8);
    assert_refused(&server, &output, &["state folder state/locks cannot be used"]);
}

#[test]
fn a_state_folder_that_others_can_write_is_refused() {
    let server = server(204);
    let open = "mkdir -m 777 state && exec \"$@\"";
    let output = script(&server, open, &["--state-dir", "state"]).run().exits(8);
    assert!(output.stderr.contains("the state folder state is writable by other users"), "{}", output.stderr);
    assert_eq!(server.lines(), [""; 0]);
}

#[test]
fn a_quiet_run_that_is_done_says_not_one_byte() {
    let server = server(204);
    let runner = apply(&server).file(".env", "OTHER=1").args(["--quiet"]);
    std::fs::set_permissions(runner.dir().join(".env"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("the sandbox is writable");
    let output = runner.run().exits(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    let report = output.report();
    let warning = report["warnings"][0].as_str().expect("the report keeps what was not said");
    assert!(warning.contains(".env"), "{report:#}");
    let mut terminal = apply(&server).args(["--quiet"]).open_terminal(Size { columns: 100, rows: 30 });
    terminal.send("");
    assert_eq!(terminal.finish().exits(0).stdout, "");
}

#[test]
fn a_quiet_run_that_fails_says_one_paragraph() {
    let server = server(403);
    let output = apply(&server).args(["--quiet"]).env("LANG", "C.UTF-8").run().exits(1);
    assert_eq!(output.stdout, "");
    let lines: Vec<&str> = output.stderr.lines().collect();
    let run = output.report()["run"].as_str().expect("an identity").to_owned();
    let (last, report_line) = (lines[lines.len() - 1], lines[lines.len() - 2]);
    assert!(lines[0].starts_with("error: own answered 403 Forbidden to `GET /data`"), "{}", output.stderr);
    assert!(output.stderr.contains("  p.yaml:5:11\n"), "{}", output.stderr);
    assert!(output.stderr.contains("  what now: "), "{}", output.stderr);
    assert!(report_line.starts_with("  nightly (p.yaml) · failed: 1 of 1 step, 1 request"), "{report_line}");
    assert_eq!(last, format!("  run {run} · exit 1"));
    assert!(lines.iter().all(|line| !line.is_empty()), "{}", output.stderr);
}

#[test]
fn a_quiet_run_says_that_its_report_could_not_be_written() {
    let runner = Runner::new().file("reports/kept", "");
    let folder = runner.dir().join("reports");
    let server = ScriptedServer::start(move |_| {
        std::fs::remove_dir_all(&folder).expect("it was there when the run began");
        Reply::empty(204)
    });
    let runner = runner.file("p.yaml", playbook(&server)).env("OWN_KEY", KEY).plant(KEY);
    let runner = runner.args(["apply", "p.yaml", "--quiet", "--report", "json=reports/r.json"]);
    let output = runner.run().exits(8);
    assert!(
        output.stderr.starts_with("error: failed to write the report to reports/r.json"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.trim_end().ends_with("exit 8"), "{}", output.stderr);
}

#[test]
fn a_quiet_run_shows_the_mistakes_of_its_playbook() {
    let runner = Runner::new().file("p.yaml", "version: 1\nsteps: [{ gte: /x }]\n");
    let output = runner.args(["apply", "p.yaml", "--quiet"]).run().exits(2);
    assert!(output.stderr.contains("did you mean `get`?"), "{}", output.stderr);
}

/// A run of these steps at a server that answers `/silent` never, `/missing` with 404, `/broken` with 500, all else with 200;
/// `signal` comes when `/silent` is asked for. Returns its exit code and whether its report calls it safe to run again.
fn ending(steps: &str, arguments: &[&str], signal: Option<Signal>) -> (Option<i32>, bool) {
    let (asked, is_asked) = mpsc::channel();
    let server = RawServer::start(move |_, connection| {
        let Some(request) = connection.receive() else { return };
        let path = request.split(' ').nth(1).unwrap_or_default();
        let status = match path {
            "/silent" => {
                // A test that has ended hears nothing more.
                let _ = asked.send(());
                return connection.wait_for_close();
            }
            "/missing" => "404 Not Found",
            "/broken" => "500 Internal Server Error",
            _ => "200 OK",
        };
        connection
            .send(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes());
    });
    let playbook =
        format!("version: 1\nproviders: {{ own: {{ base_url: {} }} }}\nsteps: {steps}\n", server.url(""));
    let runner =
        Runner::new().file("p.yaml", playbook).args(["apply", "p.yaml", "--report", "json=report.json"]);
    let mut running = runner.args(arguments).spawn();
    if let Some(signal) = signal {
        is_asked.recv_timeout(PATIENCE).expect("the silent request arrives");
        running.signal(signal);
    }
    let output = running.finish();
    (output.code, output.report()["safe_to_rerun"].as_bool().expect("a yes or no"))
}

#[test]
fn every_ending_says_whether_it_is_safe_to_run_again() {
    let soon: &[&str] = &["--deadline", "300ms"];
    for (steps, arguments, signal, expected) in [
        ("[{ get: /a }]", &[][..], None, (0, true)),
        ("[{ put: /a }]", &[], None, (0, true)),
        ("[{ post: /a }]", &[], None, (0, false)),
        ("[{ get: /missing }]", &[], None, (1, true)),
        ("[{ post: /missing }]", &[], None, (1, true)),
        ("[{ post: /a }, { get: /missing }]", &[], None, (1, false)),
        ("[{ post: /broken }]", &[], None, (5, false)),
        ("[{ get: /silent }]", soon, None, (9, true)),
        ("[{ post: /a }, { get: /silent }]", soon, None, (9, false)),
        ("[{ post: /silent }]", soon, None, (5, false)),
        ("[{ get: /silent }]", soon, Some(Signal::TERM), (143, true)),
        ("[{ post: /a }, { get: /silent }]", soon, Some(Signal::TERM), (143, false)),
        ("[{ post: /silent }]", soon, Some(Signal::TERM), (143, false)),
    ] {
        // The deadline ends those that a signal has reached, too, before their five seconds are over.
        let arguments = if signal.is_some() { &["--deadline", "3s"] } else { arguments };
        let (code, is_safe) = ending(steps, arguments, signal);
        assert_eq!((code, is_safe), (Some(expected.0), expected.1), "{steps} {arguments:?} {signal:?}");
    }
}

#[test]
fn a_random_wait_is_shown_and_ended_by_a_signal() {
    let server = server(204);
    let runner = apply(&server).args(["--jitter", "10000d"]);
    let mut terminal = runner.open_terminal(Size { columns: 120, rows: 30 });
    terminal.wait_for("begins in ").send("\x03");
    let output = terminal.finish().exits(130);
    assert!(output.stdout.contains("SIGINT (Ctrl-C) came during the random wait"), "{}", output.stdout);
    let report = output.report();
    assert_eq!((&report["safe_to_rerun"], &report["causes"]), (&json!(true), &json!([{ "signal": 2 }])));
    assert_eq!(server.lines(), [""; 0]);
    apply(&server).args(["--jitter", "5ms"]).run().exits(0);
    assert_eq!(server.lines(), ["GET /data"]);
}

#[test]
fn the_deadline_of_the_command_line_replaces_that_of_the_playbook() {
    let (server, is_received, answer) = slow_server();
    let playbook = format!(
        "version: 1\ndeadline: 1d\nproviders: {{ own: {{ base_url: {} }} }}\nsteps: [{{ post: /slow }}]\n",
        server.url("")
    );
    let runner = Runner::new().file("p.yaml", playbook).args(["apply", "p.yaml", "--deadline", "300ms"]);
    let output = runner.args(["--report", "json=report.json"]).run();
    drop((is_received, answer));
    assert!(output.stderr.contains("the deadline of 300 ms passed"), "{}", output.stderr);
    let output = output.exits(5);
    assert_eq!(output.report()["safe_to_rerun"], false, "the write was on its way");
}
