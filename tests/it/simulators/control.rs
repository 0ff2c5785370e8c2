//! What all simulators share: control routes, faults, counts, the clock.

use runner::simulate::{Fault, Options, Provider, Simulator};
use serde_json::json;

use super::caller::Caller;

#[tokio::test]
async fn every_provider_starts_with_demo_values_that_are_long_enough_to_be_searched_for() {
    for provider in Provider::ALL {
        let caller = Caller::start(provider, 1).await;
        assert!(!caller.simulator.demo().is_empty());
        let passwords = caller.simulator.accounts().iter().map(|account| account.get("password").unwrap());
        assert!(passwords.into_iter().all(|password| password.len() >= 12), "{provider}");
        let base_url = caller.simulator.base_url();
        assert!(base_url.starts_with("http://127.0.0.1:") && !base_url.ends_with('/'), "{base_url}");
    }
}

#[tokio::test]
async fn only_simpleiot_signs_in_elsewhere() {
    for provider in Provider::ALL {
        let caller = Caller::start(provider, 1).await;
        let origin_is_other = caller
            .simulator
            .auth_base_url()
            .is_some_and(|auth_base_url| !caller.simulator.base_url().starts_with(auth_base_url));
        assert_eq!(origin_is_other, provider == Provider::Simpleiot);
    }
}

#[tokio::test]
async fn stats_count_by_route_and_status_and_never_show_a_path_that_does_not_exist() {
    let caller = Caller::start(Provider::Soracom, 1).await;
    caller.get("/sims/8981100000000000000", &[]).await;
    caller.get("/sims", &[]).await;
    caller.get("/sims", &[]).await;
    caller.get("/nowhere/secret", &[]).await;
    let stats = caller.get(&caller.control("stats"), &[]).await.json();
    let expected = json!({
        "GET (no such path)": { "404": 1 },
        "GET /v1/sims": { "401": 2 },
        "GET /v1/sims/{sim_id}": { "401": 1 },
    });
    assert_eq!(stats["requests"], expected);
    assert_eq!(caller.simulator.stats().total_requests(), 4);
    assert_eq!(caller.simulator.stats().requests_to("GET /v1/sims"), 2);
}

#[tokio::test]
async fn requests_are_recorded_whole() {
    let caller = Caller::start(Provider::Soracom, 1).await;
    caller.send("POST", "/auth?x=%20y", &[("x-one", "1")], "the body").await;
    let recorded = caller.get(&caller.control("requests"), &[]).await.json();
    assert_eq!(recorded[0]["method"], "POST");
    assert_eq!(recorded[0]["path"], "/v1/auth?x=%20y");
    assert_eq!(recorded[0]["body"], "the body");
    let requests = caller.simulator.requests();
    assert_eq!(requests.len(), 1, "control calls are not recorded");
    assert_eq!(requests[0].header("x-one"), Some("1"));
}

#[tokio::test]
async fn a_fault_answers_the_requests_it_waits_for_and_no_others() {
    let caller = Caller::start(Provider::Soracom, 1).await;
    let fault = json!({
        "method": "GET", "path": "/v1/sims", "status": 503, "skip": 1, "times": 2,
        "headers": { "retry-after": "7" }, "body": "busy",
    });
    let planned = caller.json("POST", &caller.control("fault"), &[], &fault).await;
    assert_eq!(planned.status, 204, "{}", planned.text);
    let mut statuses = Vec::new();
    for path in ["/sims", "/devices", "/sims", "/sims", "/sims"] {
        let reply = caller.get(path, &[]).await;
        if reply.status == 503 {
            assert_eq!((reply.header("retry-after"), reply.text.as_str()), ("7", "busy"));
        }
        statuses.push(reply.status);
    }
    assert_eq!(statuses, [401, 401, 503, 503, 401]);
}

#[tokio::test]
async fn a_fault_that_cannot_be_played_is_refused() {
    let caller = Caller::start(Provider::Emnify, 1).await;
    let refused = [
        json!({ "status": 9 }),
        json!({ "status": 101 }),
        json!({ "headers": { "bad name": "x" } }),
        json!({ "headers": { "x": "a\nb" } }),
        json!({ "tmies": 3 }),
    ];
    for fault in refused {
        let reply = caller.json("POST", &caller.control("fault"), &[], &fault).await;
        assert_eq!(reply.status, 400, "{fault}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_closing_fault_drops_the_connection_without_an_answer() {
    let caller = Caller::start(Provider::Echome, 1).await;
    caller.simulator.inject(Fault { close: true, ..Fault::default() });
    let error = caller.try_send("GET", "/vm/vm/describe/all", &[], "").await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    assert_eq!(caller.get("/vm/vm/describe/all", &[]).await.status, 401);
    let stats = caller.simulator.stats();
    let counts: Vec<(&str, u64)> = stats.requests["GET /api/v1/vm/vm/describe/{name}"]
        .iter()
        .map(|(status, count)| (status.as_str(), *count))
        .collect();
    assert_eq!(counts, [("401", 1), ("none", 1)]);
}

#[tokio::test]
async fn a_fault_can_come_after_the_provider_has_done_its_work() {
    let caller = Caller::start(Provider::Emnify, 1).await;
    let body = json!({ "application_token": caller.demo("plain", "application_token") });
    caller.simulator.inject(Fault { status: 502, after: true, ..Fault::default() });
    assert_eq!(caller.json("POST", "/api/v1/authenticate", &[], &body).await.status, 502);
    assert_eq!(caller.simulator.stats().logins, 1);
    caller.simulator.inject(Fault { status: 502, ..Fault::default() });
    assert_eq!(caller.json("POST", "/api/v1/authenticate", &[], &body).await.status, 502);
    assert_eq!(caller.simulator.stats().logins, 1);
}

#[tokio::test]
async fn the_date_header_follows_the_clock() {
    let caller = Caller::start(Provider::Soracom, 1).await;
    let date = |reply: super::caller::Reply| httpdate::parse_http_date(reply.header("date")).unwrap();
    let before = date(caller.get("/sims", &[]).await);
    let moved =
        caller.json("POST", &caller.control("clock"), &[], &json!({ "advance_seconds": 7_200 })).await;
    assert_eq!(moved.status, 204);
    let after = date(caller.get("/sims", &[]).await);
    let passed = after.duration_since(before).unwrap().as_secs();
    assert!((7_200..7_260).contains(&passed), "{passed}");
}

#[tokio::test]
async fn an_unknown_control_is_said_to_be_unknown() {
    let caller = Caller::start(Provider::Soracom, 1).await;
    assert_eq!(caller.get(&caller.control("nothing"), &[]).await.status, 404);
    assert_eq!(
        caller.json("POST", &caller.control("clock"), &[], &json!({ "advance": 1 })).await.status,
        400
    );
}

#[tokio::test]
async fn a_dropped_simulator_answers_no_more() {
    let Caller { simulator, .. } = Caller::start(Provider::Soracom, 1).await;
    let address = simulator.base_url().trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    drop(simulator);
    // The listener is closed by its own task, which gets its turn whenever this one waits.
    let mut connects = true;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
        connects = tokio::net::TcpStream::connect(&address).await.is_ok();
        if !connects {
            break;
        }
    }
    assert!(!connects);
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options { port: Some(taken.local_addr().unwrap().port()), ..Options::default() };
    assert!(Simulator::start(Provider::Emnify, &options).await.is_err());
}
