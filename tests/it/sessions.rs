//! Sessions that end otherwise than they should: what is sent then, and what is said.

use serde_json::json;

use crate::support::raw_server::RawServer;
use crate::support::runner::Output;
use crate::support::scripted::{Reply, Request, ScriptedServer};
use crate::support::session_api::with_auth;

const LOGIN: &str = "POST /login";
const LOGOUT: &str = "DELETE /login";

/// What a definition says about signing in where a test says nothing else.
const AUTH: &str = r#"
      login: { post: /login, json: { key: "${{ credentials.key }}" } }
      session: { token: $.token }
      send: { headers: { Authorization: "Bearer ${{ session.token }}" } }
      logout: { auth: session, delete: /login }"#;

/// A run of these steps against a server at an address, with the report as JSON.
fn apply(base_url: &str, auth: &str, steps: &str) -> Output {
    with_auth(base_url, auth, steps).run()
}

/// A server that issues numbered tokens and answers all but logins by a function.
fn server(mut answer: impl FnMut(&Request) -> Reply + Send + 'static) -> ScriptedServer {
    let mut tokens = 0;
    ScriptedServer::start(move |request| match request.line.as_str() {
        LOGIN => {
            tokens += 1;
            Reply::json(200, &json!({ "token": format!("token-{tokens}-geheim") }))
        }
        _ => answer(request),
    })
}

/// The tokens that logouts were sent for, in their order.
fn closed(server: &ScriptedServer) -> Vec<String> {
    let requests = server.requests().into_iter().filter(|request| request.line == LOGOUT);
    requests.map(|request| request.header("authorization").replace("Bearer ", "")).collect()
}

#[test]
fn a_replaced_session_that_is_not_closed_is_told_by_the_exit_code() {
    let api = server(|request| match (request.line.as_str(), request.header("authorization")) {
        (LOGOUT, "Bearer token-1-geheim") => Reply::empty(404),
        _ => Reply::empty(204),
    });
    let steps = "steps:\n  - get: /a\n  - { authenticate: api, with: { key: \"${{ 'other-key' }}\" } }\n";
    let output = apply(&api.base_url(), AUTH, steps).exits(7);
    assert_eq!(closed(&api), ["token-1-geheim", "token-2-geheim"]);
    let report = output.report();
    assert_eq!(report["causes"], json!(["cleanup"]));
    assert_eq!(report["failures"][0]["cause"], "cleanup");
    assert_eq!(report["failures"][0]["headline"], "api did not close the session: answered 404 Not Found");
    assert!(
        output.stderr.starts_with("error: api did not close the session: answered 404"),
        "{}",
        output.stderr
    );
    assert!(output.stdout.contains("done, but not cleaned up"), "{}", output.stdout);
}

#[test]
fn a_logout_that_the_deadline_cuts_off_is_tried_again_at_the_end() {
    let api = RawServer::start(|number, connection| {
        connection.receive();
        match number {
            0 => connection.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 26\r\ncontent-type: application/json\r\n\r\n{\"token\":\"token-1-geheim\"}"),
            1 => connection.wait_for_close(),
            _ => connection.send(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"),
        }
        connection.close();
    });
    let steps = "deadline: 300ms
steps:
  - authenticate: api
  - { authenticate: api, with: { key: \"${{ 'other-key' }}\" } }
";
    let report = apply(&api.url(""), AUTH, steps).exits(9).report();
    let lines: Vec<_> =
        api.requests().iter().filter_map(|text| Some(text.split_once(" HTTP")?.0.to_owned())).collect();
    assert_eq!(lines, [LOGIN, LOGOUT, LOGOUT]);
    assert_eq!(report["causes"], json!(["deadline"]));
}

#[test]
fn a_logout_that_nothing_was_sent_for_is_not_told_as_done() {
    let auth = AUTH
        .replace("{ token: $.token }", "{ token: $.token, refresh: { path: $.refresh, default: null } }")
        .replace(
            "{ auth: session, delete: /login }",
            "{ post: /revoke, form: { token: \"${{ session.refresh }}\" } }",
        );
    let api = server(|_| Reply::empty(204));
    let output = apply(&api.base_url(), &auth, "steps:\n  - get: /a\n").exits(7);
    assert_eq!(api.lines(), [LOGIN, "GET /a"]);
    let said = "its logout lacks session.refresh; the session may be open";
    assert!(output.stdout.contains(said), "{}", output.stdout);
}

#[test]
fn a_login_that_lacks_a_value_is_closed_with_those_that_came() {
    let auth =
        AUTH.replace("{ token: $.token }", "{ token: $.token, account: { path: $.account, secret: false } }");
    let api = server(|_| Reply::empty(204));
    let output = apply(&api.base_url(), &auth, "steps:\n  - get: /a\n").exits(3);
    assert_eq!(api.lines(), [LOGIN, LOGOUT]);
    assert_eq!(closed(&api), ["token-1-geheim"]);
    let output = output.explains(&["answered the login with 200 OK, but it has no account"]);
    assert!(output.stdout.contains("session closed"), "{}", output.stdout);
}

#[test]
fn a_login_whose_second_request_fails_is_closed_with_what_the_first_brought() {
    let second = "\n        - { auth: session, post: /tenant }\n      session:";
    let auth = AUTH.replace("login: {", "login:\n        - {").replace("\n      session:", second);
    let api = server(|request| Reply::empty(if request.line == "POST /tenant" { 404 } else { 204 }));
    apply(&api.base_url(), &auth, "steps:\n  - get: /a\n").exits(3);
    assert_eq!(api.lines(), [LOGIN, "POST /tenant", LOGOUT]);
}

#[test]
fn a_login_that_brought_too_little_to_log_out_is_told() {
    let auth = AUTH.replace("{ token: $.token }", "{ token: $.token, refresh: $.refresh }").replace(
        "{ auth: session, delete: /login }",
        "{ post: /revoke, form: { token: \"${{ session.refresh }}\" } }",
    );
    let api = server(|_| Reply::empty(204));
    let output = apply(&api.base_url(), &auth, "steps:\n  - get: /a\n").exits(3);
    assert_eq!(api.lines(), [LOGIN]);
    output.explains(&[
        "api gave token in a login that failed, too little to log out: a session may be left open there",
    ]);
}

/// A token that the run itself obtains, from an API where nobody signs in, is all that there is to sign in with.
const ISSUED: &str = r#"steps:
  - { id: issue, post: /tokens, auth: none, outputs: { key: { path: $.key, secret: true } } }
  - { authenticate: api, with: { key: "${{ steps.issue.outputs.key }}" } }
  - get: /a
"#;

#[test]
fn a_credential_that_a_step_gives_is_asked_of_nobody() {
    let api = server(|request| match request.line.as_str() {
        "POST /tokens" => Reply::json(200, &json!({ "key": "issued-geheim" })),
        _ => Reply::empty(204),
    });
    let run = |steps: &str| {
        let runner = with_auth(&api.base_url(), AUTH, steps).plant("issued-geheim");
        runner.env("API_KEY", "").run()
    };
    run(ISSUED).exits(0);
    assert_eq!(api.lines(), ["POST /tokens", LOGIN, "GET /a", LOGOUT]);
    assert_eq!(api.requests()[1].json(), json!({ "key": "issued-geheim" }));
    let unsure = ISSUED.replace("{ authenticate: api,", "{ authenticate: api, if: steps.issue.succeeded,");
    for steps in [format!("{ISSUED}  - logout: api\n  - get: /b\n"), unsure] {
        run(&steps).exits(3).explains(&["no source has api.key"]);
    }
    assert_eq!(api.lines().len(), 4, "nothing is sent before it is known that all is there");
}
