//! Journals that cannot be trusted or written: said, with exit code 8, and nothing is sent that could be done twice.

use crate::support::own_mounts::own_mounts;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::orders::{ONCE, Orders, STEPS, Trap, journals};
use super::support::runner::{Output, Runner};

/// A room with a run that was killed while its tenth request was on its way, and its journal.
fn killed(orders: &Orders) -> (Runner, PathBuf) {
    let room = orders.room(STEPS);
    let apply = room.clone().args(["apply", "p.yaml"]);
    let output = orders.spawn(&apply, Some(Trap::Received(10))).finish();
    assert_eq!(output.signal, Some(9), "{}", output.text());
    let journal = journals(&room).remove(0);
    (room, journal)
}

/// Asserts that going on with a run is refused, that the words are said, and that nothing is sent.
#[track_caller]
fn assert_refused(orders: &Orders, room: &Runner, journal: &Path, words: &str) {
    let before = (orders.counts(), orders.opened());
    let path = journal.display().to_string();
    for arguments in [&["resume", "last"][..], &["resolve", "last", "states[1]", "--retry"]] {
        let output = orders.run(&room.clone().args(arguments)).exits(8);
        for words in [words, &path] {
            assert!(output.stderr.contains(words), "{words}\n{}", output.stderr);
        }
    }
    assert_eq!((orders.counts(), orders.opened()), before);
    room.clone().args(["history"]).run().exits(0);
}

#[test]
fn a_damaged_journal_is_named_with_the_place() {
    let orders = Orders::start();
    let (room, journal) = killed(&orders);
    let whole = fs::read(&journal).unwrap();
    let flipped = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        bytes
    };
    let middle = whole.len() / 2;
    for (bytes, words) in [
        (whole[..middle].to_vec(), format!("it is cut: {middle} of at least")),
        (whole[..20].to_vec(), "its first line is damaged".to_owned()),
        (b"version: 1\n".repeat(99), "its first line is damaged".to_owned()),
        (flipped(30), "its first line is damaged".to_owned()),
        (flipped(60), "line 2 is damaged, at byte 56".to_owned()),
        (flipped(middle), "is damaged, at byte ".to_owned()),
    ] {
        fs::write(&journal, bytes).unwrap();
        assert_refused(&orders, &room, &journal, &words);
    }
    let before = orders.counts();
    fs::write(&journal, "").unwrap();
    orders.run(&room.clone().args(["resume", "last"])).exits(2);
    assert_eq!(orders.counts(), before, "nothing is known, and nothing is sent");
    fs::write(&journal, whole).unwrap();
    orders.run(&room.clone().args(["resume", "last"])).exits(0);
    assert_eq!(orders.counts(), [1; ONCE.len()]);
}

#[test]
fn what_others_may_have_written_is_not_believed() {
    let orders = Orders::start();
    let (room, journal) = killed(&orders);
    let whole = fs::read(&journal).unwrap();
    fs::set_permissions(&journal, fs::Permissions::from_mode(0o666)).unwrap();
    assert_refused(&orders, &room, &journal, "other users may write it");
    fs::set_permissions(&journal, fs::Permissions::from_mode(0o600)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&journal, Some(65534), None).unwrap();
        assert_refused(&orders, &room, &journal, "it belongs to another user");
    }
    fs::remove_file(&journal).unwrap();
    assert!(Command::new("mkfifo").arg(&journal).status().unwrap().success());
    assert_refused(&orders, &room, &journal, "it is no regular file");
    fs::remove_file(&journal).unwrap();
    let elsewhere = room.dir().join("elsewhere");
    fs::write(&elsewhere, &whole).unwrap();
    symlink(&elsewhere, &journal).unwrap();
    assert_refused(&orders, &room, &journal, "it is no regular file");
    fs::remove_file(&journal).unwrap();
    fs::create_dir(&journal).unwrap();
    assert_refused(&orders, &room, &journal, "it is no regular file");
}

/// Runs a playbook with a disk of its own for its state, which is prepared and looked at by a shell.
fn run_on_disk(orders: &Orders, room: &Runner, options: &str, before: &str) -> Output {
    let script = format!(
        "room=$PWD; mkdir -p -m 700 $XDG_STATE_HOME/runner && cd $XDG_STATE_HOME/runner &&
         mount -t tmpfs -o mode=700,{options} none . && cd . && {before} cd $room && \"$@\"
         code=$?; cp -r $XDG_STATE_HOME/runner/runs kept 2>/dev/null; exit $code"
    );
    let starter = [&["unshare"][..], &own_mounts(), &["sh", "-c", &script, "sh"]].concat();
    orders.run(&room.clone().args(["apply", "p.yaml"]).under(starter))
}

#[test]
fn a_disk_that_takes_no_journal_lets_nothing_be_sent() {
    let orders = Orders::start();
    for (options, before) in [
        ("size=4k", "head -c 4096 /dev/zero > filler;"),
        ("size=1m", "mount -o remount,ro $PWD;"),
        ("size=1m", "touch runs;"),
        ("size=1m", "mkdir -m 777 runs;"),
        ("size=1m", "chmod 777 .;"),
    ] {
        let room = orders.room(STEPS);
        let output = run_on_disk(&orders, &room, options, before).exits(8);
        assert!(output.stderr.contains("nothing was sent"), "{before}\n{}", output.stderr);
        assert_eq!(orders.opened(), 0, "{before}");
    }
}

#[test]
fn a_disk_that_fills_up_ends_the_run_before_the_write_that_it_cannot_announce() {
    let ends = ["size=16k", "size=20k", "size=24k", "size=28k"].map(|size| {
        let orders = Orders::start();
        let room = orders.room(STEPS);
        let output = run_on_disk(&orders, &room, size, "").exits(8);
        assert!(output.stderr.contains("cannot be written: No space left on device"), "{}", output.stderr);
        assert_eq!((orders.opened(), orders.open_of_last()), (1, 0), "{}", output.text());
        let kept = fs::read_dir(output.dir.join("kept")).unwrap().next().unwrap().unwrap().path();
        let text = fs::read_to_string(&kept).unwrap();
        let sent = ONCE.iter().filter(|write| orders.count(write) > 0);
        for write in sent.clone() {
            let path = write.trim_start_matches("POST ");
            assert!(text.contains(&format!("\"words\":\"POST http://{}{path}\"", orders.host())), "{write}");
        }
        assert!((1..ONCE.len()).contains(&sent.count()), "{size} {:?}", orders.counts());
        // With room on the disk the run goes on where it was.
        fs::create_dir_all(room.journals()).unwrap();
        for folder in [room.journals(), room.journals().join("..")] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        }
        fs::copy(&kept, room.journals().join(kept.file_name().unwrap())).unwrap();
        let resumed = orders.run(&room.clone().args(["resume", "last"]));
        assert!(orders.counts().iter().all(|count| *count <= 1), "{size} {:?}", orders.counts());
        match resumed.code {
            Some(0) => assert_eq!(orders.counts(), [1; ONCE.len()]),
            // There was room for the outcome of a write, and none for what it had brought.
            Some(1) => assert!(resumed.stderr.contains("but what it brought is lost"), "{}", resumed.stderr),
            _ => panic!("{}", resumed.text()),
        }
        resumed.code
    });
    assert!(ends.contains(&Some(0)), "{ends:?}");
}
