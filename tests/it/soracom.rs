//! Soracom from outside: the real program against the simulator, which counts.

use rustix::process::Signal;
use serde_json::{Value, json};

use runner::simulate::{Fault, Options, Provider};
use std::time::Duration;

use crate::support::fleet::{Fleet, PLAYBOOK, entries, entry, shipped_playbook};
use crate::support::raw_server::RawServer;
use crate::support::runner::{Output, Runner};

const AUTH_KEY: [&str; 2] = ["auth_key_id", "auth_key"];
const ROOT: [&str; 2] = ["email", "password"];
const SAM: [&str; 3] = ["operator_id", "user_name", "password"];

const LIST_SIMS: &str = "
version: 1
providers: { soracom: {} }
steps:
  - id: sims
    call: soracom.list_sims
    save: { file: sims.ndjson, fields: { id: $.simId } }
";

/// Runs a playbook with an AuthKey.
fn run(soracom: &Fleet, playbook: &str) -> Output {
    soracom.apply(playbook).account(soracom, "plain", &AUTH_KEY).run()
}

#[track_caller]
fn assert_one_closed_session(soracom: &Fleet) {
    let stats = soracom.stats();
    let counts = (stats.logins, stats.refused_logins, stats.refreshes, stats.logouts, stats.open_sessions);
    assert_eq!(counts, (1, 0, 0, 1, 0));
    assert_eq!(stats.requests["POST /v1/auth/logout"]["204"], 1);
}

#[test]
fn the_variables_that_are_set_choose_how_to_sign_in() {
    for (given, fields) in [
        (&ROOT[..], &["email", "password", "tokenTimeoutSeconds"][..]),
        (&AUTH_KEY, &["authKeyId", "authKey", "tokenTimeoutSeconds"]),
        (&SAM, &["operatorId", "userName", "password", "tokenTimeoutSeconds"]),
        (&["email", "password", "auth_key_id", "auth_key"], &["authKeyId", "authKey", "tokenTimeoutSeconds"]),
    ] {
        let soracom = Fleet::soracom(3);
        let output = soracom.apply(LIST_SIMS).account(&soracom, "plain", given).run().exits(0);
        let logins = soracom.bodies("POST", "/v1/auth");
        let sent: Vec<&String> = logins[0].as_object().unwrap().keys().collect();
        assert_eq!(sent, fields);
        assert_one_closed_session(&soracom);
        soracom.agrees_with(&output.report());
        soracom.stayed_silent(&output);
    }
}

#[test]
fn the_method_that_the_playbook_names_is_taken() {
    for (method, field) in [("root", "email"), ("auth_key", "authKeyId"), ("sam", "operatorId")] {
        let soracom = Fleet::soracom(1);
        let playbook = LIST_SIMS.replace("soracom: {}", &format!("soracom: {{ method: {method} }}"));
        let all = [&ROOT[..], &AUTH_KEY, &SAM[..2]].concat();
        soracom.apply(playbook).account(&soracom, "plain", &all).run().exits(0);
        assert!(soracom.bodies("POST", "/v1/auth")[0].get(field).is_some(), "{method}");
        assert_one_closed_session(&soracom);
    }
}

#[test]
fn half_of_a_pair_of_credentials_is_passed_over_with_a_warning() {
    let soracom = Fleet::soracom(1);
    let given = ["email", "password", "auth_key_id"];
    let output = soracom.apply(LIST_SIMS).account(&soracom, "plain", &given).run().exits(0);
    assert!(soracom.bodies("POST", "/v1/auth")[0].get("email").is_some());
    assert!(output.stderr.contains("warning") && output.stderr.contains("auth_key"), "{}", output.stderr);
}

#[test]
fn a_second_factor_is_answered_with_the_code_of_its_secret() {
    for given in [&ROOT[..], &SAM] {
        let soracom = Fleet::soracom(1);
        let runner = soracom.apply(LIST_SIMS).account(&soracom, "mfa", given);
        runner.env("SORACOM_MFA_SECRET", soracom.demo("mfa", "mfa_secret")).run().exits(0);
        let code = soracom.bodies("POST", "/v1/auth")[0]["mfaOTPCode"].as_str().unwrap().to_owned();
        assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        assert_one_closed_session(&soracom);
    }
}

#[test]
fn a_login_that_lacks_its_second_factor_is_refused_once_and_nothing_else_is_sent() {
    let soracom = Fleet::soracom(1);
    let output = soracom.apply(LIST_SIMS).account(&soracom, "mfa", &ROOT).run().exits(3);
    assert_eq!((soracom.stats().refused_logins, soracom.stats().total_requests()), (1, 1));
    let output =
        output.explains(&["soracom refused to sign in demo-mfa@example.com", "AUM0002", "sent once"]);
    soracom.agrees_with(&output.report());
}

#[test]
fn each_coverage_has_its_own_host() {
    for (coverage, host) in [(None, "https://api.soracom.io"), (Some("g"), "https://g.api.soracom.io")] {
        let soracom = Fleet::soracom(0);
        let runner = soracom.plant(Runner::new()).file(PLAYBOOK, LIST_SIMS);
        let runner = runner.args(["apply", "--dry-run", PLAYBOOK]).account(&soracom, "plain", &AUTH_KEY);
        let runner = match coverage {
            Some(coverage) => runner.env("SORACOM_COVERAGE_TYPE", coverage),
            None => runner,
        };
        let output = runner.run().exits(0).says(&["soracom.auth_key", host, "nothing was sent"]);
        let others = ["https://api.soracom.io", "https://g.api.soracom.io"];
        for other in others.into_iter().filter(|other| *other != host) {
            assert!(!output.stdout.contains(other), "{}", output.stdout);
        }
    }
}

#[test]
fn every_request_of_a_session_bears_its_key_and_its_token() {
    let soracom = Fleet::soracom(250);
    run(&soracom, LIST_SIMS).exits(0);
    let lists = soracom.requests_of("GET", "/v1/sims");
    let pairs: Vec<_> = lists
        .iter()
        .chain(&soracom.requests_of("POST", "/v1/auth/logout"))
        .map(|request| {
            assert_eq!(request.header("authorization"), None);
            assert_eq!(request.header("x-soracom-lang"), Some("en"));
            let header = |name| request.header(name).expect("both headers").to_owned();
            (header("x-soracom-api-key"), header("x-soracom-token"))
        })
        .collect();
    assert!(pairs.len() > 3 && pairs.iter().all(|pair| *pair == pairs[0]));
    let login = &soracom.requests_of("POST", "/v1/auth")[0];
    assert_eq!((login.header("x-soracom-token"), login.header("x-soracom-api-key")), (None, None));
    assert_eq!(login.header("content-type"), Some("application/json"));
}

/// Steps at Soracom before and behind two requests to a provider whose pace is slow enough for a short token to grow old.
fn around_a_slow_provider(slow: &RawServer, pace: &str) -> String {
    format!(
        "
version: 1
providers:
  soracom: {{}}
  slow: {{ base_url: {:?}, rate_limit: {{ rate: 1/{pace} }} }}
steps:
  - call: soracom.list_sims
  - for_each: [1, 2]
    provider: slow
    get: /
  - call: soracom.list_sims
",
        slow.url("")
    )
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[test]
fn a_token_is_prolonged_before_it_ends_and_the_key_stays() {
    let life = Some(Duration::from_secs(8));
    let soracom = Fleet::start(Provider::Soracom, &Options { devices: 1, token_life: life, port: None });
    let slow = RawServer::answering(OK);
    // The last quarter of eight seconds begins after six.
    run(&soracom, &around_a_slow_provider(&slow, "6100ms")).exits(0);
    let stats = soracom.stats();
    assert_eq!((stats.logins, stats.refreshes, stats.logouts, stats.open_sessions), (1, 1, 1, 0));
    let lists = soracom.requests_of("GET", "/v1/sims");
    let header = |name, at: usize| lists[at].header(name).unwrap().to_owned();
    assert_eq!(header("x-soracom-api-key", 0), header("x-soracom-api-key", 1));
    assert_ne!(header("x-soracom-token", 0), header("x-soracom-token", 1));
}

#[test]
fn a_token_that_has_ended_is_never_prolonged() {
    let life = Some(Duration::from_secs(1));
    let soracom = Fleet::start(Provider::Soracom, &Options { devices: 1, token_life: life, port: None });
    let slow = RawServer::answering(OK);
    run(&soracom, &around_a_slow_provider(&slow, "1050ms")).exits(0);
    let stats = soracom.stats();
    assert_eq!((stats.logins, stats.refreshes, stats.requests_to("GET /v1/sims")), (2, 0, 2));
    assert_eq!(stats.requests["GET /v1/sims"].keys().collect::<Vec<_>>(), ["200"]);
}

#[test]
fn a_refused_token_leads_to_a_new_login_and_not_to_a_refresh() {
    let soracom = Fleet::soracom(250);
    let refusal = json!({ "code": "SIM0401", "message": "The token is revoked." }).to_string();
    soracom.simulator.inject(Fault {
        path: Some("/v1/sims".to_owned()),
        skip: 1,
        status: 401,
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body: refusal,
        ..Fault::default()
    });
    let output = run(&soracom, LIST_SIMS).exits(0);
    let stats = soracom.stats();
    assert_eq!((stats.logins, stats.refreshes), (2, 0));
    assert_eq!(output.rows("sims.ndjson").len(), 250);
    let lists = soracom.requests_of("GET", "/v1/sims");
    assert_eq!(lists[1].path, lists[2].path, "the refused page is asked for again");
    assert_ne!(lists[1].header("x-soracom-token"), lists[2].header("x-soracom-token"));
    soracom.agrees_with(&output.report());
    soracom.stayed_silent(&output);
}

#[test]
fn a_session_that_is_refused_again_and_again_ends_the_step_after_one_new_login() {
    let soracom = Fleet::soracom(1);
    let path = Some("/v1/sims".to_owned());
    soracom.simulator.inject(Fault { path, times: 100, status: 401, ..Fault::default() });
    let output = run(&soracom, LIST_SIMS).exits(3);
    let stats = soracom.stats();
    assert_eq!((stats.logins, stats.requests_to("GET /v1/sims"), stats.refreshes), (2, 2, 0));
    soracom.agrees_with(&output.report());
}

#[test]
fn the_session_is_closed_when_a_step_fails() {
    let soracom = Fleet::soracom(1);
    let playbook = "
version: 1
providers: { soracom: {} }
steps:
  - call: soracom.get_sim
    with: { sim_id: no-such-sim }
  - call: soracom.list_sims
";
    let output = run(&soracom, playbook).exits(1).explains(&["soracom answered 404", "`get_sim`"]);
    assert_one_closed_session(&soracom);
    assert_eq!(soracom.stats().requests_to("GET /v1/sims"), 0);
    let report = output.report();
    assert_eq!(report["entries"].as_array().unwrap().last().unwrap()["session_end"], "closed");
    soracom.agrees_with(&report);
}

#[test]
fn the_session_is_closed_when_a_signal_ends_the_run() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let soracom = Fleet::soracom(1);
        // Once it has the request, the run is where the test wants it: it does not answer before the client gives up.
        let (arrived, has_arrived) = std::sync::mpsc::channel();
        let silent = RawServer::start(move |_, connection| {
            connection.receive();
            let _ = arrived.send(());
            connection.wait_for_close();
        });
        let playbook = format!(
            "
version: 1
providers:
  soracom: {{}}
  silent: {{ base_url: {:?} }}
steps:
  - call: soracom.list_sims
  - provider: silent
    get: /
    timeout: 400ms
    retry: {{ attempts: 1 }}
  - call: soracom.list_sims
",
            silent.url("")
        );
        let mut running = soracom.apply(playbook).account(&soracom, "plain", &AUTH_KEY).spawn();
        has_arrived.recv_timeout(crate::support::PATIENCE).expect("the second step begins");
        running.signal(signal);
        let output = running.finish().exits(code);
        assert_one_closed_session(&soracom);
        assert_eq!(soracom.stats().requests_to("GET /v1/sims"), 1, "nothing new is sent after a signal");
        let report = output.report();
        assert_eq!(report["exit_code"], code);
        assert_eq!(report["causes"].as_array().unwrap().last().unwrap(), &json!({ "signal": code - 128 }));
        let statuses: Vec<_> = entries(&report, "list_sims").iter().map(|entry| &entry["status"]).collect();
        assert_eq!(statuses, ["done", "not_started"]);
    }
}

#[test]
fn lists_are_whole_though_pages_come_short_and_empty() {
    let playbook = "
version: 1
providers: { soracom: {} }
steps:
  - { id: sims, call: soracom.list_sims, save: { file: sims.ndjson, fields: { id: $.simId } } }
  - { id: subscribers, call: soracom.list_subscribers, save: { file: subscribers.ndjson, fields: { id: $.imsi } } }
  - { id: devices, call: soracom.list_devices, save: { file: devices.ndjson, fields: { id: $.device_id } } }
  - { id: gadgets, call: soracom.list_gadgets, save: { file: gadgets.ndjson, fields: { id: $.id } } }
";
    let soracom = Fleet::soracom(250);
    let output = run(&soracom, playbook).exits(0);
    let report = output.report();
    for list in ["sims", "subscribers", "devices", "gadgets"] {
        let mut ids: Vec<String> =
            output.rows(&format!("{list}.ndjson")).iter().map(|row| row["id"].to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 250, "{list}");
        let requests = soracom.requests_of("GET", &format!("/v1/{list}"));
        let entry = entry(&report, list);
        assert_eq!(
            (entry["rows"].as_u64(), entry["pages"].as_u64()),
            (Some(250), Some(requests.len() as u64))
        );
        assert!(requests.len() > 3, "the second page is empty, yet not the last");
        assert!(!requests[0].path.contains("last_evaluated_key"));
        assert!(requests[1..].iter().all(|request| request.path.contains("last_evaluated_key=")));
    }
    soracom.agrees_with(&report);
}

#[test]
fn a_cursor_that_comes_back_fails_the_list() {
    let soracom = Fleet::soracom(250);
    let page = Fault {
        path: Some("/v1/sims".to_owned()),
        times: 10,
        status: 200,
        headers: [("content-type", "application/json"), ("x-soracom-next-key", "here-again")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body: r#"[{"simId":"1"}]"#.to_owned(),
        ..Fault::default()
    };
    soracom.simulator.inject(page);
    let output = run(&soracom, LIST_SIMS).exits(1).explains(&["is not complete"]);
    assert_eq!(soracom.stats().requests_to("GET /v1/sims"), 2);
    assert!(!output.dir.join("sims.ndjson").exists());
    assert_eq!(output.rows("sims.ndjson.partial").len(), 2);
}

#[test]
fn one_of_each_kind_is_found_by_what_its_list_says() {
    let playbook = r#"
version: 1
providers: { soracom: {} }
steps:
  - { id: sims, call: soracom.list_sims, outputs: { id: "$[1].simId" } }
  - { id: subscribers, call: soracom.list_subscribers, outputs: { imsi: "$[1].imsi" } }
  - { id: devices, call: soracom.list_devices, outputs: { id: "$[1].device_id" } }
  - { id: gadgets, call: soracom.list_gadgets, outputs: { product: "$[1].productId", serial: "$[1].serialNumber" } }
  - { call: soracom.get_sim, with: { sim_id: "${{ steps.sims.outputs.id }}" }, save: sim.json }
  - { call: soracom.get_subscriber, with: { imsi: "${{ steps.subscribers.outputs.imsi }}" }, save: subscriber.json }
  - { call: soracom.get_device, with: { device_id: "${{ steps.devices.outputs.id }}" }, save: device.json }
  - call: soracom.get_gadget
    with: { product_id: "${{ steps.gadgets.outputs.product }}", serial_number: "${{ steps.gadgets.outputs.serial }}" }
    save: gadget.json
"#;
    let soracom = Fleet::soracom(3);
    let output = run(&soracom, playbook).exits(0);
    let stats = soracom.stats();
    for route in [
        "GET /v1/sims/{sim_id}",
        "GET /v1/subscribers/{imsi}",
        "GET /v1/devices/{device_id}",
        "GET /v1/gadgets/{product_id}/{serial_number}",
    ] {
        assert_eq!(stats.requests[route]["200"], 1, "{route}");
    }
    for (file, field) in
        [("sim", "simId"), ("subscriber", "imsi"), ("device", "device_id"), ("gadget", "serialNumber")]
    {
        let saved: Value = serde_json::from_str(&output.read(format!("{file}.json"))).unwrap();
        assert!(saved.to_string().contains(field), "{saved}");
    }
}

#[test]
fn tags_are_put_and_taken_away() {
    let playbook = r#"
version: 1
providers: { soracom: {} }
steps:
  - { id: sims, call: soracom.list_sims, outputs: { id: "$[0].simId" } }
  - { id: subscribers, call: soracom.list_subscribers, outputs: { imsi: "$[0].imsi" } }
  - call: soracom.put_sim_tags
    with: { sim_id: "${{ steps.sims.outputs.id }}", tags: [{ tagName: site, tagValue: "north / 1" }] }
    expect: { that: response.body.tags.site == "north / 1" }
  - call: soracom.delete_sim_tag
    with: { sim_id: "${{ steps.sims.outputs.id }}", tag_name: site }
  - call: soracom.get_sim
    with: { sim_id: "${{ steps.sims.outputs.id }}" }
    expect: { that: response.body.tags.site is none }
  - call: soracom.put_subscriber_tags
    with: { imsi: "${{ steps.subscribers.outputs.imsi }}", tags: [{ tagName: a/b c, tagValue: x }] }
  - call: soracom.delete_subscriber_tag
    with: { imsi: "${{ steps.subscribers.outputs.imsi }}", tag_name: a/b c }
  - call: soracom.get_subscriber
    with: { imsi: "${{ steps.subscribers.outputs.imsi }}" }
    expect: { that: 'response.body.tags["a/b c"] is none' }
"#;
    let soracom = Fleet::soracom(2);
    let output = run(&soracom, playbook).exits(0);
    let puts = soracom.bodies("PUT", "/v1/sims/*");
    assert_eq!(puts, [json!([{ "tagName": "site", "tagValue": "north / 1" }])]);
    let deletes = soracom.requests_of("DELETE", "/v1/subscribers/*");
    assert!(deletes[0].path.ends_with("/tags/a%2Fb%20c"), "{}", deletes[0].path);
    assert_eq!(soracom.stats().requests["DELETE /v1/subscribers/{imsi}/tags/{tag_name}"]["204"], 1);
    soracom.agrees_with(&output.report());
}

#[test]
fn revoking_all_tokens_of_the_signed_in_user_leaves_no_session_to_close() {
    let soracom = Fleet::soracom(1);
    let playbook =
        "{ version: 1, providers: { soracom: {} }, steps: [{ call: soracom.revoke_root_tokens }] }";
    let output = soracom.apply(playbook).account(&soracom, "plain", &ROOT).run().exits(0);
    let stats = soracom.stats();
    assert_eq!(stats.requests["DELETE /v1/operators/{operator_id}/tokens"]["204"], 1);
    assert_eq!((stats.logins, stats.open_sessions, stats.requests_to("POST /v1/auth/logout")), (1, 0, 1));
    let report = output.report();
    assert_eq!(entries(&report, "soracom")[1]["session_end"], "already_over");
}

#[test]
fn the_tokens_of_another_user_are_revoked_without_an_end_of_the_own_session() {
    let soracom = Fleet::soracom(1);
    let playbook = "
version: 1
providers: { soracom: {} }
steps:
  - call: soracom.revoke_user_tokens
    with: { user_name: demo-ci-user }
";
    run(&soracom, playbook).exits(0);
    let revocations = soracom.requests_of("DELETE", "/v1/operators/OP0012345678/users/demo-ci-user/tokens");
    assert_eq!(revocations.len(), 1);
    assert_one_closed_session(&soracom);
}

const RESET: &str = "soracom/password-reset.yaml";
const NEW_PASSWORD: &str = "a-brand-new-password-5Tq";

#[test]
fn a_forgotten_password_is_reset_without_a_session() {
    let soracom = Fleet::soracom(1);
    let email = format!("email={}", soracom.demo("plain", "email"));
    let reset = soracom.apply(shipped_playbook(RESET)).args(["--input", &email]);
    reset.clone().args(["--only", "mail"]).run().exits(0);
    assert_eq!(
        soracom.bodies("POST", "/v1/auth/password_reset_token/issue"),
        [json!({ "email": "demo@example.com" })]
    );
    let set = reset.args(["--only", "set"]).env("SORACOM_RESET_TOKEN", soracom.demo("plain", "reset_token"));
    let output = set.env("SORACOM_NEW_PASSWORD", NEW_PASSWORD).plant(NEW_PASSWORD).run().exits(0);
    let stats = soracom.stats();
    assert_eq!(stats.requests["POST /v1/auth/password_reset_token/verify"]["200"], 1);
    assert_eq!((stats.total_requests(), stats.logins), (2, 0));
    assert_eq!(output.report()["requests"], 1);
    let sent = soracom.requests_of("POST", "/v1/auth/password_reset_token/verify");
    assert_eq!(sent[0].header("x-soracom-token"), None);

    let sign_in = soracom.apply(LIST_SIMS).account(&soracom, "plain", &["email"]);
    sign_in.env("SORACOM_PASSWORD", NEW_PASSWORD).plant(NEW_PASSWORD).run().exits(0);
    assert_eq!(soracom.stats().logins, 1);
}

#[test]
fn a_reset_that_lacks_what_only_a_person_knows_sends_nothing() {
    let soracom = Fleet::soracom(1);
    let reset =
        soracom.apply(shipped_playbook(RESET)).args(["--input", "email=demo@example.com", "--only", "set"]);
    reset.run().exits(3).explains(&["new_password", "SORACOM_NEW_PASSWORD"]);
    assert_eq!(soracom.stats().total_requests(), 0);
}

#[test]
fn an_address_that_soracom_does_not_know_is_told_with_its_code_and_its_hint() {
    let soracom = Fleet::soracom(1);
    let reset =
        soracom.apply(shipped_playbook(RESET)).args(["--input", "email=who@example.com", "--only", "mail"]);
    reset.run().exits(1).explains(&[
        "soracom answered 400",
        "soracom says: AUM0015: ",
        "not registered",
        "not an e-mail address that Soracom knows",
    ]);
    assert_eq!(soracom.stats().total_requests(), 1);
}

#[test]
fn the_inventory_that_ships_names_every_sim() {
    let soracom = Fleet::soracom(250);
    let output = run(&soracom, &shipped_playbook("soracom/sim-inventory.yaml")).exits(0);
    let rows = output.rows("sims.ndjson");
    assert_eq!(rows.len(), 250);
    let columns: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(columns[..3], ["sim_id", "name", "status"]);
    assert_one_closed_session(&soracom);
    soracom.agrees_with(&output.report());
}
