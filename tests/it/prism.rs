//! Our requests judged by the OpenAPI documents of the providers: every operation that they know, and every way of
//! signing in. Prism answers 4xx to a request that violates its document, and then the run fails.

use serde_json::Value;

use crate::support::prism::Prism;
use crate::support::runner::{Output, Runner};

/// Our definitions with the paging headers that Prism repeats for ever out of sight.
fn on_one_page(definition: &str) -> String {
    let changed = definition.replace("x-soracom-next-key", "x-no-such-header");
    assert_ne!(changed, definition, "the definition has pages");
    changed
}

const SORACOM: &str = include_str!("../../playbooks/providers/soracom.yaml");
const EMNIFY: &str = include_str!("../../playbooks/providers/emnify.yaml");

/// Runs a playbook against Prism, with the requests on standard error.
fn run(
    prism: &Prism,
    provider: &str,
    definition: &str,
    playbook: &str,
    variables: &[(&str, &str)],
) -> Output {
    let runner = Runner::new().file("definition.yaml", definition).file("prism.yaml", playbook);
    let runner = variables.iter().fold(runner, |runner, (name, value)| runner.env(name, *value));
    let base_url = format!("{provider}={}", prism.base_url());
    let runner = runner.args(["apply", "-v", "--log-format", "json", "prism.yaml", "--base-url", &base_url]);
    runner.run()
}

/// What was sent and answered: `POST /auth 200`, without queries.
fn exchanges(prism: &Prism, output: &Output) -> Vec<String> {
    let lines = output.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let requests = lines.filter_map(|line| {
        let address = line["address"].as_str()?.strip_prefix(prism.base_url())?.to_owned();
        let path = address.split('?').next().unwrap_or_default().to_owned();
        Some(format!("{} {path} {}", line["method"].as_str()?, line["status"]))
    });
    requests.collect()
}

fn soracom(steps: &str) -> String {
    let head = "version: 1\nname: judged\nproviders:\n  soracom: { use: ./definition.yaml }\nsteps:\n";
    format!("{head}{steps}")
}

fn emnify(steps: &str) -> String {
    let head = "version: 1\nname: judged\nproviders:\n  emnify: { use: ./definition.yaml }\nsteps:\n";
    format!("{head}{steps}")
}

const AUTH_KEY: [(&str, &str); 2] =
    [("SORACOM_AUTH_KEY_ID", "keyId-abcdefgh"), ("SORACOM_AUTH_KEY", "secret-abcdefgh")];
const ROOT: [(&str, &str); 3] = [
    ("SORACOM_EMAIL", "ops@example.com"),
    ("SORACOM_PASSWORD", "password-geheim"),
    ("SORACOM_MFA_SECRET", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
];
const SAM: [(&str, &str); 3] = [
    ("SORACOM_OPERATOR_ID", "OP0012345678"),
    ("SORACOM_USER_NAME", "robot"),
    ("SORACOM_PASSWORD", "password-geheim"),
];
const USER: [(&str, &str); 2] =
    [("EMNIFY_USERNAME", "ops@example.com"), ("EMNIFY_PASSWORD", "password-geheim")];

#[test]
fn every_operation_of_soracom_that_its_document_knows_is_accepted() {
    let steps = "
  - call: soracom.list_sims
  - { call: soracom.get_sim, with: { sim_id: '8981100000000000000' } }
  - call: soracom.list_subscribers
    with: { tag_name: name, tag_value: a, tag_value_match_mode: exact, status_filter: active,
            speed_class_filter: s1.fast, serial_number_filter: DN }
  - { call: soracom.get_subscriber, with: { imsi: '440100000000000' } }
  - call: soracom.list_devices
    with: { tag_name: name, tag_value: a, tag_value_match_mode: prefix }
  - { call: soracom.get_device, with: { device_id: d-1 } }
  - call: soracom.list_gadgets
    with: { product_id: button, tag_name: name, tag_value: a, tag_value_match_mode: exact }
  - call: soracom.revoke_root_tokens
  - { call: soracom.revoke_user_tokens, with: { user_name: robot } }
  - { call: soracom.issue_password_reset, with: { email: ops@example.com } }
  - { call: soracom.verify_password_reset, with: { token: \"${{ run.id }}\", password: \"${{ run.id }}-Aa1\" } }
";
    let prism = Prism::soracom();
    let output = run(prism, "soracom", &on_one_page(SORACOM), &soracom(steps), &AUTH_KEY).exits(0);
    let wanted = [
        "POST /auth 200",
        "GET /sims 200",
        "GET /sims/8981100000000000000 200",
        "GET /subscribers 200",
        "GET /subscribers/440100000000000 200",
        "GET /devices 200",
        "GET /devices/d-1 200",
        "GET /gadgets 200",
        "DELETE /operators/OPXXXXXXXXXX/tokens 204",
        "DELETE /operators/OPXXXXXXXXXX/users/robot/tokens 204",
        "POST /auth/password_reset_token/issue 200",
        "POST /auth/password_reset_token/verify 200",
        "POST /auth/logout 204",
    ];
    assert_eq!(exchanges(prism, &output), wanted, "{}", prism.log());
}

#[test]
fn every_way_of_signing_in_to_soracom_is_accepted() {
    let prism = Prism::soracom();
    for (method, variables) in [("auth_key", AUTH_KEY.as_slice()), ("root", &ROOT), ("sam", &SAM)] {
        let steps = format!("  - {{ authenticate: soracom, method: {method} }}\n");
        let output = run(prism, "soracom", SORACOM, &soracom(&steps), variables).exits(0);
        assert_eq!(
            exchanges(prism, &output),
            ["POST /auth 200", "POST /auth/logout 204"],
            "{method}\n{}",
            prism.log()
        );
    }
}

#[test]
fn the_refresh_of_soracom_is_accepted() {
    // Refreshed after a 401, which the real one does not do: there is no other way to bring it about at once.
    let definition = SORACOM.replace("only_before_expiry: true", "only_before_expiry: false");
    let steps = "  - { get: /sims, headers: { Prefer: code=401 } }\n";
    let prism = Prism::soracom();
    let output = run(prism, "soracom", &definition, &soracom(steps), &AUTH_KEY).exits(3);
    let wanted = [
        "POST /auth 200",
        "GET /sims 401",
        "POST /operators/OPXXXXXXXXXX/token 200",
        "GET /sims 401",
        "POST /auth/logout 204",
    ];
    assert_eq!(exchanges(prism, &output), wanted, "{}", prism.log());
}

#[test]
fn a_second_page_of_soracom_is_accepted_and_a_cursor_that_repeats_is_a_failure() {
    let prism = Prism::soracom();
    let steps = "  - call: soracom.list_sims\n";
    let output = run(prism, "soracom", SORACOM, &soracom(steps), &AUTH_KEY).exits(1);
    let lines = exchanges(prism, &output);
    assert_eq!(lines[..3], ["POST /auth 200", "GET /sims 200", "GET /sims 200"], "{}", prism.log());
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[test]
fn every_operation_of_emnify_is_accepted() {
    let steps = "
  - call: emnify.list_devices
    with: { q: 'status:0', sort: -id }
  - { call: emnify.get_device, with: { id: 166 } }
  - call: emnify.list_sims
    with: { q: 'status:1', sort: -id }
  - { call: emnify.get_sim, with: { id: 1 } }
  - call: emnify.issue_application_token
    with: { description: judged, expiry_date: \"${{ today() | plus(days=30) }}\", ip: 203.0.113.0/24 }
  - call: emnify.list_application_tokens
  - { call: emnify.revoke_application_token, with: { id: 1 } }
";
    let prism = Prism::emnify();
    let output = run(prism, "emnify", EMNIFY, &emnify(steps), &USER).exits(0);
    let wanted = [
        "POST /api/v1/authenticate 200",
        "GET /api/v1/endpoint 200",
        "GET /api/v1/endpoint/166 200",
        "GET /api/v1/sim 200",
        "GET /api/v1/sim/1 200",
        "POST /api/v1/application_token 200",
        "GET /api/v1/application_token 200",
        "PATCH /api/v1/application_token/1 204",
    ];
    assert_eq!(exchanges(prism, &output), wanted, "{}", prism.log());
}

#[test]
fn every_way_of_signing_in_to_emnify_is_accepted() {
    let prism = Prism::emnify();
    let token = [("EMNIFY_APPLICATION_TOKEN", "eyJhbGciOiJIUzUxMiJ9.e30.c2lnbmF0dXJl")];
    for (method, variables) in [("user", USER.as_slice()), ("application_token", &token)] {
        let steps = format!("  - {{ authenticate: emnify, method: {method} }}\n");
        let output = run(prism, "emnify", EMNIFY, &emnify(&steps), variables).exits(0);
        assert_eq!(exchanges(prism, &output), ["POST /api/v1/authenticate 200"], "{method}\n{}", prism.log());
    }
}

#[test]
fn the_refresh_of_emnify_is_accepted() {
    let steps = "  - { get: /api/v1/endpoint, headers: { Prefer: code=401 } }\n";
    let prism = Prism::emnify();
    let output = run(prism, "emnify", EMNIFY, &emnify(steps), &USER).exits(3);
    let wanted = [
        "POST /api/v1/authenticate 200",
        "GET /api/v1/endpoint 401",
        "POST /api/v1/authenticate 200",
        "GET /api/v1/endpoint 401",
    ];
    assert_eq!(exchanges(prism, &output), wanted, "{}", prism.log());
}

#[test]
fn a_request_that_violates_the_document_fails_the_run() {
    let definition = EMNIFY.replace("          username: ${{", "          user: ${{");
    assert_ne!(definition, EMNIFY, "the login was changed");
    let output =
        run(Prism::emnify(), "emnify", &definition, &emnify("  - authenticate: emnify\n"), &USER).exits(3);
    assert_eq!(exchanges(Prism::emnify(), &output), ["POST /api/v1/authenticate 400"]);
}
