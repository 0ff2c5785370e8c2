//! What is sent again, and what is not.

use super::case::{Case, Ran};
use crate::event::ItemCounts;
use crate::model::exit::Cause;
use crate::port::fake::Reply;
use serde_json::json;
use std::cell::Cell;

/// Runs one step on a network whose first answers are these; the last one stays.
fn run(step: &str, replies: Vec<Reply>) -> Ran {
    let next = Cell::new(0);
    Case::of_steps(&format!("steps:\n  - {step}\n")).answer(move |_| {
        let index = next.replace(next.get() + 1);
        replies[index.min(replies.len() - 1)].clone()
    })
}

/// The table of the policy: the step, what its first attempt meets, how often it is sent when it always meets that, and
/// the exit code then.
#[test]
fn each_effect_is_repeated_as_the_table_says() {
    let read = "get: /x";
    let read_body = "{ get: /x, outputs: { a: $ } }";
    let idempotent = "put: /x";
    let idempotent_body = "{ put: /x, outputs: { a: $ } }";
    let once = "post: /x";
    let once_body = "{ post: /x, outputs: { a: $ } }";
    for (step, reply, sent, exit_code) in [
        (read, Reply::unsent(), 3, 4),
        (read, Reply::status(429), 3, 4),
        (read, Reply::lost(), 3, 4),
        (read, Reply::status(500), 3, 4),
        (read, Reply::cut(200), 3, 4),
        (read_body, Reply::cut(200), 3, 4),
        (read, Reply::status(404), 1, 1),
        (idempotent, Reply::unsent(), 3, 4),
        (idempotent, Reply::status(429), 3, 4),
        (idempotent, Reply::lost(), 3, 4),
        (idempotent, Reply::status(503), 3, 4),
        (idempotent, Reply::cut(200), 1, 0),
        (idempotent_body, Reply::cut(200), 3, 4),
        (idempotent, Reply::status(409), 1, 1),
        (once, Reply::unsent(), 3, 4),
        (once, Reply::status(429), 3, 4),
        (once, Reply::status(503).header("retry-after", "1"), 3, 4),
        (once, Reply::unreadable(), 1, 8),
        (read, Reply::unreadable(), 1, 8),
        (once, Reply::lost(), 1, 5),
        (once, Reply::status(500), 1, 5),
        (once, Reply::status(503), 1, 5),
        (once, Reply::cut(201), 1, 0),
        (once_body, Reply::cut(201), 1, 1),
        (once, Reply::cut(302), 1, 1),
        (read, Reply::unreadable_answer(Some(200)), 1, 1),
        (read_body, Reply::unreadable_answer(Some(200)), 1, 1),
        (read, Reply::unreadable_answer(Some(500)), 3, 4),
        (read, Reply::unreadable_answer(None), 1, 1),
        (idempotent, Reply::unreadable_answer(Some(200)), 1, 0),
        (idempotent_body, Reply::unreadable_answer(Some(200)), 1, 1),
        (idempotent, Reply::unreadable_answer(None), 1, 1),
        (once, Reply::unreadable_answer(Some(201)), 1, 0),
        (once_body, Reply::unreadable_answer(Some(201)), 1, 1),
        (once, Reply::unreadable_answer(None), 1, 5),
        (idempotent, Reply::cut(302), 1, 1),
        ("{ post: /x, expect: { status: 201 } }", Reply::cut(200), 1, 1),
        (once, Reply::status(422), 1, 1),
        ("{ post: /x, effect: idempotent }", Reply::status(500), 3, 4),
        ("{ get: /x, effect: once }", Reply::status(500), 1, 5),
        ("{ get: /x, retry: { attempts: 5 } }", Reply::status(502), 5, 4),
        ("{ get: /x, retry: { attempts: 1 } }", Reply::status(502), 1, 4),
    ] {
        let ran = run(step, vec![reply]);
        assert_eq!(
            (ran.network.lines().len(), ran.exit_code()),
            (sent, exit_code),
            "{step}: {:?}",
            ran.headlines()
        );
    }
}

#[test]
fn what_comes_right_is_a_success() {
    let ran = run("get: /x", vec![Reply::status(500), Reply::lost(), Reply::json(200, json!({}))]);
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (0, 3));
    assert_eq!((ran.step("GET /x").requests, ran.step("GET /x").retries), (3, 2));
    // Chance is one half: half of 0.5 s, half of 1 s.
    assert_eq!(ran.waits(), [250, 500]);
}

#[test]
fn a_status_that_is_expected_is_neither_repeated_nor_refused() {
    for status in [404, 429, 500, 503] {
        let ran = run(
            &format!("{{ get: /x, expect: {{ status: [2xx, {status}] }} }}"),
            vec![Reply::status(status)],
        );
        assert_eq!((ran.exit_code(), ran.network.lines().len()), (0, 1), "{status}");
    }
}

#[test]
fn a_write_of_which_nobody_knows_is_unknown_and_stops_the_run() {
    let ran = Case::of_steps("steps:\n  - { id: order, post: /orders }\n  - get: /x\n")
        .script([("POST https://api.test/orders", Reply::status(500))]);
    assert_eq!(ran.steps(), ["order unknown", "GET /x not started"]);
    assert_eq!(ran.exit_code(), 5);
    assert!(!ran.verdict.is_safe_to_rerun);
    let failure = ran.failure("order");
    assert_eq!(failure.cause, Cause::Unknown);
    assert_eq!(
        failure.headline.as_str(),
        "api answered 500 Internal Server Error to `POST /orders`; nobody knows whether it was done"
    );
    let line = failure.request.as_ref().unwrap().as_str();
    assert_eq!(line, "POST https://api.test/orders · sent once, 0 ms · empty body");
    assert_eq!(failure.place.as_ref().unwrap().as_str(), "t.yaml:5:7");
}

#[test]
fn what_builds_upon_an_unknown_write_does_not_start() {
    let ran = Case::of_steps(
        "steps:
  - { id: order, post: /orders, outputs: { id: $.id }, on_error: continue }
  - { id: other, get: /other }
  - { id: ship, put: '/orders/${{ steps.order.outputs.id }}' }
  - { id: note, if: not steps.order.succeeded, get: /note }
",
    )
    .script([
        ("POST https://api.test/orders", Reply::status(500)),
        ("GET https://api.test/other", Reply::status(200)),
        ("GET https://api.test/note", Reply::status(200)),
    ]);
    assert_eq!(ran.steps(), ["order unknown", "other done", "ship not started", "note done"]);
    assert_eq!(ran.exit_code(), 5);
}

#[test]
fn what_builds_upon_an_unknown_write_by_way_of_other_steps_does_not_start_either() {
    let ran = Case::of_steps(
        "steps:
  - { id: order, post: /orders, outputs: { id: $.id }, on_error: continue }
  - { id: ship, put: '/orders/${{ steps.order.outputs.id }}', outputs: { way: $.way } }
  - { id: bill, post: /bills, json: { way: '${{ steps.ship.outputs.way }}' } }
  - id: group
    steps: [{ id: track, get: '/ways/${{ steps.ship.outputs.way }}', outputs: { at: $.at } }]
    outputs: { at: '${{ steps.track.outputs.at }}' }
  - { id: note, post: /notes, json: { at: '${{ steps.group.outputs.at }}' } }
",
    )
    .script([("POST https://api.test/orders", Reply::status(500))]);
    let left_out = ["ship not started", "bill not started", "track not started"];
    assert_eq!(ran.steps()[1..4], left_out);
    assert_eq!(ran.steps()[4..], ["group skipped", "note not started"]);
    let detail = ran.step("note").detail.as_ref().unwrap().to_string();
    assert_eq!(detail, "builds upon `order`, of which nobody knows whether it was done");
}

#[test]
fn an_unknown_write_of_one_item_says_nothing_of_the_items_behind_it() {
    let steps = "steps:
  - id: each
    for_each: [a, b]
    on_error: continue
    steps:
      - { id: order, post: '/orders/${{ item }}', outputs: { id: $.id }, on_error: continue }
      - { id: ship, put: '/ships/${{ steps.order.outputs.id }}' }
";
    let ran = Case::of_steps(steps).script([
        ("POST https://api.test/orders/a", Reply::status(500)),
        ("POST https://api.test/orders/b", Reply::json(201, json!({"id": 7}))),
        ("PUT https://api.test/ships/7", Reply::status(200)),
    ]);
    assert_eq!(
        ran.steps(),
        [
            "order#1 unknown",
            "ship#1 not started",
            "each#1 done",
            "order#2 done",
            "ship#2 done",
            "each#2 done",
            "each done"
        ]
    );
    assert_eq!(ran.exit_code(), 5);
}

#[test]
fn a_404_to_a_delete_after_an_unknown_one_means_done() {
    let ran = run("delete: /x", vec![Reply::lost(), Reply::status(404)]);
    assert_eq!(ran.exit_code(), 0);
    let ran = run("delete: /x", vec![Reply::status(404)]);
    assert_eq!(ran.exit_code(), 1);
}

#[test]
fn a_server_that_asks_for_time_gets_it() {
    let throttled = |wish: &str| Reply::status(429).header("retry-after", wish);
    let ran = run("get: /x", vec![throttled("10"), Reply::status(200)]);
    assert_eq!(ran.waits(), [10_500]);
    let ran = run("get: /x", vec![throttled("Sun, 22 Nov 2026 06:00:20 GMT"), Reply::status(200)]);
    assert_eq!(ran.waits(), [21_000]);
    let ran = run("get: /x", vec![throttled("soon"), Reply::status(200)]);
    assert_eq!(ran.waits(), [250]);
}

#[test]
fn a_wait_beyond_the_time_that_is_left_is_told_and_not_slept() {
    let throttled = Reply::status(429).header("retry-after", "3600");
    let ran = run("get: /x", vec![throttled.clone()]);
    assert_eq!((ran.network.lines().len(), ran.exit_code(), ran.fake_elapsed.as_secs()), (1, 4, 0));
    let advice = ran.failure("GET /x").advice.as_ref().unwrap().to_string();
    assert_eq!(advice, "run it again in 1 h: api asks for that pause; nothing is half done");
    let short = Reply::status(429).header("retry-after", "20");
    let ran = run("{ get: /x, within: 10s }", vec![short]);
    assert_eq!((ran.network.lines().len(), ran.fake_elapsed.as_secs()), (1, 0));
}

#[test]
fn the_deadline_bounds_requests_and_waits() {
    let ran = Case::of_steps(
        "deadline: 4s\nsteps:\n  - { id: a, get: /a, retry: { attempts: 99 } }\n  - get: /b\n",
    )
    .answer(|_| Reply::status(500));
    assert_eq!(ran.steps(), ["a failed", "GET /b not started"]);
    assert!(ran.fake_elapsed.as_secs() < 5, "{:?}", ran.fake_elapsed);
    assert_eq!(ran.exit_code(), 4, "the 500s are what went wrong: {:?}", ran.headlines());
}

#[test]
fn failures_have_the_words_of_the_provider_and_hints() {
    let playbook = "version: 1
providers:
  api:
    base_url: https://api.test
    errors: { code: $.error.code, message: $.error.message, hints: { E1: look at the manual } }
steps:
  - { id: get, get: /x }
";
    let refusal = json!({"error": {"code": "E1", "message": "no such thing"}});
    let ran = Case::of(playbook).script([("GET https://api.test/x", Reply::json(404, refusal))]);
    let failure = ran.failure("get");
    assert_eq!(failure.headline.as_str(), "api answered 404 Not Found to `GET /x`");
    let notes: Vec<_> = failure.notes.iter().map(|note| note.as_str()).collect();
    assert_eq!(notes, ["api says: E1: no such thing", "hint: look at the manual"]);
}

#[test]
fn the_nearest_hint_counts_step_before_operation_before_definition() {
    let hints = |of_step: &str| {
        let playbook = format!(
            "version: 1
providers:
  api:
    base_url: https://api.test
    errors: {{ code: $.code, hints: {{ Forbidden: of the definition, 403: its status }} }}
    operations:
      issue: {{ post: /x, hints: {{ 403: of the operation }} }}
      list: {{ get: /x }}
steps:
  - {{ id: issue, call: api.issue, on_error: continue{of_step} }}
  - {{ id: list, call: api.list }}
"
        );
        let ran = Case::of(&playbook).answer(|_| Reply::json(403, json!({"code": "Forbidden"})));
        let hint = |step| ran.failure(step).notes.last().unwrap().to_string();
        (hint("issue"), hint("list"))
    };
    let of_definition = "hint: of the definition".to_owned();
    assert_eq!(hints(""), ("hint: of the operation".to_owned(), of_definition.clone()));
    assert_eq!(hints(", hints: { 403: of the step }"), ("hint: of the step".to_owned(), of_definition));
}

#[test]
fn broken_answers_are_failures_and_are_not_sent_again() {
    for (reply, words) in [
        (Reply::text(200, "application/json", "<html>"), "HTML"),
        (Reply::text(200, "application/json", "{]"), "not the JSON"),
        (Reply::text(200, "application/json", "{"), "ends in the middle, after 1 byte"),
        (Reply::text(200, "text/html", "<!doctype html><p>log in"), "HTML page"),
        (Reply::status(302).header("location", "/y"), "302 Found"),
    ] {
        let ran = run("put: /x", vec![reply]);
        assert_eq!((ran.network.lines().len(), ran.exit_code()), (1, 1));
        assert!(ran.headlines()[0].contains(words), "{:?}", ran.headlines());
    }
}

#[test]
fn what_a_broken_answer_says_of_a_write() {
    let page = |content_type| Reply::text(200, content_type, "<!doctype html><p>log in");
    let broken = |status| Reply::text(status, "application/json", "{");
    let unknown = "nobody knows whether it was done";
    let lost = "it was done, but what it brought is lost";
    for (step, reply, exit_code, words) in [
        ("post: /x", page("text/html"), 5, unknown),
        ("post: /x", page("application/json"), 5, unknown),
        (
            "{ post: /x, expect: { status: [2xx, 404] } }",
            Reply::text(404, "application/json", "{"),
            1,
            "but the JSON body",
        ),
        ("{ post: /x, outputs: { a: $.a } }", broken(201), 1, lost),
        ("post: /x", broken(201), 0, ""),
    ] {
        let ran = run(step, vec![reply]);
        assert_eq!((ran.network.lines().len(), ran.exit_code()), (1, exit_code), "{step}");
        assert!(!ran.verdict.is_safe_to_rerun || exit_code == 1, "{step}");
        let headline = ran.headlines().pop().unwrap_or_default();
        assert!(headline.contains(words), "{step}: {headline}");
        let advice = ran.step("POST /x").failure.as_ref().and_then(|failure| failure.advice.clone());
        assert_eq!(advice.is_some(), exit_code != 0, "{step}");
    }
}

#[test]
fn an_expected_success_is_still_looked_for_behind_a_redirect() {
    let ran = |step: &str| {
        Case::of_steps(&format!("steps:\n  - {step}\n")).answer(|sent| match sent.line.ends_with("/x") {
            true => Reply::status(302).header("location", "/y"),
            false => Reply::status(200),
        })
    };
    for (step, sent, exit_code) in [
        ("{ get: /x, expect: { status: 200 } }", 2, 0),
        ("{ get: /x, expect: { status: [2xx, 304, 404] } }", 2, 0),
        ("{ get: /x, expect: { status: 302 } }", 1, 0),
        ("{ get: /x, expect: { status: [2xx, 3xx] } }", 1, 0),
        ("{ post: /x, expect: { status: 200 } }", 1, 1),
    ] {
        let ran = ran(step);
        assert_eq!((ran.network.lines().len(), ran.exit_code()), (sent, exit_code), "{step}");
    }
}

#[test]
fn a_web_page_is_no_success_of_an_api_whatever_status_is_expected() {
    for (step, status, exit_code) in [
        ("{ post: /x, expect: { status: 200 } }", 200, 5),
        ("{ get: /x, expect: { status: [2xx, 404] } }", 200, 1),
        ("{ get: /x, expect: { status: [2xx, 404] } }", 404, 0),
        ("{ get: /x, expect: { status: 200 }, save: page.html }", 200, 0),
    ] {
        let ran = run(step, vec![Reply::text(status, "text/html", "<!doctype html><p>log in")]);
        assert_eq!(ran.exit_code(), exit_code, "{step}: {:?}", ran.headlines());
    }
}

#[test]
fn an_outage_is_not_made_worse_by_repetitions() {
    let steps = "steps:\n  - { id: each, for_each: '${{ range(100) }}', on_error: continue, get: '/x/${{ item }}' }\n";
    // One item in four gets an answer: an origin that gives none is left alone before the credit is used up.
    let is_answered = |line: &str| {
        let item = line.rsplit('/').next().and_then(|item| item.parse::<u32>().ok());
        item.is_some_and(|item| item % 4 == 0)
    };
    let ran = Case::of_steps(steps)
        .answer(move |sent| Reply::status(if is_answered(&sent.line) { 404 } else { 503 }));
    assert_eq!(
        ran.network.lines().len(),
        100 + 500 / 14,
        "one attempt for each item, and what the credit allows"
    );
    assert_eq!(
        ran.step("each").items,
        Some(ItemCounts { all: 100, failed: 100, skipped: 0, not_started: 0 })
    );
}

#[test]
fn a_provider_that_wants_to_be_left_alone_is_not_waited_for_by_the_steps_behind() {
    let steps = "steps:\n  - { id: a, get: /a, on_error: continue }\n  - { id: b, get: /b }\n";
    let ran = Case::of_steps(steps).answer(|_| Reply::status(429).header("retry-after", "3600"));
    assert_eq!((ran.network.lines().len(), ran.fake_elapsed.as_secs(), ran.exit_code()), (1, 0, 4));
    assert_eq!(ran.failure("b").headline.as_str(), "api wants to be left alone for 1 h");
}

#[test]
fn an_address_without_a_provider_is_left_alone_as_well() {
    let steps = "steps:
  - { id: each, for_each: [a, b], get: 'https://hooks.test/x', query: { item: '${{ item }}' }, on_error: continue }
  - { id: other, get: 'https://other.test/y' }
";
    let ran = Case::of_steps(steps).answer(|sent| match sent.line.contains("hooks") {
        true => Reply::status(429).header("retry-after", "3600"),
        false => Reply::status(200),
    });
    assert_eq!(ran.network.lines(), ["GET https://hooks.test/x?item=a", "GET https://other.test/y"]);
    assert_eq!(ran.headlines()[1], "hooks.test wants to be left alone for 1 h");
}

#[test]
fn an_answer_that_is_too_large_was_not_cut_and_is_no_better_tomorrow() {
    let ran = run("get: /x", vec![Reply::unreadable_answer(Some(200))]);
    let (headline, advice) = ran.headline_and_advice();
    assert_eq!(headline, "api answered 200 OK to `GET /x`, but the answer is larger than 64 MB");
    assert!(advice.starts_with("run again, it would be answered so again: ask for less at once"), "{advice}");
}

#[test]
fn the_advice_fits_what_may_have_happened() {
    let advice = |step| run(step, vec![Reply::status(500)]).headline_and_advice().1;
    assert_eq!(advice("get: /x"), "run it again later; nothing is half done");
    assert_eq!(
        advice("put: /x"),
        "run it again later; it may have been done, and doing it again does no harm"
    );
    assert_eq!(
        advice("post: /x"),
        "look at api whether it was done before you run this again, or it may be done twice; \
         `runner resolve 01JD8Y3K000000000000000000 'POST /x' --done` or `--retry` says so, and \
         `runner resume 01JD8Y3K000000000000000000` goes on"
    );
    let ran = Case::of_steps("steps:\n  - post: /a\n  - { id: b, get: /b }\n")
        .answer(|sent| Reply::status(if sent.line.ends_with("/a") { 200 } else { 500 }));
    let advice = ran.failure("b").advice.as_ref().unwrap().to_string();
    assert_eq!(
        advice,
        "run it again later, but mind what this run has done and would do again: `POST /a`; `--from b` leaves that out"
    );
    assert!(!ran.verdict.is_safe_to_rerun);
}

#[test]
fn what_a_person_is_to_type_is_quoted_for_a_shell() {
    let ran = Case::of_steps("steps:\n  - post: /a\n  - get: /after\n")
        .answer(|sent| Reply::status(if sent.line.ends_with("/a") { 200 } else { 500 }));
    let advice = ran.failure("GET /after").advice.as_ref().unwrap().to_string();
    assert!(advice.ends_with("`--from 'GET /after'` leaves that out"), "{advice}");
}

#[test]
fn a_write_that_may_be_done_again_does_not_hide_one_that_may_not() {
    let ran = Case::of_steps("steps:\n  - post: /a\n  - { id: b, put: /b }\n")
        .answer(|sent| Reply::status(if sent.line.ends_with("/a") { 200 } else { 500 }));
    assert_eq!(
        ran.failure("b").advice.as_ref().unwrap().to_string(),
        "run it again later; it may have been done, and doing it again does no harm, but mind what this run has done \
         and would do again: `POST /a`; `--from b` leaves that out"
    );
}

/// What may be done again is no reason to say that nothing was done.
#[test]
fn writes_that_may_be_done_again_are_told() {
    let advice = |steps: &str| {
        let ran = Case::of_steps(&format!("steps:\n{steps}  - {{ id: b, get: /b }}\n")).answer(|sent| {
            match sent.line.rsplit('/').next() {
                Some("b") => Reply::status(500),
                Some("cut") => Reply::cut(200),
                _ => Reply::status(204),
            }
        });
        let advice = ran.failure("b").advice.as_ref().unwrap().to_string();
        (advice, ran.verdict.is_safe_to_rerun)
    };
    let put = "  - { put: /a }\n";
    let told = |what: &str| (format!("run it again later; {what}"), true);
    assert_eq!(advice("  - { get: /a }\n"), told("nothing is half done"));
    assert_eq!(advice(put), told("1 write was done, and doing it again does no harm"));
    assert_eq!(
        advice(&format!("{put}  - {{ for_each: [1, 2], delete: '/${{{{ item }}}}' }}\n")),
        told("3 writes were done, and doing them again does no harm")
    );
    let cut = "  - { put: /cut, outputs: { id: $.id }, retry: { attempts: 1 }, on_error: continue }\n";
    assert_eq!(
        advice(&format!("{put}{cut}")),
        told("2 writes may have been done, and doing them again does no harm")
    );
}

#[test]
fn a_write_whose_answer_was_cut_was_done_and_that_is_said() {
    let advice = |step, reply| run(step, vec![reply]).headline_and_advice().1;
    let harmless = "and doing it again does no harm";
    let puts = "{ id: x, put: /x, outputs: { id: $.id }, retry: { attempts: 1 } }";
    let reads = "{ id: x, get: /x, outputs: { id: $.id }, retry: { attempts: 1 } }";
    assert_eq!(advice(puts, Reply::cut(200)), format!("run it again later; it was done, {harmless}"));
    assert_eq!(advice(puts, Reply::lost()), format!("run it again later; it may have been done, {harmless}"));
    assert_eq!(advice(reads, Reply::cut(200)), "run it again later; nothing is half done");
}

#[test]
fn what_was_done_is_said_and_left_out_only_where_that_is_possible() {
    let advice = |steps: &str| {
        let ran =
            Case::of_steps(&format!("steps:\n{steps}")).answer(|sent| match sent.line.ends_with("/late") {
                true => Reply::status(429).header("retry-after", "3600"),
                false => Reply::json(200, json!({"id": 7})),
            });
        ran.headline_and_advice().1
    };
    let later = "run it again in 1 h: api asks for that pause";
    assert_eq!(advice("  - { id: b, get: /late }\n"), format!("{later}; nothing is half done"));
    let done = format!("{later}, but mind what this run has done and would do again: `a`");
    let brings = "  - { id: a, post: /a, outputs: { id: $.id } }\n";
    assert_eq!(
        advice(&format!("{brings}  - {{ id: b, get: /late }}\n")),
        format!("{done}; `--from b` leaves that out")
    );
    assert_eq!(
        advice(&format!("{brings}  - {{ id: b, put: '/${{{{ steps.a.outputs.id }}}}/late' }}\n")),
        done
    );
    let group = "  - { id: a, steps: [{ post: /a }, { get: /late }] }\n";
    assert_eq!(advice(group), done);
}

/// A provider that may be asked once in three minutes.
const SLOW_RATE: &str = "version: 1
providers:
  api: { base_url: https://api.test, rate_limit: { rate: 1/3m } }
";

#[test]
fn waiting_for_our_own_rate_takes_nothing_from_the_time_of_a_request() {
    let ran =
        Case::of(&format!("{SLOW_RATE}steps: [{{ id: read, get: /x }}]\n")).answer(|_| Reply::status(500));
    assert_eq!((ran.network.lines().len(), ran.fake_elapsed.as_secs()), (3, 360), "{:?}", ran.headlines());
}

#[test]
fn waiting_for_our_own_rate_takes_from_the_time_of_the_step_and_the_run() {
    let steps = |bound: &str, within: &str| {
        format!("{SLOW_RATE}{bound}steps: [{{ get: /a }}, {{ id: b, get: /b{within} }}]\n")
    };
    for playbook in [steps("deadline: 1m\n", ""), steps("", ", within: 1m")] {
        let ran = Case::of(&playbook).answer(|_| Reply::status(200));
        assert_eq!((ran.network.lines().len(), ran.fake_elapsed.as_secs(), ran.exit_code()), (1, 0, 4));
        let headline = &ran.failure("b").headline;
        assert_eq!(headline.as_str(), "the rate limit of api allows the next request in 3 min only");
    }
}
