//! A run as its events tell it, request by request: what every report is made of.

use super::{Event, EventKind, EventSink, HttpNote, Purpose, ReportFold, RunReport};
use crate::model::redacted::Redacted;
use std::time::Duration;

/// A run: its report, and each of its requests.
#[derive(Debug, Clone, Default)]
pub struct RunRecord {
    /// The report.
    pub report: RunReport,
    /// The requests in the order in which they ended; none when nobody wants to read them.
    pub requests: Vec<RequestRecord>,
}

/// One request: an attempt, or a part of one that ended in a redirect.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// The entry of the report that it was sent for, by its index; `None` when the run ended before that entry did.
    pub entry: Option<usize>,
    /// What it was for.
    pub purpose: Purpose,
    /// The verb.
    pub method: Redacted,
    /// The address without secrets.
    pub address: Redacted,
    /// The attempt, 1-based.
    pub attempt: u32,
    /// Whether any byte may have left this machine.
    pub was_sent: bool,
    /// The status of the answer, if one came.
    pub status: Option<u16>,
    /// What went wrong on the way, if no whole answer came.
    pub problem: Option<Redacted>,
    /// When it began, counted from the run's beginning.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
    /// The wait before the next attempt; `None` when there was none.
    pub retry_after: Option<Duration>,
    /// What went over the wire.
    pub http: Option<Box<HttpNote>>,
}

/// Makes a [`RunRecord`] of events.
#[derive(Debug, Default)]
pub struct RecordFold {
    fold: ReportFold,
    requests: Vec<RequestRecord>,
    /// The indexes of those that no entry has taken yet.
    unclaimed: Vec<usize>,
    keeps_requests: bool,
}

impl RecordFold {
    /// Keeps each request, too, and not only their number. Memory grows with them.
    #[must_use]
    pub fn keeping_requests(self, keeps_requests: bool) -> Self {
        Self { keeps_requests, ..self }
    }

    /// The report so far.
    pub fn report(&self) -> &RunReport {
        self.fold.report()
    }

    /// What is known so far.
    pub fn record(&self) -> RunRecord {
        RunRecord { report: self.report().clone(), requests: self.requests.clone() }
    }

    fn keep(&mut self, kind: &EventKind) {
        let EventKind::AttemptFinished {
            purpose,
            method,
            address,
            attempt,
            was_sent,
            status,
            problem,
            began,
            took,
            retry_after,
            http,
        } = kind
        else {
            return;
        };
        self.unclaimed.push(self.requests.len());
        self.requests.push(RequestRecord {
            entry: None,
            purpose: *purpose,
            method: method.clone(),
            address: address.clone(),
            attempt: *attempt,
            was_sent: *was_sent,
            status: *status,
            problem: problem.clone(),
            began: *began,
            took: *took,
            retry_after: *retry_after,
            http: http.clone(),
        });
    }

    /// Gives a new entry the requests that no other one has taken: a login that no step asked for those that sign in, a
    /// logout those that sign out, a step all.
    fn hand_over(&mut self, kind: &EventKind, entry: usize) {
        let is_its_own = |purpose: Purpose| match kind {
            EventKind::SessionOpened { .. } => purpose == Purpose::Login,
            EventKind::SessionClosed { .. } => purpose == Purpose::Logout,
            _ => true,
        };
        let requests = &mut self.requests;
        self.unclaimed.retain(|&index| {
            let is_left = !is_its_own(requests[index].purpose);
            if !is_left {
                requests[index].entry = Some(entry);
            }
            is_left
        });
    }
}

impl EventSink for RecordFold {
    fn receive(&mut self, event: &Event) {
        let known_entries = self.report().entries.len();
        self.fold.receive(event);
        if self.keeps_requests {
            self.keep(&event.kind);
            if self.report().entries.len() > known_entries {
                self.hand_over(&event.kind, known_entries);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::fake::{self, clean};
    use crate::event::{SessionEnd, SessionNote, StepResult, StepStatus};

    fn attempt(purpose: Purpose) -> EventKind {
        fake::Attempt::of(purpose).finished()
    }

    fn opened() -> EventKind {
        let (provider, took) = (clean("own"), Duration::ZERO);
        let session =
            SessionNote { provider, account: None, method: None, valid_until: None, valid_for_ms: None };
        EventKind::SessionOpened { session, took }
    }

    fn step_finished() -> EventKind {
        let took = Duration::from_millis(5);
        let result = StepResult { requests: 1, took, ..fake::result(StepStatus::Done) };
        fake::finished(fake::step("list"), result)
    }

    fn fold(keeps_requests: bool, kinds: Vec<EventKind>) -> RunRecord {
        let mut fold = RecordFold::default().keeping_requests(keeps_requests);
        for kind in kinds {
            let at = "2026-11-22T14:02:00Z".parse().unwrap();
            fold.receive(&Event { at, elapsed: Duration::from_millis(12), kind });
        }
        fold.record()
    }

    fn run() -> Vec<EventKind> {
        let closed = SessionEnd::Closed;
        vec![
            attempt(Purpose::Step),
            attempt(Purpose::Login),
            opened(),
            attempt(Purpose::Step),
            step_finished(),
            attempt(Purpose::Logout),
            EventKind::SessionClosed { provider: clean("own"), end: closed, took: Duration::ZERO },
            attempt(Purpose::Step),
        ]
    }

    #[test]
    fn each_request_belongs_to_what_it_was_sent_for() {
        // A login in the middle of a step is an entry of its own, which ends before the step does.
        let record = fold(true, run());
        let entries: Vec<_> = record.requests.iter().map(|request| request.entry).collect();
        assert_eq!(entries, [Some(1), Some(0), Some(1), Some(2), None]);
        assert_eq!(record.report.entries[1].started_ms, 7.0);
    }

    #[test]
    fn requests_are_kept_only_for_those_who_read_them() {
        let record = fold(false, run());
        assert_eq!((record.requests.len(), record.report.requests), (0, 5));
    }
}
