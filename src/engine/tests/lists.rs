//! Lists of many pages: complete, or failed.

use super::case::Case;
use crate::port::fake::{Reply, Sent};
use serde_json::{Value, json};

const BY_PAGE: &str = "steps:
  - id: list
    get: /devices
    rows: $.rows
    paginate: { by: page, param: page, pages: { header: x-pages }, total: { header: x-total } }
    save: devices.ndjson
";

const BY_CURSOR: &str = "steps:
  - id: list
    get: /devices
    query: { limit: 2 }
    rows: $.rows
    paginate: { by: cursor, param: after, next: { header: x-next } }
  - post: /count
    json: { count: '${{ steps.list.row_count }}', last: '${{ steps.list.rows | last }}' }
";

fn page(rows: Value, pages: u32, total: u32) -> Reply {
    let reply = Reply::json(200, json!({ "rows": rows }));
    reply.header("x-pages", &pages.to_string()).header("x-total", &total.to_string())
}

#[test]
fn pages_by_number() {
    let ran = Case::of_steps(BY_PAGE).script([
        ("GET https://api.test/devices?page=1", page(json!([1, 2]), 3, 3)),
        ("GET https://api.test/devices?page=2", page(json!([]), 3, 3)),
        ("GET https://api.test/devices?page=3", page(json!([3]), 3, 3)),
    ]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    assert_eq!(ran.file("devices.ndjson").unwrap(), "1\n2\n3\n");
    let list = ran.step("list");
    assert_eq!((list.rows, list.pages, list.requests), (Some(3), Some(3), 3));
}

#[test]
fn pages_by_cursor() {
    let rows = |rows: Value| Reply::json(200, json!({ "rows": rows }));
    let ran = Case::of_steps(BY_CURSOR).script([
        ("GET https://api.test/devices?limit=2", rows(json!([1])).header("x-next", "a b")),
        ("GET https://api.test/devices?limit=2&after=a%20b", rows(json!([])).header("x-next", "c")),
        ("GET https://api.test/devices?limit=2&after=c", rows(json!([2, 3]))),
        ("POST https://api.test/count", Reply::status(200)),
    ]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    assert_eq!(ran.network.sent()[3].body, r#"{"count":3,"last":3}"#);
}

#[test]
fn the_position_may_go_into_the_body() {
    let steps = "steps:
  - post: /search
    json: { q: x }
    effect: read
    rows: $.rows
    paginate: { by: page, param: page, in: json, start: 0 }
";
    let ran = Case::of_steps(steps).answer(|sent| {
        let is_first = sent.json()["page"] == 0;
        Reply::json(200, if is_first { json!({"rows": [1]}) } else { json!({"rows": []}) })
    });
    let bodies: Vec<String> = ran.network.sent().into_iter().map(|sent| sent.body).collect();
    assert_eq!(bodies, [r#"{"q":"x","page":0}"#, r#"{"q":"x","page":1}"#]);
}

#[test]
fn a_failing_page_is_repeated_alone() {
    let ran = Case::of_steps(BY_PAGE).script([
        ("GET https://api.test/devices?page=1", page(json!([1]), 2, 2)),
        ("GET https://api.test/devices?page=2", Reply::status(503)),
        ("GET https://api.test/devices?page=2", page(json!([2]), 2, 2)),
    ]);
    assert_eq!((ran.exit_code(), ran.step("list").retries), (0, 1));
}

#[test]
fn a_late_error_leaves_a_partial_file_and_says_so() {
    let ran = Case::of_steps(BY_PAGE).answer(|sent: &Sent| match sent.line.ends_with("page=1") {
        true => page(json!([1, 2]), 2, 3),
        false => Reply::status(503),
    });
    assert_eq!(ran.exit_code(), 4);
    assert_eq!(
        (ran.file("devices.ndjson"), ran.file("devices.ndjson.partial")),
        (None, Some("1\n2\n".into()))
    );
    let failure = ran.failure("list");
    assert_eq!(failure.headline.as_str(), "api answered 503 Service Unavailable to page 2 of `GET /devices`");
    assert_eq!(
        failure.request.as_ref().unwrap().as_str(),
        "GET https://api.test/devices?page=2 · attempt 3 of 3 after 750 ms · empty body"
    );
    assert_eq!(
        failure.advice.as_ref().unwrap().as_str(),
        "run it again later; nothing is half done. 2 rows of 1 page are in devices.ndjson.partial"
    );
}

#[test]
fn a_list_that_is_not_complete_fails() {
    let repeating = Case::of_steps(BY_PAGE).answer(|_| page(json!([1, 2]), 2, 4));
    assert_eq!(
        repeating.headlines(),
        ["the list of `GET /devices` is not complete: page 2 repeats the rows of page 1"]
    );
    let short = Case::of_steps(BY_PAGE).answer(|_| page(json!([1]), 1, 2));
    assert_eq!(
        short.headlines(),
        ["the list of `GET /devices` is not complete: 1 rows came, but the provider says that there are 2"]
    );
    let silent = Case::of_steps(BY_PAGE).answer(|_| Reply::json(200, json!({"rows": [1]})));
    assert_eq!(silent.exit_code(), 1);
    let looping = Case::of_steps(BY_CURSOR).answer(|sent| {
        let rows = json!([sent.line]);
        Reply::json(200, json!({ "rows": rows }))
            .header("x-next", if sent.line.ends_with("=a") { "b" } else { "a" })
    });
    assert!(
        looping.headlines()[0].ends_with("names a next page that was fetched before"),
        "{:?}",
        looping.headlines()
    );
    for broken in [short, silent, repeating] {
        assert_eq!(broken.file("devices.ndjson"), None);
    }
}

#[test]
fn an_answer_without_rows_is_no_empty_list() {
    let ran = Case::of_steps(BY_CURSOR).answer(|_| Reply::json(200, json!({"items": []})));
    assert_eq!(
        ran.headlines(),
        [
            "the rows of page 1 of `GET /devices` cannot be read: the answer has nothing at `$.rows`, where its rows should be"
        ]
    );
    let ran =
        Case::of_steps("steps:\n  - { get: /x, save: x.ndjson }\n").answer(|_| Reply::json(200, json!({})));
    assert_eq!(ran.exit_code(), 1);
}

#[test]
fn a_part_that_nobody_asked_for_is_no_list() {
    let part = |_: &Sent| Reply::json(206, json!([1, 2])).header("content-range", "bytes 0-20/1000");
    let ran = Case::of_steps("steps:\n  - { get: /x, rows: $, save: x.ndjson }\n").answer(part);
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (4, 3), "as a cut body");
    let (headline, advice) = ran.headline_and_advice();
    let words = "api answered 206 Partial Content to `GET /x`: a part came only: bytes 0-20 of 1,000";
    assert_eq!(headline, words);
    assert!(advice.contains("`expect: { status: 206 }`"), "{advice}");
    for step in
        ["headers: { Range: bytes=0-20 }", "expect: { status: 206 }", "expect: { status: [200, 206] }"]
    {
        let ran = Case::of_steps(&format!("steps:\n  - {{ get: /x, rows: $, {step} }}\n")).answer(part);
        assert_eq!(ran.exit_code(), 0, "{step}: {:?}", ran.headlines());
    }
    let ran = Case::of_steps("steps:\n  - { get: /x, rows: $, expect: { status: 2xx } }\n").answer(part);
    assert_eq!(ran.exit_code(), 4, "a class names no status");
    let ran = Case::of_steps("steps:\n  - { post: /x, outputs: { a: '$[0]' } }\n").answer(part);
    assert!(
        ran.headlines()[0].ends_with("it was done, but what it brought is lost"),
        "{:?}",
        ran.headlines()
    );
}
