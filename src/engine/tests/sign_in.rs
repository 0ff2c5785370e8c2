//! Sessions and secrets in a run, and in a dry run.

use super::case::Case;
use crate::engine::{DryAction, DryLine};
use crate::port::fake::{Reply, Sent};
use serde_json::json;

const PROVIDER: &str = "version: 1
providers:
  acme:
    base_url: https://acme.test
    credentials: { key: { from: [{ env: ACME_KEY }] } }
    auth:
      login: { post: /login, json: { key: '${{ credentials.key }}' } }
      session: { token: $.token }
      send: { headers: { Authorization: 'Bearer ${{ session.token }}' } }
      logout: { auth: session, delete: /login }
";

const KEY: &[(&str, &str)] = &[("ACME_KEY", "geheimer-schluessel")];

fn case(steps: &str) -> Case {
    Case::of(&format!("{PROVIDER}{steps}")).env(KEY)
}

fn token(token: &str) -> Reply {
    Reply::json(200, json!({ "token": token }))
}

#[test]
fn a_session_is_opened_when_needed_and_closed_in_any_case() {
    let ran = case("steps:\n  - get: /a\n  - get: /b\n").script([
        ("POST https://acme.test/login", token("t-11111")),
        ("GET https://acme.test/a", Reply::status(200)),
        ("GET https://acme.test/b", Reply::status(404)),
        ("DELETE https://acme.test/login", Reply::status(204)),
    ]);
    assert_eq!(ran.exit_code(), 1);
    assert!(ran.network.sent()[1..].iter().all(|sent| sent.header("authorization") == "Bearer t-11111"));
}

#[test]
fn a_refused_session_is_renewed_once() {
    let ran = case("steps:\n  - get: /a\n  - get: /b\n").script([
        ("POST https://acme.test/login", token("t-11111")),
        ("GET https://acme.test/a", Reply::status(200)),
        ("GET https://acme.test/b", Reply::status(401)),
        ("POST https://acme.test/login", token("t-22222")),
        ("GET https://acme.test/b", Reply::status(200)),
        ("DELETE https://acme.test/login", Reply::status(204)),
    ]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    assert_eq!(ran.network.sent()[4].header("authorization"), "Bearer t-22222");
}

#[test]
fn a_401_for_ever_is_a_failure_to_sign_in() {
    let ran = case("steps:\n  - { id: a, post: /a }\n").answer(|sent: &Sent| match sent.line.as_str() {
        "POST https://acme.test/login" => token("t-33333"),
        "POST https://acme.test/a" => Reply::status(401),
        _ => Reply::status(204),
    });
    assert_eq!(ran.exit_code(), 3, "{:?}", ran.headlines());
    let writes =
        ran.network.lines().iter().filter(|line| line.as_str() == "POST https://acme.test/a").count();
    assert!(writes <= 2, "{:?}", ran.network.lines());
}

#[test]
fn a_401_that_the_step_expects_is_no_expiry() {
    let ran = case("steps:\n  - { get: /a, expect: { status: [200, 401] } }\n").script([
        ("POST https://acme.test/login", token("t-11111")),
        ("GET https://acme.test/a", Reply::status(401)),
        ("DELETE https://acme.test/login", Reply::status(204)),
    ]);
    assert_eq!(ran.exit_code(), 0);
}

#[test]
fn a_refused_login_is_sent_once_and_nothing_else_is() {
    let ran = case("steps:\n  - { get: /a, on_error: continue }\n  - get: /b\ncleanup:\n  - delete: /c\n")
        .script([("POST https://acme.test/login", Reply::status(401))]);
    assert_eq!(ran.exit_code(), 3);
}

#[test]
fn a_missing_secret_ends_the_run_before_its_first_step() {
    let ran = Case::of(&format!("{PROVIDER}steps:\n  - get: /a\n")).script([]);
    assert_eq!(ran.exit_code(), 3);
    assert!(ran.steps().is_empty());
    assert_eq!(ran.verdict.failures.len(), 1);
    let shown = format!("{:?}", ran.verdict.failures);
    assert!(shown.contains("ACME_KEY"), "{shown}");
}

#[test]
fn secrets_of_the_playbook_are_looked_up_only_if_a_chosen_step_reads_them() {
    let steps = "secrets:
  hook: { from: [{ env: HOOK }] }
steps:
  - { id: a, get: /a, auth: none }
  - { id: b, post: /b, auth: none, json: { text: '${{ secrets.hook }}' } }
";
    let ran = case(steps).only(&["a"]).script([("GET https://acme.test/a", Reply::status(200))]);
    assert_eq!(ran.exit_code(), 0);
    let ran = case(steps).script([]);
    assert_eq!(ran.exit_code(), 3);
    assert_eq!(ran.headlines(), ["no source has the secret `secrets.hook`"]);
    let note = ran.verdict.failures[0].notes[0].to_string();
    assert!(note.starts_with("env HOOK"), "{note}");
}

#[test]
fn a_secret_output_shows_nowhere_and_can_be_kept() {
    let steps = "    operations: {}
steps:
  - id: issue
    post: /tokens
    outputs: { token: { path: $.application_token, secret: true } }
  - { id: use, get: '/tokens/${{ steps.issue.outputs.token }}' }
  - { id: keep, store: acme.key, value: '${{ steps.issue.outputs.token }}' }
";
    let playbook = PROVIDER.replace("[{ env: ACME_KEY }]", "[stored, { env: ACME_KEY }]");
    let ran = Case::of(&format!("{playbook}{steps}")).env(KEY).answer(|sent| match sent.line.as_str() {
        "POST https://acme.test/login" => token("t-11111"),
        "POST https://acme.test/tokens" => Reply::json(201, json!({"application_token": "app-token-555"})),
        line if line.contains("app-token-555") => Reply::json(404, json!("no app-token-555")),
        _ => Reply::status(204),
    });
    assert_eq!(ran.exit_code(), 1);
    let told = format!("{:?}{:?}", ran.events, ran.verdict);
    assert!(!told.contains("app-token-555") && !told.contains("geheimer"), "{told}");
    assert!(told.contains("‹steps.issue.outputs.token›"), "{told}");
}

#[test]
fn what_is_kept_is_found_under_its_key_for_the_origins_of_the_provider() {
    let steps = "steps:\n  - { id: keep, store: acme.key, value: '${{ \"new-key-123\" }}' }\n";
    let playbook = PROVIDER.replace("[{ env: ACME_KEY }]", "[stored]");
    let ran = Case::of(&format!("{playbook}{steps}")).script([]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    let kept = ran.store.entry(&crate::port::StoreKey::credential("acme", "default", "key"));
    assert_eq!(kept, Some(("new-key-123".to_owned(), vec!["https://acme.test".to_owned()])));
    assert_eq!(ran.step("keep").detail.as_ref().unwrap().as_str(), "acme.key → keychain");
}

#[test]
fn a_secret_that_holds_once_is_fetched_where_it_is_used() {
    let steps = "secrets:
  code: { one_time: true, from: [{ prompt: the code }] }
steps:
  - { id: mail, post: /mail, auth: none }
  - { id: verify, for_each: [1, 2], post: /verify, auth: none, json: { n: '${{ item }}', code: '${{ secrets.code }}' } }
";
    let ran = case(steps).person(["first-code", "second-code"]).answer(|_| Reply::status(200));
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    let bodies: Vec<String> = ran.network.sent().into_iter().map(|sent| sent.body).collect();
    assert_eq!(bodies, ["", r#"{"n":1,"code":"first-code"}"#, r#"{"n":2,"code":"second-code"}"#]);
    let ran = case(steps).answer(|_| Reply::status(200));
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (3, 1), "nobody is there to ask");
}

fn words(line: &DryLine) -> String {
    let action = match &line.action {
        DryAction::Request { method, target, body, is_write, .. } => {
            let body = body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
            format!("{method} {target}{body}{}", if *is_write { " write" } else { "" })
        }
        DryAction::Store { target, store, .. } => format!("{target} → {store}"),
        DryAction::Nothing(why) => format!("nothing: {why}"),
        DryAction::Impossible(why) => format!("impossible: {why}"),
    };
    let join = |texts: &[crate::model::redacted::Redacted]| {
        texts.iter().map(|text| text.as_str()).collect::<Vec<_>>().join(", ")
    };
    format!("{} | {action} | {} | {}", line.label, join(&line.after), join(&line.notes))
}

#[test]
fn a_dry_run_shows_each_request_as_far_as_it_is_known() {
    let steps = "steps:
  - { id: make, post: /x, json: { run: '${{ run.id }}', n: 1 }, outputs: { id: $.id }, cleanup: [{ delete: /x }] }
  - { id: read, get: '/x/${{ steps.make.outputs.id }}', rows: $.rows, query: { limit: 5 } }
  - { id: each, for_each: '${{ steps.read.rows }}', put: '/y/${{ item.id }}' }
  - { id: no, if: 1 > 2, get: /never }
  - { id: nor, if: steps.no.succeeded, get: /never }
  - { id: three, for_each: [1, 2, 3], get: '/z/${{ item }}' }
";
    let dry = case(steps).dry_run();
    let lines: Vec<String> = dry.lines.iter().map(words).collect();
    assert_eq!(
        lines,
        [
            r#"authenticate acme | POST /login {"key":‹acme.key›} |  | "#,
            r#"make | POST /x {"run":"‹run.id›","n":1} write |  | "#,
            "read | GET /x/‹steps.make.outputs.id›?limit=5 | make | ",
            "each | PUT /y/‹item› write | read | for each of steps.read.rows",
            "no | nothing: `if 1 > 2` does not hold |  | ",
            "nor | nothing: `if steps.no.succeeded` does not hold |  | ",
            "three | GET /z/1 |  | item 1 of 3",
            "three | GET /z/2 |  | item 2 of 3",
            "three | GET /z/3 |  | item 3 of 3",
            "logout acme | DELETE /login |  | ",
        ]
    );
    assert_eq!(dry.summary(), "9 requests, 2 depend on answers, 3 writes; nothing was sent");
    assert_eq!(dry.exit_code(), 0);
    assert_eq!(dry.cleanup.iter().map(words).collect::<Vec<_>>(), ["DELETE /x | DELETE /x write |  | "]);
    let secret = &dry.secrets[0];
    assert_eq!(secret.name.as_str(), "acme.key");
    assert_eq!(secret.source.as_ref().unwrap().as_str(), "env ACME_KEY");
    assert_eq!(secret.origins[0].as_str(), "https://acme.test");
}

#[test]
fn a_dry_run_without_a_secret_says_so() {
    let dry = Case::of(&format!("{PROVIDER}steps:\n  - get: /a\n")).dry_run();
    assert_eq!(dry.exit_code(), 3);
    assert!(dry.secrets[0].source.is_err());
}
