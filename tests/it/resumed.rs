//! What a run that is gone on with, cannot begin, or has left a damaged journal says, and what it takes along.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::channel;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::PATIENCE;
use super::support::runner::{Output, Runner};
use super::support::scripted::{Reply, ScriptedServer};
use super::support::session_api;

/// The program in the same sandbox, with other arguments.
fn again(run: &Runner, arguments: &[&str]) -> Runner {
    run.clone().program(env!("CARGO_BIN_EXE_runner"), arguments)
}

/// The report of the last run in JSON, and its words for people.
fn reported(run: &Runner) -> (Value, Output) {
    let report = again(run, &["report", "last", "--format", "json"]).run().exits(0).stdout;
    (serde_json::from_str(&report).unwrap(), again(run, &["report", "last"]).run().exits(0))
}

/// Who cannot begin to go on with a run says all the same what nobody knows of it.
#[test]
fn a_resume_that_cannot_begin_names_what_is_in_doubt() {
    let server = session_api::start(|_| Reply::empty(500));
    let run = session_api::apply(&server, "steps: [{ id: order, post: /orders }]\n");
    run.run().exits(5);
    let sent = server.lines().len();
    let resume = again(&run, &["resume", "last"]).under(["env", "-u", "OWN_KEY"]).run().exits(5);
    for words in [
        "error: no source has own.key",
        "nobody knows whether `order` was done: the process before sent it and could not find out",
        " order --done` or `--retry`",
    ] {
        assert!(resume.stderr.contains(words), "{words}\n{}", resume.stderr);
    }
    let (report, _) = reported(&run);
    assert_eq!(report["causes"], json!(["sign_in", "unknown"]));
    assert_eq!((&report["safe_to_rerun"], server.lines().len()), (&json!(false), sent));
}

/// Also what was in doubt when the cleanup of the run began.
#[test]
fn a_cleanup_that_cannot_begin_names_what_is_in_doubt() {
    let server =
        session_api::start(|request| Reply::empty(if request.line == "DELETE /undo" { 403 } else { 500 }));
    let steps =
        "steps: [{ id: order, post: /orders, on_error: continue }, { get: /x, retry: { attempts: 1 } }]\n";
    let run = session_api::apply(&server, &format!("{steps}cleanup: [{{ delete: /undo }}]\n"));
    run.run().exits(5);
    let resume = again(&run, &["resume", "last"]).under(["env", "-u", "OWN_KEY"]).run().exits(5);
    for words in [
        "error: no source has own.key",
        "own answered 500 Internal Server Error to `POST /orders`; nobody knows",
    ] {
        assert!(resume.stderr.contains(words), "{words}\n{}", resume.stderr);
    }
}

/// What was written before is not forgotten by a process that does not come to it.
#[test]
fn a_resume_that_cannot_begin_is_not_safe_to_run_anew() {
    let server =
        session_api::start(|request| Reply::empty(if request.line == "GET /gone" { 404 } else { 204 }));
    let run = session_api::apply(&server, "steps: [{ post: /orders }, { get: /gone }]\n");
    run.run().exits(1);
    again(&run, &["resume", "last"]).under(["env", "-u", "OWN_KEY"]).run().exits(3);
    assert_eq!(reported(&run).0["safe_to_rerun"], false);
}

/// Of a run whose journal is damaged nobody knows what it has done besides.
#[test]
fn a_damaged_journal_is_never_safe() {
    let server = session_api::start(|_| Reply::empty(204));
    let run = session_api::apply(&server, "steps: [{ get: /things }]\n");
    run.run().exits(0);
    let (report, _) = reported(&run);
    assert_eq!((&report["safe_to_rerun"], report.get("damaged")), (&json!(true), None));
    let journal = fs::read_dir(run.journals()).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read_to_string(&journal).unwrap();
    let begun = whole.find("run_started").unwrap();
    // Behind the last line, in the middle, and before the first step.
    for damaged in [
        format!("{whole}00000000 {{}}\n00000000 {{}}\n"),
        whole.replacen("GET", "PUT", 1),
        whole[..begun].to_owned() + &whole[begun..].replacen("own", "OWN", 1),
    ] {
        fs::write(&journal, damaged).unwrap();
        let (report, shown) = reported(&run);
        let told = (&report["safe_to_rerun"], &report["damaged"], &report["exit_code"]);
        assert_eq!(told, (&json!(false), &json!(true), &json!(8)), "{report:#}");
        assert!(
            shown.stderr.contains("nobody knows what the run has done behind that place"),
            "{}",
            shown.stderr
        );
        assert!(shown.stdout.contains("as far as the journal tells"), "{}", shown.stdout);
    }
    fs::write(&journal, "garbage").unwrap();
    let refused = again(&run, &["report", "last"]).run().exits(8).stderr;
    assert!(refused.contains("cannot be read: its first line is damaged"), "{refused}");
}

/// A run that cannot keep its journal has a report, and whoever waits for it hears that it has failed.
#[test]
fn a_run_without_a_journal_is_told() {
    let (api, switch) =
        (ScriptedServer::start(|_| Reply::empty(204)), ScriptedServer::start(|_| Reply::empty(200)));
    let playbook = format!(
        "version: 1
providers: {{ own: {{ base_url: '{}' }} }}
report: {{ ping: '{}/switch' }}
steps: [{{ get: /data }}]
",
        api.base_url(),
        switch.base_url()
    );
    let run = Runner::new().file("p.yaml", playbook).file("kept/runs", "no folder").file("none", "no folder");
    for state_dir in ["kept", "none"] {
        let arguments = ["apply", "p.yaml", "--report", "json=report.json", "--state-dir", state_dir];
        let output = run.clone().args(arguments).run().exits(8);
        assert!(output.stderr.contains("nothing was sent"), "{}", output.stderr);
        let report: Value = serde_json::from_str(&output.read("report.json")).unwrap();
        assert_eq!((&report["exit_code"], &report["safe_to_rerun"]), (&json!(8), &json!(true)));
        fs::remove_file(run.dir().join("report.json")).unwrap();
    }
    assert_eq!((api.lines(), switch.lines()), (Vec::new(), ["GET /switch/8"; 2].map(str::to_owned).to_vec()));
}

/// A run is gone on with where it was, also where names are no Unicode.
#[test]
fn names_that_are_no_unicode_are_kept() {
    let mut is_down = true;
    let server =
        ScriptedServer::start(move |_| Reply::empty(if std::mem::take(&mut is_down) { 404 } else { 204 }));
    let playbook = format!(
        "version: 1\nproviders: {{ own: {{ base_url: '{}', credentials: {{ key: {{ from: [{{ env: KEY }}] }} }} }} }}
steps: [{{ get: /data }}]\n",
        server.base_url()
    );
    let (folder, file) = (OsStr::from_bytes(b"fleet\xff"), OsStr::from_bytes(b"p\xfe.yaml"));
    let path = std::path::Path::new(folder).join(file);
    let run =
        Runner::new().file(&path, playbook).file("kept.env", "KEY=geheim\n").args(["apply".as_ref(), file]);
    let run = run.args(["--env-file", "../kept.env"]);
    let there = "cd \"$(printf 'fleet\\377')\" && exec \"$@\"";
    run.clone().under(["sh", "-c", there, "sh"]).run().exits(1);
    again(&run, &["resume", "last"]).run().exits(0);
    assert_eq!(server.lines(), ["GET /data"; 2]);
}

const ORDER: &str = "steps:
  - id: order
    post: /orders
    outputs:
      id: $.id
      kind: { path: $.kind, default: plain }
      note: $.note
      place: '/things/${{ outputs.id }}'
      key: { path: $.key, secret: true }
  - { id: use, put: '${{ steps.order.outputs.place }}', json: { kind: '${{ steps.order.outputs.kind }}' } }
";

/// Whoever says that a write was done says what it has brought, and the run goes on with that.
#[test]
fn a_write_is_resolved_with_what_it_has_brought() {
    let server = session_api::start(|request| match request.line.as_str() {
        "POST /orders" => Reply::empty(500),
        _ => Reply::empty(204),
    });
    let run = session_api::apply(&server, ORDER);
    run.run().exits(5);
    let resolve =
        |arguments: &[&str]| again(&run, &["resolve", "last", "order"]).args(arguments.iter().copied()).run();
    for (arguments, words) in [
        (
            &["--done"][..],
            "`order` has brought what later steps need: `id` (read by `use`); give what the provider shows, with `--output id=VALUE`, `null` where there is none",
        ),
        (&["--done", "--output", "note=x"], "with `--output id=VALUE`"),
        (
            &["--done", "--output", "idd=7"],
            "`order` has no output `idd`; did you mean `id`? (it has `id`, `kind`, `note`",
        ),
        (
            &["--done", "--output", "key=geheim"],
            "the output `key` of `order` is a secret: on a command line others see it",
        ),
        (&["--done", "--output", "id=7", "--output", "id=8"], "`--output id` is given twice"),
        (&["--retry", "--output", "id=7"], "cannot be used with"),
    ] {
        let refused = resolve(arguments).exits(2).stderr;
        assert!(refused.contains(words), "{words}\n{refused}");
    }
    let told = resolve(&["--done", "--output", "id=7"]).exits(0).stdout;
    assert_eq!(told, "1 write of `order` counts as done; `runner resume last` goes on\n");
    again(&run, &["resume", "last"]).run().exits(0);
    let sent = server.requests();
    let lines: Vec<_> = sent.iter().map(|request| request.line.as_str()).skip(3).collect();
    assert_eq!(lines, ["POST /login", "PUT /things/7", "DELETE /login"]);
    assert_eq!(sent[4].json(), json!({ "kind": "plain" }));
}

/// What is a secret is not said on a command line: it is lost, and what needs it says so.
#[test]
fn a_secret_output_is_lost_when_a_write_is_resolved() {
    let server =
        session_api::start(|request| Reply::empty(if request.line == "POST /keys" { 500 } else { 204 }));
    let run = session_api::apply(
        &server,
        "steps:
  - { id: key, post: /keys, outputs: { key: { path: $.key, secret: true } } }
  - { post: /use, json: { key: '${{ steps.key.outputs.key }}' } }
",
    );
    run.run().exits(5);
    let told = again(&run, &["resolve", "last", "key", "--done"]).run().exits(0).stdout;
    assert!(told.ends_with("its output `key` is a secret and lost: what needs it fails\n"), "{told}");
    let lost = again(&run, &["resume", "last"]).run().exits(1).stderr;
    let words = "was done, but the output `key`, which other steps read, is lost with the answer";
    assert!(lost.contains(words), "{lost}");
    assert!(!server.lines().contains(&"POST /use".to_owned()));
}

/// A changed playbook that has no place any more for what was done is refused before anything is sent.
#[test]
fn a_changed_playbook_neither_repeats_nor_forgets_what_was_done() {
    let mut is_down = true;
    let server = session_api::start(move |request| match request.line.as_str() {
        "GET /gone" if std::mem::take(&mut is_down) => Reply::empty(404),
        "POST /unsure" => Reply::empty(500),
        _ => Reply::empty(204),
    });
    let run = session_api::apply(
        &server,
        "steps:
  - { id: order, post: /orders, json: { n: 1 } }
  - { id: pay, post: /payments }
  - { id: unsure, post: /unsure, on_error: continue }
  - { get: /gone }
  - { post: /after }
",
    );
    run.run().exits(5);
    let path = run.dir().join("p.yaml");
    let playbook = fs::read_to_string(&path).unwrap();
    let changed = playbook
        .replace("id: order", "id: purchase")
        .replace("{ n: 1 }", "{ n: 2 }")
        .replace("id: unsure", "id: sure");
    let sent = server.lines().len();
    for (playbook, wanted) in [
        (changed.replace("post: /payments", "post: /refunds"), true),
        (playbook.replace("post: /payments", "post: /refunds"), false),
    ] {
        fs::write(&path, playbook).unwrap();
        let refused = again(&run, &["resume", "last", "--changed-playbook"]).run().exits(2).stderr;
        for words in [
            "`order` was done, and is no step of it any more",
            "`unsure` may have been done, and is no step of it any more",
        ] {
            assert_eq!(refused.contains(words), wanted, "{refused}");
        }
        for words in ["`pay` was done, and now asks for something else", "nothing was sent", "undo by hand"] {
            assert!(refused.contains(words), "{words}\n{refused}");
        }
    }
    assert_eq!(server.lines().len(), sent);
    fs::write(&path, playbook.replace("{ post: /after }", "{ post: /new }")).unwrap();
    again(&run, &["resolve", "last", "unsure", "--done"]).run().exits(0);
    again(&run, &["resume", "last", "--changed-playbook"]).run().exits(0);
    let writes: Vec<_> = server.lines().into_iter().filter(|line| !line.ends_with("/login")).collect();
    let once = ["POST /orders", "POST /payments", "POST /unsure", "GET /gone", "GET /gone", "POST /new"];
    assert_eq!(writes, once);
}

/// A write that was done and whose step failed then: nothing of it is lost, and nothing of it is sent again.
#[test]
fn a_write_whose_step_failed_names_that_failure_and_how_to_go_on() {
    let server = session_api::start(|_| Reply::json(201, &json!({ "v": 5 })));
    let steps = "steps:\n  - { id: order, post: /orders, expect: { that: response.body.v == 7 } }\n  - post: /after\n";
    let run = session_api::apply(&server, steps);
    run.run().exits(1);
    // However often it is gone on with.
    for _ in 0..2 {
        let resume = again(&run, &["resume", "last"]).run().exits(1);
        let words = "error: `POST /orders` was done by the process before, whose step failed then: the answer to \
                     `POST /orders` does not satisfy `response.body.v == 7`\n";
        assert!(resume.stderr.contains(words), "{}", resume.stderr);
        assert!(resume.stderr.contains("--changed-playbook`"), "{}", resume.stderr);
    }
    let changed = fs::read_to_string(run.dir().join("p.yaml")).unwrap();
    let changed = changed.replace(", expect: { that: response.body.v == 7 }", "");
    fs::write(run.dir().join("p.yaml"), changed).unwrap();
    again(&run, &["resume", "last", "--changed-playbook"]).run().exits(0);
    let count = |line: &str| server.lines().iter().filter(|sent| *sent == line).count();
    assert_eq!((count("POST /orders"), count("POST /after")), (1, 1), "{:?}", server.lines());
}

/// What was said by mistake is taken back, as long as nobody has acted upon it.
#[test]
fn a_resolution_is_replaced_until_somebody_goes_on_with_the_run() {
    let mut is_down = true;
    let server = session_api::start(move |request| match request.line.as_str() {
        "POST /orders" => Reply::empty(500),
        "GET /next" if std::mem::take(&mut is_down) => Reply::empty(404),
        _ => Reply::empty(204),
    });
    let run = session_api::apply(&server, "steps: [{ id: order, post: /orders }, { get: /next }]\n");
    run.run().exits(5);
    let resolve = |how: &str| again(&run, &["resolve", "last", "order", how]).run();
    assert!(resolve("--retry").exits(0).stdout.contains("will be sent again"));
    assert!(resolve("--done").exits(0).stdout.contains("1 write of `order` counts as done"));
    again(&run, &["resume", "last"]).run().exits(1);
    assert_eq!(server.lines().iter().filter(|line| *line == "POST /orders").count(), 1);
    let late = resolve("--retry").exits(2).stderr;
    assert!(late.contains("it is known of every write at `order` whether it was done"), "{late}");
}

/// Of a run that is over nobody promises that it goes on.
#[test]
fn a_write_in_doubt_of_a_run_that_is_over_is_told_as_such() {
    let server =
        session_api::start(|request| Reply::empty(if request.line == "POST /orders" { 500 } else { 204 }));
    let steps = "steps: [{ id: order, post: /orders, cleanup: [{ delete: /orders }] }, { post: '/use/${{ steps.order.status }}' }]\n";
    let run = session_api::apply(&server, steps);
    run.run().exits(5);
    let history = again(&run, &["history"]).run().exits(0).stdout;
    let over = "the run is over, and nobody goes on with it";
    assert!(history.contains(&format!("unknown: `order`; {over}\n")), "{history}");
    assert!(!history.contains("resolve"), "{history}");
    let told = again(&run, &["resolve", "last", "order", "--retry"]).run().exits(0).stdout;
    assert_eq!(told, format!("1 write of `order` counts as not done; {over}\n"));
    let told = again(&run, &["resolve", "last", "order", "--done"]).run().exits(0).stdout;
    assert_eq!(told, format!("1 write of `order` counts as done; {over}\n"));
    again(&run, &["resume", "last"]).run().exits(2);
}

/// What a person has said of a write stands in every process that goes on with the run.
#[test]
fn a_write_that_is_resolved_is_never_in_doubt_again() {
    let (arrived, has_arrived) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let mut is_first = true;
    let server = session_api::start(move |request| match request.line.as_str() {
        "POST /orders" if std::mem::take(&mut is_first) => {
            arrived.send(()).expect("the test waits");
            let _ = may_go_on.recv();
            Reply::empty(204)
        }
        "GET /next" => Reply::empty(404),
        "DELETE /orders/7" => Reply::empty(409),
        _ => Reply::empty(204),
    });
    let steps = "steps:
  - { id: order, post: /orders, outputs: { id: $.id }, cleanup: [{ delete: '/orders/${{ steps.order.outputs.id }}' }] }
  - { get: /next }
";
    let run = session_api::apply(&server, steps);
    let mut running = run.spawn();
    has_arrived.recv_timeout(PATIENCE).expect("the write begins");
    running.signal(Signal::KILL);
    running.finish();
    go_on.send(()).expect("the server waits");
    again(&run, &["resume", "last"]).run().exits(5);
    again(&run, &["resolve", "last", "order", "--done", "--output", "id=7"]).run().exits(0);
    for arguments in [&["resume", "last"][..], &["resume", "last"], &["resume", "last", "--clean-up"]] {
        let resumed = again(&run, arguments).run().exits(1).stderr;
        assert!(!resumed.contains("nobody knows whether"), "{resumed}");
        assert!(resumed.contains("own answered 404 Not Found to `GET /next`"), "{resumed}");
    }
    assert!(!again(&run, &["history"]).run().exits(0).stdout.contains("unknown"));
}

/// Also when the cleanup of the run had told of it before that was said.
#[test]
fn a_write_that_is_resolved_after_its_cleanup_is_not_in_doubt_any_more() {
    let server = session_api::start(|request| match request.line.as_str() {
        "DELETE /undo" => Reply::empty(403),
        "POST /orders" | "POST /parts" => Reply::empty(500),
        _ => Reply::empty(204),
    });
    let steps = "steps:
  - { id: order, post: /orders, on_error: continue }
  - { id: part, post: /parts, on_error: continue }
cleanup: [{ delete: /undo }]
";
    let run = session_api::apply(&server, steps);
    run.run().exits(5);
    again(&run, &["resolve", "last", "order", "--done"]).run().exits(0);
    let resumed = again(&run, &["resume", "last"]).run().exits(5).stderr;
    assert!(!resumed.contains("/orders`") && !resumed.contains("`order`"), "{resumed}");
    assert!(resumed.contains("nobody knows whether `part` was done"), "{resumed}");
    again(&run, &["resolve", "last", "part", "--retry"]).run().exits(0);
    let resumed = again(&run, &["resume", "last"]).run().exits(1).stderr;
    assert!(!resumed.contains("nobody knows whether"), "{resumed}");
}
