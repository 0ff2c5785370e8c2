//! Asking again until a condition holds.

use super::case::{Case, Ran};
use crate::event::EventKind;
use crate::port::Cancellation;
use crate::port::fake::{Reply, ScriptedTransport};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Runs one step on a network that answers these states one after the other; the last one stays.
fn run(step: &str, states: &'static [&'static str]) -> Ran {
    let next = Cell::new(0);
    Case::of_steps(&format!("steps:\n  - {step}\n")).answer(move |_| {
        let index = next.replace(next.get() + 1);
        Reply::json(200, json!({"state": states[index.min(states.len() - 1)]}))
    })
}

const SHIPPED: &str = "{ id: poll, get: /orders/7, outputs: { state: $.state }, within: 1m, \
                       until: outputs.state == 'shipped' }";

#[test]
fn it_is_asked_again_until_the_condition_holds() {
    let ran = run(SHIPPED, &["open", "packed", "shipped"]);
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (0, 3));
    assert_eq!(ran.fake_elapsed, Duration::from_secs(10), "5 s between the rounds");
    let step = ran.step("poll");
    assert_eq!((step.rounds, step.requests, step.retries), (Some(3), 3, 0));
    let told = ran.events.iter().filter_map(|event| match event {
        EventKind::StepProgress { round, .. } => *round,
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn every_says_how_long_it_is_waited() {
    let step = "{ id: poll, get: /x, until: response.body.state == 'b', every: 250ms, within: 2s }";
    let ran = run(step, &["a", "a", "b"]);
    assert_eq!((ran.exit_code(), ran.fake_elapsed), (0, Duration::from_millis(500)));
}

#[test]
fn a_condition_that_does_not_come_true_in_time_says_what_was_seen() {
    let ran = run(&SHIPPED.replace("1m", "12s"), &["open"]);
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (1, 3));
    assert_eq!(ran.fake_elapsed, Duration::from_secs(10), "what cannot come any more is not waited for");
    let failure = ran.failure("poll");
    assert_eq!(failure.headline.as_str(), "`outputs.state == 'shipped'` did not come true within 12 s");
    let notes: Vec<_> = failure.notes.iter().map(|note| note.as_str()).collect();
    assert_eq!(notes, ["asked 3 times, 5 s apart", "`outputs.state` was \"open\""]);
    let advice = failure.advice.as_ref().unwrap().as_str();
    assert_eq!(advice, "see what it waits for, or give it more time: `within`");
    let line = failure.request.as_ref().unwrap().as_str();
    assert!(line.starts_with("GET https://api.test/orders/7 · attempt 1 of 3 after 0 ms"), "{line}");
}

#[test]
fn texts_of_a_body_and_secret_outputs_are_not_quoted() {
    let step = "{ id: poll, get: /x, within: 4s, outputs: { state: { path: $.state, secret: true } }, \
                until: response.body.state == 'b' and response.status == 200 or outputs.state == 'c' }";
    let ran = run(step, &["secret-state"]);
    let notes: Vec<_> = ran.failure("poll").notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes[1..], ["`response.body.state` was a text", "`response.status` was 200"]);
}

#[test]
fn the_deadline_of_the_run_ends_it_with_its_own_cause() {
    let playbook = format!("deadline: 7s\nsteps:\n  - {SHIPPED}\n  - get: /behind\n");
    let ran = Case::of_steps(&playbook).answer(|_| Reply::json(200, json!({"state": "open"})));
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (9, 2));
    let headline = "`outputs.state == 'shipped'` did not come true before the deadline of 7 s";
    assert_eq!(ran.headlines(), [headline]);
    assert_eq!(ran.steps()[1], "GET /behind not started");
}

#[test]
fn expectations_are_judged_in_each_round() {
    let step = SHIPPED.replace("within", "expect: { that: outputs.state != 'lost' }, within");
    let ran = run(&step, &["open", "open", "lost"]);
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (1, 3));
    let failure = ran.failure("poll");
    assert!(failure.headline.as_str().contains("does not satisfy"), "{}", failure.headline);
    let notes: Vec<_> = failure.notes.iter().map(|note| note.as_str()).collect();
    assert_eq!(notes, ["asked 2 times before", "`outputs.state` was \"open\""]);
}

#[test]
fn a_round_is_no_repetition_and_a_repetition_no_round() {
    let next = Cell::new(0);
    let ran = Case::of_steps(&format!("steps:\n  - {SHIPPED}\n")).answer(move |_| {
        match next.replace(next.get() + 1) {
            0 | 2 => Reply::status(503),
            1 => Reply::json(200, json!({"state": "open"})),
            _ => Reply::json(200, json!({"state": "shipped"})),
        }
    });
    let step = ran.step("poll");
    assert_eq!((ran.exit_code(), step.rounds, step.requests, step.retries), (0, Some(2), 4, 2));
}

#[test]
fn the_request_is_the_same_in_every_round() {
    let step = "{ id: poll, get: /x, query: { call: '${{ uuid() }}' }, within: 1m, \
                until: response.body.state == 'b' }";
    let lines = run(step, &["a", "a", "b"]).network.lines();
    assert!(lines.len() == 3 && lines.iter().all(|line| *line == lines[0]), "{lines:?}");
}

#[test]
fn a_loop_asks_for_each_item_and_within_is_for_all_of_them() {
    let step = "{ id: poll, for_each: [a, b], get: '/x/${{ item }}', within: 12s, on_error: continue, \
                until: response.body.state == 'b' }";
    let ran = run(step, &["a", "b", "a"]);
    assert_eq!(ran.steps(), ["poll#1 done", "poll#2 failed", "poll failed"]);
    assert_eq!((ran.step("poll").rounds, ran.network.lines().len()), (Some(4), 4));
}

#[test]
fn each_round_fetches_all_pages_and_the_file_holds_the_last_round() {
    let steps = "steps:
  - { id: list, get: /x, rows: $.rows, paginate: { by: cursor, param: after, next: $.next }, within: 1m,
      until: row_count > 2, save: rows.ndjson }
";
    let ran = Case::of_steps(steps).script([
        ("GET https://api.test/x", Reply::json(200, json!({"rows": [1], "next": "n"}))),
        ("GET https://api.test/x?after=n", Reply::json(200, json!({"rows": [2]}))),
        ("GET https://api.test/x", Reply::json(200, json!({"rows": [1, 2], "next": "m"}))),
        ("GET https://api.test/x?after=m", Reply::json(200, json!({"rows": [3]}))),
    ]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    let step = ran.step("list");
    assert_eq!((step.rows, step.pages, step.rounds), (Some(3), Some(2), Some(2)));
    assert_eq!(ran.file("rows.ndjson").as_deref(), Some("1\n2\n3\n"));
}

#[test]
fn a_body_is_saved_once_it_is_there() {
    let step = "{ id: export, get: /x, expect: { status: [200, 202] }, until: response.status == 200, within: 1m, save: x.bin }";
    let next = Cell::new(0);
    let ran = Case::of_steps(&format!("steps:\n  - {step}\n")).answer(move |_| {
        match next.replace(next.get() + 1) {
            0 => Reply::text(202, "text/plain", "not yet"),
            _ => Reply::text(200, "text/plain", "all of it"),
        }
    });
    assert_eq!((ran.exit_code(), ran.file("x.bin").as_deref()), (0, Some("all of it")));
}

#[test]
fn a_signal_ends_the_wait() {
    let cancellation = Rc::new(RefCell::new(Cancellation::default()));
    let (for_network, asked) = (cancellation.clone(), Cell::new(0));
    let network = ScriptedTransport::new(move |_| {
        if asked.replace(asked.get() + 1) == 1 {
            for_network.borrow().cancel(15);
        }
        Reply::json(200, json!({"state": "open"}))
    });
    let case = Case::of_steps(&format!("steps:\n  - {SHIPPED}\n"));
    let ran = case.run(network, |world| *cancellation.borrow_mut() = world.cancellation.clone());
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (143, 2));
    assert_eq!(ran.headlines(), ["SIGTERM came during the wait before `GET /orders/7` is asked again"]);
}

#[test]
fn a_dry_run_says_that_it_is_asked_again() {
    let dry = Case::of_steps(&format!("steps:\n  - {SHIPPED}\n")).dry_run();
    let notes: Vec<_> = dry.lines[0].notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes, ["again every 5 s until outputs.state == 'shipped'"]);
    assert_eq!(dry.summary(), "1 request, 1 depends on answers, no writes; nothing was sent");
}
