//! How fast one may ask.

use crate::document::{Rate, RateLimit};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

/// Spreads requests so that no more than the allowed number begins in any window of the allowed time. Times are those of
/// [`Clock::elapsed`](crate::port::Clock::elapsed).
#[derive(Debug)]
pub struct Limiter {
    /// How many may begin within which time. The second window, if any, is that of the burst.
    windows: Vec<(usize, Duration)>,
    /// When the latest requests begin, the oldest first.
    starts: RefCell<VecDeque<Duration>>,
}

impl Limiter {
    /// A limit of so many requests in a time, of which `burst` (default: all) may begin at once.
    pub fn new(rate: Rate, burst: Option<u32>) -> Self {
        let mut windows = vec![(rate.count as usize, rate.per)];
        if let Some(burst) = burst.filter(|burst| *burst < rate.count).map(|burst| burst.max(1)) {
            windows.push((burst as usize, rate.per * burst / rate.count));
        }
        Self { windows, starts: RefCell::default() }
    }

    /// The limit that a definition declares; `None` without a rate.
    pub fn declared(limit: &RateLimit) -> Option<Self> {
        let burst = limit.burst.as_ref().map(|burst| burst.value);
        limit.rate.as_ref().map(|rate| Self::new(rate.value, burst))
    }

    /// The earliest time, not before `now`, at which one more request may begin.
    pub fn earliest(&self, now: Duration) -> Duration {
        let starts = self.starts.borrow();
        let bounds = self.windows.iter().filter_map(|(count, per)| {
            let first = starts.len().checked_sub(*count)?;
            Some(starts[first] + *per)
        });
        bounds.chain(starts.back().copied()).fold(now, Duration::max)
    }

    /// Takes the place at a time that [`Limiter::earliest`] gave, or at an earlier one for what does not wait.
    pub fn take(&self, start: Duration) {
        let mut starts = self.starts.borrow_mut();
        let most = self.windows.iter().map(|(count, _)| *count).max().unwrap_or_default();
        while starts.len() >= most {
            starts.pop_front();
        }
        starts.push_back(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times in milliseconds at which requests begin that are all wanted at once.
    fn starts(count: u32, per_ms: u64, burst: Option<u32>, requests: usize) -> Vec<u128> {
        let limiter = Limiter::new(Rate { count, per: Duration::from_millis(per_ms) }, burst);
        let start = |_| {
            let start = limiter.earliest(Duration::ZERO);
            limiter.take(start);
            start.as_millis()
        };
        (0..requests).map(start).collect()
    }

    #[test]
    fn all_of_a_rate_may_begin_at_once() {
        assert_eq!(starts(3, 1000, None, 7), [0, 0, 0, 1000, 1000, 1000, 2000]);
        assert_eq!(starts(3, 1000, Some(9), 4), [0, 0, 0, 1000]);
    }

    #[test]
    fn a_burst_spreads_them() {
        assert_eq!(starts(10, 1000, Some(5), 11), [0, 0, 0, 0, 0, 500, 500, 500, 500, 500, 1000]);
        assert_eq!(starts(4, 1000, Some(1), 5), [0, 250, 500, 750, 1000]);
        assert_eq!(starts(3, 1000, Some(2), 5), [0, 0, 666, 1000, 1333]);
    }

    #[test]
    fn time_that_has_passed_counts() {
        let limiter = Limiter::new(Rate { count: 1, per: Duration::from_secs(1) }, None);
        limiter.take(Duration::from_secs(5));
        assert_eq!(limiter.earliest(Duration::from_millis(5400)), Duration::from_secs(6));
        assert_eq!(limiter.earliest(Duration::from_secs(9)), Duration::from_secs(9));
    }
}
