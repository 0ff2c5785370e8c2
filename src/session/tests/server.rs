//! The server of a provider that gives numbered tokens.

use super::bench::Bench;
use crate::port::fake::{Reply, ScriptedTransport, Sent};
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;

pub const LOGIN: &str = "POST https://api.example.com/login";
pub const REFRESH: &str = "POST https://api.example.com/refresh";
pub const DEVICES: &str = "GET https://api.example.com/devices";

/// A server that gives numbered tokens and takes only those from `valid_from` on.
#[derive(Clone, Default)]
pub struct Server {
    issued: Rc<Cell<u32>>,
    pub valid_from: Rc<Cell<u32>>,
}

impl Server {
    pub fn transport(&self) -> ScriptedTransport {
        let server = self.clone();
        ScriptedTransport::new(move |sent| server.answer(sent))
    }

    pub fn answer(&self, sent: &Sent) -> Reply {
        if sent.line == LOGIN || sent.line == REFRESH {
            let number = self.issued.get() + 1;
            self.issued.set(number);
            return Reply::json(
                200,
                json!({
                    "access_token": format!("token-{number}-geheim"), "refresh_token": format!("refresh-{number}-geheim")
                }),
            );
        }
        let token = sent.header("authorization").strip_prefix("Bearer token-").unwrap_or_default();
        let number: u32 = token.trim_end_matches("-geheim").parse().unwrap_or(0);
        if number < self.valid_from.get() { Reply::status(401) } else { Reply::json(200, json!([])) }
    }

    /// All tokens issued so far are refused from now on.
    pub fn expire(&self) {
        self.valid_from.set(self.issued.get() + 1);
    }
}

pub fn count(bench: &Bench, line: &str) -> usize {
    bench.transport.lines().iter().filter(|sent| *sent == line).count()
}
