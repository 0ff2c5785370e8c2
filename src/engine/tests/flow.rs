//! Conditions, loops, groups, outputs, files.

use super::case::Case;
use crate::event::{ItemCounts, StepStatus};
use crate::port::fake::Reply;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn outputs_reach_later_steps() {
    let ran = Case::of_steps(
        "steps:
  - id: make
    post: /things
    json: { name: x }
    outputs: { id: $.id, both: '${{ outputs.id }}-${{ response.status }}' }
  - get: /things/${{ steps.make.outputs.id }}
    query: { both: '${{ steps.make.outputs.both }}' }
",
    )
    .script([
        ("POST https://api.test/things", Reply::json(201, json!({"id": 8_988_303_000_000_000_129_u64}))),
        ("GET https://api.test/things/8988303000000000129?both=8988303000000000129-201", Reply::status(200)),
    ]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    assert_eq!(ran.network.sent()[0].body, r#"{"name":"x"}"#);
}

#[test]
fn an_output_that_is_not_there_fails_the_step() {
    let steps = "steps:\n  - { id: make, post: /x, outputs: { id: $.id } }\n";
    let ran = Case::of_steps(steps).answer(|_| Reply::json(201, json!({"name": 1})));
    assert_eq!(
        ran.headlines(),
        ["api answered 201 Created to `POST /x`, but the answer has nothing at `$.id` for the output `id`"]
    );
    let steps = "steps:\n  - { id: make, post: /x, outputs: { id: { path: $.id, default: null } } }\n";
    assert_eq!(Case::of_steps(steps).answer(|_| Reply::json(201, json!({}))).exit_code(), 0);
}

#[test]
fn a_skipped_step_sends_nothing_and_has_no_outputs() {
    let ran = Case::of_steps(
        "steps:
  - { id: maybe, if: 1 > 2, get: /x, outputs: { a: $.a } }
  - get: /y
    query: { a: '${{ steps.maybe.outputs.a | default(\"none\") }}', skipped: '${{ steps.maybe.skipped }}' }
",
    )
    .script([("GET https://api.test/y?a=none&skipped=true", Reply::status(200))]);
    assert_eq!(ran.steps(), ["maybe skipped", "GET /y done"]);
}

#[test]
fn a_loop_brings_lists_in_the_order_of_its_items() {
    let ran = Case::of_steps(
        "steps:
  - id: each
    for_each: [a, b, c]
    on_error: continue
    get: /x/${{ item }}
    outputs: { v: $.v }
  - post: /sum
    json: { all: '${{ steps.each.outputs.v }}' }
",
    )
    .script([
        ("GET https://api.test/x/a", Reply::json(200, json!({"v": 1}))),
        ("GET https://api.test/x/b", Reply::status(404)),
        ("GET https://api.test/x/c", Reply::json(200, json!({"v": 3}))),
        ("POST https://api.test/sum", Reply::status(200)),
    ]);
    assert_eq!(ran.network.sent()[3].body, r#"{"all":[1,null,3]}"#);
    assert_eq!(ran.steps(), ["each#1 done", "each#2 failed", "each#3 done", "each failed", "POST /sum done"]);
    assert_eq!(ran.step("each").items, Some(ItemCounts { all: 3, failed: 1, skipped: 0, not_started: 0 }));
    assert_eq!(ran.exit_code(), 1);
}

#[test]
fn a_loop_over_single_things_saves_a_row_for_each() {
    let steps = "steps:
  - { id: each, for_each: [2, 1], get: '/x/${{ item }}', save: { file: x.ndjson, fields: { id: $.id } } }
  - { post: /sum, json: { ids: '${{ steps.each.rows | map(attribute=\"id\") }}' } }
";
    let ran = Case::of_steps(steps).answer(|sent| {
        let id = sent.line.rsplit('/').next().unwrap_or_default();
        Reply::json(200, json!({ "id": id, "name": "n" }))
    });
    assert_eq!(ran.file("x.ndjson").unwrap(), "{\"id\":\"2\"}\n{\"id\":\"1\"}\n");
    assert_eq!(ran.step("each").rows, Some(2));
    assert_eq!(ran.network.sent()[2].body, r#"{"ids":["2","1"]}"#);
    // Where a list was announced, a map is none.
    let ran = Case::of_steps("steps: [{ for_each: [1], get: /x, rows: $, save: x.ndjson }]\n")
        .answer(|_| Reply::json(200, json!({ "items": [] })));
    assert_eq!(ran.exit_code(), 1);
}

#[test]
fn a_loop_whose_items_are_all_skipped_has_done_nothing() {
    let steps = "steps:
  - id: each
    for_each: [1, 2]
    steps:
      - if: item > LEAST
        delete: /x/${{ item }}
  - get: /y?
"
    .replace("/y?", "/y/${{ steps.each.succeeded }}/${{ steps.each.skipped }}");
    let none = Case::of_steps(&steps.replace("LEAST", "2")).answer(|_| Reply::status(204));
    assert_eq!(none.network.lines(), ["GET https://api.test/y/true/false"]);
    let label = "DELETE /x/${{ item }}";
    let skipped = |item: usize| [format!("{label}#{item} skipped"), format!("each#{item} skipped")];
    let end = [
        "each skipped".to_owned(),
        "GET /y/${{ steps.each.succeeded }}/${{ steps.each.skipped }} done".to_owned(),
    ];
    assert_eq!(none.steps(), [skipped(1).as_slice(), &skipped(2), &end].concat());
    assert_eq!(none.step("each").items, Some(ItemCounts { all: 2, failed: 0, skipped: 2, not_started: 0 }));
    let one = Case::of_steps(&steps.replace("LEAST", "1")).answer(|_| Reply::status(204));
    assert_eq!(one.step("each").status, StepStatus::Done);
    assert_eq!(one.step("each").items, Some(ItemCounts { all: 2, failed: 0, skipped: 1, not_started: 0 }));
}

#[test]
fn a_loop_stops_at_the_first_failure_unless_told_otherwise() {
    let ran =
        Case::of_steps("steps:\n  - { id: each, for_each: [a, b, c], get: '/x/${{ item }}' }\n  - get: /y\n")
            .answer(|sent| Reply::status(if sent.line.ends_with('b') { 404 } else { 200 }));
    assert_eq!(ran.network.lines().len(), 2);
    assert_eq!(ran.steps(), ["each#1 done", "each#2 failed", "each failed", "GET /y not started"]);
    assert_eq!(ran.step("each").items, Some(ItemCounts { all: 3, failed: 1, skipped: 0, not_started: 1 }));
}

#[test]
fn an_empty_loop_is_a_success() {
    let ran =
        Case::of_steps("steps:\n  - { id: each, for_each: [], get: '/x/${{ item }}', save: x.ndjson }\n")
            .script([]);
    assert_eq!((ran.exit_code(), ran.steps()), (0, vec!["each done".to_owned()]));
    assert_eq!(ran.file("x.ndjson"), Some(String::new()));
}

#[test]
fn a_group_is_seen_from_outside_by_its_outputs_only() {
    let ran = Case::of_steps(
        "steps:
  - id: both
    for_each: [a, b]
    as: letter
    steps:
      - { id: first, get: '/first/${{ letter }}', outputs: { n: $.n } }
      - { if: letter == \"b\", get: '/second/${{ steps.first.outputs.n }}' }
    outputs: { n: '${{ steps.first.outputs.n }}' }
  - post: /sum
    json: '${{ steps.both.outputs.n }}'
",
    )
    .script([
        ("GET https://api.test/first/a", Reply::json(200, json!({"n": 1}))),
        ("GET https://api.test/first/b", Reply::json(200, json!({"n": 2}))),
        ("GET https://api.test/second/2", Reply::status(204)),
        ("POST https://api.test/sum", Reply::status(200)),
    ]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    assert_eq!(ran.network.sent()[3].body, "[1,2]");
}

#[test]
fn conditions_on_the_answer() {
    let steps = "steps:\n  - { id: a, get: /x, rows: $.rows, expect: { that: [row_count >= 2, response.body.ok] } }\n";
    let ran = Case::of_steps(steps).answer(|_| Reply::json(200, json!({"rows": [1, 2], "ok": true})));
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    let ran = Case::of_steps(steps).answer(|_| Reply::json(200, json!({"rows": [1], "ok": true})));
    assert_eq!(ran.headlines(), ["the answer to `GET /x` does not satisfy `row_count >= 2`"]);
    assert_eq!(ran.failure("a").notes[0].as_str(), "the answer has 1 row");
    assert_eq!(ran.exit_code(), 1);
}

#[test]
fn a_200_with_an_error_in_it_is_a_failure() {
    let playbook = "version: 1
providers:
  api: { base_url: https://api.test, success: response.body.ok != false, errors: { message: $.why } }
steps:
  - { id: a, post: /x }
";
    let ran = Case::of(playbook).answer(|_| Reply::json(200, json!({"ok": false, "why": "closed"})));
    assert_eq!(ran.headlines(), ["api answered 200 OK to `POST /x`, but says that it failed"]);
    assert_eq!(ran.failure("a").notes[0].as_str(), "api says: closed");
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (1, 1));
}

#[test]
fn only_the_chosen_steps_are_done() {
    let steps = "steps:\n  - { id: a, get: /a }\n  - { id: b, get: /b }\n  - { id: c, get: /c }\n";
    let ran = Case::of_steps(steps).only(&["b"]).script([("GET https://api.test/b", Reply::status(200))]);
    assert_eq!(ran.steps(), ["a skipped", "b done", "c skipped"]);
}

#[test]
fn rows_are_saved_as_they_are_or_by_columns() {
    let body = json!({"items": [{"id": 1, "tag": {"name": "x"}}, {"id": 2}]});
    let steps = "steps:
  - get: /x
    rows: $.items
    save: { file: out.json, fields: { id: $.id, name: $.tag.name, twice: '${{ row.id * 2 }}' } }
";
    let answer = body.clone();
    let ran = Case::of_steps(steps).answer(move |_| Reply::json(200, answer.clone()));
    assert_eq!(
        ran.file("out.json").unwrap(),
        "[\n{\"id\":1,\"name\":\"x\",\"twice\":2},\n{\"id\":2,\"name\":null,\"twice\":4}\n]\n"
    );
    let steps = "steps:\n  - { get: /x, save: out.txt }\n";
    let ran = Case::of_steps(steps).answer(|_| Reply::text(200, "text/plain", "as it came\r\n"));
    assert_eq!(ran.file("out.txt").unwrap(), "as it came\r\n");
}

#[test]
fn a_file_that_cannot_be_written_is_this_machine() {
    let steps = "steps:\n  - { post: /x, save: full/out.ndjson, rows: $.r }\n";
    let ran = Case::of_steps(steps).script([]);
    assert_eq!(ran.exit_code(), 8);
}

#[test]
fn rows_of_a_loop_go_into_one_file_and_partial_if_an_item_failed() {
    let steps = "steps:
  - id: each
    for_each: [a, b]
    on_error: continue
    get: /x/${{ item }}
    save: { file: out.ndjson, fields: { of: '${{ item }}', id: $.id } }
";
    let ran = Case::of_steps(steps).answer(|_| Reply::json(200, json!([{"id": 1}])));
    assert_eq!(ran.file("out.ndjson").unwrap(), "{\"of\":\"a\",\"id\":1}\n{\"of\":\"b\",\"id\":1}\n");
    assert_eq!(ran.step("each").rows, Some(2));
    let ran = Case::of_steps(steps).answer(|sent| {
        if sent.line.ends_with('a') { Reply::json(200, json!([{"id": 1}])) } else { Reply::status(404) }
    });
    assert_eq!(
        (ran.file("out.ndjson"), ran.file("out.ndjson.partial").map(|text| text.len())),
        (None, Some(18))
    );
    assert!(!ran.step("each").file.as_ref().unwrap().is_complete);
}

#[test]
fn uuid_and_time_stay_the_same_in_every_attempt() {
    let steps = "steps:\n  - { put: /x, json: { at: '${{ now() }}' } }\n";
    let ran = Case::of_steps(steps).answer(|_| Reply::status(500));
    let bodies: Vec<String> = ran.network.sent().into_iter().map(|sent| sent.body).collect();
    assert_eq!(bodies, vec![r#"{"at":"2026-11-22T06:00:00Z"}"#; 3]);
    assert!(!ran.fake_elapsed.is_zero());
}

#[test]
fn from_a_step_on_and_names_that_no_step_has() {
    let steps = "steps:\n  - { id: a, get: /a }\n  - { name: second, get: /b }\n  - { id: c, get: /c }\n";
    let ran = Case::of_steps(steps).from("second").answer(|_| Reply::status(200));
    assert_eq!(ran.steps(), ["a skipped", "second done", "c done"]);
    assert_eq!(
        Case::of_steps(steps).only(&["secondd"]).choice_error(),
        "no step at the top of the playbook is called `secondd`; did you mean `second`?"
    );
}

#[test]
fn a_body_that_its_schema_refuses_is_a_failure() {
    let steps = "steps:\n  - { id: a, get: /a, expect: { schema: thing.json } }\n";
    let run = |body: Value| {
        let schema = json!({"required": ["id"]}).to_string();
        Case::of_steps(steps).file("thing.json", &schema).answer(move |_| Reply::json(200, body.clone()))
    };
    assert_eq!(run(json!({"id": 1})).exit_code(), 0);
    let ran = run(json!({}));
    assert_eq!(ran.headlines(), ["the answer to `GET /a` does not fulfil the schema"]);
    assert_eq!(ran.failure("a").notes[0].as_str(), "the body itself: `required`");
}

#[test]
fn a_group_whose_time_passes_between_two_steps_has_failed() {
    let steps = "steps:\n  - { id: g, within: 3s, steps: [{ id: a, get: /a }, { id: b, get: /b }] }\n";
    let ran = Case::of_steps(steps).late(Duration::from_secs(5));
    assert_eq!(ran.steps(), ["a done", "b not started", "g failed"]);
    assert_eq!(ran.headlines(), ["the step's 3 s (`within`) passed before `b`"]);
    assert_eq!(ran.exit_code(), 1);
}

#[test]
fn cleanup_whose_time_passes_between_two_steps_says_so() {
    let steps = "steps:
  - id: make
    post: /x
    cleanup:
      - { id: a, within: 4s, steps: [{ id: b, get: /b }, { id: c, get: /c }] }
";
    let ran = Case::of_steps(steps).late(Duration::from_secs(5));
    assert_eq!(ran.headlines(), ["the step's 4 s (`within`) passed before `c`"]);
    assert_eq!(ran.exit_code(), 7);
}

#[test]
fn a_choice_that_leaves_out_what_a_chosen_step_reads_is_refused() {
    let steps = "steps:
  - { id: a, get: /a, outputs: { x: $.x } }
  - { id: b, get: '/b/${{ steps.a.outputs.x }}', rows: $.rows }
  - id: c
    steps:
      - { id: inner, for_each: '${{ steps.b.rows }}', get: '/c/${{ item }}' }
  - { id: d, get: /d, query: { n: '${{ steps.b.row_count }}', x: '${{ steps.a.outputs.x }}' } }
";
    let advice = "or write `... | default(...)` where it may be missing";
    let from = |step| Case::of_steps(steps).from(step).choice_error();
    assert_eq!(
        from("b"),
        format!(
            "`b` reads `steps.a.outputs.x`, `d` reads `steps.a.outputs.x`, which no chosen step brings; start with `--from a`, {advice}"
        )
    );
    assert_eq!(
        from("c"),
        format!(
            "`c` reads `steps.b.rows`, `d` reads `steps.a.outputs.x`, `d` reads `steps.b.row_count`, which no chosen step brings; start with `--from a`, {advice}"
        )
    );
    assert_eq!(
        Case::of_steps(steps).only(&["c"]).choice_error(),
        format!("`c` reads `steps.b.rows`, which no chosen step brings; add `--only a` `--only b`, {advice}")
    );
    assert_eq!(
        Case::of_steps(steps)
            .only(&["a", "b", "d"])
            .answer(|_| Reply::json(200, json!({"x": 1, "rows": []})))
            .exit_code(),
        0
    );
}

#[test]
fn what_may_be_missing_need_not_be_chosen() {
    let steps = "steps:
  - { id: a, get: /a, outputs: { x: $.x } }
  - { id: b, get: /b, query: { x: '${{ steps.a.outputs.x | default(1) }}' } }
  - { id: c, if: steps.a.succeeded, get: '/c/${{ steps.a.outputs.x }}' }
  - { id: d, if: steps.a.succeeded, steps: [{ get: '/d/${{ steps.a.outputs.x }}' }] }
  - { id: e, get: /e, query: { skipped: '${{ steps.a.skipped }}' }, cleanup: [{ delete: '/e/${{ steps.a.outputs.x | default(2) }}' }] }
";
    let ran = Case::of_steps(steps).from("b").script([
        ("GET https://api.test/b?x=1", Reply::status(200)),
        ("GET https://api.test/e?skipped=true", Reply::status(200)),
        ("DELETE https://api.test/e/2", Reply::status(200)),
    ]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
}
