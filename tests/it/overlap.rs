//! Two runs at once: who begins, who waits, who leaves it, and what each of them says.

use std::sync::mpsc::{Receiver, Sender};

use rustix::process::Signal;
use serde_json::json;

use super::support::PATIENCE;
use super::support::held::slow_server;
use super::support::pty::Size;
use super::support::raw_server::RawServer;
use super::support::runner::{Runner, Running};

const SIZE: Size = Size { columns: 200, rows: 40 };

/// A run that is at work until its only answer comes, and whatever else shares its folders.
struct AtWork {
    server: RawServer,
    is_received: Receiver<()>,
    answer: Sender<()>,
    runner: Runner,
    running: Running,
}

impl AtWork {
    fn new() -> Self {
        Self::with("")
    }

    /// With more keys at the top of the playbook.
    fn with(keys: &str) -> Self {
        let (server, is_received, answer) = slow_server();
        let playbook = format!(
            "version: 1
inputs: {{ days: {{ default: 7 }} }}
providers:
  own:
    settings: {{ account: {{ from: [{{ env: ACCOUNT }}], default: one }} }}
    base_url: '{}/${{{{ settings.account }}}}'
{keys}
steps: [{{ get: /slow }}]
",
            server.url("")
        );
        let runner = Runner::new().file("p.yaml", playbook).args(["apply", "p.yaml"]);
        let running = runner.spawn();
        is_received.recv_timeout(PATIENCE).expect("the request arrives");
        Self { server, is_received, answer, runner, running }
    }

    /// The other run, with these arguments.
    fn other(&self, arguments: &[&str]) -> Runner {
        self.runner.clone().args(arguments)
    }

    /// Lets the run come to its end, and asserts that the other one has sent nothing.
    fn ends_alone(self) -> Runner {
        self.answer.send(()).expect("the server waits");
        self.running.finish().exits(0);
        assert_eq!(self.server.requests().len(), 1, "the other run has sent something");
        self.runner
    }
}

#[test]
fn a_second_run_fails_and_names_the_first_one() {
    let first = AtWork::new();
    let output = first.other(&["--report", "json=report.json", "--input", "days=1"]).run().exits(75);
    let pid = first.running.id();
    for words in [
        &*format!("error: another run (process {pid}, since "),
        " UTC, run 01",
        ") is at work on p.yaml with this account",
        "what now: run it again when that one has ended; `--overlap wait` waits",
    ] {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
    assert!(output.stdout.contains("busy: before the first step, no requests"), "{}", output.stdout);
    let report = output.report();
    assert_eq!((&report["causes"], &report["exit_code"]), (&json!(["busy"]), &json!(75)));
    assert_eq!((&report["safe_to_rerun"], &report["entries"]), (&json!(true), &json!([])));
    first.ends_alone();
}

/// A run that has not ended has no report, nor can it be gone on with: who asks hears whom to wait for.
#[test]
fn a_run_at_work_has_no_report_yet() {
    let first = AtWork::new();
    let who = format!(" (process {}, since ", first.running.id());
    let forms = ["json", "junit", "html", "har"].map(|form| vec!["report", "last", "--format", form]);
    let others = [vec!["report", "last"], vec!["resume", "last"], vec!["resolve", "last", "x", "--done"]];
    for arguments in forms.into_iter().chain(others) {
        let other = first.runner.clone().program(env!("CARGO_BIN_EXE_runner"), &arguments).run().exits(75);
        assert!(other.stderr.starts_with("error: run ") && other.stderr.contains(&who), "{}", other.stderr);
        assert!(other.stderr.ends_with(") is at work; ask again when it has ended\n"), "{}", other.stderr);
        assert_eq!(other.stdout, "");
    }
    let runner = first.ends_alone();
    runner.program(env!("CARGO_BIN_EXE_runner"), &["report", "last"]).run().exits(0);
}

#[test]
fn a_second_run_is_left_out_where_that_is_wanted() {
    let first = AtWork::with("schedule: { cron: '@daily', overlap: skip }");
    let output = first.other(&["--report", "json=report.json"]).run().exits(0);
    let pid = first.running.id();
    let expected = format!("skipped: another run (process {pid}, since ");
    assert!(output.stderr.starts_with(&expected) && output.stderr.lines().count() == 1, "{}", output.stderr);
    assert_eq!(output.stdout, "");
    let report = output.report();
    assert_eq!((&report["exit_code"], &report["entries"]), (&json!(0), &json!([])), "{report:#}");
    assert!(report["warnings"][0].as_str().unwrap().starts_with("skipped: another run"), "{report:#}");
    let output = first.other(&["--quiet"]).run().exits(0);
    assert_eq!(output.text(), "");
    first.other(&["--overlap", "fail"]).run().exits(75);
    first.ends_alone();
}

#[test]
fn a_second_run_waits_and_begins_when_the_first_has_ended() {
    let first = AtWork::new();
    let mut second = first.other(&["--overlap", "wait"]).open_terminal(SIZE);
    second.wait_for(&format!("waits for another run (process {}, since ", first.running.id()));
    assert_eq!(first.server.requests().len(), 1);
    first.answer.send(()).expect("the server waits");
    first.running.finish().exits(0);
    first.is_received.recv_timeout(PATIENCE).expect("the second run begins");
    first.answer.send(()).expect("the server waits");
    second.finish().exits(0);
}

#[test]
fn a_run_waits_no_longer_than_its_deadline() {
    let first = AtWork::new();
    let output = first.other(&["--overlap", "wait", "--deadline", "300ms", "--quiet"]).run().exits(75);
    assert!(
        output.stderr.contains(" is still at work on p.yaml with this account, after "),
        "{}",
        output.stderr
    );
    first.ends_alone();
}

#[test]
fn a_signal_ends_the_wait_at_once() {
    let first = AtWork::new();
    let mut second = first.other(&["--overlap", "wait", "--report", "json=report.json"]).open_terminal(SIZE);
    second.wait_for("waits for another run").send("\x03");
    let output = second.finish().exits(130);
    assert!(
        output.stdout.contains("SIGINT (Ctrl-C) came during the wait for another run"),
        "{}",
        output.stdout
    );
    assert_eq!(output.report()["safe_to_rerun"], true);
    first.ends_alone();
}

#[test]
fn a_lock_dies_with_its_process() {
    let mut first = AtWork::new();
    first.running.signal(Signal::KILL);
    let AtWork { server, answer, runner, running, is_received } = first;
    assert_eq!(running.finish().signal, Some(9));
    answer.send(()).expect("the server waits");
    let second = runner.spawn();
    is_received.recv_timeout(PATIENCE).expect("the second run begins");
    answer.send(()).expect("the server waits");
    second.finish().exits(0);
    assert_eq!(server.requests().len(), 2);
}

/// A run that does not begin leaves the reports that the playbook asks for as the last run has written them.
#[test]
fn a_run_that_does_not_begin_leaves_the_reports_of_the_last_one() {
    let first = AtWork::with("report: { json: kept.json }");
    let kept = first.runner.dir().join("kept.json");
    std::fs::write(&kept, "of the last run").unwrap();
    let given = first.other(&["--report", "json=report.json"]).run().exits(75);
    assert_eq!(given.report()["exit_code"], 75);
    first.other(&["--overlap", "skip"]).run().exits(0);
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "of the last run");
    first.ends_alone();
    assert!(std::fs::read_to_string(&kept).unwrap().contains("\"exit_code\""));
}

/// What the first command line said of another run is not for the one that goes on.
#[test]
fn a_resume_is_not_left_out_without_a_word() {
    let mut first = AtWork::with("schedule: { cron: '@daily', overlap: skip }");
    first.running.signal(Signal::KILL);
    let AtWork { answer, runner, running, is_received, .. } = first;
    assert_eq!(running.finish().signal, Some(9));
    answer.send(()).expect("the server waits");
    let killed = std::fs::read_dir(runner.journals()).unwrap().next().unwrap().unwrap().path();
    let killed = killed.file_stem().unwrap().to_str().unwrap().to_owned();
    let second = runner.spawn();
    is_received.recv_timeout(PATIENCE).expect("the second run begins");
    let resume = runner.clone().program(env!("CARGO_BIN_EXE_runner"), &["resume", &killed]);
    resume.run().exits(75);
    let skipped = resume.clone().args(["--overlap", "skip"]).run().exits(0);
    assert!(skipped.stderr.starts_with("skipped: another run"), "{}", skipped.stderr);
    answer.send(()).expect("the server waits");
    second.finish().exits(0);
}

#[test]
fn another_account_is_in_nobodys_way() {
    let first = AtWork::new();
    let second = first.other(&[]).env("ACCOUNT", "two").spawn();
    first.answer.send(()).expect("the server waits");
    first.is_received.recv_timeout(PATIENCE).expect("the second run begins");
    first.answer.send(()).expect("the server waits");
    second.finish().exits(0);
    first.running.finish().exits(0);
    assert!(first.server.requests()[1].starts_with("GET /two/slow"), "{:?}", first.server.requests());
}

#[test]
fn a_dry_run_takes_no_lock_and_asks_for_none() {
    let first = AtWork::new();
    first.other(&["--dry-run"]).run().exits(0);
    first.ends_alone();
}

#[test]
fn a_simulated_run_takes_no_lock_and_asks_for_none() {
    let playbook = "{ version: 1, providers: { emnify: {} }, steps: [{ call: emnify.list_devices }] }";
    let runner = Runner::new().file("p.yaml", playbook).args(["apply", "--simulate", "p.yaml"]);
    let output = runner.run().exits(0);
    let locks = output.dir.parent().expect("the sandbox").join("state/runner/locks");
    assert_eq!(std::fs::read_dir(locks).map_or(0, Iterator::count), 0);
}
