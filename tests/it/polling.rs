//! Asking again until a condition holds, counted at the server.

use serde_json::json;

use crate::support::fleet::entry;
use crate::support::runner::{Output, Runner};
use crate::support::scripted::{Reply, ScriptedServer};

fn state(state: &str) -> Reply {
    Reply::json(200, &json!({ "state": state }))
}

fn run(server: &ScriptedServer, keys: &str) -> Output {
    let playbook = format!(
        "version: 1
providers:
  api: {{ base_url: {:?} }}
steps:
  - id: poll
    get: /orders/7
    outputs: {{ state: $.state }}
    until: outputs.state == \"shipped\"
    every: 100ms
{keys}",
        server.base_url()
    );
    Runner::new()
        .file("poll.yaml", playbook)
        .args(["apply", "poll.yaml", "--report", "json=report.json"])
        .run()
}

#[test]
fn rounds_and_retries_are_told_apart_and_add_up_to_the_requests_at_the_server() {
    let busy = Reply::empty(429).header("retry-after", "0");
    let replies = [state("open"), busy, state("packed"), state("shipped")];
    let server = ScriptedServer::replying(replies);
    let output = run(&server, "    within: 1m\n").exits(0).says(&["asked 3 times", "1 retry"]);
    let report = output.report();
    let poll = entry(&report, "poll");
    assert_eq!((&poll["rounds"], &poll["requests"], &poll["retries"]), (&json!(3), &json!(4), &json!(1)));
    assert_eq!(server.lines(), vec!["GET /orders/7"; 4]);
}

#[test]
fn the_time_that_is_over_says_how_often_it_was_asked_and_what_came_last() {
    let server = ScriptedServer::start(|_| state("open"));
    let output = run(&server, "    within: 450ms\n").exits(1);
    output.explains(&[
        "error: `outputs.state == \"shipped\"` did not come true within 450 ms",
        " times, 100 ms apart",
        "`outputs.state` was \"open\"",
        "what now: see what it waits for, or give it more time: `within`",
    ]);
    assert!(server.lines().len() > 2, "{:?}", server.lines());
}
