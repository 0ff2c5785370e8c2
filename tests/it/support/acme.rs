//! The API of `playbooks/own-api.yaml`: it signs in, rotates, opens windows, and pages machines.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::scripted::{Reply, Request, ScriptedServer};

/// What the account of a test signs in with.
pub const USERNAME: &str = "ops@example.com";
/// Its password.
pub const PASSWORD: &str = "acme-password-q8Zr3";

/// Machines in a page that nobody asked to be shorter, and pages.
pub const PER_PAGE: usize = 100;
/// How many pages of machines there are.
pub const PAGES: usize = 3;
/// How many there are where the second one is held: at the rate that the playbook keeps to, more than a test waits for.
const PAGES_WITHOUT_END: usize = 1000;

/// What the server knows, and what a test may ask it.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// How many tokens were issued; the last one is good.
    pub tokens: u32,
    /// Sessions opened and not closed.
    pub open_sessions: u32,
    /// Windows opened and not closed.
    pub open_windows: u32,
    /// Pages of machines.
    pages: usize,
    /// The page of machines that is answered 500, from 1; 0 = none.
    pub broken_page: usize,
    /// The page of machines whose next request finds its token expired, from 1; 0 = none.
    pub expired_page: usize,
}

/// The server on loopback.
pub struct Acme {
    /// What it was asked.
    pub server: ScriptedServer,
    state: Arc<Mutex<State>>,
    second_page: Receiver<()>,
    go_on: Sender<()>,
}

impl Acme {
    /// Starts it. With `is_held`, the second page of machines is answered when [`Acme::release`] allows it, and many
    /// more follow, so that a run does not come to its end before it learns of a signal.
    pub fn start(is_held: bool) -> Self {
        let pages = if is_held { PAGES_WITHOUT_END } else { PAGES };
        let state = Arc::new(Mutex::new(State { pages, ..State::default() }));
        let (asked, second_page) = channel();
        let (go_on, allowed) = channel();
        let shared = state.clone();
        let server = ScriptedServer::start(move |request| {
            if is_held && request.line.ends_with("&page=2") {
                // A test that ended before has no use for either.
                let _ = asked.send(());
                let _ = allowed.recv();
            }
            shared.lock().expect("no holder panics").answer(request)
        });
        Self { server, state, second_page, go_on }
    }

    /// What it knows now.
    pub fn state(&self) -> State {
        self.state.lock().expect("no holder panics").clone()
    }

    /// Changes what it knows.
    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().expect("no holder panics"));
    }

    /// Waits until the second page was asked for.
    pub fn wait_for_second_page(&self) {
        self.second_page.recv_timeout(super::PATIENCE).expect("the second page is asked for");
    }

    /// Lets the second page be answered.
    pub fn release(&self) {
        self.go_on.send(()).expect("the server waits");
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        let (method, target) = request.line.split_once(' ').expect("a line has two words");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if (method, path) == ("POST", "/session") {
            return self.log_in(&request.json());
        }
        if (method, path) == ("POST", "/session/refresh") {
            return self.refresh(&request.json());
        }
        if request.header("authorization") != format!("Bearer access-{}-geheim", self.tokens) {
            return refusal(401, "unauthorized", "who are you?");
        }
        match (method, path) {
            ("DELETE", "/session") => {
                self.open_sessions -= 1;
                Reply::empty(204)
            }
            ("POST", "/sites/north/windows") => self.open_window(),
            ("DELETE", "/sites/north/windows/w-1") => {
                self.open_windows -= 1;
                Reply::empty(204)
            }
            ("GET", "/sites/north/machines") => self.machines(query),
            _ => refusal(404, "not_found", "no such path"),
        }
    }

    fn log_in(&mut self, body: &Value) -> Reply {
        if *body != json!({ "username": USERNAME, "password": PASSWORD }) {
            return refusal(401, "bad_login", "wrong user name or password");
        }
        self.open_sessions += 1;
        self.issue()
    }

    /// Takes the refresh token that was issued last, and no other.
    fn refresh(&mut self, body: &Value) -> Reply {
        if *body != json!({ "refresh_token": format!("refresh-{}-geheim", self.tokens) }) {
            return refusal(401, "bad_refresh", "not the last refresh token");
        }
        self.issue()
    }

    fn issue(&mut self) -> Reply {
        self.tokens += 1;
        let (access, refresh) =
            (format!("access-{}-geheim", self.tokens), format!("refresh-{}-geheim", self.tokens));
        Reply::json(200, &json!({ "access_token": access, "refresh_token": refresh, "expires_in": 3600 }))
    }

    fn open_window(&mut self) -> Reply {
        if self.open_windows > 0 {
            return refusal(409, "window_open", "a window is open");
        }
        self.open_windows += 1;
        Reply::json(201, &json!({ "id": "w-1" }))
    }

    fn machines(&mut self, query: &str) -> Reply {
        let page: Option<usize> =
            query.split('&').find_map(|pair| pair.strip_prefix("page=")).and_then(|page| page.parse().ok());
        let Some(page) = page.filter(|_| query.split('&').any(|pair| pair == "per_page=100")) else {
            return refusal(400, "bad_query", "page and per_page are needed");
        };
        if page == self.expired_page {
            self.expired_page = 0;
            return refusal(401, "expired", "the token has expired");
        }
        if page == self.broken_page {
            return refusal(500, "broken", "machine 150 cannot be read");
        }
        let first = (page - 1) * PER_PAGE;
        let rows: Vec<Value> = (first..first + PER_PAGE).map(|n| json!({ "id": n })).collect();
        Reply::json(
            200,
            &json!({ "machines": rows, "page_count": self.pages, "total": self.pages * PER_PAGE }),
        )
    }
}

fn refusal(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "code": code, "message": message } }))
}
