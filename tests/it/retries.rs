//! What is sent again and what is not, counted at a server that answers as no server should.

use crate::support::fleet::{entries, entry};
use crate::support::raw_server::RawServer;
use crate::support::runner::{Output, Runner};

/// A run of these steps for a provider at that server.
fn run(server: &RawServer, steps: &str) -> Output {
    let address = server.url("");
    let playbook = format!("version: 1\nproviders: {{ api: {{ base_url: {address:?} }} }}\nsteps:\n{steps}");
    Runner::applying(playbook).run()
}

/// How often each request was sent: `DELETE /x`.
fn count(server: &RawServer, line: &str) -> usize {
    server.requests().iter().filter(|request| request.starts_with(&format!("{line} "))).count()
}

#[test]
fn a_404_to_a_delete_after_one_without_an_answer_means_done() {
    let server = RawServer::start(|number, connection| {
        connection.receive();
        if number > 0 {
            connection.send(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let output = run(&server, "  - { id: remove, delete: /x }\n").exits(0);
    assert_eq!(count(&server, "DELETE /x"), 2);
    assert_eq!(entry(&output.report(), "remove")["retries"], 1);
    let server = RawServer::answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    run(&server, "  - { id: remove, delete: /x }\n").exits(1);
}

#[test]
fn a_redirect_that_answers_a_write_is_a_failure_and_is_not_followed() {
    for (status, is_safe_to_rerun) in [(301, false), (302, false), (303, false), (307, true), (308, true)] {
        let server = RawServer::answering(format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n"
        ));
        let report = run(&server, "  - { id: order, post: /x }\n").exits(1).report();
        assert_eq!(server.requests().len(), 1, "{status}");
        assert_eq!(report["safe_to_rerun"], is_safe_to_rerun, "{status}");
    }
}

#[test]
fn an_origin_without_an_answer_is_left_alone_and_cleanup_is_tried_once() {
    let server = RawServer::start(|_, connection| {
        if connection.receive().is_some_and(|request| request.starts_with("POST")) {
            connection.send(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let steps = "  - { id: made, post: /things, cleanup: [{ delete: /things }] }
  - { id: each, for_each: '${{ range(20) | list }}', get: '/${{ item }}', on_error: continue }
  - { id: after, get: /after }
";
    let output = run(&server, steps).exits(4);
    let output = output.says(&["20 items, 5 failed, 15 not started", "nothing more is sent there"]);
    let report = output
        .explains(&["is left alone: 5 requests in a row got no answer, or one that says that it is not well"])
        .report();
    assert_eq!((count(&server, "DELETE /things"), count(&server, "GET /after")), (1, 0));
    assert_eq!(server.requests().len(), 1 + 5 * 3 + 1);
    assert_eq!(report["requests"], server.requests().len());
    let items = entries(&report, "each");
    assert_eq!(items.iter().filter(|item| item["status"] == "not_started").count(), 15);
    assert_eq!(items.last().expect("the loop")["not_started_items"], 15);
    assert_eq!(entry(&report, "after")["status"], "not_started");
}

/// The server's clock is hours ahead: a date in `Retry-After` counts from the `Date` beside it.
#[test]
fn a_date_in_retry_after_is_read_by_the_servers_clock() {
    let server = RawServer::start(|number, connection| {
        connection.receive();
        connection.send(match number {
            0 => {
                b"HTTP/1.1 429 Slow\r\ndate: Fri, 01 Jan 2100 12:00:00 GMT\r\n\
                  retry-after: Fri, 01 Jan 2100 12:00:01 GMT\r\ncontent-length: 0\r\n\r\n"
            }
            _ => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        });
    });
    let report = run(&server, "  - { id: read, get: /x }\n").exits(0).report();
    assert_eq!(server.requests().len(), 2);
    assert!(entry(&report, "read")["took_ms"].as_f64().unwrap() >= 1000.0, "{report}");
}
