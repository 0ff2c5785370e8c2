//! SimpleIOT with its Cognito user pool.

use runner::simulate::Provider;
use serde_json::{Value, json};

use super::caller::{Caller, Reply, claims, totp_code};

const AMZ_JSON: &str = "application/x-amz-json-1.1";
const ALL_DEVICES: &str = "/v1/device?project_name=Sunshine&all=true";

async fn start(devices: usize) -> Caller {
    Caller::start(Provider::Simpleiot, devices).await
}

async fn pool(caller: &Caller, action: &str, body: &Value) -> Reply {
    let target = format!("AWSCognitoIdentityProviderService.{action}");
    let headers = [("content-type", AMZ_JSON), ("x-amz-target", target.as_str())];
    let url = format!("{}/", caller.simulator.auth_base_url().unwrap());
    let reply = caller.send("POST", &url, &headers, &body.to_string()).await;
    if !reply.text.is_empty() {
        assert_eq!(reply.header("content-type"), AMZ_JSON);
    }
    reply
}

fn login_body(caller: &Caller, label: &str) -> Value {
    json!({
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": caller.demo(label, "client_id"),
        "AuthParameters": { "USERNAME": caller.demo(label, "username"), "PASSWORD": caller.demo(label, "password") },
    })
}

async fn log_in(caller: &Caller) -> Value {
    let reply = pool(caller, "InitiateAuth", &login_body(caller, "plain")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    serde_json::from_str::<Value>(&reply.text).unwrap()["AuthenticationResult"].clone()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

async fn refresh(caller: &Caller, token: &str) -> Reply {
    let body = json!({
        "AuthFlow": "REFRESH_TOKEN_AUTH",
        "ClientId": caller.demo("plain", "client_id"),
        "AuthParameters": { "REFRESH_TOKEN": token },
    });
    pool(caller, "InitiateAuth", &body).await
}

/// The answer to a challenge, with these responses besides the user's name.
fn response(caller: &Caller, label: &str, asked: &Reply, key: &str, value: &str) -> Value {
    json!({
        "ClientId": caller.demo(label, "client_id"),
        "ChallengeName": asked.text_at("/ChallengeName"),
        "Session": asked.text_at("/Session"),
        "ChallengeResponses": { "USERNAME": caller.demo(label, "username"), key: value },
    })
}

/// A refusal of the pool: 400, and its type in body and header.
fn assert_refused(reply: &Reply, kind: &str) {
    assert_eq!((reply.status, reply.text_at("/__type").as_str()), (400, kind), "{}", reply.text);
    assert_eq!(reply.header("x-amzn-errortype"), format!("{kind}:"));
}

#[tokio::test]
async fn a_login_gives_three_tokens_and_their_life() {
    let caller = start(1).await;
    let result = log_in(&caller).await;
    assert_eq!((&result["ExpiresIn"], &result["TokenType"]), (&json!(3_600), &json!("Bearer")));
    let (id, access) = (claims(text(&result, "IdToken")), claims(text(&result, "AccessToken")));
    assert_eq!((text(&id, "token_use"), text(&access, "token_use")), ("id", "access"));
    assert_eq!(id["exp"].as_i64().unwrap() - id["iat"].as_i64().unwrap(), 3_600);
    assert_eq!(text(&result, "RefreshToken").split('.').count(), 5);
}

#[tokio::test]
async fn refused_logins_are_400_with_a_type() {
    let caller = start(1).await;
    let with = |pointer: &str, value: &str| {
        let mut body = login_body(&caller, "plain");
        *body.pointer_mut(pointer).unwrap() = value.into();
        body
    };
    let password = pool(&caller, "InitiateAuth", &with("/AuthParameters/PASSWORD", "wrong")).await;
    assert_refused(&password, "NotAuthorizedException");
    assert_eq!(password.text_at("/message"), "Incorrect username or password.");
    let user = pool(&caller, "InitiateAuth", &with("/AuthParameters/USERNAME", "nobody")).await;
    assert_refused(&user, "UserNotFoundException");
    assert_eq!(caller.simulator.stats().refused_logins, 2);
    let client = pool(&caller, "InitiateAuth", &with("/ClientId", "other")).await;
    assert_refused(&client, "ResourceNotFoundException");
    let flow = pool(&caller, "InitiateAuth", &with("/AuthFlow", "OTHER")).await;
    assert_refused(&flow, "InvalidParameterException");
    let mut missing = login_body(&caller, "plain");
    missing["AuthParameters"] = json!({});
    let missing = pool(&caller, "InitiateAuth", &missing).await;
    assert_refused(&missing, "InvalidParameterException");
    assert_eq!(missing.text_at("/message"), "Missing required parameter USERNAME");
}

#[tokio::test]
async fn five_wrong_passwords_lock_the_user_out_for_longer_and_longer() {
    let caller = start(1).await;
    let tokens = log_in(&caller).await;
    let right = login_body(&caller, "plain");
    let mut wrong = right.clone();
    wrong["AuthParameters"]["PASSWORD"] = "wrong".into();
    let refused = async |body: &Value| {
        let reply = pool(&caller, "InitiateAuth", body).await;
        assert_refused(&reply, "NotAuthorizedException");
        reply.text_at("/message")
    };
    // Ten failures, each when the lock of the one before has ended, lock for 32 seconds.
    for _ in 0..10 {
        assert_eq!(refused(&wrong).await, "Incorrect username or password.");
        caller.wait(17);
    }
    assert_eq!(refused(&right).await, "Password attempts exceeded");
    assert_eq!(refused(&wrong).await, "Password attempts exceeded");
    assert_eq!(refresh(&caller, text(&tokens, "RefreshToken")).await.status, 200, "a refresh is no attempt");
    let other = pool(&caller, "InitiateAuth", &login_body(&caller, "mfa")).await;
    assert_eq!(other.status, 200, "other users are not locked out");
    assert_eq!(caller.simulator.stats().refused_logins, 12);
    caller.wait(15);
    log_in(&caller).await;
    assert_eq!(refused(&wrong).await, "Incorrect username or password.", "success has forgiven the others");
    log_in(&caller).await;
}

#[tokio::test]
async fn wrong_codes_lock_the_user_out_too() {
    let caller = start(1).await;
    let answered = async |code: &str| {
        let asked = pool(&caller, "InitiateAuth", &login_body(&caller, "mfa")).await;
        let body = response(&caller, "mfa", &asked, "SOFTWARE_TOKEN_MFA_CODE", code);
        pool(&caller, "RespondToAuthChallenge", &body).await
    };
    for _ in 0..10 {
        assert_refused(&answered("0").await, "CodeMismatchException");
        caller.wait(17);
    }
    let locked = pool(&caller, "InitiateAuth", &login_body(&caller, "mfa")).await;
    assert_refused(&locked, "NotAuthorizedException");
    assert_eq!(locked.text_at("/message"), "Password attempts exceeded");
}

#[tokio::test]
async fn target_and_content_type_are_needed() {
    let caller = start(1).await;
    let body = login_body(&caller, "plain");
    assert_refused(&pool(&caller, "Nothing", &body).await, "UnknownOperationException");
    let url = format!("{}/", caller.simulator.auth_base_url().unwrap());
    let target = ("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth");
    let other_type = [("content-type", "application/json"), target];
    assert_eq!(caller.send("POST", &url, &other_type, &body.to_string()).await.status, 400);
    let cut = caller.send("POST", &url, &[("content-type", AMZ_JSON), target], "{").await;
    assert_refused(&cut, "SerializationException");
    assert_eq!(caller.simulator.stats().requests_to("POST / InitiateAuth"), 2);
}

#[tokio::test]
async fn a_new_password_is_asked_for_and_kept() {
    let caller = start(1).await;
    let asked = pool(&caller, "InitiateAuth", &login_body(&caller, "new-password")).await;
    assert_eq!((asked.status, asked.text_at("/ChallengeName").as_str()), (200, "NEW_PASSWORD_REQUIRED"));
    assert!(!asked.text.contains("AuthenticationResult"));
    let attributes = asked.text_at("/ChallengeParameters/userAttributes");
    assert!(serde_json::from_str::<Value>(&attributes).unwrap()["email"].is_string());
    let new = "demo-new-password-Qa2";
    let body = response(&caller, "new-password", &asked, "NEW_PASSWORD", new);
    let reply = pool(&caller, "RespondToAuthChallenge", &body).await;
    assert!(!reply.text_at("/AuthenticationResult/IdToken").is_empty());
    assert_refused(&pool(&caller, "RespondToAuthChallenge", &body).await, "NotAuthorizedException");
    let mut login = login_body(&caller, "new-password");
    assert_refused(&pool(&caller, "InitiateAuth", &login).await, "NotAuthorizedException");
    login["AuthParameters"]["PASSWORD"] = new.into();
    assert!(pool(&caller, "InitiateAuth", &login).await.text.contains("AuthenticationResult"));
}

#[tokio::test]
async fn a_new_password_that_is_too_short_is_refused() {
    let caller = start(1).await;
    let asked = pool(&caller, "InitiateAuth", &login_body(&caller, "new-password")).await;
    let body = response(&caller, "new-password", &asked, "NEW_PASSWORD", "short");
    assert_refused(&pool(&caller, "RespondToAuthChallenge", &body).await, "InvalidPasswordException");
}

#[tokio::test]
async fn a_code_is_asked_for_and_its_session_is_used_up_by_a_wrong_one() {
    let caller = start(1).await;
    let code = totp_code(&caller.demo("mfa", "mfa_secret"));
    let asked = pool(&caller, "InitiateAuth", &login_body(&caller, "mfa")).await;
    assert_eq!(asked.text_at("/ChallengeName"), "SOFTWARE_TOKEN_MFA");
    let wrong = response(&caller, "mfa", &asked, "SOFTWARE_TOKEN_MFA_CODE", "0");
    assert_refused(&pool(&caller, "RespondToAuthChallenge", &wrong).await, "CodeMismatchException");
    let late = response(&caller, "mfa", &asked, "SOFTWARE_TOKEN_MFA_CODE", &code);
    assert_refused(&pool(&caller, "RespondToAuthChallenge", &late).await, "NotAuthorizedException");
    let asked = pool(&caller, "InitiateAuth", &login_body(&caller, "mfa")).await;
    let right = response(&caller, "mfa", &asked, "SOFTWARE_TOKEN_MFA_CODE", &code);
    assert_eq!(pool(&caller, "RespondToAuthChallenge", &right).await.status, 200);
    assert_eq!((caller.simulator.stats().logins, caller.simulator.stats().refused_logins), (1, 2));
}

#[tokio::test]
async fn a_challenge_must_be_answered_within_minutes() {
    let caller = start(1).await;
    let asked = pool(&caller, "InitiateAuth", &login_body(&caller, "new-password")).await;
    caller.wait(180);
    let body = response(&caller, "new-password", &asked, "NEW_PASSWORD", "demo-new-password-Qa2");
    assert_refused(&pool(&caller, "RespondToAuthChallenge", &body).await, "NotAuthorizedException");
}

#[tokio::test]
async fn one_challenge_may_follow_another() {
    let caller = start(1).await;
    let label = "new-password-mfa";
    let asked = pool(&caller, "InitiateAuth", &login_body(&caller, label)).await;
    let body = response(&caller, label, &asked, "NEW_PASSWORD", "demo-new-password-Qa2");
    let asked = pool(&caller, "RespondToAuthChallenge", &body).await;
    assert_eq!(asked.text_at("/ChallengeName"), "SOFTWARE_TOKEN_MFA");
    let code = totp_code(&caller.demo(label, "mfa_secret"));
    let body = response(&caller, label, &asked, "SOFTWARE_TOKEN_MFA_CODE", &code);
    assert_eq!(pool(&caller, "RespondToAuthChallenge", &body).await.status, 200);
}

#[tokio::test]
async fn a_refresh_brings_no_refresh_token() {
    let caller = start(1).await;
    let result = log_in(&caller).await;
    caller.wait(3_600);
    let reply = refresh(&caller, text(&result, "RefreshToken")).await;
    assert_eq!(reply.status, 200);
    assert!(!reply.text.contains("RefreshToken"));
    let id_token = reply.text_at("/AuthenticationResult/IdToken");
    assert_eq!(caller.get(ALL_DEVICES, &[("authorization", &id_token)]).await.status, 200);
    assert_refused(&refresh(&caller, text(&result, "AccessToken")).await, "NotAuthorizedException");
    caller.wait(30 * 86_400);
    let expired = refresh(&caller, text(&result, "RefreshToken")).await;
    assert_eq!(expired.text_at("/message"), "Refresh Token has expired");
    assert_eq!(caller.simulator.stats().refreshes, 1);
}

#[tokio::test]
async fn global_sign_out_ends_refreshes_but_not_id_tokens() {
    let caller = start(1).await;
    let (one, other) = (log_in(&caller).await, log_in(&caller).await);
    let body = json!({ "AccessToken": text(&one, "AccessToken") });
    let reply = pool(&caller, "GlobalSignOut", &body).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "{}"));
    for result in [&one, &other] {
        let refused = refresh(&caller, text(result, "RefreshToken")).await;
        assert_eq!(refused.text_at("/message"), "Refresh Token has been revoked");
    }
    assert_eq!(
        pool(&caller, "GlobalSignOut", &body).await.text_at("/message"),
        "Access Token has been revoked"
    );
    assert_eq!(caller.get(ALL_DEVICES, &[("authorization", text(&one, "IdToken"))]).await.status, 200);
    let stats = caller.simulator.stats();
    assert_eq!((stats.logouts, stats.open_sessions), (1, 0));
}

#[tokio::test]
async fn revoke_token_takes_the_refresh_token_of_one_login() {
    let caller = start(1).await;
    let (one, other) = (log_in(&caller).await, log_in(&caller).await);
    let client_id = caller.demo("plain", "client_id");
    let revoke = |token: &str| json!({ "Token": token, "ClientId": client_id });
    let reply = pool(&caller, "RevokeToken", &revoke(text(&one, "RefreshToken"))).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    assert_eq!(refresh(&caller, text(&one, "RefreshToken")).await.status, 400);
    assert_eq!(refresh(&caller, text(&other, "RefreshToken")).await.status, 200);
    let wrong = pool(&caller, "RevokeToken", &revoke(text(&other, "AccessToken"))).await;
    assert_refused(&wrong, "UnsupportedTokenTypeException");
    assert_eq!(caller.simulator.stats().open_sessions, 1);
}

#[tokio::test]
async fn the_api_takes_the_id_token_raw_or_as_bearer_and_no_other() {
    let caller = start(1).await;
    let result = log_in(&caller).await;
    let id_token = text(&result, "IdToken");
    for header in [id_token.to_owned(), format!("Bearer {id_token}")] {
        assert_eq!(caller.get(ALL_DEVICES, &[("authorization", &header)]).await.status, 200);
    }
    for header in ["", "x", text(&result, "AccessToken")] {
        let reply = caller.get(ALL_DEVICES, &[("authorization", header)]).await;
        assert_eq!((reply.status, reply.json()), (401, json!({ "message": "Unauthorized" })));
    }
    caller.wait(3_600);
    let reply = caller.get(ALL_DEVICES, &[("authorization", id_token)]).await;
    assert_eq!((reply.status, reply.json()), (401, json!({ "message": "The incoming token has expired" })));
    assert_eq!(reply.header("x-amzn-errortype"), "UnauthorizedException");
}

#[tokio::test]
async fn an_unknown_path_or_method_is_403() {
    let caller = start(1).await;
    let missing = json!({ "message": "Missing Authentication Token" });
    for (method, path) in [("GET", "/v1/nothing"), ("PATCH", "/v1/device"), ("GET", "/v1/device/")] {
        let reply = caller.send(method, path, &[], "").await;
        assert_eq!((reply.status, reply.json()), (403, missing.clone()), "{method} {path}");
    }
}

#[tokio::test]
async fn the_two_origins_do_not_answer_for_each_other() {
    let caller = start(1).await;
    let result = log_in(&caller).await;
    let url = format!("{}/iotcli{ALL_DEVICES}", caller.simulator.auth_base_url().unwrap());
    let reply = caller.get(&url, &[("authorization", text(&result, "IdToken"))]).await;
    assert_refused(&reply, "UnknownOperationException");
}

#[tokio::test]
async fn devices_need_a_project_and_are_a_bare_array() {
    let caller = start(10).await;
    let result = log_in(&caller).await;
    let headers = [("authorization", text(&result, "IdToken"))];
    let reply = caller.get(ALL_DEVICES, &headers).await;
    assert_eq!(reply.row_count(), 4);
    assert!(reply.json()[0].get("model").is_none(), "not with all=true");
    assert_eq!(caller.get("/v1/device?project_name=Sunshine&all=false", &headers).await.row_count(), 4);
    let models = caller.get("/v1/device?project_name=Sunshine&model=Probe-1", &headers).await;
    assert!((1..4).contains(&models.row_count()));
    assert!(models.json().as_array().unwrap().iter().all(|device| device["model"] == "Probe-1"));
    for query in ["all=true", "project_name=Nowhere&all=true"] {
        let refused = caller.get(&format!("/v1/device?{query}"), &headers).await;
        assert_eq!(refused.status, 418);
        assert_eq!(refused.json(), json!({ "status": "error", "message": "Project not found" }));
    }
}

#[tokio::test]
async fn one_device_has_details_and_its_key_only_on_request() {
    let caller = start(10).await;
    let result = log_in(&caller).await;
    let headers = [("authorization", text(&result, "IdToken"))];
    let by_serial = caller.get("/v1/device?project_name=Sunshine&serial=TP-0001", &headers).await.json();
    assert!(by_serial["battery_level"].is_number() && by_serial.get("private_key").is_none());
    let by_id = format!("/v1/device?project_name=Sunshine&device_id={}", text(&by_serial, "id"));
    assert_eq!(caller.get(&by_id, &headers).await.json(), by_serial);
    let with_cert = caller.get(&format!("{by_id}&show_cert=true"), &headers).await.json();
    assert!(text(&with_cert, "private_key").contains("PRIVATE KEY"));
    for query in ["serial=TP-9999", "id=1"] {
        let refused = caller.get(&format!("/v1/device?project_name=Sunshine&{query}"), &headers).await;
        assert_eq!((refused.status, refused.text_at("/message").as_str()), (418, "Device not found"));
    }
}

#[tokio::test]
async fn projects_hold_all_devices_between_them() {
    let caller = start(10).await;
    let result = log_in(&caller).await;
    let headers = [("authorization", text(&result, "IdToken"))];
    let all = caller.get("/v1/project?all=true", &headers).await.json();
    let projects = all.as_array().unwrap();
    assert_eq!(
        projects.iter().map(|project| project["devices"].as_array().unwrap().len()).sum::<usize>(),
        10
    );
    assert_eq!(caller.get("/v1/project?project_name=Sunshine", &headers).await.json(), projects[0]);
    let by_id = format!("/v1/project?project_id={}", text(&projects[2], "id"));
    assert_eq!(caller.get(&by_id, &headers).await.json(), projects[2]);
    assert_eq!(caller.get("/v1/project?name=Sunshine", &headers).await.status, 418, "not this spelling");
}
