//! Every way of signing in that the language can say, by the program itself against planned answers: each of
//! `tests/cases/sayable`, request by request.

use std::fs;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::cases::yaml_files;
use crate::support::keyring::Keyring;
use crate::support::pty::Size;
use crate::support::runner::{Output, Runner};
use crate::support::scripted::{Reply, Request, ScriptedServer};

const LOGIN: &str = "POST /login";
const REFRESH: &str = "POST /refresh";
const LOGOUT: &str = "POST /logout";
const DEVICES: &str = "GET /devices";

/// What the environment of every case holds; all but the names of the accounts is secret.
const VARIABLES: [(&str, &str); 8] = [
    ("API_USERNAME", "ops@example.com"),
    ("API_CLIENT_ID", "client:1"),
    ("API_PASSWORD", "password-geheim"),
    ("API_NEW_PASSWORD", "new-password-geheim"),
    ("API_KEY", "key-geheim"),
    ("API_TOKEN", "token-geheim"),
    ("API_CLIENT_SECRET", "secret/geheim %+"),
    ("API_MFA_SECRET", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
];

/// One of the case files and the answers it will get.
struct Case {
    yaml: String,
    server: ScriptedServer,
    without: Vec<&'static str>,
}

/// A run that has ended, and what the server was asked.
struct Ran {
    output: Output,
    requests: Vec<Request>,
}

impl Case {
    fn new(name: &str, replies: impl IntoIterator<Item = Reply>) -> Self {
        let path = format!("{}/tests/cases/sayable/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let yaml = fs::read_to_string(path).expect("the case is there");
        Self { yaml, server: ScriptedServer::replying(replies), without: Vec::new() }
    }

    /// Takes a variable out of the environment.
    fn without(mut self, variable: &'static str) -> Self {
        self.without.push(variable);
        self
    }

    /// Adds a second step, like the first.
    fn twice(mut self) -> Self {
        self.yaml.push_str("  - get: /devices\n");
        self
    }

    /// The program in front of the server, at its most talkative, with all secrets planted.
    fn runner(&self) -> Runner {
        let address = |flag: &str| [flag.to_owned(), format!("api={}", self.server.base_url())];
        let mut runner = Runner::new().file("case.yaml", &self.yaml).args(["apply", "case.yaml", "-vvv"]);
        runner = runner.args(address("--base-url"));
        if self.yaml.contains("auth_base_url") {
            runner = runner.args(address("--auth-base-url"));
        }
        for (name, value) in VARIABLES.into_iter().filter(|(name, _)| !self.without.contains(name)) {
            runner = runner.env(name, value);
        }
        let issued =
            ["token", "refresh"].iter().flat_map(|kind| (0..4).map(move |n| format!("{kind}-{n}-geheim")));
        let own = VARIABLES[2..].iter().map(|(_, value)| (*value).to_owned());
        issued
            .chain(own)
            .chain(["sid-geheim".into(), "nonce-geheim".into(), "state-geheim".into()])
            .fold(runner, Runner::plant)
    }

    /// Runs it to the end; it must send these requests, and no others.
    #[track_caller]
    fn sends(self, code: i32, lines: &[&str]) -> Ran {
        let output = self.runner().run().exits(code);
        assert_eq!(self.server.lines(), lines, "{}", output.stderr);
        Ran { output, requests: self.server.requests() }
    }
}

impl Ran {
    /// A header of the last request.
    #[track_caller]
    fn last(&self, name: &str) -> &str {
        self.requests.last().expect("there were requests").header(name)
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(self.output.text().contains(text), "{text:?} is missing in\n{}", self.output.text());
        self
    }
}

fn ok() -> Reply {
    Reply::json(200, &json!([]))
}

fn token(number: u32) -> Reply {
    Reply::json(200, &json!({ "access_token": format!("token-{number}-geheim") }))
}

fn pair(number: u32) -> Reply {
    let pair = json!({
        "access_token": format!("token-{number}-geheim"),
        "refresh_token": format!("refresh-{number}-geheim"),
        "expires_in": 3600,
    });
    Reply::json(200, &pair)
}

fn bearer(number: u32) -> String {
    format!("Bearer token-{number}-geheim")
}

fn credentials() -> Value {
    json!({ "username": "ops@example.com", "password": "password-geheim" })
}

#[test]
fn a_login_is_json_or_a_form() {
    let ran = Case::new("login-json", [token(1), ok()]).sends(0, &[LOGIN, DEVICES]);
    assert_eq!(ran.requests[0].json(), credentials());
    assert_eq!(ran.requests[0].header("content-type"), "application/json");
    assert_eq!(ran.last("authorization"), bearer(1));

    let ran = Case::new("login-form", [token(1), ok()]).sends(0, &[LOGIN, DEVICES]);
    assert_eq!(ran.requests[0].body, "username=ops%40example.com&password=password-geheim");
    assert_eq!(ran.requests[0].header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(ran.last("authorization"), bearer(1));
}

#[test]
fn a_second_request_of_a_login_shows_what_the_first_one_yielded() {
    let nonce = Reply::json(200, &json!({ "nonce": "nonce-geheim" }));
    let ran = Case::new("login-in-two-requests", [nonce, token(1), ok()])
        .sends(0, &["POST /nonce", LOGIN, DEVICES]);
    assert_eq!(ran.requests[1].json()["nonce"], "nonce-geheim");
    assert_eq!(ran.last("authorization"), bearer(1));
}

#[test]
fn basic_credentials_are_form_encoded_first() {
    let ran =
        Case::new("basic-credentials-form-encoded", [pair(1), ok()]).sends(0, &["POST /token", DEVICES]);
    let basic = ran.requests[0].header("authorization").strip_prefix("Basic ").expect("Basic").to_owned();
    let plain = String::from_utf8(BASE64_STANDARD.decode(basic).unwrap()).unwrap();
    assert_eq!(plain, "client%3A1:secret%2Fgeheim%20%25%2B");
    assert_eq!(ran.requests[0].body, "grant_type=client_credentials");
    assert_eq!(ran.last("authorization"), bearer(1));
}

#[test]
fn the_session_goes_where_send_says() {
    let two = Reply::json(200, &json!({ "key": "key-geheim", "token": "token-1-geheim" }));
    let ran = Case::new("session-in-two-headers", [two, ok()]).sends(0, &[LOGIN, DEVICES]);
    assert_eq!((ran.last("x-api-key"), ran.last("x-token")), ("key-geheim", "token-1-geheim"));

    let ran = Case::new("token-raw-in-header", [token(1), ok()]).sends(0, &[LOGIN, DEVICES]);
    assert_eq!(ran.last("authorization"), "token-1-geheim");

    let cookies = token(1)
        .header("set-cookie", "other=1; Path=/")
        .header("set-cookie", "sid=sid-geheim; HttpOnly; Secure; SameSite=Lax");
    let ran = Case::new("token-in-cookie", [cookies, ok()]).sends(0, &[LOGIN, DEVICES]);
    assert_eq!(ran.last("cookie"), "sid=sid-geheim");

    Case::new("token-in-query", [token(1), ok()])
        .sends(0, &[LOGIN, "GET /devices?access_token=token-1-geheim"]);

    let ran = Case::new("token-in-body", [token(1), ok()]).sends(0, &[LOGIN, "POST /devices/search"]);
    assert_eq!(ran.requests[1].json(), json!({ "status": "online", "session": "token-1-geheim" }));
    assert_eq!(ran.last("authorization"), "");
}

#[test]
fn presets_that_have_no_login_send_what_they_hold() {
    let ran = Case::new("preset-bearer", [ok()]).sends(0, &[DEVICES]);
    assert_eq!(ran.last("authorization"), "Bearer token-geheim");

    let ran = Case::new("preset-basic", [ok()]).sends(0, &[DEVICES]);
    let pair = BASE64_STANDARD.encode("ops@example.com:password-geheim");
    assert_eq!(ran.last("authorization"), format!("Basic {pair}"));

    let ran = Case::new("preset-api-key-in-header", [ok()]).sends(0, &[DEVICES]);
    assert_eq!(ran.last("x-api-key"), "key-geheim");

    Case::new("preset-api-key-in-query", [ok()]).sends(0, &["GET /devices?key=key-geheim"]);
}

#[test]
fn a_refused_preset_that_has_no_login_is_a_failure_to_sign_in() {
    for (name, credential) in [
        ("preset-bearer", "came from env API_TOKEN"),
        ("preset-basic", "password came from env API_PASSWORD"),
        ("preset-api-key-in-header", "came from env API_KEY"),
    ] {
        let ran = Case::new(name, [Reply::empty(401)]).sends(3, &[DEVICES]);
        ran.says("api refused its credentials (401, empty body)").says(credential);
    }
}

#[test]
fn client_credentials_are_form_encoded_and_signed_in_again_after_a_401() {
    let replies = [pair(1), Reply::empty(401), pair(2), ok()];
    let lines = ["POST /oauth2/token", DEVICES, "POST /oauth2/token", DEVICES];
    let ran = Case::new("preset-oauth2-client-credentials", replies).sends(0, &lines);
    let basic = BASE64_STANDARD.encode("client%3A1:secret%2Fgeheim%20%25%2B");
    assert_eq!(ran.requests[0].header("authorization"), format!("Basic {basic}"));
    assert_eq!(ran.requests[0].body, "grant_type=client_credentials&scope=devices.read");
    assert_eq!(ran.requests[1].header("authorization"), bearer(1));
    assert_eq!(ran.last("authorization"), bearer(2));
}

#[test]
fn the_end_of_a_session_is_read_in_every_form() {
    let login = |key: &str, value: Value| {
        Reply::json(200, &json!({ "access_token": "token-1-geheim", key: value }))
            .header("date", "Sun, 22 Nov 2026 08:00:00 GMT")
    };
    let claims = BASE64_URL_SAFE_NO_PAD.encode(json!({ "exp": 1_795_338_000 }).to_string());
    let jwt = json!(format!("e30.{claims}.c2ln"));
    for (name, reply, said) in [
        ("expiry-in-seconds", login("expires_in", json!(3600)), "valid 1 h"),
        ("expiry-in-milliseconds", login("expires_in_ms", json!(7_200_000)), "valid 2 h"),
        ("expiry-after-a-duration", token(1), "valid 1 h 30 min"),
        ("expiry-at-a-time", login("expires_at", json!("2026-11-22T09:00:00Z")), "valid 1 h"),
        ("expiry-from-jwt", login("access_token", jwt), "valid 1 h"),
    ] {
        Case::new(name, [reply, ok()]).sends(0, &[LOGIN, DEVICES]).says(said);
    }
}

#[test]
fn an_expiry_that_is_not_401_signs_in_again() {
    let ended = Reply::json(403, &json!({ "code": "SESSION_EXPIRED" }));
    let lines = [LOGIN, DEVICES, LOGIN, DEVICES];
    let ran = Case::new("expiry-is-not-401", [token(1), ended, token(2), ok()]).sends(0, &lines);
    assert_eq!(ran.last("authorization"), bearer(2));
    // Any other 403 is none.
    let other = Reply::json(403, &json!({ "code": "NO_RIGHT" }));
    Case::new("expiry-is-not-401", [token(1), other]).sends(1, &[LOGIN, DEVICES]);
}

#[test]
fn a_401_or_403_that_is_no_expiry_fails_at_once() {
    let refused = Reply::json(401, &json!({ "code": "no_right" }));
    Case::new("unauthorized-is-not-expiry", [token(1), refused]).sends(1, &[LOGIN, DEVICES]).says("401");
    let expired = Reply::json(401, &json!({ "code": "token_expired" }));
    let lines = [LOGIN, DEVICES, LOGIN, DEVICES];
    Case::new("unauthorized-is-not-expiry", [token(1), expired, token(2), ok()]).sends(0, &lines);

    let forbidden = Reply::json(403, &json!({ "code": "X1", "message": "not yours" }));
    let ran = Case::new("forbidden-is-not-expiry", [token(1), forbidden]).sends(1, &[LOGIN, DEVICES]);
    ran.says("not yours").says("this user may not list devices");
}

#[test]
fn a_refresh_keeps_or_rotates_its_token() {
    for (name, refreshed, second) in [("refresh-keeps", token(2), 1), ("refresh-rotates", pair(2), 2)] {
        let replies = [pair(1), Reply::empty(401), refreshed, ok(), Reply::empty(401), token(3), ok()];
        let lines = [LOGIN, DEVICES, REFRESH, DEVICES, DEVICES, REFRESH, DEVICES];
        let ran = Case::new(name, replies).twice().sends(0, &lines);
        assert_eq!(ran.requests[2].json(), json!({ "refresh_token": "refresh-1-geheim" }));
        assert_eq!(ran.requests[3].header("authorization"), bearer(2));
        let wanted = json!({ "refresh_token": format!("refresh-{second}-geheim") });
        assert_eq!(ran.requests[5].json(), wanted, "{name}");
        assert_eq!(ran.last("authorization"), bearer(3));
    }
}

#[test]
fn a_refresh_whose_token_never_came_is_skipped() {
    let lines = [LOGIN, DEVICES, LOGIN, DEVICES];
    Case::new("refresh-keeps", [token(1), Reply::empty(401), token(2), ok()]).sends(0, &lines);
}

#[test]
fn a_refused_refresh_leads_to_one_login() {
    let replies = [pair(1), Reply::empty(401), Reply::empty(401), pair(2), ok()];
    let ran = Case::new("refresh-rotates", replies).sends(0, &[LOGIN, DEVICES, REFRESH, LOGIN, DEVICES]);
    assert_eq!(ran.last("authorization"), bearer(2));
}

#[test]
fn a_refresh_token_that_brought_nothing_is_revoked_behind_the_new_login() {
    let refresh = "      refresh: { post: /refresh, json: { refresh_token: \"${{ session.refresh_token }}\" } }\n      logout:";
    for (refused, revoked) in [(Reply::empty(400), Reply::empty(200)), (Reply::empty(400), Reply::empty(400))]
    {
        let end = [Reply::empty(200), Reply::empty(204)];
        let replies = [pair(1), Reply::empty(401), refused, pair(2), revoked, ok()].into_iter().chain(end);
        let mut case = Case::new("logout-two-calls", replies);
        case.yaml = case.yaml.replace("      logout:", refresh);
        let lines = [LOGIN, DEVICES, REFRESH, LOGIN, "POST /revoke", DEVICES, "POST /revoke", LOGOUT];
        let ran = case.sends(0, &lines);
        assert_eq!(ran.requests[4].body, "token=refresh-1-geheim");
        assert_eq!(ran.requests[6].body, "token=refresh-2-geheim");
        assert_eq!(ran.last("authorization"), bearer(2));
    }
}

#[test]
fn a_401_for_ever_ends_after_one_renewal() {
    let replies = [pair(1), Reply::empty(401), pair(2), Reply::empty(401)];
    let ran = Case::new("refresh-rotates", replies).sends(3, &[LOGIN, DEVICES, REFRESH, DEVICES]);
    assert_eq!(ran.last("authorization"), bearer(2));
}

#[test]
fn a_refresh_carries_the_token_that_it_replaces() {
    let replies = [token(1), Reply::empty(401), token(2), ok()];
    let ran = Case::new("refresh-needs-old-token", replies).sends(0, &[LOGIN, DEVICES, REFRESH, DEVICES]);
    assert_eq!(ran.requests[2].header("authorization"), bearer(1));
    assert_eq!(ran.last("authorization"), bearer(2));
}

#[test]
fn after_a_401_a_refresh_that_works_before_expiry_only_is_not_tried() {
    for name in ["refresh-only-before-expiry", "refresh-does-not-exist"] {
        let replies = [token(1), Reply::empty(401), token(2), ok()];
        let ran = Case::new(name, replies).sends(0, &[LOGIN, DEVICES, LOGIN, DEVICES]);
        assert_eq!(ran.last("authorization"), bearer(2));
    }
}

#[test]
fn a_refresh_token_that_is_the_credential_is_asked_for_once_and_kept_at_each_use() {
    let case = Case::new("refresh-token-is-the-credential", [pair(1), ok(), pair(2), ok()]);
    let keyring = Keyring::open();
    let runner = case.runner().keyring(&keyring);
    let mut terminal = runner.open_terminal(Size { columns: 120, rows: 40 });
    terminal.wait_for(" of api: ").send("refresh-0-geheim\r");
    terminal.finish().exits(0);
    runner.run().exits(0);
    assert_eq!(case.server.lines(), ["POST /token", DEVICES, "POST /token", DEVICES]);
    let requests = case.server.requests();
    assert_eq!(requests[0].body, "grant_type=refresh_token&refresh_token=refresh-0-geheim");
    assert_eq!(requests[2].body, "grant_type=refresh_token&refresh_token=refresh-1-geheim");
}

#[test]
fn a_refresh_token_that_is_nowhere_sends_nothing() {
    let case = Case::new("refresh-token-is-the-credential", []);
    case.sends(3, &[]).says("refresh_token").says("prompt");
}

#[test]
fn a_logout_is_sent_in_every_form() {
    for (name, reply) in [
        ("logout-204", Reply::empty(204)),
        ("logout-200-empty", Reply::empty(200)),
        ("logout-204", Reply::empty(401)),
        ("logout-204", Reply::empty(403)),
    ] {
        let ran = Case::new(name, [token(1), ok(), reply]).sends(0, &[LOGIN, DEVICES, LOGOUT]);
        assert_eq!(ran.last("authorization"), bearer(1), "{name}");
    }
    let done = Reply::json(200, &json!({}));
    let ran =
        Case::new("logout-200-object", [token(1), ok(), done]).sends(0, &[LOGIN, DEVICES, "POST /revoke"]);
    assert_eq!(ran.requests[2].json(), json!({ "token": "token-1-geheim" }));
    assert_eq!(ran.last("authorization"), "");

    let replies = [pair(1), ok(), Reply::empty(200), Reply::empty(204)];
    let ran = Case::new("logout-two-calls", replies).sends(0, &[LOGIN, DEVICES, "POST /revoke", LOGOUT]);
    assert_eq!(ran.requests[2].body, "token=refresh-1-geheim");
    assert_eq!(ran.requests[2].header("authorization"), "");
    assert_eq!(ran.last("authorization"), bearer(1));
}

#[test]
fn a_logout_follows_a_step_that_failed() {
    let replies = [token(1), Reply::empty(404), Reply::empty(204)];
    Case::new("logout-204", replies).sends(1, &[LOGIN, DEVICES, LOGOUT]);
}

#[test]
fn a_logout_that_fails_is_told_by_an_exit_code_of_its_own() {
    // A refusal is an answer: nothing is sent again.
    let case = Case::new("logout-204", [token(1), ok(), Reply::empty(404)]);
    case.sends(7, &[LOGIN, DEVICES, LOGOUT]);
}

#[test]
fn without_a_logout_the_report_says_when_the_tokens_end() {
    let ran = Case::new("logout-local-only", [token(1), ok()]).sends(0, &[LOGIN, DEVICES]);
    ran.says("no logout on this API").says("they end at");
}

#[test]
fn a_challenge_is_answered_with_the_present_code() {
    let asked = Reply::json(200, &json!({ "mfa_token": "state-geheim" }));
    let case = Case::new("challenge-answered", [asked, token(1), ok()]);
    let ran = case.sends(0, &[LOGIN, "POST /login/code", DEVICES]);
    assert_eq!(ran.requests[0].json(), credentials());
    assert_eq!(ran.requests[1].json()["mfa_token"], "state-geheim");
    assert!(is_code(&ran.requests[1].json()["code"]), "{}", ran.requests[1].body);
    assert_eq!(ran.last("authorization"), bearer(1));
}

fn is_code(value: &Value) -> bool {
    value.as_str().is_some_and(|code| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()))
}

#[test]
fn challenges_in_a_row_are_answered_in_their_order() {
    let asks = |next: &str| Reply::json(200, &json!({ "next": next, "state": "state-geheim" }));
    let case = Case::new("challenges-in-a-row", [asks("new_password"), asks("code"), token(1), ok()]);
    let ran = case.sends(0, &[LOGIN, "POST /login/password", "POST /login/code", DEVICES]);
    let wanted = json!({ "state": "state-geheim", "new_password": "new-password-geheim" });
    assert_eq!(ran.requests[1].json(), wanted);
    assert!(is_code(&ran.requests[2].json()["code"]));
}

#[test]
fn challenges_without_end_are_ended() {
    let asks = || Reply::json(200, &json!({ "next": "new_password", "state": "state-geheim" }));
    let lines = [[LOGIN].as_slice(), &["POST /login/password"; 5]].concat();
    Case::new("challenges-in-a-row", std::iter::repeat_with(asks).take(6)).sends(3, &lines);
}

#[test]
fn a_challenge_for_a_person_is_refused_where_nobody_is() {
    let asks = || Reply::json(200, &json!({ "mfa_token": "state-geheim" }));
    Case::new("challenge-needs-a-person", [asks()]).sends(3, &[LOGIN]).says("no terminal");
    Case::new("challenge-answered", [asks()])
        .without("API_MFA_SECRET")
        .sends(3, &[LOGIN])
        .says("no terminal");
}

#[test]
fn a_person_is_asked_for_the_code() {
    let asks = Reply::json(200, &json!({ "mfa_token": "state-geheim" }));
    let case = Case::new("challenge-needs-a-person", [asks, token(1), ok()]);
    let mut terminal = case.runner().plant("code-271828").open_terminal(Size { columns: 120, rows: 40 });
    terminal.wait_for("code from the text message").send("code-271828\r");
    terminal.finish().exits(0);
    assert_eq!(case.server.lines(), [LOGIN, "POST /login/code", DEVICES]);
    assert_eq!(case.server.requests()[1].json()["code"], "code-271828");
}

#[test]
fn a_challenge_that_cannot_be_answered_is_refused_in_words() {
    let asks = Reply::json(200, &json!({ "challenge": "SMS_MFA" }));
    let ran = Case::new("challenge-refused", [asks]).sends(3, &[LOGIN]);
    ran.says("this account asks for SMS_MFA, which runner cannot answer");
}

#[test]
fn an_error_is_read_in_every_form() {
    let flat = Reply::json(404, &json!({ "code": "A1", "message": "no such device" }));
    Case::new("errors-flat", [flat])
        .sends(1, &[DEVICES])
        .says("no such device")
        .says("list the devices first");

    let nested = json!({ "error": { "code": "A1", "details": [{ "text": "no such device" }] } });
    Case::new("errors-nested", [Reply::json(409, &nested)])
        .sends(1, &[DEVICES])
        .says("no such device")
        .says("A1");

    let empty = Reply::empty(422).header("x-error-code", "E17").header("x-error-message", "bad serial");
    Case::new("errors-empty", [empty]).sends(1, &[DEVICES]).says("bad serial").says("E17");

    let html = Reply::text(404, "text/html", "<html><h1>no such page</h1></html>");
    Case::new("errors-html", [html]).sends(1, &[DEVICES]).says("HTML");

    let hidden = Reply::json(200, &json!({ "status": "error", "message": "no such device" }));
    Case::new("errors-in-a-200", [hidden]).sends(1, &[DEVICES]).says("no such device");

    let teapot = Reply::json(418, &json!({ "message": "no such project" }));
    let ran = Case::new("errors-in-a-418", [teapot]).sends(1, &[DEVICES]);
    ran.says("no such project").says("the application refused the call");
}

#[test]
fn every_case_file_is_run_here() {
    let names = yaml_files("tests/cases/sayable");
    let names = names.iter().filter_map(|path| path.file_stem()?.to_str());
    let missing: Vec<&str> =
        names.filter(|name| !include_str!("sayable.rs").contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
