//! The protocol: answers that are whole and well-formed, and say no.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use httpdate::fmt_http_date;
use serde_json::{Value, json as object};

use super::api::{ACCESS, Api, LOGIN, LOGOUT, RENEW, arguments, furnish, refusal};
use super::server::{Act, Answer, Request, html, json, reply};
use crate::support::fleet::entry;
use crate::support::runner::{Output, Runner};

const READ: &str = "steps:\n  - { id: read, get: /data }\n";
const DATA: &str = "GET /data";
const WRITE: &str = "steps:
  - { id: write, post: /orders, cleanup: [{ delete: /orders }] }
  - { id: later, get: /later }
";
const ORDER: &str = "POST /orders";

/// An answer in good health.
fn done() -> Answer {
    json(200, &object!({ "id": 7 }))
}

/// Asserts all that came to the server.
#[track_caller]
fn assert_lines(api: &Api, lines: &[&str]) {
    assert_eq!(api.server.lines(), lines, "what came to the server");
}

// Sessions

#[test]
fn storm_of_401s() {
    // Every request finds its token revoked, and is sent once more with a new one.
    let api = Api::start(|request, sessions| {
        (request.line.starts_with("GET") && request.nth == 1).then(|| {
            sessions.revoke();
            refusal(401, "revoked", "this token was revoked")
        })
    });
    let steps = "steps:\n  - { for_each: \"${{ range(0, 20) }}\", get: \"/data/${{ item }}\" }\n";
    let output = api.run(steps).exits(0);
    let items: Vec<String> = (0..20).map(|item| format!("GET /data/{item}")).collect();
    let wanted: Vec<&str> = items.iter().flat_map(|item| [item, RENEW, item]).collect();
    api.assert_asked(&wanted);
    api.complete(&output);
}

/// A server that takes all tokens back at the first read, and answers what renews them by a function.
fn revoking(mut renew: impl FnMut(&Request) -> Answer + Send + 'static) -> Api {
    Api::start(move |request, sessions| match request.line.as_str() {
        DATA if request.nth == 1 => {
            sessions.revoke();
            None
        }
        RENEW => Some(renew(request)),
        _ => None,
    })
}

#[test]
fn refresh_refused() {
    let api = revoking(|_| refusal(401, "bad_refresh", "this refresh token was used"));
    let output = api.run(READ).exits(0);
    assert_lines(&api, &[LOGIN, DATA, RENEW, LOGIN, DATA, LOGOUT]);
    api.complete(&output);
}

#[test]
fn refresh_refused_and_the_login_too() {
    let api = Api::start(|request, sessions| match request.line.as_str() {
        DATA => {
            sessions.revoke();
            None
        }
        RENEW => Some(refusal(401, "bad_refresh", "this refresh token was used")),
        LOGIN if request.nth > 1 => Some(refusal(401, "bad_login", "the password was changed")),
        _ => None,
    });
    let output = api.run(READ).exits(3).explains(&["error: ", "refused to sign in", "what now: "]);
    assert!(output.stderr.contains("the password was changed"), "{}", output.stderr);
    assert_lines(&api, &[LOGIN, DATA, RENEW, LOGIN]);
    api.complete(&output);
}

#[test]
fn refresh_down() {
    for broken in [|| reply(503, &[], ""), || html(500, "<html>oops</html>"), || vec![Act::Reset]] {
        let api = revoking(move |_| broken());
        let output = api.run(READ).exits(0);
        assert_lines(&api, &[LOGIN, DATA, RENEW, RENEW, RENEW, LOGIN, DATA, LOGOUT]);
        api.complete(&output);
    }
}

#[test]
fn login_answering_html() {
    for status in [200, 500] {
        let api = Api::answering(LOGIN, move |_| html(status, "<html>We are being rebuilt.</html>"));
        let output = api.run(READ).explains(&["error: "]);
        // A login whose outcome is not known is tried once more.
        let (code, attempts) = if status == 200 { (3, 1) } else { (4, 2) };
        assert_eq!(output.code, Some(code), "{}", output.stderr);
        assert_lines(&api, &vec![LOGIN; attempts]);
        assert!(output.stderr.contains("HTML"), "{}", output.stderr);
        assert!(!output.stderr.contains("expected value"), "no syntax error of JSON: {}", output.stderr);
        api.complete(&output);
    }
}

#[test]
fn unauthorized_401_for_ever() {
    let api = Api::answering(DATA, |_| refusal(401, "unauthorized", "who are you?"));
    let output = api.run(READ).exits(3).explains(&["error: ", "401", "what now: "]);
    assert_lines(&api, &[LOGIN, DATA, RENEW, DATA, LOGOUT]);
    assert_eq!(api.complete(&output)["causes"], object!(["sign_in"]));
}

/// A token that says itself when it ends: in an hour, by the server's clock.
fn jwt(number: u32) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the time is after 1970").as_secs();
    // The tokens of one test are the same whenever they are asked for.
    let hour = now / 3600 * 3600;
    let payload = object!({ "jti": format!("{ACCESS}-{number}"), "iat": hour - 3600, "exp": hour + 7200 });
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(&object!({ "alg": "HS256" })), part(&payload))
}

#[test]
fn clocks_two_hours_wrong() {
    for shift in ["+2h", "-2h", "+26h"] {
        let api = Api::start(|_, sessions| {
            sessions.token = jwt;
            None
        });
        let program = furnish(Runner::of("faketime"), READ, &api.server.url());
        let program = program.args(["--exclude-monotonic", "-f", shift, env!("CARGO_BIN_EXE_runner")]);
        let output = program.args(arguments(&api.server.url())).run().exits(0);
        api.assert_asked(&[DATA]);
        api.complete(&output);
    }
}

// Refusals for now

/// A read and a write that are answered 429 with this header and then are done. Returns how long each took, in
/// milliseconds.
#[track_caller]
fn throttled_once(retry_after: impl Fn() -> String + Clone + Send + 'static) -> [f64; 2] {
    [(READ, DATA, "read"), ("steps: [{ id: write, post: /orders }]\n", ORDER, "write")].map(
        |(steps, line, id)| {
            let retry_after = retry_after.clone();
            let api = Api::answering(line, move |request| match request.nth {
                1 => reply(429, &[("retry-after", &retry_after())], ""),
                _ => done(),
            });
            let output = api.run(steps).exits(0);
            api.assert_asked(&[line, line]);
            entry(&api.complete(&output), id)["took_ms"].as_f64().expect("milliseconds")
        },
    )
}

#[test]
fn throttled_429_with_seconds() {
    for took in throttled_once(|| "1".to_owned()) {
        assert!((1000.0..5000.0).contains(&took), "asked again after {took} ms");
    }
}

#[test]
fn throttled_429_with_a_date() {
    // A date has whole seconds: what is left of two of them is one at least.
    for took in throttled_once(|| fmt_http_date(SystemTime::now() + Duration::from_secs(2))) {
        assert!((900.0..6000.0).contains(&took), "asked again after {took} ms");
    }
}

#[test]
fn throttled_429_with_garbage() {
    for garbage in ["soon", "", "-3600", "1e9", "Thu, 99 Foo 2026 25:61:61 GMT"] {
        for took in throttled_once(|| garbage.to_owned()) {
            assert!(took < 5000.0, "{garbage:?}: asked again after {took} ms");
        }
    }
}

#[test]
fn throttled_429_with_more_digits_than_time() {
    let api = Api::answering(DATA, |request| match request.nth {
        1 => reply(429, &[("retry-after", "99999999999999999999999")], ""),
        _ => done(),
    });
    let output = api.run(READ).exits(0);
    api.assert_asked(&[DATA, DATA]);
    api.complete(&output);
}

#[test]
fn throttled_429_with_an_hour() {
    for (steps, line) in [(READ, DATA), (WRITE, ORDER)] {
        let api = Api::answering(line, |_| reply(429, &[("retry-after", "3600")], ""));
        let output = api.run(steps).exits(4).explains(&["error: ", "429", "what now: "]);
        api.assert_asked(&[line]);
        let report = api.complete(&output);
        assert!(report["took_ms"].as_f64().unwrap() < 10_000.0, "an hour is not slept\n{report:#}");
        assert_eq!(report["safe_to_rerun"], true);
    }
}

#[test]
fn flapping_503() {
    let api = Api::start(|request, _| {
        (request.line.starts_with("GET") && request.nth % 2 == 1).then(|| reply(503, &[], ""))
    });
    let steps = "steps:\n  - { for_each: \"${{ range(0, 4) }}\", get: \"/data/${{ item }}\" }\n";
    let output = api.run(steps).exits(0);
    let items: Vec<String> = (0..4).map(|item| format!("GET /data/{item}")).collect();
    let wanted: Vec<&str> = items.iter().flat_map(|item| [item.as_str(); 2]).collect();
    api.assert_asked(&wanted);
    assert_eq!(api.complete(&output)["retries"], 4);
}

#[test]
fn flapping_503_on_a_write() {
    // With a time to come back, it was surely not done; without one, nobody knows.
    let api = Api::answering(ORDER, |request| match request.nth {
        1 => reply(503, &[("retry-after", "0")], ""),
        _ => done(),
    });
    let output = api.run("steps: [{ post: /orders }]\n").exits(0);
    api.assert_asked(&[ORDER, ORDER]);
    api.complete(&output);
    unknown(|| reply(503, &[], ""));
}

/// A bare write whose answer leaves open whether it was done: sent once, cleaned up after, nothing behind it.
#[track_caller]
fn unknown(answer: impl Fn() -> Answer + Send + 'static) {
    let api = Api::answering(ORDER, move |_| answer());
    let output = api.run(WRITE).exits(5);
    let output = output.explains(&["error: ", "nobody knows whether it was done", "what now: look at api"]);
    api.assert_asked(&[ORDER, "DELETE /orders"]);
    let report = api.complete(&output);
    assert_eq!((&report["safe_to_rerun"], &report["retries"]), (&object!(false), &object!(0)));
    assert_eq!(entry(&report, "later")["status"], "not_started");
}

#[test]
fn server_error_500_on_a_write() {
    unknown(|| refusal(500, "oops", "something broke"));
    unknown(|| html(502, "<html>bad gateway</html>"));
    unknown(|| reply(504, &[], ""));
}

// Refusals for good

/// A write that was refused: sent once, said with the provider's own words, and not cleaned up after.
#[track_caller]
fn refused(status: u16) {
    let api = Api::answering(ORDER, move |_| refusal(status, "not_so", "an order is under way"));
    let status = status.to_string();
    let output = api.run(WRITE).exits(1).explains(&["error: ", &status, "POST ", "what now: "]);
    assert!(output.stderr.contains("an order is under way"), "{}", output.stderr);
    api.assert_asked(&[ORDER]);
    let report = api.complete(&output);
    assert_eq!((&report["causes"], &report["retries"]), (&object!(["step"]), &object!(0)));
    assert_eq!(entry(&report, "later")["status"], "not_started");
}

#[test]
fn conflict_409() {
    refused(409);
}

#[test]
fn precondition_412() {
    refused(412);
}

#[test]
fn unprocessable_422() {
    refused(422);
}

#[test]
fn error_in_a_200() {
    let api = Api::answering(ORDER, |_| refusal(200, "quota", "no SIMs are left"));
    let strict =
        include_str!("../../cases/faults/api.yaml").to_owned() + "success: response.body.error is none\n";
    let output = api.apply(WRITE).file("api.yaml", strict).run().exits(1);
    let output = output.explains(&["error: ", "200", "no SIMs are left"]);
    assert_eq!(api.server.count(ORDER), 1);
    assert_eq!(api.server.count("GET /later"), 0);
    assert_eq!((api.server.count(LOGIN), api.server.count(LOGOUT)), (1, 1));
    api.complete(&output);
}

// Lists

const ITEMS: &str = "steps:\n  - { id: list, call: api.list_items, save: items.ndjson }\n";
const PAGES: &str = "steps:\n  - { id: list, call: api.list_pages, save: items.ndjson }\n";

/// A page of ten items from `first` on.
fn page(first: usize, next: Option<&str>, total: usize) -> Answer {
    let items: Vec<Value> = (first..first + 10).map(|id| object!({ "id": id })).collect();
    json(200, &object!({ "items": items, "next": next, "total": total }))
}

/// A list that is not all: the step fails, what came is kept under another name than a whole list has.
#[track_caller]
fn list_fails(api: &Api, steps: &str, cause: &str, requests: usize) -> Output {
    let output = api.run(steps).exits(1).explains(&["error: ", cause]);
    assert_eq!(api.server.lines().len(), 1 + requests + 1, "{:?}", api.server.lines());
    assert_eq!(api.server.lines().last().map(String::as_str), Some(LOGOUT));
    assert!(!output.dir.join("items.ndjson").exists(), "a short list never bears the name of a whole one");
    let report = api.complete(&output);
    assert_eq!(entry(&report, "list")["status"], "failed");
    output
}

#[test]
fn pages_that_repeat() {
    let api = Api::start(|request, _| match request.line.as_str() {
        "GET /items" => Some(page(0, Some("a"), 30)),
        "GET /items?cursor=a" => Some(page(10, Some("b"), 30)),
        "GET /items?cursor=b" => Some(page(20, Some("a"), 30)),
        _ => None,
    });
    list_fails(&api, ITEMS, "cursor", 3);
    let api = Api::start(|request, _| {
        let number = request.line.strip_prefix("GET /pages?page=")?.parse::<usize>().ok()?;
        Some(page(number.min(3) * 10, None, 0))
    });
    list_fails(&api, PAGES, "repeat", 4);
}

#[test]
fn pages_that_never_end() {
    let api = Api::start(|request, _| {
        let number = request.line.strip_prefix("GET /pages?page=")?.parse::<usize>().ok()?;
        Some(page(number * 10, None, 0))
    });
    list_fails(&api, PAGES, "20", 20);
}

#[test]
fn pages_that_shrink() {
    let api = Api::start(|request, _| match request.line.as_str() {
        "GET /items" => Some(page(0, Some("a"), 30)),
        "GET /items?cursor=a" => Some(page(10, None, 30)),
        _ => None,
    });
    let output = list_fails(&api, ITEMS, "30", 2);
    assert_eq!(output.rows("items.ndjson.partial").len(), 20);
}

#[test]
fn pages_that_expire() {
    // The position in the list is forgotten by the server.
    let api = Api::start(|request, _| match request.line.as_str() {
        "GET /items" => Some(page(0, Some("a"), 30)),
        "GET /items?cursor=a" => Some(refusal(410, "gone", "this cursor has expired")),
        _ => None,
    });
    let output = list_fails(&api, ITEMS, "410", 2);
    assert!(output.stderr.contains("this cursor has expired"), "{}", output.stderr);
    // The session ends in the middle of the list: that page alone is asked for again.
    let api = Api::start(|request, sessions| match (request.line.as_str(), request.nth) {
        ("GET /items?cursor=a", 1) => {
            sessions.revoke();
            None
        }
        ("GET /items", _) => Some(page(0, Some("a"), 20)),
        ("GET /items?cursor=a", _) => Some(page(10, None, 20)),
        _ => None,
    });
    let output = api.run(ITEMS).exits(0);
    api.assert_asked(&["GET /items", "GET /items?cursor=a", RENEW, "GET /items?cursor=a"]);
    assert_eq!(output.rows("items.ndjson").len(), 20);
    api.complete(&output);
}
