//! Soracom.

use std::time::Duration;

use runner::simulate::{Options, Provider};
use serde_json::{Value, json};

use super::caller::{Caller, Reply, claims, totp_code};

/// The two headers of a session.
struct Session {
    api_key: String,
    token: String,
}

impl Session {
    fn of(reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{}", reply.text);
        Self { api_key: reply.text_at("/apiKey"), token: reply.text_at("/token") }
    }

    fn headers(&self) -> [(&str, &str); 2] {
        [("x-soracom-api-key", &self.api_key), ("x-soracom-token", &self.token)]
    }
}

async fn start(devices: usize) -> Caller {
    Caller::start(Provider::Soracom, devices).await
}

fn root(caller: &Caller) -> Value {
    json!({ "email": caller.demo("plain", "email"), "password": caller.demo("plain", "password") })
}

async fn log_in(caller: &Caller) -> Session {
    Session::of(&caller.json("POST", "/auth", &[], &root(caller)).await)
}

async fn status_of(caller: &Caller, session: &Session) -> u16 {
    caller.get("/sims", &session.headers()).await.status
}

#[tokio::test]
async fn three_ways_in_give_key_token_and_operator() {
    let caller = start(1).await;
    let sam = json!({
        "operatorId": caller.demo("plain", "operator_id"),
        "userName": caller.demo("plain", "user_name"),
        "password": caller.demo("plain", "password"),
    });
    let auth_key = json!({ "authKeyId": caller.demo("plain", "auth_key_id"), "authKey": caller.demo("plain", "auth_key") });
    for (body, user_name) in [(root(&caller), false), (auth_key, false), (sam, true)] {
        let reply = caller.json("POST", "/auth", &[], &body).await;
        assert_eq!(status_of(&caller, &Session::of(&reply)).await, 200);
        assert_eq!(reply.json().get("userName").is_some(), user_name);
        let token = claims(&reply.text_at("/token"));
        assert_eq!(token["operator"]["operatorId"], reply.json()["operatorId"]);
    }
    assert_eq!(caller.simulator.stats().logins, 3);
    assert_eq!(caller.simulator.stats().open_sessions, 3);
}

#[tokio::test]
async fn a_wrong_password_is_401_with_its_code() {
    let caller = start(1).await;
    let mut body = root(&caller);
    body["password"] = "wrong".into();
    let reply = caller.json("POST", "/auth", &[], &body).await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json(), json!({ "code": "AUM0002", "message": "Invalid username/password supplied." }));
    assert_eq!((caller.simulator.stats().logins, caller.simulator.stats().refused_logins), (0, 1));
}

#[tokio::test]
async fn a_login_of_no_known_shape_is_400() {
    let caller = start(1).await;
    let mut misspelt = root(&caller);
    misspelt["mfaOtpCode"] = "123456".into();
    let mut mixed = root(&caller);
    mixed["authKeyId"] = "keyId-x".into();
    for body in [json!({}), json!({ "email": "a@example.com" }), mixed, misspelt, json!([])] {
        assert_eq!(caller.json("POST", "/auth", &[], &body).await.status, 400, "{body}");
    }
    let json_type = [("content-type", "application/json")];
    assert_eq!(caller.send("POST", "/auth", &json_type, "{\"email\":").await.status, 400);
    assert_eq!(caller.send("POST", "/auth", &[], &root(&caller).to_string()).await.status, 415);
}

#[tokio::test]
async fn the_token_lives_as_long_as_asked_within_bounds() {
    let caller = start(1).await;
    for (asked, life) in [(None, 86_400), (Some(180), 180), (Some(172_800), 172_800)] {
        let mut body = root(&caller);
        body["tokenTimeoutSeconds"] = asked.unwrap_or(86_400).into();
        if asked.is_none() {
            body.as_object_mut().unwrap().remove("tokenTimeoutSeconds");
        }
        let token = claims(&caller.json("POST", "/auth", &[], &body).await.text_at("/token"));
        assert_eq!(token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap(), life);
    }
    for outside in [179, 172_801] {
        let mut body = root(&caller);
        body["tokenTimeoutSeconds"] = outside.into();
        assert_eq!(caller.json("POST", "/auth", &[], &body).await.status, 400);
    }
}

#[tokio::test]
async fn the_option_for_the_token_life_wins_over_what_is_asked() {
    let options = Options { token_life: Some(Duration::from_secs(3)), ..Options::default() };
    let caller = Caller::start_with(Provider::Soracom, &options).await;
    let session = log_in(&caller).await;
    let token = claims(&session.token);
    assert_eq!(token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap(), 3);
    caller.wait(3);
    assert_eq!(status_of(&caller, &session).await, 401);
}

#[tokio::test]
async fn password_logins_need_the_code_when_mfa_is_on_and_auth_keys_do_not() {
    let caller = start(1).await;
    let of = |name: &str| caller.demo("mfa", name);
    let mut body = json!({ "email": of("email"), "password": of("password") });
    assert_eq!(caller.json("POST", "/auth", &[], &body).await.status, 401);
    body["mfaOTPCode"] = "000000x".into();
    assert_eq!(caller.json("POST", "/auth", &[], &body).await.status, 401);
    body["mfaOTPCode"] = totp_code(&of("mfa_secret")).into();
    assert_eq!(caller.json("POST", "/auth", &[], &body).await.status, 200);
    let sam = json!({
        "operatorId": of("operator_id"), "userName": of("user_name"), "password": of("password"),
        "mfaOTPCode": totp_code(&of("mfa_secret")),
    });
    assert_eq!(caller.json("POST", "/auth", &[], &sam).await.status, 200);
    let auth_key = json!({ "authKeyId": of("auth_key_id"), "authKey": of("auth_key") });
    assert_eq!(caller.json("POST", "/auth", &[], &auth_key).await.status, 200);
}

#[tokio::test]
async fn both_headers_are_needed_and_must_belong_together() {
    let caller = start(1).await;
    let (one, other) = (log_in(&caller).await, log_in(&caller).await);
    let [key, token] = one.headers();
    for headers in [vec![], vec![key], vec![token], vec![("authorization", token.1)]] {
        let reply = caller.get("/sims", &headers).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.text_at("/code"), "AUM0001");
    }
    assert_eq!(caller.get("/sims", &[key, other.headers()[1]]).await.status, 401);
    assert_eq!(caller.get("/sims", &[key, token]).await.status, 200);
}

#[tokio::test]
async fn logout_is_204_and_kills_the_pair() {
    let caller = start(1).await;
    let session = log_in(&caller).await;
    let reply = caller.send("POST", "/auth/logout", &session.headers(), "").await;
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    assert_eq!(status_of(&caller, &session).await, 401);
    assert_eq!(caller.send("POST", "/auth/logout", &session.headers(), "").await.status, 401);
    let stats = caller.simulator.stats();
    assert_eq!((stats.logouts, stats.open_sessions), (1, 0));
}

#[tokio::test]
async fn a_refresh_brings_a_token_without_a_key() {
    let caller = start(1).await;
    let session = log_in(&caller).await;
    let path = format!("/operators/{}/token", caller.demo("plain", "operator_id"));
    caller.wait(60);
    let reply =
        caller.json("POST", &path, &session.headers(), &json!({ "tokenTimeoutSeconds": 172_800 })).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json().as_object().unwrap().len(), 1);
    let renewed = Session { api_key: session.api_key.clone(), token: reply.text_at("/token") };
    caller.wait(86_400);
    assert_eq!(status_of(&caller, &session).await, 401);
    assert_eq!(status_of(&caller, &renewed).await, 200);
    assert_eq!(caller.simulator.stats().refreshes, 1);
}

#[tokio::test]
async fn an_expired_token_cannot_be_refreshed() {
    let caller = start(1).await;
    let session = log_in(&caller).await;
    let path = format!("/operators/{}/token", caller.demo("plain", "operator_id"));
    assert_eq!(caller.send("POST", &path, &session.headers(), "").await.status, 415, "the body is required");
    caller.wait(86_400);
    assert_eq!(caller.json("POST", &path, &session.headers(), &json!({})).await.status, 400);
    assert_eq!(caller.simulator.stats().refreshes, 0);
    assert_eq!(caller.simulator.stats().open_sessions, 0);
}

#[tokio::test]
async fn a_refresh_is_for_the_own_operator_only() {
    let caller = start(1).await;
    let session = log_in(&caller).await;
    let path = format!("/operators/{}/token", caller.demo("mfa", "operator_id"));
    assert_eq!(caller.json("POST", &path, &session.headers(), &json!({})).await.status, 400);
}

#[tokio::test]
async fn revoked_access_is_401_until_the_next_login() {
    let caller = start(1).await;
    let session = log_in(&caller).await;
    assert_eq!(caller.send("POST", &caller.control("revoke"), &[], "").await.status, 204);
    assert_eq!(status_of(&caller, &session).await, 401);
    assert_eq!(status_of(&caller, &log_in(&caller).await).await, 200);
}

#[tokio::test]
async fn all_tokens_of_the_root_user_or_of_one_sam_user_are_revoked_at_once() {
    let caller = start(1).await;
    let (operator, user) = (caller.demo("plain", "operator_id"), caller.demo("plain", "user_name"));
    let (first, second) = (log_in(&caller).await, log_in(&caller).await);
    let body =
        json!({ "operatorId": operator, "userName": user, "password": caller.demo("plain", "password") });
    let sam = Session::of(&caller.json("POST", "/auth", &[], &body).await);
    let of_root = format!("/operators/{operator}/tokens");
    let of_sam = format!("/operators/{operator}/users/{user}/tokens");
    assert_eq!(caller.send("DELETE", &of_root, &sam.headers(), "").await.status, 403);
    assert_eq!(caller.send("DELETE", &of_sam, &first.headers(), "").await.status, 204);
    assert_eq!(status_of(&caller, &sam).await, 401);
    assert_eq!(status_of(&caller, &second).await, 200);
    assert_eq!(caller.send("DELETE", &of_root, &first.headers(), "").await.status, 204);
    assert_eq!(status_of(&caller, &first).await, 401);
    assert_eq!(status_of(&caller, &second).await, 401);
    assert_eq!(caller.simulator.stats().open_sessions, 0);
}

#[tokio::test]
async fn a_password_is_reset_with_the_mailed_token_once() {
    let caller = start(1).await;
    let issue = |email: &str| json!({ "email": email });
    let verify = json!({ "token": caller.demo("plain", "reset_token"), "password": "demo-new-password-1" });
    let path = "/auth/password_reset_token/verify";
    assert_eq!(caller.json("POST", path, &[], &verify).await.status, 400, "nobody asked yet");
    let email = caller.demo("plain", "email");
    for (wrong, code) in [("nobody", "AUM0004"), ("nobody@example.com", "AUM0015")] {
        let reply = caller.json("POST", "/auth/password_reset_token/issue", &[], &issue(wrong)).await;
        assert_eq!((reply.status, reply.text_at("/code")), (400, code.to_owned()));
    }
    let issued = caller.json("POST", "/auth/password_reset_token/issue", &[], &issue(&email)).await;
    assert_eq!((issued.status, issued.text.as_str()), (200, ""));
    let verified = caller.json("POST", path, &[], &verify).await;
    assert_eq!((verified.status, verified.text.as_str()), (200, ""));
    assert_eq!(caller.json("POST", path, &[], &verify).await.status, 400, "used up");
    assert_eq!(caller.json("POST", "/auth", &[], &root(&caller)).await.status, 401);
    let new = json!({ "email": email, "password": "demo-new-password-1" });
    assert_eq!(caller.json("POST", "/auth", &[], &new).await.status, 200);
}

#[tokio::test]
async fn a_reset_token_that_is_too_old_is_404() {
    let caller = start(1).await;
    let email = json!({ "email": caller.demo("plain", "email") });
    caller.json("POST", "/auth/password_reset_token/issue", &[], &email).await;
    caller.wait(3_600);
    let verify = json!({ "token": caller.demo("plain", "reset_token"), "password": "demo-new-password-1" });
    assert_eq!(caller.json("POST", "/auth/password_reset_token/verify", &[], &verify).await.status, 404);
}

#[tokio::test]
async fn mfa_is_asked_for_proved_shown_and_taken_away() {
    let caller = start(1).await;
    let session = log_in(&caller).await;
    let headers = session.headers();
    let path = format!("/operators/{}/mfa", caller.demo("plain", "operator_id"));
    assert_eq!(caller.get(&path, &headers).await.text_at("/status"), "INACTIVE");
    let uri = caller.send("POST", &path, &headers, "").await.text_at("/totpUri");
    let secret = uri.split_once("secret=").unwrap().1.split('&').next().unwrap().to_owned();
    let verify = format!("{path}/verify");
    let wrong = caller.json("POST", &verify, &headers, &json!({ "mfaOTPCode": "12345" })).await;
    assert_eq!(wrong.status, 400);
    assert_eq!(caller.json("POST", "/auth", &[], &root(&caller)).await.status, 200, "not proved yet");
    let right = caller.json("POST", &verify, &headers, &json!({ "mfaOTPCode": totp_code(&secret) })).await;
    assert!(right.json()["backupCodes"].is_array());
    assert_eq!(caller.json("POST", "/auth", &[], &root(&caller)).await.status, 401);
    let ended = json!({ "password": caller.demo("plain", "password") });
    assert_eq!(caller.json("DELETE", &path, &headers, &json!({ "password": "no" })).await.status, 400);
    assert_eq!(caller.json("DELETE", &path, &headers, &ended).await.status, 204);
    assert_eq!(caller.json("POST", "/auth", &[], &root(&caller)).await.status, 200);
}

#[tokio::test]
async fn mfa_of_a_sam_user_is_verified_with_204() {
    let caller = start(1).await;
    let session = log_in(&caller).await;
    let (operator, user) = (caller.demo("plain", "operator_id"), caller.demo("plain", "user_name"));
    let path = format!("/operators/{operator}/users/{user}/mfa");
    let uri = caller.send("POST", &path, &session.headers(), "").await.text_at("/totpUri");
    let secret = uri.split_once("secret=").unwrap().1.split('&').next().unwrap().to_owned();
    let code = json!({ "mfaOTPCode": totp_code(&secret) });
    assert_eq!(caller.json("POST", &format!("{path}/verify"), &session.headers(), &code).await.status, 204);
    assert_eq!(caller.send("DELETE", &path, &session.headers(), "").await.status, 204);
    let nobody = format!("/operators/{operator}/users/nobody/mfa");
    assert_eq!(caller.get(&nobody, &session.headers()).await.status, 400);
}

/// Follows the pages of a list to the end; gives the rows and the size of each page.
async fn all_pages(caller: &Caller, session: &Session, path: &str, query: &str) -> (Vec<Value>, Vec<usize>) {
    let (mut rows, mut sizes, mut key) = (Vec::new(), Vec::new(), String::new());
    loop {
        let reply = caller.get(&format!("{path}?{query}{key}"), &session.headers()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let page = reply.json().as_array().unwrap().clone();
        sizes.push(page.len());
        rows.extend(page);
        let next = reply.header("x-soracom-next-key");
        if next.is_empty() {
            return (rows, sizes);
        }
        let encoded: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        key = format!("&last_evaluated_key={encoded}");
    }
}

#[tokio::test]
async fn every_list_is_complete_over_short_and_empty_pages() {
    let caller = start(250).await;
    let session = log_in(&caller).await;
    let lists = [("/sims", "simId"), ("/subscribers", "imsi"), ("/devices", "device_id"), ("/gadgets", "id")];
    for (path, id) in lists {
        for limit in [7, 10, 100] {
            let (rows, sizes) = all_pages(&caller, &session, path, &format!("limit={limit}")).await;
            let ids: std::collections::BTreeSet<&str> =
                rows.iter().map(|row| row[id].as_str().unwrap()).collect();
            assert_eq!((rows.len(), ids.len()), (250, 250), "{path}");
            let before_last = &sizes[..sizes.len() - 1];
            assert!(before_last.iter().any(|&size| size < limit), "a short page of {path}: {sizes:?}");
            if limit != 7 {
                assert_eq!(sizes[1], 0, "an empty page of {path}");
            }
        }
    }
}

#[tokio::test]
async fn a_limit_lowers_the_page_size_and_never_raises_it() {
    let caller = start(1_000).await;
    let session = log_in(&caller).await;
    let (_, sizes) = all_pages(&caller, &session, "/subscribers", "limit=1000").await;
    assert!(sizes.iter().all(|&size| size <= 100), "{sizes:?}");
    for wrong in ["limit=0", "limit=x", "last_evaluated_key=x"] {
        assert_eq!(caller.get(&format!("/sims?{wrong}"), &session.headers()).await.status, 400, "{wrong}");
    }
    assert_eq!(caller.get("/devices?limit=-1", &session.headers()).await.status, 200);
}

#[tokio::test]
async fn the_link_header_begins_at_the_host_and_quotes_nothing() {
    let caller = start(250).await;
    let session = log_in(&caller).await;
    let reply = caller.get("/sims?limit=5", &session.headers()).await;
    let key = reply.header("x-soracom-next-key");
    assert_eq!(reply.header("link"), format!("</v1/sims?last_evaluated_key={key}>; rel=next"));
    let last = caller.get("/gadgets?limit=5", &session.headers()).await;
    assert_eq!(last.header("link"), "", "some lists send the key only");
}

#[tokio::test]
async fn every_answer_carries_the_rate_limit() {
    let caller = start(1).await;
    let reply = caller.get("/sims", &[]).await;
    for name in ["limit", "remaining", "seconds-before-refresh"] {
        let value: u32 = reply.header(&format!("x-soracom-ratelimit-{name}")).parse().unwrap();
        assert!(value > 0);
    }
}

#[tokio::test]
async fn an_empty_account_has_an_empty_list() {
    let caller = start(0).await;
    let session = log_in(&caller).await;
    assert_eq!(all_pages(&caller, &session, "/sims", "").await.1, [0]);
}

#[tokio::test]
async fn one_record_is_found_by_its_id_and_an_unknown_one_is_404() {
    let caller = start(30).await;
    let session = log_in(&caller).await;
    for (path, id) in
        [("/sims", "simId"), ("/subscribers", "imsi"), ("/devices", "device_id"), ("/gadgets", "id")]
    {
        let row = all_pages(&caller, &session, path, "").await.0.pop().unwrap();
        let one = caller.get(&format!("{path}/{}", row[id].as_str().unwrap()), &session.headers()).await;
        assert_eq!(one.json(), row);
        let unknown = if path == "/gadgets" { "button/X" } else { "440109999999999" };
        let reply = caller.get(&format!("{path}/{unknown}"), &session.headers()).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.json()["code"].is_string());
    }
}

#[tokio::test]
async fn identifiers_are_texts_of_their_full_length() {
    let caller = start(3).await;
    let session = log_in(&caller).await;
    let (rows, _) = all_pages(&caller, &session, "/subscribers", "").await;
    assert!(rows.iter().all(|row| row["iccid"].as_str().unwrap().len() == 19));
    assert!(rows.iter().all(|row| row["imsi"].as_str().unwrap().len() == 15));
}

#[tokio::test]
async fn tags_are_set_with_put_and_taken_with_delete() {
    let caller = start(3).await;
    let session = log_in(&caller).await;
    for (path, id) in
        [("/sims", "simId"), ("/subscribers", "imsi"), ("/devices", "device_id"), ("/gadgets", "id")]
    {
        let row = all_pages(&caller, &session, path, "").await.0.remove(0);
        let one = format!("{path}/{}", row[id].as_str().unwrap());
        let tags = json!([{ "tagName": "depot", "tagValue": "Süd" }]);
        let put = caller.json("PUT", &format!("{one}/tags"), &session.headers(), &tags).await;
        assert_eq!((put.status, put.text_at("/tags/depot")), (200, "Süd".to_owned()));
        assert_eq!(put.text_at("/tags/name"), row["tags"]["name"].as_str().unwrap(), "others stay");
        let untag = format!("{one}/tags/depot");
        assert_eq!(caller.send("DELETE", &untag, &session.headers(), "").await.status, 204);
        assert_eq!(caller.send("DELETE", &untag, &session.headers(), "").await.status, 404);
        assert_eq!(caller.get(&one, &session.headers()).await.json(), row);
        let wrong = json!([{ "name": "depot" }]);
        assert_eq!(caller.json("PUT", &format!("{one}/tags"), &session.headers(), &wrong).await.status, 400);
    }
}

#[tokio::test]
async fn subscribers_are_filtered_by_status_and_tag() {
    let caller = start(60).await;
    let session = log_in(&caller).await;
    let (rows, _) = all_pages(&caller, &session, "/subscribers", "status_filter=active%7Cready").await;
    assert!(!rows.is_empty() && rows.len() < 60);
    assert!(rows.iter().all(|row| row["status"] == "active" || row["status"] == "ready"));
    let (rows, _) = all_pages(&caller, &session, "/subscribers", "tag_name=site&tag_value=site-001").await;
    assert!(!rows.is_empty() && rows.iter().all(|row| row["tags"]["site"] == "site-001"));
    let prefix = "tag_name=site&tag_value=site-00&tag_value_match_mode=prefix";
    assert!(all_pages(&caller, &session, "/subscribers", prefix).await.0.len() > rows.len());
    assert_eq!(caller.get("/subscribers?tag_name=site", &session.headers()).await.status, 400);
}
