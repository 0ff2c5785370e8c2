//! `validate` as a process: files, folders, forms, exit codes.

use crate::support::judges::judge;
use crate::support::runner::{Output, Runner};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const GOOD: &str = "version: 1\nproviders: { emnify: {} }\nsteps:\n  - call: emnify.list_sims\n";
const BAD: &str =
    "version: 1\nproviders: { emnify: {} }\nsteps:\n  - call: emnify.list_simz\n    retires: 3\n";
const WARNED: &str = "version: 1\nproviders:\n  api: { base_url: http://api.example.com, allow_http: true }\n\
                      steps:\n  - get: /devices\n";

fn validate(room: Runner, arguments: &[&str]) -> Output {
    room.args(["validate"]).args(arguments.iter().copied()).run()
}

#[test]
fn a_good_file_is_said_to_be_good() {
    let output = validate(Runner::new().file("good.yaml", GOOD), &["good.yaml"]).exits(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("1 file checked, no mistakes\n", ""));
}

#[test]
fn warnings_are_said_and_forbid_nothing() {
    let output = validate(Runner::new().file("warned.yaml", WARNED), &["warned.yaml"]).exits(0);
    assert!(output.stdout.starts_with("warning[insecure]: "), "{}", output.stdout);
    assert!(output.stdout.ends_with("\n1 warning in 1 file\n"), "{}", output.stdout);
}

#[test]
fn each_playbook_sees_the_dotenv_beside_it_as_apply_does() {
    let store = "version: 1\nproviders: { emnify: {} }\nsteps:\n\
                 \x20 - { store: emnify.application_token, value: \"${{ run.id }}\" }\n";
    let room = Runner::new().file("a/p.yaml", store).file("b/p.yaml", store);
    let room = room.file("a/.env", "EMNIFY_APPLICATION_TOKEN=geheim-4711\n").plant("geheim-4711");
    let output = validate(room.clone(), &["a", "b"]).exits(2);
    assert!(output.stdout.contains("error[cannot-store]"), "{}", output.stdout);
    assert!(
        output.stdout.contains("--> a/p.yaml:4:21") && !output.stdout.contains("--> b/p.yaml"),
        "{}",
        output.stdout
    );
    let applied = room.clone().args(["apply", "--dry-run", "a/p.yaml"]).run().exits(2);
    assert_eq!(applied.stderr, output.stdout);

    let room = room.file("other.env", "EMNIFY_APPLICATION_TOKEN=geheim-4711\n");
    validate(room.clone(), &["--env-file", "other.env", "b"]).exits(2);
    let missing = validate(room, &["--env-file", "none.env", "b"]).exits(2);
    assert!(missing.stderr.contains("cannot read none.env"), "{}", missing.stderr);
}

#[test]
fn a_dotenv_that_others_can_read_is_said_once() {
    let room = Runner::new().file("p/a.yaml", GOOD).file("p/b.yaml", GOOD).file("p/.env", "A=1\n");
    fs::set_permissions(room.dir().join("p/.env"), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let output = validate(room, &["p"]).exits(0);
    assert_eq!(output.stderr, "warning: p/.env can be read by others; `chmod 600` it\n");
}

#[test]
fn all_files_of_a_folder_in_one_pass() {
    let room = Runner::new()
        .file("playbooks/b.yaml", BAD)
        .file("playbooks/a.yml", BAD)
        .file("playbooks/deep/c.yaml", GOOD)
        .file("playbooks/.hidden.yaml", BAD)
        .file("playbooks/notes.txt", "no: yaml: at all");
    let output = validate(room, &["playbooks", "playbooks/b.yaml"]).exits(2);
    let places: Vec<&str> =
        output.stdout.lines().filter_map(|line| line.trim().strip_prefix("--> ")).collect();
    let expected =
        ["playbooks/a.yml:4:18", "playbooks/a.yml:5:5", "playbooks/b.yaml:4:18", "playbooks/b.yaml:5:5"];
    assert_eq!(places, expected);
    assert!(output.stdout.ends_with("\n4 errors in 2 files; nothing was sent\n"), "{}", output.stdout);
}

#[test]
fn a_definition_of_two_playbooks_is_complained_about_once() {
    let uses = "version: 1\nproviders: { acme: { use: ./acme.yaml } }\nsteps:\n  - call: acme.list\n";
    let acme = "version: 1\nprovider: acme\nbase_url: https://api.example.com\nheadrs: { X: y }\n\
                operations: { list: { get: /devices } }\n";
    let room = Runner::new().file("p/a.yaml", uses).file("p/b.yaml", uses).file("p/acme.yaml", acme);
    let output = validate(room, &["p"]).exits(2);
    assert_eq!(output.stdout.matches("unknown-key").count(), 1, "{}", output.stdout);
    assert!(output.stdout.ends_with("\n1 error in 1 file; nothing was sent\n"), "{}", output.stdout);
}

#[test]
fn json_has_the_same() {
    let output = validate(Runner::new().file("bad.yaml", BAD), &["--format", "json", "bad.yaml"]).exits(2);
    let found: Value = serde_json::from_str(&output.stdout).expect("the output is JSON");
    let place =
        |item: &Value| format!("{}:{}:{}", item["file"].as_str().unwrap(), item["line"], item["column"]);
    let shown: Vec<String> = found.as_array().expect("an array").iter().map(place).collect();
    assert_eq!(shown, ["bad.yaml:4:18", "bad.yaml:5:5"]);
    assert_eq!(found[0]["code"], "unknown-operation");
    assert_eq!(found[0]["severity"], "error");
    assert_eq!(found[0]["label"], "did you mean `list_sims`?");
    assert_eq!(found[0]["source"], "  - call: emnify.list_simz");
    assert_eq!((&found[0]["end_line"], &found[0]["end_column"]), (&Value::from(4), &Value::from(27)));
    let none = validate(Runner::new().file("good.yaml", GOOD), &["--format", "json", "good.yaml"]).exits(0);
    assert_eq!(none.stdout, "[]\n");
}

#[test]
fn what_cannot_be_checked() {
    let gone = validate(Runner::new(), &["gone.yaml"]).exits(2);
    assert!(gone.stdout.contains("gone.yaml cannot be read: there is no such file"), "{}", gone.stdout);
    let empty = validate(Runner::new().file("empty/notes.txt", ""), &["empty"]).exits(2);
    assert!(
        empty.stderr.contains("no playbook or definition (`*.yaml`, `*.yml`) lies in empty"),
        "{}",
        empty.stderr
    );
}

#[test]
fn schemas_are_written_as_they_are_committed() {
    for kind in ["playbook", "provider", "report"] {
        let output = Runner::new().args(["schema", kind]).run().exits(0);
        let committed = std::fs::read_to_string(format!("schemas/{kind}.json")).expect("it is committed");
        assert!(output.stdout == committed, "schemas/{kind}.json is not what `runner schema {kind}` writes");
    }
}

/// A file whose name and mistake need every escape.
const ODD_NAME: &str = "odd/100%, a:b.yaml";

#[test]
fn a_workflow_gets_an_annotation_for_each_finding() {
    let room = Runner::new().file("good.yaml", GOOD).file(ODD_NAME, BAD);
    let absolute = room.dir().join(ODD_NAME);
    for name in [ODD_NAME, &format!("./{ODD_NAME}"), absolute.to_str().unwrap()] {
        let output = validate(room.clone(), &["--format", "github", "good.yaml", name]).exits(2);
        let expected = "::error file=odd/100%25%2C a%3Ab.yaml,line=4,endLine=4,col=18,title=unknown-operation::\
                        `emnify` has no operation `list_simz`; did you mean `list_sims`?\n\
                        ::error file=odd/100%25%2C a%3Ab.yaml,line=5,endLine=5,col=5,title=unknown-key::\
                        a step has no key `retires`; did you mean `retry`? It takes `{ attempts: 3 }`\n";
        assert_eq!(output.stdout, expected);
    }
    let clean = validate(room.clone(), &["--format", "github", "good.yaml"]).exits(0);
    assert_eq!(clean.stdout, "1 file checked, no mistakes\n");
    let warned = validate(room.file("warned.yaml", WARNED), &["--format", "github", "warned.yaml"]).exits(0);
    assert!(warned.stdout.starts_with("::warning file=warned.yaml,line=3,"), "{}", warned.stdout);
}

#[test]
fn a_code_scanning_service_gets_sarif_that_its_schema_accepts() {
    let room = Runner::new().file("good.yaml", GOOD).file(ODD_NAME, BAD).file("warned.yaml", WARNED);
    let double = "version: 1\nsteps:\n  - get: /a\n    get: /b\n";
    let room = room.file("double.yaml", double);
    let output = validate(room, &["--format", "sarif", "."]).exits(2);
    assert_eq!(judge("sarif", output.stdout.as_bytes()), json!([]));
    let log: Value = serde_json::from_str(&output.stdout).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let found = |rule: &str| results.iter().find(|result| result["ruleId"] == rule).expect("it was found");
    let place = &found("unknown-key")["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "odd/100%25%2C%20a%3Ab.yaml");
    assert_eq!(place["region"], json!({ "startLine": 5, "startColumn": 5, "endLine": 5, "endColumn": 12 }));
    assert_eq!(found("insecure")["level"], "warning");
    let related = &found("duplicate-key")["relatedLocations"][0];
    assert_eq!(related["physicalLocation"]["region"]["startLine"], 3);
    let clean = validate(Runner::new().file("good.yaml", GOOD), &["--format", "sarif", "good.yaml"]).exits(0);
    assert_eq!(judge("sarif", clean.stdout.as_bytes()), json!([]));
    assert_eq!(serde_json::from_str::<Value>(&clean.stdout).unwrap()["runs"][0]["results"], json!([]));
}
