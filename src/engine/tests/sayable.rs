//! What is said of answers that are of no use: what happened, and what to do.

use super::case::{Case, Ran};
use crate::event::{EventKind, Failure};
use crate::port::fake::Reply;
use Told::{Advice, Note};
use serde_json::json;

/// Where a text is told.
enum Told {
    Advice,
    Note,
}

fn failure(ran: &Ran) -> &Failure {
    let mut failures = ran.events.iter().filter_map(|event| match event {
        EventKind::StepFinished { result, .. } => result.failure.as_ref(),
        _ => None,
    });
    failures.next().expect("a step that failed")
}

/// Runs one step against a network that always answers so.
#[track_caller]
fn assert_told(step: &str, reply: &Reply, told: &[(Told, &str)]) {
    let reply = reply.clone();
    let ran = Case::of_steps(&format!("steps:\n  - {step}\n")).answer(move |_| reply.clone());
    let Failure { advice, notes, .. } = failure(&ran);
    let advice = advice.as_ref().map(ToString::to_string).unwrap_or_default();
    for (place, words) in told {
        match place {
            Advice => assert!(advice.contains(words), "{step}: {words} is not in: {advice}"),
            Note => {
                assert!(notes.iter().any(|note| note.as_str().contains(words)), "{step}: {words}: {notes:?}")
            }
        }
    }
}

#[test]
fn a_body_that_cannot_be_read_says_what_now() {
    let json = |body: &str| Reply::text(200, "application/json", body);
    for (reply, words) in [
        (json(r#"{"v": 1, "v": 2}"#), "nobody can say which of the two values holds"),
        (json(r#"{"v": NaN}"#), "`--report har=FILE` keeps what came"),
        (json(r#"{"v": 1e400}"#), "send that number as text"),
        (json(&"[".repeat(200)), "ask for a part of it"),
        (json("{"), "run it again; if it ends there again"),
        (Reply::text(200, "text/plain; charset=utf-16", "x"), "UTF-8"),
    ] {
        assert_told("{ get: /x, outputs: { v: $.v } }", &reply, &[(Advice, words)]);
    }
}

#[test]
fn each_refusal_has_an_advice_of_its_own() {
    for (status, words) in [
        (405, "check the verb and the path"),
        (413, "send less at once"),
        (423, "somebody holds it"),
        (425, "run it again later"),
        (499, "see what stands between"),
    ] {
        assert_told("post: /x", &Reply::status(status), &[(Advice, words)]);
    }
}

#[test]
fn a_redirect_elsewhere_says_what_now() {
    let elsewhere = Reply::status(302).header("location", "https://elsewhere.test/");
    assert_told("get: /x", &elsewhere, &[(Advice, "if the API itself has moved, give its new address")]);
}

#[test]
fn a_write_that_was_done_and_is_not_what_the_step_wants_is_called_done() {
    let done = (Note, "the write was done all the same: a new run does it again");
    let reply = Reply::json(201, json!({"w": 1}));
    let missing = "{ post: /x, outputs: { v: $.v } }";
    assert_told(missing, &reply, &[done, (Advice, "`default`")]);
    let unmet = "{ post: /x, expect: { that: response.body.w == 2 } }";
    let done = (Note, "the write was done all the same");
    assert_told(unmet, &reply, &[done, (Advice, "compare `expect` with what the provider answers")]);
    let ran = Case::of_steps("steps:\n  - { get: /x, outputs: { v: $.v } }\n").answer(move |_| reply.clone());
    assert!(failure(&ran).notes.is_empty(), "a read is no write");
}

#[test]
fn json_that_is_not_declared_says_so() {
    let advice = "let the API answer with `Content-Type: application/json`";
    let undeclared = Reply::body(200, r#"{"v": 1}"#);
    for (reply, words) in [
        (Reply::text(200, "text/plain", r#"{"v": 1}"#), "its `Content-Type` says `text/plain`"),
        (undeclared, "it has no `Content-Type` that says so"),
    ] {
        let told = || [(Note, words), (Advice, advice)];
        assert_told("{ get: /x, outputs: { v: $.v } }", &reply, &told());
        assert_told("{ get: /x, rows: $ }", &reply, &told());
    }
    let text = Reply::text(200, "text/plain", "v = 1");
    assert_told("{ get: /x, outputs: { v: $.v } }", &text, &[(Advice, "give it a `default`")]);
}
