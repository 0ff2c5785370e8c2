//! What outlives a run on disk: killed between two records, kept where there is no room, locked, damaged.

use crate::support::own_mounts::own_mounts;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use rustix::process::{Signal, geteuid};
use serde_json::json as object;

use super::api::{Api, LOGIN, LOGOUT, arguments, furnish, state_folder};
use super::server::Act;
use crate::support::PATIENCE;
use crate::support::runner::{Output, Runner};

const RUNNER: &str = env!("CARGO_BIN_EXE_runner");

const READ: &str = "steps:\n  - { id: read, get: /data }\n";
const DATA: &str = "GET /data";
const WRITES: &str = "steps:\n  - { id: one, post: /orders/1 }\n  - { id: two, post: /orders/2 }\n";
const ORDERS: [&str; 2] = ["POST /orders/1", "POST /orders/2"];

/// `runner` with these words, in the folders and with the account of a run.
fn again(run: &Runner, words: &[&str]) -> Output {
    run.clone().program(RUNNER, words).run()
}

// SIGKILL

/// Asserts what holds whenever a run was killed and gone on with: no write was sent twice, and what the resumed run calls
/// done was sent.
#[track_caller]
fn nothing_is_done_twice(api: &Api, resumed: &Output, when: usize) -> bool {
    let counts = ORDERS.map(|line| api.server.count(line));
    let text = format!("killed at call {when}: {counts:?}\n{}", resumed.text());
    assert!(counts.iter().all(|count| *count <= 1), "{text}");
    match resumed.code {
        Some(0) => assert_eq!(counts, [1, 1], "{text}"),
        Some(5) => assert!(resumed.stderr.contains("nobody knows whether"), "{text}"),
        // Its last record was written, and all is done.
        Some(2) => assert!(resumed.stderr.contains("is done") && counts == [1, 1], "{text}"),
        _ => panic!("{text}"),
    }
    resumed.code == Some(5)
}

#[test]
fn sigkill_between_any_two_records() {
    let (mut kills, mut in_flight) = (0, 0);
    for when in 1.. {
        let api = Api::start(|_, _| None);
        let inject = format!("inject=write,writev,sendto,fdatasync:signal=KILL:when={when}");
        let words =
            ["-f", "-qq", "-o", "calls", "-e", "trace=write,writev,sendto,fdatasync", "-e", &inject, RUNNER];
        let run = furnish(Runner::of("strace"), WRITES, &api.server.url()).args(words);
        let killed = run.clone().args(arguments(&api.server.url())).run();
        if killed.signal.is_none() {
            killed.exits(0);
            break;
        }
        kills += 1;
        let has_begun = fs::read_dir(state_folder(&killed).join("runs"))
            .is_ok_and(|runs| runs.flatten().any(|run| run.metadata().is_ok_and(|file| file.len() > 0)));
        let resumed = match has_begun {
            true => again(&run, &["resume", "last"]),
            // It had sent nothing, and there is nothing to go on with.
            false => run
                .clone()
                .program(RUNNER, &arguments(&api.server.url()).each_ref().map(String::as_str))
                .run(),
        };
        in_flight += usize::from(nothing_is_done_twice(&api, &resumed, when));
    }
    assert!(kills > 10 && in_flight > 1, "{kills} kills, {in_flight} with a write in flight");
}

// Disks

/// The program with its state on a disk of its own of 16 KiB, of which so much is taken.
fn with_a_small_disk(api: &Api, rest: &str, taken: &str) -> Output {
    let script = format!(
        "mkdir small && mount -t tmpfs -o size=16k none small && head -c {taken} /dev/zero > small/filler || exit 99
        exec \"$@\" --state-dir small/state"
    );
    let program = furnish(Runner::of("unshare"), rest, &api.server.url());
    let program = program.args(own_mounts()).args(["sh", "-c", &script, "sh", RUNNER]);
    program.args(arguments(&api.server.url())).run()
}

#[test]
fn disk_full_for_the_journal() {
    // From the beginning: nothing is sent.
    let api = Api::start(|_, _| None);
    let output = with_a_small_disk(&api, WRITES, "16k").exits(8);
    assert!(output.stderr.contains("No space left on device"), "{}", output.stderr);
    assert_eq!(api.server.lines(), Vec::<String>::new());
    // In the middle: no write is sent whose intent is not on the disk, and the session is closed.
    let api = Api::start(|_, _| None);
    let rest = "steps: [{ for_each: \"${{ range(0, 100) }}\", post: /orders }]\n";
    let output = with_a_small_disk(&api, rest, "0").exits(8);
    let output = output.explains(&["error: ", "No space left on device", "what now: "]);
    let writes = api.server.count("POST /orders");
    assert!((1..100).contains(&writes), "{writes} writes");
    assert_eq!((api.server.count(LOGIN), api.server.count(LOGOUT)), (1, 1));
    let report = output.report();
    assert_eq!((&report["exit_code"], &report["requests"]), (&object!(8), &object!(writes + 2)));
}

#[test]
fn read_only_home() {
    let script = "mkdir home && mount -t tmpfs -o ro none home || exit 99
        HOME=$PWD/home; unset XDG_STATE_HOME XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_RUNTIME_DIR
        exec \"$@\"";
    let start = |api: &Api| {
        let program = furnish(Runner::of("unshare"), READ, &api.server.url());
        let program = program.args(own_mounts()).args(["sh", "-c", script, "sh", RUNNER]);
        program.args(arguments(&api.server.url()))
    };
    let api = Api::start(|_, _| None);
    let output = start(&api).run().exits(8).explains(&["error: ", "Read-only file system", "--state-dir"]);
    assert_eq!(api.server.lines(), Vec::<String>::new(), "{}", output.stderr);
    start(&api).args(["--state-dir", "state"]).run().exits(0);
    api.assert_asked(&[DATA]);
}

// Two runs

#[test]
fn two_runs_at_once() {
    let (is_here, here) = channel();
    let (go_on, may_go_on) = channel();
    let mut may_go_on = Some(may_go_on);
    let api = Api::start(move |request, sessions| {
        let may_go_on = if request.line == DATA { may_go_on.take()? } else { return None };
        let before = [Act::Announce(is_here.clone()), Act::Await(may_go_on)];
        Some(before.into_iter().chain(sessions.answer(request)).collect())
    });
    let run = api.apply(READ);
    let first = run.spawn();
    here.recv_timeout(PATIENCE).expect("the first is at work");
    let second = run.clone().args(["--report", "json=second.json"]).run().exits(75);
    let holder = format!("process {}", first.id());
    assert!(second.stderr.contains(&holder), "{holder}: {}", second.stderr);
    assert_eq!(api.server.lines(), [LOGIN, DATA], "the second sends nothing");
    go_on.send(()).expect("the server waits");
    let output = first.finish().exits(0);
    api.assert_asked(&[DATA]);
    api.complete(&output);
}

// State files that cannot be trusted

/// A run that was killed while its first write was in flight: what it was, its journal, its server.
fn killed_in_flight() -> (Api, Runner, PathBuf) {
    let (is_here, here) = channel();
    let api = Api::answering(ORDERS[0], move |_| vec![Act::Announce(is_here.clone()), Act::Silence]);
    let run = api.apply(WRITES);
    let mut running = run.spawn();
    here.recv_timeout(PATIENCE).expect("the write is asked");
    running.signal(Signal::KILL);
    let output = running.finish();
    let mut journals = fs::read_dir(state_folder(&output).join("runs")).expect("the run has begun");
    let journal = journals.next().expect("a journal").expect("a readable folder").path();
    (api, run, journal)
}

/// Resumes it where its state cannot be trusted: that is said, and nothing is sent.
#[track_caller]
fn nothing_is_trusted(api: &Api, run: &Runner, reason: &str) {
    let before = api.server.lines().len();
    let output = again(run, &["resume", "last"]).exits(8).explains(&["error: ", reason]);
    assert_eq!(api.server.lines().len(), before, "{}", output.text());
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the file is the test's own");
}

#[test]
fn corrupt_state_files() {
    let (api, run, journal) = killed_in_flight();
    let whole = fs::read(&journal).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped[..], b"garbage\n", b"\n", &[0xff; 300], &whole[..whole.len() / 2]] {
        fs::write(&journal, damaged).unwrap();
        nothing_is_trusted(&api, &run, "journal");
    }
    // Whole again, it is what it was: the write was sent, and nobody knows more.
    fs::write(&journal, &whole).unwrap();
    again(&run, &["resume", "last"]).exits(5);
    assert_eq!(ORDERS.map(|line| api.server.count(line)), [1, 0]);
}

#[test]
fn corrupt_locks() {
    let api = Api::start(|_, _| None);
    let run = api.apply(READ);
    let output = run.run().exits(0);
    for lock in fs::read_dir(state_folder(&output).join("locks")).expect("a lock was taken") {
        fs::write(lock.unwrap().path(), [0xff; 100]).unwrap();
    }
    run.run().exits(0);
}

#[test]
fn wide_open_state_files() {
    let (api, run, journal) = killed_in_flight();
    set_mode(&journal, 0o666);
    nothing_is_trusted(&api, &run, "other users");
    set_mode(&journal, 0o600);
    let runs = journal.parent().expect("a folder");
    for folder in [runs, runs.parent().expect("a folder")] {
        set_mode(folder, 0o777);
        nothing_is_trusted(&api, &run, "other users");
        let before = api.server.lines().len();
        run.run().exits(8).explains(&["error: ", "other users", "chmod"]);
        assert_eq!(api.server.lines().len(), before);
        set_mode(folder, 0o700);
    }
}

#[test]
fn foreign_state_files() {
    let api = Api::start(|_, _| None);
    let run = api.apply(READ);
    let folder = run.dir().join("foreign");
    fs::create_dir(&folder).unwrap();
    // Who cannot give a folder away takes one that was never his.
    let foreign = if geteuid().is_root() { folder } else { PathBuf::from("/usr") };
    if geteuid().is_root() {
        chown(&foreign, Some(12_345), None).unwrap();
    }
    let run = run.args(["--state-dir".as_ref(), foreign.as_os_str()]);
    run.run().exits(8).explains(&["error: ", "belongs to another user"]);
    assert_eq!(api.server.lines(), Vec::<String>::new());
}

#[test]
fn wide_open_folders() {
    // Of a provider that locks accounts refusals are remembered, too.
    let definition = include_str!("../../cases/faults/api.yaml");
    let definition = definition.replace("auth:\n", "auth:\n  lockout: { after: 3, for: 5m }\n");
    let api = Api::start(|_, _| None);
    let run = api.apply(READ).file("api.yaml", definition);
    let output = run.run().exits(0);
    for name in ["runs", "sessions", "refusals", "locks"] {
        let folder = state_folder(&output).join(name);
        fs::create_dir_all(&folder).expect("the state folder is the test's own");
        set_mode(&folder, 0o777);
        let before = api.server.lines().len();
        run.run().exits(8).explains(&["error: ", name, "other users", "chmod"]);
        assert_eq!(api.server.lines().len(), before, "{name}");
        set_mode(&folder, 0o700);
    }
}

#[test]
fn foreign_journals() {
    if !geteuid().is_root() {
        // Nobody else can give a file away, and so nobody else meets one in a folder of his own.
        return;
    }
    let (api, run, journal) = killed_in_flight();
    chown(&journal, Some(12_345), None).unwrap();
    nothing_is_trusted(&api, &run, "another user");
}
