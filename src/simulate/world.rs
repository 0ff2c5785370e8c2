//! One provider and what is kept about it: its clock, its faults, its counts and its visitors.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::answer::Answer;
use super::api::Api;
use super::call::Call;
use super::clock::Clock;
use super::fault::{Fault, Faults, InvalidFault};
use super::record::{RecordedRequest, Recorder};
use super::stats::Stats;

/// All state of one simulator.
pub(super) struct World {
    api: Box<dyn Api>,
    clock: Clock,
    faults: Faults,
    recorder: Recorder,
    requests: BTreeMap<String, BTreeMap<String, u64>>,
}

impl World {
    pub(super) fn new(api: Box<dyn Api>) -> Self {
        Self {
            api,
            clock: Clock::default(),
            faults: Faults::default(),
            recorder: Recorder::default(),
            requests: BTreeMap::new(),
        }
    }

    /// The simulated time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Records, answers and counts a call. `None`: drop the connection without an answer.
    pub(super) fn handle(&mut self, call: &Call) -> Option<Answer> {
        self.recorder.record(call);
        let route = self.api.route(call).unwrap_or_else(|| format!("{} (no such path)", call.method));
        let answer = self.answer(call);
        let status = answer.as_ref().map_or("none".to_owned(), |answer| answer.status.as_str().to_owned());
        *self.requests.entry(route).or_default().entry(status).or_default() += 1;
        answer
    }

    fn answer(&mut self, call: &Call) -> Option<Answer> {
        let Some(fault) = self.faults.take(call) else { return Some(self.api.answer(call)) };
        if fault.after {
            self.api.answer(call);
        }
        fault.answer().ok().flatten()
    }

    /// Moves the simulated time on.
    pub(super) fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
    }

    /// Refuses every access token issued so far.
    pub(super) fn revoke_access(&mut self) {
        self.api.revoke_access();
    }

    /// Plans a fault, unless it could never be played.
    pub(super) fn add_fault(&mut self, fault: Fault) -> Result<(), InvalidFault> {
        fault.answer()?;
        self.faults.add(fault);
        Ok(())
    }

    /// The latest requests, oldest first.
    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.recorder.requests()
    }

    /// All counts so far.
    pub(super) fn stats(&self) -> Stats {
        let counts = self.api.session_counts(self.now().as_second());
        Stats {
            requests: self.requests.clone(),
            logins: counts.logins,
            refused_logins: counts.refused_logins,
            refreshes: counts.refreshes,
            logouts: counts.logouts,
            open_sessions: counts.open_sessions,
        }
    }
}
