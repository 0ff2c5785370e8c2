//! emnify from outside: the real program against the simulator, which counts.

use std::time::Duration;

use runner::simulate::{Fault, Options, Provider};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::support::fleet::{Fleet, entry, shipped_playbook};
use crate::support::keyring::Keyring;
use crate::support::pty::Size;
use crate::support::raw_server::RawServer;
use crate::support::runner::{Output, Runner};

const AUTHENTICATE: &str = "/api/v1/authenticate";
const TOKENS: &str = "/api/v1/application_token";
const DEVICES: &str = "/api/v1/endpoint";
const USER: [&str; 2] = ["username", "password"];
const APPLICATION: [&str; 1] = ["application_token"];

const LIST_DEVICES: &str = "
version: 1
providers: { emnify: {} }
steps:
  - id: devices
    call: emnify.list_devices
    save: { file: devices.ndjson, fields: { id: $.id, iccid: $.sim.iccid } }
";

/// Lists the devices with the credentials of these names.
fn list_devices(emnify: &Fleet, given: &[&str]) -> Output {
    emnify.apply(LIST_DEVICES).account(emnify, "plain", given).run()
}

fn fault(path: &str, status: u16) -> Fault {
    Fault { path: Some(path.to_owned()), status, ..Fault::default() }
}

fn keys(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

fn sha1_hex(text: &str) -> String {
    Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_user_signs_in_with_the_sha1_of_the_password() {
    let emnify = Fleet::emnify(2);
    let output = list_devices(&emnify, &USER).exits(0);
    let password = sha1_hex(emnify.demo("plain", "password"));
    let login = json!({ "username": "demo@example.com", "password": password });
    assert_eq!(emnify.bodies("POST", AUTHENTICATE), [login]);
    assert!(!output.stdout.contains(&password), "what is made of a secret is one");
    assert_eq!((emnify.stats().logins, emnify.stats().total_requests()), (1, 2));
    emnify.agrees_with(&output.report());
    emnify.stayed_silent(&output);
}

#[test]
fn the_report_says_that_tokens_were_only_forgotten_and_until_when_they_live() {
    let emnify = Fleet::emnify(1);
    let output = list_devices(&emnify, &USER).exits(0);
    let output = output
        .says(&["as demo@example.com, valid 4 h", "no logout on this API: tokens forgotten here, they end"]);
    let report = output.report();
    let end =
        &report["entries"].as_array().unwrap().last().unwrap()["session_end"]["forgotten"]["valid_until"];
    let end: jiff::Timestamp = end.as_str().expect("a time").parse().unwrap();
    let started: jiff::Timestamp = report["started_at"].as_str().unwrap().parse().unwrap();
    let life = end.duration_since(started).as_secs();
    assert!((14_399..=14_460).contains(&life), "{life}");
    assert_eq!(emnify.stats().open_sessions, 1, "emnify has no logout");
}

#[test]
fn a_refused_session_of_a_user_is_refreshed_and_the_request_sent_once_more() {
    let emnify = Fleet::emnify(1);
    emnify.simulator.inject(fault(DEVICES, 401));
    let output = list_devices(&emnify, &USER).exits(0);
    let stats = emnify.stats();
    assert_eq!((stats.logins, stats.refreshes, stats.requests_to("GET /api/v1/endpoint")), (1, 1, 2));
    let bodies = emnify.bodies("POST", AUTHENTICATE);
    assert_eq!((keys(&bodies[0]), keys(&bodies[1])), (vec!["username", "password"], vec!["refresh_token"]));
    let tokens: Vec<_> = emnify
        .requests_of("GET", DEVICES)
        .iter()
        .map(|r| r.header("authorization").unwrap().to_owned())
        .collect();
    assert_ne!(tokens[0], tokens[1]);
    emnify.agrees_with(&output.report());
    emnify.stayed_silent(&output);
}

#[test]
fn a_refused_refresh_leads_to_one_new_login() {
    let emnify = Fleet::emnify(1);
    emnify.simulator.inject(fault(DEVICES, 401));
    emnify.simulator.inject(Fault { skip: 1, ..fault(AUTHENTICATE, 401) });
    let output = list_devices(&emnify, &USER).exits(0);
    let bodies = emnify.bodies("POST", AUTHENTICATE);
    let sent: Vec<_> = bodies.iter().map(|body| keys(body)[0]).collect();
    assert_eq!(sent, ["username", "refresh_token", "username"]);
    assert_eq!((emnify.stats().logins, emnify.stats().refreshes), (2, 0));
    emnify.agrees_with(&output.report());
}

#[test]
fn a_token_is_prolonged_before_it_ends() {
    let life = Some(Duration::from_secs(8));
    let emnify = Fleet::start(Provider::Emnify, &Options { devices: 1, token_life: life, port: None });
    let slow = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // The last quarter of eight seconds begins after six.
    let playbook = format!(
        "
version: 1
providers:
  emnify: {{}}
  slow: {{ base_url: {:?}, rate_limit: {{ rate: 1/6100ms }} }}
steps:
  - call: emnify.list_devices
  - for_each: [1, 2]
    provider: slow
    get: /
  - call: emnify.list_devices
",
        slow.url("")
    );
    emnify.apply(playbook).account(&emnify, "plain", &USER).run().exits(0);
    let stats = emnify.stats();
    assert_eq!((stats.logins, stats.refreshes), (1, 1));
    assert_eq!(stats.requests["GET /api/v1/endpoint"]["200"], 2);
    assert_eq!(stats.requests_to("GET /api/v1/endpoint"), 2, "no request is spent on a token that has ended");
}

#[test]
fn a_refused_session_of_an_application_token_is_replaced_by_a_new_login() {
    let emnify = Fleet::emnify(1);
    emnify.simulator.inject(fault(DEVICES, 401));
    let output = list_devices(&emnify, &APPLICATION).exits(0);
    let login = json!({ "application_token": emnify.demo("plain", "application_token") });
    assert_eq!(emnify.bodies("POST", AUTHENTICATE), [login.clone(), login]);
    assert_eq!((emnify.stats().logins, emnify.stats().refreshes), (2, 0));
    emnify.agrees_with(&output.report());
}

#[test]
fn a_second_factor_is_answered_with_the_code_of_its_secret() {
    let emnify = Fleet::emnify(1);
    let runner = emnify.apply(LIST_DEVICES).account(&emnify, "mfa", &USER);
    let output = runner.env("EMNIFY_MFA_SECRET", emnify.demo("mfa", "mfa_secret")).run().exits(0);
    let bodies = emnify.bodies("POST", AUTHENTICATE);
    assert_eq!(bodies.len(), 2);
    assert_eq!(keys(&bodies[1]), ["mfa_token", "code"]);
    let code = bodies[1]["code"].as_str().unwrap();
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    assert!(!output.stdout.contains(bodies[1]["mfa_token"].as_str().unwrap()));
    assert_eq!((emnify.stats().logins, emnify.stats().refused_logins), (1, 0));
    emnify.agrees_with(&output.report());
}

#[test]
fn a_second_factor_that_nobody_can_give_is_refused_in_plain_words() {
    let emnify = Fleet::emnify(1);
    let output = emnify.apply(LIST_DEVICES).account(&emnify, "mfa", &USER).run().exits(3);
    let output = output.explains(&[
        "emnify asks for emnify.mfa_code, and no source has it",
        "env EMNIFY_MFA_SECRET: not set",
        "no terminal",
        "what now: run it at a terminal",
    ]);
    let stats = emnify.stats();
    assert_eq!((stats.total_requests(), stats.logins, stats.refused_logins), (1, 0, 0));
    emnify.agrees_with(&output.report());
}

#[test]
fn a_second_factor_is_asked_for_at_a_terminal_and_not_echoed() {
    let emnify = Fleet::emnify(1);
    let runner = emnify.apply(LIST_DEVICES).account(&emnify, "mfa", &USER);
    let mut terminal = runner.open_terminal(Size { columns: 120, rows: 40 });
    terminal.wait_for("code from your authenticator or e-mail");
    terminal.send(&format!("{}\r", emnify.demo("mfa", "mfa_code")));
    terminal.finish().exits(0);
    assert_eq!(emnify.bodies("POST", AUTHENTICATE)[1]["code"], emnify.demo("mfa", "mfa_code"));
    assert_eq!((emnify.stats().logins, emnify.stats().refused_logins), (1, 0));
}

#[test]
fn user_and_password_are_asked_for_at_a_terminal_before_anything_is_sent() {
    let emnify = Fleet::emnify(1);
    let mut terminal = emnify.apply(LIST_DEVICES).open_terminal(Size { columns: 120, rows: 40 });
    terminal.wait_for("Username of emnify: ").send("demo@example.com\r");
    terminal.wait_for("Password of emnify: ");
    assert_eq!(emnify.stats().total_requests(), 0);
    terminal.send(&format!("{}\r", emnify.demo("plain", "password")));
    terminal.finish().exits(0);
    assert_eq!((emnify.stats().logins, emnify.stats().refused_logins), (1, 0));
}

/// Lists the devices as the plain user with a wrong password.
fn list_with_wrong_password(emnify: &Fleet) -> Output {
    let runner = emnify.apply(LIST_DEVICES).account(emnify, "plain", &["username"]);
    runner.env("EMNIFY_PASSWORD", "not-the-password").plant("not-the-password").run()
}

#[test]
fn a_wrong_password_is_sent_exactly_once_and_said_so() {
    let emnify = Fleet::emnify(1);
    let output = list_with_wrong_password(&emnify).exits(3).explains(&[
        "error: emnify refused to sign in demo@example.com (401, empty body)",
        "/api/v1/authenticate · sent once: emnify locks the account after 3 refusals",
        "username came from env EMNIFY_USERNAME",
        "password came from env EMNIFY_PASSWORD",
        "what now: correct the wrong one there, or keep them once with `runner login emnify`",
    ]);
    let stats = emnify.stats();
    assert_eq!((stats.refused_logins, stats.total_requests()), (1, 1));
    emnify.agrees_with(&output.report());
}

#[test]
fn a_wrong_password_is_sent_once_though_many_steps_need_it() {
    let emnify = Fleet::emnify(1);
    let playbook = "
version: 1
providers: { emnify: {} }
steps:
  - { call: emnify.list_devices, on_error: continue }
  - { call: emnify.list_sims, on_error: continue }
  - for_each: [1, 2, 3]
    call: emnify.list_devices
    on_error: continue
";
    let runner = emnify.apply(playbook).account(&emnify, "plain", &["username"]);
    runner.env("EMNIFY_PASSWORD", "not-the-password").plant("not-the-password").run().exits(3);
    assert_eq!((emnify.stats().refused_logins, emnify.stats().total_requests()), (1, 1));
}

#[test]
fn a_locked_account_is_told_with_what_emnify_says_about_it() {
    let emnify = Fleet::emnify(1);
    for _ in 0..3 {
        list_with_wrong_password(&emnify).exits(3);
    }
    let output = list_devices(&emnify, &USER).exits(3);
    output.explains(&[
        "emnify refused to sign in demo@example.com (401, TooManyRequests",
        "lock the account for five minutes",
    ]);
    assert_eq!((emnify.stats().refused_logins, emnify.stats().total_requests()), (4, 4));
}

#[test]
fn pages_end_where_the_headers_say_though_the_last_one_repeats() {
    let emnify = Fleet::emnify(2500);
    let output = list_devices(&emnify, &APPLICATION).exits(0);
    let rows = output.rows("devices.ndjson");
    let mut ids: Vec<u64> = rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 2500);
    assert!(ids.is_sorted());
    let paths: Vec<_> = emnify.requests_of("GET", DEVICES).into_iter().map(|request| request.path).collect();
    assert_eq!(paths.len(), 3);
    for (path, page) in paths.iter().zip(1..) {
        assert!(path.contains("per_page=1000") && path.contains(&format!("page={page}")), "{path}");
    }
    let report = output.report();
    let devices = entry(&report, "devices");
    assert_eq!((&devices["rows"], &devices["pages"]), (&json!(2500), &json!(3)));
    emnify.agrees_with(&report);
}

#[test]
fn a_list_whose_count_does_not_add_up_fails() {
    let emnify = Fleet::emnify(10);
    let headers = [("content-type", "application/json"), ("x-total-pages", "1"), ("x-total-count", "3")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    emnify.simulator.inject(Fault {
        headers,
        body: r#"[{"id":1},{"id":2}]"#.to_owned(),
        ..fault(DEVICES, 200)
    });
    let output = list_devices(&emnify, &APPLICATION).exits(1).explains(&["is not complete"]);
    assert!(!output.dir.join("devices.ndjson").exists());
    emnify.agrees_with(&output.report());
}

#[test]
fn long_numbers_keep_every_digit() {
    let emnify = Fleet::emnify(3);
    let output = list_devices(&emnify, &APPLICATION).exits(0);
    let client_saw = output.read("devices.ndjson");
    assert!(client_saw.contains(r#""iccid":"89883"#), "{client_saw}");
    let big = "89883030000000001299999";
    let body = format!(r#"{{"id":1,"iccid":{big},"ratio":1.10}}"#);
    emnify.simulator.inject(Fault {
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body,
        ..fault("/api/v1/sim/250", 200)
    });
    let playbook = r#"
version: 1
providers: { emnify: {} }
steps:
  - id: sim
    call: emnify.get_sim
    with: { id: 250 }
    outputs: { iccid: $.iccid, ratio: $.ratio }
  - call: emnify.list_sims
    with: { q: "iccid:${{ steps.sim.outputs.iccid }},ratio:${{ steps.sim.outputs.ratio }}" }
    expect: { status: 422 }
"#;
    emnify.apply(playbook).account(&emnify, "plain", &APPLICATION).run();
    let asked = emnify.requests_of("GET", "/api/v1/sim");
    assert!(asked[0].path.contains(big) && asked[0].path.contains("1.10"), "{}", asked[0].path);
}

/// The status and the description of every application token, as emnify lists them.
fn tokens(emnify: &Fleet) -> Vec<(String, u64)> {
    let playbook = "
version: 1
providers: { emnify: { method: user } }
steps: [{ call: emnify.list_application_tokens, save: tokens.ndjson }]
";
    let output = emnify.apply(playbook).account(emnify, "plain", &USER).run().exits(0);
    let rows = output.rows("tokens.ndjson");
    let text = |row: &Value| row["description"].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row), row["status"]["id"].as_u64().unwrap())).collect()
}

#[test]
fn tokens_are_issued_listed_and_revoked() {
    let emnify = Fleet::emnify(1);
    let playbook = r#"
version: 1
providers: { emnify: { method: user } }
steps:
  - id: issue
    call: emnify.issue_application_token
    with: { description: proof, expiry_date: "2031-01-31" }
    outputs: { token: { path: $.application_token, secret: true } }
  - id: tokens
    call: emnify.list_application_tokens
  - for_each: ${{ steps.tokens.rows | selectattr("description", "eq", "proof") }}
    call: emnify.revoke_application_token
    with: { id: "${{ item.id }}" }
"#;
    let output = emnify.apply(playbook).account(&emnify, "plain", &USER).run().exits(0);
    let issued = emnify.bodies("POST", TOKENS);
    assert_eq!(issued, [json!({ "description": "proof", "expiry_date": "2031-01-31" })]);
    assert_eq!(emnify.bodies("PATCH", "/api/v1/application_token/2"), [json!({ "status": { "id": 1 } })]);
    emnify.agrees_with(&output.report());
    assert_eq!(tokens(&emnify), [("demo".to_owned(), 0), ("proof".to_owned(), 1)]);
}

/// A rotation of the application token on a machine with this keyring.
fn rotation(emnify: &Fleet, keyring: &Keyring) -> Runner {
    let rotation = emnify.apply(shipped_playbook("emnify/application-token-rotation.yaml"));
    rotation.account(emnify, "plain", &USER).keyring(keyring)
}

/// The description that a run gives to its token.
fn description(output: &Output) -> String {
    format!("runner {}", output.report()["run"].as_str().unwrap())
}

#[test]
fn a_rotation_issues_proves_keeps_and_retires_the_old_token() {
    let (emnify, keyring) = (Fleet::emnify(3), Keyring::open());
    let first = rotation(&emnify, &keyring).run().exits(0);
    let requests = emnify.stats().total_requests();
    let second = rotation(&emnify, &keyring).run().exits(0);
    let report = second.report();
    assert_eq!(report["requests"].as_u64(), Some(emnify.stats().total_requests() - requests));
    let expected = [("demo".to_owned(), 0), (description(&first), 1), (description(&second), 0)];
    assert_eq!(tokens(&emnify), expected);
    emnify.stayed_silent(&second);

    // What was kept signs in.
    let inventory = emnify.apply(shipped_playbook("emnify/device-inventory.yaml")).keyring(&keyring);
    let output = inventory.run().exits(0);
    assert_eq!(output.rows("devices.ndjson").len(), 3);
    let login = emnify.bodies("POST", AUTHENTICATE).pop().unwrap();
    assert_eq!(keys(&login), ["application_token"]);
    assert!(!output.stdout.contains(login["application_token"].as_str().unwrap()));
}

#[test]
fn a_rotation_that_fails_in_the_middle_revokes_the_new_token_and_leaves_the_old_one() {
    let (emnify, keyring) = (Fleet::emnify(3), Keyring::open());
    let first = rotation(&emnify, &keyring).run().exits(0);
    emnify.simulator.inject(fault(DEVICES, 403));
    let second = rotation(&emnify, &keyring).run().exits(1).says(&["cleanup"]);
    let expected = [("demo".to_owned(), 0), (description(&first), 0), (description(&second), 1)];
    assert_eq!(tokens(&emnify), expected);
}

#[test]
fn a_rotation_whose_new_token_cannot_be_kept_revokes_it() {
    // A locked keychain may still be unlocked when it is needed, so that the run begins.
    let (emnify, keyring) = (Fleet::emnify(3), Keyring::locked());
    let output = rotation(&emnify, &keyring).run().exits(8);
    assert_eq!(tokens(&emnify), [("demo".to_owned(), 0), (description(&output), 1)]);
}

#[test]
fn a_rotation_without_a_keychain_sends_nothing() {
    let emnify = Fleet::emnify(3);
    let rotation = emnify.apply(shipped_playbook("emnify/application-token-rotation.yaml"));
    rotation.account(&emnify, "plain", &USER).run().exits(8);
    assert_eq!(emnify.simulator.requests().len(), 0);
}

#[test]
fn a_rotation_whose_issue_has_an_unknown_outcome_looks_for_the_token_and_revokes_it() {
    let (emnify, keyring) = (Fleet::emnify(3), Keyring::open());
    emnify.simulator.inject(Fault {
        method: Some("POST".to_owned()),
        close: true,
        after: true,
        ..fault(TOKENS, 500)
    });
    let output = rotation(&emnify, &keyring).run().exits(5);
    assert_eq!(emnify.requests_of("POST", TOKENS).len(), 1);
    assert_eq!(tokens(&emnify), [("demo".to_owned(), 0), (description(&output), 1)]);
}

#[test]
fn the_quickstart_goes_on_with_the_token_it_has_just_issued() {
    let (emnify, keyring) = (Fleet::emnify(25), Keyring::open());
    let quickstart = emnify.apply(shipped_playbook("quickstart.yaml")).account(&emnify, "plain", &USER);
    let output = quickstart.keyring(&keyring).run().exits(0);
    let logins = emnify.bodies("POST", AUTHENTICATE);
    let kinds: Vec<_> = logins.iter().map(|body| keys(body)[0]).collect();
    assert_eq!(kinds, ["username", "application_token"]);
    assert_eq!(output.rows("devices.ndjson").len(), 25);
    assert!(
        emnify.requests_of("PATCH", "/api/v1/application_token/*").is_empty(),
        "a token that is kept is not revoked"
    );
    assert!(!output.stdout.contains(logins[1]["application_token"].as_str().unwrap()));
    emnify.agrees_with(&output.report());
    emnify.stayed_silent(&output);
}
