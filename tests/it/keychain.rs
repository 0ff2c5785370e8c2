//! `runner login`, `status` and `logout` with keychains that are open, locked and absent.

use std::sync::mpsc;

use runner::simulate::Provider;
use serde_json::json;

use super::support::PATIENCE;
use super::support::fleet::Fleet;
use super::support::keyring::Keyring;
use super::support::pty::{Size, Terminal};
use super::support::runner::{Output, Runner};
use super::support::scripted::{Reply, ScriptedServer};

const SIZE: Size = Size { columns: 200, rows: 40 };

/// Signs in to a simulated emnify with what is typed, in a room with this keyring.
fn type_login(room: &Runner, emnify: &Fleet, keyring: &Keyring, answers: [&str; 3]) -> Terminal {
    let login = room.clone().args(["login", "emnify"]).at(emnify).keyring(keyring);
    let mut terminal = login.open_terminal(SIZE);
    for (question, answer) in
        ["Username: ", "Password: ", "Mfa secret (Enter for none): "].into_iter().zip(answers)
    {
        terminal.wait_for(question).send(&format!("{answer}\r"));
    }
    terminal
}

fn log_in(room: &Runner, emnify: &Fleet, keyring: &Keyring) -> Output {
    let (username, password) = (emnify.demo("plain", "username"), emnify.demo("plain", "password"));
    type_login(room, emnify, keyring, [username, password, ""]).finish().exits(0)
}

fn look_up(keyring: &Keyring, service: &str, user: &str) -> String {
    let tool = Runner::of("secret-tool").keyring(keyring);
    tool.args(["lookup", "service", service, "username", user]).run().stdout
}

/// A room in which the demo password is planted.
fn room(emnify: &Fleet) -> Runner {
    Runner::new().plant(emnify.demo("plain", "password"))
}

#[test]
fn a_login_proves_the_credentials_and_keeps_them_for_their_host() {
    let (emnify, keyring) = (Fleet::of(Provider::Emnify), Keyring::open());
    let room = room(&emnify);
    let output = log_in(&room, &emnify, &keyring);
    let expected = "signed in as demo@example.com, valid 4 h; username and password kept in the keychain as emnify/default";
    assert!(output.stdout.contains(expected), "{}", output.stdout);
    assert_eq!((emnify.stats().logins, emnify.stats().refused_logins), (1, 0));

    let kept = look_up(&keyring, "runner/emnify", "default/password");
    let password = emnify.demo("plain", "password");
    assert_eq!(kept, format!(r#"{{"secret":"{password}","origins":["{}"]}}"#, emnify.base_url()));

    let status = room.clone().args(["status", "emnify"]).keyring(&keyring).run().exits(0);
    let expected = format!(
        "  password           not found (env EMNIFY_PASSWORD: not set; keychain, runner/emnify default/password: kept \
         for {}, not for https://cdn.emnify.net; sign in there with `runner login`; ",
        emnify.base_url()
    );
    assert!(status.stdout.contains(&expected), "{}", status.stdout);

    let status = room.args(["status", "emnify"]).keyring(&keyring).open_terminal(SIZE).finish().exits(0);
    let why = format!("kept for {}, not for https://cdn.emnify.net; sign in there", emnify.base_url());
    assert!(status.stdout.contains("would be asked for at the terminal (env EMNIFY_PASSWORD: not set; "));
    assert!(status.stdout.contains(&why), "{}", status.stdout);
}

#[test]
fn what_was_kept_signs_in_later() {
    let (emnify, keyring) = (Fleet::of(Provider::Emnify), Keyring::open());
    let playbook = "version: 1\nproviders: { emnify: {} }\nsteps: [{ authenticate: emnify }]\n";
    let room = room(&emnify).file("p.yaml", playbook);
    log_in(&room, &emnify, &keyring);
    let address = format!("emnify={}", emnify.base_url());
    let apply = room.args(["apply", "--base-url", &address, "p.yaml"]).keyring(&keyring);
    let output = apply.run().exits(0);
    assert!(output.stdout.contains("as demo@example.com"), "{}", output.stdout);
    assert_eq!(emnify.stats().logins, 2);
}

#[test]
fn profiles_are_kept_apart() {
    let (emnify, keyring) = (Fleet::of(Provider::Emnify), Keyring::open());
    let room = room(&emnify);
    let acme = room.clone().args(["login", "emnify", "--profile", "acme"]).at(&emnify).keyring(&keyring);
    let mut terminal = acme.open_terminal(SIZE);
    terminal.wait_for("Username: ").send(&format!("{}\r", emnify.demo("plain", "username")));
    terminal.wait_for("Password: ").send(&format!("{}\r", emnify.demo("plain", "password")));
    terminal.wait_for("Mfa secret").send("\r").wait_for("as emnify/acme");
    terminal.finish().exits(0);
    assert_eq!(look_up(&keyring, "runner/emnify", "default/password"), "");
    let status =
        room.args(["status", "emnify", "--profile", "acme"]).env("EMNIFY_PASSWORD", "of another account");
    let status = status.keyring(&keyring).run().exits(0).stdout;
    assert!(status.starts_with("emnify, profile acme\n"), "{status}");
    assert!(status.contains("env EMNIFY_PASSWORD: passed over, for the profile acme was named"), "{status}");
}

#[test]
fn a_refused_login_is_sent_once_and_keeps_nothing() {
    let (emnify, keyring) = (Fleet::of(Provider::Emnify), Keyring::open());
    let room = Runner::new().plant("wrong password");
    let username = emnify.demo("plain", "username");
    let output = type_login(&room, &emnify, &keyring, [username, "wrong password", ""]).finish().exits(3);
    let typed =
        "you typed username\r\n  you typed password\r\n  what now: run it again and type them anew\r\n";
    assert!(output.stdout.contains("emnify refused to sign in"), "{}", output.stdout);
    assert!(output.stdout.contains(typed), "{}", output.stdout);
    assert_eq!(emnify.stats().refused_logins, 1);
    assert_eq!(look_up(&keyring, "runner/emnify", "default/username"), "");
}

#[test]
fn a_code_is_computed_from_the_secret_that_was_typed() {
    let (emnify, keyring) = (Fleet::of(Provider::Emnify), Keyring::open());
    let values = ["username", "password", "mfa_secret"].map(|name| emnify.demo("mfa", name));
    let [username, password, mfa_secret] = values;
    let room = Runner::new().plant(password).plant(mfa_secret);
    let output = type_login(&room, &emnify, &keyring, [username, password, mfa_secret]).finish().exits(0);
    assert!(output.stdout.contains("username, password and mfa secret kept"), "{}", output.stdout);
}

#[test]
fn a_new_password_that_is_demanded_is_the_one_that_is_kept() {
    const CONFIG: &str = r#"{ "region": "us-east-1", "cognitoClientId": "CLIENT", "apiEndpoint": "API" }"#;
    let (simpleiot, keyring) = (Fleet::of(Provider::Simpleiot), Keyring::open());
    let (username, password) =
        (simpleiot.demo("new-password", "username"), simpleiot.demo("new-password", "password"));
    let client = simpleiot.demo("new-password", "client_id");
    let config = CONFIG.replace("CLIENT", client).replace("API", simpleiot.base_url());
    let room = Runner::new()
        .home_file(".simpleiot/myteam/config.json", config)
        .plant(password)
        .plant("N3w-Passw0rd!x");
    let login = room.args(["login", "simpleiot", "--profile", "myteam"]).at(&simpleiot).keyring(&keyring);
    let mut terminal = login.open_terminal(SIZE);
    terminal.wait_for("Username: ").send(&format!("{username}\r"));
    terminal.wait_for("Password: ").send(&format!("{password}\r"));
    terminal.wait_for("Mfa secret").send("\r").wait_for("ew password: ").send("N3w-Passw0rd!x\r");
    terminal.wait_for("kept in the keychain as simpleiot/myteam");
    terminal.finish().exits(0);
    let kept = look_up(&keyring, "runner/simpleiot", "myteam/password");
    assert!(kept.contains("N3w-Passw0rd!x"), "{kept}");
}

#[test]
fn a_logout_forgets_on_demand_only() {
    let (emnify, keyring) = (Fleet::of(Provider::Emnify), Keyring::open());
    let room = room(&emnify);
    log_in(&room, &emnify, &keyring);
    let logout = room.args(["logout", "emnify"]).keyring(&keyring);
    let output = logout.run().exits(0);
    let how = "`runner logout emnify --clear` forgets the credentials of emnify/default in the keychain";
    let expected = |place: &str, how: &str| {
        format!("no session of {place} is open: a session ends with its run\n{how}\n")
    };
    assert_eq!(output.stdout, expected("emnify/default", how));
    let work = logout.clone().args(["--profile", "work"]).run().exits(0);
    let how = "`runner logout emnify --profile work --clear` forgets the credentials of emnify/work in the keychain";
    assert_eq!(work.stdout, expected("emnify/work", how));
    assert_ne!(look_up(&keyring, "runner/emnify", "default/password"), "");

    let clear = logout.args(["--clear"]);
    assert_eq!(
        clear.run().exits(0).stdout,
        "forgot username and password of emnify/default in the keychain\n"
    );
    assert_eq!(look_up(&keyring, "runner/emnify", "default/password"), "");
    assert_eq!(clear.run().exits(0).stdout, "nothing was kept as emnify/default in the keychain\n");
}

/// On such a machine a login proves credentials and keeps none, and it is said why.
#[track_caller]
fn assert_useless(room: &Runner, problem: &str) {
    let emnify = Fleet::of(Provider::Emnify);
    let (username, password) = (emnify.demo("plain", "username"), emnify.demo("plain", "password"));
    let login = room.clone().args(["login", "emnify"]).at(&emnify).env("NO_COLOR", "1").plant(password);
    let mut terminal = login.open_terminal(SIZE);
    terminal.wait_for("Username: ").send(&format!("{username}\r"));
    terminal.wait_for("Password: ").send(&format!("{password}\r"));
    terminal.wait_for("Mfa secret").send("\r");
    let output = terminal.finish().exits(8);
    let warning =
        format!("warning: nothing can be kept: {problem}; the login proves the credentials all the same ");
    let error = format!("error: signed in, but nothing could be kept: {problem} ");
    let said = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(&warning) && said.contains(&error), "{said}");
    assert_eq!(emnify.stats().logins, 1);

    let status = room.clone().args(["status", "emnify"]).env("EMNIFY_USERNAME", "me").run().exits(0).stdout;
    assert!(status.starts_with(&format!("emnify, profile default\n  {problem}\n")), "{status}");
    assert!(status.contains("  username           env EMNIFY_USERNAME\n"), "{status}");

    let clear = room.clone().args(["logout", "emnify", "--clear"]).run().exits(8).stderr;
    let expected = format!(" as emnify/default in the keychain could not be forgotten: {problem}\n");
    assert!(clear.ends_with(&expected), "{clear}");
}

#[test]
fn a_machine_without_d_bus() {
    assert_useless(&Runner::new(), "no keychain on this machine: there is no D-Bus session");
}

#[test]
fn a_desktop_without_a_keychain() {
    let keyring = Keyring::absent();
    let problem = "no keychain on this machine: no program offers the Secret Service";
    assert_useless(&Runner::new().keyring(&keyring), problem);
}

#[test]
fn a_locked_keychain() {
    let (emnify, keyring) = (Fleet::of(Provider::Emnify), Keyring::open());
    log_in(&room(&emnify), &emnify, &keyring);
    let keyring = keyring.lock();
    assert_useless(&Runner::new().keyring(&keyring), "the keychain is locked");
}

#[test]
fn a_locked_keychain_does_not_stop_other_sources() {
    let (emnify, keyring) = (Fleet::of(Provider::Emnify), Keyring::locked());
    let playbook = "version: 1\nproviders: { emnify: { method: user } }\nsteps: [{ authenticate: emnify }]\n";
    let env = format!(
        "# the demo account\nEMNIFY_USERNAME={}\nEMNIFY_PASSWORD={}\n",
        emnify.demo("plain", "username"),
        emnify.demo("plain", "password")
    );
    let room = room(&emnify).file("p.yaml", playbook).file(".env", env);
    let address = format!("emnify={}", emnify.base_url());
    room.args(["apply", "--base-url", &address, "p.yaml"]).keyring(&keyring).run().exits(0);
    assert_eq!(emnify.stats().logins, 1);
}

#[test]
fn a_login_that_is_interrupted_closes_the_session_that_it_opens() {
    let (received, is_received) = mpsc::channel();
    let (answer, may_answer) = mpsc::channel::<()>();
    let server = ScriptedServer::start(move |request| {
        if request.line == "POST /auth/logout" {
            return Reply::empty(204);
        }
        received.send(()).expect("the test waits");
        may_answer.recv().expect("the test answers");
        Reply::json(
            200,
            &json!({ "apiKey": "api-key-geheim", "token": "token-geheim", "operatorId": "OP01" }),
        )
    });
    let keyring = Keyring::open();
    let room = Runner::new().plant("secret-geheim").plant("api-key-geheim").plant("token-geheim");
    let login = room.args(["login", "soracom", "--method", "auth_key", "--base-url", &server.base_url()]);
    let mut terminal = login.keyring(&keyring).open_terminal(SIZE);
    terminal.wait_for("Auth key id: ").send("keyId-1\r").wait_for("Auth key: ").send("secret-geheim\r");
    is_received.recv_timeout(PATIENCE).expect("the login arrives");
    terminal.send("\x03").wait_for("^C");
    answer.send(()).expect("the server waits");
    // Whichever comes first, the signal or the answer.
    terminal.finish();
    assert_eq!(server.lines(), ["POST /auth", "POST /auth/logout"]);
}

/// What the keychain keeps for those who go on with runs.
fn kept_for_runs(keyring: &Keyring) -> String {
    let tool = Runner::of("secret-tool").keyring(keyring);
    tool.args(["search", "--all", "service", "runner/journal"]).run().text()
}

/// A run whose first step brings a secret, and whose second fails as long as it is told to.
fn failed_run(keyring: &Keyring, cleanup: &str) -> (mpsc::Sender<()>, Runner) {
    let (mend, mended) = mpsc::channel();
    let mut is_mended = false;
    let server = ScriptedServer::start(move |request| match request.line.as_str() {
        "POST /keys" => Reply::json(201, &json!({ "key": "key-made-geheim" })),
        "GET /next" => {
            is_mended |= mended.try_recv().is_ok();
            Reply::empty(if is_mended { 200 } else { 404 })
        }
        _ => Reply::empty(204),
    });
    let playbook = format!(
        "version: 1
providers: {{ own: {{ base_url: {} }} }}
steps:
  - id: made
    post: /keys
    outputs: {{ key: {{ path: $.key, secret: true }} }}
{cleanup}
  - get: /next
    headers: {{ X-Key: '${{{{ steps.made.outputs.key }}}}' }}
",
        server.base_url()
    );
    let room = Runner::new().file("p.yaml", playbook).keyring(keyring).plant("key-made-geheim");
    room.clone().args(["apply", "p.yaml"]).run().exits(1);
    (mend, room)
}

#[test]
fn what_a_run_keeps_for_those_who_go_on_with_it_goes_when_nobody_can() {
    // It can be gone on with, until it is done.
    let keyring = Keyring::open();
    let (mend, room) = failed_run(&keyring, "");
    assert!(kept_for_runs(&keyring).contains("key-made-geheim"));
    mend.send(()).expect("the server waits");
    room.args(["resume", "last"]).run().exits(0);
    assert_eq!(kept_for_runs(&keyring), "");
    // Its journal is removed.
    let (_mend, room) = failed_run(&keyring, "");
    assert!(kept_for_runs(&keyring).contains("key-made-geheim"));
    room.args(["history", "prune", "--unfinished", "--keep", "0"]).run().exits(0);
    assert_eq!(kept_for_runs(&keyring), "");
    // What it has done is undone.
    let (_mend, room) = failed_run(&keyring, "    cleanup: [{ delete: /keys }]");
    assert_eq!(kept_for_runs(&keyring), "");
    room.args(["resume", "last"]).run().exits(2);
}
