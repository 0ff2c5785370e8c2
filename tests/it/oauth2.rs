//! The preset `oauth2_client_credentials` against an OAuth 2.0 server that is not ours.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::support::PATIENCE;
use super::support::process::Process;
use super::support::runner::{Output, Runner};

/// As in `tests/tools/oauth2.mjs`.
const CLIENT_SECRET: &str = "ge heim%:+/=&~";
const READY: &str = "listening on ";

struct Server {
    _process: Process,
    base_url: String,
}

impl Server {
    fn start() -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let modules = project.join("target/test-tools/node_modules");
        assert!(
            modules.join("oidc-provider").exists(),
            "oidc-provider is missing; `./tests/all` installs it"
        );
        let mut command = Command::new("node");
        command.arg(project.join("tests/tools/oauth2.mjs")).arg(modules);
        let process = Process::start(&mut command, Vec::new());
        let line = process.stdout.wait_for(READY, 0, PATIENCE);
        let end = line.and_then(|start| process.stdout.wait_for("\n", start, PATIENCE));
        let (Some(start), Some(end)) = (line, end) else {
            panic!("the OAuth 2.0 server does not start:\n{}", process.stderr.text());
        };
        let base_url = process.stdout.text()[start..end].trim_end().to_owned();
        Self { _process: process, base_url }
    }

    /// Lists the devices of the API behind the server.
    fn list(&self, client: &str, client_auth: &str, secret: &str) -> Output {
        let playbook = format!(
            "
version: 1
providers:
  api:
    base_url: {}
    credentials:
      client_id: {{ secret: false, from: [{{ env: API_CLIENT_ID }}] }}
      client_secret: {{ from: [{{ env: API_CLIENT_SECRET }}] }}
    auth:
      use: oauth2_client_credentials
      with: {{ token: /token, revoke: /token/revocation, scope: devices.read, client_auth: {client_auth} }}
steps:
  - {{ get: /devices, save: devices.ndjson }}
",
            self.base_url
        );
        let runner = Runner::applying(playbook).env("API_CLIENT_ID", client).plant(secret);
        runner.env("API_CLIENT_SECRET", secret).run()
    }

    /// How many tokens it issued and revoked.
    fn counts(&self) -> Value {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let counts = async {
            let answer = reqwest::get(format!("{}/_tokens", self.base_url)).await.unwrap();
            answer.bytes().await.unwrap()
        };
        serde_json::from_slice(&runtime.block_on(counts)).unwrap()
    }
}

#[test]
fn the_client_proves_itself_in_the_header_or_in_the_body_and_its_token_is_revoked() {
    let server = Server::start();
    for (client, client_auth, tokens) in [("basic", "basic", 1), ("post", "body", 2)] {
        let output = server.list(client, client_auth, CLIENT_SECRET).exits(0);
        assert_eq!(output.rows("devices.ndjson"), [json!({ "id": 1 }), json!({ "id": 2 })]);
        assert_eq!(server.counts(), json!({ "issued": tokens, "revoked": tokens }), "{client}");
        assert_eq!(output.report()["requests"], 3);
    }
}

#[test]
fn what_the_server_refuses_is_told_in_its_words() {
    let server = Server::start();
    for (client, client_auth) in [("basic", "basic"), ("post", "body")] {
        let output = server.list(client, client_auth, "not-the-secret").exits(3);
        output.explains(&["api refused to sign in", "invalid_client"]);
    }
    assert_eq!(server.counts(), json!({ "issued": 0, "revoked": 0 }));
}
