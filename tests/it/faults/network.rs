//! The network: connections that are not made, that end, that fall silent, and answers that are not what they say.

use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json as object;

use super::api::{Api, LOGIN, LOGOUT, PASSWORD, arguments, complete, furnish};
use super::server::{Act, Answer, FaultServer, body, html, json, raw, reply};
use crate::support::fleet::entry;
use crate::support::full_queue::{fill, short_queue};
use crate::support::runner::{Output, Runner};
use crate::support::tls;

/// A read, and the line of its request.
const READ: &str = "steps:\n  - { id: read, get: /data, timeout: 5s, outputs: { id: $.id } }\n";
const DATA: &str = "GET /data";
/// A write that nothing makes repeatable, and a step that would follow.
const WRITE: &str = "steps:\n  - { id: write, post: /orders, timeout: 5s }\n  - { id: later, get: /later }\n";
const ORDER: &str = "POST /orders";

/// A read whose answer is never any good: it is tried three times, the run says why, the session is closed.
#[track_caller]
fn read_fails(code: i32, cause: &str, plan: impl FnMut() -> Answer + Send + 'static) -> Output {
    read_fails_after(3, code, cause, plan)
}

#[track_caller]
fn read_fails_after(
    attempts: usize,
    code: i32,
    cause: &str,
    mut plan: impl FnMut() -> Answer + Send + 'static,
) -> Output {
    let api = Api::answering(DATA, move |_| plan());
    let output = api.run(READ).exits(code).explains(&["error: ", cause, "what now: "]);
    api.assert_asked(&vec![DATA; attempts]);
    let report = api.complete(&output);
    let retries = attempts - 1;
    assert_eq!(
        (&report["retries"], &entry(&report, "read")["status"]),
        (&object!(retries), &object!("failed"))
    );
    output
}

/// A read that fails once and is done by its second attempt.
#[track_caller]
fn read_recovers(mut plan: impl FnMut() -> Answer + Send + 'static) {
    let api = Api::start(move |request, _| (request.line == DATA && request.nth == 1).then(&mut plan));
    let output = api.run(READ).exits(0);
    api.assert_asked(&[DATA, DATA]);
    assert_eq!(api.complete(&output)["retries"], 1);
}

/// A bare write of which nobody knows whether it was done: sent once, and nothing is sent behind it.
#[track_caller]
fn write_is_unknown(mut plan: impl FnMut() -> Answer + Send + 'static) {
    let api = Api::answering(ORDER, move |_| plan());
    let output = api.run(WRITE).exits(5);
    let output = output.explains(&["error: ", "nobody knows whether it was done", "what now: look at api"]);
    api.assert_asked(&[ORDER]);
    let report = api.complete(&output);
    let status = |label| entry(&report, label)["status"].clone();
    assert_eq!((status("write"), status("later")), (object!("unknown"), object!("not_started")));
    assert_eq!((&report["safe_to_rerun"], &report["retries"]), (&object!(false), &object!(0)));
}

/// Runs steps where sessions are made at the API and everything else goes to another address.
fn run_elsewhere(api: &Api, url: &str, rest: &str) -> Output {
    let runner = furnish(Runner::new(), rest, url).args(arguments(url));
    runner.args(["--auth-base-url", &format!("api={}", api.server.url())]).run()
}

/// Steps that meet nobody: the session that was opened elsewhere is closed, and the write was surely not done.
#[track_caller]
fn nobody_is_met(url: &str, reason: &str) {
    for method in ["get", "post"] {
        let api = Api::start(|_, _| None);
        let rest = format!("steps:\n  - {{ id: one, {method}: /data, timeout: 300ms }}\n");
        let output = run_elsewhere(&api, url, &rest).exits(4).explains(&["error: ", reason, "what now: "]);
        api.assert_asked(&[]);
        let report = api.complete(&output);
        assert_eq!(
            (&report["safe_to_rerun"], &report["causes"]),
            (&object!(true), &object!(["unavailable"]))
        );
    }
}

#[test]
fn refused() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    nobody_is_met(&format!("http://{closed}"), "connection refused");
}

#[test]
fn time_out() {
    let (_listener, address) = short_queue();
    let _waiting = fill(address);
    nobody_is_met(&format!("http://{address}"), "no connection in time");
}

#[test]
fn time_out_at_the_deadline() {
    let (_listener, address) = short_queue();
    let _waiting = fill(address);
    let api = Api::start(|_, _| None);
    let rest = "deadline: 500ms\nsteps:\n  - { id: one, post: /orders, cleanup: [{ delete: /orders }] }\n";
    let output = run_elsewhere(&api, &format!("http://{address}"), rest).exits(9);
    let output = output.explains(&["error: ", "the deadline of 500 ms passed", "what now: "]);
    api.assert_asked(&[]);
    let report = api.complete(&output);
    assert_eq!((&report["safe_to_rerun"], &report["causes"]), (&object!(true), &object!(["deadline"])));
    let attempts = &entry(&report, "one")["attempts"];
    assert_eq!(entry(&report, "one")["requests"], 0, "{attempts}");
}

#[test]
fn reset_before_the_answer() {
    read_fails(4, "connection", || vec![Act::Reset]);
    read_recovers(|| vec![Act::Reset]);
    write_is_unknown(|| vec![Act::Reset]);
    // Inside the head nothing is known yet, either.
    write_is_unknown(|| vec![Act::Send(b"HTTP/1.1 201 Created\r\ncontent-le".to_vec()), Act::Reset]);
}

fn reset_inside() -> Answer {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"id\": ";
    vec![Act::Send(head.to_vec()), Act::Reset]
}

#[test]
fn reset_inside_the_answer() {
    read_fails(4, "cut", reset_inside);
    read_recovers(reset_inside);
}

#[test]
fn silence() {
    let read = READ.replace("5s", "200ms");
    let api = Api::answering(DATA, |_| vec![Act::Silence]);
    let output = api.run(&read).exits(4).explains(&["error: ", "200 ms", "attempt 3 of 3", "what now: "]);
    api.assert_asked(&[DATA; 3]);
    api.complete(&output);
    let api = Api::answering(ORDER, |_| vec![Act::Silence]);
    let output = api.run(&WRITE.replace("5s", "200ms")).exits(5).explains(&["error: ", "what now: "]);
    api.assert_asked(&[ORDER]);
    assert_eq!(api.complete(&output)["safe_to_rerun"], false);
}

#[test]
fn silence_until_the_deadline() {
    let api = Api::answering(DATA, |_| vec![Act::Silence]);
    let output = api.run(&format!("deadline: 400ms\n{READ}")).exits(9);
    let output = output.explains(&["error: ", "the deadline of 400 ms passed", "what now: "]);
    api.assert_asked(&[DATA]);
    let took = api.complete(&output)["took_ms"].as_f64().unwrap();
    assert!(took < 4000.0, "the read had 5 s, the run 400 ms, and it took {took} ms");
}

#[test]
fn slow_trickle() {
    let trickle = || {
        let head =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n".to_vec();
        vec![Act::Send(head), Act::Trickle(b" ".repeat(100_000), Duration::from_millis(20))]
    };
    let api = Api::answering(DATA, move |_| trickle());
    let output = api.run(&READ.replace("5s", "300ms")).exits(4);
    let output = output.explains(&["error: ", "300 ms", "attempt 3 of 3", "what now: "]);
    api.assert_asked(&[DATA; 3]);
    let took = api.complete(&output)["took_ms"].as_f64().unwrap();
    assert!(took < 10_000.0, "bytes that come do not lengthen a time-out: {took} ms");
}

#[test]
fn wrong_content_length() {
    read_fails(4, "cut", || body("content-length: 900", b"{\"id\": 7}"));
    // What is too much is never taken for the answer to the next request.
    let smuggled =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{\"id\": 8}";
    let first = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{\"id\": 7}}{smuggled}"
    );
    let api = Api::answering("GET /first", move |_| vec![Act::Send(first.clone().into_bytes())]);
    let steps = "steps:
  - { get: /first, expect: { that: response.body.id == 7 } }
  - { id: second, get: /data, expect: { that: response.body.id == 7 } }
";
    let output = api.run(steps).exits(0);
    api.assert_asked(&["GET /first", DATA]);
    api.complete(&output);
}

#[test]
fn cut_bodies_say_how_much_came() {
    read_fails(4, "cut after 512 of 1,000 bytes", || body("content-length: 1000", &[b' '; 512]));
}

#[test]
fn double_content_length() {
    let twice = || body("content-length: 9\r\ncontent-length: 8", b"{\"id\": 7}");
    let api = Api::answering(DATA, move |_| twice());
    let output = api.run(READ).explains(&["error: ", "content-length", "what now: "]);
    assert!(matches!(output.code, Some(1 | 4)), "{:?}", output.code);
    api.complete(&output);
    assert_eq!((api.server.count(LOGIN), api.server.count(LOGOUT)), (1, 1));
    write_is_unknown(twice);
}

#[test]
fn cut_chunks() {
    for cut in [&b"5\r\n{\"id\"\r\n"[..], b"5\r\n{\"i"] {
        read_fails(4, "cut", move || body("transfer-encoding: chunked", cut));
    }
    read_recovers(|| body("transfer-encoding: chunked", b"5\r\n{\"id\"\r\n"));
}

/// What a program writes to its standard output.
fn output_of(script: &str) -> Vec<u8> {
    Command::new("sh").args(["-c", script]).output().expect("a shell").stdout
}

#[test]
fn gzip_cut() {
    let whole = output_of("printf '{\"id\": 7, \"name\": \"a name of some length\"}' | gzip");
    let cut = whole[..whole.len() - 12].to_vec();
    let head = format!("content-encoding: gzip\r\ncontent-length: {}", cut.len());
    read_fails(4, "cut", move || body(&head, &cut));
}

#[test]
fn gzip_bomb() {
    let bomb = output_of("head -c 200000000 /dev/zero | gzip");
    assert!(bomb.len() < 1_000_000, "{} bytes", bomb.len());
    let head = format!("content-encoding: gzip\r\ncontent-length: {}", bomb.len());
    read_fails_after(1, 1, "larger than 64 MB", move || body(&head, &bomb));
}

#[test]
fn unknown_encoding() {
    let zstd = || body("content-encoding: zstd\r\ncontent-length: 3", b"abc");
    read_fails_after(1, 1, "encoding", zstd);
}

#[test]
fn endless_body() {
    let endless = || {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[".to_vec();
        vec![Act::Send(head), Act::Flood(b"7,".repeat(500_000))]
    };
    read_fails_after(1, 1, "larger than 64 MB", endless);
}

#[test]
fn huge_headers() {
    let huge = || reply(200, &[("x-huge", &"x".repeat(4 * 1024 * 1024))], "");
    let api = Api::answering(DATA, move |_| huge());
    let output = api.run(READ).explains(&["error: ", "too large", "what now: "]);
    assert!(matches!(output.code, Some(1 | 4)), "{:?}", output.code);
    api.complete(&output);
    assert_eq!((api.server.count(LOGIN), api.server.count(LOGOUT)), (1, 1));
}

/// A certificate that is not trusted: no request comes through, not even the login.
#[track_caller]
fn certificate_is_refused(of_server: &tls::Authority, trusted: &tls::Authority, reason: &str) {
    let api = Api::start_tls(of_server.config(&[]));
    let output = api.apply(READ).file("ca.pem", trusted.certificate).run().exits(4);
    let output = output.explains(&["error: ", "certificate not trusted", reason, "what now: "]);
    assert_eq!(api.server.lines(), Vec::<String>::new());
    api.complete(&output);
}

#[test]
fn bad_certificate() {
    certificate_is_refused(&tls::ONE, &tls::OTHER, "issuer");
    let api = Api::start_tls(tls::ONE.config(&[]));
    let output = api.apply(READ).file("ca.pem", tls::ONE.certificate).run().exits(0);
    api.assert_asked(&[DATA]);
    api.complete(&output);
}

#[test]
fn expired_certificate() {
    certificate_is_refused(&tls::EXPIRED, &tls::EXPIRED, "expired");
}

#[test]
fn unresolvable_name() {
    // RFC 6761: `.invalid` never resolves.
    nobody_is_met("https://api.invalid", "name not found");
}

#[test]
fn stale_keep_alive() {
    // The server closes each connection behind an answer that does not say so, and is asked again when it has done so.
    let (closed, has_closed) = mpsc::channel();
    let api = Api::start(move |request, sessions| {
        let answer = sessions.answer(request).into_iter().chain([Act::Close]);
        Some(answer.chain((request.line == ORDER).then(|| Act::Announce(closed.clone()))).collect())
    });
    let meanwhile = FaultServer::start(move |_| {
        has_closed.recv().expect("the other one closes");
        raw("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
    });
    let steps = format!(
        "steps:
  - for_each: ${{{{ range(0, 5) }}}}
    steps: [{{ provider: api, post: /orders }}, {{ get: \"{}/\" }}]
",
        meanwhile.url()
    );
    let output = api.run(&steps).exits(0);
    api.assert_asked(&[ORDER; 5]);
    complete(&output, 5 + 2 + 5);
}

#[test]
fn stale_keep_alive_behind_the_request() {
    // The second request of a connection is read, and the connection is reset.
    let plan = |request: &super::server::Request| match request.connection {
        0 => vec![Act::Reset],
        _ => json(200, &object!({ "id": 7 })),
    };
    let api = Api::answering(DATA, plan);
    let output = api.run(READ).exits(0);
    api.assert_asked(&[DATA, DATA]);
    assert_eq!(api.complete(&output)["retries"], 1);
    let api = Api::answering(ORDER, plan);
    let output = api.run(WRITE).exits(5);
    api.assert_asked(&[ORDER]);
    api.complete(&output);
}

#[test]
fn proxy_refusals() {
    for status in [407, 502] {
        let proxy = FaultServer::start(move |_| reply(status, &[("proxy-authenticate", "Basic")], ""));
        let output =
            behind(&proxy.url()).exits(4).explains(&["error: ", "could not be reached", "what now: "]);
        assert!(
            proxy.lines().iter().all(|line| line == "CONNECT api.example.com:443"),
            "{:?}",
            proxy.lines()
        );
        assert!((1..=3).contains(&proxy.lines().len()), "{:?}", proxy.lines());
        assert!(proxy.requests().iter().all(|request| request.header("authorization").is_empty()));
        complete(&output, 0);
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = behind(&format!("http://{closed}")).exits(4).explains(&[
        "error: ",
        "connection refused",
        "what now: ",
    ]);
    complete(&output, 0);
}

/// A run whose way to the API is this proxy.
fn behind(proxy: &str) -> Output {
    let url = "https://api.example.com";
    furnish(Runner::new(), READ, url).args(arguments(url)).env("HTTPS_PROXY", proxy).run()
}

#[test]
fn captive_portal() {
    let portal = FaultServer::start(|_| html(200, "<html>Welcome! Please accept our terms.</html>"));
    read_fails_after(1, 1, "HTML", || html(200, "<html>Welcome! Please accept our terms.</html>"));
    assert_eq!(portal.lines(), Vec::<String>::new());
    // In place of everything: the password goes there once, for the address is the API's own, and no further.
    let output = furnish(Runner::new(), READ, &portal.url()).args(arguments(&portal.url())).run().exits(3);
    let output = output.explains(&["error: ", "HTML"]);
    assert_eq!(portal.lines(), [LOGIN]);
    assert!(portal.requests()[0].body.contains(PASSWORD));
    complete(&output, 1);
}

/// A write that brings something.
const ORDERING: &str = "steps:\n  - { id: write, post: /orders, outputs: { id: $.id } }\n";

#[test]
fn captive_portal_that_redirects() {
    for (steps, line) in [(READ, DATA), (ORDERING, ORDER)] {
        let portal = FaultServer::start(|_| html(200, "<html>Welcome! Please accept our terms.</html>"));
        let location = format!("{}/welcome", portal.url());
        let api = Api::answering(line, move |_| reply(302, &[("location", &location)], ""));
        let output = api.run(steps).exits(1).explains(&["error: ", "302", "what now: "]);
        api.assert_asked(&[line]);
        api.complete(&output);
        assert_eq!(portal.lines(), Vec::<String>::new());
    }
}

#[test]
fn captive_portal_at_the_login_says_what_now() {
    let api = Api::answering(LOGIN, |_| html(200, "<html>Welcome! Please accept our terms.</html>"));
    api.run(READ).exits(3).explains(&["error: ", "HTML", "what now: something in front"]);
    let api = Api::answering(LOGIN, |_| reply(302, &[("location", "http://portal.test/welcome")], ""));
    api.run(READ).exits(3).explains(&["error: ", "302", "what now: something in front"]);
}

#[test]
fn reset_inside_the_answer_to_a_write() {
    // The status says that the write was done: it is not repeated, and what the answer should have brought is missing.
    let api = Api::answering(ORDER, |_| reset_inside());
    let output = api.run(ORDERING).exits(1).explains(&["error: ", "cut", "what now: "]);
    api.assert_asked(&[ORDER]);
    assert_eq!(api.complete(&output)["safe_to_rerun"], false);
}

#[test]
fn proxy_that_refuses_is_named() {
    for (status, advice) in [(407, "credentials"), (502, "proxy")] {
        let proxy = FaultServer::start(move |_| reply(status, &[("proxy-authenticate", "Basic")], ""));
        let address = proxy.url().replace("http://", "");
        let run = behind(&proxy.url()).exits(4).explains(&["error: ", "proxy", "what now: ", advice]);
        assert!(run.stderr.contains(&address), "{}", run.stderr);
    }
}

#[test]
fn proxy_that_wants_credentials_is_asked_once() {
    for (url, line) in [
        ("https://api.example.com", "CONNECT api.example.com:443"),
        ("http://api.example.com", "POST http://api.example.com/session"),
    ] {
        let proxy = FaultServer::start(|_| reply(407, &[("proxy-authenticate", "Basic")], ""));
        let address = proxy.url().replace("http://", "");
        let named = format!("http://ops:proxy-geheim-3Zt@{address}");
        let program = furnish(Runner::new(), READ, url).args(arguments(url)).plant("proxy-geheim-3Zt");
        let run = program.env("HTTPS_PROXY", &named).env("HTTP_PROXY", &named).run().exits(4);
        let reason = format!("the proxy {address} refuses its credentials (407)");
        let run = run.explains(&["error: ", &reason, "what now: ", "credentials"]);
        assert_eq!(proxy.lines(), [line]);
        complete(&run, 0);
    }
}
