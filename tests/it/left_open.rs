//! What a killed run leaves, and what the next one makes of it: sessions and refused logins.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::process::Signal;
use serde_json::json;

use super::support::keyring::Keyring;
use super::support::runner::{Output, Runner};
use super::support::scripted::{Reply, Request, ScriptedServer};

const LOGIN: &str = "POST /login";
const LOGOUT: &str = "DELETE /login";
const KEY: &str = "key-geheim-0815";

/// An API that gives numbered tokens for an hour, and answers `GET /slow` when it may.
struct Api {
    server: ScriptedServer,
    asked: Receiver<()>,
    go_on: Sender<()>,
    /// Gets what logouts are answered from then on, in place of a 204.
    logouts: Sender<Reply>,
}

impl Api {
    fn start() -> Self {
        Self::holding(|request| request.line == "GET /slow")
    }

    /// One that keeps its answer to these requests until it may give it.
    fn holding(mut is_held: impl FnMut(&Request) -> bool + Send + 'static) -> Self {
        let (ask, asked) = channel();
        let (go_on, allowed) = channel::<()>();
        let (logouts, answers) = channel();
        let mut logout = Reply::empty(204);
        let mut logins = 0;
        let server = ScriptedServer::start(move |request| {
            if is_held(request) {
                // A test that ended before has no use for either.
                let _ = ask.send(());
                let _ = allowed.recv();
            }
            match request.line.as_str() {
                LOGIN if request.json()["key"] != KEY => Reply::empty(401),
                LOGIN => {
                    logins += 1;
                    Reply::json(200, &json!({ "token": format!("token-{logins}-geheim"), "life": 3600 }))
                }
                LOGOUT => {
                    logout = answers.try_iter().last().unwrap_or(logout.clone());
                    logout.clone()
                }
                _ => Reply::empty(204),
            }
        });
        Self { server, asked, go_on, logouts }
    }

    /// A room with a playbook whose only step does this.
    fn room(&self, source: &str, step: &str) -> Runner {
        let playbook = self.playbook(source, "\n      logout: { auth: session, delete: /login }", step);
        let room = Runner::new().file("p.yaml", playbook).plant(KEY);
        (1..4).fold(room, |room, number| room.plant(format!("token-{number}-geheim")))
    }

    fn playbook(&self, source: &str, more: &str, step: &str) -> String {
        format!(
            "version: 1
providers:
  own:
    base_url: {}
    credentials:
      user: {{ from: [{{ value: ops }}], secret: false }}
      key: {{ from: [{source}] }}
    auth:
      login: {{ post: /login, json: {{ user: '${{{{ credentials.user }}}}', key: '${{{{ credentials.key }}}}' }} }}
      session: {{ token: $.token }}
      expires: [{{ seconds: $.life }}]
      send: {{ headers: {{ Authorization: 'Bearer ${{{{ session.token }}}}' }} }}{more}
steps:
  - {step}
",
            self.server.base_url()
        )
    }

    /// Runs it until it has sent a request that is not answered, and kills it.
    fn kill(&self, room: &Runner) -> Output {
        let mut running = room.clone().args(["apply", "p.yaml"]).spawn();
        self.asked.recv_timeout(super::support::PATIENCE).expect("the request is sent");
        running.signal(Signal::KILL);
        let output = running.finish();
        self.go_on.send(()).expect("the server waits");
        assert_eq!(output.signal, Some(9));
        output
    }

    fn count(&self, line: &str) -> usize {
        self.server.lines().iter().filter(|sent| *sent == line).count()
    }
}

const ENV: &str = "{ env: OWN_KEY }";
const SLOW: &str = "get: /slow";
const FAST: &str = "get: /fast";

/// The files that lie in a part of the state folder.
fn state_files(room: &Runner, folder: &str) -> Vec<PathBuf> {
    let folder = room.dir().parent().expect("the room").join("state/runner").join(folder);
    fs::read_dir(folder)
        .map_or_else(|_| Vec::new(), |entries| entries.map(|entry| entry.unwrap().path()).collect())
}

/// The same room with a quick step.
fn next(api: &Api, room: &Runner, source: &str) -> Runner {
    let more = "\n      logout: { auth: session, delete: /login }";
    room.clone().file("p.yaml", api.playbook(source, more, FAST)).args(["apply", "p.yaml"])
}

#[test]
fn a_killed_run_leaves_a_session_that_the_next_one_names_until_it_has_ended() {
    let api = Api::start();
    let room = api.room(ENV, SLOW).env("OWN_KEY", KEY);
    api.kill(&room);
    let records = state_files(&room, "sessions");
    assert_eq!(records.len(), 1);
    assert_eq!(fs::metadata(&records[0]).unwrap().permissions().mode() & 0o777, 0o600);
    for _ in 0..2 {
        let output = next(&api, &room, ENV).run().exits(0);
        let said = &output.stderr;
        assert!(
            said.contains("warning: the session of run ") && said.contains(" at own as ops, opened "),
            "{said}"
        );
        assert!(
            said.contains("was left open: it ends at ") && said.contains("only its process knew its tokens")
        );
    }
    assert_eq!((api.count(LOGIN), api.count(LOGOUT)), (3, 2), "its own sessions are closed");
    let status =
        room.clone().args(["status", "own", "--playbook", "p.yaml"]).env("OWN_KEY", KEY).run().exits(0);
    assert!(status.stdout.contains("was left open: it ends at "), "{}", status.stdout);
    let all = room.clone().args(["status"]).run().exits(0);
    assert!(all.stdout.contains(" at own as ops, opened "), "{}", all.stdout);
    // By a clock that is two days ahead it has ended. When that is put right, it is named as before.
    let ahead = next(&api, &room, ENV)
        .under(["faketime", "-f", "+2d"])
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .run()
        .exits(0);
    assert!(!ahead.stderr.contains("left open"), "{}", ahead.stderr);
    let right = next(&api, &room, ENV).run().exits(0);
    assert!(right.stderr.contains("was left open: it ends at "), "{}", right.stderr);
    // Long after its end it is forgotten.
    let ended =
        fs::read_to_string(&records[0]).unwrap().replace("\"valid_until\": \"2", "\"valid_until\": \"1");
    fs::write(&records[0], ended).unwrap();
    let output = next(&api, &room, ENV).run().exits(0);
    assert!(!output.stderr.contains("left open"), "{}", output.stderr);
    assert!(state_files(&room, "sessions").is_empty());
}

#[test]
fn a_resumed_run_names_the_session_that_its_killed_process_has_left() {
    let api = Api::start();
    let room = api.room(ENV, SLOW).env("OWN_KEY", KEY);
    api.kill(&room);
    let left = state_files(&room, "sessions");
    let running = room.clone().args(["resume", "last"]).spawn();
    api.asked.recv_timeout(super::support::PATIENCE).expect("the step is sent again");
    assert_eq!(state_files(&room, "sessions").len(), 2, "its own session stands beside the other one");
    api.go_on.send(()).expect("the server waits");
    let output = running.finish().exits(0);
    assert!(output.stderr.contains("was left open: it ends at "), "{}", output.stderr);
    assert_eq!((api.count(LOGIN), api.count(LOGOUT)), (2, 1));
    assert_eq!(state_files(&room, "sessions"), left, "nobody has closed it");
}

#[test]
fn a_run_at_work_elsewhere_hides_nothing_that_was_left_open() {
    let (api, other) = (Api::start(), Api::start());
    let room = api.room(ENV, SLOW).env("OWN_KEY", KEY);
    api.kill(&room);
    let elsewhere = room.clone().file("other.yaml", other.playbook(ENV, "", SLOW));
    let running = elsewhere.args(["apply", "other.yaml"]).spawn();
    other.asked.recv_timeout(super::support::PATIENCE).expect("the step is sent");
    let output = next(&api, &room, ENV).run().exits(0);
    assert!(output.stderr.contains("was left open: it ends at "), "{}", output.stderr);
    other.go_on.send(()).expect("the server waits");
    running.finish().exits(0);
}

/// Keeps the key in a keychain.
fn keep(api: &Api, keyring: &Keyring) {
    let kept = format!(r#"{{"secret":"{KEY}","origins":["{}"]}}"#, api.server.base_url());
    let tool = Runner::of("secret-tool").keyring(keyring).stdin(kept);
    tool.args(["store", "--label=own", "service", "runner/own", "username", "default/key"]).run().exits(0);
}

/// What the keychain keeps of sessions.
fn kept_sessions(keyring: &Keyring) -> String {
    let tool = Runner::of("secret-tool").keyring(keyring);
    tool.args(["search", "--all", "service", "runner/sessions"]).run().text()
}

#[test]
fn what_the_keychain_holds_closes_the_session_of_a_killed_run() {
    for command in [
        &["apply", "p.yaml"][..],
        &["status", "own", "--playbook", "p.yaml"],
        &["logout", "own", "--playbook", "p.yaml"],
    ] {
        let (api, keyring) = (Api::start(), Keyring::open());
        keep(&api, &keyring);
        let room = api.room("stored", SLOW).keyring(&keyring);
        api.kill(&room);
        assert!(kept_sessions(&keyring).contains("token-1-geheim"));
        let fast = api.playbook("stored", "\n      logout: { auth: session, delete: /login }", FAST);
        let output = room.clone().file("p.yaml", fast).args(command).run().exits(0);
        assert!(output.text().contains("was left open: closed now"), "{}", output.text());
        let requests = api.server.requests();
        let logout = requests.iter().find(|request| request.line == LOGOUT).expect("it is closed");
        assert_eq!(logout.header("authorization"), "Bearer token-1-geheim");
        assert_eq!(kept_sessions(&keyring), "", "nothing is kept of sessions that are closed");
        assert!(state_files(&room, "sessions").is_empty());
    }
}

/// A logout that fails, or is answered by something in front of the server, leaves the session to the next one.
#[test]
fn a_logout_that_closes_nothing_says_so_and_forgets_nothing() {
    let (api, keyring) = (Api::start(), Keyring::open());
    keep(&api, &keyring);
    let room = api.room("stored", SLOW).keyring(&keyring);
    api.kill(&room);
    let logout = room.args(["logout", "own", "--playbook", "p.yaml"]);
    for (answer, why) in [
        (Reply::empty(503), "answered 503 Service Unavailable"),
        (Reply::text(200, "text/html", "<html>sign in</html>"), "answered 200 OK, but it is an HTML page"),
    ] {
        api.logouts.send(answer).expect("the server is at work");
        let output = logout.clone().run().exits(7);
        let said = " was left open: it ends at ";
        assert!(output.stdout.contains(said) && output.stdout.contains(why), "{}", output.text());
        assert!(kept_sessions(&keyring).contains("token-1-geheim"));
    }
    api.logouts.send(Reply::empty(204)).expect("the server is at work");
    logout.run().exits(0);
    assert_eq!(kept_sessions(&keyring), "");
}

#[test]
fn a_session_of_a_run_at_work_is_left_alone() {
    let api = Api::start();
    let room = api.room(ENV, SLOW).env("OWN_KEY", KEY);
    let running = room.clone().args(["apply", "p.yaml"]).spawn();
    api.asked.recv_timeout(super::support::PATIENCE).expect("the step is sent");
    let status = room.clone().args(["status", "own", "--playbook", "p.yaml"]).run().exits(0);
    assert!(status.stdout.contains(" is in use\n"), "{}", status.stdout);
    api.go_on.send(()).expect("the server waits");
    running.finish().exits(0);
    assert_eq!(api.count(LOGOUT), 1);
    assert!(state_files(&room, "sessions").is_empty());
}

#[test]
fn a_damaged_record_is_told_once_and_stops_nothing() {
    let api = Api::start();
    let room = api.room(ENV, SLOW).env("OWN_KEY", KEY);
    api.kill(&room);
    fs::write(&state_files(&room, "sessions")[0], "{ \"id\":").unwrap();
    let output = next(&api, &room, ENV).run().exits(0);
    let aside = state_files(&room, "sessions").remove(0);
    assert!(output.stderr.contains(" at own as ops is damaged, so that nobody closes it: it may be open."));
    assert!(output.stderr.contains(&format!("kept aside as {}", aside.display())), "{}", output.stderr);
    assert_eq!(fs::read_to_string(aside).unwrap(), "{ \"id\":");
    let output = next(&api, &room, ENV).run().exits(0);
    assert!(!output.stderr.contains("damaged"), "{}", output.stderr);
}

#[test]
fn a_simulated_run_leaves_nothing_and_asks_for_nothing() {
    let playbook = "version: 1\nproviders: { emnify: {} }\nsteps: [{ authenticate: emnify }]\n";
    let room = Runner::new().file("p.yaml", playbook);
    room.clone().args(["apply", "--simulate", "p.yaml"]).run().exits(0);
    assert!(state_files(&room, "sessions").is_empty() && state_files(&room, "refusals").is_empty());
}

/// A provider that locks accounts.
fn locking(api: &Api, key: &str) -> Runner {
    let lockout = "\n      lockout: { after: 3, for: 5m }";
    let room = Runner::new().file("p.yaml", api.playbook("{ env: OWN_KEY }, stored, prompt", lockout, FAST));
    room.plant(KEY).plant("wrong-geheim").env("OWN_KEY", key)
}

#[test]
fn a_refused_login_is_not_sent_again_within_the_lock_out_time() {
    let api = Api::start();
    let room = locking(&api, "wrong-geheim");
    let apply = room.clone().args(["apply", "p.yaml"]);
    apply.run().exits(3).explains(&["own refused to sign in ops (401, empty body)"]);
    for key in ["wrong-geheim", KEY] {
        apply.clone().env("OWN_KEY", key).run().exits(3).explains(&[
            "own refused to sign in ops at ",
            " (401, empty body)",
            "not tried again before ",
            "own locks the account after 3 refusals",
            "key came from env OWN_KEY",
            "what now: correct the wrong one there, then `runner login own --playbook p.yaml`, or run it again after ",
        ]);
    }
    assert_eq!(api.count(LOGIN), 1);
    let status = room.clone().args(["status", "own", "--playbook", "p.yaml"]).run().exits(0);
    assert!(status.stdout.contains("it refused to sign in ops at "), "{}", status.stdout);
    assert!(
        status.stdout.contains("`runner login own --playbook p.yaml` tries at once"),
        "{}",
        status.stdout
    );
    // When its time is over, it is tried again, and what succeeds is remembered no more.
    let record = state_files(&room, "refusals").remove(0);
    let over = fs::read_to_string(&record).unwrap().replace("\"lasts_ms\": 300000", "\"lasts_ms\": 1");
    fs::write(&record, over).unwrap();
    apply.env("OWN_KEY", KEY).run().exits(0);
    assert!(state_files(&room, "refusals").is_empty());
}

#[test]
fn a_resumed_run_does_not_send_a_refused_login_again() {
    let api = Api::start();
    let room = locking(&api, "wrong-geheim");
    room.clone().args(["apply", "p.yaml"]).run().exits(3);
    room.args(["resume", "last"])
        .run()
        .exits(3)
        .explains(&["own refused to sign in ops at ", "not tried again before "]);
    assert_eq!(api.count(LOGIN), 1);
}

#[test]
fn a_person_who_signs_in_ends_the_wait() {
    let (api, keyring) = (Api::start(), Keyring::open());
    let room = locking(&api, "wrong-geheim").keyring(&keyring);
    room.clone().args(["apply", "p.yaml"]).run().exits(3);
    let size = super::support::pty::Size { columns: 200, rows: 40 };
    let login = room.clone().args(["login", "own", "--playbook", "p.yaml"]);
    let mut terminal = login.open_terminal(size);
    terminal.wait_for("Key: ").send(&format!("{KEY}\r"));
    terminal.finish().exits(0);
    room.args(["apply", "p.yaml"]).env("OWN_KEY", KEY).run().exits(0);
    assert_eq!(api.count(LOGIN), 3);
}

/// Where nothing can be kept, a login proves the credentials all the same, and with that ends the wait.
#[test]
fn a_person_who_signs_in_where_there_is_no_keychain_ends_the_wait() {
    let api = Api::start();
    let room = locking(&api, "wrong-geheim");
    let refused = room.clone().args(["apply", "p.yaml"]).run().exits(3).stderr;
    let said =
        "no run repeats this login for 5 min, unless `runner login own --playbook p.yaml` succeeds before";
    assert!(refused.contains(said), "{refused}");
    let size = super::support::pty::Size { columns: 200, rows: 40 };
    let login = room.clone().args(["login", "own", "--playbook", "p.yaml"]);
    let mut terminal = login.open_terminal(size);
    terminal.wait_for("nothing can be kept: ").wait_for("Key: ").send(&format!("{KEY}\r"));
    let output = terminal.finish().exits(8).stdout;
    assert!(output.contains("signed in, but nothing could be kept: no keychain on this machine"), "{output}");
    assert!(output.contains("credentials can also come from environment variables"), "{output}");
    room.args(["apply", "p.yaml"]).env("OWN_KEY", KEY).run().exits(0);
    assert_eq!(api.count(LOGIN), 3);
}

#[test]
fn without_a_state_folder_nothing_is_sent() {
    let api = Api::start();
    let room = api.room(ENV, FAST).env("OWN_KEY", KEY);
    let file = room.dir().join("a-file");
    fs::write(&file, "").unwrap();
    for (name, value) in
        [("XDG_STATE_HOME", file.as_path()), ("XDG_STATE_HOME", std::path::Path::new("/proc"))]
    {
        let output = room.clone().env(name, value).args(["apply", "p.yaml"]).run().exits(8);
        assert!(output.stderr.contains("the state folder"), "{}", output.stderr);
    }
    assert_eq!(api.server.lines(), [""; 0]);
}

#[test]
fn a_login_that_cannot_be_written_down_is_not_sent_and_a_session_is_closed_again() {
    // Renames fail as on a full disk, from the first or the second one on: no record gets its name.
    for (when, said, sent) in [("1+", "is not sent", &[][..]), ("2+", "is not used", &[LOGIN, LOGOUT])] {
        let api = Api::start();
        let playbook = api.playbook(ENV, "\n      logout: { auth: session, delete: /login }", FAST);
        let inject = format!("inject=rename,renameat,renameat2:error=ENOSPC:when={when}");
        let strace = ["-f", "-qq", "-o", "/dev/null", "-e", &inject];
        let full = Runner::of("strace").file("p.yaml", playbook).plant(KEY).args(strace).args([
            env!("CARGO_BIN_EXE_runner"),
            "apply",
            "p.yaml",
        ]);
        full.env("OWN_KEY", KEY).run().exits(8).explains(&["cannot be kept: ", "No space left", said]);
        assert_eq!(api.server.lines(), sent);
    }
}

#[test]
fn a_login_whose_process_was_killed_is_named_by_the_next_run() {
    let mut logins = 0;
    let api = Api::holding(move |request| {
        logins += u32::from(request.line == LOGIN);
        logins == 1 && request.line == LOGIN
    });
    let room = api.room(ENV, FAST).env("OWN_KEY", KEY);
    api.kill(&room);
    let said = " at own as ops, sent ";
    let open = " was never answered: a session may be open there";
    let output = next(&api, &room, ENV).run().exits(0);
    assert!(output.stderr.contains("warning: a login of run "), "{}", output.stderr);
    assert!(output.stderr.contains(said) && output.stderr.contains(open), "{}", output.stderr);
    let all = room.clone().args(["status"]).run().exits(0);
    assert!(all.stdout.contains(said) && all.stdout.contains(open), "{}", all.stdout);
    assert_eq!(state_files(&room, "sessions").len(), 1, "nobody knows more of it");
}

#[test]
fn a_quiet_run_tells_in_one_paragraph_what_may_be_open() {
    let api = Api::start();
    let room = api.room(ENV, SLOW).env("OWN_KEY", KEY);
    api.kill(&room);
    let output = next(&api, &room, ENV).args(["--quiet"]).run().exits(0);
    assert_eq!(output.stdout, "");
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{}", output.stderr);
    assert!(
        lines[0].starts_with("warning: the session of run ")
            && lines[0].contains(" was left open: it ends at ")
    );
    assert!(lines[1].contains(" (p.yaml) - done: 1 step, ") && lines[2].ends_with(" - exit 0"), "{lines:?}");
    // One that fails says it below what failed.
    let broken = api.playbook(
        ENV,
        "\n      logout: { auth: session, delete: /login }",
        "{ get: /x, expect: { status: 201 } }",
    );
    let output = room.clone().file("p.yaml", broken).args(["apply", "p.yaml", "--quiet"]).run().exits(1);
    assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
    assert!(output.stderr.contains("\n  the session of run "), "{}", output.stderr);
}

#[test]
fn a_quiet_run_says_nothing_of_what_it_has_closed() {
    let (api, keyring) = (Api::start(), Keyring::open());
    keep(&api, &keyring);
    let room = api.room("stored", SLOW).keyring(&keyring);
    api.kill(&room);
    let output = next(&api, &room, "stored").args(["--quiet", "--report", "json=r.json"]).run().exits(0);
    assert_eq!(output.text(), "");
    let report = fs::read_to_string(room.dir().join("r.json")).unwrap();
    assert!(report.contains("was left open: closed now"), "{report}");
}
