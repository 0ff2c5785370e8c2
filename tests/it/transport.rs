//! The network as it really is: servers that refuse, fall silent, cut and lie.

use std::net::{Shutdown, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use http::{HeaderValue, Method, header};
use runner::port::{Body, BodyPart, Request, SendFailure, Transport};
use runner::system::HttpTransport;
use tempfile::NamedTempFile;

use super::support::client::{assert_answer_fails, assert_fails, block_on, post, request, send};
use super::support::fleet::entries;
use super::support::raw_server::RawServer;
use super::support::runner::Runner;
use super::support::tls::{self, Authority};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A port on which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("a listener has an address").port()
}

#[test]
fn an_answer_comes_whole() {
    let server = RawServer::answering("HTTP/1.1 201 Created\r\nX-Id: 7\r\ncontent-length: 2\r\n\r\n{}");
    let mut request = post(&server.url("/a?b=c"), "{\"a\":1}");
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let response = send(&request).expect("an answer");
    assert_eq!((response.status, &response.body[..]), (201, &b"{}"[..]));
    assert_eq!(response.headers["x-id"], "7");
    let received = &server.requests()[0];
    assert!(
        received.starts_with("POST /a?b=c HTTP/1.1\r\n") && received.ends_with("{\"a\":1}"),
        "{received}"
    );
    assert!(received.contains("content-type: application/json\r\n"), "{received}");
    assert!(received.contains(concat!("user-agent: runner/", env!("CARGO_PKG_VERSION"))), "{received}");
}

#[test]
fn a_port_where_nobody_listens() {
    let url = format!("http://127.0.0.1:{}/secret-path", closed_port());
    assert_fails(&post(&url, "x"), SendFailure::NotSent, "connection refused");
}

#[test]
fn a_name_that_does_not_exist() {
    // RFC 6761: `.invalid` never resolves, and a resolver need not ask anybody to know.
    let request = post("http://secret-host.invalid/", "x");
    assert_fails(&request, SendFailure::NotSent, "name not found");
}

#[test]
fn a_connection_that_ends_before_the_answer() {
    let server = RawServer::start(|_, connection| {
        connection.receive();
    });
    assert_fails(&post(&server.url("/"), "x"), SendFailure::Unknown, "connection closed before an answer");
    assert_eq!(server.requests().len(), 1, "sent once");
}

#[test]
fn a_connection_that_ends_inside_the_head() {
    assert_answer_fails(
        b"HTTP/1.1 200 OK\r\ncontent-le",
        SendFailure::Unknown,
        "connection closed before an answer",
    );
}

#[test]
fn an_answer_that_is_not_http() {
    let reason = "the answer is not HTTP: invalid HTTP version parsed";
    let failure = SendFailure::Unreadable { status: None };
    assert_answer_fails(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", failure, reason);
}

#[test]
fn silence() {
    let server = RawServer::start(|_, connection| {
        connection.receive();
        connection.wait_for_close();
    });
    let request = Request { timeout: Duration::from_millis(100), ..post(&server.url("/"), "x") };
    assert_fails(&request, SendFailure::Unknown, "no answer within 100 ms");
    assert_eq!(server.requests().len(), 1, "sent once");
}

#[test]
fn silence_instead_of_tls() {
    let server = RawServer::start(|_, connection| connection.wait_for_close());
    let url = server.url("/").replace("http://", "https://");
    let request = Request { timeout: Duration::from_millis(200), ..post(&url, "x") };
    assert_fails(&request, SendFailure::NotSent, "no connection in time");
}

#[test]
fn plain_text_instead_of_tls() {
    let server = RawServer::start(|_, connection| {
        connection.send(OK);
        connection.wait_for_close();
    });
    let url = server.url("/").replace("http://", "https://");
    let error = send(&post(&url, "x")).expect_err("no TLS");
    assert_eq!(error.failure, SendFailure::NotSent, "{error}");
    assert!(error.reason.starts_with("TLS failed: "), "{error}");
}

/// What trusts an authority whose certificate lies in this file.
fn trusting(file: &NamedTempFile, request: Request) -> Request {
    Request { ca_file: Some(file.path().to_owned()), ..request }
}

fn ca_file(authority: &Authority) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.certificate).unwrap();
    file
}

#[test]
fn a_certificate_of_an_unknown_authority() {
    let url = tls::url(&tls::ONE.server(OK), "/secret-path");
    assert_fails(
        &post(&url, "x"),
        SendFailure::NotSent,
        "certificate not trusted: nobody here knows its issuer",
    );
}

#[test]
fn a_certificate_for_another_host() {
    let url = tls::ONE.server(OK).url("/").replace("http://127.0.0.1", "https://localhost");
    let authority = ca_file(&tls::ONE);
    let request = trusting(&authority, post(&url, "x"));
    assert_fails(&request, SendFailure::NotSent, "certificate not trusted: it belongs to another host");
}

#[test]
fn a_private_authority_is_trusted_by_those_requests_alone_that_name_it() {
    let (one, other) = (tls::ONE.server(OK), tls::OTHER.server(OK));
    let (of_one, of_other) = (ca_file(&tls::ONE), ca_file(&tls::OTHER));
    let transport = HttpTransport::default();
    block_on(async {
        for (server, own, foreign) in [(&one, &of_one, &of_other), (&other, &of_other, &of_one)] {
            let request = || post(&tls::url(server, "/"), "x");
            let response = transport.send(&trusting(own, request())).await.expect("an answer");
            assert_eq!((response.status, &response.body[..]), (200, &b"ok"[..]));
            for request in [request(), trusting(foreign, request())] {
                let error = transport.send(&request).await.expect_err("no trust");
                let expected = "certificate not trusted: nobody here knows its issuer";
                assert_eq!((error.failure, error.reason.as_str()), (SendFailure::NotSent, expected));
            }
        }
    });
}

#[test]
fn a_redirect_is_an_answer() {
    let elsewhere = RawServer::answering(OK);
    let location = elsewhere.url("/");
    let server = RawServer::answering(format!(
        "HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    ));
    let response = send(&request(Method::GET, &server.url("/"))).expect("an answer");
    assert_eq!((response.status, response.headers["location"].to_str().unwrap()), (302, location.as_str()));
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn no_cookie_comes_back() {
    let server = RawServer::start(|_, connection| {
        while connection.receive().is_some() {
            connection.send(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let transport = HttpTransport::default();
    block_on(async {
        for _ in 0..2 {
            transport.send(&request(Method::GET, &server.url("/"))).await.expect("an answer");
        }
    });
    assert!(!server.requests()[1].to_ascii_lowercase().contains("cookie"));
}

#[test]
fn connections_are_used_again() {
    let server = RawServer::start(|_, connection| {
        while connection.receive().is_some() {
            connection.send(OK)
        }
    });
    let transport = HttpTransport::default();
    // The server takes a second connection only after the first has ended: on two, this would never return.
    block_on(async {
        for seconds in [30, 30, 10, 9, 2, 600] {
            let timeout = Duration::from_secs(seconds);
            let request = Request { timeout, ..post(&server.url("/"), "x") };
            transport.send(&request).await.expect("an answer");
        }
    });
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn an_idle_connection_that_the_server_has_closed_is_replaced() {
    let (closed, has_closed) = mpsc::channel();
    let server = RawServer::start(move |_, connection| {
        connection.receive();
        connection.send(OK);
        connection.close();
        closed.send(()).expect("the test waits");
    });
    let transport = HttpTransport::default();
    block_on(async {
        for _ in 0..10 {
            transport.send(&post(&server.url("/"), "x")).await.expect("an answer");
            has_closed.recv().expect("the server closes");
            // The runtime looks at its sockets once in a while only.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
        }
    });
    assert_eq!(server.requests().len(), 10);
}

#[test]
fn a_connection_that_closes_while_it_is_used_sends_nothing_twice() {
    let server = RawServer::start(|_, connection| {
        connection.receive();
        connection.send(OK);
    });
    let transport = HttpTransport::default();
    let outcomes = block_on(async {
        let mut outcomes = Vec::new();
        for number in 0..20 {
            outcomes.push(transport.send(&post(&server.url("/"), &format!("write {number}"))).await);
        }
        outcomes
    });
    // Whichever side is first, each write arrives once at most; one that was lost is said to be unknown.
    for (number, outcome) in outcomes.iter().enumerate() {
        let body = format!("\r\n\r\nwrite {number}");
        let arrived = server.requests().iter().filter(|request| request.ends_with(&body)).count();
        match outcome {
            Ok(_) => assert_eq!(arrived, 1, "write {number}"),
            Err(error) => {
                assert_eq!(error.failure, SendFailure::Unknown, "write {number}: {error}");
                assert!(arrived <= 1, "write {number} arrived {arrived} times");
            }
        }
    }
}

#[test]
fn a_write_that_meets_a_dying_connection_is_sent_once() {
    // The second request of each connection is read and then the connection is reset without an answer.
    let server = RawServer::start(|_, connection| {
        connection.receive();
        connection.send(OK);
        connection.receive();
    });
    let transport = HttpTransport::default();
    let error = block_on(async {
        transport.send(&post(&server.url("/"), "first")).await.expect("an answer");
        transport.send(&post(&server.url("/"), "second")).await.expect_err("no answer")
    });
    assert_eq!(error.failure, SendFailure::Unknown, "{error}");
    let seconds = server.requests().iter().filter(|request| request.ends_with("second")).count();
    assert_eq!(seconds, 1);
}

/// The server closes each connection as soon as it has answered, without having said that it will, and takes note of what is
/// still sent there: the program meets the end of some connections just when it uses them again.
#[test]
fn attempts_in_the_report_are_requests_at_the_server_on_stale_connections_too() {
    let server = RawServer::start(|_, connection| {
        connection.receive();
        connection.send(OK);
        let _ = connection.stream.shutdown(Shutdown::Write);
        while connection.receive().is_some() {}
    });
    let playbook = format!(
        "
version: 1
providers:
  api: {{ base_url: {:?} }}
steps:
  - {{ id: read, for_each: '${{{{ range(200) | list }}}}', provider: api, get: '/read/${{{{ item }}}}' }}
  - {{ id: write, for_each: '${{{{ range(200) | list }}}}', provider: api, post: '/write/${{{{ item }}}}', on_error: continue }}
",
        server.url("")
    );
    let report = Runner::applying(playbook).run().report();
    let requests = server.requests();
    assert_eq!(report["requests"], requests.len());
    assert!(entries(&report, "read").iter().all(|entry| entry["status"] == "done"), "{report:#}");
    for number in 0..200 {
        let writes = requests.iter().filter(|request| request.starts_with(&format!("POST /write/{number} ")));
        assert_eq!(writes.count(), 1, "write {number}");
    }
}

#[test]
fn a_file_is_sent_with_its_length() {
    let server = RawServer::answering(OK);
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "x".repeat(100_000)).unwrap();
    let body = Body::File(file.path().to_owned());
    send(&Request { body, ..request(Method::PUT, &server.url("/")) }).expect("an answer");
    let received = &server.requests()[0];
    assert!(received.contains("content-length: 100000\r\n"), "{}", &received[..200]);
    assert!(!received.contains("transfer-encoding"), "{}", &received[..200]);
    assert!(received.ends_with(&"x".repeat(100_000)));
}

#[test]
fn a_file_that_is_missing_is_said_before_anything_is_sent() {
    let server = RawServer::answering(OK);
    let body = Body::File("/none/image.bin".into());
    let error = send(&Request { body, ..request(Method::PUT, &server.url("/")) }).expect_err("no file");
    assert_eq!(error.failure, SendFailure::Local);
    assert!(error.reason.starts_with("cannot read /none/image.bin: "), "{error}");
    assert!(server.requests().is_empty());
}

#[test]
fn several_parts_make_a_form() {
    let server = RawServer::answering(OK);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("firmware.bin");
    std::fs::write(&path, "0101").unwrap();
    let parts = vec![
        ("note".to_owned(), BodyPart::Text("tested".to_owned())),
        ("image".to_owned(), BodyPart::File { path, media_type: "application/octet-stream".to_owned() }),
    ];
    send(&Request { body: Body::Multipart(parts), ..request(Method::PUT, &server.url("/")) })
        .expect("an answer");
    let received = &server.requests()[0];
    for part in [
        "content-type: multipart/form-data; boundary=",
        "name=\"note\"\r\n\r\ntested\r\n",
        "name=\"image\"; filename=\"firmware.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n0101\r\n",
    ] {
        assert!(received.contains(part), "{part:?} is not in\n{received}");
    }
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let file = NamedTempFile::new().unwrap();
    let request = trusting(&file, request(Method::GET, "https://127.0.0.1:9/"));
    let reason = format!("cannot use the certificates in {}: there are none", file.path().display());
    assert_fails(&request, SendFailure::NotSent, &reason);
}
