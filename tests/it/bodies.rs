//! Bodies of answers: whole, or an error of their own that says how much of them came.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderValue, Method, header};
use runner::port::{Request, SendFailure};
use tempfile::NamedTempFile;

use super::support::client::{assert_answer_fails, assert_fails, request, send};
use super::support::raw_server::RawServer;
use super::support::runner::Runner;
use super::support::tls;

const CHUNKED: &str = "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n";

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n", head.as_bytes(), b"\r\n\r\n", body].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory has room")
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory has room")
}

/// An answer with a compressed body.
fn compressed(encoding: &str, body: &[u8]) -> Vec<u8> {
    answer(&format!("content-encoding: {encoding}\r\ncontent-length: {}", body.len()), body)
}

/// What comes of a body that is whole.
#[track_caller]
fn assert_comes(answer: Vec<u8>, body: &str) {
    let server = RawServer::answering(answer);
    let response = send(&request(Method::GET, &server.url("/"))).expect("an answer");
    assert_eq!(String::from_utf8_lossy(&response.body), body);
}

#[test]
fn a_body_shorter_than_it_says() {
    let head = "content-length: 1000";
    let cut = |reason| (SendFailure::BodyCut { status: 200 }, reason);
    for (body, (failure, reason)) in [
        (&[b'x'; 512][..], cut("body cut after 512 of 1,000 bytes")),
        (b"{\"a\":", cut("body cut after 5 of 1,000 bytes")),
        (b"", cut("body cut after 0 of 1,000 bytes")),
    ] {
        assert_answer_fails(answer(head, body), failure, reason);
    }
}

#[test]
fn a_chunked_body_without_its_end() {
    let cut = SendFailure::BodyCut { status: 201 };
    for (chunks, reason) in [
        ("5\r\nhello\r\n", "body cut after 5 bytes, before its end"),
        ("5\r\nhe", "body cut after 2 bytes, before its end"),
        ("5\r\nhello\r\n0\r\n", "body cut after 5 bytes, before its end"),
        ("", "body cut after no bytes, before its end"),
        ("5\r\nhello\r\n<html>", "body cut after 5 bytes: what follows is no chunk"),
        ("5\r\nhello, 0\r\n\r\n", "body cut after 5 bytes: what follows is no chunk"),
        ("-5\r\nhello\r\n", "body cut after no bytes: what follows is no chunk"),
    ] {
        assert_answer_fails(format!("{CHUNKED}{chunks}"), cut, reason);
    }
}

#[test]
fn a_length_that_says_nothing() {
    let reason = "the answer is not HTTP: invalid content-length parsed";
    for lengths in [
        "content-length: 2\r\ncontent-length: 3",
        "content-length: 2, 3",
        "content-length: -2",
        "content-length: +2",
        "content-length: two",
        "content-length: 99999999999999999999999",
    ] {
        assert_answer_fails(answer(lengths, b"abc"), SendFailure::Unreadable { status: None }, reason);
    }
    assert_comes(answer("content-length: 3\r\ncontent-length: 3", b"abc"), "abc");
}

#[test]
fn chunks_count_more_than_a_length() {
    let head = "transfer-encoding: chunked\r\ncontent-length: 2";
    assert_comes(answer(head, b"5\r\nhello\r\n0\r\n\r\n"), "hello");
}

#[test]
fn a_head_without_end() {
    let reason = "the answer is not HTTP: message head is too large";
    let unreadable = SendFailure::Unreadable { status: None };
    let long = format!("x: {}", "x".repeat(1024 * 1024));
    assert_answer_fails(answer(&long, b""), unreadable, reason);
    let many = (0..500).map(|number| format!("x-{number}: y")).collect::<Vec<_>>().join("\r\n");
    assert_answer_fails(answer(&many, b""), unreadable, reason);
}

#[test]
fn a_compressed_body_is_opened() {
    let server = RawServer::answering(compressed("gzip", &gzip(b"hello")));
    let response = send(&request(Method::GET, &server.url("/"))).expect("an answer");
    assert_eq!(response.body, b"hello");
    assert!(!response.headers.contains_key("content-encoding"));
    assert!(server.requests()[0].contains("accept-encoding: gzip, br, deflate\r\n"));
    for (encoding, body) in [
        ("X-Gzip", gzip(b"hello")),
        ("deflate", zlib(b"hello")),
        ("identity", b"hello".to_vec()),
        ("gzip", [gzip(b"he"), gzip(b"llo")].concat()),
    ] {
        assert_comes(compressed(encoding, &body), "hello");
    }
    assert_comes(compressed("gzip", b""), "");
}

#[test]
fn a_part_of_a_file_is_not_asked_for_compressed() {
    let server = RawServer::answering(answer("content-length: 0", b""));
    let mut request = request(Method::GET, &server.url("/"));
    request.headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-9"));
    send(&request).expect("an answer");
    assert!(!server.requests()[0].contains("accept-encoding"), "{:?}", server.requests());
}

#[test]
fn a_compressed_body_that_is_cut_or_broken() {
    let whole = gzip(b"hello");
    let cut = &whole[..whole.len() - 6];
    let failure = SendFailure::BodyCut { status: 200 };
    let reason = format!("body cut after {} bytes, in the middle of what is compressed", cut.len());
    assert_answer_fails(compressed("gzip", cut), failure, &reason);
    // The connection's end proves nothing, and need not: the form has an end of its own.
    assert_answer_fails(answer("content-encoding: gzip", cut), failure, &reason);
    assert_comes(answer("content-encoding: gzip", &whole), "hello");
    let head = "content-encoding: gzip\r\ncontent-length: 900";
    let reason = format!("body cut after {} of 900 bytes", whole.len());
    assert_answer_fails(answer(head, &whole), failure, &reason);
    let unreadable = SendFailure::Unreadable { status: Some(200) };
    let reason = "the answer cannot be decompressed";
    assert_answer_fails(compressed("gzip", b"<html><title>Welcome"), unreadable, reason);
    let mut wrong = whole;
    let last = wrong.len() - 8;
    wrong[last] ^= 1;
    assert_answer_fails(compressed("gzip", &wrong), unreadable, reason);
}

#[test]
fn an_encoding_that_nobody_asked_for() {
    for encoding in ["zstd", "gzip, gzip", "gzip, br"] {
        let reason = format!("the answer has an encoding that was not asked for: {encoding}");
        let failure = SendFailure::Unreadable { status: Some(200) };
        assert_answer_fails(compressed(encoding, b"abc"), failure, &reason);
    }
}

#[test]
fn a_body_that_fills_the_memory_is_stopped() {
    let server = RawServer::start(|_, connection| {
        connection.receive();
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n");
        let megabyte = vec![b'x'; 1024 * 1024];
        for _ in 0..80 {
            connection.send(&megabyte);
        }
    });
    let failure = SendFailure::Unreadable { status: Some(200) };
    let reason = "the answer is larger than 64 MB";
    assert_fails(&request(Method::GET, &server.url("/")), failure, reason);
    let bomb = gzip(&vec![0; 65 * 1024 * 1024]);
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    assert_answer_fails(compressed("gzip", &bomb), failure, reason);
}

#[test]
fn silence_inside_the_body() {
    let server = RawServer::start(|_, connection| {
        connection.receive();
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        connection.wait_for_close();
    });
    let request = Request { timeout: Duration::from_millis(100), ..request(Method::GET, &server.url("/")) };
    let reason = "body cut after 4 of 10 bytes: not complete within 100 ms";
    assert_fails(&request, SendFailure::BodyCut { status: 200 }, reason);
}

/// Only the server can end an encrypted connection, so that its end proves a body which nothing else proves.
#[test]
fn the_end_of_an_encrypted_connection_proves_a_body() {
    let authority = NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), tls::ONE.certificate).unwrap();
    let asked = |server: &RawServer| {
        let request = request(Method::GET, &tls::url(server, "/"));
        send(&Request { ca_file: Some(authority.path().to_owned()), ..request })
    };
    let body = answer("content-type: text/csv", b"a,b\n");
    let response = asked(&tls::ONE.server(body.clone())).expect("an answer");
    assert_eq!((&response.body[..], response.is_proven_whole), (&b"a,b\n"[..], true));
    let error = asked(&tls::ONE.server_that_hangs_up(body)).map(|_| ()).expect_err("a cut");
    let reason = "body cut after 4 bytes, before its end";
    assert_eq!((error.failure, error.reason.as_str()), (SendFailure::BodyCut { status: 200 }, reason));
}

/// A run of one step against a server that always answers so, how often it was asked, and what was said.
#[track_caller]
fn assert_run(step: &str, content_type: &str, body: &[u8], exit_code: i32, requests: usize, words: &str) {
    let server = RawServer::answering(answer(&format!("content-type: {content_type}"), body));
    let playbook =
        format!("version: 1\nproviders:\n  api: {{ base_url: {:?} }}\nsteps:\n  - {step}\n", server.url(""));
    let output = Runner::new().args(["apply", "p.yaml"]).file("p.yaml", playbook).run().exits(exit_code);
    assert!(output.text().contains(words), "{}", output.text());
    assert_eq!(server.requests().len(), requests, "{}", output.text());
}

#[test]
fn a_connection_that_ends_without_a_length_proves_json_and_nothing_else() {
    let (json, csv) = ("application/json", "text/csv");
    let list = "{ get: /x, rows: $ }";
    assert_run(list, json, b"[1, 2]", 0, 1, "2 rows");
    assert_run(list, json, b"[1, 2", 4, 3, "`GET /x`: body cut after 5 bytes, in the middle of its JSON");
    assert_run("post: /x", json, b"[1, 2", 0, 1, "done");
    let keep = "{ get: /x, outputs: { text: $ } }";
    assert_run(keep, csv, b"a,b\n", 1, 1, "nothing says whether its body is whole");
    assert_run("get: /x", csv, b"a,b\n", 0, 1, "done");
    assert_run("post: /x", csv, b"a,b\n", 0, 1, "done");
}

#[test]
fn json_that_ends_in_the_middle_of_a_whole_body_is_no_syntax_error() {
    let server =
        RawServer::answering(answer("content-type: application/json\r\ncontent-length: 3", b"{\"a\":1}"));
    let playbook = format!("version: 1\nsteps:\n  - get: {:?}\n", server.url("/x"));
    let output = Runner::new().args(["apply", "p.yaml"]).file("p.yaml", playbook).run().exits(1);
    let words = "but the JSON body ends in the middle, after 3 bytes";
    assert!(output.text().contains(words), "{}", output.text());
}
