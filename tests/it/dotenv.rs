//! `.env` beside the playbook: found, named with its line, refused when others could have written it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::support::runner::Runner;

const ENV: &str =
    "# emnify, the fleet\nEMNIFY_USERNAME=me@example.com\nexport EMNIFY_PASSWORD='c0rrect $horse'\n";

fn status() -> Runner {
    Runner::new().file(".env", ENV).plant("c0rrect $horse").args(["status", "emnify"])
}

fn set_mode(runner: &Runner, mode: u32) {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(runner.dir().join(".env"), permissions).expect("the file is ours");
}

#[test]
fn a_variable_is_named_with_its_line() {
    let output = status().run().exits(0);
    assert!(
        output.stdout.contains("  username           env EMNIFY_USERNAME, .env line 2\n"),
        "{}",
        output.stdout
    );
    assert!(
        output.stdout.contains("  password           env EMNIFY_PASSWORD, .env line 3\n"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.ends_with("  signs in by `user`\n"), "{}", output.stdout);
    assert_eq!(output.stderr, "");
}

#[test]
fn the_process_comes_first() {
    let output = status().env("EMNIFY_PASSWORD", "another one").run().exits(0);
    assert!(output.stdout.contains("  password           env EMNIFY_PASSWORD\n"), "{}", output.stdout);
}

#[test]
fn a_file_that_others_can_read_is_said() {
    let status = status();
    set_mode(&status, 0o644);
    assert_eq!(status.run().exits(0).stderr, "warning: .env can be read by others; `chmod 600` it\n");
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let status = status();
    set_mode(&status, 0o620);
    let output = status.run().exits(2);
    assert!(output.stderr.contains(".env can be written by others"), "{}", output.stderr);
    assert_eq!(output.stdout, "");
}

#[test]
fn a_line_that_is_no_variable_is_named_and_not_shown() {
    let broken = Runner::new().file(".env", "A=1\nc0rrect horse\n").plant("c0rrect horse");
    let output = broken.args(["status", "emnify"]).run().exits(2);
    assert!(output.stderr.contains(".env:2 is not `NAME=value`"), "{}", output.stderr);
}
