//! An API that signs in and out, for tests of what a run does between the two.

use serde_json::json;

use super::runner::Runner;
use super::scripted::{Reply, Request, ScriptedServer};

/// What it hands out.
pub const TOKEN: &str = "token-geheim-4711";
const KEY: &str = "key-geheim-0815";

/// The way in.
pub const LOGIN: &str = "POST /login";
/// The way out.
pub const LOGOUT: &str = "DELETE /login";

/// A server that signs everybody in and out, and gives all other requests to `answer`.
pub fn start(mut answer: impl FnMut(&Request) -> Reply + Send + 'static) -> ScriptedServer {
    ScriptedServer::start(move |request| match request.line.as_str() {
        LOGIN => token(),
        LOGOUT => Reply::empty(204),
        _ => answer(request),
    })
}

/// The answer to a login.
pub fn token() -> Reply {
    Reply::json(200, &json!({ "token": TOKEN }))
}

/// `runner apply p.yaml` with its secrets planted. `rest` is what the playbook holds besides the provider.
pub fn apply(server: &ScriptedServer, rest: &str) -> Runner {
    playbook(Runner::new(), server, rest).args(["apply", "p.yaml"])
}

/// Gives a program the playbook `p.yaml` and what it needs.
pub fn playbook(program: Runner, server: &ScriptedServer, rest: &str) -> Runner {
    let playbook = text(&server.base_url(), rest);
    program.file("p.yaml", playbook).env("OWN_KEY", KEY).plant(KEY).plant(TOKEN)
}

/// A playbook with the provider `own` at that address, which signs in with `OWN_KEY`. `rest` is what it holds besides.
pub fn text(url: &str, rest: &str) -> String {
    format!(
        "version: 1
providers:
  own:
    base_url: {url}
    credentials: {{ key: {{ from: [{{ env: OWN_KEY }}] }} }}
    auth:
      login: {{ post: /login, json: {{ key: '${{{{ credentials.key }}}}' }} }}
      session: {{ token: $.token }}
      send: {{ headers: {{ Authorization: 'Bearer ${{{{ session.token }}}}' }} }}
      logout: {{ auth: session, delete: /login }}
{rest}
"
    )
}

/// `runner apply p.yaml` with its report in `report.json`. The provider `api` at that address has the key `API_KEY` and signs
/// in as `auth` says.
pub fn with_auth(url: &str, auth: &str, steps: &str) -> Runner {
    let playbook = format!(
        "version: 1
providers:
  api:
    base_url: {url}
    credentials: {{ key: {{ from: [{{ env: API_KEY }}] }} }}
    auth:{auth}
{steps}"
    );
    let runner = Runner::new().file("p.yaml", playbook).env("API_KEY", "key-geheim").plant("key-geheim");
    runner.args(["apply", "p.yaml", "--report", "json=report.json"])
}

/// Asserts that the last request has closed the session, and that it was opened and closed once.
#[track_caller]
pub fn assert_logged_out(server: &ScriptedServer) {
    let lines = server.lines();
    let count = |wanted: &str| lines.iter().filter(|line| *line == wanted).count();
    assert_eq!((count(LOGIN), count(LOGOUT)), (1, 1), "{lines:?}");
    let last = server.requests().pop().expect("requests");
    assert_eq!((last.line.as_str(), last.header("authorization")), (LOGOUT, &*format!("Bearer {TOKEN}")));
}
