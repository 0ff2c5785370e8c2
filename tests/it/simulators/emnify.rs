//! emnify.

use std::time::Duration;

use runner::simulate::{Options, Provider};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::caller::{Caller, Reply, claims, totp_code};

const AUTHENTICATE: &str = "/api/v1/authenticate";
const TOKENS: &str = "/api/v1/application_token";

async fn start(devices: usize) -> Caller {
    Caller::start(Provider::Emnify, devices).await
}

fn sha1_hex(text: &str) -> String {
    Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn user(caller: &Caller, label: &str) -> Value {
    json!({ "username": caller.demo(label, "username"), "password": sha1_hex(&caller.demo(label, "password")) })
}

async fn authenticate(caller: &Caller, body: &Value) -> Reply {
    caller.json("POST", AUTHENTICATE, &[], body).await
}

/// The `Authorization` header of a plain login.
async fn bearer(caller: &Caller) -> String {
    format!("Bearer {}", authenticate(caller, &user(caller, "plain")).await.text_at("/auth_token"))
}

fn keys(reply: &Reply) -> Vec<String> {
    reply.json().as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_user_signs_in_with_the_sha1_of_the_password() {
    let caller = start(1).await;
    let reply = authenticate(&caller, &user(&caller, "plain")).await;
    assert_eq!(
        (reply.status, keys(&reply)),
        (200, vec!["auth_token".to_owned(), "refresh_token".to_owned()])
    );
    let token = claims(&reply.text_at("/auth_token"));
    assert_eq!(token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap(), 14_400);
}

#[tokio::test]
async fn a_password_in_clear_or_in_capitals_is_refused_with_an_empty_body() {
    let caller = start(1).await;
    let clear = caller.demo("plain", "password");
    for password in [clear.clone(), sha1_hex(&clear).to_uppercase()] {
        let body = json!({ "username": caller.demo("plain", "username"), "password": password });
        let reply = authenticate(&caller, &body).await;
        assert_eq!((reply.status, reply.text.as_str(), reply.header("content-type")), (401, "", ""));
    }
    assert_eq!(caller.simulator.stats().refused_logins, 2);
}

#[tokio::test]
async fn a_body_of_none_of_the_four_shapes_is_400() {
    let caller = start(1).await;
    let mut more = user(&caller, "plain");
    more["application_token"] = "x".into();
    for body in [json!({}), more, json!({ "username": "x" }), json!({ "refresh_token": 7 }), json!([])] {
        let reply = authenticate(&caller, &body).await;
        assert_eq!((reply.status, reply.json()["error_token"].as_str()), (400, Some("BadRequest")), "{body}");
    }
    let cut = caller.send("POST", AUTHENTICATE, &[("content-type", "application/json")], "{").await;
    assert_eq!(cut.status, 400);
    let untyped = caller.send("POST", AUTHENTICATE, &[], &user(&caller, "plain").to_string()).await;
    assert_eq!(untyped.status, 415);
}

#[tokio::test]
async fn the_account_is_locked_for_five_minutes_after_three_refusals_in_a_row() {
    let caller = start(1).await;
    let wrong = json!({ "username": caller.demo("plain", "username"), "password": "0" });
    for _ in 0..3 {
        let reply = authenticate(&caller, &wrong).await;
        assert_eq!((reply.status, reply.text.as_str()), (401, ""));
    }
    let locked = authenticate(&caller, &user(&caller, "plain")).await;
    assert_eq!(locked.status, 401);
    assert_eq!(
        (locked.json()["error_code"].as_i64(), locked.text_at("/error_token").as_str()),
        (Some(1105), "TooManyRequests")
    );
    caller.wait(290);
    assert_eq!(authenticate(&caller, &user(&caller, "plain")).await.status, 401);
    caller.wait(10);
    assert_eq!(authenticate(&caller, &user(&caller, "plain")).await.status, 200);
    let stats = caller.simulator.stats();
    assert_eq!((stats.logins, stats.refused_logins), (1, 5));
}

#[tokio::test]
async fn one_may_authenticate_a_hundred_times_in_five_minutes() {
    let caller = start(1).await;
    let login = json!({ "application_token": caller.demo("plain", "application_token") });
    let bearer = format!("Bearer {}", authenticate(&caller, &login).await.text_at("/auth_token"));
    for _ in 1..100 {
        assert_eq!(authenticate(&caller, &login).await.status, 200);
    }
    for body in [&login, &json!({ "refresh_token": "x" }), &user(&caller, "plain")] {
        let refused = authenticate(&caller, body).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, ""));
        assert_eq!(
            (refused.json()["error_code"].as_i64(), refused.text_at("/error_token").as_str()),
            (Some(1105), "TooManyRequests")
        );
    }
    assert_eq!(caller.get("/api/v1/endpoint", &[("authorization", &bearer)]).await.status, 200);
    let stats = caller.simulator.stats();
    assert_eq!((stats.logins, stats.refused_logins), (100, 0));
    caller.wait(300);
    assert_eq!(authenticate(&caller, &login).await.status, 200);
}

#[tokio::test]
async fn a_token_that_lives_for_seconds_can_be_renewed_for_as_long_as_one_likes() {
    let token_life = Some(Duration::from_secs(3));
    let caller = Caller::start_with(Provider::Emnify, &Options { token_life, ..Options::default() }).await;
    let login = authenticate(&caller, &user(&caller, "plain")).await;
    let renewal = json!({ "refresh_token": login.text_at("/refresh_token") });
    for _ in 0..400 {
        caller.wait(2);
        assert_eq!(authenticate(&caller, &renewal).await.status, 200);
    }
    for _ in 0..100 {
        authenticate(&caller, &renewal).await;
    }
    assert_eq!(authenticate(&caller, &renewal).await.status, 429, "there is a limit all the same");
}

#[tokio::test]
async fn a_success_forgives_earlier_refusals() {
    let caller = start(1).await;
    let wrong = json!({ "username": caller.demo("plain", "username"), "password": "0" });
    for _ in 0..2 {
        authenticate(&caller, &wrong).await;
        authenticate(&caller, &wrong).await;
        assert_eq!(authenticate(&caller, &user(&caller, "plain")).await.status, 200);
    }
}

#[tokio::test]
async fn a_second_factor_is_asked_for_with_an_mfa_token_alone() {
    let caller = start(1).await;
    for code in [caller.demo("mfa", "mfa_code"), totp_code(&caller.demo("mfa", "mfa_secret"))] {
        let asked = authenticate(&caller, &user(&caller, "mfa")).await;
        assert_eq!((asked.status, keys(&asked)), (200, vec!["mfa_token".to_owned()]));
        let mfa_token = asked.text_at("/mfa_token");
        let wrong = authenticate(&caller, &json!({ "mfa_token": mfa_token, "code": "000" })).await;
        assert_eq!((wrong.status, wrong.text.as_str()), (401, ""));
        let answer = json!({ "mfa_token": mfa_token, "code": code });
        let reply = authenticate(&caller, &answer).await;
        assert_eq!(keys(&reply), ["auth_token", "refresh_token"]);
        assert_eq!(authenticate(&caller, &answer).await.status, 401, "used up");
    }
    assert_eq!(caller.simulator.stats().logins, 2);
}

#[tokio::test]
async fn a_second_factor_may_not_take_longer_than_twenty_minutes() {
    let caller = start(1).await;
    let mfa_token = authenticate(&caller, &user(&caller, "mfa")).await.text_at("/mfa_token");
    caller.wait(1_200);
    let answer = json!({ "mfa_token": mfa_token, "code": caller.demo("mfa", "mfa_code") });
    assert_eq!(authenticate(&caller, &answer).await.status, 401);
}

#[tokio::test]
async fn a_trusted_device_needs_no_second_factor_for_ninety_days() {
    let caller = start(1).await;
    let mfa_token = authenticate(&caller, &user(&caller, "mfa")).await.text_at("/mfa_token");
    let device = json!({ "fingerprint": "f1", "name": "ci" });
    let answer =
        json!({ "mfa_token": mfa_token, "code": caller.demo("mfa", "mfa_code"), "trusted_device": device });
    assert_eq!(authenticate(&caller, &answer).await.status, 200);
    let mut trusted = user(&caller, "mfa");
    trusted["fingerprint"] = "f1".into();
    assert_eq!(keys(&authenticate(&caller, &trusted).await), ["auth_token", "refresh_token"]);
    caller.wait(90 * 86_400);
    assert_eq!(keys(&authenticate(&caller, &trusted).await), ["mfa_token"]);
}

#[tokio::test]
async fn a_refresh_brings_an_auth_token_alone() {
    let caller = start(1).await;
    let login = authenticate(&caller, &user(&caller, "plain")).await;
    let reply = authenticate(&caller, &json!({ "refresh_token": login.text_at("/refresh_token") })).await;
    assert_eq!((reply.status, keys(&reply)), (200, vec!["auth_token".to_owned()]));
    let as_refresh = json!({ "refresh_token": login.text_at("/auth_token") });
    let refused = authenticate(&caller, &as_refresh).await;
    assert_eq!((refused.status, refused.text.as_str()), (401, ""));
    let stats = caller.simulator.stats();
    assert_eq!((stats.logins, stats.refreshes, stats.open_sessions), (1, 1, 1));
}

#[tokio::test]
async fn an_application_token_brings_an_auth_token_alone() {
    let caller = start(1).await;
    let reply =
        authenticate(&caller, &json!({ "application_token": caller.demo("plain", "application_token") }))
            .await;
    assert_eq!((reply.status, keys(&reply)), (200, vec!["auth_token".to_owned()]));
    let refused = authenticate(&caller, &json!({ "application_token": "nothing" })).await;
    assert_eq!((refused.status, refused.text.as_str()), (401, ""));
}

#[tokio::test]
async fn the_gateway_refuses_with_a_message_and_no_code() {
    let caller = start(1).await;
    let bearer = bearer(&caller).await;
    let refused = async |header: &str| {
        let reply = caller.get("/api/v1/endpoint", &[("authorization", header)]).await;
        assert_eq!((reply.status, keys(&reply)), (401, vec!["message".to_owned()]));
        reply.text_at("/message")
    };
    assert_eq!(refused("Bearer abc").await, "token contains an invalid number of segments");
    refused("Bearer a.b.c").await;
    refused(bearer.trim_start_matches("Bearer ")).await;
    assert_eq!(caller.get("/api/v1/endpoint", &[]).await.status, 401);
    assert_eq!(caller.get("/api/v1/endpoint", &[("authorization", &bearer)]).await.status, 200);
    caller.wait(14_400);
    refused(&bearer).await;
}

#[tokio::test]
async fn there_is_no_logout() {
    let caller = start(1).await;
    let bearer = bearer(&caller).await;
    for path in ["/api/v1/logout", "/api/v1/authenticate/logout"] {
        assert_eq!(caller.send("POST", path, &[("authorization", &bearer)], "").await.status, 404);
    }
}

#[tokio::test]
async fn an_application_token_is_issued_listed_without_its_value_and_revoked() {
    let caller = start(1).await;
    let bearer = bearer(&caller).await;
    let headers = [("authorization", bearer.as_str())];
    let body = json!({ "description": "ci", "expiry_date": "2099-10-29" });
    let issued = caller.json("POST", TOKENS, &headers, &body).await;
    assert_eq!((issued.status, keys(&issued)), (200, vec!["application_token".to_owned()]));
    let value = issued.text_at("/application_token");
    let listed = caller.get(TOKENS, &headers).await;
    assert!(!listed.text.contains(&value));
    let row =
        listed.json().as_array().unwrap().iter().find(|row| row["description"] == "ci").unwrap().clone();
    assert_eq!(row["status"], json!({ "id": 0, "description": "Activated" }));
    assert_eq!(row["expiry_date"], "2099-10-29T00:00:00.000Z");
    let login = json!({ "application_token": value });
    let opened = authenticate(&caller, &login).await.text_at("/auth_token");
    let path = format!("{TOKENS}/{}", row["id"]);
    let revoked = caller.json("PATCH", &path, &headers, &json!({ "status": { "id": 1 } })).await;
    assert_eq!((revoked.status, revoked.text.as_str()), (204, ""));
    let refused = authenticate(&caller, &login).await;
    assert_eq!((refused.status, refused.text.as_str()), (401, ""));
    let listed = caller.get(TOKENS, &[("authorization", &format!("Bearer {opened}"))]).await;
    assert_eq!(listed.json()[1]["status"]["description"], "Revoked", "sessions opened before live on");
}

#[tokio::test]
async fn an_application_token_may_list_and_revoke_but_not_issue() {
    let caller = start(1).await;
    let login = json!({ "application_token": caller.demo("plain", "application_token") });
    let bearer = format!("Bearer {}", authenticate(&caller, &login).await.text_at("/auth_token"));
    let headers = [("authorization", bearer.as_str())];
    let refused = caller.json("POST", TOKENS, &headers, &json!({})).await;
    assert_eq!(
        (refused.status, refused.json()["error_code"].as_i64(), refused.text_at("/error_token").as_str()),
        (403, Some(1104), "Forbidden")
    );
    assert_eq!(caller.get(TOKENS, &headers).await.row_count(), 1);
    let revoked =
        caller.json("PATCH", &format!("{TOKENS}/1"), &headers, &json!({ "status": { "id": 1 } })).await;
    assert_eq!(revoked.status, 204);
}

#[tokio::test]
async fn an_application_token_ends_at_its_date_and_outside_its_network() {
    let caller = start(1).await;
    let bearer = bearer(&caller).await;
    let issue = async |body: Value| {
        let reply = caller.json("POST", TOKENS, &[("authorization", &bearer)], &body).await;
        json!({ "application_token": reply.text_at("/application_token") })
    };
    let near = issue(json!({ "ip": "127.0.0.0/8" })).await;
    assert_eq!(authenticate(&caller, &near).await.status, 200);
    let far = issue(json!({ "ip": "203.0.113.0/24" })).await;
    assert_eq!(authenticate(&caller, &far).await.status, 401);
    let dated = issue(json!({ "expiry_date": "2099-01-01T00:00:00.000Z" })).await;
    assert_eq!(authenticate(&caller, &dated).await.status, 200);
    caller.wait(100 * 366 * 86_400);
    assert_eq!(authenticate(&caller, &dated).await.status, 401);
}

#[tokio::test]
async fn a_wrong_application_token_request_is_422_with_all_that_is_wrong() {
    let caller = start(1).await;
    let bearer = bearer(&caller).await;
    let headers = [("authorization", bearer.as_str())];
    let reply = caller.json("POST", TOKENS, &headers, &json!({ "expiry_date": "soon", "ip": "x" })).await;
    assert_eq!((reply.status, reply.json()["error_code"].as_i64()), (422, Some(1400)));
    assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 2);
    let status = json!({ "status": { "id": 7 } });
    assert_eq!(caller.json("PATCH", &format!("{TOKENS}/1"), &headers, &status).await.status, 422);
    let unknown = caller.json("PATCH", &format!("{TOKENS}/99"), &headers, &json!({})).await;
    assert_eq!((unknown.status, unknown.text_at("/error_token").as_str()), (404, "InvalidReference"));
    assert_eq!(caller.json("PATCH", &format!("{TOKENS}/x"), &headers, &json!({})).await.status, 400);
    assert_eq!(caller.send("DELETE", &format!("{TOKENS}/1"), &headers, "").await.status, 405);
}

#[tokio::test]
async fn the_page_headers_come_under_both_names() {
    let caller = start(1_250).await;
    let bearer = bearer(&caller).await;
    let reply = caller.get("/api/v1/endpoint", &[("authorization", &bearer)]).await;
    assert_eq!(reply.row_count(), 1_000);
    for (old, new, value) in [
        ("x-current-page", "x-page", "1"),
        ("x-count-per-page", "x-per-page", "1000"),
        ("x-total-pages", "x-pages", "2"),
        ("x-total-count", "x-count", "1250"),
        ("x-sort", "x-sort", "id"),
    ] {
        assert_eq!((reply.header(old), reply.header(new)), (value, value));
    }
}

#[tokio::test]
async fn a_page_beyond_the_end_is_the_last_page_again() {
    let caller = start(25).await;
    let bearer = bearer(&caller).await;
    let page = async |query: &str| {
        caller.get(&format!("/api/v1/endpoint?{query}"), &[("authorization", &bearer)]).await
    };
    let last = page("page=3&per_page=10").await;
    assert_eq!((last.row_count(), last.header("x-current-page")), (5, "3"));
    let beyond = page("page=4&per_page=10").await;
    assert_eq!((beyond.json(), beyond.header("x-current-page")), (last.json(), "3"));
    let before = page("page=0&per_page=10").await;
    assert_eq!(before.json(), page("per_page=10").await.json());
    assert_eq!(page("page=x").await.status, 400);
}

#[tokio::test]
async fn the_page_size_is_clamped() {
    let caller = start(3_000).await;
    let bearer = bearer(&caller).await;
    let size = async |path: &str| {
        let reply = caller.get(path, &[("authorization", &bearer)]).await;
        reply.header("x-count-per-page").to_owned()
    };
    assert_eq!(size("/api/v1/endpoint?per_page=5000").await, "1000");
    assert_eq!(size("/api/v1/endpoint?per_page=0").await, "1000");
    assert_eq!(size("/api/v1/sim").await, "2000");
    assert_eq!(size("/api/v1/sim?per_page=2400").await, "2400");
    assert_eq!(size("/api/v1/sim?per_page=9999").await, "2500");
}

#[tokio::test]
async fn an_empty_account_has_one_empty_page() {
    let caller = start(0).await;
    let bearer = bearer(&caller).await;
    let reply = caller.get("/api/v1/sim?page=2", &[("authorization", &bearer)]).await;
    assert_eq!(
        (reply.row_count(), reply.header("x-total-pages"), reply.header("x-total-count")),
        (0, "1", "0")
    );
}

#[tokio::test]
async fn lists_are_sorted_and_filtered() {
    let caller = start(30).await;
    let bearer = bearer(&caller).await;
    let list = async |query: &str| {
        caller.get(&format!("/api/v1/endpoint?{query}"), &[("authorization", &bearer)]).await
    };
    let (up, down) = (list("sort=%2Bid").await.json(), list("sort=-id").await.json());
    assert_eq!(up[0], down[29]);
    let disabled = list("q=status%3A1").await;
    assert_eq!((disabled.row_count(), disabled.header("x-total-count")), (3, "3"));
    assert!(disabled.json().as_array().unwrap().iter().all(|row| row["status"]["description"] == "Disabled"));
    let (query, sort) = (list("q=colour%3Ared").await, list("sort=colour").await);
    assert_eq!((query.status, query.text_at("/error_token").as_str()), (422, "InvalidQueryCriteria"));
    assert_eq!((sort.status, sort.text_at("/error_token").as_str()), (422, "InvalidSortCriteria"));
}

#[tokio::test]
async fn one_record_is_found_by_its_number() {
    let caller = start(5).await;
    let bearer = bearer(&caller).await;
    let headers = [("authorization", bearer.as_str())];
    for list in ["/api/v1/endpoint", "/api/v1/sim"] {
        let row = caller.get(list, &headers).await.json()[4].clone();
        assert_eq!(caller.get(&format!("{list}/{}", row["id"]), &headers).await.json(), row);
        let unknown = caller.get(&format!("{list}/-1"), &headers).await;
        assert_eq!((unknown.status, unknown.json()["error_code"].as_i64()), (404, Some(1401)));
        let wrong = caller.get(&format!("{list}/x"), &headers).await;
        assert_eq!((wrong.status, wrong.text_at("/error_token").as_str()), (400, "BadRequest"));
    }
}

#[tokio::test]
async fn a_sim_and_its_endpoint_name_each_other_or_nothing() {
    let caller = start(25).await;
    let bearer = bearer(&caller).await;
    let headers = [("authorization", bearer.as_str())];
    let (endpoints, sims) = (
        caller.get("/api/v1/endpoint", &headers).await.json(),
        caller.get("/api/v1/sim", &headers).await.json(),
    );
    let assigned = endpoints.as_array().unwrap().iter().filter(|endpoint| endpoint.get("sim").is_some());
    assert_eq!(assigned.clone().count(), 20);
    for endpoint in assigned {
        let sim = sims.as_array().unwrap().iter().find(|sim| sim["id"] == endpoint["sim"]["id"]).unwrap();
        assert_eq!(sim["endpoint"]["id"], endpoint["id"]);
        assert_eq!(sim["iccid"], endpoint["sim"]["iccid"]);
        assert_eq!(sim["iccid"].as_str().unwrap().len(), 19);
    }
    assert_eq!(sims.as_array().unwrap().iter().filter(|sim| sim.get("endpoint").is_none()).count(), 5);
}
