//! Reports in all their forms, judged by others: published schemas, a reader of JUnit reports, Chromium.

use serde_json::{Value, json};

use crate::support::judges::{judge, open_archive, show_page};
use crate::support::runner::Output;
use crate::support::scripted::{Reply, ScriptedServer};
use crate::support::session_api::{self, TOKEN};

/// A name that would break out of every document that took it as it is.
const HOSTILE: &str =
    "\"'><script>alert(1)</script><img src=x onerror=alert(1)>]]>&amp;\u{202e}\u{1b}[31m{{ 7 * 7 }}";

/// Each kind of end: done, retried, redirected, refused, unknown, not started; items of which one fails; a cleanup.
fn playbook() -> String {
    let name = HOSTILE.replace('\u{1b}', "\\e").replace('"', "\\\"");
    format!(
        "name: \"{name}\"
steps:
  - {{ id: made, post: /tokens, outputs: {{ token: {{ path: $.token, secret: true }} }} }}
  - {{ id: flaky, name: \"{name}\", get: /flaky, query: {{ q: a b&c }}, retry: {{ attempts: 2 }} }}
  - {{ id: moved, get: /moved, headers: {{ X-Trace: '${{{{ steps.made.outputs.token }}}}' }} }}
  - id: each
    for_each: [1, 2]
    on_error: continue
    put: /items/${{{{ item }}}}
    json: {{ note: new }}
  - {{ id: order, post: /orders, json: {{ sims: 10 }} }}
  - {{ id: later, get: /later }}
cleanup:
  - {{ id: tidy, post: /tidy }}
"
    )
}

const MADE: &str = "made-geheim-0042";

fn server() -> ScriptedServer {
    let mut flaky = 0;
    session_api::start(move |request| match request.line.as_str() {
        "POST /tokens" => Reply::json(200, &json!({ "token": MADE })),
        "GET /flaky?q=a%20b%26c" => {
            flaky += 1;
            Reply::json(if flaky == 1 { 503 } else { 200 }, &json!({ "message": HOSTILE }))
        }
        "GET /moved" => Reply::empty(302).header("location", "/elsewhere"),
        "PUT /items/2" => Reply::json(409, &json!({ "message": HOSTILE })),
        "POST /orders" => Reply::json(500, &json!({ "message": format!("{HOSTILE} {TOKEN}") })),
        _ => Reply::json(200, &json!({})),
    })
}

/// A run that writes a report in each form. The search for planted secrets looks through all of them.
fn reported(server: &ScriptedServer) -> Output {
    let run = session_api::apply(server, &playbook()).plant(MADE);
    let flags = ["json=r.json", "junit=r.xml", "html=r.html", "har=r.har"];
    run.args(flags.iter().flat_map(|flag| ["--report", flag])).run().exits(5)
}

#[test]
fn a_reader_of_junit_reports_tells_failures_from_errors() {
    let server = server();
    let output = reported(&server);
    let read = judge("junit", output.read("r.xml").as_bytes());
    let report: Value = serde_json::from_str(&output.read("r.json")).unwrap();
    let cases: Vec<(String, String)> = read["suites"][0]["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| (text(&case["name"]), text(&case["status"])))
        .collect();
    let expected = [
        ("authenticate own", "PASS"),
        ("made", "PASS"),
        ("flaky", "PASS"),
        ("moved", "PASS"),
        ("each (item 1)", "PASS"),
        ("each (item 2)", "FAIL"),
        ("each", "FAIL"),
        ("order", "FAIL"),
        ("later", "SKIP"),
        ("tidy", "PASS"),
        ("logout own", "PASS"),
    ];
    assert_eq!(cases, expected.map(|(name, status)| (name.to_owned(), status.to_owned())));
    // Its total leaves out what was skipped.
    let counts =
        ["total", "passed", "failed", "errors", "skipped"].map(|count| read[count].as_u64().unwrap());
    assert_eq!(counts, [10, 7, 2, 1, 1]);
    let metadata = &read["suites"][0]["metadata"];
    assert_eq!((&metadata["run"], &metadata["exit_code"]), (&report["run"], &json!(5)));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn chromium_opens_the_archive_and_finds_each_request() {
    let server = server();
    let output = reported(&server);
    let archive = output.read("r.har");
    assert_eq!(judge("har", archive.as_bytes()), json!([]), "{archive}");
    let found = open_archive(&archive);
    let found = found.as_array().unwrap();
    let lines: Vec<String> = found
        .iter()
        .map(|request| {
            let path = text(&request["url"]).replacen(&server.base_url(), "", 1);
            format!("{} {path}", text(&request["method"]))
        })
        .collect();
    assert_eq!(lines, server.lines());
    let statuses: Vec<u64> = found.iter().map(|request| request["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 503, 200, 302, 200, 200, 409, 500, 200, 204]);
    let body = |index: usize| text(&found[index]["body"]);
    assert_eq!((body(0).as_str(), body(1).as_str()), ("", r#"{"token":"‹steps.made.outputs.token›"}"#));
    let archive: Value = serde_json::from_str(&archive).unwrap();
    let sent = &archive["log"]["entries"][4]["request"]["headers"];
    let sent: Vec<String> = sent.as_array().unwrap().iter().map(|header| text(&header["value"])).collect();
    assert!(sent.contains(&"‹steps.made.outputs.token›".to_owned()), "{sent:?}");
    assert!(sent.contains(&"Bearer ‹own.session.token›".to_owned()), "{sent:?}");
}

#[test]
fn chromium_shows_the_page_without_a_request_and_without_a_scroll_bar() {
    let output = reported(&server());
    let page = output.read("r.html");
    for width in [360, 1280] {
        let shown = show_page(&page, width);
        assert_eq!((&shown["requests"], &shown["complaints"]), (&json!([]), &json!([])), "at {width} px");
        let [scroll, client] = ["scrollWidth", "clientWidth"].map(|name| shown[name].as_u64().unwrap());
        assert!(scroll <= client, "{scroll} px in {client} px");
        let words = text(&shown["text"]);
        let verdict = words.find("unknown: 2 of 6 steps").expect("the verdict");
        let failure = words.find("own answered 409 Conflict").expect("the first failure");
        let advice = words.find("What now").expect("what to do");
        let steps = words.find("Time line").expect("the time line");
        assert!(verdict < failure && failure < advice && advice < steps, "{words}");
        assert!(words.contains("<script>alert(1)</script>") && words.contains("\\u{202e}"), "{words}");
        assert!(words.contains("{{ 7 * 7 }}"), "a name is no template: {words}");
        assert!(shown["pages"].as_u64().unwrap() >= 1, "it prints");
    }
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
}
