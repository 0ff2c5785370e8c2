//! An API on which orders are placed. It counts how often each write was done and which sessions are open, and ends its
//! caller where a test wants that.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use runner::journal::Recording;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::raw_server::RawServer;
use super::runner::{Output, Runner, Running};
use super::scripted::{Reply, Request};
use super::session_api::{self, LOGIN, LOGOUT};

const KEY: &str = "key-geheim-0815";
/// What each token begins with.
const TOKEN: &str = "token-geheim-";

/// 20 writes: with outputs that others read, in loops, one of them in cleanup.
pub const STEPS: &str = "
  - id: order
    post: /orders
    json: { key: '${{ uuid() }}' }
    outputs: { id: $.id }
    cleanup:
      - delete: /orders/${{ steps.order.outputs.id }}
        if: steps.order.outputs.id is not none
  - id: lines
    for_each: [1, 2, 3, 4, 5, 6]
    post: /lines/${{ item }}
    json: { order: '${{ steps.order.outputs.id }}' }
    outputs: { id: $.id }
  - get: /lines
    query: { order: '${{ steps.order.outputs.id }}' }
  - id: states
    for_each: ${{ steps.lines.outputs.id }}
    put: /states/${{ item }}
  - id: notes
    for_each: [1, 2, 3, 4, 5]
    post: /notes/${{ item }}
  - id: done
    post: /done
    json: { order: '${{ steps.order.outputs.id }}' }
";

/// Those of the writes that must not be done twice, in their order.
pub const ONCE: [&str; 13] = [
    "POST /orders",
    "POST /lines/1",
    "POST /lines/2",
    "POST /lines/3",
    "POST /lines/4",
    "POST /lines/5",
    "POST /lines/6",
    "POST /notes/1",
    "POST /notes/2",
    "POST /notes/3",
    "POST /notes/4",
    "POST /notes/5",
    "POST /done",
];

/// Those that may be repeated.
pub const IDEMPOTENT: [&str; 7] = [
    "PUT /states/lines-1",
    "PUT /states/lines-2",
    "PUT /states/lines-3",
    "PUT /states/lines-4",
    "PUT /states/lines-5",
    "PUT /states/lines-6",
    "DELETE /orders/orders",
];

/// All requests of a run: the writes, a read, a login and a logout.
pub const REQUESTS: usize = ONCE.len() + IDEMPOTENT.len() + 3;

/// When the server ends its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    /// It has received the request of this number, 1-based, and not answered it.
    Received(usize),
    /// It has just answered it.
    Answered(usize),
}

/// The server. It lives as long as the program of the tests.
pub struct Orders {
    server: RawServer,
    books: Arc<Mutex<Books>>,
}

/// What the server knows of the runs in one room.
#[derive(Default)]
struct Books {
    /// How often each write came.
    done: BTreeMap<String, u32>,
    /// The sessions that are open, by their tokens, each with the number of the process that has opened it.
    open: BTreeMap<String, usize>,
    /// How many sessions were opened.
    opened: usize,
    /// The requests of the present process.
    received: usize,
    /// How many processes were started.
    processes: usize,
    /// Whether the last request was a write that was not answered.
    is_in_flight: bool,
    caller: Option<Pid>,
    trap: Option<Trap>,
    journals: PathBuf,
    /// The writes that came although no journal told of them.
    unannounced: Vec<String>,
}

impl Orders {
    /// A server without a room.
    pub fn start() -> Self {
        let books: Arc<Mutex<Books>> = Arc::default();
        let kept = books.clone();
        let server = RawServer::start(move |_, connection| {
            let Some(text) = connection.receive() else { return };
            let reply = lock(&kept).receive(&Request::read(&text));
            connection.send(&reply.bytes());
            lock(&kept).note_answer();
        });
        Self { server, books }
    }

    /// Its name and port.
    pub fn host(&self) -> String {
        self.server.url("").replace("http://", "")
    }

    /// A new room for runs that place orders here, and new books. `steps` is the list of the playbook `p.yaml`.
    pub fn room(&self, steps: &str) -> Runner {
        let playbook = session_api::text(&self.server.url(""), &format!("name: orders\nsteps:{steps}"));
        let room = Runner::new().file("p.yaml", playbook).env("OWN_KEY", KEY).plant(KEY).plant(TOKEN);
        *lock(&self.books) = Books { journals: room.journals(), ..Books::default() };
        room
    }

    /// Starts a process that is ended as the trap says.
    pub fn spawn(&self, runner: &Runner, trap: Option<Trap>) -> Running {
        let mut books = lock(&self.books);
        // No request is read before the caller is known.
        let running = runner.spawn();
        books.caller = Some(running.pid());
        books.trap = trap;
        books.received = 0;
        books.processes += 1;
        books.is_in_flight = false;
        running
    }

    /// Runs a process to its end.
    pub fn run(&self, runner: &Runner) -> Output {
        self.spawn(runner, None).finish()
    }

    /// How often a write was done: `POST /orders`.
    pub fn count(&self, write: &str) -> u32 {
        lock(&self.books).done.get(write).copied().unwrap_or_default()
    }

    /// How often each write was done that must not be done twice, in their order.
    pub fn counts(&self) -> Vec<u32> {
        ONCE.iter().map(|write| self.count(write)).collect()
    }

    /// Whether the process ended while a write was in flight.
    pub fn is_in_flight(&self) -> bool {
        lock(&self.books).is_in_flight
    }

    /// How many sessions were opened.
    pub fn opened(&self) -> usize {
        lock(&self.books).opened
    }

    /// How many sessions of the last process are open.
    pub fn open_of_last(&self) -> usize {
        let books = lock(&self.books);
        books.open.values().filter(|process| **process == books.processes).count()
    }

    /// How many sessions are open.
    pub fn left_open(&self) -> usize {
        lock(&self.books).open.len()
    }

    /// The writes that came although no journal on disk told of them.
    pub fn unannounced(&self) -> Vec<String> {
        lock(&self.books).unannounced.clone()
    }
}

impl Books {
    fn receive(&mut self, request: &Request) -> Reply {
        self.received += 1;
        let is_write = request.line != LOGIN && request.line != LOGOUT && !request.line.starts_with("GET ");
        self.is_in_flight = is_write;
        if is_write {
            if !self.is_announced(request) {
                self.unannounced.push(request.line.clone());
            }
            *self.done.entry(request.line.clone()).or_default() += 1;
        }
        if self.trap == Some(Trap::Received(self.received)) {
            self.end_caller();
        }
        let path = request.line.split_once(" /").map_or("", |(_, path)| path);
        let token = request.header("authorization").trim_start_matches("Bearer ");
        match request.line.as_str() {
            LOGIN => {
                self.opened += 1;
                let token = format!("{TOKEN}{}", self.opened);
                self.open.insert(token.clone(), self.processes);
                Reply::json(200, &json!({ "token": token }))
            }
            LOGOUT => {
                self.open.remove(token);
                Reply::empty(204)
            }
            _ => Reply::json(200, &json!({ "id": path.replace('/', "-") })),
        }
    }

    /// Whether a journal on disk tells that this write is about to be sent.
    fn is_announced(&self, request: &Request) -> bool {
        let (method, path) = request.line.split_once(' ').expect("a method and a path");
        let words = format!("\"words\":\"{method} http://{}{path}\"", request.header("host"));
        let journals = fs::read_dir(&self.journals).into_iter().flatten().flatten();
        let texts = journals.filter_map(|journal| fs::read_to_string(journal.path()).ok());
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).any(|line| {
            line.get(9..).is_some_and(|json| json.starts_with("{\"intent\"")) && line.contains(&words)
        })
    }

    fn note_answer(&mut self) {
        if self.trap == Some(Trap::Answered(self.received)) {
            self.end_caller();
        }
        if self.trap != Some(Trap::Received(self.received)) {
            self.is_in_flight = false;
        }
    }

    fn end_caller(&mut self) {
        if let Some(caller) = self.caller {
            // It may have ended by itself.
            let _ = kill_process(caller, Signal::KILL);
        }
    }
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().expect("no holder panics")
}

/// The journals of a room, oldest first.
pub fn journals(room: &Runner) -> Vec<PathBuf> {
    let entries = fs::read_dir(room.journals()).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    paths
}

/// The only journal of a room, if there is one.
pub fn recording(room: &Runner) -> Option<Recording> {
    let paths = journals(room);
    assert!(paths.len() < 2, "one run was begun: {paths:?}");
    paths.first().map(|path| runner::journal::open(path).expect("its owner may read it"))
}
