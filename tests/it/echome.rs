//! ecHome: a pair of JWTs, refreshed with rotation, and no logout.

use std::fs;
use std::time::Duration;

use runner::simulate::{Fault, Options, Provider, RecordedRequest};
use serde_json::{Value, json};

use crate::support::fleet::Fleet;
use crate::support::raw_server::RawServer;
use crate::support::runner::{Output, Runner};

const HOUR: Duration = Duration::from_secs(3_600);
const LOGIN: &str = "POST /api/v1/identity/token";
const REFRESH: &str = "POST /api/v1/identity/token/refresh";
const MACHINES: &str = "GET /api/v1/vm/vm/describe/all";

/// The list three times, so that a session can end between them.
const THREE_LISTS: &str = "
version: 1
name: three lists
providers:
  echome: { settings: { server: echome.example.com, protocol: secure } }
steps:
  - call: echome.list_vms
  - call: echome.list_vms
  - call: echome.list_vms
";

/// A server and the program in front of it, with the key of the plain account planted.
struct Echome {
    server: Fleet,
    runner: Runner,
}

impl Echome {
    fn start() -> Self {
        let server = Fleet::of(Provider::Echome);
        let secret = server.demo("plain", "password");
        let runner = Runner::new()
            .env("ECHOME_ACCESS_ID", server.demo("plain", "username"))
            .env("ECHOME_SECRET_KEY", secret)
            .plant(secret)
            .args(["apply", "-vv", "--base-url", &format!("echome={}", server.base_url())]);
        Self { server, runner }
    }

    fn run(&self, playbook: &str) -> Output {
        let output = self.runner.clone().file("echome.yaml", playbook).args(["echome.yaml"]).run();
        for token in self.tokens() {
            let text = output.text();
            assert!(!text.contains(&token), "a token shows in\n{text}");
        }
        output
    }

    /// The access tokens and refresh tokens that came back to the server.
    fn tokens(&self) -> Vec<String> {
        self.server
            .requests()
            .iter()
            .flat_map(|request| [bearer(request), refresh_token(request)])
            .flatten()
            .collect()
    }

    fn lines(&self) -> Vec<String> {
        self.server.requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    /// Answers the request number `skip` for machines as if its token had expired.
    fn expire(&self, skip: u64) {
        let body = json!({ "detail": "Given token not valid for any token type", "code": "token_not_valid" });
        self.refuse(MACHINES, skip, 1, 401, &body);
    }

    fn refuse(&self, route: &str, skip: u64, times: u64, status: u16, body: &Value) {
        let (method, path) = route.split_once(' ').expect("a route has two words");
        self.server.inject(Fault {
            method: Some(method.to_owned()),
            path: Some(path.to_owned()),
            skip,
            times,
            status,
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            body: body.to_string(),
            ..Fault::default()
        });
    }
}

fn bearer(request: &RecordedRequest) -> Option<String> {
    Some(request.header("authorization")?.strip_prefix("Bearer ")?.to_owned())
}

fn refresh_token(request: &RecordedRequest) -> Option<String> {
    Some(request.body.strip_prefix("refresh=")?.to_owned())
}

#[test]
fn a_session_is_opened_with_json_and_forgotten_without_a_call() {
    let echome = Echome::start();
    let output = echome.run(THREE_LISTS).exits(0);
    assert_eq!(echome.lines(), [LOGIN, MACHINES, MACHINES, MACHINES]);
    let login = &echome.server.requests()[0];
    assert_eq!(login.header("content-type"), Some("application/json"));
    assert_eq!(login.header("authorization"), None);
    let stats = echome.server.stats();
    assert_eq!((stats.logins, stats.refreshes, stats.logouts, stats.refused_logins), (1, 0, 0, 0));
    assert!(output.text().contains("valid 1 h"), "{}", output.text());
    assert!(output.text().contains("no logout on this API"), "{}", output.text());
}

#[test]
fn a_refresh_carries_the_old_access_token_and_the_refresh_token_that_came_last() {
    let echome = Echome::start();
    echome.expire(0);
    echome.expire(1);
    echome.run(THREE_LISTS).exits(0);
    let wanted = [LOGIN, MACHINES, REFRESH, MACHINES, MACHINES, REFRESH, MACHINES, MACHINES];
    assert_eq!(echome.lines(), wanted);
    let requests = echome.server.requests();
    let (first, second) = (&requests[2], &requests[5]);
    assert_eq!(bearer(first), bearer(&requests[1]), "the access token that it replaces");
    assert_eq!(bearer(second), bearer(&requests[4]));
    assert_eq!(first.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_ne!(refresh_token(first), None);
    assert_ne!(refresh_token(second), refresh_token(first), "the rotated one is the one to use");
    assert_ne!(bearer(&requests[3]), bearer(&requests[1]));
    let stats = echome.server.stats();
    assert_eq!((stats.logins, stats.refreshes), (1, 2));
}

#[test]
fn tokens_that_have_all_ended_lead_from_401_over_a_refresh_to_one_login() {
    let echome = Echome::start();
    echome.expire(0);
    let ended = json!({ "detail": "Token is invalid or expired", "code": "token_not_valid" });
    echome.refuse(REFRESH, 0, 1, 401, &ended);
    echome.run(THREE_LISTS).exits(0);
    assert_eq!(echome.lines(), [LOGIN, MACHINES, REFRESH, LOGIN, MACHINES, MACHINES, MACHINES]);
    let stats = echome.server.stats();
    assert_eq!((stats.logins, stats.refreshes), (2, 0));
}

#[test]
fn a_token_that_is_never_accepted_ends_as_a_refusal() {
    let echome = Echome::start();
    let ended = json!({ "detail": "Given token not valid for any token type", "code": "token_not_valid" });
    echome.refuse(MACHINES, 0, 99, 401, &ended);
    echome.run(THREE_LISTS).exits(3);
    assert_eq!(echome.lines(), [LOGIN, MACHINES, REFRESH, MACHINES]);
}

#[test]
fn a_disabled_key_is_not_refreshed() {
    let echome = Echome::start();
    let inactive = json!({ "detail": "User is inactive", "code": "user_inactive" });
    echome.refuse(MACHINES, 0, 1, 401, &inactive);
    let output = echome.run(THREE_LISTS).exits(1);
    assert_eq!(echome.lines(), [LOGIN, MACHINES]);
    assert!(output.text().contains("was disabled on the server"), "{}", output.text());
}

#[test]
fn a_wrong_key_is_sent_once() {
    let mut echome = Echome::start();
    echome.runner = echome.runner.env("ECHOME_SECRET_KEY", "wrong-key-geheim").plant("wrong-key-geheim");
    let output = echome.run(THREE_LISTS).exits(3);
    assert_eq!(echome.lines(), [LOGIN]);
    assert_eq!(echome.server.stats().refused_logins, 1);
    assert!(output.text().contains("No active account found"), "{}", output.text());
}

#[test]
fn an_envelope_that_says_no_is_a_failure_whatever_its_status() {
    let echome = Echome::start();
    let body = json!({ "success": false, "details": "machine vm-1 is broken", "results": [] });
    echome.refuse(MACHINES, 0, 1, 200, &body);
    let output = echome.run(THREE_LISTS).exits(1);
    assert_eq!(echome.lines(), [LOGIN, MACHINES]);
    assert!(output.text().contains("machine vm-1 is broken"), "{}", output.text());
}

#[test]
fn an_envelope_without_its_list_is_no_empty_list() {
    let echome = Echome::start();
    echome.refuse(MACHINES, 0, 1, 200, &json!({ "success": true, "details": "" }));
    let output = echome.run(THREE_LISTS).exits(1);
    assert!(output.text().contains("$.results"), "{}", output.text());
}

#[test]
fn every_read_of_the_definition_is_one_that_the_server_has() {
    let echome = Echome::start();
    let playbook = "
version: 1
name: every read
providers:
  echome: { settings: { server: echome.example.com, protocol: secure } }
steps:
  - { call: echome.list_vms, expect: { that: row_count == 25 } }
  - { call: echome.get_vm, with: { vm_id: vm-00000003 }, expect: { that: row_count == 1 } }
  - { call: echome.list_volumes, expect: { that: row_count == 25 } }
  - { call: echome.get_volume, with: { volume_id: vol-00000003 }, expect: { that: row_count == 1 } }
  - { call: echome.list_images, expect: { that: row_count == 2 } }
  - { call: echome.list_images, with: { kind: user }, expect: { that: row_count == 1 } }
  - { call: echome.get_image, with: { image_id: gmi-00000001 }, expect: { that: row_count == 1 } }
  - { call: echome.get_image, with: { kind: user, image_id: vmi-00000000 }, expect: { that: row_count == 1 } }
  - { call: echome.list_keys, expect: { that: row_count == 2 } }
  - { call: echome.get_key, with: { name: demo-key-1 }, expect: { that: row_count == 1 } }
  - { call: echome.list_networks, expect: { that: row_count == 1 } }
  - { call: echome.get_network, with: { network_id: vnet-00000000 }, expect: { that: row_count == 1 } }
  - { call: echome.list_clusters, expect: { that: row_count == 1 } }
  - { call: echome.get_cluster, with: { name: cluster-0 }, expect: { that: row_count == 1 } }
  - { call: echome.list_users, expect: { that: row_count == 1 } }
  - { call: echome.get_user, with: { username: demo }, expect: { that: row_count == 1 } }
";
    echome.run(playbook).exits(0);
    let definition = format!("{}/playbooks/providers/echome.yaml", env!("CARGO_MANIFEST_DIR"));
    let definition = fs::read_to_string(definition).expect("the definition");
    let (_, operations) = definition.split_once("\noperations:").expect("there are operations");
    let names = operations.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    for name in names.filter(|name| !name.starts_with(' ')) {
        assert!(playbook.contains(&format!("echome.{name},")), "{name} is not called here");
    }
    assert_eq!(echome.server.stats().total_requests(), 17);
}

#[test]
fn a_page_that_the_server_does_not_have_is_told_from_a_record_that_it_has_not() {
    let echome = Echome::start();
    let one =
        |step: &str| format!("{}\n  - {step}\n", THREE_LISTS.lines().take(6).collect::<Vec<_>>().join("\n"));
    let output = echome.run(&one("{ call: echome.get_vm, with: { vm_id: vm-none } }")).exits(1);
    assert!(output.text().contains("Resource does not exist"), "{}", output.text());
    let output = echome.run(&one("{ get: /nothing/here }")).exits(1);
    assert!(output.text().contains("HTML"), "{}", output.text());
}

/// The shipped playbook, with and without the line that accepts plain http.
fn inventory(allows_http: bool) -> String {
    let path = format!("{}/playbooks/echome/vm-inventory.yaml", env!("CARGO_MANIFEST_DIR"));
    let playbook = fs::read_to_string(path).expect("the playbook");
    let (before, after) = playbook.split_once("    allow_http: true").expect("it accepts plain http");
    let (_, after) = after.split_once('\n').expect("more lines follow");
    match allows_http {
        true => playbook.clone(),
        false => format!("{}\n{after}", before.trim_end().trim_end_matches(':').to_owned() + ": {}"),
    }
}

#[test]
fn plain_http_to_another_machine_is_refused_unless_the_playbook_accepts_it() {
    let echome = Echome::start();
    let runner = Runner::new()
        .env("ECHOME_ACCESS_ID", "auth-1")
        .env("ECHOME_SECRET_KEY", "secret-key-geheim")
        .plant("secret-key-geheim")
        .env("ECHOME_SERVER", "echome.invalid")
        .file("echome.yaml", inventory(false));
    let output = runner.args(["apply", "echome.yaml"]).run().exits(2);
    assert!(output.text().contains("allow_http: true"), "{}", output.text());
    assert!(output.text().contains("plain http"), "{}", output.text());

    // On this machine nobody is on the way.
    echome
        .runner
        .clone()
        .env("ECHOME_SERVER", "echome.invalid")
        .file("e.yaml", inventory(false))
        .args(["e.yaml"])
        .run()
        .exits(0);
    assert_eq!(echome.server.stats().logins, 1);
}

#[test]
fn each_run_over_plain_http_warns() {
    let runner = Runner::new()
        .env("ECHOME_ACCESS_ID", "auth-1")
        .env("ECHOME_SECRET_KEY", "secret-key-geheim")
        .plant("secret-key-geheim")
        .env("ECHOME_SERVER", "echome.invalid")
        .file("echome.yaml", inventory(true))
        .args(["apply", "--dry-run", "echome.yaml"]);
    for _ in 0..2 {
        let output = runner.run().exits(0);
        let warning = "credentials and data go to http://echome.invalid without encryption";
        assert!(output.text().contains(warning), "{}", output.text());
    }
}

#[test]
fn the_shipped_inventory_is_whole() {
    let mut echome = Echome::start();
    echome.runner = echome.runner.env("ECHOME_SERVER", echome.server.demo("plain", "server"));
    let output = echome.run(&inventory(true)).exits(0);
    let rows = output.read("vms.ndjson");
    assert_eq!(rows.lines().count(), 25);
    let first: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    assert_eq!(first["id"], "vm-00000000");
    assert_eq!(first["state"], "running");
    assert_eq!(echome.lines(), [LOGIN, MACHINES]);
}

#[test]
fn a_clock_that_differs_from_the_servers_does_no_harm() {
    // The server's clock is two hours ahead: what it signs is judged by its own `date`.
    let echome = Echome::start();
    echome.server.advance_clock(HOUR * 2);
    echome.run(THREE_LISTS).exits(0);
    assert_eq!(echome.lines(), [LOGIN, MACHINES, MACHINES, MACHINES]);
}

#[test]
fn a_session_that_ends_soon_is_refreshed_before_the_server_says_so() {
    let life = Some(Duration::from_secs(8));
    let echome = Fleet::start(Provider::Echome, &Options { devices: 1, token_life: life, port: None });
    let slow = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let provider = "echome: { settings: { server: echome.example.com, protocol: secure } }";
    // The last quarter of eight seconds begins after six.
    let playbook = slow.between(provider, "echome.list_vms", "6100ms");
    let runner = echome.apply(playbook).account(&echome, "plain", &["username", "password"]);
    let output = runner.run().exits(0);
    let stats = echome.stats();
    assert_eq!((stats.logins, stats.refreshes), (1, 1));
    assert_eq!(stats.requests["GET /api/v1/vm/vm/describe/{name}"], [("200".to_owned(), 2)].into());
    let lists = echome.requests_of("GET", "/api/v1/vm/vm/describe/all");
    assert_ne!(bearer(&lists[0]), bearer(&lists[1]));
    echome.stayed_silent(&output);
}
