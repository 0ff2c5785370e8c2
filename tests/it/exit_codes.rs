//! Every exit code, provoked over real sockets, and what was sent by then.

use std::net::TcpListener;

use runner::simulate::Fault;
use serde_json::json;

use crate::support::fleet::{Fleet, PLAYBOOK, entry};
use crate::support::raw_server::RawServer;
use crate::support::runner::{Output, Runner};

const APPLICATION: [&str; 1] = ["application_token"];
const TOKENS: &str = "/api/v1/application_token";
const DEVICES: &str = "/api/v1/endpoint";

const LIST_DEVICES: &str = "
version: 1
providers: { emnify: {} }
steps:
  - id: devices
    call: emnify.list_devices
";

/// A bare write, and a step that needs what it answers, and one that does not.
const ISSUE: &str = r#"
version: 1
providers: { emnify: {} }
steps:
  - id: issue
    call: emnify.issue_application_token
    with: { description: proof }
    outputs: { token: { path: $.application_token, secret: true } }
    on_error: continue
  - id: dependent
    authenticate: emnify
    method: application_token
    with: { application_token: "${{ steps.issue.outputs.token }}" }
  - id: other
    call: emnify.list_devices
"#;

fn run(emnify: &Fleet, playbook: &str) -> Output {
    emnify.apply(playbook).account(emnify, "plain", &APPLICATION).run()
}

fn fault(method: &str, path: &str, status: u16) -> Fault {
    let (method, path) = (Some(method.to_owned()), Some(path.to_owned()));
    Fault { method, path, status, ..Fault::default() }
}

#[test]
fn nothing_when_all_is_done() {
    let emnify = Fleet::emnify(2);
    let report = run(&emnify, LIST_DEVICES).exits(0).report();
    assert_eq!((&report["exit_code"], &report["causes"]), (&json!(0), &json!([])));
    emnify.agrees_with(&report);
}

#[test]
fn one_when_the_provider_refuses_a_step() {
    for status in [400, 403, 404, 409, 418, 422] {
        let emnify = Fleet::emnify(2);
        emnify.simulator.inject(fault("GET", DEVICES, status));
        let report = run(&emnify, LIST_DEVICES).exits(1).report();
        assert_eq!(report["causes"], json!(["step"]));
        assert_eq!(emnify.stats().requests_to("GET /api/v1/endpoint"), 1, "{status} is not repeated");
        emnify.agrees_with(&report);
    }
}

#[test]
fn two_when_the_playbook_has_a_mistake_and_then_nothing_is_sent() {
    let emnify = Fleet::emnify(1);
    let output = run(&emnify, &format!("{LIST_DEVICES}    retires: 3\n")).exits(2);
    assert!(output.stderr.contains("error[") && output.stderr.contains("`retry`"), "{}", output.stderr);
    assert_eq!(emnify.stats().total_requests(), 0);
}

#[test]
fn two_when_the_command_line_has_a_mistake_and_then_nothing_is_sent() {
    let emnify = Fleet::emnify(1);
    for wrong in [["--only", "devcies"], ["--input", "days=3"], ["--profile", "emnfy=x"], ["--nonsense", ""]]
    {
        let runner = emnify.apply(LIST_DEVICES).account(&emnify, "plain", &APPLICATION);
        let output = runner.args(wrong).run().exits(2);
        assert!(!output.stderr.is_empty(), "{wrong:?}");
    }
    assert_eq!(emnify.stats().total_requests(), 0);
}

#[test]
fn three_when_no_source_has_a_credential_and_then_nothing_is_sent() {
    let emnify = Fleet::emnify(1);
    let output = emnify.apply(LIST_DEVICES).run().exits(3);
    let output = output.explains(&["no source has emnify.", "EMNIFY_"]);
    assert_eq!(output.report()["causes"][0], "sign_in");
    assert_eq!(emnify.stats().total_requests(), 0);
}

#[test]
fn four_when_the_provider_is_unavailable_after_three_attempts() {
    let emnify = Fleet::emnify(2);
    emnify.simulator.inject(Fault { times: 10, ..fault("GET", DEVICES, 503) });
    let output = run(&emnify, LIST_DEVICES).exits(4);
    assert_eq!(emnify.stats().requests["GET /api/v1/endpoint"]["503"], 3);
    let output =
        output.explains(&["emnify answered 503 Service Unavailable", "attempt 3 of 3", "run it again later"]);
    let report = output.report();
    assert_eq!((&report["retries"], &report["safe_to_rerun"]), (&json!(2), &json!(true)));
    assert_eq!(entry(&report, "devices")["retries"], 2);
    emnify.agrees_with(&report);
}

#[test]
fn four_when_nobody_listens() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let playbook = format!(
        "{{ version: 1, providers: {{ acme: {{ base_url: \"http://{closed}\" }} }}, steps: [{{ id: read, get: / }}] }}"
    );
    let runner =
        Runner::new().file(PLAYBOOK, playbook).args(["apply", PLAYBOOK, "--report", "json=report.json"]);
    let report = runner.run().exits(4).explains(&["cannot be reached"]).report();
    assert_eq!(report["requests"], 0, "no byte was sent");
    assert_eq!(entry(&report, "read")["requests"], 0);
    assert_eq!(report["safe_to_rerun"], true);
}

#[test]
fn five_when_a_bare_write_is_answered_with_an_error_and_it_is_sent_once() {
    for status in [500, 502, 503, 504] {
        let emnify = Fleet::emnify(2);
        emnify.simulator.inject(fault("POST", TOKENS, status));
        let output = run(&emnify, ISSUE).exits(5);
        assert_eq!(emnify.stats().requests_to("POST /api/v1/application_token"), 1);
        assert_eq!(
            emnify.requests_of("POST", "/api/v1/authenticate").len(),
            1,
            "what depends on it does not start"
        );
        assert_eq!(
            emnify.stats().requests_to("GET /api/v1/endpoint"),
            1,
            "what does not depend on it goes on"
        );
        let report = output.report();
        let status = |label| entry(&report, label)["status"].clone();
        assert_eq!(status("issue"), "unknown");
        assert_eq!(status("dependent"), "not_started");
        assert_eq!(status("other"), "done");
        assert_eq!(report["safe_to_rerun"], false);
        emnify.agrees_with(&report);
    }
}

#[test]
fn five_when_the_answer_to_a_bare_write_is_lost() {
    for after in [false, true] {
        let emnify = Fleet::emnify(2);
        emnify.simulator.inject(Fault { close: true, after, ..fault("POST", TOKENS, 500) });
        let output = run(&emnify, &ISSUE.replace("    on_error: continue\n", "")).exits(5);
        let output = output.explains(&["nobody knows whether it was done", "what now: look at emnify"]);
        assert_eq!(emnify.stats().requests["POST /api/v1/application_token"]["none"], 1);
        let report = output.report();
        assert_eq!(entry(&report, "other")["status"], "not_started");
        emnify.agrees_with(&report);
    }
}

#[test]
fn seven_when_only_the_cleanup_fails() {
    let emnify = Fleet::emnify(2);
    let playbook = "
version: 1
providers: { emnify: {} }
steps:
  - id: devices
    call: emnify.list_devices
    cleanup:
      - id: undo
        call: emnify.get_device
        with: { id: 1 }
";
    let output = run(&emnify, playbook).exits(7).says(&["cleanup", "done, but not cleaned up"]);
    assert_eq!(emnify.stats().requests["GET /api/v1/endpoint/{id}"]["404"], 1);
    emnify.agrees_with(&output.report());
}

#[test]
fn seven_when_the_logout_fails() {
    let soracom = Fleet::soracom(1);
    soracom.simulator.inject(Fault { times: 10, ..fault("POST", "/v1/auth/logout", 500) });
    let playbook = "{ version: 1, providers: { soracom: {} }, steps: [{ call: soracom.list_sims }] }";
    let output =
        soracom.apply(playbook).account(&soracom, "plain", &["auth_key_id", "auth_key"]).run().exits(7);
    assert_eq!(soracom.stats().open_sessions, 1);
    let report = output.says(&["the session may be open until"]).report();
    assert_eq!(report["causes"], json!(["cleanup"]));
    soracom.agrees_with(&report);
}

#[test]
fn eight_when_the_file_to_save_in_cannot_be_made_and_then_nothing_is_sent() {
    let emnify = Fleet::emnify(2);
    let output = run(&emnify, &format!("{LIST_DEVICES}    save: no/such/folder/devices.ndjson\n")).exits(8);
    assert_eq!(emnify.stats().total_requests(), 0);
    let report =
        output.explains(&["no/such/folder/devices.ndjson", "there is no folder no/such/folder"]).report();
    assert_eq!(report["causes"], json!(["machine"]));
    emnify.agrees_with(&report);
}

/// The program where a file may grow to 64 KiB: what a full disk is to it.
fn on_a_small_disk(emnify: &Fleet, playbook: &str) -> Runner {
    let limited = "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\"";
    let runner = emnify.plant(Runner::of("sh")).file(PLAYBOOK, playbook);
    let runner = runner.args(["-c", limited, env!("CARGO_BIN_EXE_runner"), "apply", PLAYBOOK]);
    emnify.point(runner.args(["--report", "json=report.json"])).account(emnify, "plain", &APPLICATION)
}

#[test]
fn eight_when_the_disk_is_full_and_no_short_file_bears_the_name_of_a_whole_one() {
    let emnify = Fleet::emnify(1000);
    let output =
        on_a_small_disk(&emnify, &format!("{LIST_DEVICES}    save: devices.ndjson\n")).run().exits(8);
    assert!(!output.dir.join("devices.ndjson").exists());
    let report = output.explains(&["devices.ndjson"]).report();
    assert_eq!(report["causes"], json!(["machine"]));
    emnify.agrees_with(&report);
}

#[test]
fn eight_when_the_report_cannot_be_written_and_then_nothing_is_sent() {
    let emnify = Fleet::emnify(1);
    let runner = emnify.apply(LIST_DEVICES).account(&emnify, "plain", &APPLICATION);
    let output = runner.args(["--report", "json=no/such/folder/report.json"]).run().exits(8);
    assert!(output.stderr.contains("no/such/folder/report.json"), "{}", output.stderr);
    assert_eq!(emnify.stats().total_requests(), 0);
}

#[test]
fn nine_when_the_deadline_passes_and_the_session_is_closed_all_the_same() {
    let soracom = Fleet::soracom(1);
    let silent = RawServer::start(|_, connection| {
        connection.receive();
        connection.wait_for_close();
    });
    let playbook = format!(
        "
version: 1
deadline: 300ms
providers:
  soracom: {{}}
  silent: {{ base_url: {:?} }}
steps:
  - call: soracom.list_sims
  - id: wait
    provider: silent
    get: /
  - id: later
    call: soracom.list_sims
",
        silent.url("")
    );
    let output =
        soracom.apply(playbook).account(&soracom, "plain", &["auth_key_id", "auth_key"]).run().exits(9);
    let stats = soracom.stats();
    assert_eq!((stats.logouts, stats.open_sessions, stats.requests_to("GET /v1/sims")), (1, 0, 1));
    let report = output.says(&["out of time"]).explains(&["the deadline of 300 ms passed"]).report();
    assert_eq!(report["causes"], json!(["deadline"]));
    assert_eq!(entry(&report, "later")["status"], "not_started");
    let sent = stats.total_requests() + silent.requests().len() as u64;
    assert_eq!(report["requests"].as_u64(), Some(sent), "a request that was given up was sent all the same");
}

#[test]
fn the_heaviest_of_several_causes_is_the_exit_code() {
    let refused = "  - { call: emnify.get_device, with: { id: 1 }, on_error: continue }\n";
    let write = "  - { call: emnify.issue_application_token, on_error: continue }\n";
    let unavailable = "  - { call: emnify.list_sims, retry: { attempts: 1 }, on_error: continue }\n";
    let unwritable =
        "  - { call: emnify.list_devices, save: 'no/such/${{ run.id }}.json', on_error: continue }\n";
    let cleanup = "cleanup:\n  - { call: emnify.get_device, with: { id: 1 } }\n";
    for (parts, code) in [
        (vec![refused, unwritable, write, cleanup], 5),
        (vec![refused, unavailable, unwritable, cleanup], 8),
        (vec![unavailable, refused, cleanup], 1),
        (vec![unavailable, cleanup], 4),
        (vec![cleanup], 7),
    ] {
        let emnify = Fleet::emnify(1);
        emnify.simulator.inject(fault("POST", TOKENS, 500));
        emnify.simulator.inject(fault("GET", "/api/v1/sim", 503));
        let begin = "version: 1\nproviders: { emnify: {} }\nsteps:\n  - call: emnify.list_devices\n";
        let report = run(&emnify, &format!("{begin}{}", parts.concat())).exits(code).report();
        assert_eq!(report["exit_code"], code);
        assert_eq!(report["causes"].as_array().unwrap().len(), parts.len());
        emnify.agrees_with(&report);
    }
}
