//! An origin that gives no answer is left alone.

use super::case::{Case, KEY, PROVIDER, Ran};
use crate::event::ItemCounts;
use crate::port::fake::Reply;

const LEFT_ALONE: &str =
    "https://api.test is left alone: 5 requests in a row got no answer, or one that says that it is not well";

/// Ten items of a loop that goes on whatever happens, then a step.
fn ten(request: &str) -> Case {
    Case::of_steps(&format!(
        "steps:
  - {{ id: each, for_each: '${{{{ range(10) | list }}}}', {request}, on_error: continue }}
  - {{ id: after, get: /after }}
"
    ))
}

fn counts(ran: &Ran) -> (usize, usize) {
    let ItemCounts { all, failed, not_started, .. } = ran.step("each").items.expect("a loop");
    assert_eq!(all, 10);
    (failed, not_started)
}

#[test]
fn what_is_not_begun_has_not_failed() {
    for reply in [Reply::unsent(), Reply::lost(), Reply::status(500), Reply::status(503)] {
        let ran = ten("get: '/${{ item }}'").answer(move |_| reply.clone());
        assert_eq!((ran.network.lines().len(), counts(&ran), ran.exit_code()), (15, (5, 5), 4));
        let steps = ran.steps();
        assert_eq!(steps[4..6], ["each#5 failed", "each#6 not started"]);
        assert_eq!(steps[10..], ["each failed", "after not started"]);
        let [told] = &ran.verdict.failures[..] else { panic!("{:?}", ran.verdict.failures) };
        assert_eq!(told.headline.as_str(), LEFT_ALONE);
        let advice = told.advice.as_ref().map(ToString::to_string);
        assert_eq!(advice.as_deref(), Some("run it again later; nothing is half done"));
        assert_eq!(
            ran.step("after").detail.as_ref().map(ToString::to_string).as_deref(),
            Some("nothing more is sent there")
        );
    }
}

#[test]
fn writes_of_which_nobody_knows_become_no_more() {
    let ran = ten("post: '/${{ item }}'").answer(|_| Reply::status(500));
    assert_eq!((ran.network.lines().len(), counts(&ran), ran.exit_code()), (5, (5, 5), 5));
}

#[test]
fn an_origin_that_answers_now_and_then_is_not_left_alone() {
    for status in [200, 404, 429] {
        let ran = ten("get: '/${{ item }}', retry: { attempts: 1 }")
            .answer(move |sent| Reply::status(if sent.line.ends_with("/4") { status } else { 500 }));
        assert_eq!(counts(&ran).1, 0, "{status}");
        assert_eq!(ran.steps().last().unwrap(), "after not started", "five more have failed behind it");
    }
}

#[test]
fn refusals_say_that_it_is_well() {
    for status in [400, 401, 403, 404, 409, 422, 302] {
        let ran = ten("get: '/${{ item }}'").answer(move |_| Reply::status(status));
        assert_eq!(counts(&ran), (10, 0), "{status}");
    }
}

#[test]
fn other_origins_are_asked_all_the_same() {
    let steps = "steps:
  - { id: each, for_each: '${{ range(10) | list }}', get: '/${{ item }}', on_error: continue }
  - { id: other, get: 'https://other.test/x' }
";
    let ran = Case::of_steps(steps).answer(|sent| match sent.line.contains("other.test") {
        true => Reply::status(200),
        false => Reply::lost(),
    });
    assert_eq!((ran.steps().last().unwrap().as_str(), ran.exit_code()), ("other done", 4));
}

#[test]
fn groups_whose_first_step_is_not_begun_are_not_begun() {
    let steps = "steps:
  - id: each
    for_each: '${{ range(10) | list }}'
    on_error: continue
    steps: [{ id: look, get: '/${{ item }}' }, { id: act, post: '/${{ item }}' }]
";
    let ran = Case::of_steps(steps).answer(|_| Reply::lost());
    assert_eq!((ran.network.lines().len(), counts(&ran), ran.exit_code()), (15, (5, 5), 4));
    assert_eq!(ran.steps()[..3], ["look#1 failed", "act#1 not started", "each#1 failed"]);
    assert_eq!(ran.steps()[15..18], ["look#6 not started", "act#6 not started", "each#6 not started"]);
}

#[test]
fn cleanup_is_tried_once_all_the_same() {
    let steps = "steps:
  - { id: made, post: /things, cleanup: [{ delete: /things }] }
  - { id: each, for_each: '${{ range(10) | list }}', get: '/${{ item }}', on_error: continue }
";
    let ran = Case::of_steps(steps).answer(|sent| match sent.line.starts_with("POST") {
        true => Reply::status(201),
        false => Reply::lost(),
    });
    let deletes = ran.network.lines().iter().filter(|line| line.starts_with("DELETE")).count();
    assert_eq!((deletes, counts(&ran)), (1, (5, 5)));
    let advice = ran.verdict.failures[0].advice.as_ref().unwrap().to_string();
    let words = "run it again later, but mind what this run has done and would do again: `made`; `--from each` leaves that out";
    assert_eq!(advice, words);
}

/// Steps at a provider whose sign-in is at an origin of its own.
fn signed_in(steps: &str) -> Case {
    let provider = PROVIDER.replace("    auth:", "    auth_base_url: https://auth.test\n    auth:");
    Case::of(&format!("{provider}{steps}")).env(KEY)
}

#[test]
fn sign_ins_that_get_no_answer_are_not_tried_by_each_item() {
    let steps = "steps:
  - { id: each, for_each: '${{ range(10) | list }}', provider: acme, get: '/${{ item }}', on_error: continue }
  - { authenticate: acme }
";
    let ran = signed_in(steps).answer(|_| Reply::unsent());
    assert_eq!((ran.network.lines().len(), counts(&ran), ran.exit_code()), (15, (5, 5), 4));
    assert_eq!(ran.steps().last().unwrap(), "authenticate acme not started");
    let headlines: Vec<_> = ran.verdict.failures.iter().map(|failure| failure.headline.to_string()).collect();
    assert_eq!(headlines, [LEFT_ALONE.replace("api.test", "auth.test")]);
}

#[test]
fn a_session_is_closed_at_an_origin_that_is_left_alone() {
    let steps = "steps:
  - { id: each, for_each: '${{ range(10) | list }}', provider: acme, get: '/${{ item }}', on_error: continue }
";
    let ran = signed_in(steps).answer(|sent| match sent.line.as_str() {
        "POST https://auth.test/login" => Reply::json(200, serde_json::json!({"token": "t1"})),
        "DELETE https://auth.test/login" => Reply::status(204),
        _ => Reply::lost(),
    });
    assert_eq!(counts(&ran), (5, 5));
    assert_eq!(ran.network.lines().last().unwrap(), "DELETE https://auth.test/login");
}

/// 500 for 14 each: 35 repetitions, whoever asks.
#[test]
fn steps_and_sign_ins_share_what_may_be_repeated() {
    let steps = "steps:
  - { id: each, for_each: '${{ range(40) | list }}', get: 'https://auth.test/${{ item }}', retry: { attempts: 2 }, on_error: continue }
  - { authenticate: acme }
";
    let asked = std::cell::Cell::new(0);
    // Every second attempt gets an answer, so that the origin is not left alone.
    let ran = signed_in(steps).answer(move |sent| {
        asked.set(asked.get() + 1);
        let is_login = sent.line.ends_with("/login");
        Reply::status(if is_login || asked.get() % 2 == 1 { 500 } else { 404 })
    });
    let logins = ran.network.lines().iter().filter(|line| line.ends_with("/login")).count();
    assert_eq!((ran.network.lines().len(), logins), (40 + 35 + 1, 1));
}
