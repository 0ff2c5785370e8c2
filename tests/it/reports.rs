//! The reports that a playbook or the command line asks for: where they go, and what is said when they cannot.

use serde_json::{Value, json};

use crate::support::scripted::{Reply, ScriptedServer};
use crate::support::session_api::{self, LOGIN, LOGOUT};

const STEPS: &str = "steps:\n  - get: /things\n";

fn server() -> ScriptedServer {
    session_api::start(|_| Reply::json(200, &json!([])))
}

#[test]
fn a_playbook_gets_its_report_where_it_wants_it() {
    let server = server();
    let report = "inputs: { day: {} }\nreport: { json: 'fleet-${{ inputs.day }}.json' }";
    let run = session_api::apply(&server, &format!("{report}\n{STEPS}"));
    let output = run.args(["--input", "day=monday", "--report", "json=-"]).run().exits(0);
    let written: Value = serde_json::from_str(&output.read("fleet-monday.json")).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(&output.stdout).unwrap());
    assert_eq!(server.lines(), [LOGIN, "GET /things", LOGOUT]);
}

#[test]
fn a_report_that_cannot_be_written_is_found_before_anything_is_sent() {
    let server = server();
    for (report, flags, code, words) in [
        (
            "report: { json: gone/a.json }",
            &[][..],
            8,
            "failed to write the report to gone/a.json: there is no folder gone",
        ),
        (
            "report: { json: a.json }",
            &["--report", "json=./a.json"],
            2,
            "the report at p.yaml:11:17 would replace the report ./a.json: both are",
        ),
        ("report: { json: p.yaml }", &[], 2, "the report at p.yaml:11:17 would replace the playbook itself"),
        (
            "inputs: { file: { default: '' } }\nreport: { json: '${{ inputs.file }}' }",
            &[],
            2,
            "it yields no path",
        ),
        ("", &["--report", "json=-", "--report", "json=-"], 2, "only one report can go to standard output"),
    ] {
        let output = session_api::apply(&server, &format!("{report}\n{STEPS}")).args(flags).run().exits(code);
        assert!(output.stderr.contains(words), "{words}\n{}", output.stderr);
    }
    assert_eq!(server.lines(), [""; 0]);
}
