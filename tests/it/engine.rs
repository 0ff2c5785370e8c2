//! What the language promises about running, proved at the server.

use runner::simulate::Fault;
use serde_json::{Value, json};

use crate::support::fleet::{Fleet, entries, entry};
use crate::support::raw_server::RawServer;
use crate::support::runner::{Output, Runner};

const APPLICATION: [&str; 1] = ["application_token"];
const AUTH_KEY: [&str; 2] = ["auth_key_id", "auth_key"];
const DEVICES: &str = "/api/v1/endpoint";

/// A playbook for emnify with these steps.
fn playbook(steps: &str) -> String {
    format!("version: 1\nproviders: {{ emnify: {{}} }}\nsteps:\n{steps}")
}

/// A run of such a playbook with the application token.
fn prepared(emnify: &Fleet, steps: &str) -> Runner {
    emnify.apply(playbook(steps)).account(emnify, "plain", &APPLICATION)
}

fn run(emnify: &Fleet, steps: &str) -> Output {
    prepared(emnify, steps).run()
}

fn fault(path: &str, status: u16) -> Fault {
    Fault { path: Some(path.to_owned()), status, ..Fault::default() }
}

fn with_headers(fault: Fault, headers: &[(&str, &str)]) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Fault { headers: headers.collect(), ..fault }
}

/// The paths of all GET requests, in their order.
fn asked(emnify: &Fleet) -> Vec<String> {
    emnify.requests_of("GET", "/*").into_iter().map(|request| request.path).collect()
}

// Retries

#[test]
fn a_read_that_is_throttled_is_sent_again_when_the_provider_wants_it() {
    for (wish, least_ms) in [("0", 0.0), ("1", 1000.0)] {
        let emnify = Fleet::emnify(1);
        emnify.simulator.inject(with_headers(fault(DEVICES, 429), &[("retry-after", wish)]));
        let report = run(&emnify, "  - { id: devices, call: emnify.list_devices }\n").exits(0).report();
        assert_eq!(emnify.stats().requests_to("GET /api/v1/endpoint"), 2);
        let devices = entry(&report, "devices");
        assert_eq!((&devices["requests"], &devices["retries"]), (&json!(2), &json!(1)));
        assert!(devices["took_ms"].as_f64().unwrap() >= least_ms, "{devices}");
        emnify.agrees_with(&report);
    }
}

#[test]
fn a_write_that_is_throttled_was_not_done_and_is_sent_again() {
    for status in [429, 503] {
        let emnify = Fleet::emnify(1);
        let path = "/api/v1/application_token";
        emnify.simulator.inject(with_headers(fault(path, status), &[("retry-after", "0")]));
        // Only a user may issue tokens.
        let playbook = playbook("  - { id: issue, call: emnify.issue_application_token }\n");
        let user = ["username", "password"];
        let report = emnify.apply(playbook).account(&emnify, "plain", &user).run().exits(0).report();
        assert_eq!(emnify.stats().requests_to("POST /api/v1/application_token"), 2);
        assert_eq!(entry(&report, "issue")["retries"], 1);
        emnify.agrees_with(&report);
    }
}

#[test]
fn soracoms_own_headers_say_how_long_to_wait() {
    let soracom = Fleet::soracom(1);
    let headers =
        [("x-soracom-ratelimit-remaining", "0"), ("x-soracom-ratelimit-seconds-before-refresh", "1")];
    soracom.simulator.inject(with_headers(fault("/v1/sims", 429), &headers));
    let list = "{ version: 1, providers: { soracom: {} }, steps: [{ id: sims, call: soracom.list_sims }] }";
    let report = soracom.apply(list).account(&soracom, "plain", &AUTH_KEY).run().exits(0).report();
    let sims = entry(&report, "sims");
    assert!(sims["took_ms"].as_f64().unwrap() >= 1000.0, "{sims}");
    assert_eq!((soracom.stats().requests_to("GET /v1/sims"), &sims["retries"]), (2, &json!(1)));
    soracom.agrees_with(&report);
}

#[test]
fn a_pause_that_is_longer_than_the_time_left_is_not_slept() {
    let emnify = Fleet::emnify(1);
    let busy = with_headers(fault(DEVICES, 429), &[("retry-after", "3600")]);
    emnify.simulator.inject(Fault { times: 10, ..busy });
    let output = run(&emnify, "  - { id: devices, call: emnify.list_devices }\n").exits(4);
    let report = output.explains(&["what now: run it again in 1 h"]).report();
    assert_eq!(emnify.stats().requests_to("GET /api/v1/endpoint"), 1);
    assert!(report["took_ms"].as_f64().unwrap() < 30_000.0);
}

#[test]
fn a_read_that_fails_twice_and_then_succeeds_is_a_success_with_two_retries() {
    let emnify = Fleet::emnify(3);
    emnify.simulator.inject(Fault { times: 2, ..fault(DEVICES, 503) });
    let steps = "  - { id: devices, call: emnify.list_devices, save: devices.ndjson }\n";
    let output = run(&emnify, steps).exits(0).says(&["3 rows", "2 retries"]);
    let report = output.report();
    assert_eq!(
        emnify.stats().requests["GET /api/v1/endpoint"],
        [("200".into(), 1), ("503".into(), 2)].into()
    );
    assert_eq!((&entry(&report, "devices")["retries"], &report["retries"]), (&json!(2), &json!(2)));
    assert_eq!(output.rows("devices.ndjson").len(), 3);
    emnify.agrees_with(&report);
}

#[test]
fn a_late_page_that_fails_is_asked_for_alone() {
    let emnify = Fleet::emnify(25);
    emnify.simulator.inject(Fault { skip: 1, close: true, ..fault(DEVICES, 500) });
    let output =
        run(&emnify, "  - { call: emnify.list_devices, with: { per_page: 10 }, save: devices.ndjson }\n")
            .exits(0);
    let pages: Vec<String> = asked(&emnify);
    assert_eq!(pages.len(), 4);
    assert_eq!(pages[1], pages[2]);
    assert_eq!(output.rows("devices.ndjson").len(), 25);
    emnify.agrees_with(&output.report());
}

#[test]
fn a_put_is_repeated_and_a_post_is_not() {
    let soracom = Fleet::soracom(1);
    soracom.simulator.inject(Fault { method: Some("PUT".to_owned()), ..fault("/v1/sims/*", 500) });
    soracom.simulator.inject(fault("/v1/auth/password_reset_token/issue", 500));
    let playbook = r#"
version: 1
providers: { soracom: {} }
steps:
  - { id: sims, call: soracom.list_sims, outputs: { id: "$[0].simId" } }
  - id: put
    call: soracom.put_sim_tags
    with: { sim_id: "${{ steps.sims.outputs.id }}", tags: [{ tagName: a, tagValue: b }] }
  - id: post
    call: soracom.issue_password_reset
    with: { email: demo@example.com }
"#;
    let report = soracom.apply(playbook).account(&soracom, "plain", &AUTH_KEY).run().exits(5).report();
    let stats = soracom.stats();
    assert_eq!(stats.requests_to("PUT /v1/sims/{sim_id}/tags"), 2);
    assert_eq!(stats.requests_to("POST /v1/auth/password_reset_token/issue"), 1);
    assert_eq!(
        (&entry(&report, "put")["retries"], &entry(&report, "post")["retries"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(stats.open_sessions, 0);
    soracom.agrees_with(&report);
}

#[test]
fn a_delete_that_is_gone_after_an_unknown_outcome_was_done() {
    let soracom = Fleet::soracom(1);
    let playbook = r#"
version: 1
providers: { soracom: {} }
steps:
  - { id: sims, call: soracom.list_sims, outputs: { id: "$[0].simId" } }
  - call: soracom.put_sim_tags
    with: { sim_id: "${{ steps.sims.outputs.id }}", tags: [{ tagName: a, tagValue: b }] }
  - id: delete
    call: soracom.delete_sim_tag
    with: { sim_id: "${{ steps.sims.outputs.id }}", tag_name: a }
"#;
    let lost =
        Fault { method: Some("DELETE".to_owned()), close: true, after: true, ..fault("/v1/sims/*", 500) };
    soracom.simulator.inject(lost);
    let report = soracom.apply(playbook).account(&soracom, "plain", &AUTH_KEY).run().exits(0).report();
    let deletes = &soracom.stats().requests["DELETE /v1/sims/{sim_id}/tags/{tag_name}"];
    assert_eq!(*deletes, [("404".into(), 1), ("none".into(), 1)].into());
    soracom.agrees_with(&report);
}

#[test]
fn a_step_says_how_often_it_may_be_tried() {
    let emnify = Fleet::emnify(1);
    emnify.simulator.inject(Fault { times: 10, ..fault(DEVICES, 503) });
    run(&emnify, "  - { call: emnify.list_devices, retry: { attempts: 1 } }\n").exits(4);
    assert_eq!(emnify.stats().requests_to("GET /api/v1/endpoint"), 1);
}

#[test]
fn a_status_that_the_step_expects_is_neither_repeated_nor_a_failure() {
    for status in [401, 404, 429, 503] {
        let emnify = Fleet::emnify(1);
        emnify.simulator.inject(fault(DEVICES, status));
        let steps = format!(
            "  - {{ id: ask, get: {DEVICES}, expect: {{ status: [2xx, {status}] }} }}\n  - {{ get: /api/v1/sim, if: steps.ask.status == {status} }}\n"
        );
        let report = run(&emnify, &steps).exits(0).report();
        let stats = emnify.stats();
        assert_eq!((stats.requests_to("GET /api/v1/endpoint"), stats.requests_to("GET /api/v1/sim")), (1, 1));
        assert_eq!((stats.logins, stats.refreshes), (1, 0));
        emnify.agrees_with(&report);
    }
}

// Order and scope

#[test]
fn a_loop_asks_in_order_and_gives_its_outputs_in_order() {
    let emnify = Fleet::emnify(5);
    let steps = r#"
  - { id: devices, call: emnify.list_devices, with: { sort: -id } }
  - id: each
    for_each: ${{ steps.devices.rows }}
    as: device
    call: emnify.get_device
    with: { id: "${{ device.id }}" }
    outputs: { id: $.id, name: $.name }
  - id: last
    call: emnify.get_device
    with: { id: "${{ steps.each.outputs.id[4] }}" }
    expect: { that: steps.each.outputs.id | length == 5 }
"#;
    let output = run(&emnify, steps).exits(0);
    let ids: Vec<String> = (11_379_224..11_379_229).rev().map(|id| format!("{DEVICES}/{id}")).collect();
    let asked = asked(&emnify);
    assert_eq!(asked[1..6], ids);
    assert_eq!(asked[6], format!("{DEVICES}/11379224"));
    let report = output.report();
    let whole: Vec<_> =
        entries(&report, "each").into_iter().filter(|entry| entry["item"].is_null()).collect();
    assert_eq!((&whole[0]["items"], &whole[0]["requests"]), (&json!(5), &json!(5)));
    emnify.agrees_with(&report);
}

#[test]
fn a_failed_item_ends_the_loop_unless_the_rest_is_wanted() {
    for (on_error, asked_for) in [("stop", 2), ("continue", 3)] {
        let emnify = Fleet::emnify(5);
        let steps = format!(
            "
  - id: each
    for_each: [11379224, 1, 11379225]
    call: emnify.list_devices
    with: {{ q: \"id:${{{{ item }}}}\" }}
    expect: {{ that: row_count == 1 }}
    outputs: {{ name: \"$[0].name\" }}
    save: each.ndjson
    on_error: {on_error}
  - id: behind
    call: emnify.list_sims
    with: {{ q: \"id:${{{{ steps.each.outputs.name | select('none') | list | length }}}}\" }}
"
        );
        let output = run(&emnify, &steps).exits(1);
        assert_eq!(emnify.requests_of("GET", DEVICES).len(), asked_for);
        assert_eq!(output.rows("each.ndjson.partial").len(), asked_for - 1);
        assert!(!output.dir.join("each.ndjson").exists(), "what is not all does not bear the name");
        let sims = emnify.requests_of("GET", "/api/v1/sim");
        match on_error {
            "stop" => assert!(sims.is_empty()),
            _ => assert!(sims[0].path.contains("id%3A1"), "one output is null: {}", sims[0].path),
        }
        emnify.agrees_with(&output.report());
    }
}

#[test]
fn an_empty_loop_is_a_success_that_sends_nothing() {
    let emnify = Fleet::emnify(1);
    let steps = "
  - id: each
    for_each: []
    call: emnify.get_device
    with: { id: \"${{ item }}\" }
    save: each.ndjson
";
    let output = run(&emnify, steps).exits(0);
    assert_eq!(output.read("each.ndjson"), "");
    assert_eq!(emnify.stats().total_requests(), 0, "a session is opened when it is needed");
}

#[test]
fn a_group_is_done_for_each_item_and_shows_only_its_outputs() {
    let emnify = Fleet::emnify(3);
    let steps = r#"
  - id: pairs
    for_each: ${{ range(0, 3) }}
    as: n
    steps:
      - { id: device, call: emnify.get_device, with: { id: "${{ 11379224 + n }}" }, outputs: { sim: $.sim.id } }
      - { id: sim, call: emnify.get_sim, with: { id: "${{ steps.device.outputs.sim }}" }, outputs: { iccid: $.iccid } }
    outputs: { iccid: "${{ steps.sim.outputs.iccid }}" }
  - call: emnify.list_sims
    with: { q: "" }
    expect: { that: ["steps.pairs.outputs.iccid == rows | map(attribute='iccid') | list", row_count == 3] }
"#;
    let output = run(&emnify, steps).exits(0);
    let paths = asked(&emnify);
    let expected: Vec<String> = (0..3)
        .flat_map(|n| [format!("{DEVICES}/{}", 11_379_224 + n), format!("/api/v1/sim/{}", 250 + n)])
        .collect();
    assert_eq!(paths[..6], expected);
    emnify.agrees_with(&output.report());
}

#[test]
fn a_step_whose_condition_does_not_hold_is_skipped_and_says_so() {
    let emnify = Fleet::emnify(1);
    let steps = r#"
  - { id: one, call: emnify.get_device, with: { id: 1 }, if: inputs.wanted }
  - { id: two, call: emnify.get_device, with: { id: 11379224 }, if: not steps.one.succeeded and steps.one.skipped }
"#;
    let text = playbook(steps).replace("providers:", "inputs: { wanted: { default: false } }\nproviders:");
    let output = emnify.apply(text).account(&emnify, "plain", &APPLICATION).run().exits(0);
    let report = output.says(&["1 step, 1 skipped"]).report();
    assert_eq!(
        (&entry(&report, "one")["status"], &entry(&report, "two")["status"]),
        (&json!("skipped"), &json!("done"))
    );
    assert_eq!(asked(&emnify), [format!("{DEVICES}/11379224")]);
}

#[test]
fn a_run_goes_on_behind_a_failure_that_is_let_pass_and_has_failed_all_the_same() {
    let emnify = Fleet::emnify(1);
    let steps = "
  - { id: one, call: emnify.get_device, with: { id: 1 }, on_error: continue }
  - { id: two, call: emnify.get_device, with: { id: 11379224 } }
";
    let output = run(&emnify, steps).exits(1).says(&["✗ one", "✓ two", "failed: 1 of 2 steps"]);
    let output = output.explains(&["error: emnify answered 404"]);
    emnify.agrees_with(&output.report());
}

#[test]
fn an_expectation_that_is_not_met_fails_the_step_and_is_quoted() {
    let emnify = Fleet::emnify(2);
    let steps = "  - { id: devices, call: emnify.list_devices, expect: { that: [row_count >= 1, row_count == 7] }, save: devices.ndjson }\n";
    let output = run(&emnify, steps).exits(1).explains(&["row_count == 7"]);
    assert!(!output.dir.join("devices.ndjson").exists());
    emnify.agrees_with(&output.report());
}

#[test]
fn an_output_that_is_not_there_fails_the_step_unless_it_has_a_default() {
    let read = |output: &str| {
        let emnify = Fleet::emnify(1);
        let steps = format!(
            "  - {{ id: device, call: emnify.get_device, with: {{ id: 11379224 }}, outputs: {{ x: {output} }} }}\n  - {{ call: emnify.list_sims, with: {{ q: \"id:${{{{ steps.device.outputs.x }}}}\" }} }}\n"
        );
        let output = run(&emnify, &steps);
        emnify.agrees_with(&output.report());
        (output, emnify.requests_of("GET", "/api/v1/sim").pop().map(|request| request.path))
    };
    let (output, asked) = read("$.no_such_key");
    assert_eq!(asked, None);
    output.exits(1).explains(&["$.no_such_key"]);
    let (output, asked) = read("{ path: $.no_such_key, default: 7 }");
    output.exits(0);
    assert!(asked.unwrap().contains("id%3A7"));
    let (output, asked) = read("{ header: date }");
    output.exits(1);
    assert!(asked.unwrap().contains("GMT"), "a header is an output, too");
}

// Files

#[test]
fn rows_are_saved_as_lines_as_a_list_and_bodies_as_they_came() {
    let emnify = Fleet::emnify(3);
    let steps = "
  - { call: emnify.list_devices, save: a.ndjson }
  - { call: emnify.list_devices, save: b.json }
  - { call: emnify.get_device, with: { id: 11379224 }, save: c.txt }
  - call: emnify.list_devices
    save: { file: d.ndjson, fields: { number: $.id, sim: $.sim.iccid, none: $.no_such_key, run: \"fixed ${{ run.id }}\" } }
";
    let output = run(&emnify, steps).exits(0);
    let lines = output.rows("a.ndjson");
    let list: Value = serde_json::from_str(&output.read("b.json")).unwrap();
    assert_eq!(list, Value::Array(lines.clone()));
    let body: Value = serde_json::from_str(&output.read("c.txt")).unwrap();
    assert_eq!(body, lines[0]);
    let fields = &output.rows("d.ndjson")[0];
    assert_eq!(fields["number"], 11_379_224);
    assert_eq!(fields["none"], Value::Null);
    assert_eq!(fields["run"], format!("fixed {}", output.report()["run"].as_str().unwrap()));
    let columns: Vec<_> = fields.as_object().unwrap().keys().collect();
    assert_eq!(columns, ["number", "sim", "none", "run"], "the order is the one that was written");
}

#[test]
fn what_came_before_a_failure_is_left_as_partial_and_told() {
    let emnify = Fleet::emnify(25);
    emnify.simulator.inject(Fault { skip: 1, times: 10, ..fault(DEVICES, 500) });
    let steps = "  - { id: devices, call: emnify.list_devices, with: { per_page: 10 }, save: devices.ndjson, retry: { attempts: 1 } }\n";
    let runner = prepared(&emnify, steps).file("devices.ndjson", "yesterday");
    let output = runner
        .run()
        .exits(4)
        .explains(&["page 2 of `list_devices`", "10 rows of 1 page are in devices.ndjson.partial"]);
    assert_eq!(output.rows("devices.ndjson.partial").len(), 10);
    assert_eq!(output.read("devices.ndjson"), "yesterday", "what was whole stays");
    let report = output.report();
    assert_eq!(
        entry(&report, "devices")["file"],
        json!({ "path": "devices.ndjson.partial", "is_complete": false })
    );
    emnify.agrees_with(&report);
}

// Selection and inputs

const THREE: &str = "
  - { id: one, call: emnify.get_device, with: { id: 11379224 } }
  - { name: The second, call: emnify.get_device, with: { id: 11379225 } }
  - { id: three, call: emnify.get_device, with: { id: 11379226 } }
";

#[test]
fn the_command_line_chooses_steps_by_id_and_by_name() {
    for (flags, ids) in [
        (&["--only", "three"][..], &[11_379_226][..]),
        (&["--only", "The second", "--only", "one"], &[11_379_224, 11_379_225]),
        (&["--from", "The second"], &[11_379_225, 11_379_226]),
    ] {
        let emnify = Fleet::emnify(3);
        let output = prepared(&emnify, THREE).args(flags.iter().copied()).run().exits(0);
        let expected: Vec<String> = ids.iter().map(|id| format!("{DEVICES}/{id}")).collect();
        assert_eq!(asked(&emnify), expected);
        let report = output.report();
        let skipped =
            report["entries"].as_array().unwrap().iter().filter(|entry| entry["status"] == "skipped");
        assert_eq!(skipped.count(), 3 - ids.len());
        emnify.agrees_with(&report);
    }
}

#[test]
fn a_choice_without_what_its_steps_read_is_refused_before_anything_is_sent() {
    let emnify = Fleet::emnify(1);
    let steps = "
  - { id: devices, call: emnify.list_devices, outputs: { first: '$[0].id' } }
  - { id: device, call: emnify.get_device, with: { id: '${{ steps.devices.outputs.first }}' } }
";
    for (flags, advice) in [
        (["--from", "device"], "start with `--from devices`"),
        (["--only", "device"], "add `--only devices`"),
    ] {
        let refused = prepared(&emnify, steps).args(flags).run().exits(2);
        refused
            .explains(&["`device` reads `steps.devices.outputs.first`, which no chosen step brings", advice]);
    }
    assert_eq!(emnify.stats().total_requests(), 0);
}

#[test]
fn an_input_comes_from_the_flag_else_the_environment_else_its_default() {
    let text = playbook("  - { call: emnify.get_device, with: { id: \"${{ inputs.id }}\" } }\n")
        .replace("providers:", "inputs: { id: { default: 11379224 } }\nproviders:");
    for (flag, variable, id) in [
        (None, None, 11_379_224),
        (None, Some("11379225"), 11_379_225),
        (Some("id=11379226"), Some("11379225"), 11_379_226),
    ] {
        let emnify = Fleet::emnify(3);
        let mut runner = emnify.apply(&text).account(&emnify, "plain", &APPLICATION);
        if let Some(flag) = flag {
            runner = runner.args(["--input", flag]);
        }
        if let Some(value) = variable {
            runner = runner.env("RUNNER_INPUT_ID", value);
        }
        runner.run().exits(0);
        assert_eq!(asked(&emnify), [format!("{DEVICES}/{id}")]);
    }
}

#[test]
fn an_input_that_is_missing_or_of_another_type_is_refused_before_anything_is_sent() {
    let emnify = Fleet::emnify(1);
    let text = playbook("  - { call: emnify.get_device, with: { id: \"${{ inputs.id }}\" } }\n")
        .replace("providers:", "inputs: { id: { type: integer } }\nproviders:");
    for flags in [&[][..], &["--input", "id=many"], &["--input", "id=1", "--input", "di=1"]] {
        let runner = emnify.apply(&text).account(&emnify, "plain", &APPLICATION).args(flags.iter().copied());
        let output = runner.run().exits(2);
        assert!(output.stderr.contains("id"), "{}", output.stderr);
    }
    assert_eq!(emnify.stats().total_requests(), 0);
}

// Time

#[test]
fn a_request_that_takes_longer_than_its_timeout_is_given_up() {
    let silent = silent_server();
    let text = at(&silent, "  - { id: wait, get: /, timeout: 100ms, retry: { attempts: 2 } }\n");
    let report = Runner::applying(&text).run().exits(4).report();
    assert_eq!(silent.requests().len(), 2);
    assert_eq!((&report["requests"], &report["retries"]), (&json!(2), &json!(1)));
}

#[test]
fn a_step_with_all_its_items_ends_when_its_time_is_over() {
    let silent = silent_server();
    let steps = "  - { id: wait, for_each: [1, 2, 3], get: /, within: 200ms, on_error: continue }\n  - { id: behind, get: /, timeout: 50ms, retry: { attempts: 1 } }\n";
    let output = Runner::applying(at(&silent, steps))
        .run()
        .exits(1)
        .explains(&["the step's 200 ms (`within`) passed"]);
    let report = output.report();
    assert_eq!(silent.requests().len(), 2);
    assert_eq!(report["requests"], 2);
}

fn silent_server() -> RawServer {
    RawServer::start(|_, connection| {
        connection.receive();
        connection.wait_for_close();
    })
}

/// A playbook for a server of the test's own.
fn at(server: &RawServer, steps: &str) -> String {
    format!("version: 1\nproviders: {{ acme: {{ base_url: {:?} }} }}\nsteps:\n{steps}", server.url(""))
}

// Files

#[test]
fn a_file_that_cannot_be_read_is_a_fault_of_this_machine_and_nothing_is_sent() {
    let server = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // The check knows only names that are written out.
    let steps = "  - { id: put, put: /image, file: \"${{ inputs.image }}\", cleanup: [{ delete: /image }] }\n\
                 inputs: { image: { default: image.bin } }\n";
    let output = Runner::applying(at(&server, steps))
        .run()
        .exits(8)
        .explains(&["`PUT /image` cannot be sent: cannot read", "see that the file is there"]);
    assert_eq!(server.requests(), Vec::<String>::new());
    let report = output.report();
    assert_eq!(
        (&report["requests"], &report["retries"], &report["safe_to_rerun"]),
        (&json!(0), &json!(0), &json!(true))
    );
}

// Cleanup

#[test]
fn cleanup_runs_the_newest_first_and_the_playbooks_own_last() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\nconnection: close\r\n\r\n{\"id\":7}";
    let server = RawServer::answering(ok);
    let steps = r#"
  - { id: a, post: /a, outputs: { id: $.id }, cleanup: [{ delete: "/a/${{ steps.a.outputs.id }}" }] }
  - { id: b, for_each: [1, 2], post: "/b/${{ item }}", cleanup: [{ delete: "/b/${{ item }}" }] }
  - { id: c, get: /c, expect: { that: response.body.id == 8 } }
  - { id: d, post: /d, cleanup: [{ delete: /d }] }
cleanup:
  - { post: /end, if: run.failed }
"#;
    let output =
        Runner::applying(at(&server, steps)).run().exits(1).says(&["✗ c", "cleanup"]).explains(&["error:"]);
    let lines: Vec<String> =
        server.requests().iter().map(|request| request.split(" HTTP").next().unwrap().to_owned()).collect();
    let expected = [
        "POST /a",
        "POST /b/1",
        "POST /b/2",
        "GET /c",
        "DELETE /b/2",
        "DELETE /b/1",
        "DELETE /a/7",
        "POST /end",
    ];
    assert_eq!(lines, expected);
    assert_eq!(output.report()["requests"], expected.len());
}

#[test]
fn what_was_surely_not_done_is_not_undone_and_what_may_be_is() {
    for (answer, undone) in [
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", false),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", true),
    ] {
        let server = RawServer::answering(answer);
        let steps = "  - { post: /a, cleanup: [{ delete: /a, retry: { attempts: 1 } }] }\n";
        Runner::applying(at(&server, steps)).run();
        let deletes = server.requests().iter().filter(|request| request.starts_with("DELETE")).count();
        assert_eq!(deletes, usize::from(undone), "{answer}");
    }
}

#[test]
fn a_cleanup_that_fails_stops_no_other_one() {
    let emnify = Fleet::emnify(3);
    let steps = "
  - { call: emnify.get_device, with: { id: 11379224 }, cleanup: [{ call: emnify.get_sim, with: { id: 250 } }] }
  - { call: emnify.get_device, with: { id: 11379225 }, cleanup: [{ call: emnify.get_sim, with: { id: 1 } }] }
";
    let output = run(&emnify, steps).exits(7);
    assert_eq!(asked(&emnify)[2..], ["/api/v1/sim/1", "/api/v1/sim/250"]);
    emnify.agrees_with(&output.report());
}

// Reports

#[test]
fn the_report_for_machines_can_take_the_place_of_the_one_for_people() {
    let emnify = Fleet::emnify(1);
    let output = prepared(&emnify, THREE).args(["--only", "one", "--report", "json=-"]).run().exits(0);
    let report: Value = serde_json::from_str(&output.stdout).expect("nothing but JSON");
    assert_eq!(report["requests"], output.report()["requests"]);
    assert!(output.stderr.contains("✓ one"), "{}", output.stderr);
}

#[test]
fn a_simulated_run_reports_what_its_simulators_have_counted() {
    let quickstart = crate::support::fleet::shipped_playbook("quickstart.yaml");
    let output = Runner::applying(&quickstart).args(["--simulate"]).run().exits(0);
    let report = output.report();
    let requests = report["simulators"]["emnify"]["requests"].as_object().unwrap();
    let by_status = requests.values().flat_map(|route| route.as_object().unwrap().values());
    let counted: u64 = by_status.filter_map(Value::as_u64).sum();
    assert_eq!(report["requests"].as_u64(), Some(counted));
    assert_eq!(report["simulators"]["emnify"]["logins"], 2);
}
