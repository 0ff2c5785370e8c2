//! Every way of signing in that the language must be able to say, each as one of `tests/cases/sayable`.

use super::bench::{API, Bench, Case, texts};
use crate::event::SessionEnd;
use crate::model::exit::Cause;
use crate::port::StoreKey;
use crate::port::fake::{FakePrompt, FakeStore, Reply, ScriptedTransport, Sent};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::time::Duration;

const LOGIN: &str = "POST https://api.example.com/login";
const REFRESH: &str = "POST https://api.example.com/refresh";
const LOGOUT: &str = "POST https://api.example.com/logout";
const DEVICES: &str = "GET https://api.example.com/devices";

fn token(number: u32) -> Value {
    json!({ "access_token": format!("token-{number}-geheim") })
}

fn bearer(number: u32) -> String {
    format!("Bearer token-{number}-geheim")
}

/// Runs the first step of a case against a script.
async fn run<const N: usize>(name: &str, script: [(&'static str, Reply); N]) -> Bench {
    let bench = Case::sayable(name).start(ScriptedTransport::script(script)).await;
    bench.step().await.expect("signed in");
    assert_eq!(bench.transport.sent().len(), N);
    bench
}

/// As [`run`], then signs out.
async fn run_and_close<const N: usize>(
    name: &str,
    script: [(&'static str, Reply); N],
) -> (Bench, SessionEnd) {
    let bench = Case::sayable(name).start(ScriptedTransport::script(script)).await;
    bench.step().await.expect("signed in");
    let end = bench.sessions.close_all().await.pop().expect("a session was open");
    assert_eq!(bench.transport.sent().len(), N);
    (bench, end)
}

fn ok() -> Reply {
    Reply::json(200, json!([]))
}

#[tokio::test]
async fn a_login_with_json_or_a_form() {
    let bench = run("login-json", [(LOGIN, Reply::json(200, token(1))), (DEVICES, ok())]).await;
    let login = &bench.transport.sent()[0];
    assert_eq!(login.json(), json!({"username": "ops@example.com", "password": "password-geheim"}));
    assert_eq!(login.header("content-type"), "application/json");
    assert_eq!(bench.last().header("authorization"), bearer(1));

    let bench = run("login-form", [(LOGIN, Reply::json(200, token(1))), (DEVICES, ok())]).await;
    let login = &bench.transport.sent()[0];
    assert_eq!(login.body, "username=ops%40example.com&password=password-geheim");
    assert_eq!(login.header("content-type"), "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn the_token_in_headers_cookie_query_and_body() {
    let two = json!({"key": "key-1-geheim", "token": "token-1-geheim"});
    let bench = run("session-in-two-headers", [(LOGIN, Reply::json(200, two)), (DEVICES, ok())]).await;
    assert_eq!(bench.last().header("x-api-key"), "key-1-geheim");
    assert_eq!(bench.last().header("x-token"), "token-1-geheim");

    let bench = run("token-raw-in-header", [(LOGIN, Reply::json(200, token(1))), (DEVICES, ok())]).await;
    assert_eq!(bench.last().header("authorization"), "token-1-geheim");

    let cookies = Reply::status(204)
        .header("set-cookie", "other=1; Path=/")
        .header("set-cookie", "sid=sid-geheim; HttpOnly; Secure");
    let bench = run("token-in-cookie", [(LOGIN, cookies), (DEVICES, ok())]).await;
    assert_eq!(bench.last().header("cookie"), "sid=sid-geheim");

    let query = "GET https://api.example.com/devices?access_token=token-1-geheim";
    run("token-in-query", [(LOGIN, Reply::json(200, token(1))), (query, ok())]).await;

    let search = "POST https://api.example.com/devices/search";
    let bench = run("token-in-body", [(LOGIN, Reply::json(200, token(1))), (search, ok())]).await;
    assert_eq!(bench.last().json(), json!({"status": "online", "session": "token-1-geheim"}));
}

#[tokio::test]
async fn basic_credentials_are_form_encoded_first() {
    let login = "POST https://api.example.com/token";
    let bench =
        run("basic-credentials-form-encoded", [(login, Reply::json(200, token(1))), (DEVICES, ok())]).await;
    let basic = bench.transport.sent()[0].header("authorization").to_owned();
    let pair = BASE64_STANDARD.decode(basic.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(String::from_utf8(pair).unwrap(), "client%3A1:secret%2Fgeheim%20%25");
}

#[tokio::test]
async fn presets_without_a_login_send_what_they_have() {
    let bench = run("preset-bearer", [(DEVICES, ok())]).await;
    assert_eq!(bench.last().header("authorization"), "Bearer token-geheim");
    assert_eq!(bench.session_events(), [""; 0]);
    assert!(bench.sessions.close_all().await.is_empty());

    let bench = run("preset-basic", [(DEVICES, ok())]).await;
    let pair = BASE64_STANDARD.encode("ops@example.com:password-geheim");
    assert_eq!(bench.last().header("authorization"), format!("Basic {pair}"));

    let bench = run("preset-api-key-in-header", [(DEVICES, ok())]).await;
    assert_eq!(bench.last().header("x-api-key"), "key-geheim");
    run("preset-api-key-in-query", [("GET https://api.example.com/devices?key=key-geheim", ok())]).await;
}

#[tokio::test]
async fn client_credentials_are_a_preset() {
    let login = "POST https://login.example.com/oauth2/token";
    let reply = json!({"access_token": "token-1-geheim", "token_type": "Bearer", "expires_in": 3600});
    let bench =
        run("preset-oauth2-client-credentials", [(login, Reply::json(200, reply)), (DEVICES, ok())]).await;
    let login = &bench.transport.sent()[0];
    assert!(login.body.contains("grant_type=client_credentials"), "{}", login.body);
    assert!(login.body.contains("scope=devices.read"), "{}", login.body);
    assert_eq!(bench.last().header("authorization"), bearer(1));
}

#[tokio::test]
async fn a_login_of_two_requests() {
    let nonce = ("POST https://api.example.com/nonce", Reply::json(200, json!({"nonce": "n-geheim"})));
    let bench =
        run("login-in-two-requests", [nonce, (LOGIN, Reply::json(200, token(1))), (DEVICES, ok())]).await;
    assert_eq!(bench.transport.sent()[1].json()["nonce"], "n-geheim");
}

/// Signs in with an answer and looks at how long the session is said to live, in seconds.
async fn life(name: &str, body: Value) -> Option<u64> {
    let reply = Reply::json(200, body).header("date", "Sun, 22 Nov 2026 08:00:00 GMT");
    let bench = Case::sayable(name).start(ScriptedTransport::script([(LOGIN, reply)])).await;
    let note = bench.sessions.authenticate(API, None, Vec::new()).await.expect("signed in");
    note.valid_for_ms.map(|life| life / 1000)
}

#[tokio::test]
async fn the_end_of_a_session_in_all_its_forms() {
    let with = |key: &str, value: Value| json!({"access_token": "token-geheim", key: value});
    assert_eq!(life("expiry-in-seconds", with("expires_in", json!(3600))).await, Some(3600));
    assert_eq!(life("expiry-in-seconds", with("expires_in", json!("soon"))).await, None);
    assert_eq!(life("expiry-in-milliseconds", with("expires_in_ms", json!(90_500))).await, Some(90));
    assert_eq!(life("expiry-after-a-duration", token(1)).await, Some(5400));
    // The server's clock is two hours ahead of ours.
    assert_eq!(life("expiry-at-a-time", with("expires_at", json!("2026-11-22T09:00:00Z"))).await, Some(3600));
    let claims = BASE64_URL_SAFE_NO_PAD.encode(json!({"exp": 1_795_338_000, "sub": "geheim"}).to_string());
    let jwt = json!({ "access_token": format!("e30.{claims}.c2ln") });
    assert_eq!(life("expiry-from-jwt", jwt).await, Some(3600));
}

#[tokio::test]
async fn a_sign_of_its_own_means_expired() {
    let ended = Reply::json(403, json!({"code": "SESSION_EXPIRED"}));
    let bench = run(
        "expiry-is-not-401",
        [
            (LOGIN, Reply::json(200, token(1))),
            (DEVICES, ended),
            (LOGIN, Reply::json(200, token(2))),
            (DEVICES, ok()),
        ],
    )
    .await;
    assert_eq!(bench.last().header("authorization"), bearer(2));
}

#[tokio::test]
async fn a_401_or_403_that_is_no_expiry_is_not_renewed() {
    let refused = Reply::json(401, json!({"code": "no_right"}));
    run("unauthorized-is-not-expiry", [(LOGIN, Reply::json(200, token(1))), (DEVICES, refused)]).await;
    let forbidden = Reply::json(403, json!({"code": "X"}));
    run("forbidden-is-not-expiry", [(LOGIN, Reply::json(200, token(1))), (DEVICES, forbidden)]).await;
}

/// Two steps, an hour apart, of a case whose sessions live an hour.
async fn an_hour_apart<const N: usize>(
    name: &str,
    script: [(&'static str, Reply); N],
    after: u64,
) -> Vec<Sent> {
    let bench = Case::sayable(name).start(ScriptedTransport::script(script)).await;
    bench.step().await.expect("signed in");
    bench.clock.advance(Duration::from_secs(after));
    bench.step().await.expect("still signed in");
    assert_eq!(bench.transport.sent().len(), N);
    bench.transport.sent()
}

fn pair(number: u32) -> Value {
    json!({ "access_token": format!("token-{number}-geheim"), "refresh_token": format!("refresh-{number}-geheim") })
}

#[tokio::test]
async fn a_refresh_keeps_or_rotates() {
    for (name, second) in [("refresh-keeps", 1), ("refresh-rotates", 2)] {
        let bench = Case::sayable(name)
            .start(ScriptedTransport::script([
                (LOGIN, Reply::json(200, pair(1))),
                (DEVICES, ok()),
                (REFRESH, Reply::json(200, if second == 1 { token(2) } else { pair(2) })),
                (DEVICES, ok()),
                (REFRESH, Reply::json(200, token(3))),
                (DEVICES, ok()),
            ]))
            .await;
        for _ in 0..3 {
            bench.step().await.expect("signed in");
            bench.clock.advance(Duration::from_secs(3550));
        }
        let sent = bench.transport.sent();
        assert_eq!(sent[2].json(), json!({"refresh_token": "refresh-1-geheim"}));
        assert_eq!(sent[4].json(), json!({ "refresh_token": format!("refresh-{second}-geheim") }), "{name}");
        assert_eq!(sent[5].header("authorization"), bearer(3));
        assert_eq!(bench.session_events(), ["opened", "refreshed", "refreshed"]);
    }
}

#[tokio::test]
async fn a_refresh_without_its_token_is_skipped() {
    let sent = an_hour_apart(
        "refresh-keeps",
        [
            (LOGIN, Reply::json(200, token(1))),
            (DEVICES, ok()),
            (LOGIN, Reply::json(200, token(2))),
            (DEVICES, ok()),
        ],
        3600,
    )
    .await;
    assert_eq!(sent[3].header("authorization"), bearer(2));
}

#[tokio::test]
async fn a_refresh_carries_the_token_that_it_replaces() {
    let script = [
        (LOGIN, Reply::json(200, token(1))),
        (DEVICES, ok()),
        (REFRESH, Reply::json(200, token(2))),
        (DEVICES, ok()),
    ];
    let sent = an_hour_apart("refresh-needs-old-token", script, 3570).await;
    assert_eq!(sent[2].header("authorization"), bearer(1));
    assert_eq!(sent[3].header("authorization"), bearer(2));
}

#[tokio::test]
async fn a_refresh_that_works_before_expiry_only() {
    let script = || {
        [
            (LOGIN, Reply::json(200, token(1))),
            (DEVICES, ok()),
            (REFRESH, Reply::json(200, token(2))),
            (DEVICES, ok()),
        ]
    };
    an_hour_apart("refresh-only-before-expiry", script(), 3570).await;
    let mut late = script();
    late[2].0 = LOGIN;
    an_hour_apart("refresh-only-before-expiry", late, 3600).await;
    let mut none = script();
    none[2].0 = LOGIN;
    an_hour_apart("refresh-does-not-exist", none, 3570).await;
    // After a 401 it is too late as well.
    let [login, _, _, done] = script();
    let refused = (DEVICES, Reply::status(401));
    let again = (LOGIN, Reply::json(200, token(2)));
    run("refresh-only-before-expiry", [login, refused, again, done]).await;
}

#[tokio::test]
async fn a_refresh_token_that_is_the_credential_is_kept_before_it_is_used() {
    let origin = "https://api.example.com";
    let key = StoreKey::credential("api", "default", "refresh_token");
    let token_request = "POST https://api.example.com/token";
    let reply = |number: u32| {
        let mut reply = pair(number);
        reply["expires_in"] = json!(3600);
        Reply::json(200, reply)
    };
    let bench = Case::sayable("refresh-token-is-the-credential")
        .store(FakeStore::default().with(key.clone(), "refresh-0-geheim", &[origin]))
        .start(ScriptedTransport::script([
            (token_request, reply(1)),
            (DEVICES, ok()),
            (token_request, reply(2)),
            (DEVICES, ok()),
        ]))
        .await;
    bench.sessions.ready(API).await.expect("signed in");
    assert_eq!(bench.store.entry(&key).unwrap(), ("refresh-1-geheim".to_owned(), vec![origin.to_owned()]));
    bench.step().await.expect("signed in");
    bench.clock.advance(Duration::from_secs(3600));
    bench.step().await.expect("signed in");
    let sent = bench.transport.sent();
    assert_eq!(sent[0].body, "grant_type=refresh_token&refresh_token=refresh-0-geheim");
    assert_eq!(sent[2].body, "grant_type=refresh_token&refresh_token=refresh-1-geheim");
    assert_eq!(bench.store.entry(&key).unwrap().0, "refresh-2-geheim");
}

#[tokio::test]
async fn logouts_of_all_kinds() {
    for (name, reply) in [
        ("logout-204", Reply::status(204)),
        ("logout-200-empty", Reply::status(200)),
        ("logout-204", Reply::status(401)),
        ("logout-204", Reply::status(403)),
    ] {
        let is_over = matches!(reply_status(&reply), 401 | 403);
        let (bench, end) =
            run_and_close(name, [(LOGIN, Reply::json(200, token(1))), (DEVICES, ok()), (LOGOUT, reply)])
                .await;
        assert_eq!(end, if is_over { SessionEnd::AlreadyOver } else { SessionEnd::Closed }, "{name}");
        assert_eq!(bench.last().header("authorization"), bearer(1));
    }
    let revoke = "POST https://api.example.com/revoke";
    let script =
        [(LOGIN, Reply::json(200, token(1))), (DEVICES, ok()), (revoke, Reply::json(200, json!({})))];
    let (bench, end) = run_and_close("logout-200-object", script).await;
    assert_eq!(end, SessionEnd::Closed);
    assert_eq!(bench.last().json(), json!({"token": "token-1-geheim"}));
    assert_eq!(bench.last().header("authorization"), "");

    let script = [
        (LOGIN, Reply::json(200, pair(1))),
        (DEVICES, ok()),
        (revoke, Reply::status(200)),
        (LOGOUT, Reply::status(200)),
    ];
    let (bench, end) = run_and_close("logout-two-calls", script).await;
    assert_eq!(end, SessionEnd::Closed);
    assert_eq!(bench.transport.sent()[2].body, "token=refresh-1-geheim");
}

fn reply_status(reply: &Reply) -> u16 {
    reply.clone().into_result().expect("an answer").status
}

#[tokio::test]
async fn without_a_logout_the_tokens_are_forgotten() {
    let script = [(LOGIN, Reply::json(200, token(1))), (DEVICES, ok())];
    let (bench, end) = run_and_close("logout-local-only", script).await;
    assert_eq!(end, SessionEnd::Forgotten { valid_until: Some("2026-11-22T10:00:00Z".parse().unwrap()) });
    assert_eq!(bench.session_events()[0], "opened");
}

#[tokio::test]
async fn a_logout_that_fails_says_why_and_until_when_the_session_lives() {
    let script = [
        (LOGIN, Reply::json(200, token(1))),
        (DEVICES, ok()),
        (LOGOUT, Reply::json(409, json!({"message": "no token-1-geheim"}))),
    ];
    let (_, end) = run_and_close("logout-204", script).await;
    let SessionEnd::Failed { reason, .. } = end else { panic!("{end:?}") };
    assert_eq!(reason.as_str(), "answered 409 Conflict");
}

const MFA: &str = "POST https://api.example.com/login/code";
const SECRET_OF_RFC_6238: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn asks_for_code() -> Reply {
    Reply::json(200, json!({"mfa_token": "mfa-geheim"}))
}

#[tokio::test]
async fn a_challenge_is_answered_by_a_code_or_a_person() {
    let script = [(LOGIN, asks_for_code()), (MFA, Reply::json(200, token(1))), (DEVICES, ok())];
    let bench = Case::sayable("challenge-answered")
        .env("API_MFA_SECRET", SECRET_OF_RFC_6238)
        .start(ScriptedTransport::script(script.clone()))
        .await;
    bench.step().await.expect("signed in");
    let answer = bench.transport.sent()[1].json();
    assert_eq!(answer["mfa_token"], "mfa-geheim");
    assert!(answer["code"].as_str().is_some_and(|code| code.len() == 6), "{answer}");

    let bench = Case::sayable("challenge-answered")
        .prompt(FakePrompt::answering(["123456"]))
        .start(ScriptedTransport::script(script))
        .await;
    assert_eq!(bench.prompt.asked().len(), 0);
    bench.step().await.expect("signed in");
    assert_eq!(bench.prompt.asked()[0].text, "code of your authenticator");
    assert_eq!(bench.transport.sent()[1].json()["code"], "123456");
}

#[tokio::test]
async fn a_challenge_that_only_a_person_could_answer_ends_in_plain_words() {
    let bench = Case::sayable("challenge-needs-a-person")
        .start(ScriptedTransport::script([(LOGIN, asks_for_code())]))
        .await;
    let failure = bench.step().await.unwrap_err();
    assert_eq!(
        texts(failure.failure()),
        [
            "api asks for api.mfa_code, and no source has it",
            "prompt: no terminal to ask at",
            "what now: run it at a terminal, where it can be asked for"
        ]
    );
    assert_eq!(failure.failure().cause, Cause::SignIn);
    bench.step().await.unwrap_err();
    assert_eq!(bench.transport.lines(), [LOGIN], "one login, whoever asks");
}

#[tokio::test]
async fn a_challenge_is_refused_in_plain_words() {
    let bench = Case::sayable("challenge-refused")
        .start(ScriptedTransport::script([(LOGIN, Reply::json(200, json!({"challenge": "a passkey"})))]))
        .await;
    let failure = bench.step().await.unwrap_err();
    assert_eq!(
        texts(failure.failure())[0],
        "api did not sign in ops@example.com: this account asks for a passkey, which runner cannot answer"
    );
}

#[tokio::test]
async fn challenges_in_a_row_but_not_without_end() {
    let password = "POST https://api.example.com/login/password";
    let asks = |what: &str| Reply::json(200, json!({"next": what, "state": "state-geheim"}));
    let bench = Case::sayable("challenges-in-a-row")
        .env("API_MFA_SECRET", SECRET_OF_RFC_6238)
        .start(ScriptedTransport::script([
            (LOGIN, asks("new_password")),
            (password, asks("code")),
            (MFA, Reply::json(200, token(1))),
            (DEVICES, ok()),
        ]))
        .await;
    bench.step().await.expect("signed in");
    let new = json!({"state": "state-geheim", "new_password": "new-password-geheim"});
    assert_eq!(bench.transport.sent()[1].json(), new);

    let bench = Case::sayable("challenges-in-a-row")
        .start(ScriptedTransport::new(move |_| asks("new_password")))
        .await;
    let failure = bench.step().await.unwrap_err();
    assert!(texts(failure.failure())[0].contains("5 questions in a row"));
    assert_eq!(bench.transport.sent().len(), 6);
}

#[tokio::test]
async fn a_code_that_is_wrong_is_a_refusal() {
    let bench = Case::sayable("challenge-answered")
        .env("API_MFA_SECRET", SECRET_OF_RFC_6238)
        .start(ScriptedTransport::script([(LOGIN, asks_for_code()), (MFA, Reply::status(400))]))
        .await;
    for _ in 0..2 {
        let failure = bench.step().await.unwrap_err();
        assert_eq!(texts(failure.failure())[0], "api refused to sign in ops@example.com (400, empty body)");
    }
}

/// The failure of a login that is answered so.
async fn refusal(name: &str, reply: Reply) -> Vec<String> {
    let bench = Case::sayable("login-json")
        .replace("steps:", &format!("    {}\nsteps:", errors_of(name)))
        .start(ScriptedTransport::script([(LOGIN, reply)]))
        .await;
    texts(bench.step().await.unwrap_err().failure())
}

/// The line of a case that says how its errors are read.
fn errors_of(name: &str) -> String {
    let case = Case::sayable(name);
    case.line_with("errors:")
}

#[tokio::test]
async fn errors_flat_nested_empty_and_html() {
    let flat =
        refusal("errors-flat", Reply::json(401, json!({"code": "A1", "message": "no such user"}))).await;
    assert_eq!(flat[0], "api refused to sign in ops@example.com (401, A1: no such user)");
    assert_eq!(flat[1], "POST https://api.example.com/login · sent once");
    assert_eq!(flat[3], "password came from env API_PASSWORD");
    assert_eq!(flat[4], "hint: list the devices first");
    let nested = json!({"error": {"code": "A2", "details": [{"text": "password-geheim is wrong"}]}});
    let nested = refusal("errors-nested", Reply::json(401, nested)).await;
    assert_eq!(nested[0], "api refused to sign in ops@example.com (401, A2: ‹api.password› is wrong)");
    let empty = Reply::status(401).header("x-error-code", "E7");
    assert_eq!(refusal("errors-empty", empty).await[0], "api refused to sign in ops@example.com (401, E7)");
    let html = Reply::text(502, "text/html", "<html><h1>Bad Gateway</h1>");
    let bench = Case::sayable("login-json").start(ScriptedTransport::new(move |_| html.clone())).await;
    let failure = bench.step().await.unwrap_err();
    assert_eq!(texts(failure.failure())[0], "api answered the login with 502 Bad Gateway (an HTML page)");
    assert_eq!(failure.failure().cause, Cause::Unavailable);
}

#[tokio::test]
async fn a_200_that_hides_a_refusal_is_one() {
    let hidden = Reply::json(200, json!({"status": "error", "message": "wrong password"}));
    let case = Case::sayable("login-json").replace(
        "steps:",
        "    success: response.body.status != \"error\"\n    errors: { message: $.message }\nsteps:",
    );
    let bench = case.start(ScriptedTransport::script([(LOGIN, hidden)])).await;
    for _ in 0..2 {
        let failure = bench.step().await.unwrap_err();
        assert_eq!(
            texts(failure.failure())[0],
            "api refused to sign in ops@example.com (200, wrong password)"
        );
    }
}

#[tokio::test]
async fn a_418_is_no_refusal_of_the_credentials() {
    let teapot = Reply::json(418, json!({"message": "not here"}));
    let bench = Case::sayable("login-json").start(ScriptedTransport::script([(LOGIN, teapot)])).await;
    let failure = bench.step().await.unwrap_err();
    assert_eq!(texts(failure.failure())[0], "api answered the login with 418 I'm a teapot (a JSON body)");
}
