//! Runs of the past: their history, their reports made afterwards, what is resumed and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use rustix::process::Signal;

use crate::support::PATIENCE;
use crate::support::runner::{Output, Runner};
use crate::support::scripted::{Reply, Request, ScriptedServer};
use crate::support::session_api::{self, LOGIN, LOGOUT};

const STEPS: &str = "steps:
  - { id: order, post: /orders, json: { ref: '${{ run.id }}' }, outputs: { id: $.id } }
  - { id: things, get: /things, rows: $, save: things.ndjson }
  - { for_each: [1, 2], put: '/things/${{ item }}', json: { order: '${{ steps.order.outputs.id }}' } }
";

fn answer(request: &Request) -> Reply {
    match request.line.as_str() {
        "POST /orders" => Reply::json(201, &json!({ "id": 7 })),
        "GET /things" => Reply::json(200, &json!([{ "id": 1 }, { "id": 2 }])),
        _ => Reply::empty(204),
    }
}

/// The program in the same sandbox, with other arguments.
fn again(run: &Runner, arguments: &[&str]) -> Output {
    run.clone().program(env!("CARGO_BIN_EXE_runner"), arguments).run()
}

fn journals(run: &Runner) -> Vec<PathBuf> {
    let folder = run.dir().join("../state/runner/runs");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the state folder").map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// Every form of report that a run has written is made again from its journal, the same to the byte.
#[test]
fn a_report_made_afterwards_is_the_same_to_the_byte() {
    let server = session_api::start(answer);
    let forms = ["json", "junit", "html", "har"];
    let targets = forms.map(|form| format!("{form}=now.{form}"));
    let run = session_api::apply(&server, STEPS);
    let flags = targets.iter().flat_map(|target| ["--report", target]);
    run.clone().args(flags).run().exits(0);
    for form in forms {
        let later = format!("later.{form}");
        again(&run, &["report", "last", "--format", form, "--output", &later]).exits(0);
        let (now, later) = (run.dir().join(format!("now.{form}")), run.dir().join(later));
        assert!(fs::read(now).unwrap() == fs::read(later).unwrap(), "{form} differs");
    }
    let stdout = again(&run, &["report", "last", "--format", "json"]).exits(0).stdout;
    assert_eq!(stdout, fs::read_to_string(run.dir().join("now.json")).unwrap());
}

/// The report for people is shown again, failures included, also that of a failed run.
#[test]
fn the_report_for_people_is_shown_again() {
    let server = session_api::start(|request| match request.line.as_str() {
        "GET /things" => Reply::empty(404),
        _ => answer(request),
    });
    let run = session_api::apply(&server, STEPS);
    let first = run.run().exits(1);
    let second = again(&run, &["report", "last"]).exits(0);
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(first.stderr, second.stderr);
}

#[test]
fn history_lists_runs_and_prune_removes_those_that_are_over() {
    let server = session_api::start(answer);
    let run = session_api::apply(&server, STEPS);
    run.run().exits(0);
    run.run().exits(0);
    let listed = again(&run, &["history", "--format", "json"]).exits(0).stdout;
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed.len(), 2);
    for entry in &listed {
        assert_eq!((&entry["state"], &entry["exit_code"]), (&json!("done"), &json!(0)), "{entry}");
    }
    let shown = again(&run, &["history", "--limit", "1"]).exits(0).stdout;
    assert!(shown.lines().count() == 1 && shown.contains("done in"), "{shown}");
    let pruned = again(&run, &["history", "prune", "--keep", "1"]).exits(0).stdout;
    assert_eq!(pruned, "1 journal removed\n");
    assert_eq!(journals(&run).len(), 1);
    again(&run, &["history", "prune"]).exits(2);
}

/// A run of which the first write was done goes on behind it: nothing is sent twice, also when the failure was not a crash.
#[test]
fn a_failed_run_goes_on_behind_what_it_has_done() {
    let mut is_down = true;
    let server = session_api::start(move |request| match request.line.as_str() {
        "GET /things" if std::mem::take(&mut is_down) => Reply::empty(404),
        _ => answer(request),
    });
    let run = session_api::apply(&server, STEPS);
    run.run().exits(1);
    let resumed = again(&run, &["resume", "last"]).exits(0);
    assert!(resumed.stdout.contains("done before"), "{}", resumed.stdout);
    let expected = [
        LOGIN,
        "POST /orders",
        "GET /things",
        LOGOUT,
        LOGIN,
        "GET /things",
        "PUT /things/1",
        "PUT /things/2",
        LOGOUT,
    ];
    assert_eq!(server.lines(), expected);
    let over = again(&run, &["resume", "last"]).exits(2).stderr;
    assert!(over.contains("is done; there is nothing to go on with"), "{over}");
}

/// Cleanup that has failed is done again, and nothing else; what is over is over only then.
#[test]
fn a_run_goes_on_with_what_its_cleanup_has_left() {
    let mut is_forbidden = true;
    let server = session_api::start(move |request| match request.line.as_str() {
        "GET /things" => Reply::empty(404),
        "DELETE /orders/7" if std::mem::take(&mut is_forbidden) => Reply::empty(403),
        _ => answer(request),
    });
    let run = session_api::apply(
        &server,
        "steps:
  - id: order
    post: /orders
    outputs: { id: $.id }
    cleanup: [{ delete: '/orders/${{ steps.order.outputs.id }}' }]
  - { get: /things }
cleanup: [{ delete: /rest }]
",
    );
    run.run().exits(1);
    again(&run, &["resume", "last"]).exits(1);
    let first = [LOGIN, "POST /orders", "GET /things", "DELETE /orders/7", "DELETE /rest", LOGOUT];
    assert_eq!(server.lines()[..6], first);
    assert_eq!(server.lines()[6..], [LOGIN, "DELETE /orders/7", LOGOUT]);
    let over = again(&run, &["resume", "last"]).exits(2).stderr;
    assert!(over.contains("has ended, and its cleanup has undone what it did"), "{over}");
    assert_eq!(server.lines().len(), 9);
}

/// A cleanup that a second signal has cut is not over.
#[test]
fn a_run_goes_on_with_a_cleanup_that_was_cut() {
    let (arrived, has_arrived) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let mut is_first = true;
    let server = session_api::start(move |request| match request.line.as_str() {
        "GET /things" => Reply::empty(404),
        "DELETE /rest" if std::mem::take(&mut is_first) => {
            arrived.send(()).expect("the test waits");
            let _ = may_go_on.recv();
            Reply::empty(204)
        }
        _ => answer(request),
    });
    let run = session_api::apply(&server, "steps: [{ get: /things }]\ncleanup: [{ delete: /rest }]\n");
    let mut running = run.spawn();
    has_arrived.recv_timeout(PATIENCE).expect("the cleanup begins");
    running.signal(Signal::INT).signal(Signal::TERM);
    let cut = running.finish();
    go_on.send(()).expect("the server waits");
    assert!(cut.stderr.contains("a second signal came"), "{}", cut.text());
    again(&run, &["resume", "last"]).exits(1);
    let lines = server.lines();
    assert_eq!(lines[lines.len() - 3..], [LOGIN, "DELETE /rest", LOGOUT]);
    assert_eq!(lines.iter().filter(|line| *line == "GET /things").count(), 1, "{lines:?}");
}

/// The journal of a run that was killed in its login is sound, and its report tells what is known.
#[test]
fn a_run_that_was_killed_in_its_login_has_a_report() {
    let (arrived, has_arrived) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let server = ScriptedServer::start(move |_| {
        arrived.send(()).expect("the test waits");
        let _ = may_go_on.recv();
        Reply::empty(204)
    });
    let run = session_api::apply(&server, STEPS);
    let mut running = run.spawn();
    has_arrived.recv_timeout(PATIENCE).expect("the login begins");
    running.signal(Signal::KILL);
    assert_eq!(running.finish().signal, Some(9));
    go_on.send(()).expect("the server waits");
    let shown = again(&run, &["report", "last"]).exits(0);
    assert!(shown.stderr.contains("the process ended in the middle of the run"), "{}", shown.text());
    let report = again(&run, &["report", "last", "--format", "json"]).exits(0).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["exit_code"], &report["requests"]), (&json!(137), &json!(0)), "{report:#}");
}

/// A run that was killed while its first write was on its way was not killed before it.
#[test]
fn a_run_that_was_killed_in_its_first_step_says_so() {
    let (arrived, has_arrived) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let server = session_api::start(move |_| {
        arrived.send(()).expect("the test waits");
        let _ = may_go_on.recv();
        Reply::empty(204)
    });
    let run = session_api::apply(&server, STEPS);
    let mut running = run.spawn();
    has_arrived.recv_timeout(PATIENCE).expect("the write begins");
    running.signal(Signal::KILL);
    running.finish();
    go_on.send(()).expect("the server waits");
    let shown = again(&run, &["report", "last"]).exits(0).stdout;
    assert!(shown.contains("unknown: in the first step, "), "{shown}");
}

/// What is at work, what cannot be read and what is cut stays; ids are shown as long as they must be to tell runs apart.
#[test]
fn prune_removes_nothing_that_it_does_not_know_to_be_over() {
    let server = session_api::start(answer);
    let run = session_api::apply(&server, STEPS);
    run.run().exits(0);
    let whole = journals(&run).remove(0);
    let id = whole.file_stem().unwrap().to_str().unwrap().to_owned();
    let twin = whole.with_file_name(format!("{}Z.journal", &id[..id.len() - 1]));
    fs::write(&twin, "another file of this ending").unwrap();
    let shown = again(&run, &["history"]).exits(0).stdout;
    assert!(shown.contains(&id), "{shown}");
    let left = format!(
        "1 journal left damaged, of which nobody knows all that was done; look at the provider, then remove the file by hand
  damaged: {}
",
        fs::canonicalize(&twin).unwrap().display()
    );
    let pruned = again(&run, &["history", "prune", "--keep", "0"]).exits(0).stdout;
    assert_eq!(pruned, format!("1 journal removed\n{left}"));
    fs::set_permissions(&twin, PermissionsExt::from_mode(0o666)).unwrap();
    assert!(again(&run, &["history"]).exits(0).stdout.contains("cannot be read: other users may write it"));
    let refused = again(&run, &["history", "prune", "--keep", "0", "--unfinished"]).exits(8);
    assert!(refused.stderr.contains("other users may write it"), "{}", refused.stderr);
    fs::set_permissions(&twin, PermissionsExt::from_mode(0o600)).unwrap();
    let held = fs::File::open(&twin).unwrap();
    held.lock_shared().unwrap();
    let busy = again(&run, &["history", "prune", "--keep", "0", "--unfinished"]).exits(0).stdout;
    assert_eq!(busy, "no journals removed\n1 journal left whose runs are at work\n");
    assert!(twin.exists());
    drop(held);
    let damaged = again(&run, &["history", "prune", "--keep", "0", "--unfinished"]).exits(0).stdout;
    assert_eq!(damaged, format!("no journals removed\n{left}"));
    assert!(twin.exists());
}

/// A journal in which nothing stands yet is that of a run that has sent nothing.
#[test]
fn a_run_that_ended_before_it_began_is_over() {
    let server = session_api::start(answer);
    let run = session_api::apply(&server, STEPS);
    run.run().exits(0);
    let journal = journals(&run).remove(0);
    let sent = server.lines().len();
    fs::write(&journal, "").unwrap();
    assert!(again(&run, &["history"]).exits(0).stdout.contains("ended before it began"));
    for arguments in [&["resume", "last"][..], &["resume", "last", "--clean-up"], &["report", "last"]] {
        let refused = again(&run, arguments).exits(2).stderr;
        assert!(refused.contains("ended before it began: its journal holds nothing"), "{refused}");
    }
    let pruned = again(&run, &["history", "prune", "--keep", "0"]).exits(0).stdout;
    assert_eq!((pruned.as_str(), journal.exists()), ("1 journal removed\n", false));
    assert_eq!(server.lines().len(), sent);
}

/// A run that was killed while this request was on its way, at a server that refuses `GET /gone`.
fn killed_at(line: &'static str, steps: &str) -> (ScriptedServer, Runner) {
    let (arrived, has_arrived) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let server = session_api::start(move |request| {
        if request.line == line {
            arrived.send(()).expect("the test waits");
            let _ = may_go_on.recv();
        }
        Reply::empty(if request.line == "GET /gone" { 404 } else { 204 })
    });
    let run = session_api::apply(&server, steps);
    let mut running = run.spawn();
    has_arrived.recv_timeout(PATIENCE).expect("the request");
    running.signal(Signal::KILL);
    assert_eq!(running.finish().signal, Some(9));
    go_on.send(()).expect("the server waits");
    (server, run)
}

/// What is given up is cleaned up, and is not done all the same: every report says so.
#[test]
fn a_run_that_is_given_up_says_why_it_is_not_done() {
    let steps = "steps: [{ post: /orders, cleanup: [{ delete: /orders }] }, { get: /slow }]\n";
    let (server, run) = killed_at("GET /slow", steps);
    assert_given_up(&run, "the run was given up: its process had ended in the middle of it");
    assert_eq!(server.lines().iter().filter(|line| *line == "DELETE /orders").count(), 1);
    let over = again(&run, &["resume", "last"]).exits(2).stderr;
    assert!(over.contains("its cleanup has undone what it did"), "{over}");
}

/// A question that was answered is no reason to have failed, nor is it asked again.
#[test]
fn a_run_that_waited_is_given_up_with_what_else_it_had_failed_for() {
    let steps = "steps:
  - { post: /orders, cleanup: [{ delete: /orders }] }
  - { id: unsure, post: /unsure, on_error: continue }
  - { get: /gone }
";
    let (server, run) = killed_at("POST /unsure", steps);
    let waiting = again(&run, &["resume", "last"]).exits(5);
    assert!(waiting.stderr.contains("not run yet, since the run waits"), "{}", waiting.text());
    again(&run, &["resolve", "last", "unsure", "--done"]).exits(0);
    let given_up = assert_given_up(&run, "the run was given up: it had failed before its end");
    assert!(given_up.stderr.contains("before: ") && given_up.stderr.contains("404"), "{}", given_up.text());
    assert!(!given_up.text().contains("nobody knows whether"), "{}", given_up.text());
    assert_eq!(server.lines().iter().filter(|line| *line == "DELETE /orders").count(), 1);
}

/// Gives the last run up, and asserts what its reports say.
#[track_caller]
fn assert_given_up(run: &Runner, headline: &str) -> Output {
    let given_up = again(run, &["resume", "last", "--clean-up"]).exits(1);
    assert!(given_up.stderr.contains(&format!("error: {headline}")), "{}", given_up.text());
    assert!(given_up.stderr.contains("what now: run the playbook anew"), "{}", given_up.text());
    let report = again(run, &["report", "last", "--format", "json"]).exits(0).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["exit_code"], &report["causes"]), (&json!(1), &json!(["step"])), "{report:#}");
    assert_eq!(report["failures"][0]["headline"], headline, "{report:#}");
    let junit = again(run, &["report", "last", "--format", "junit"]).exits(0).stdout;
    assert!(junit.contains(headline) && junit.contains("failures=\"1\" errors=\"0\""), "{junit}");
    given_up
}

/// The journals of old runs go at the end of a new one, but for those that leave a question open or cannot be read.
#[test]
fn old_journals_go_by_themselves() {
    let mut is_unsure = true;
    let server = session_api::start(move |request| match request.line.as_str() {
        "POST /orders" if std::mem::take(&mut is_unsure) => Reply::empty(500),
        _ => answer(request),
    });
    let run = session_api::apply(&server, STEPS);
    run.run().exits(5);
    let [unknown] = &*journals(&run) else { panic!("one run") };
    run.run().exits(0);
    let over = journals(&run).remove(1);
    let damaged = over.with_file_name("00000000000000000000000000.journal");
    fs::write(&damaged, &fs::read(&over).unwrap()[..200]).unwrap();
    fs::set_permissions(&damaged, PermissionsExt::from_mode(0o600)).unwrap();
    let age = |journal: &PathBuf, days: u64| {
        let then = SystemTime::now() - Duration::from_secs(days * 86_400);
        fs::File::options().write(true).open(journal).unwrap().set_modified(then).unwrap();
    };
    for journal in [unknown, &over, &damaged] {
        age(journal, 89);
    }
    run.run().exits(0);
    assert_eq!(journals(&run).len(), 4, "none is old enough");
    for journal in [unknown, &over, &damaged] {
        age(journal, 91);
    }
    let output = run.run().exits(0);
    assert!(output.stderr.is_empty(), "{}", output.stderr);
    let left = journals(&run);
    assert_eq!(
        ([&damaged, unknown].map(|path| left.contains(path)), left.contains(&over)),
        ([true; 2], false)
    );
    assert_eq!(left.len(), 4);
}

/// Items are known by their places: where another one has come into the place of one that was done, nothing is sent for it.
#[test]
fn an_item_in_the_place_of_another_is_refused() {
    let mut is_down = true;
    let server = session_api::start(move |request| match request.line.as_str() {
        "PUT /things/b" if std::mem::take(&mut is_down) => Reply::empty(404),
        _ => answer(request),
    });
    let loop_over =
        |items: &str| format!("steps: [{{ for_each: {items}, put: '/things/${{{{ item }}}}' }}]\n");
    let run = session_api::apply(&server, &loop_over("[a, b]"));
    run.run().exits(1);
    let path = run.dir().join("p.yaml");
    let playbook = fs::read_to_string(&path).unwrap();
    fs::write(&path, playbook.replace("[a, b]", "[x, a, b]")).unwrap();
    let refused = again(&run, &["resume", "last", "--changed-playbook"]).exits(1).stderr;
    let words =
        "`PUT /things/${{ item }}[1]` is another item than when the run began; nothing was sent for it";
    assert!(refused.contains(words), "{refused}");
    fs::write(&path, playbook.replace("[a, b]", "[a, b, c]")).unwrap();
    again(&run, &["resume", "last", "--changed-playbook"]).exits(0);
    let writes: Vec<_> = server.lines().into_iter().filter(|line| line.starts_with("PUT")).collect();
    assert_eq!(writes, ["PUT /things/a", "PUT /things/b", "PUT /things/b", "PUT /things/c"]);
}

/// What was done for one account is not gone on with for another.
#[test]
fn a_run_does_not_go_on_with_another_account() {
    let mut is_down = true;
    let server =
        ScriptedServer::start(move |_| Reply::empty(if std::mem::take(&mut is_down) { 404 } else { 200 }));
    let playbook = format!(
        "version: 1
providers:
  own:
    settings: {{ account: {{ from: [{{ env: ACCOUNT }}] }} }}
    base_url: '{}/${{{{ settings.account }}}}'
steps: [{{ get: /data }}]
",
        server.base_url()
    );
    let run = Runner::new().file("p.yaml", playbook).args(["apply", "p.yaml"]).env("ACCOUNT", "one");
    run.run().exits(1);
    let other = run.clone().env("ACCOUNT", "two");
    let refused = again(&other, &["resume", "last"]).exits(2).stderr;
    let words =
        "was begun with another account: `own variable ACCOUNT one` then, `own variable ACCOUNT two` now";
    assert!(refused.contains(words), "{refused}");
    assert_eq!(server.lines(), ["GET /one/data"]);
    again(&other, &["resume", "last", "--changed-account"]).exits(0);
    assert_eq!(server.lines(), ["GET /one/data", "GET /two/data"]);
}

/// The state folder is named from where the user is, not from where the run was started.
#[test]
fn a_run_goes_on_from_another_folder() {
    let mut is_down = true;
    let server = session_api::start(move |request| match request.line.as_str() {
        "GET /things" if std::mem::take(&mut is_down) => Reply::empty(404),
        _ => answer(request),
    });
    let run = session_api::apply(&server, STEPS);
    run.clone().args(["--state-dir", "kept"]).run().exits(1);
    let folder = run.dir().file_name().unwrap().to_str().unwrap().to_owned();
    let resume = run.clone().program(env!("CARGO_BIN_EXE_runner"), &["resume", "last"]);
    let resume = resume.args(["--state-dir", &format!("{folder}/kept")]).under(["env", "-C", ".."]);
    resume.run().exits(0);
    assert!(!run.dir().join(&folder).exists(), "another state folder was made");
}

#[test]
fn what_cannot_be_resumed_says_why() {
    let server = ScriptedServer::start(|_| Reply::empty(404));
    let run = Runner::new()
        .file("p.yaml", format!("version: 1\nproviders: {{ api: {{ description: a test, base_url: '{}' }} }}\nsteps: [{{ get: /x }}]\n", server.base_url()))
        .args(["apply", "p.yaml"]);
    run.run().exits(1);
    let unknown = again(&run, &["resume", "7ZZZ"]).exits(2).stderr;
    assert!(unknown.contains("there is no run `7ZZZ`; `runner history` lists them"), "{unknown}");
    fs::write(
        run.dir().join("p.yaml"),
        fs::read_to_string(run.dir().join("p.yaml")).unwrap() + "# changed\n",
    )
    .unwrap();
    let changed = again(&run, &["resume", "last"]).exits(2).stderr;
    assert!(changed.contains("has changed since run") && changed.contains("--changed-playbook"), "{changed}");
    again(&run, &["resume", "last", "--changed-playbook"]).exits(1);
    assert_eq!(server.lines(), ["GET /x", "GET /x"]);
    let nothing = again(&run, &["resolve", "last", "GET /x", "--done"]).exits(2).stderr;
    assert!(nothing.contains("it is known of every write at `GET /x` whether it was done"), "{nothing}");
}

#[test]
fn a_simulated_run_is_recorded_and_cannot_be_resumed() {
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/quickstart.yaml");
    let run = Runner::new().args(["apply", "--simulate", quickstart]);
    run.run().exits(0);
    let refused = again(&run, &["resume", "last"]).exits(2).stderr;
    assert!(refused.contains("was simulated: its providers ended with it"), "{refused}");
    assert!(again(&run, &["history"]).exits(0).stdout.contains("simulated"));
}

/// Each record of a journal is what `schemas/journal.json` says.
#[test]
fn journals_fulfil_their_schema() {
    let server = session_api::start(answer);
    let run = session_api::apply(&server, &format!("{STEPS}cleanup: [{{ delete: /things/1 }}]\n"));
    run.run().exits(0);
    let schema: Value = serde_json::from_str(&fs::read_to_string("schemas/journal.json").unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let text = fs::read_to_string(&journals(&run)[0]).unwrap();
    let records: Vec<Value> =
        text.lines().skip(1).map(|line| serde_json::from_str(&line[9..]).expect("JSON")).collect();
    for kind in ["begun", "event", "intent", "outcome"] {
        assert!(records.iter().any(|record| record.get(kind).is_some()), "no {kind}");
    }
    for record in &records {
        let complaints: Vec<_> = validator.iter_errors(record).map(|error| error.to_string()).collect();
        assert!(complaints.is_empty(), "{complaints:#?}\n{record}");
    }
}
