//! A request on its way, which is reported also when it is given up.

use super::send::{AttemptRecord, Exchange, Sending};
use super::wire::Wire;
use super::{Rendered, Turn};
use crate::event::Purpose;
use crate::port::Departure;
use http::Method;
use std::time::Duration;

/// A request on its way.
pub(super) struct Flight<'a> {
    exchange: &'a Exchange,
    pub(super) sending: Sending,
    method: Method,
    pub(super) shown_address: String,
    pub(super) wire: Option<Wire>,
    pub(super) redirects: u32,
    pub(super) paced: Duration,
    departure: Departure,
    /// When it was sent, or sent on by a redirect.
    pub(super) sent_at: Duration,
    has_landed: bool,
}

impl<'a> Flight<'a> {
    /// It begins with a turn.
    pub(super) fn begin(exchange: &'a Exchange, rendered: &Rendered, sending: Sending, turn: &Turn) -> Self {
        Self {
            exchange,
            sending,
            method: rendered.method().clone(),
            shown_address: rendered.shown_address(),
            wire: None,
            redirects: 0,
            paced: turn.paced(),
            departure: turn.departure(),
            sent_at: exchange.world().clock.elapsed(),
            has_landed: false,
        }
    }

    /// The record of its end.
    pub(super) fn land(
        mut self,
        was_sent: bool,
        status: Option<u16>,
        problem: Option<String>,
    ) -> AttemptRecord {
        self.has_landed = true;
        self.record(was_sent, status, problem)
    }

    /// The record of what was sent last.
    pub(super) fn record(
        &mut self,
        was_sent: bool,
        status: Option<u16>,
        problem: Option<String>,
    ) -> AttemptRecord {
        AttemptRecord {
            purpose: self.sending.purpose,
            method: self.method.clone(),
            shown_address: std::mem::take(&mut self.shown_address),
            attempt: self.sending.attempt,
            was_sent,
            status,
            problem,
            began: self.exchange.events().since_start(self.sent_at),
            took: self.exchange.world().clock.elapsed().saturating_sub(self.sent_at),
            wire: self.wire.take(),
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if self.has_landed {
            return;
        }
        let what = match self.sending.purpose {
            Purpose::Login => Some("login"),
            Purpose::Refresh => Some("refresh"),
            Purpose::Step | Purpose::Verify | Purpose::Logout => None,
        };
        let was_sent = !self.departure.was_prevented();
        if let Some(what) = what.filter(|_| was_sent) {
            self.exchange.events().alert(format!(
                "the {what} at {} was given up before its answer came: a session may be left open there",
                self.shown_address
            ));
        }
        let missed = if was_sent { "an answer came" } else { "there was a connection" };
        let record = self.record(was_sent, None, Some(format!("given up before {missed}")));
        self.exchange.report(record, None);
    }
}
