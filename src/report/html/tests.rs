use super::*;
use crate::event::fake::clean;
use crate::event::{EntryKind, EntryReport, Purpose, RequestRecord};
use crate::model::redaction::Redactor;

fn entry(label: &str, depth: usize) -> EntryReport {
    EntryReport { depth, ..EntryReport::new(EntryKind::Step, clean(label), Duration::from_millis(2)) }
}

fn request(status: u16) -> RequestRecord {
    RequestRecord {
        entry: Some(0),
        purpose: Purpose::Step,
        method: clean("GET"),
        address: clean(&format!("https://api.example.com/{status}")),
        attempt: 1,
        was_sent: true,
        status: Some(status),
        problem: None,
        began: Duration::ZERO,
        took: Duration::from_millis(1),
        retry_after: None,
        http: None,
    }
}

fn record(entries: Vec<EntryReport>, requests: Vec<RequestRecord>) -> RunRecord {
    RunRecord { report: RunReport { took_ms: 10.0, entries, ..RunReport::default() }, requests }
}

fn page(record: &RunRecord, redactor: &Redactor) -> String {
    let mut page = Vec::new();
    write(record, &Texts(redactor), &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// The labels of the table of steps, in their order.
fn labels(page: &str) -> Vec<&str> {
    let cells = page.split("<span class=\"label\">").skip(1);
    cells.map(|rest| rest.split('<').next().unwrap()).collect()
}

#[test]
fn a_group_stands_before_what_is_in_it_and_nothing_else_moves() {
    let login = EntryReport { kind: EntryKind::Login, ..entry("own", 0) };
    let ended = vec![
        entry("first", 0),
        entry("deep", 2),
        entry("inner", 1),
        login,
        entry("second", 1),
        entry("outer", 0),
        entry("last", 0),
    ];
    let page = page(&record(ended, Vec::new()), &Redactor::default());
    let expected = ["first", "outer", "inner", "deep", "authenticate own", "second", "last"];
    assert_eq!(labels(&page), expected);
}

#[test]
fn a_page_has_an_end_and_says_what_is_not_on_it() {
    let steps = (0..1500).map(|number| entry(&format!("step-{number}"), 0)).collect();
    let requests = (0..3000).map(|number| request(if number >= 2995 { 500 } else { 200 })).collect();
    let page = page(&record(steps, requests), &Redactor::default());
    assert_eq!(labels(&page).len(), 1000);
    for words in [
        "the first 1,000 of 1,500 steps are shown; the JSON report has them all",
        "the first 200 of 1,500 steps are shown; the table below goes on",
        "1,000 of 3,000 requests are shown, those that failed before others",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert_eq!(page.matches("<tr class=\"failed\">").count(), 5, "the last requests failed");
}

#[test]
fn the_same_record_is_the_same_page_and_what_was_learned_late_is_not_on_it() {
    let record = record(vec![entry("token geheim-4711", 0)], vec![request(200)]);
    let redactor = Redactor::default();
    assert_eq!(page(&record, &redactor), page(&record, &redactor));
    let _ = redactor.learn("x.token", "geheim-4711");
    assert_eq!(labels(&page(&record, &redactor)), ["token ‹x.token›"]);
}

#[test]
fn the_page_allows_its_own_style_and_nothing_else() {
    let page = page(&record(Vec::new(), Vec::new()), &Redactor::default());
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = BASE64_STANDARD.encode(Sha256::digest(style)).replace('=', "&#x3d;").replace('/', "&#x2f;");
    let allowed = page.split("style-src '").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(allowed.replace("&#x3d;", "=").replace('=', "&#x3d;"), format!("sha256-{hash}"));
    assert!(!page.contains("style=\""), "an attribute would not be obeyed");
    assert!(page.contains("default-src 'none'"));
}
