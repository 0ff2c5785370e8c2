//! How often one may authenticate.

use std::collections::VecDeque;

use crate::simulate::options::Options;

/// Calls of `/authenticate` from one address, and in how many seconds.
const MAX_CALLS: usize = 100;
const PERIOD: i64 = 300;

/// How many lives of a shortened token make the period, so that a session which is only kept alive stays below the
/// limit, as it does with the real life of four hours.
const LIVES: i64 = 50;

/// The calls of the last period. Whether the real one slides, or begins anew every five minutes, is not published; here
/// it slides. Neither is whether a refused call counts; here it does not, so that the limit ends by itself.
///
/// Left out are the limits of lists (10 a second, 5 at once) and of all calls (2000 in five minutes): whether a client
/// that keeps them arrives in time is chance on a busy machine, and a test that wants a 429 injects one.
#[derive(Debug)]
pub(super) struct AuthenticateLimit {
    period: i64,
    calls: VecDeque<i64>,
}

impl AuthenticateLimit {
    pub(super) fn new(options: &Options) -> Self {
        let period = options.access_life(PERIOD).saturating_mul(LIVES).min(PERIOD);
        Self { period, calls: VecDeque::new() }
    }

    /// Counts a call at `now`, or refuses it: `false`.
    pub(super) fn admits(&mut self, now: i64) -> bool {
        while self.calls.front().is_some_and(|&call| now - call >= self.period) {
            self.calls.pop_front();
        }
        let is_admitted = self.calls.len() < MAX_CALLS;
        if is_admitted {
            self.calls.push_back(now);
        }
        is_admitted
    }
}
