//! The commands around `apply`, and what the command line refuses.

use std::net::TcpListener;

use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::support::runner::Runner;

#[test]
fn help_names_every_command_and_exit_code() {
    let help = Runner::new().args(["--help"]).run().exits(0).stdout;
    for command in
        ["apply", "validate", "simulate", "providers", "show", "schema", "login", "logout", "status"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    assert!(help.contains("3 could not sign in"), "{help}");
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let cases: [(&[&str], &str); 6] = [
        (&[], "Usage: runner"),
        (&["aply"], "a similar subcommand exists: 'apply'"),
        (&["apply", "--simulat", "x.yaml"], "'--simulate'"),
        (&["doctor"], "error: `doctor` is not supported yet"),
        (&["apply", "--matrix", "x.yaml"], "error: `--matrix` is not supported yet"),
        (&["apply", "--resume", "x.yaml"], "error: `--resume` is not supported yet"),
    ];
    for (arguments, expected) in cases {
        let output = Runner::new().args(arguments.iter().copied()).run().exits(2);
        assert!(output.stderr.contains(expected), "{arguments:?}: {}", output.stderr);
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn providers_and_show_tell_what_one_needs() {
    let list = Runner::new().args(["providers"]).run().exits(0).stdout;
    for expected in ["soracom", "SORACOM_AUTH_KEY_ID, SORACOM_AUTH_KEY", "simpleiot", "ECHOME_ACCESS_ID"] {
        assert!(list.contains(expected), "{expected}: {list}");
    }
    let show = Runner::new().args(["show", "emnify"]).run().exits(0).stdout;
    assert!(show.contains("emnify.list_devices              [per_page=1000] [q] [sort]"), "{show}");
    for expected in [
        "  mfa_secret         env EMNIFY_MFA_SECRET, stored; can be left out\n",
        "[per_page=1000] [q] [sort]; all pages\n",
        "  emnify.revoke_application_token  id; write\n                                     id: integer\n",
    ] {
        assert!(show.contains(expected), "{expected}: {show}");
    }
    let show = Runner::new().args(["show", "simpleiot"]).run().exits(0).stdout;
    assert!(show.contains("profile, the account that is used: env IOT_TEAM\n"), "{show}");
    assert!(show.contains("; file ~/.simpleiot/${{ profile }}/config.json $.region\n"), "{show}");
    let yaml = Runner::new().args(["show", "emnify", "--yaml"]).run().exits(0).stdout;
    assert_eq!(yaml, include_str!("../../playbooks/providers/emnify.yaml"));
    let unknown = Runner::new().args(["show", "emnfy"]).run().exits(2).stderr;
    assert!(unknown.contains("did you mean `emnify`?"), "{unknown}");
}

#[test]
fn a_simulator_says_how_to_use_it_and_ends_with_ctrl_c() {
    let mut running = Runner::new().args(["simulate", "emnify", "simpleiot"]).spawn();
    running
        .wait_for("  export EMNIFY_PASSWORD='")
        .wait_for("  runner apply --base-url emnify=http://127.0.0.1:");
    running.wait_for(" --auth-base-url simpleiot=http://127.0.0.1:").wait_for("Ctrl-C ends it");
    running.signal(Signal::INT);
    running.finish().exits(0);
}

#[test]
fn what_a_simulator_says_works() {
    let playbook = include_str!("../../playbooks/echome/vm-inventory.yaml");
    let room = Runner::of("bash").file("playbook.yaml", playbook);
    let script = format!(
        "runner() {{ {program} \"$@\"; }}; coproc exec {program} simulate echome --devices 3; \
         while read -r line <&${{COPROC[0]}}; do case $line in \
           export*) eval \"$line\";; \
           runner*) command=${{line/PLAYBOOK/playbook.yaml}};; \
           *Ctrl-C*) break;; \
         esac; done; eval \"$command\"; code=$?; kill $COPROC_PID; exit $code",
        program = env!("CARGO_BIN_EXE_runner")
    );
    let output = room.args(["-c", &script]).run().exits(0);
    assert_eq!(output.read("vms.ndjson").lines().count(), 3);
}

#[test]
fn a_definition_of_ones_own_is_shown_like_a_built_in_one() {
    let definition = "version: 1
provider: acme
description: machines
base_url: https://api.example.com
credentials: { key: { from: [{ env: ACME_KEY }, stored] } }
auth: { use: api_key, with: { header: X-Key } }
operations:
  stop: { params: { id: { type: integer } }, post: \"/machines/${{ params.id }}/stop\" }
";
    let room = Runner::new().file("defs/acme.yaml", definition);
    let show = room.clone().args(["show", "defs/acme.yaml"]).run().exits(0).stdout;
    assert!(show.starts_with("acme - machines\n"), "{show}");
    for expected in
        ["  key  env ACME_KEY, stored\n", "  acme.stop  id; write\n", "runner show defs/acme.yaml --yaml"]
    {
        assert!(show.contains(expected), "{expected}: {show}");
    }
    assert_eq!(room.clone().args(["show", "defs/acme.yaml", "--yaml"]).run().exits(0).stdout, definition);
    let room = room.file("bad.yaml", definition.replace("base_url", "base_ulr"));
    let wrong = room.clone().args(["show", "bad.yaml"]).run().exits(2).stderr;
    assert!(wrong.contains("did you mean `base_url`?"), "{wrong}");
    let room = room.file("p.yaml", "version: 1\nsteps: [{ get: https://example.com/ }]\n");
    let playbook = room.args(["show", "p.yaml"]).run().exits(2).stderr;
    assert!(playbook.contains("`runner show` takes a provider definition"), "{playbook}");
}

/// What the simulator prints before it waits.
fn introduction(provider: &str, is_told: impl FnOnce(&str)) -> String {
    let mut running = Runner::new().args(["simulate", provider]).spawn();
    running.wait_for("Ctrl-C ends it");
    is_told(&running.stdout());
    running.signal(Signal::INT);
    running.finish().exits(0).stdout
}

#[test]
fn a_simulator_does_not_export_what_hides_another_way_to_sign_in() {
    let emnify = introduction("emnify", |_| ());
    assert!(emnify.contains("\n  export EMNIFY_PASSWORD='"), "{emnify}");
    assert!(emnify.contains("\n  # or, instead: export EMNIFY_APPLICATION_TOKEN='"), "{emnify}");
    let soracom = introduction("soracom", |_| ());
    let instead =
        "\n  # or, instead: export SORACOM_AUTH_KEY_ID='keyId-demo-Hc7pNs4Ywe2Lx9Tb' SORACOM_AUTH_KEY='";
    for expected in ["\n  export SORACOM_EMAIL='", "\n  export SORACOM_RESET_TOKEN='", instead] {
        assert!(soracom.contains(expected), "{expected}: {soracom}");
    }
}

#[test]
fn a_simulator_names_the_address_of_its_counts() {
    for provider in ["soracom", "emnify", "echome", "simpleiot"] {
        let text = introduction(provider, |text| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix("curl ")).expect("a line");
            let address = line.split_whitespace().next().expect("an address");
            let answer = get(address);
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.contains("\"logins\""),
                "{address}: {answer}"
            );
        });
        assert!(!text.contains("/_sim/stats at"), "{text}");
    }
}

/// A plain GET, the answer as it comes.
fn get(address: &str) -> String {
    let (host, path) = address.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn an_unknown_simulator_is_refused() {
    let refused = |name| Runner::new().args(["simulate", "soracom", name]).run().exits(2).stderr;
    let other = refused("verizon");
    assert!(other.contains("invalid value 'verizon'"), "{other}");
    assert!(other.contains("possible values: soracom, emnify, echome, simpleiot"), "{other}");
    let misspelt = refused("emnfy");
    assert!(misspelt.contains("a similar value exists: 'emnify'"), "{misspelt}");
}

#[test]
fn a_port_that_is_taken_is_named_with_its_simulator() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Runner::new().args(["simulate", "emnify", "--port", &port]).run().exits(8);
    let reason = format!("start the simulator of emnify at port {port}: ");
    assert!(output.stderr.contains(&reason), "{}", output.stderr);
}
