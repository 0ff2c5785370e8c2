//! What is undone at the end.

use super::case::{Case, Ran};
use crate::port::Cancellation;
use crate::port::fake::{Reply, ScriptedTransport, Sent};
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;

const STEPS: &str = "steps:
  - id: window
    post: /windows
    outputs: { id: $.id }
    cleanup:
      - delete: /windows/${{ steps.window.outputs.id }}
        if: steps.window.outputs.id is not none
  - id: pause
    for_each: [a, b]
    put: /paused/${{ item }}
    outputs: { token: $.token }
    cleanup:
      - delete: /paused/${{ item }}
        query: { token: '${{ steps.pause.outputs.token }}', later: '${{ steps.last.succeeded }}' }
  - { id: last, get: /last }
cleanup:
  - { id: bye, post: /bye, json: { failed: '${{ run.failed }}' } }
";

#[test]
fn cleanup_runs_newest_first_with_the_item_of_each() {
    let token = |token: &str| Reply::json(200, json!({ "token": token }));
    let ran = Case::of_steps(STEPS).script([
        ("POST https://api.test/windows", Reply::json(201, json!({"id": 7}))),
        ("PUT https://api.test/paused/a", token("ta")),
        ("PUT https://api.test/paused/b", token("tb")),
        ("GET https://api.test/last", Reply::status(200)),
        ("DELETE https://api.test/paused/b?token=tb&later=true", Reply::status(204)),
        ("DELETE https://api.test/paused/a?token=ta&later=true", Reply::status(204)),
        ("DELETE https://api.test/windows/7", Reply::status(204)),
        ("POST https://api.test/bye", Reply::status(200)),
    ]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    assert_eq!(ran.network.sent()[7].body, r#"{"failed":false}"#);
    let told: Vec<_> = ran.steps().into_iter().filter(|step| step.starts_with("cleanup ")).collect();
    let wanted = ["DELETE /paused/b", "DELETE /paused/a", "DELETE /windows/7", "bye"];
    assert_eq!(told, wanted.map(|label| format!("cleanup {label} done")));
}

#[test]
fn what_was_surely_not_done_is_not_undone() {
    let ran = Case::of_steps(STEPS).script([
        ("POST https://api.test/windows", Reply::status(403)),
        ("POST https://api.test/bye", Reply::status(200)),
    ]);
    assert_eq!(ran.network.sent()[1].body, r#"{"failed":true}"#);
    assert_eq!(ran.exit_code(), 1);
}

#[test]
fn what_may_have_been_done_is_undone_and_none_stops_another() {
    let ran = Case::of_steps(STEPS).answer(|sent| match sent.line.as_str() {
        "POST https://api.test/windows" => Reply::json(201, json!({"id": 7})),
        "PUT https://api.test/paused/b" => Reply::lost(),
        line if line.starts_with("DELETE https://api.test/paused/a") => Reply::status(403),
        _ => Reply::json(200, json!({"token": "t"})),
    });
    let lines = ran.network.lines();
    let undone = lines.iter().filter(|line| line.starts_with("DELETE")).cloned().collect::<Vec<_>>();
    assert_eq!(
        undone,
        [
            "DELETE https://api.test/paused/b?later=false",
            "DELETE https://api.test/paused/a?token=t&later=false",
            "DELETE https://api.test/windows/7",
        ]
    );
    // The verdict is that of the steps; failed cleanup weighs less.
    assert_eq!(ran.exit_code(), 4);
}

#[test]
fn a_write_of_which_nobody_knows_is_undone_as_far_as_it_can_be_found() {
    let steps = "steps:
  - id: issue
    post: /tokens
    outputs: { id: $.id }
    cleanup:
      - { id: found, get: /tokens, query: { id: '${{ steps.issue.outputs.id | default(run.id) }}' }, rows: $.tokens }
      - { for_each: '${{ steps.found.rows }}', delete: '/tokens/${{ item }}' }
";
    let ran = Case::of_steps(steps).script([
        ("POST https://api.test/tokens", Reply::lost()),
        (
            "GET https://api.test/tokens?id=01JD8Y3K000000000000000000",
            Reply::json(200, json!({"tokens": ["x"]})),
        ),
        ("DELETE https://api.test/tokens/x", Reply::status(204)),
    ]);
    assert_eq!(ran.exit_code(), 5);
}

#[test]
fn an_answer_that_disappoints_is_undone_with_what_it_made() {
    let steps = "steps:
  - id: window
    post: /windows
    outputs: { id: $.id }
    expect: { that: response.body.open }
    cleanup:
      - delete: /windows/${{ steps.window.outputs.id }}
";
    let ran = Case::of_steps(steps).script([
        ("POST https://api.test/windows", Reply::json(201, json!({"id": 7, "open": false}))),
        ("DELETE https://api.test/windows/7", Reply::status(204)),
    ]);
    assert_eq!(ran.exit_code(), 1);
}

#[test]
fn an_entry_of_a_block_that_fails_stops_those_only_that_build_upon_it() {
    let steps = "steps:
  - id: make
    put: /x
    cleanup:
      - { id: found, get: /found, outputs: { id: $.id } }
      - { id: gone, delete: '/found/${{ steps.found.outputs.id }}', outputs: { at: $.at } }
      - { id: told, steps: [{ put: /told, json: { at: '${{ steps.gone.outputs.at }}' } }] }
      - { id: slow, delete: /slow, retry: { attempts: 99 } }
      - { id: last, delete: /last }
cleanup:
  - { id: own, get: /found, outputs: { id: $.id } }
  - { id: upon, delete: '/own/${{ steps.own.outputs.id }}' }
";
    for deadline in ["", "deadline: 1s\n"] {
        let ran = Case::of_steps(&format!("{deadline}{steps}")).answer(|sent| {
            let (found, slow) = (sent.line.ends_with("/found"), sent.line.ends_with("/slow"));
            Reply::status(if found {
                403
            } else if slow {
                500
            } else {
                200
            })
        });
        assert_eq!(
            ran.steps(),
            [
                "make done",
                "cleanup found failed",
                "cleanup gone not started",
                "cleanup told not started",
                "cleanup slow failed",
                "cleanup last done",
                "cleanup own failed",
                "cleanup upon not started",
            ]
        );
        let detail = ran.step("told").detail.as_ref().unwrap().to_string();
        assert_eq!(detail, "builds upon `gone`, which was not done");
        assert_eq!(ran.exit_code(), 7);
    }
}

#[test]
fn an_item_of_cleanup_that_fails_does_not_stop_the_next_one() {
    let steps = "steps:\n  - get: /x\ncleanup:\n  - { id: a, for_each: [1, 2], delete: '/a/${{ item }}' }\n";
    let ran = Case::of_steps(steps).script([
        ("GET https://api.test/x", Reply::status(200)),
        ("DELETE https://api.test/a/1", Reply::status(403)),
        ("DELETE https://api.test/a/2", Reply::status(200)),
    ]);
    assert_eq!(ran.steps()[1..], ["cleanup a#1 failed", "cleanup a#2 done", "cleanup a failed"]);
    assert_eq!(ran.exit_code(), 7);
}

#[test]
fn failed_cleanup_alone_has_its_own_exit_code() {
    let steps = "steps:\n  - get: /x\ncleanup:\n  - { id: a, delete: /a }\n  - { id: b, delete: /b }\n";
    let ran = Case::of_steps(steps).script([
        ("GET https://api.test/x", Reply::status(200)),
        ("DELETE https://api.test/a", Reply::status(403)),
        ("DELETE https://api.test/b", Reply::status(200)),
    ]);
    assert_eq!(ran.steps(), ["GET /x done", "cleanup a failed", "cleanup b done"]);
    assert_eq!(ran.exit_code(), 7);
}

#[test]
fn cleanup_has_ten_seconds_of_its_own() {
    let steps = "deadline: 1s\nsteps:\n  - get: /x\ncleanup:\n  - { delete: /a, retry: { attempts: 99 } }\n  - delete: /b\n";
    let ran =
        Case::of_steps(steps).answer(|sent| Reply::status(if sent.line.ends_with("/a") { 500 } else { 200 }));
    assert!(ran.fake_elapsed.as_secs() <= 10, "{:?}", ran.fake_elapsed);
    assert_eq!(ran.network.lines().last().unwrap(), "DELETE https://api.test/b");
}

#[test]
fn a_signal_ends_the_steps_and_not_the_cleanup() {
    let cancellation = Rc::new(RefCell::new(None::<Cancellation>));
    let for_network = cancellation.clone();
    let network = ScriptedTransport::new(move |sent| {
        if sent.line.starts_with("PUT") {
            for_network.borrow().as_ref().unwrap().cancel(15);
        }
        Reply::json(200, json!({"id": 7, "token": "t"}))
    });
    let ran = Case::of_steps(STEPS).run(network, |world| {
        *cancellation.borrow_mut() = Some(world.cancellation.clone());
    });
    assert_eq!(
        ran.network.lines(),
        [
            "POST https://api.test/windows",
            "PUT https://api.test/paused/a",
            "DELETE https://api.test/paused/a?token=t&later=false",
            "DELETE https://api.test/windows/7",
            "POST https://api.test/bye",
        ]
    );
    assert_eq!(ran.exit_code(), 143, "{:?}", ran.headlines());
    assert_eq!(ran.steps()[..4], ["window done", "pause#1 done", "pause failed", "last not started"]);
}

#[test]
fn a_group_is_undone_with_what_its_steps_left_behind() {
    let steps = "steps:
  - for_each: [x, y]
    steps:
      - { id: made, post: '/made/${{ item }}', outputs: { id: $.id } }
    cleanup:
      - delete: /made/${{ item }}/${{ steps.made.outputs.id }}
";
    let ran = Case::of_steps(steps).script([
        ("POST https://api.test/made/x", Reply::json(201, json!({"id": 1}))),
        ("POST https://api.test/made/y", Reply::json(201, json!({"id": 2}))),
        ("DELETE https://api.test/made/y/2", Reply::status(204)),
        ("DELETE https://api.test/made/x/1", Reply::status(204)),
    ]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
}

const UNDONE_TOGETHER: &str = "steps:
  - { id: make, for_each: [a, b, c], post: '/things/${{ item }}', outputs: { id: $.id } }
cleanup:
  - { for_each: '${{ steps.make.outputs.id | select }}', delete: '/things/${{ item }}' }
";

#[test]
fn what_a_loop_has_made_before_it_stopped_can_be_undone_together() {
    let ran = Case::of_steps(UNDONE_TOGETHER).script([
        ("POST https://api.test/things/a", Reply::json(201, json!({"id": 1}))),
        ("POST https://api.test/things/b", Reply::status(403)),
        ("DELETE https://api.test/things/1", Reply::status(204)),
    ]);
    assert_eq!(ran.exit_code(), 1, "{:?}", ran.headlines());
}

#[test]
fn what_a_loop_has_made_before_a_signal_came_can_be_undone_together() {
    let cancellation = Rc::new(RefCell::new(None::<Cancellation>));
    let for_network = cancellation.clone();
    let network = ScriptedTransport::new(move |_| {
        for_network.borrow().as_ref().unwrap().cancel(2);
        Reply::json(200, json!({"id": 7}))
    });
    let ran = Case::of_steps(UNDONE_TOGETHER).run(network, |world| {
        *cancellation.borrow_mut() = Some(world.cancellation.clone());
    });
    assert_eq!(ran.network.lines(), ["POST https://api.test/things/a", "DELETE https://api.test/things/7"]);
}

#[test]
fn a_group_in_which_nothing_was_done_is_not_undone() {
    let steps = "steps:
  - steps:
      - { id: made, post: /made, outputs: { id: $.id } }
      - { id: used, put: '/used/${{ steps.made.outputs.id }}' }
    cleanup:
      - delete: /made/${{ steps.made.outputs.id | default('none') }}
";
    let refused = Case::of_steps(steps).script([("POST https://api.test/made", Reply::status(403))]);
    assert_eq!(refused.exit_code(), 1, "{:?}", refused.headlines());
    let unsent = Case::of_steps(steps).answer(|_| Reply::unsent());
    assert!(
        unsent.network.lines().iter().all(|line| line.starts_with("POST")),
        "{:?}",
        unsent.network.lines()
    );
    let half_done = Case::of_steps(steps).script([
        ("POST https://api.test/made", Reply::json(201, json!({"id": 7}))),
        ("PUT https://api.test/used/7", Reply::status(403)),
        ("DELETE https://api.test/made/7", Reply::status(204)),
    ]);
    assert_eq!(half_done.exit_code(), 1, "{:?}", half_done.headlines());
}

#[test]
fn a_refusal_that_is_fine_is_not_undone_and_leaves_the_run_safe_to_repeat() {
    let steps = "steps:
  - id: window
    put: /windows/night
    effect: once
    expect: { status: [2xx, 409] }
    cleanup:
      - delete: /windows/night
";
    let there = Case::of_steps(steps).script([("PUT https://api.test/windows/night", Reply::status(409))]);
    assert_eq!((there.exit_code(), there.verdict.is_safe_to_rerun), (0, true));
    let made = Case::of_steps(steps).script([
        ("PUT https://api.test/windows/night", Reply::status(201)),
        ("DELETE https://api.test/windows/night", Reply::status(204)),
    ]);
    assert_eq!((made.exit_code(), made.verdict.is_safe_to_rerun), (0, false));
}

/// A run whose list is answered with 429 and this `Retry-After`, and everything else as `rest` says.
fn throttled(retry_after: &'static str, rest: impl Fn(&Sent) -> Reply + 'static) -> Ran {
    let steps = "steps:
  - { post: /windows, effect: once, cleanup: [{ delete: /windows/1 }] }
  - { get: /list, retry: { attempts: 1 } }
";
    Case::signed_in(steps).answer(move |sent| match sent.line.as_str() {
        "POST https://acme.test/login" => Reply::json(200, json!({"token": "token-of-the-test"})),
        "GET https://acme.test/list" => Reply::status(429).header("retry-after", retry_after),
        _ => rest(sent),
    })
}

#[test]
fn a_pause_that_the_provider_asks_for_suppresses_neither_cleanup_nor_logout() {
    for (asked, waited) in [("3600", 0), ("30", 0), ("4", 4)] {
        let ran = throttled(asked, |_| Reply::status(204));
        let expected = [
            "POST https://acme.test/login",
            "POST https://acme.test/windows",
            "GET https://acme.test/list",
            "DELETE https://acme.test/windows/1",
            "DELETE https://acme.test/login",
        ];
        assert_eq!(ran.network.lines(), expected, "{asked}");
        assert_eq!((ran.exit_code(), ran.fake_elapsed.as_secs()), (4, waited), "{asked}");
    }
}

#[test]
fn cleanup_that_is_throttled_is_tried_again_if_there_is_time() {
    let tries = |asked: &'static str| {
        let ran = throttled(asked, move |sent| match sent.line.starts_with("DELETE") {
            true => Reply::status(429).header("retry-after", asked),
            false => Reply::status(201),
        });
        let count = |line| ran.network.lines().iter().filter(|sent| *sent == line).count();
        (count("DELETE https://acme.test/windows/1"), count("DELETE https://acme.test/login"))
    };
    assert_eq!(tries("3600"), (1, 1));
    assert_eq!(tries("4"), (2, 2));
}

#[test]
fn cleanup_signs_in_anew_in_spite_of_a_pause() {
    let ran =
        throttled("3600", |sent| Reply::status(if sent.line.contains("/windows/1") { 401 } else { 204 }));
    let lines = ran.network.lines();
    let expected = [
        "DELETE https://acme.test/windows/1",
        "POST https://acme.test/login",
        "DELETE https://acme.test/windows/1",
        "DELETE https://acme.test/login",
    ];
    assert_eq!(lines[3..], expected);
}

#[test]
fn cleanup_of_which_nobody_knows_is_no_mere_failure_of_cleanup() {
    let steps = "steps:\n  - get: /x\ncleanup:\n  - { id: undo, post: /undo }\n";
    let ran = Case::of_steps(steps).script([
        ("GET https://api.test/x", Reply::status(200)),
        ("POST https://api.test/undo", Reply::status(500)),
    ]);
    assert_eq!(ran.steps(), ["GET /x done", "cleanup undo unknown"]);
    assert_eq!((ran.exit_code(), ran.verdict.is_safe_to_rerun), (5, false));
}

#[test]
fn what_a_group_of_cleanup_does_not_come_to_is_told() {
    let steps = "steps:
  - { id: made, post: /made, cleanup: [{ id: undo, steps: [{ delete: /a }, { id: inner, steps: [{ delete: /b }] }, { delete: /c }] }] }
";
    let ran = Case::of_steps(steps).script([
        ("POST https://api.test/made", Reply::status(201)),
        ("DELETE https://api.test/a", Reply::status(403)),
    ]);
    let told = [
        "made done",
        "cleanup DELETE /a failed",
        "cleanup inner not started",
        "cleanup DELETE /c not started",
        "cleanup undo failed",
    ];
    assert_eq!((ran.exit_code(), ran.steps()), (7, told.map(str::to_owned).to_vec()));
}
