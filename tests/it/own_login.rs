//! `runner login`, `status` and `logout` for a provider as a playbook has it.

use std::fs;

use runner::simulate::Provider;
use serde_json::json;

use crate::support::acme::{Acme, PASSWORD, USERNAME};
use crate::support::fleet::Fleet;
use crate::support::keyring::Keyring;
use crate::support::pty::Size;
use crate::support::runner::Runner;
use crate::support::scripted::{Reply, ScriptedServer};

const SIZE: Size = Size { columns: 200, rows: 40 };

/// The playbook of the API of one's own, at a server of a test.
fn own_api(acme: &Acme) -> String {
    let playbook = format!("{}/playbooks/own-api.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(playbook).expect("the playbook");
    text.replace("https://api.example.com/v1", &acme.server.base_url())
}

fn room(acme: &Acme, keyring: &Keyring) -> Runner {
    Runner::new().file("own.yaml", own_api(acme)).keyring(keyring).plant(PASSWORD)
}

/// Types user name and password of the account.
fn log_in(login: &Runner, keys: [&str; 2]) -> String {
    let mut terminal = login.open_terminal(SIZE);
    terminal.wait_for("Username: ").send(&format!("{}\r", keys[0]));
    terminal.wait_for("Password: ").send(&format!("{}\r", keys[1]));
    terminal.finish().exits(0).stdout
}

#[test]
fn an_inline_definition_signs_in_keeps_shows_uses_and_forgets() {
    let (acme, keyring) = (Acme::start(false), Keyring::open());
    let room = room(&acme, &keyring);
    let screen =
        log_in(&room.clone().args(["login", "acme", "--playbook", "own.yaml"]), [USERNAME, PASSWORD]);
    assert!(
        screen.starts_with(&format!("credentials of acme go to {}\r\n", acme.server.base_url())),
        "{screen}"
    );
    let kept = "; username and password kept in the keychain as acme/default";
    assert!(screen.contains("signed in as ops@example.com, valid 1 h") && screen.contains(kept), "{screen}");
    assert_eq!(acme.server.lines(), ["POST /session", "DELETE /session"]);

    let status = room.clone().args(["status", "--playbook", "own.yaml"]).run().exits(0).stdout;
    let expected = "acme, profile default\n  username  keychain, runner/acme default/username\n  \
                    password  keychain, runner/acme default/password\n  signs in by `default`\n";
    assert_eq!(status, expected);

    room.clone().args(["apply", "own.yaml"]).run().exits(0);
    assert_eq!(acme.state().open_sessions, 0);

    let logout = room.args(["logout", "acme", "--playbook", "own.yaml"]);
    let hint = "`runner logout acme --playbook own.yaml --clear` forgets the credentials of acme/default";
    assert!(logout.run().exits(0).stdout.contains(hint));
    let forgot = "forgot username and password of acme/default in the keychain\n";
    assert_eq!(logout.args(["--clear"]).run().exits(0).stdout, forgot);
}

#[test]
fn a_definition_file_is_told_the_inputs_that_it_needs_and_no_others() {
    let (acme, keyring) = (Acme::start(false), Keyring::open());
    let inline = own_api(&acme);
    let start = inline.find("    base_url:").expect("the definition");
    let end = inline.find("    operations:").expect("the definition");
    let keys: String = inline[start..end].lines().map(|line| format!("{}\n", &line[4..])).collect();
    let definition = format!("version: 1\nprovider: acme\n{keys}").replace(
        &format!("base_url: {}", acme.server.base_url()),
        "base_url: http://127.0.0.1:${{ settings.port }}",
    ) + "settings: { port: {} }\n";
    let port = acme.server.base_url().rsplit(':').next().expect("a port").to_owned();
    let playbook = "version: 1
inputs: { port: { type: string }, account: { type: string }, days: { type: integer } }
providers:
  mine: { use: ./acme.yaml, settings: { port: \"${{ inputs.port }}\" }, profile: \"${{ inputs.account }}\" }
  other: { base_url: https://other.example, settings: { x: { from: [{ env: NOT_SET }] } }, headers: { X: \"${{ settings.x }}\" } }
steps: [{ get: \"/a/${{ inputs.days }}\", provider: mine }]
";
    let room = Runner::new().file("acme.yaml", definition).file("p.yaml", playbook);
    let room = room.keyring(&keyring).plant(PASSWORD);
    let login =
        room.clone().args(["login", "mine", "--playbook", "p.yaml", "--input", &format!("port={port}")]);
    let missing = login.run().exits(2).stderr;
    assert!(missing.contains("the input `account` has no value"), "{missing}");
    assert!(!missing.contains("`days`"), "{missing}");
    let screen = log_in(&login.args(["--input", "account=tokyo"]), [USERNAME, PASSWORD]);
    assert!(screen.contains("kept in the keychain as mine/tokyo"), "{screen}");

    let wrong = room.clone().args(["status", "mine", "--playbook", "p.yaml", "--input", "dayz=1"]).run();
    assert!(wrong.exits(2).stderr.contains("did you mean `days`?"));
    let unknown = room.args(["login", "mines", "--playbook", "p.yaml"]).run().exits(2).stderr;
    assert_eq!(unknown, "error: p.yaml has no provider `mines`\n  what now: did you mean `mine`?\n");
}

#[test]
fn a_built_in_provider_is_taken_with_what_the_playbook_says() {
    let (emnify, keyring) = (Fleet::of(Provider::Emnify), Keyring::open());
    let playbook = format!(
        "version: 1\nproviders: {{ emnify: {{ base_url: \"{}\", method: user, profile: acme }} }}\n\
         steps: [{{ authenticate: emnify }}]\n",
        emnify.base_url()
    );
    let (username, password) = (emnify.demo("plain", "username"), emnify.demo("plain", "password"));
    let room = Runner::new().file("p.yaml", playbook).keyring(&keyring).plant(password);
    let missing = room.clone().args(["apply", "p.yaml"]).run().exits(3).stderr;
    assert!(missing.contains("keep it once with `runner login emnify --playbook p.yaml`"), "{missing}");

    let login = room.clone().args(["login", "emnify", "--playbook", "p.yaml"]);
    let mut terminal = login.open_terminal(SIZE);
    terminal.wait_for("Username: ").send(&format!("{username}\r"));
    terminal.wait_for("Password: ").send(&format!("{password}\r"));
    terminal.wait_for("Mfa secret").send("\r").wait_for("kept in the keychain as emnify/acme");
    terminal.finish().exits(0);
    room.args(["apply", "p.yaml"]).run().exits(0);
    assert_eq!((emnify.stats().logins, emnify.stats().refused_logins), (2, 0));
}

#[test]
fn a_key_that_no_request_proves_is_kept_and_that_is_said() {
    let keyring = Keyring::open();
    let server = ScriptedServer::replying([Reply::empty(200)]);
    let playbook = format!(
        "version: 1\nproviders:\n  api:\n    base_url: {}\n    credentials: {{ key: {{ from: [stored, prompt] }} }}\n    \
         auth: {{ use: api_key, with: {{ header: X-Key }} }}\n  open: {{ base_url: https://open.example }}\n\
         steps: [{{ get: /a, provider: api }}]\n",
        server.base_url()
    );
    let room = Runner::new().file("p.yaml", playbook).keyring(&keyring).plant("key-geheim-1");
    let login = room.clone().args(["login", "api", "--playbook", "p.yaml"]);
    let mut terminal = login.open_terminal(SIZE);
    terminal.wait_for("Key: ").send("key-geheim-1\r");
    terminal.wait_for("not proven, for no request signs in; key kept in the keychain as api/default");
    terminal.finish().exits(0);
    assert!(server.lines().is_empty());
    room.clone().args(["apply", "p.yaml"]).run().exits(0);
    assert_eq!(server.requests()[0].header("x-key"), "key-geheim-1");

    let none = room.args(["login", "open", "--playbook", "p.yaml"]).run().exits(2).stderr;
    assert_eq!(none, "error: nobody signs in to open: its definition has no `auth`\n");
}

#[test]
fn a_playbook_with_mistakes_is_not_signed_in_with() {
    let acme = Acme::start(false);
    let playbook =
        own_api(&acme).replace("on_error", "on_eror") + "  - gett: /x\n  - call: acme.list_machinez\n";
    let room = Runner::new().file("own.yaml", playbook);
    for command in ["login", "logout", "status"] {
        let output = room.clone().args([command, "acme", "--playbook", "own.yaml"]).run().exits(2);
        assert!(output.stderr.contains("error[unknown-key]"), "{}", output.stderr);
        assert!(output.stderr.contains("error[unknown-operation]"), "{}", output.stderr);
        assert_eq!(output.stdout, "");
    }
    assert!(acme.server.lines().is_empty());
}

#[test]
fn an_unknown_name_says_how_to_sign_in_to_ones_own() {
    for (command, own) in [
        ("login", "to sign in to a provider of your own: `runner login acme --playbook FILE`"),
        ("logout", "for a provider of your own: `runner logout acme --playbook FILE`"),
        ("status", "for a provider of your own: `runner status acme --playbook FILE`"),
    ] {
        let output = Runner::new().args([command, "acme"]).run().exits(2);
        let expected = format!(
            "error: no provider `acme` is built in\n  what now: built in are echome, emnify, simpleiot, soracom; {own}\n"
        );
        assert_eq!(output.stderr, expected);
    }
    let stray = Runner::new().args(["login", "emnify", "--input", "a=b"]).run().exits(2).stderr;
    assert!(stray.contains("--playbook"), "{stray}");
}

#[test]
fn what_a_server_says_is_shown_and_not_obeyed() {
    let keyring = Keyring::open();
    let says = "\u{1b}]0;owned\u{7} \u{1b}[2J \u{202e}";
    let server = ScriptedServer::replying([Reply::json(401, &json!({ "message": says }))]);
    let playbook = format!(
        "version: 1\nproviders:\n  api:\n    base_url: {}\n    credentials: {{ key: {{ from: [stored, prompt] }} }}\n    \
         auth:\n      login: {{ post: /login, json: {{ key: '${{{{ credentials.key }}}}' }} }}\n      session: {{ token: $.token }}\n      \
         send: {{ headers: {{ X-Token: '${{{{ session.token }}}}' }} }}\n    \
         errors: {{ message: $.message }}\nsteps: [{{ authenticate: api }}]\n",
        server.base_url()
    );
    let login = Runner::new().file("p.yaml", playbook).args(["login", "api", "--playbook", "p.yaml"]);
    let mut terminal = login.keyring(&keyring).plant("key-geheim-1").open_terminal(SIZE);
    terminal.wait_for("Key: ").send("key-geheim-1\r");
    let screen = terminal.finish().exits(3).stdout;
    assert!(screen.contains(r"(401, \u{1b}]0;owned\u{7} \u{1b}[2J \u{202e})"), "{screen:?}");
    assert!(!screen.contains("\u{1b}]0;") && !screen.contains('\u{202e}'), "{screen:?}");
}
