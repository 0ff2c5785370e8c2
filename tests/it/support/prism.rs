//! Stoplight Prism, which judges our requests by the providers' OpenAPI documents.
//!
//! It keeps no state: it accepts any token, revokes and pages nothing, and answers with the examples of the
//! document. `Prefer: code=401` or `Prefer: example=mfa_needed` on a request asks for another answer of the
//! document.

use std::mem;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::PATIENCE;
use super::process::Process;
use super::stream::Stream;

/// Ends Prism together with this test program, which holds the other end of its standard input.
const END_WITH_STDIN: &str = "data:text/javascript,process.stdin.on('end', () => process.exit()).resume()";

const READY: &str = "Prism is listening on ";

/// A mock server on loopback, shared by all tests of its document.
///
/// A request that violates the document is answered with 4xx, so that a run against it fails.
pub struct Prism {
    log: Stream,
    base_url: String,
}

impl Prism {
    /// The Soracom API. The path of its address is left out by Prism: `/auth`, not `/v1/auth`. The paging
    /// headers of the lists never change: follow them no further than a page or two.
    pub fn soracom() -> &'static Self {
        static PRISM: OnceLock<Prism> = OnceLock::new();
        PRISM.get_or_init(|| Self::start("soracom-core.yaml"))
    }

    /// The emnify API.
    pub fn emnify() -> &'static Self {
        static PRISM: OnceLock<Prism> = OnceLock::new();
        PRISM.get_or_init(|| Self::start("emnify-core.yaml"))
    }

    /// The address to send requests to, without a slash at its end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What Prism says about the requests so far, those of other tests among them: for the message of a
    /// failure.
    pub fn log(&self) -> String {
        self.log.text()
    }

    fn start(document: &str) -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let prism: PathBuf =
            project.join("target/test-tools/node_modules/@stoplight/prism-cli/dist/index.js");
        assert!(prism.exists(), "Prism is missing; `./tests/all` installs it");
        let mut command = Command::new("node");
        command.arg("--import").arg(END_WITH_STDIN).arg(prism);
        command.args(["mock", "--errors", "--host=127.0.0.1", "--port=0"]);
        command.arg(project.join("tests/specs").join(document)).env("NO_COLOR", "1");
        let process = Process::start_with_open_stdin(&mut command);
        let ready = process.stdout.wait_for(READY, 0, PATIENCE);
        let line_end = ready.and_then(|start| process.stdout.wait_for("\n", start, PATIENCE));
        let (Some(start), Some(line_end)) = (ready, line_end) else {
            panic!("Prism does not start:\n{}{}", process.stdout.text(), process.stderr.text());
        };
        let base_url = process.stdout.text()[start..line_end].trim_end().to_owned();
        let log = process.stdout.clone();
        // It ends with this program, not before: nobody knows which test is the last to ask it.
        mem::forget(process);
        Self { log, base_url }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::{Client, Method, StatusCode};

    use super::*;

    /// Sends one request with a JSON body and the named headers, and returns the status of the answer.
    fn send(
        prism: &Prism,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        json: &'static str,
    ) -> StatusCode {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let request = Client::new().request(method, format!("{}{path}", prism.base_url()));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.header("content-type", "application/json").body(json).send();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(answer).unwrap().status()
    }

    #[test]
    fn emnify_accepts_a_login_by_its_document_only() {
        let login = |json| send(Prism::emnify(), Method::POST, "/api/v1/authenticate", &[], json);
        let good = r#"{"username":"ops@example.com","password":"5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8"}"#;
        assert_eq!(login(good), StatusCode::OK, "{}", Prism::emnify().log());
        let misspelt = r#"{"user":"ops@example.com","password":"5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8"}"#;
        assert_eq!(login(misspelt), StatusCode::BAD_REQUEST, "{}", Prism::emnify().log());
    }

    #[test]
    fn emnify_wants_its_bearer_token() {
        let list = |headers: &[_]| send(Prism::emnify(), Method::GET, "/api/v1/endpoint", headers, "");
        assert_eq!(list(&[]), StatusCode::UNAUTHORIZED);
        assert_eq!(list(&[("authorization", "Bearer any")]), StatusCode::OK);
        assert_eq!(
            list(&[("authorization", "Bearer any"), ("prefer", "code=429")]),
            StatusCode::TOO_MANY_REQUESTS
        );
    }

    #[test]
    fn soracom_accepts_a_login_by_its_document_only() {
        let login = |json| send(Prism::soracom(), Method::POST, "/auth", &[], json);
        let good = r#"{"authKeyId":"keyId-abc","authKey":"secret-abc","tokenTimeoutSeconds":3600}"#;
        assert_eq!(login(good), StatusCode::OK, "{}", Prism::soracom().log());
        let too_long = r#"{"authKeyId":"keyId-abc","authKey":"secret-abc","tokenTimeoutSeconds":172801}"#;
        assert!(login(too_long).is_client_error(), "{}", Prism::soracom().log());
    }

    #[test]
    fn soracom_wants_both_of_its_headers() {
        let list = |headers: &[_]| send(Prism::soracom(), Method::GET, "/sims", headers, "");
        let (key, token) = (("x-soracom-api-key", "any"), ("x-soracom-token", "any"));
        assert_eq!(list(&[key, token]), StatusCode::OK, "{}", Prism::soracom().log());
        assert_eq!(list(&[key]), StatusCode::UNAUTHORIZED, "{}", Prism::soracom().log());
    }

    #[test]
    fn an_unknown_path_is_refused() {
        assert_eq!(send(Prism::soracom(), Method::GET, "/v1/sims", &[], ""), StatusCode::NOT_FOUND);
    }
}
