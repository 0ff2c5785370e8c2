//! A run that is killed wherever it can be, and taken up again: no write is done twice, none is lost unseen, and no session
//! is left open that nobody names.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use runner::journal::{Recording, step_of, unknown};
use rustix::process::Signal;

use super::support::orders::{IDEMPOTENT, ONCE, Orders, REQUESTS, STEPS, Trap, recording};
use super::support::runner::{Output, Runner};

/// How many runs are under way at a time.
const WORKERS: usize = 3;
/// How many runs are killed at moments that nothing chooses.
const MOMENTS: usize = 60;

/// What the system is called for between any two records of a journal.
const CALLS: [&str; 2] = ["write", "fdatasync"];

/// Where a run is killed.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// By the server.
    Trap(Trap),
    /// By the server, and the one that goes on with it, too.
    Twice(Trap, Trap),
    /// Before its n-th call of the system.
    Call(&'static str, usize),
    /// This part of the time that a whole run takes.
    Moment(f64),
}

/// What became of the runs.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    /// With a write in flight.
    in_flight: usize,
    /// The process had come to its end before.
    missed: usize,
    /// What the run that went on ended with, and how often.
    done: usize,
    unknown: usize,
    lost: usize,
    /// There was nothing to go on with yet, or nothing any more.
    too_early: usize,
    too_late: usize,
    /// Sessions that killed processes have left open, all of them named.
    left_open: usize,
}

#[test]
#[expect(
    clippy::disallowed_macros,
    reason = "whoever runs the sweep wants to know how many kills it has survived"
)]
fn no_write_is_done_twice_wherever_the_process_is_killed() {
    let deaths = deaths();
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let whole = whole_run();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let orders = Orders::start();
                while let Some((index, death)) = take(&deaths, &next) {
                    Sweep { orders: &orders, tally: &tally, death, is_told: index % 2 == 1 }.run(whole);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("{tally:?}");
    assert!(tally.kills >= 300, "{tally:?}");
    assert!(tally.in_flight * 3 >= tally.kills, "{tally:?}");
    assert!(tally.unknown > 0 && tally.done > 0 && tally.lost > 0, "{tally:?}");
    assert!(tally.left_open * 2 >= tally.kills, "{tally:?}");
}

fn take(deaths: &[Death], next: &AtomicUsize) -> Option<(usize, Death)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    deaths.get(index).map(|death| (index, *death))
}

fn apply(room: &Runner) -> Runner {
    room.clone().args(["apply", "p.yaml"])
}

fn resume(room: &Runner) -> Runner {
    room.clone().args(["resume", "last"])
}

/// How long a run takes that nobody kills.
fn whole_run() -> Duration {
    let orders = Orders::start();
    let room = orders.room(STEPS);
    let started = Instant::now();
    orders.run(&apply(&room)).exits(0);
    assert_eq!(orders.counts(), [1; ONCE.len()]);
    started.elapsed()
}

/// All places where runs are killed.
fn deaths() -> Vec<Death> {
    let mut deaths = Vec::new();
    for request in 1..=REQUESTS {
        deaths.push(Death::Trap(Trap::Received(request)));
        deaths.push(Death::Trap(Trap::Answered(request)));
        let later = Trap::Received(request % 5 + 2);
        deaths.push(Death::Twice(Trap::Received(request), later));
    }
    for (call, count) in calls() {
        deaths.extend((1..=count).map(|number| Death::Call(call, number)));
    }
    // The golden ratio spreads them evenly, however many there are.
    deaths.extend((1..=MOMENTS).map(|number| Death::Moment((number as f64 * 0.618_034).fract())));
    deaths
}

/// How often a run calls them.
fn calls() -> Vec<(&'static str, usize)> {
    let orders = Orders::start();
    let count = |call: &'static str| {
        let room = orders.room(STEPS);
        let traced = apply(&room).under(strace(call, "calls.txt"));
        let trace = orders.run(&traced).exits(0).read("calls.txt");
        (call, trace.lines().filter(|line| line.contains(&format!("{call}("))).count())
    };
    CALLS.map(count).to_vec()
}

/// What looks at the calls of one name. Those of each thread are counted for themselves: the main one writes, and others
/// make durable what it has written.
fn strace<'a>(call: &'a str, file: &'a str) -> impl Iterator<Item = &'a str> {
    let threads: &[&str] = if call == "write" { &[] } else { &["-f"] };
    ["strace", "-qq", "-o", file, "-e", call].into_iter().chain(threads.iter().copied())
}

/// One run from its beginning over its death to its end.
struct Sweep<'a> {
    orders: &'a Orders,
    tally: &'a Mutex<Tally>,
    death: Death,
    /// Before it goes on, somebody looks at the server and says what is unknown.
    is_told: bool,
}

impl Sweep<'_> {
    fn run(&self, whole: Duration) {
        let room = self.orders.room(STEPS);
        let (killed, death) = self.kill(&room, whole);
        self.note(|tally| if killed { tally.kills += 1 } else { tally.missed += 1 });
        let Some(recording) = recording(&room) else {
            assert_eq!(self.orders.opened(), 0, "{death:?}");
            return self.note(|tally| tally.too_early += 1);
        };
        let is_announced = recording.known().values().any(|known| known.open.is_some());
        if killed && (self.orders.is_in_flight() || is_announced) {
            self.note(|tally| tally.in_flight += 1);
        }
        if self.is_told {
            self.tell(&room, &recording);
        }
        let output = match death {
            Death::Twice(_, again) => self.kill_again(&room, again),
            _ => self.orders.run(&resume(&room)),
        };
        self.judge(&room, &output);
    }

    fn note(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap());
    }

    /// Starts the run and kills it. Returns whether it was alive until then.
    fn kill(&self, room: &Runner, whole: Duration) -> (bool, Death) {
        let output = match self.death {
            Death::Trap(trap) | Death::Twice(trap, _) => self.orders.spawn(&apply(room), Some(trap)).finish(),
            Death::Call(call, number) => {
                let inject = format!("inject={call}:signal=SIGKILL:when={number}");
                self.orders.run(&apply(room).under(strace(call, "/dev/null").chain(["-e", &inject])))
            }
            Death::Moment(part) => {
                let mut running = self.orders.spawn(&apply(room), None);
                if !running.ends_within(whole.mul_f64(part)) {
                    running.signal(Signal::KILL);
                }
                running.finish()
            }
        };
        if output.signal.is_none() {
            assert_eq!(output.code, Some(0), "{:?}\n{}", self.death, output.text());
        }
        (output.signal == Some(Signal::KILL.as_raw()), self.death)
    }

    fn kill_again(&self, room: &Runner, trap: Trap) -> Output {
        let output = self.orders.spawn(&resume(room), Some(trap)).finish();
        match output.signal {
            None => output,
            Some(_) => {
                self.note(|tally| {
                    tally.kills += 1;
                    tally.in_flight += usize::from(self.orders.is_in_flight());
                });
                self.orders.run(&resume(room))
            }
        }
    }

    /// Says what the server knows.
    fn tell(&self, room: &Runner, recording: &Recording) {
        for place in unknown(recording) {
            let step = step_of(&place).to_owned();
            let is_done = self.orders.count(&write_of(&step)) > 0;
            let resolution = if is_done { "--done" } else { "--retry" };
            let resolve = room.clone().args(["resolve", "last", &step, resolution]);
            let brings = is_done && (step == "order" || step.starts_with("lines["));
            let id = write_of(&step).replace("POST /", "").replace('/', "-");
            let output = brings.then(|| format!("--output=id={id}"));
            resolve.args(output).run().exits(0);
        }
    }

    fn judge(&self, room: &Runner, output: &Output) {
        let (death, counts, text) = (self.death, self.orders.counts(), output.text());
        let seen = format!("{death:?}, told: {}\n{counts:?}\n{text}", self.is_told);
        assert!(counts.iter().all(|count| *count <= 1), "a write was done twice: {seen}");
        assert_eq!(self.orders.unannounced(), [""; 0], "sent before the journal knew: {seen}");
        let is_all_done = counts.iter().all(|count| *count == 1);
        match output.code {
            Some(0) => {
                assert!(is_all_done, "what was not done was not said: {seen}");
                assert!(IDEMPOTENT.iter().all(|write| self.orders.count(write) > 0), "{seen}");
                self.note(|tally| tally.done += 1);
            }
            // Of a write that is known to be done the process has taken with it what it brought.
            Some(1) => {
                assert!(text.contains("what it brought is lost"), "{seen}");
                assert!(counts.is_sorted_by(|a, b| a >= b), "{seen}");
                self.note(|tally| tally.lost += 1);
            }
            Some(5) => {
                assert!(text.contains("nobody knows whether"), "{seen}");
                self.assert_rest_not_started(room, &seen);
                self.note(|tally| tally.unknown += 1);
            }
            Some(2) if text.contains("is done; there is nothing") => {
                assert!(is_all_done, "{seen}");
                self.note(|tally| tally.too_late += 1);
            }
            Some(2) if text.contains("before it began") => {
                assert_eq!(self.orders.opened(), 0, "{seen}");
                self.note(|tally| tally.too_early += 1);
            }
            _ => panic!("{seen}"),
        }
        self.assert_sessions(room, output, &seen);
    }

    /// Each session is closed at the server, or named: by the process that went on, or by whoever asks the ledger next.
    fn assert_sessions(&self, room: &Runner, output: &Output, seen: &str) {
        // The login of a process that was killed may reach the server when the next one is at work; that one names it.
        let is_closed = self.orders.open_of_last() <= unanswered(&output.text());
        assert!(is_closed, "the last process has left its session open: {seen}");
        let left_open = self.orders.left_open();
        if named(output) < left_open {
            let asked = room.clone().args(["status", "own", "--playbook", "p.yaml"]).run().exits(0);
            assert!(named(&asked) >= left_open, "{left_open} are left open\n{}\n{seen}", asked.text());
        }
        self.note(|tally| tally.left_open += left_open);
    }

    /// What is neither done nor unknown lies behind what is unknown, and nothing that lies behind that was sent.
    fn assert_rest_not_started(&self, room: &Runner, seen: &str) {
        let recording = recording(room).expect("it was gone on with");
        let unknown = unknown(&recording);
        let unknown = unknown.iter().map(|place| write_of(step_of(place)));
        let unknown = unknown.filter_map(|write| ONCE.iter().position(|once| *once == write)).min();
        let first = unknown.unwrap_or_else(|| panic!("nothing is unknown: {seen}"));
        let counts = self.orders.counts();
        assert!(counts[..first].iter().all(|count| *count == 1), "{seen}");
        assert!(counts[first + 1..].iter().all(|count| *count == 0), "{seen}");
    }
}

/// The write of a place in the run.
fn write_of(place: &str) -> String {
    match place.split_once('[') {
        Some((step, item)) => format!("POST /{step}/{}", item.trim_end_matches(']')),
        None if place == "order" => "POST /orders".to_owned(),
        None => format!("POST /{place}"),
    }
}

/// How many sessions an output names that were left open, or may be.
fn named(output: &Output) -> usize {
    let text = output.text();
    let is_left_open =
        |line: &&str| line.contains("the session of run ") && line.contains(" was left open: ");
    text.lines().filter(is_left_open).count() + unanswered(&text)
}

/// How many logins a text names that nobody lived to hear the answer of.
fn unanswered(text: &str) -> usize {
    text.matches(" was never answered: a session may be open there").count()
}
