//! Clocks that are wrong by hours: the whole program under `faketime`, the servers at the right time.

use std::time::Duration;

use runner::simulate::{Options, Provider};
use serde_json::json;

use super::support::fleet::{Fleet, PLAYBOOK, REPORT};
use super::support::runner::Runner;
use super::support::scripted::{Reply, ScriptedServer};

const WRONG: [&str; 3] = ["+2h", "-2h", "+400d"];

/// `runner` with these arguments by a clock that is wrong by so much.
fn at_wrong_time(offset: &str, arguments: &[&str]) -> Runner {
    let program = env!("CARGO_BIN_EXE_runner");
    // Of the machine's clocks only the one on the wall is wrong.
    let runner = Runner::of("faketime").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("LANG", "C.UTF-8");
    runner.args(["-f", offset, program]).args(arguments.iter().copied())
}

/// A JWT of emnify says when it ends by the server's clock: here it lives for two minutes.
#[test]
fn a_token_lives_as_long_as_the_server_says_whatever_the_local_clock_says() {
    for offset in WRONG {
        let emnify = Fleet::start(
            Provider::Emnify,
            &Options { devices: 3, token_life: Some(Duration::from_secs(120)), ..Options::default() },
        );
        let playbook = "version: 1
providers: { emnify: { method: user } }
steps:
  - authenticate: emnify
  - { for_each: [1, 2, 3], provider: emnify, get: /api/v1/endpoint }
";
        let address = format!("emnify={}", emnify.base_url());
        let report = format!("json={REPORT}");
        let arguments = ["apply", PLAYBOOK, "--base-url", &address, "--report", &report];
        let runner = emnify.plant(at_wrong_time(offset, &arguments).file(PLAYBOOK, playbook));
        let output = runner.account(&emnify, "plain", &["username", "password"]).run().exits(0);
        let is_whole = ["valid 2 min", "valid 1 min 5"].iter().any(|life| output.stdout.contains(life));
        assert!(is_whole, "{offset}: {}", output.stdout);
        let stats = emnify.stats();
        assert_eq!((stats.logins, stats.refreshes), (1, 0), "{offset}: it is fresh all the time");
        emnify.agrees_with(&output.report());
    }
}

/// A session that ends by its own `exp` two hours ahead of the local clock or behind it, is used, and is closed.
#[test]
fn a_session_is_neither_thrown_away_nor_kept_too_long() {
    let api = ScriptedServer::start(|request| match request.line.as_str() {
        "POST /login" => Reply::json(200, &json!({ "token": "token-geheim", "life": 3600 })),
        _ => Reply::empty(204),
    });
    let playbook = format!(
        "version: 1
providers:
  api:
    base_url: {}
    auth:
      login: {{ post: /login }}
      session: {{ token: $.token }}
      expires: [{{ seconds: $.life }}]
      send: {{ headers: {{ Authorization: 'Bearer ${{{{ session.token }}}}' }} }}
      logout: {{ auth: session, delete: /login }}
steps: [{{ for_each: [1, 2], get: /rows }}]
",
        api.base_url()
    );
    for (round, offset) in WRONG.into_iter().enumerate() {
        at_wrong_time(offset, &["apply", "p.yaml"]).file("p.yaml", &playbook).run().exits(0);
        assert_eq!(api.lines().len(), 4 * (round + 1), "one login, two rows, one logout");
    }
}

/// What one clock has written another one reads: no refusal holds longer than its time, however wrong they are.
#[test]
fn a_refusal_of_a_wrong_clock_bars_nobody_for_hours() {
    let api = ScriptedServer::start(|_| Reply::empty(401));
    let playbook = format!(
        "version: 1
providers:
  api:
    base_url: {}
    credentials: {{ key: {{ from: [{{ env: API_KEY }}] }} }}
    auth:
      login: {{ post: /login, json: {{ key: '${{{{ credentials.key }}}}' }} }}
      session: {{ token: $.token }}
      send: {{ headers: {{ Authorization: 'Bearer ${{{{ session.token }}}}' }} }}
      lockout: {{ after: 3, for: 5m }}
steps: [{{ authenticate: api }}]
",
        api.base_url()
    );
    let room = Runner::new().file("p.yaml", playbook).env("API_KEY", "key-geheim").plant("key-geheim");
    let state = room.dir().join("state");
    for (round, offset) in ["+2h", "+0", "-2h"].into_iter().enumerate() {
        let run = at_wrong_time(offset, &["apply", "p.yaml", "--state-dir"]).args([&state]);
        let playbook = std::fs::read(room.dir().join("p.yaml")).expect("it is there");
        run.file("p.yaml", playbook).env("API_KEY", "key-geheim").run().exits(3);
        assert_eq!(api.lines().len(), round + 1, "{offset}: what was refused hours away is not believed");
    }
}
