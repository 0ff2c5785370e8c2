//! Writes that must not be done twice, counted at a server that does what it is asked and loses its answers.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fleet::entry;
use crate::support::runner::{Output, Runner};
use crate::support::scripted::{Reply, Request, ScriptedServer};

/// What a shop has done, and what of its answers is to be lost.
#[derive(Default)]
struct Shop {
    /// The references of the orders that were made.
    orders: Vec<String>,
    /// The keys that it has seen, each once.
    keys: Vec<String>,
    /// How many answers to writes are still to be lost after the write was done.
    lost_after: usize,
    /// How many writes are still to be lost before they are done.
    lost_before: usize,
    /// Whether nobody may look.
    is_closed: bool,
}

impl Shop {
    fn answer(&mut self, request: &Request) -> Reply {
        match request.line.split(' ').next() {
            Some("POST") => self.order(request),
            _ if self.is_closed => Reply::empty(503),
            _ => Reply::json(
                200,
                &self.orders.iter().map(|reference| json!({ "id": reference })).collect::<Value>(),
            ),
        }
    }

    fn order(&mut self, request: &Request) -> Reply {
        if self.lost_before > 0 {
            self.lost_before -= 1;
            return Reply::empty(502);
        }
        let key = request.header("idempotency-key").to_owned();
        let reference = request.json()["reference"].as_str().unwrap_or_default().to_owned();
        if key.is_empty() || !self.keys.contains(&key) {
            self.keys.push(key);
            self.orders.push(reference.clone());
        }
        if self.lost_after > 0 {
            self.lost_after -= 1;
            return Reply::empty(504);
        }
        Reply::json(201, &json!({ "id": reference }))
    }
}

fn shop(shop: Shop) -> (Arc<Mutex<Shop>>, ScriptedServer) {
    let shop = Arc::new(Mutex::new(shop));
    let served = shop.clone();
    (shop, ScriptedServer::start(move |request| served.lock().expect("no holder panics").answer(request)))
}

fn run(server: &ScriptedServer, keys: &str) -> Output {
    let playbook = format!(
        "version: 1
providers:
  shop: {{ base_url: {:?} }}
steps:
  - id: order
    post: /orders
    json: {{ reference: o-7 }}
    outputs: {{ id: $.id }}
{keys}",
        server.base_url()
    );
    Runner::new()
        .file("order.yaml", playbook)
        .args(["apply", "order.yaml", "--report", "json=report.json"])
        .run()
}

const KEY: &str = "    idempotency_key: ${{ run.id }}\n";
const VERIFY: &str = "    verify: { get: /orders, done: row_count > 0, outputs: { id: \"$[0].id\" } }\n";

fn orders(shop: &Mutex<Shop>) -> usize {
    shop.lock().expect("no holder panics").orders.len()
}

/// How many requests the server had, and that the report says so, too.
fn requests(server: &ScriptedServer, report: &Value) -> usize {
    let order = entry(report, "order");
    assert_eq!(order["requests"], server.lines().len(), "{order:#}");
    server.lines().len()
}

#[test]
fn under_its_key_a_lost_write_is_sent_again_and_done_once() {
    for (lost_before, lost_after) in [(0, 2), (2, 0), (1, 1)] {
        let (state, server) = shop(Shop { lost_before, lost_after, ..Shop::default() });
        let report = run(&server, KEY).exits(0).says(&["2 retries"]).report();
        assert_eq!((orders(&state), requests(&server, &report)), (1, 3));
        let keys: Vec<_> =
            server.requests().iter().map(|it| it.header("idempotency-key").to_owned()).collect();
        assert!(keys.iter().all(|key| *key == report["run"]), "{keys:?}");
    }
}

#[test]
fn a_lost_write_that_was_done_is_found_by_verify_and_not_sent_again() {
    let (state, server) = shop(Shop { lost_after: 1, ..Shop::default() });
    let report = run(&server, VERIFY).exits(0).says(&["done, says `verify`"]).report();
    assert_eq!((orders(&state), requests(&server, &report)), (1, 2));
    assert_eq!(server.lines(), ["POST /orders", "GET /orders"]);
}

#[test]
fn a_lost_write_that_was_not_done_is_sent_again() {
    let (state, server) = shop(Shop { lost_before: 1, ..Shop::default() });
    let report = run(&server, VERIFY).exits(0).report();
    assert_eq!((orders(&state), requests(&server, &report)), (1, 3));
    assert_eq!(server.lines(), ["POST /orders", "GET /orders", "POST /orders"]);
    assert_eq!((&report["requests"], &report["retries"]), (&json!(3), &json!(1)));
}

#[test]
fn a_write_that_nobody_can_ask_about_is_unknown_with_both_causes() {
    let (state, server) = shop(Shop { lost_after: 1, is_closed: true, ..Shop::default() });
    let output = run(&server, VERIFY).exits(5).explains(&[
        "error: shop answered 504 Gateway Timeout to `POST /orders`; nobody knows whether it was done",
        "`verify` could not tell: shop answered 503 Service Unavailable to `GET /orders`",
        "what now: look at shop whether it was done before you run this again",
    ]);
    let report = output.report();
    assert_eq!((orders(&state), requests(&server, &report)), (1, 4));
    assert_eq!(report["safe_to_rerun"], false);
}

#[test]
fn a_bare_write_is_never_sent_again() {
    let (state, server) = shop(Shop { lost_after: 1, ..Shop::default() });
    let report = run(&server, "").exits(5).report();
    assert_eq!((orders(&state), requests(&server, &report)), (1, 1));
}
