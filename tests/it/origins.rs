//! A credential goes to its own origin only: whatever redirects, locations or flags say.

use crate::support::runner::{Output, Runner};
use crate::support::scripted::{Reply, ScriptedServer};
use crate::support::tls;
use serde_json::json;

const TOKEN: &str = "token-geheim-4711";

/// A provider with a token, and the steps of a test.
fn playbook(steps: &str) -> String {
    format!(
        "version: 1
name: origins
providers:
  api:
    base_url: https://api.example.com
    credentials: {{ token: {{ from: [{{ env: API_TOKEN }}] }} }}
    auth: {{ use: bearer }}
steps:
{steps}
"
    )
}

fn run(own: &ScriptedServer, yaml: &str) -> Output {
    let runner = Runner::new().env("API_TOKEN", TOKEN).plant(TOKEN).file("origins.yaml", yaml);
    runner.args(["apply", "-vv", "origins.yaml", "--base-url", &format!("api={}", own.base_url())]).run()
}

/// Another origin, which nobody may ask anything.
fn stranger() -> ScriptedServer {
    ScriptedServer::start(|_| Reply::json(200, &json!([])))
}

/// One of the statuses that redirect, to an address.
fn redirect(status: u16, location: String) -> Reply {
    Reply::empty(status).header("location", location)
}

#[test]
fn a_redirect_of_a_read_to_another_origin_is_refused() {
    for status in [301, 302, 303, 307, 308] {
        let stranger = stranger();
        let own = ScriptedServer::replying([redirect(status, format!("{}/devices", stranger.base_url()))]);
        let output = run(&own, &playbook("  - get: /devices")).exits(1);
        assert!(output.text().contains("redirected to"), "{status}\n{}", output.text());
        assert!(output.text().contains(&stranger.base_url()), "{status}\n{}", output.text());
        assert_eq!(own.lines(), ["GET /devices"]);
        assert!(stranger.lines().is_empty(), "{status}");
    }
}

#[test]
fn a_redirect_of_a_read_within_the_origin_is_followed_with_the_credential() {
    let own =
        ScriptedServer::replying([redirect(302, "/v2/devices".to_owned()), Reply::json(200, &json!([]))]);
    run(&own, &playbook("  - get: /devices")).exits(0);
    assert_eq!(own.lines(), ["GET /devices", "GET /v2/devices"]);
    assert_eq!(own.requests()[1].header("authorization"), format!("Bearer {TOKEN}"));
}

#[test]
fn redirects_without_end_are_ended() {
    let own = ScriptedServer::start(|_| redirect(302, "/again".to_owned()));
    let output = run(&own, &playbook("  - get: /devices")).exits(1);
    assert!(output.text().contains("more than 10 redirects"), "{}", output.text());
    assert_eq!(own.lines().len(), 11);
}

#[test]
fn a_redirect_of_a_write_is_a_failure_even_within_the_origin() {
    for status in [302, 307] {
        let own = ScriptedServer::replying([redirect(status, "/v2/devices".to_owned())]);
        let output = run(&own, &playbook("  - { post: /devices, json: { name: a } }")).exits(1);
        assert!(output.text().contains(&status.to_string()), "{}", output.text());
        assert_eq!(own.lines(), ["POST /devices"], "{status}");
    }
}

#[test]
fn a_redirect_to_an_address_that_holds_the_secret_shows_only_its_origin() {
    let stranger = stranger();
    let location = format!("{}/steal?token={TOKEN}", stranger.base_url());
    let own = ScriptedServer::replying([redirect(302, location)]);
    let output = run(&own, &playbook("  - get: /devices")).exits(1);
    assert!(!output.text().contains("/steal"), "{}", output.text());
    assert!(stranger.lines().is_empty());
}

#[test]
fn a_location_within_the_origin_is_followed_and_another_one_is_refused() {
    let follow = "  - id: order
    post: /orders
    json: { name: a }
    outputs: { address: { header: location } }
  - get: ${{ steps.order.outputs.address }}";
    let created = |location: String| Reply::json(201, &json!({})).header("location", location);

    let own = ScriptedServer::replying([created("/orders/7".to_owned()), Reply::json(200, &json!({}))]);
    run(&own, &playbook(follow)).exits(0);
    assert_eq!(own.lines(), ["POST /orders", "GET /orders/7"]);
    assert_eq!(own.requests()[1].header("authorization"), format!("Bearer {TOKEN}"));

    let stranger = stranger();
    let host = stranger.base_url().replace("http:", "");
    for elsewhere in [format!("{}/orders/7", stranger.base_url()), format!("{host}/orders/7")] {
        let own = ScriptedServer::replying([created(elsewhere.clone())]);
        run(&own, &playbook(follow)).exits(1);
        assert_eq!(own.lines(), ["POST /orders"], "{elsewhere}");
        assert!(stranger.lines().is_empty(), "{elsewhere}");
    }
}

#[test]
fn a_value_in_a_path_stays_one_segment() {
    let rows = json!({ "id": "../admin?x=1#y//z" });
    let steps = "  - id: one
    get: /devices/1
    outputs: { id: $.id }
  - get: /devices/${{ steps.one.outputs.id }}/state";
    let own = ScriptedServer::replying([Reply::json(200, &rows), Reply::json(200, &json!({}))]);
    run(&own, &playbook(steps)).exits(0);
    assert_eq!(own.lines()[1], "GET /devices/..%2Fadmin%3Fx%3D1%23y%2F%2Fz/state");

    for dots in ["..", ".", ""] {
        let own = ScriptedServer::replying([Reply::json(200, &json!({ "id": dots }))]);
        run(&own, &playbook(steps)).exits(1);
        assert_eq!(own.lines(), ["GET /devices/1"], "{dots:?}");
    }
}

#[test]
fn a_header_that_an_answer_would_split_is_refused() {
    let steps = "  - id: one
    get: /devices/1
    outputs: { id: $.id }
  - get: /devices
    headers: { X-Device: \"${{ steps.one.outputs.id }}\" }";
    for bad in ["a\r\nX-Evil: 1", "a\nb", "a\0b"] {
        let own = ScriptedServer::replying([Reply::json(200, &json!({ "id": bad }))]);
        run(&own, &playbook(steps)).exits(1);
        assert_eq!(own.lines(), ["GET /devices/1"], "{bad:?}");
    }
}

#[test]
fn a_login_that_is_redirected_takes_its_password_nowhere() {
    let yaml = include_str!("../cases/sayable/login-json.yaml");
    for status in [301, 302, 307, 308] {
        let stranger = stranger();
        let own = ScriptedServer::replying([redirect(status, format!("{}/login", stranger.base_url()))]);
        let runner =
            Runner::new().env("API_USERNAME", "ops@example.com").env("API_PASSWORD", TOKEN).plant(TOKEN);
        let runner = runner.file("login.yaml", yaml);
        let output = runner
            .args(["apply", "-vv", "login.yaml", "--base-url", &format!("api={}", own.base_url())])
            .run();
        assert_ne!(output.code, Some(0), "{}", output.text());
        assert_eq!(own.lines(), ["POST /login"], "{status}");
        assert!(stranger.lines().is_empty(), "{status}");
    }
}

#[test]
fn an_address_of_its_own_gets_no_session() {
    let stranger = stranger();
    let own = ScriptedServer::replying([Reply::json(200, &json!([]))]);
    let steps = format!("  - get: /devices\n  - get: {}/hook", stranger.base_url());
    run(&own, &playbook(&steps)).exits(0);
    assert_eq!(stranger.lines(), ["GET /hook"]);
    assert_eq!(stranger.requests()[0].header("authorization"), "");
    assert!(!stranger.requests()[0].head.iter().any(|(_, value)| value.contains(TOKEN)));
}

#[test]
fn two_addresses_need_two_overrides() {
    let yaml = include_str!("../cases/sayable/preset-oauth2-client-credentials.yaml");
    let own = ScriptedServer::replying([]);
    let runner = Runner::new().env("API_CLIENT_ID", "client-1").env("API_CLIENT_SECRET", TOKEN).plant(TOKEN);
    let runner = runner.file("two.yaml", yaml).args(["apply", "two.yaml"]);
    let output = runner.args(["--base-url", &format!("api={}", own.base_url())]).run().exits(2);
    assert!(output.text().contains("--auth-base-url"), "{}", output.text());
    assert!(own.lines().is_empty());
}

#[test]
fn a_redirect_from_https_to_http_is_refused() {
    for status in [301, 302, 303, 307, 308] {
        let stranger = stranger();
        let answer = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {}/devices\r\ncontent-length: 0\r\n\r\n",
            stranger.base_url()
        );
        let own = tls::ONE.server(answer);
        let trusting = playbook("  - get: /devices").replace("    auth:", "    ca_file: ca.pem\n    auth:");
        let runner = Runner::new().env("API_TOKEN", TOKEN).plant(TOKEN).file("origins.yaml", trusting);
        let runner = runner.file("ca.pem", tls::ONE.certificate);
        let base_url = format!("api={}", tls::url(&own, ""));
        let output = runner.args(["apply", "-vv", "origins.yaml", "--base-url", &base_url]).run().exits(1);
        assert!(
            output.text().contains(&format!("redirected to {}", stranger.base_url())),
            "{}",
            output.text()
        );
        assert!(stranger.lines().is_empty(), "{status}");
    }
}

#[test]
fn a_private_authority_is_trusted_for_its_own_provider_alone() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}";
    let (one, other) = (tls::ONE.server(*answer), tls::OTHER.server(*answer));
    let playbook = format!(
        "version: 1
providers:
  one: {{ base_url: {one}, ca_file: tls/one.pem }}
  other: {{ base_url: {other}, ca_file: tls/other.pem }}
  misled: {{ base_url: {other}, ca_file: tls/one.pem }}
  unaware: {{ base_url: {one} }}
steps:
  - {{ provider: one, get: / }}
  - {{ provider: other, get: / }}
  - {{ provider: misled, get: /, retry: {{ attempts: 1 }}, on_error: continue }}
  - {{ provider: unaware, get: /, retry: {{ attempts: 1 }}, on_error: continue }}
  - {{ get: {one}/direct, retry: {{ attempts: 1 }} }}
",
        one = tls::url(&one, ""),
        other = tls::url(&other, ""),
    );
    // The path of the file counts from the playbook's folder.
    let runner = Runner::new().file("jobs/p.yaml", playbook);
    let runner = runner.file("jobs/tls/one.pem", tls::ONE.certificate);
    let runner = runner.file("jobs/tls/other.pem", tls::OTHER.certificate);
    let report =
        runner.args(["apply", "jobs/p.yaml", "--report", "json=report.json"]).run().exits(4).report();
    let ends = report["entries"].as_array().expect("entries").iter().map(|step| {
        let headline = step["failure"]["headline"].as_str().unwrap_or_default();
        (step["status"].as_str().expect("a status"), headline.contains("certificate not trusted"))
    });
    let (done, failed) = (("done", false), ("failed", true));
    assert_eq!(ends.collect::<Vec<_>>(), [done, done, failed, failed, failed]);
}
