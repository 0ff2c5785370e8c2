//! Questions to a person: asked on a terminal only, without echo, and left in good order.

use std::fs;

use runner::simulate::Provider;

use super::support::fleet::Fleet;
use super::support::keyring::Keyring;
use super::support::pty::{Size, Terminal};
use super::support::runner::Runner;

const SIZE: Size = Size { columns: 200, rows: 40 };

const PASSWORD: &str = "c0rrect-horse";

/// `runner login` in a shell that then says how it ended, and whether the terminal shows again what is typed.
fn login_in_shell(keyring: &Keyring, before: &str) -> (Terminal, Fleet, std::path::PathBuf) {
    let emnify = Fleet::of(Provider::Emnify);
    let script = format!(
        "trap : INT; {before} sh -c 'echo $$ > pid; exec {} login emnify --base-url {}'; \
         echo exit code $?; stty -a | grep -o '.echo ' ",
        env!("CARGO_BIN_EXE_runner"),
        emnify.base_url()
    );
    let shell = Runner::of("sh").args(["-c", &script]).env("NO_COLOR", "1").keyring(keyring).plant(PASSWORD);
    let dir = shell.dir();
    (shell.open_terminal(SIZE), emnify, dir)
}

#[test]
fn ctrl_c_at_a_hidden_question_ends_the_command_and_restores_the_terminal() {
    let keyring = Keyring::open();
    let (mut terminal, emnify, _) = login_in_shell(&keyring, "");
    terminal.wait_for("Username: ").send("me\r").wait_for("Password: ").send("c0rrect-horse\x03");
    terminal.wait_for("exit code 130").wait_for(" echo");
    terminal.finish();
    assert_eq!(emnify.stats().total_requests(), 0);
}

#[test]
fn ctrl_c_at_an_open_question_ends_the_command() {
    let keyring = Keyring::open();
    let (mut terminal, emnify, _) = login_in_shell(&keyring, "");
    terminal.wait_for("Username: ").send("m\x03").wait_for("exit code 130").wait_for(" echo");
    terminal.finish();
    assert_eq!(emnify.stats().total_requests(), 0);
}

#[test]
fn a_signal_at_a_hidden_question_restores_the_terminal() {
    let keyring = Keyring::open();
    let (mut terminal, _emnify, dir) =
        login_in_shell(&keyring, "mkfifo go; (read x < go; kill -TERM $(cat pid)) &");
    terminal.wait_for("Username: ").send("me\r").wait_for("Password: ");
    fs::write(dir.join("go"), "now\n").expect("the shell reads");
    terminal.wait_for("exit code 143").wait_for(" echo");
    terminal.finish();
}

#[test]
fn no_answer_is_no_credential() {
    let keyring = Keyring::open();
    for keys in ["\x04", "\r"] {
        let (mut terminal, emnify, _) = login_in_shell(&keyring, "");
        terminal.wait_for("Username: ").send(keys);
        terminal.wait_for("error: emnify.username: no answer was given").wait_for("exit code 3");
        terminal.finish();
        assert_eq!(emnify.stats().total_requests(), 0, "{keys:?}");
    }
}

#[test]
fn a_long_token_can_be_pasted() {
    // A terminal that reads lines holds 4095 characters at most.
    let keyring = Keyring::open();
    let emnify = Fleet::of(Provider::Emnify);
    let token = "x".repeat(6000);
    let login = Runner::new().args(["login", "emnify", "--method", "application_token"]).at(&emnify);
    let mut terminal = login.keyring(&keyring).plant(&token).open_terminal(SIZE);
    terminal.wait_for("Application token: ").send(&format!("{token}\r"));
    terminal.finish().exits(3);
    let body = emnify.requests().last().expect("a login was sent").body.clone();
    assert!(body.len() > 6000, "{}", body.len());
}

#[test]
fn nobody_is_asked_without_a_terminal() {
    let output = Runner::new().args(["login", "emnify"]).stdin("me\nsecret\n").run().exits(3);
    let expected = "error: `runner login` asks for credentials: no terminal to ask at\n  \
                    what now: where nobody is there, set the variables that `runner show emnify` names\n";
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", expected));
}

#[test]
fn a_name_that_nobody_knows() {
    let output = Runner::new().args(["login", "emnfy"]).run().exits(2);
    let expected = "error: no provider `emnfy` is built in\n  what now: did you mean `emnify`; to sign in to a provider of \
                    your own: `runner login emnfy --playbook FILE`\n";
    assert_eq!(output.stderr, expected);
    let output = Runner::new().args(["login", "emnify", "--method", "usr"]).run().exits(2);
    let expected = "error: emnify has no method `usr`\n  what now: it has application_token, user\n";
    assert_eq!(output.stderr, expected);
}

#[test]
fn credentials_do_not_travel_in_plain_text() {
    let output =
        Runner::new().args(["login", "emnify", "--base-url", "http://emnify.example"]).run().exits(2);
    let advice = "what now: use https (`--base-url`), or accept that with `--allow-http`";
    assert!(output.stderr.contains(advice), "{}", output.stderr);
}
