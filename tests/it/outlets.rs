//! Outputs that take no more: a pipe whose reader has gone, a disk that is full.

use std::fs;

use serde_json::json;

use crate::support::runner::Runner;
use crate::support::scripted::Reply;
use crate::support::session_api::{self, LOGIN, LOGOUT, assert_logged_out};

const RUNNER: &str = env!("CARGO_BIN_EXE_runner");

#[test]
fn a_reader_that_has_seen_enough_ends_the_printing_and_not_the_run() {
    let program = Runner::of("sh");
    let gone = program.dir().join("gone");
    let reader_has_gone = gone.clone();
    let server = session_api::start(move |request| {
        if request.line == "GET /first" {
            // Until the reader says that it has closed the pipe.
            fs::read(&reader_has_gone).expect("a named pipe");
        }
        Reply::json(200, &json!({}))
    });
    let steps = "steps:\n  - get: /first\n  - post: /second\n";
    let script = format!(
        "mkfifo gone; {{ {RUNNER} apply p.yaml; echo $? > code; }} | {{ read line; exec <&-; echo \"$line\" > gone; }}"
    );
    let output = session_api::playbook(program, &server, steps).args(["-c", &script]).run().exits(0);
    assert_eq!(server.lines(), [LOGIN, "GET /first", "POST /second", LOGOUT]);
    assert_eq!((output.read("code").trim(), output.stderr.as_str()), ("0", ""));
}

/// Runs the program where no file can grow beyond 4 KiB.
fn on_a_full_disk(arguments: &str) -> Runner {
    Runner::of("sh").args(["-c", &format!("trap '' XFSZ; ulimit -f 8; exec {RUNNER} {arguments}")])
}

#[test]
fn a_disk_that_is_full_fails_the_step_that_saves_and_the_session_is_closed() {
    // The first file is written when it is whole, the second one while its rows come.
    for rows in [200, 20_000] {
        let list: Vec<_> = (0..rows).map(|n| json!({ "id": n, "name": "a name of some length" })).collect();
        let list = Reply::json(200, &json!(list));
        let server = session_api::start(move |_| list.clone());
        let steps = "steps:\n  - { get: /list, save: list.ndjson }\n  - get: /later\n";
        let output = session_api::playbook(on_a_full_disk("apply p.yaml"), &server, steps).run().exits(8);
        assert!(output.text().contains("failed to write list.ndjson: File too large"), "{}", output.text());
        assert_eq!(server.lines(), [LOGIN, "GET /list", LOGOUT]);
        assert_logged_out(&server);
        assert!(!output.dir.join("list.ndjson").exists(), "{rows} rows");
    }
}

#[test]
fn a_disk_that_is_full_has_no_room_for_the_report_and_the_session_is_closed() {
    let server = session_api::start(|_| Reply::json(200, &json!({})));
    let steps: String = (0..40).map(|n| format!("  - get: /step/{n}\n")).collect();
    let program = on_a_full_disk("apply p.yaml --report json=report.json");
    let output = session_api::playbook(program, &server, &format!("steps:\n{steps}")).run().exits(8);
    assert!(
        output.stderr.contains("failed to write the report to report.json: File too large"),
        "{}",
        output.stderr
    );
    assert_logged_out(&server);
    assert!(!output.dir.join("report.json").exists());
}
