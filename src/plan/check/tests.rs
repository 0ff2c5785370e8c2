//! Checks as a whole: what ships is right, and each mistake is found at its place.
#![expect(clippy::disallowed_methods, reason = "the shipped files are read from disk")]

use super::entry::{Checked, check_text};
use super::options::Options;
use crate::document::{Effect, Named, SaveFormat};
use crate::plan::{BUILT_IN, Plan, PlannedRequest, PlannedStep, SaveForm, StepKind, TemplateScope};
use crate::port::fake::FakeSurroundings;
use std::path::{Path, PathBuf};

/// All that was found, one per line: `file:line:col severity[code] message | label | help`.
fn shown(checked: &Checked) -> Vec<String> {
    let line = |it: &crate::source::Diagnostic| {
        let place = checked.sources.place(it.primary.span);
        let written = checked.sources.snippet(it.primary.span);
        let mut line = format!("{place} {} `{written}` {}", it.code.as_str(), it.message);
        for text in
            [Some(&it.primary.text).filter(|text| !text.is_empty()), it.help.as_ref()].into_iter().flatten()
        {
            line.push_str(" | ");
            line.push_str(text);
        }
        line
    };
    checked.diagnostics.iter().map(line).collect()
}

fn check_in(text: &str, surroundings: &FakeSurroundings) -> Checked {
    check_text(Path::new("p.yaml"), text, &Options::default(), surroundings)
}

fn check(text: &str) -> Vec<String> {
    shown(&check_in(text, &FakeSurroundings::default()))
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut open = vec![folder];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => files.extend(path.extension().is_some_and(|it| it == "yaml").then_some(path)),
            }
        }
    }
    files
}

#[test]
fn what_ships_is_right() {
    let files = [yaml_files("playbooks"), yaml_files("tests/cases/sayable")].concat();
    assert!(files.len() > 50, "{} files", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let checked = check_text(&file, &text, &Options::default(), &FakeSurroundings::default());
        let wanted: &[&str] = match file.to_string_lossy() {
            path if path.contains("echome/vm-inventory") => &["insecure"],
            _ => &[],
        };
        let codes: Vec<&str> = checked.diagnostics.iter().map(|it| it.code.as_str()).collect();
        assert_eq!(codes, wanted, "{}\n{}", file.display(), shown(&checked).join("\n"));
    }
}

#[test]
fn built_in_definitions_can_be_read() {
    for built_in in BUILT_IN {
        assert_eq!(built_in.definition().provider.value.as_str(), built_in.name);
    }
}

/// What is said of a playbook whose steps are these, with emnify and soracom at hand.
fn check_steps(steps: &str) -> Vec<String> {
    check(&format!("version: 1\nproviders: {{ emnify: {{}}, soracom: {{}} }}\nsteps:\n{steps}"))
}

/// The plan of a playbook that is right.
fn plan(text: &str) -> Plan {
    let checked = check_in(text, &FakeSurroundings::default());
    let said = shown(&checked).join("\n");
    checked.plan.unwrap_or_else(|| panic!("{said}"))
}

fn request(step: &PlannedStep) -> &PlannedRequest {
    match &step.kind {
        StepKind::Request(request) => request,
        other => panic!("no request: {other:?}"),
    }
}

#[test]
fn a_mistake_does_not_silence_the_others_and_has_no_follow_ups() {
    let text = "version: 2
providers: { api: { base_url: https://api.example.com, auth: 5 }, emnify: { metod: user } }
inputs: [days]
steps:
  - id: broken
    get: [/x]
    outputs: { a: $.a }
  - id: worse
    outputs: 7
    get: /y/${{ inputs.anything }}/${{ session.token }}
    provider: api
  - get: /z/${{ steps.broken.outputs.a }}/${{ steps.worse.outputs.b }}
    provider: api
  - authenticate: api
";
    assert_eq!(
        check(text),
        [
            "p.yaml:1:10 invalid-value `2` this program knows version 1 of the grammar | write `1`",
            "p.yaml:2:62 wrong-type `5` `auth` is a map, not a number",
            "p.yaml:2:77 unknown-key `metod` a provider has no key `metod` | did you mean `method`?",
            "p.yaml:3:9 wrong-type `[days]` `inputs` takes a map of names, not a list | write it as \
             `inputs: { name: { default: 1 } }`",
            "p.yaml:6:10 wrong-type `[/x]` `get` takes text, not a list | write it as `get: /path`",
            "p.yaml:9:14 wrong-type `7` `outputs` takes a map of names, not a number | write it as \
             `outputs: { name: $.path }`",
            "p.yaml:10:40 unknown-name `session` `session` cannot be read here | only the definition of a \
             provider reads its session",
        ]
    );
}

#[test]
fn steps_read_what_stands_above_them_and_cleanup_looks_down() {
    let said = check_steps(
        "  - id: first
    get: /a/${{ steps.last.outputs.x }}
    provider: emnify
    outputs: { x: $.x }
    cleanup:
      - get: /b/${{ steps.first.outputs.x }}/${{ steps.last.outputs.x }}
        provider: emnify
  - id: group
    steps:
      - id: inner
        get: /c/${{ steps.first.outputs.x }}/${{ steps.group.outputs.y }}
        provider: emnify
        outputs: { x: $.x }
    outputs: { y: \"${{ steps.inner.outputs.x }}\" }
    cleanup:
      - get: /d/${{ steps.inner.outputs.x }}
        provider: emnify
  - id: last
    get: /e/${{ steps.inner.outputs.x }}/${{ steps.group.outputs.y }}/${{ steps.last.outputs.x }}
    provider: emnify
    outputs: { x: $.x }
",
    );
    let starts: Vec<&str> = said.iter().map(|line| &line[..line.find('`').unwrap_or(line.len())]).collect();
    assert_eq!(
        starts,
        [
            "p.yaml:5:23 used-too-early ",
            "p.yaml:14:56 used-too-early ",
            "p.yaml:22:23 out-of-scope ",
            "p.yaml:22:81 used-too-early ",
        ]
    );
}

#[test]
fn what_may_be_skipped_is_asked_first() {
    let said = check_steps(
        "  - { id: a, if: run.id, get: /a, provider: emnify, outputs: { x: $.x } }
  - { get: \"/${{ steps.a.outputs.x }}\", provider: emnify }
  - { get: \"/${{ steps.a.outputs.x | default(1) }}\", provider: emnify }
  - { get: \"/${{ steps.a.outputs.x if steps.a.succeeded else 2 }}\", provider: emnify }
  - { if: steps.a.succeeded and steps.a.outputs.x, get: \"/${{ steps.a.outputs.x }}\", provider: emnify }
  - if: steps.a.succeeded
    steps:
      - { get: \"/${{ steps.a.outputs.x }}\", provider: emnify }
  - if: steps.a.skipped
    get: /b
    provider: emnify
    cleanup: [{ get: \"/${{ steps.a.outputs.x }}\", provider: emnify }]
",
    );
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].starts_with("p.yaml:5:34 maybe-skipped `x`"), "{said:#?}");
}

#[test]
fn a_setting_of_an_address_that_is_replaced_need_not_be_given() {
    let api = "version: 1
provider: api
settings: { host: {}, region: {}, tenant: {} }
base_url: https://${{ settings.host }}
auth_base_url: https://${{ settings.region }}.example.com
headers: { X-Tenant: \"${{ settings.tenant }}\" }
";
    let check = |entry: &str| {
        let playbook = format!(
            "version: 1\nproviders: {{ api: {{ use: ./api.yaml{entry} }} }}\nsteps: [{{ get: /a }}]\n"
        );
        let surroundings = FakeSurroundings::default().file("api.yaml", api);
        let needed =
            |line: &String| line.split_once("needs the setting ").map(|(_, rest)| rest[..3].to_owned());
        let mut needed: Vec<_> =
            shown(&check_in(&playbook, &surroundings)).iter().filter_map(needed).collect();
        needed.sort();
        needed
    };
    assert_eq!(check(""), ["`ho", "`re", "`te"]);
    assert_eq!(check(", base_url: https://a.example, auth_base_url: https://b.example"), ["`te"]);
    assert_eq!(check(", auth_base_url: https://b.example"), ["`ho", "`te"]);
}

#[test]
fn a_store_must_be_found_again() {
    let steps = "steps: [{ store: emnify.application_token, value: \"${{ run.id }}\" }]\n";
    let playbook = format!("version: 1\nproviders: {{ emnify: {{}} }}\n{steps}");
    let environment = || FakeSurroundings::default().variable("EMNIFY_APPLICATION_TOKEN", "t");
    assert_eq!(shown(&check_in(&playbook, &FakeSurroundings::default())), [""; 0]);
    let said = shown(&check_in(&playbook, &environment()));
    assert!(said[0].contains("cannot-store `application_token`"), "{said:?}");
    assert!(said[0].contains("the variable EMNIFY_APPLICATION_TOKEN is set"), "{said:?}");
    let simulated = Options { is_simulated: true, ..Options::default() };
    assert!(!check_text(Path::new("p.yaml"), &playbook, &simulated, &environment()).has_errors());
    // A profile passes over the environment, so that it hides nothing.
    let with_profile = playbook.replace("emnify: {}", "emnify: { profile: other }");
    assert_eq!(shown(&check_in(&with_profile, &environment())), [""; 0]);
    let flag = Options { profiles: vec![(None, "other".to_owned())], ..Options::default() };
    assert!(!check_text(Path::new("p.yaml"), &playbook, &flag, &environment()).has_errors());
}

#[test]
fn flags_have_places_too() {
    let playbook = "version: 1\nproviders: { simpleiot: {} }\nsteps: [{ authenticate: simpleiot }]\n";
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let options = Options {
        base_urls: vec![pair("simpleiot", "http://10.0.0.1"), pair("emnify", "https://x")],
        profiles: vec![(Some("simpleio".to_owned()), "p".to_owned())],
        ..Options::default()
    };
    let said = shown(&check_text(Path::new("p.yaml"), playbook, &options, &FakeSurroundings::default()));
    let starts: Vec<&str> = said.iter().map(|line| line.split(" | ").next().unwrap_or_default()).collect();
    assert_eq!(
        starts,
        [
            "command line:1:22 missing-value `http://10.0.0.1` `simpleiot` has two addresses, and only one \
             of them is given",
            "command line:1:22 insecure-address `http://10.0.0.1` `simpleiot` is asked over plain http: \
             anyone on the way can read the credentials",
            "command line:2:12 unknown-provider `emnify` the playbook has no provider `emnify`",
            "command line:3:11 unknown-provider `simpleio` the playbook has no provider `simpleio`",
        ]
    );
}

#[test]
fn plain_http_follows_the_settings() {
    let codes = |entry: &str, environment: FakeSurroundings| -> Vec<&'static str> {
        let text =
            format!("version: 1\nproviders: {{ echome: {entry} }}\nsteps: [{{ authenticate: echome }}]\n");
        check_in(&text, &environment).diagnostics.iter().map(|it| it.code.as_str()).collect()
    };
    let none = FakeSurroundings::default;
    assert_eq!(codes("{}", none()), ["insecure-address"]);
    assert_eq!(codes("{ settings: { protocol: secure } }", none()), [""; 0]);
    assert_eq!(codes("{}", none().variable("ECHOME_PROTOCOL", "secure")), [""; 0]);
    assert_eq!(codes("{}", none().variable("ECHOME_SERVER", "localhost:8000")), [""; 0]);
    assert_eq!(codes("{ allow_http: true }", none()), ["insecure"]);
    assert_eq!(codes("{ allow_http: true, settings: { protocol: secure } }", none()), [""; 0]);
}

#[test]
fn secrets_in_the_file_are_found_and_not_quoted() {
    let text = "version: 1
providers: { emnify: {} }
steps:
  - post: /login
    headers: { Authorization: Bearer geheim-1 }
    json:
      user: ops
      password: geheim-2
      deep: [{ pin: 12345 }]
      note: eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln
    auth: none
  - authenticate: emnify
    method: application_token
    with: { application_token: geheim-3 }
";
    let checked = check_in(text, &FakeSurroundings::default());
    let codes: Vec<_> = checked.diagnostics.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(codes, ["literal-secret"; 5]);
    assert!(checked.plan.is_some(), "warnings forbid nothing");
    let quotable = checked.sources.file(checked.diagnostics[0].primary.span.file).quotable_text();
    for secret in ["geheim", "12345", "eyJ"] {
        assert!(!quotable.contains(secret), "{secret} in {quotable}");
    }
    assert!(quotable.contains("user: ops"));
}

#[test]
fn a_file_holds_what_all_items_of_a_loop_gave() {
    let said = check_steps(
        "  - { for_each: [1, 2], call: emnify.list_devices, save: a.ndjson }
  - { for_each: [1, 2], steps: [{ call: emnify.list_sims, save: b.ndjson }] }
  - { for_each: [1, 2], get: /x, provider: emnify, save: c.bin }
",
    );
    let starts: Vec<&str> = said.iter().map(|line| line.split(" | ").next().unwrap_or_default()).collect();
    assert_eq!(
        starts,
        [
            "p.yaml:5:65 conflicting-keys `b.ndjson` each item of the loop around this step would write \
             the file anew",
            "p.yaml:6:58 conflicting-keys `c.bin` the answers of a loop make no one file as they came",
        ]
    );
}

#[test]
fn definitions_are_checked_by_themselves_and_where_they_are_used() {
    let definition =
        "version: 1\nprovider: acme\nbase_url: https://x.example\noperations: { a: { get: x } }\n";
    let said = shown(&check_text(
        Path::new("acme.yaml"),
        definition,
        &Options::default(),
        &FakeSurroundings::default(),
    ));
    let wanted = "invalid-address `x` a path begins with `/` | did you mean `/x`?";
    assert_eq!(said, [format!("acme.yaml:4:25 {wanted}")]);
    let surroundings = FakeSurroundings::default()
        .file("folder/acme.yaml", definition)
        .file("folder/other.yaml", "version: 1\nsteps: []\n");
    let playbook = "version: 1
providers:
  a: { use: ./acme.yaml }
  b: { use: acme.yaml }
  c: { use: ./other.yaml }
  d: { use: ./none.yaml }
steps: [{ call: a.a }, { call: b.b }, { call: c.anything }]
";
    let said = shown(&check_text(Path::new("folder/p.yaml"), playbook, &Options::default(), &surroundings));
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(said[0].starts_with("folder/p.yaml:5:13 wrong-type `./other.yaml`"), "{said:#?}");
    assert!(said[1].starts_with("folder/p.yaml:6:13 unreadable-file `./none.yaml`"), "{said:#?}");
    assert!(said[2].starts_with("folder/p.yaml:7:34 unknown-operation `b`"), "{said:#?}");
    assert_eq!(said[3], format!("folder/acme.yaml:4:25 {wanted}"));
}

#[test]
fn rows_are_read_and_kept_only_where_something_wants_them() {
    let plan = plan(
        "version: 1
providers: { emnify: {} }
steps:
  - { id: one, get: /a }
  - { id: counted, get: /b }
  - { id: kept, get: /c }
  - { id: own, get: /d, expect: { that: row_count > 0 } }
  - { id: body, get: /e, save: e.json }
  - { id: lines, get: /f, save: f.ndjson }
  - { id: paged, call: emnify.list_devices, save: g.json }
  - if: steps.counted.row_count > 0
    for_each: ${{ steps.kept.rows }}
    get: /g
",
    );
    let rows = |id: &str| {
        let step = plan.steps.iter().find(|step| step.id.as_deref() == Some(id)).unwrap();
        (request(step).rows.are_read, request(step).rows.are_kept)
    };
    for (id, wanted) in [
        ("one", (false, false)),
        ("counted", (true, false)),
        ("kept", (true, true)),
        ("own", (true, false)),
        ("body", (false, false)),
        ("lines", (true, false)),
        ("paged", (true, false)),
    ] {
        assert_eq!(rows(id), wanted, "{id}");
    }
    let form = |index: usize| request(&plan.steps[index]).save.as_ref().unwrap().form;
    assert_eq!(form(4), SaveForm::Body);
    assert_eq!(form(6), SaveForm::Rows(SaveFormat::Json));
}

#[test]
fn the_step_wins_over_the_operation_and_that_over_the_provider_and_the_defaults() {
    let plan = plan(
        "version: 1
defaults: { timeout: 1s, retry: { attempts: 9 }, headers: { A: defaults, B: defaults } }
providers:
  api:
    base_url: https://api.example.com
    timeout: 2s
    headers: { B: provider }
    errors: { hints: { 404: provider } }
    operations:
      with_own: { get: /a, timeout: 3s, headers: { C: operation }, hints: { 404: operation, E1: operation } }
      without: { delete: /b, expect: { status: 204, that: response.status == 204 } }
steps:
  - { call: api.with_own, timeout: 4s, retry: { attempts: 1 }, headers: { D: step }, hints: { 500: step } }
  - { call: api.with_own }
  - { call: api.without, expect: { status: [204, 404], that: row_count == 0 } }
  - { post: https://hooks.example.com/x }
",
    );
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|index| request(&plan.steps[index]));
    let seconds = [first, second, third, fourth].map(|request| request.timeout.as_secs());
    assert_eq!(seconds, [4, 3, 2, 1]);
    assert_eq!([first, second].map(|request| request.attempts), [1, 9]);
    let layers = |request: &PlannedRequest| -> Vec<(TemplateScope, String)> {
        let names = |headers: &Named<_>| headers.names().collect::<Vec<_>>().join(",");
        request.headers.iter().map(|layer| (layer.scope, names(&layer.value))).collect()
    };
    assert_eq!(
        layers(first),
        [
            (TemplateScope::Playbook, "A,B".to_owned()),
            (TemplateScope::Operation, "B".to_owned()),
            (TemplateScope::Operation, "C".to_owned()),
            (TemplateScope::Playbook, "D".to_owned()),
        ]
    );
    let hints: Vec<_> = first.hints.iter().map(|(key, text)| format!("{key} {text}")).collect();
    assert_eq!(hints, ["500 step", "E1 operation", "404 operation", "404 provider"]);
    assert!(third.status.contains(404) && third.is_status_written && third.that.len() == 2);
    assert_eq!([first, third, fourth].map(|it| it.effect), [Effect::Read, Effect::Idempotent, Effect::Once]);
    assert!(fourth.provider.is_none() && !fourth.needs_session);
    assert!(!plan.providers[0].needs_session);
}

#[test]
fn methods_know_the_credentials_that_they_need() {
    let plan = plan(
        "version: 1\nproviders: { emnify: {}, soracom: {} }\nsteps: [{ call: emnify.list_devices }, \
         { call: soracom.issue_password_reset, with: { email: a@example.com } }]\n",
    );
    let [emnify, soracom] = &plan.providers[..] else { panic!("two providers") };
    let methods: Vec<_> = emnify.methods.iter().chain(&soracom.methods).collect();
    let shown: Vec<_> = methods
        .iter()
        .map(|it| format!("{}: {} of {}", it.name, it.required.join(","), it.used.join(",")))
        .collect();
    assert_eq!(
        shown,
        [
            "application_token: application_token of application_token",
            "user: username,password of username,password,mfa_code",
            "auth_key: auth_key_id,auth_key of auth_key_id,auth_key",
            "root: email,password of email,password,mfa_code",
            "sam: operator_id,user_name,password of operator_id,user_name,password,mfa_code",
        ]
    );
    assert!(emnify.needs_session && !soracom.needs_session, "a password reset signs in nowhere");
}

#[test]
fn presets_stand_for_the_same_form() {
    let method = |auth: &str| {
        let text = format!(
            "version: 1\nproviders: {{ api: {{ base_url: https://x.example, auth: {auth} }} }}\n\
             steps: [{{ get: /x }}]\n"
        );
        let mut plan = plan(&text);
        let mut provider = plan.providers.remove(0);
        let credentials: Vec<_> = provider.credentials.iter().map(|it| it.name.clone()).collect();
        (provider.methods.remove(0), credentials)
    };
    let (basic, credentials) = method("{ use: basic }");
    assert_eq!(credentials, ["username", "password"]);
    assert_eq!(basic.required, credentials);
    let (key, _) = method("{ use: api_key, with: { header: X-Key } }");
    let send = key.auth.send.unwrap();
    assert_eq!(send.headers.names().collect::<Vec<_>>(), ["X-Key"]);
    assert!(send.query.is_empty());
    let (grant, _) = method(
        "{ use: oauth2_client_credentials, lockout: { after: 3, for: 5m }, \
         with: { token: /t, revoke: /r, scope: all, client_auth: body } }",
    );
    let login = &grant.auth.login.0[0].request;
    assert_eq!(login.post.as_ref().unwrap().source(), "/t");
    let form: Vec<_> = login.form.as_ref().unwrap().names().collect();
    assert_eq!(form, ["grant_type", "client_id", "client_secret", "scope"]);
    assert_eq!(grant.auth.logout.unwrap().0[0].request.post.as_ref().unwrap().source(), "/r");
    assert!(grant.auth.lockout.is_some(), "keys beside `use` are kept");
}

#[test]
fn keys_count_the_steps_as_the_references_do() {
    let plan = plan(
        "version: 1
providers: { emnify: {} }
steps:
  - steps: [{ get: /a }, { steps: [{ get: /b }], cleanup: [{ get: /c }] }]
  - { get: /d, cleanup: [{ get: /e }] }
cleanup: [{ get: /f }]
",
    );
    fn keys(steps: &[PlannedStep], found: &mut Vec<usize>) {
        for step in steps {
            found.push(step.key.0);
            if let StepKind::Group(group) = &step.kind {
                keys(&group.steps, found);
            }
            keys(&step.cleanup, found);
        }
    }
    let mut found = Vec::new();
    keys(&plan.steps, &mut found);
    keys(&plan.cleanup, &mut found);
    assert_eq!(found, (0..plan.step_count).collect::<Vec<_>>());
    assert_eq!(plan.step_count, 8);
}

#[test]
fn an_address_of_the_command_line_holds_no_password() {
    let playbook = "version: 1\nproviders: { a: { base_url: https://a.example } }\nsteps: [{ get: /x }]\n";
    let options = Options {
        base_urls: vec![("a".to_owned(), "https://ops:hunter2secret@b.example".to_owned())],
        ..Options::default()
    };
    let checked = check_text(Path::new("p.yaml"), playbook, &options, &FakeSurroundings::default());
    let said: Vec<_> = checked.diagnostics.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(said, ["an address holds no user name and no password"]);
    let quoted = checked.sources.file(checked.diagnostics[0].primary.span.file).quotable_text();
    assert_eq!(quoted, "--base-url a=https://*****************@b.example\n");
}

#[test]
fn what_an_operation_expects_of_its_rows_lets_them_be_read() {
    let rows = |that: &str| {
        let text = format!(
            "version: 1\nproviders: {{ a: {{ base_url: https://a.example, operations: {{ l: {{ get: /l, \
             expect: {{ that: \"{that}\" }} }} }} }} }}\nsteps: [{{ call: a.l }}]\n"
        );
        let plan = plan(&text);
        let StepKind::Request(request) = &plan.steps[0].kind else { panic!("a call is a request") };
        (request.rows.are_read, request.rows.are_kept)
    };
    assert_eq!(rows("row_count >= 1"), (true, false));
    assert_eq!(rows("rows[0].id == 1"), (true, true));
    assert_eq!(rows("response.status == 200"), (false, false));
}

#[test]
fn the_mark_before_a_text_counts_as_no_column() {
    let checked = check("\u{feff}versoin: 1\nsteps: []\n");
    assert!(checked[0].starts_with("p.yaml:1:1 "), "{checked:?}");
}

#[test]
fn a_body_file_must_be_there_unless_a_step_before_saves_it() {
    let codes = |steps: &str| {
        let text =
            format!("version: 1\nproviders: {{ a: {{ base_url: https://a.example }} }}\nsteps: {steps}\n");
        let world = FakeSurroundings::default().file("there.bin", "x");
        check_in(&text, &world).diagnostics.iter().map(|it| it.code.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(codes("[{ post: /x, file: there.bin }]"), [""; 0]);
    assert_eq!(codes("[{ post: /x, file: none.bin }]"), ["unreadable-file"]);
    assert_eq!(codes("[{ post: /x, multipart: { a: { file: none.bin } } }]"), ["unreadable-file"]);
    assert_eq!(codes("[{ post: /x, file: none.bin }, { get: /y, save: none.bin }]"), ["unreadable-file"]);
    assert_eq!(codes("[{ get: /y, save: ./none.bin }, { post: /x, file: none.bin }]"), [""; 0]);
    assert_eq!(codes("[{ get: /y, save: \"${{ run.id }}.bin\" }, { post: /x, file: none.bin }]"), [""; 0]);
    assert_eq!(codes("[{ post: /x, file: \"${{ run.id }}.bin\" }]"), [""; 0]);
}

#[test]
fn the_grant_of_client_credentials_reads_the_servers_words() {
    let errors = |own: &str| {
        let text = format!(
            "version: 1\nproviders: {{ a: {{ base_url: https://a.example, {own} \
             auth: {{ use: oauth2_client_credentials, with: {{ token: /t }} }} }} }}\nsteps: [{{ get: /x }}]\n"
        );
        let plan = plan(&text);
        let errors = plan.providers[0].errors.as_ref().unwrap();
        (errors.code.0.len(), errors.message.0.len())
    };
    assert_eq!(errors(""), (1, 1));
    assert_eq!(errors("errors: { code: $.code },"), (2, 1));
}
