//! ecHome.

use runner::simulate::Provider;
use serde_json::{Value, json};

use super::caller::{Caller, Reply, claims};

const TOKEN: &str = "/identity/token";
const REFRESH: &str = "/identity/token/refresh";
const MACHINES: &str = "/vm/vm/describe/all";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn start(devices: usize) -> Caller {
    Caller::start(Provider::Echome, devices).await
}

fn key(caller: &Caller, label: &str) -> Value {
    json!({ "username": caller.demo(label, "username"), "password": caller.demo(label, "password") })
}

async fn log_in(caller: &Caller, label: &str) -> (String, String) {
    let reply = caller.json("POST", TOKEN, &[], &key(caller, label)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    (format!("Bearer {}", reply.text_at("/access")), reply.text_at("/refresh"))
}

async fn machines(caller: &Caller, authorization: &str) -> Reply {
    caller.get(MACHINES, &[("authorization", authorization)]).await
}

#[tokio::test]
async fn a_login_gives_a_pair_and_nothing_else() {
    let caller = start(1).await;
    let reply = caller.json("POST", TOKEN, &[("authorization", "Bearer None")], &key(&caller, "plain")).await;
    assert_eq!((reply.status, reply.json().as_object().unwrap().len()), (200, 2));
    let (access, refresh) = (claims(&reply.text_at("/access")), claims(&reply.text_at("/refresh")));
    let life = |token: &Value| token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap();
    assert_eq!((access["token_type"].as_str(), life(&access)), (Some("access"), 3_600));
    assert_eq!((refresh["token_type"].as_str(), life(&refresh)), (Some("refresh"), 86_400));
    assert_eq!(access["user_id"], caller.demo("plain", "username"));
}

#[tokio::test]
async fn a_login_may_be_a_form() {
    let caller = start(1).await;
    let body = format!(
        "username={}&password={}",
        caller.demo("plain", "username"),
        caller.demo("plain", "password")
    );
    assert_eq!(caller.send("POST", TOKEN, &[FORM], &body).await.status, 200);
}

#[tokio::test]
async fn a_wrong_secret_is_401_without_a_code() {
    let caller = start(1).await;
    let mut body = key(&caller, "plain");
    body["password"] = "wrong".into();
    let reply = caller.json("POST", TOKEN, &[], &body).await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json(), json!({ "detail": "No active account found with the given credentials" }));
    assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"api\"");
    assert_eq!(caller.simulator.stats().refused_logins, 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_login_body_is_said_in_the_frameworks_words() {
    let caller = start(1).await;
    let missing = caller.json("POST", TOKEN, &[], &json!({})).await;
    assert_eq!(missing.status, 400);
    let required = json!(["This field is required."]);
    assert_eq!(missing.json(), json!({ "username": required, "password": required }));
    let cut = caller.send("POST", TOKEN, &[("content-type", "application/json")], "{").await;
    assert_eq!(cut.status, 400);
    assert!(cut.text_at("/detail").starts_with("JSON parse error - "));
    let text = caller.send("POST", TOKEN, &[("content-type", "text/plain")], "x").await;
    assert_eq!(text.status, 415);
    assert_eq!(text.text_at("/detail"), "Unsupported media type \"text/plain\" in request.");
    let get = caller.get(TOKEN, &[]).await;
    assert_eq!((get.status, get.text_at("/detail").as_str()), (405, "Method \"GET\" not allowed."));
    assert_eq!(get.header("allow"), "POST, OPTIONS");
}

#[tokio::test]
async fn a_trailing_slash_and_an_unknown_path_are_html_404() {
    let caller = start(1).await;
    for path in ["/identity/token/", "/vm/vm/describe/all/", "/nothing"] {
        let reply = caller.json("POST", path, &[], &json!({})).await;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
        assert!(reply.text.contains("<h1>Not Found</h1>"));
    }
}

#[tokio::test]
async fn each_bad_authorization_header_has_its_own_401() {
    let caller = start(1).await;
    let (access, refresh) = log_in(&caller, "plain").await;
    let not_provided = json!({ "detail": "Authentication credentials were not provided." });
    let not_valid = |message: &str| {
        json!({
            "detail": "Given token not valid for any token type",
            "code": "token_not_valid",
            "messages": [{ "token_class": "AccessToken", "token_type": "access", "message": message }],
        })
    };
    let malformed = json!({
        "detail": "Authorization header must contain two space-delimited values",
        "code": "bad_authorization_header",
    });
    let lower_case = access.replace("Bearer", "bearer");
    let cases = [
        ("", &not_provided),
        (lower_case.as_str(), &not_provided),
        ("Bearer", &malformed),
        ("Bearer a b", &malformed),
        ("Bearer x.y.z", &not_valid("Token is invalid or expired")),
        (&format!("Bearer {refresh}"), &not_valid("Token has wrong type")),
    ];
    for (header, body) in cases {
        let reply = machines(&caller, header).await;
        assert_eq!((reply.status, &reply.json()), (401, body), "{header}");
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"api\"");
    }
    assert_eq!(machines(&caller, &access).await.status, 200);
    caller.wait(3_600);
    assert_eq!(machines(&caller, &access).await.json(), not_valid("Token is invalid or expired"));
}

#[tokio::test]
async fn a_refresh_needs_no_header_takes_both_forms_and_rotates() {
    let caller = start(1).await;
    let (old_access, old_refresh) = log_in(&caller, "plain").await;
    caller.wait(86_000);
    let form = caller.send("POST", REFRESH, &[FORM], &format!("refresh={old_refresh}")).await;
    assert_eq!(form.status, 200);
    let (access, refresh) = (form.text_at("/access"), form.text_at("/refresh"));
    assert_ne!(refresh, old_refresh);
    let garbage = [("authorization", "Bearer None")];
    let again = caller.json("POST", REFRESH, &garbage, &json!({ "refresh": old_refresh })).await;
    assert_eq!(again.status, 200, "the old one is not invalidated");
    assert_eq!(machines(&caller, &old_access).await.status, 401);
    assert_eq!(machines(&caller, &format!("Bearer {access}")).await.status, 200);
    caller.wait(400);
    let expired = caller.json("POST", REFRESH, &[], &json!({ "refresh": old_refresh })).await;
    assert_eq!(expired.json(), json!({ "detail": "Token is invalid or expired", "code": "token_not_valid" }));
    let rotated = caller.json("POST", REFRESH, &[], &json!({ "refresh": refresh })).await;
    assert_eq!(rotated.status, 200, "the new one lives a full day again");
    let stats = caller.simulator.stats();
    assert_eq!((stats.logins, stats.refreshes, stats.open_sessions), (1, 3, 1));
}

#[tokio::test]
async fn a_refresh_is_refused_for_an_access_token_and_without_a_field() {
    let caller = start(1).await;
    let (access, _) = log_in(&caller, "plain").await;
    let wrong = json!({ "refresh": access.trim_start_matches("Bearer ") });
    let reply = caller.json("POST", REFRESH, &[], &wrong).await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json(), json!({ "detail": "Token has wrong type", "code": "token_not_valid" }));
    let missing = caller.json("POST", REFRESH, &[], &json!({})).await;
    assert_eq!((missing.status, missing.json()), (400, json!({ "refresh": ["This field is required."] })));
}

#[tokio::test]
async fn after_a_revocation_the_refresh_token_still_helps() {
    let caller = start(1).await;
    let (access, refresh) = log_in(&caller, "plain").await;
    caller.simulator.revoke_access_tokens();
    assert_eq!(machines(&caller, &access).await.status, 401);
    let reply = caller.json("POST", REFRESH, &[], &json!({ "refresh": refresh })).await;
    assert_eq!(machines(&caller, &format!("Bearer {}", reply.text_at("/access"))).await.status, 200);
}

#[tokio::test]
async fn machines_come_in_an_envelope_all_at_once() {
    let caller = start(230).await;
    let (access, _) = log_in(&caller, "plain").await;
    let body = machines(&caller, &access).await.json();
    assert_eq!((&body["success"], &body["details"]), (&json!(true), &json!("")));
    let results = body["results"].as_array().unwrap();
    assert_eq!(results.len(), 230);
    let path = format!("/vm/vm/describe/{}", results[7]["instance_id"].as_str().unwrap());
    let one = caller.get(&path, &[("authorization", &access)]).await.json();
    assert_eq!(one["results"], json!([results[7]]));
}

#[tokio::test]
async fn the_other_lists_have_the_same_envelope() {
    let caller = start(3).await;
    let (access, _) = log_in(&caller, "plain").await;
    for list in [
        "/vm/volume/describe",
        "/vm/image/guest/describe",
        "/vm/image/user/describe",
        "/keys/sshkey/describe",
        "/network/describe",
        "/kube/cluster/describe",
        "/identity/user/describe",
    ] {
        let all = caller.get(&format!("{list}/all"), &[("authorization", &access)]).await;
        assert_eq!((all.status, &all.json()["success"]), (200, &json!(true)), "{list}");
        assert!(!all.json()["results"].as_array().unwrap().is_empty());
        let unknown =
            caller.get(&format!("{list}/nothing-of-that-name"), &[("authorization", &access)]).await;
        assert_eq!(unknown.status, 404);
        assert_eq!(unknown.json(), json!({ "success": false, "details": "Resource does not exist" }));
    }
}

#[tokio::test]
async fn no_machines_are_a_success() {
    let caller = start(0).await;
    let (access, _) = log_in(&caller, "plain").await;
    assert_eq!(machines(&caller, &access).await.json()["results"], json!([]));
}

#[tokio::test]
async fn writes_read_the_form_only() {
    let caller = start(1).await;
    let (access, _) = log_in(&caller, "plain").await;
    let headers = [("authorization", access.as_str())];
    let body = json!({ "Action": "update-user-access-key", "AccessKeyId": "x", "Status": "inactive" });
    let reply = caller.json("POST", "/identity/user/modify", &headers, &body).await;
    assert_eq!(reply.status, 400);
    let details = "Missing the following required parameters";
    assert_eq!(reply.json(), json!({ "success": false, "details": details, "parameters": ["Action"] }));
}

#[tokio::test]
async fn a_key_that_is_switched_off_refreshes_but_opens_nothing() {
    let caller = start(1).await;
    let (access, _) = log_in(&caller, "plain").await;
    let (spare, refresh) = log_in(&caller, "spare").await;
    let spare_id = caller.demo("spare", "username");
    let modify = async |form: String| {
        let headers = [("authorization", access.as_str()), FORM];
        caller.send("POST", "/identity/user/modify", &headers, &form).await.status
    };
    let status =
        modify(format!("Action=update-user-access-key&AccessKeyId={spare_id}&Status=inactive")).await;
    assert_eq!(status, 200);
    assert_eq!(machines(&caller, &spare).await.text_at("/code"), "user_inactive");
    assert_eq!(caller.json("POST", TOKEN, &[], &key(&caller, "spare")).await.status, 401);
    assert_eq!(caller.json("POST", REFRESH, &[], &json!({ "refresh": refresh })).await.status, 200);
    assert_eq!(modify(format!("Action=delete-user-access-key&AccessKeyId={spare_id}")).await, 200);
    assert_eq!(machines(&caller, &spare).await.text_at("/code"), "user_not_found");
    assert_eq!(modify(format!("Action=delete-user-access-key&AccessKeyId={spare_id}")).await, 404);
}

#[tokio::test]
async fn the_framework_asks_who_one_is_before_it_looks_at_the_method() {
    let caller = start(1).await;
    assert_eq!(caller.send("DELETE", MACHINES, &[], "").await.status, 401);
    let (access, _) = log_in(&caller, "plain").await;
    assert_eq!(caller.send("DELETE", MACHINES, &[("authorization", &access)], "").await.status, 405);
}
