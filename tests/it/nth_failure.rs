//! A run in which the n-th call of the system fails, for each n: no write goes out that the journal does not know, no report
//! is half there, whatever its form and whoever asks for it, and the session is closed.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use serde_json::Value;

use super::support::orders::{Orders, journals};
use super::support::runner::{Output, Runner};

/// How many runs are under way at a time.
const WORKERS: usize = 3;

const STEPS: &str = "
  - id: order
    post: /orders
    outputs: { id: $.id }
    cleanup: [{ delete: '/orders/${{ steps.order.outputs.id }}' }]
  - { id: lines, get: /lines, save: lines.json }
  - id: notes
    for_each: [1, 2]
    post: /notes/${{ item }}
report: { junit: r.xml, har: r.har }
";
const WRITES: [&str; 4] = ["POST /orders", "POST /notes/1", "POST /notes/2", "DELETE /orders/orders"];
/// One in each form: two that the playbook asks for, two of the command line.
const REPORTS: [&str; 4] = ["r.xml", "r.har", "r.json", "r.html"];
/// What an earlier run has left under the name of a report, in every other room.
const EARLIER: &str = "the report of an earlier run";

/// The calls, what each fails with, and in which threads they are counted: each for itself.
const FAULTS: [(&str, &str, Threads); 10] = [
    ("write", "ENOSPC", Threads::Main),
    ("write", "EIO", Threads::Main),
    ("fdatasync", "EIO", Threads::Main),
    ("fdatasync", "ENOSPC", Threads::All),
    ("fsync", "EIO", Threads::Main),
    ("fsync", "EIO", Threads::All),
    ("rename", "EACCES", Threads::Main),
    ("connect", "EACCES", Threads::Main),
    ("openat", "EACCES", Threads::Main),
    ("openat", "EMFILE", Threads::All),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Threads {
    Main,
    /// That of the journal, too. The folders of the journal are there before, so that the main thread does not come first.
    All,
}

/// One call that fails.
#[derive(Debug, Clone, Copy)]
struct Fault {
    call: &'static str,
    error: &'static str,
    threads: Threads,
    number: usize,
}

fn apply(room: &Runner) -> Runner {
    room.clone().args(["apply", "--report", "json=r.json", "--report", "html=r.html", "p.yaml"])
}

/// A room in which, after every other fault, reports of an earlier run lie.
fn room(orders: &Orders, number: usize) -> Runner {
    let earlier = REPORTS.iter().filter(|_| has_earlier_reports(number));
    earlier.fold(orders.room(STEPS), |room, report| room.file(report, EARLIER))
}

/// Lets `strace` start the run, change what `inject` says, and write to `calls.txt` what it sees.
fn traced(room: &Runner, threads: Threads, expressions: &[&str]) -> Runner {
    let follows: &[&str] = if threads == Threads::All { &["-f"] } else { &[] };
    let expressions = expressions.iter().flat_map(|expression| ["-e", *expression]);
    let strace = ["strace", "-y", "-qq", "-o", "calls.txt"].into_iter();
    apply(room).under(strace.chain(follows.iter().copied()).chain(expressions)).may_hold("calls.txt")
}

/// The faults of all calls but those of the system's own start.
fn faults() -> Vec<Fault> {
    let orders = Orders::start();
    let mut faults = Vec::new();
    for (call, error, threads) in FAULTS {
        let room = orders.room(STEPS);
        let trace =
            orders.run(&traced(&room, threads, &[&format!("trace={call}")])).exits(0).read("calls.txt");
        let calls = trace.lines().filter(|line| line.contains(&format!("{call}("))).enumerate();
        let is_own = |line: &str| {
            !["[eventfd]", "ld.so", ".so.", "\"/proc/", "\"/sys/"].iter().any(|part| line.contains(part))
        };
        let own = calls.filter(|(_, line)| is_own(line));
        faults.extend(own.map(|(index, _)| Fault { call, error, threads, number: index + 1 }));
    }
    faults
}

#[test]
#[expect(
    clippy::disallowed_macros,
    reason = "whoever runs the sweep wants to know how many faults it has met"
)]
fn whatever_call_fails_nothing_is_sent_unannounced_and_no_report_is_half_there() {
    let faults = faults();
    let (next, codes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let orders = Orders::start();
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let code = fail(&orders, *fault);
                    *codes.lock().unwrap().entry((fault.call, code)).or_insert(0) += 1;
                }
            });
        }
    });
    println!("{} faults, and how the runs ended: {:?}", faults.len(), codes.into_inner().unwrap());
    for (call, ..) in FAULTS {
        assert!(faults.iter().any(|fault| fault.call == call), "a run has a {call}");
    }
}

/// Runs with a fault, judges, and goes on with the run. Returns the exit code of the first.
fn fail(orders: &Orders, fault: Fault) -> i32 {
    let room = room(orders, fault.number);
    if fault.threads == Threads::All {
        DirBuilder::new().recursive(true).mode(0o700).create(room.journals()).unwrap();
    }
    let Fault { call, error, number, threads } = fault;
    let inject = format!("inject={call}:error={error}:when={number}");
    let output = orders.run(&traced(&room, threads, &[&format!("trace={call}"), &inject]));
    let code = judge(orders, fault, &output);
    if !journals(&room).is_empty() {
        let seen = format!("{fault:?}, resumed");
        let output = orders.run(&room.clone().args(["resume", "last"]));
        assert!(matches!(output.code, Some(0 | 1 | 2 | 5 | 8)), "{seen}\n{}", output.text());
        assert!(WRITES[..3].iter().all(|write| orders.count(write) <= 1), "{seen}\n{}", output.text());
        assert_eq!(orders.unannounced(), [""; 0], "{seen}");
    }
    code
}

fn has_earlier_reports(number: usize) -> bool {
    number.is_multiple_of(2)
}

fn judge(orders: &Orders, fault: Fault, output: &Output) -> i32 {
    let seen = format!("{fault:?}\n{}", output.text());
    let code = output.code.unwrap_or_else(|| panic!("ended by a signal: {seen}"));
    // A wake-up within the program, which comes at other places in each run, does not fail in the real world.
    let calls = output.read("calls.txt");
    if calls.lines().any(|line| line.contains("INJECTED") && line.contains("[eventfd]")) {
        return code;
    }
    assert!(!output.stderr.contains("panicked") && !output.stderr.contains("bug in runner"), "{seen}");
    assert_eq!(orders.unannounced(), [""; 0], "sent before the journal knew: {seen}");
    let files = left_behind(&output.dir);
    files.iter().for_each(|file| assert_whole(&output.dir, file, &seen));
    let is_lost = |report: &&&str| has_earlier_reports(fault.number) && !output.dir.join(report).exists();
    assert_eq!(REPORTS.iter().filter(is_lost).collect::<Vec<_>>(), [&""; 0], "lost: {seen}");
    assert!(
        orders.open_of_last() == 0 || output.stderr.contains("session"),
        "a session is left open unsaid: {seen}"
    );
    let is_all_done = WRITES.iter().all(|write| orders.count(write) == 1);
    match (code, fault.call) {
        (0, _) => assert!(is_all_done, "{seen}"),
        (8, _) | (2..=4, "connect" | "openat") | (7, "connect") => {}
        _ => panic!("another exit code was expected: {seen}"),
    }
    for report in REPORTS.iter().filter(|_| orders.opened() > 0) {
        let is_new = fs::read_to_string(output.dir.join(report)).is_ok_and(|text| text != EARLIER);
        let is_said =
            code == 8 && output.stderr.contains(&format!("failed to write the report to {report}: "));
        assert!(is_new || is_said, "{report} is missing unsaid: {seen}");
    }
    code
}

/// The names of the files that are there besides those of the test.
fn left_behind(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.filter(|name| !["p.yaml", "calls.txt"].contains(&name.as_str())).collect()
}

/// A file is a whole one, of this run or of an earlier one. What a run leaves under a temporary name is none.
fn assert_whole(dir: &Path, name: &str, seen: &str) {
    let text = fs::read_to_string(dir.join(name)).unwrap();
    let is_json = || serde_json::from_str::<Value>(&text).is_ok();
    let is_whole = match name.trim_end_matches(".partial") {
        "r.json" | "r.har" | "lines.json" => is_json(),
        "r.xml" => text.starts_with("<?xml ") && text.trim_end().ends_with("</testsuites>"),
        "r.html" => text.starts_with("<!doctype html>") && text.trim_end().ends_with("</html>"),
        _ => false,
    };
    assert!(is_whole || text == EARLIER, "{name} is half: {text}\n{seen}");
}
