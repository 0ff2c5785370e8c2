//! `runner apply` as a person, a script and a log reader have it.

use std::fs;
use std::net::TcpListener;
use std::sync::LazyLock;

use insta::assert_snapshot;
use regex::Regex;
use runner::simulate::{Fault, Provider};
use serde_json::Value;

use super::support::fleet::Fleet;
use super::support::keyring::Keyring;
use super::support::pty::Size;
use super::support::runner::{Output, Runner};

const QUICKSTART: &str = include_str!("../../playbooks/quickstart.yaml");
const INVENTORY: &str = include_str!("../../playbooks/emnify/device-inventory.yaml");

/// `runner apply` in a room with a playbook, with a locale that knows more than ASCII.
fn apply(playbook: &str, flags: &[&str]) -> Runner {
    let room = Runner::new().env("LANG", "C.UTF-8").file("playbook.yaml", playbook);
    room.args(["apply"]).args(flags.iter().copied()).args(["playbook.yaml"])
}

/// `runner apply` against a simulated emnify, signed in as its plain demo user.
fn apply_at(emnify: &Fleet, playbook: &str, flags: &[&str]) -> Runner {
    let address = format!("emnify={}", emnify.base_url());
    let username = emnify.demo("plain", "username");
    let password = emnify.demo("plain", "password");
    apply(playbook, flags)
        .args(["--base-url", &address])
        .env("EMNIFY_USERNAME", username)
        .env("EMNIFY_PASSWORD", password)
        .plant(password)
}

/// What a run printed, without what differs from run to run.
fn stable(text: &str) -> String {
    static CHANGES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let change = |pattern: &str, stable| (Regex::new(pattern).unwrap(), stable);
        vec![
            change(r"(?m) +\d+(\.\d)? m?s$", "  <time>"),
            // What takes less than half a millisecond shows no time; on a busy machine it takes longer.
            change(r"(?m)(memory \(simulated\))  <time>$", "$1"),
            change(r"\d+\.\d+ s +run \w+", "<time>  run <run>"),
            change(r"(at|on) [-0-9 ]*\d\d:\d\d UTC", "at <moment>"),
            change(r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
            change(r"(in|after) [\d.]+ m?s", "$1 <time>"),
            change(r"\d{4}-\d\d-\d\d", "<date>"),
        ]
    });
    CHANGES
        .iter()
        .fold(text.to_owned(), |text, (pattern, stable)| pattern.replace_all(&text, *stable).into_owned())
}

fn report(output: &Output, file: &str) -> Value {
    serde_json::from_str(&output.read(file)).expect("a report is JSON")
}

#[test]
fn the_quickstart_in_a_pipe() {
    let output = apply(QUICKSTART, &["--simulate"]).run().exits(0);
    assert_snapshot!(stable(&output.stdout), @r#"
    emnify fleet - issue a token, list every device               simulated, nothing leaves this machine

      ✓ authenticate emnify  as demo@example.com, valid 4 h  <time>
      ✓ issue                Issue an application token · 200  <time>
      ✓ logout emnify        no logout on this API: tokens forgotten here, they end at <moment>
      ✓ authenticate emnify  Go on with the new token · application_token, valid 4 h  <time>
      ✓ List every device    1,250 rows, 2 pages → devices.ndjson  <time>
      ✓ keep                 Keep the new token for the next runs · emnify.application_token → memory (simulated)
      ✓ logout emnify        no logout on this API: tokens forgotten here, they end at <moment>

      done: 6 steps, 5 requests, no retries, <time>  run <run>
    "#);
    assert_eq!(output.stderr, "");
    assert_eq!(output.read("devices.ndjson").lines().count(), 1250);
}

#[test]
fn the_quickstart_on_a_terminal() {
    let size = Size { columns: 90, rows: 40 };
    let output = apply(QUICKSTART, &["--simulate"]).open_terminal(size).finish().exits(0);
    let green_mark = "\u{1b}[32m✓\u{1b}[0m";
    assert!(output.stdout.contains(green_mark), "{}", output.stdout);
    assert!(output.stdout.contains('⠋'), "no line moves: {}", output.stdout);
    let plain = anstream::adapter::strip_str(&output.stdout).to_string();
    let widest = plain.lines().flat_map(|line| line.split('\r')).map(|line| line.chars().count()).max();
    assert!(widest <= Some(90), "{plain}");
}

#[test]
fn a_narrow_terminal_is_wide_enough() {
    for columns in [20, 46] {
        let output = apply(QUICKSTART, &["--simulate"]).open_terminal(Size { columns, rows: 40 }).finish();
        let output = output.exits(0);
        assert!(output.stdout.contains("6 steps, 5 requests"), "{}", output.stdout);
    }
}

#[test]
fn what_is_typed_at_a_question_needs_no_note_about_its_newline() {
    let emnify = Fleet::of(Provider::Emnify);
    let password = emnify.demo("plain", "password");
    let room = apply(INVENTORY, &["--base-url", &format!("emnify={}", emnify.base_url())]).plant(password);
    let mut terminal = room.open_terminal(Size { columns: 90, rows: 40 });
    terminal.wait_for("Username of emnify: ").send(&format!("{}\r", emnify.demo("plain", "username")));
    terminal.wait_for("Password of emnify: ").send(&format!("{password}\r"));
    let output = terminal.finish().exits(0);
    assert!(!output.stdout.contains("warning"), "{}", output.stdout);
}

#[test]
fn no_color_is_obeyed_on_a_terminal() {
    let size = Size { columns: 90, rows: 40 };
    let quickstart = apply(QUICKSTART, &["--simulate"]).env("NO_COLOR", "1");
    let output = quickstart.open_terminal(size).finish().exits(0);
    assert!(output.stdout.contains("✓ issue"), "{}", output.stdout);
    assert!(!output.stdout.contains("\u{1b}[32m"), "{}", output.stdout);
}

#[test]
fn without_a_locale_the_report_is_ascii() {
    let output = apply(QUICKSTART, &["--simulate"]).env("LANG", "C").run().exits(0);
    assert!(output.stdout.is_ascii(), "{}", output.stdout);
    assert!(output.stdout.contains("  + issue "), "{}", output.stdout);
}

#[test]
fn a_simulated_run_touches_nothing_real() {
    let secret = "the-real-password";
    let quickstart = apply(QUICKSTART, &["--simulate", "--report", "json=report.json"])
        .env("EMNIFY_USERNAME", "real@example.com")
        .env("EMNIFY_PASSWORD", secret)
        .file(".env", format!("EMNIFY_APPLICATION_TOKEN={secret}\n"))
        .plant(secret);
    let output = quickstart.run().exits(0);
    let counts = &report(&output, "report.json")["simulators"]["emnify"];
    assert_eq!((counts["logins"].as_u64(), counts["refused_logins"].as_u64()), (Some(2), Some(0)));
    assert!(!output.stdout.contains("real@example.com"), "{}", output.stdout);
}

#[test]
fn the_json_report_fulfils_its_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../schemas/report.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let output = apply(QUICKSTART, &["--simulate", "--report", "json=report.json"]).run().exits(0);
    let done = report(&output, "report.json");

    let emnify = Fleet::of(Provider::Emnify);
    emnify.inject(Fault { path: Some("/api/v1/endpoint".to_owned()), status: 404, ..Fault::default() });
    let output = apply_at(&emnify, INVENTORY, &["--report", "json=report.json"]).run().exits(1);
    let failed = report(&output, "report.json");

    for report in [&done, &failed] {
        let mistakes: Vec<String> = validator.iter_errors(report).map(|error| error.to_string()).collect();
        assert_eq!(mistakes, [""; 0], "{report:#}");
    }
    assert_eq!((done["exit_code"].as_i64(), failed["exit_code"].as_i64()), (Some(0), Some(1)));
    assert_eq!(done["requests"], 5);
    assert_eq!(failed["entries"][1]["failure"]["cause"], "step");
}

#[test]
fn a_report_on_standard_output_stands_alone_there() {
    let output = apply(QUICKSTART, &["--simulate", "--report", "json=-"]).run().exits(0);
    let report: Value = serde_json::from_str(&output.stdout).expect("nothing but JSON");
    assert_eq!(report["playbook"], "emnify fleet - issue a token, list every device");
    assert!(output.stderr.contains("✓ issue"), "{}", output.stderr);
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure_of_this_machine() {
    let output = apply(QUICKSTART, &["--simulate", "--report", "json=none/report.json"]).run().exits(8);
    assert!(
        output.stderr.contains(
            "error: failed to write the report to none/report.json: there is no folder none; nothing was sent"
        ),
        "{}",
        output.stderr
    );
    assert_eq!(output.stdout, "");
}

#[test]
fn one_file_is_not_written_twice_and_the_playbook_not_at_all() {
    let saving = |first: &str, second: &str| {
        format!(
            "version: 1\nproviders: {{ emnify: {{}} }}\nsteps:\n  - {{ call: emnify.list_devices, save: {first} }}\n  - {{ call: \
             emnify.list_devices, {second} }}\n"
        )
    };
    for (playbook, flags, words) in [
        (saving("o.ndjson", "save: ./o.ndjson"), &[][..], "would replace the `save` at playbook.yaml:4:"),
        (
            saving("o.ndjson", "if: 'true'"),
            &["--report", "json=o.ndjson"][..],
            "the report o.ndjson would replace",
        ),
        (
            saving("o.ndjson", "if: 'true'"),
            &["--report", "json=r.json", "--report", "json=./r.json"],
            "the report ./r.json would replace the report r.json",
        ),
        (
            saving("o.ndjson", "if: 'true'"),
            &["--report", "json=playbook.yaml"],
            "replace the playbook itself",
        ),
        (
            saving("o.ndjson", "save: { file: playbook.yaml, format: json }"),
            &[][..],
            "replace the playbook itself",
        ),
    ] {
        let modes: &[&str] = if flags.is_empty() { &["--simulate", "--dry-run"] } else { &["--simulate"] };
        for &mode in modes {
            let output = apply(&playbook, &[&[mode], flags].concat()).run().exits(2);
            assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
            assert_eq!(output.stdout, "", "nothing was done");
            assert_eq!(output.read("playbook.yaml"), playbook);
        }
    }
    let either = saving("o.ndjson, if: 'true'", "save: o.ndjson, if: 'false'");
    apply(&either, &["--simulate"]).run().exits(0);
}

#[test]
fn each_cause_has_its_exit_code() {
    let endpoint =
        |status| Fault { path: Some("/api/v1/endpoint".to_owned()), times: 99, status, ..Fault::default() };
    let issue = Fault {
        path: Some("/api/v1/application_token".to_owned()),
        method: Some("POST".to_owned()),
        ..Fault::default()
    };
    let cases = [
        (INVENTORY, endpoint(404), 1),
        (
            INVENTORY,
            Fault { path: Some("/api/v1/authenticate".to_owned()), status: 403, ..Fault::default() },
            3,
        ),
        (INVENTORY, endpoint(503), 4),
        (QUICKSTART, issue, 5),
    ];
    let keyring = Keyring::open();
    for (playbook, fault, code) in cases {
        let emnify = Fleet::of(Provider::Emnify);
        let failure = format!("{fault:?}");
        emnify.inject(fault);
        let output = apply_at(&emnify, playbook, &["--no-prompt"]).keyring(&keyring).run();
        assert_eq!(output.code, Some(code), "{failure}\n{}\n{}", output.stdout, output.stderr);
        assert!(output.stdout.contains(&format!("· exit {code}")), "{}", output.stdout);
    }
}

#[test]
fn a_failure_is_told_with_place_and_advice() {
    let emnify = Fleet::of(Provider::Emnify);
    let fault = Fault { path: Some("/api/v1/endpoint".to_owned()), status: 404, ..Fault::default() };
    emnify.inject(fault);
    let output = apply_at(&emnify, INVENTORY, &[]).run().exits(1);
    assert_snapshot!(stable(&output.stdout), @r#"
    emnify - device inventory

      ✓ authenticate emnify  as demo@example.com, valid 4 h  <time>
      ✗ List every device    404  <time>
      ✓ logout emnify        no logout on this API: tokens forgotten here, they end at <moment>

      failed: 1 of 2 steps, 2 requests, no retries, <time>  run <run> · exit 1
    "#);
    assert_snapshot!(stable(&output.stderr), @r#"
    error: emnify answered 404 Not Found to page 1 of `list_devices`
      GET http://127.0.0.1:<port>/api/v1/endpoint?per_page=1000&page=1 · attempt 1 of 3 after <time> · empty body
      playbook.yaml:13:5
      what now: check the address and the ids in it; `expect: { status: [2xx, 404] }` if this is fine
    "#);
}

#[test]
fn an_invalid_playbook_sends_nothing() {
    let emnify = Fleet::of(Provider::Emnify);
    let output = apply_at(&emnify, &INVENTORY.replace("call: emnify", "cal: emnify"), &[]).run().exits(2);
    assert!(output.stderr.contains("did you mean `call`?"), "{}", output.stderr);
    assert!(output.stderr.ends_with("; nothing was sent\n"), "{}", output.stderr);
    assert_eq!(output.stdout, "");
    assert_eq!(emnify.stats().total_requests(), 0);
}

#[test]
fn what_the_command_line_says_wrong_is_said_before_anything_is_sent() {
    let emnify = Fleet::of(Provider::Emnify);
    let cases: [(&[&str], &str); 5] = [
        (&["--input", "dayz=3"], "did you mean `days`?"),
        (&["--input", "days=soon"], "days"),
        (&["--only", "isue"], "did you mean `issue`?"),
        (&["--profile", "emnfy=x"], "did you mean `emnify`?"),
        (&["--env-file", "none.env"], "none.env"),
    ];
    for (flags, expected) in cases {
        let output = apply_at(&emnify, QUICKSTART, flags).run().exits(2);
        assert!(output.stderr.contains(expected), "{flags:?}: {}", output.stderr);
    }
    assert_eq!(emnify.stats().total_requests(), 0);
}

#[test]
fn a_secret_that_nobody_has_is_named_with_every_source() {
    let output = apply(INVENTORY, &[]).run().exits(3);
    assert_snapshot!(stable(&output.stderr), @r#"
    error: no source has emnify.username
      env EMNIFY_USERNAME: not set
      keychain, runner/emnify default/username: no keychain on this machine: there is no D-Bus session
      prompt: no terminal to ask at
      or sign in with method application_token: env EMNIFY_APPLICATION_TOKEN
      what now: set it in one of these, or keep it once with `runner login emnify`

    error: no source has emnify.password
      env EMNIFY_PASSWORD: not set
      keychain, runner/emnify default/password: no keychain on this machine: there is no D-Bus session
      prompt: no terminal to ask at
      what now: set it in one of these, or keep it once with `runner login emnify`
    "#);
    assert_snapshot!(stable(&output.stdout), @r#"
    emnify - device inventory

      failed: before the first step, no requests, no retries, <time>  run <run> · exit 3
    "#);
}

#[test]
fn with_json_logs_every_line_of_standard_error_is_json_and_errors_are_among_them() {
    let output = apply(INVENTORY, &["--log-format", "json"]).run().exits(3);
    let lines: Result<Vec<Value>, _> = output.stderr.lines().map(serde_json::from_str).collect();
    let lines = lines.expect("each line is a JSON object");
    assert!(lines.iter().all(|line| line["level"] == "ERROR"), "{lines:?}");
    assert_eq!(lines[0]["message"], "no source has emnify.username", "{lines:?}");
    assert_eq!(lines[0]["advice"], "set it in one of these, or keep it once with `runner login emnify`");
}

#[test]
fn logs_show_requests_and_no_secrets() {
    let (emnify, keyring) = (Fleet::of(Provider::Emnify), Keyring::open());
    let output = apply_at(&emnify, QUICKSTART, &["-vvv", "--no-prompt"]).keyring(&keyring).run();
    assert!(output.stderr.contains("hyper_util"), "libraries are heard: {}", output.stderr);
    assert!(output.stderr.contains("/api/v1/application_token"), "{}", output.stderr);

    let json = apply_at(&emnify, INVENTORY, &["-v", "--log-format", "json"]).run().exits(0);
    let lines: Result<Vec<Value>, _> = json.stderr.lines().map(serde_json::from_str).collect();
    let lines = lines.expect("each line is a JSON object");
    assert!(lines.iter().any(|line| line["message"] == "request" && line["status"] == 200), "{lines:?}");
}

#[test]
fn a_closed_output_ends_the_printing_and_not_the_run() {
    let script = format!(
        "{} apply --simulate --report json=report.json playbook.yaml | head -n 1; echo ended",
        env!("CARGO_BIN_EXE_runner")
    );
    let shell = Runner::of("sh").env("LANG", "C.UTF-8").file("playbook.yaml", QUICKSTART);
    let output = shell.args(["-c", &script]).run().exits(0);
    assert_eq!(output.stdout.lines().count(), 2, "{}", output.stdout);
    assert_eq!(output.stderr, "");
    assert_eq!(report(&output, "report.json")["exit_code"], 0);
    assert_eq!(output.read("devices.ndjson").lines().count(), 1250);
}

#[test]
fn a_log_that_nobody_takes_does_not_end_the_run() {
    let runner = env!("CARGO_BIN_EXE_runner");
    let full = format!("{runner} apply --simulate -vv playbook.yaml 2> /dev/full");
    let gone = format!("({runner} apply --simulate -vv playbook.yaml; echo $? > code) 2>&1 | head -n 3");
    let room = |script: &str| Runner::of("sh").file("playbook.yaml", QUICKSTART).args(["-c", script]).run();
    assert!(room(&full).exits(0).stdout.contains("done: 6 steps"));
    assert_eq!(room(&gone).exits(0).read("code"), "0\n");
}

#[test]
fn a_report_that_a_full_disk_swallows_is_no_success() {
    let script = format!("{} apply --simulate playbook.yaml > /dev/full", env!("CARGO_BIN_EXE_runner"));
    let shell = Runner::of("sh").file("playbook.yaml", QUICKSTART).args(["-c", &script]);
    let output = shell.run().exits(8);
    assert_eq!(output.stderr, "error: failed to write the report: No space left on device (os error 28)\n");
    assert_eq!(output.read("devices.ndjson").lines().count(), 1250, "the run itself did not suffer");
}

#[test]
fn a_simulated_run_sees_no_secret_of_the_playbook() {
    let playbook = "
version: 1
providers: { emnify: {} }
secrets: { hook: { from: [{ file: hook.txt }] } }
steps:
  - { get: /api/v1/endpoint, headers: { x-hook: '${{ secrets.hook }}' }, provider: emnify }
";
    let traced = Runner::of("strace").file("playbook.yaml", playbook).file("hook.txt", "hook-real-geheim");
    let traced = traced.plant("hook-real-geheim").args(["-f", "-e", "trace=openat", "-o", "trace.txt"]);
    let traced =
        traced.args([env!("CARGO_BIN_EXE_runner"), "apply", "--simulate", "playbook.yaml"]).run().exits(0);
    let trace = traced.read("trace.txt");
    assert!(trace.contains("playbook.yaml") && !trace.contains("hook.txt"), "{trace}");
    // So it is not missed either.
    apply(playbook, &["--simulate"]).run().exits(0);
}

#[test]
fn a_simulated_run_takes_no_env_file() {
    let output = apply(QUICKSTART, &["--simulate", "--env-file", "none.env"]).run().exits(2);
    assert!(
        output.stderr.contains("'--simulate' cannot be used with '--env-file <FILE>'"),
        "{}",
        output.stderr
    );
}

#[test]
fn what_cannot_be_read_is_said_in_a_whole_sentence() {
    let output = apply(INVENTORY, &["--env-file", "none.env"]).run().exits(2);
    assert_eq!(output.stderr, "error: cannot read none.env: there is no such file\n");
    let output = Runner::new().args(["validate", "."]).run().exits(2);
    assert_eq!(output.stderr, "error: no playbook or definition (`*.yaml`, `*.yml`) lies in .\n");
}

#[test]
fn a_dry_run_shows_each_request_and_opens_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("emnify=http://{}", listener.local_addr().unwrap());
    let password = "dry-password-7";
    let dry = apply(QUICKSTART, &["--dry-run", "--base-url", &address])
        .env("EMNIFY_USERNAME", "ops@example.com")
        .file(".env", format!("\nEMNIFY_PASSWORD={password}\n"))
        .plant(password);
    let keyring = Keyring::open();
    let output = dry.keyring(&keyring).run().exits(0);
    assert_snapshot!(stable(&output.stdout), @r#"
    emnify fleet - issue a token, list every device                                              dry run

      secrets
        emnify.username  env EMNIFY_USERNAME               → http://127.0.0.1:<port>
        emnify.password  env EMNIFY_PASSWORD, .env line 2  → http://127.0.0.1:<port>

      requests to http://127.0.0.1:<port>
        authenticate emnify  POST   /api/v1/authenticate                   {"username":"ops@example.com","password":‹emnify.password›}
        issue                POST   /api/v1/application_token              {"description":"runner ‹run.id›","expiry_date":"<date>"}  write
                                    Authorization: Bearer ‹emnify.session.auth_token›
        logout emnify        nothing: no logout on this API: tokens are forgotten here
        authenticate emnify  POST   /api/v1/authenticate                   {"application_token":‹steps.issue.outputs.token›}  after issue
        List every device    GET    /api/v1/endpoint?per_page=1000&page=1  then as many pages as there are
                                    Authorization: Bearer ‹emnify.session.auth_token›
        keep                 emnify.application_token → keychain           after issue
        logout emnify        nothing: no logout on this API: tokens are forgotten here

      cleanup
        authenticate emnify       POST   /api/v1/authenticate              {"username":"ops@example.com","password":‹emnify.password›}  after keep · if not steps.keep.succeeded
        tokens                    GET    /api/v1/application_token         after keep · if not steps.keep.succeeded
                                         Authorization: Bearer ‹emnify.session.auth_token›
        revoke_application_token  PATCH  /api/v1/application_token/‹item›  {"status":{"id":1}}  write · after keep, tokens · if not steps.keep.succeeded · for each of steps.tokens.rows | selectattr("description", "eq", "runner " ~ run.id)
                                         Authorization: Bearer ‹emnify.session.auth_token›
        logout emnify             nothing: no logout on this API: tokens are forgotten here  after keep

    cleanup may add 3 requests, 1 write, and more where a list has several items or pages
    4 requests, 2 depend on answers, 1 write; nothing was sent
    "#);
    assert!(listener.accept().is_err(), "a connection was opened");
    assert!(fs::read_dir(output.dir).unwrap().count() <= 2, "a file was written");
}

#[test]
fn a_dry_run_without_a_secret_ends_as_the_run_would() {
    let output = apply(INVENTORY, &["--dry-run"]).run().exits(3);
    assert!(output.stdout.contains("no source has it"), "{}", output.stdout);
    assert!(output.stdout.ends_with("; nothing was sent\n"), "{}", output.stdout);
}

#[test]
fn only_built_in_providers_can_be_simulated() {
    let playbook = include_str!("../../playbooks/own-api.yaml");
    let output = apply(playbook, &["--simulate"]).run().exits(2);
    assert!(output.stderr.contains("`acme` has no simulator"), "{}", output.stderr);
}
