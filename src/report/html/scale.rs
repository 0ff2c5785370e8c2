//! Times of the run as places on the time line.

use crate::event::RunRecord;
use crate::model::words::duration;
use serde::Serialize;
use std::time::Duration;

/// What has almost no width is still to be seen, in percent.
const NARROWEST: f64 = 0.4;
/// How many marks there are at most.
const MOST_TICKS: u32 = 5;

/// From the run's beginning to its end.
pub(super) struct Scale(Duration);

/// A mark at a round time.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Tick {
    x: String,
    words: String,
}

impl Scale {
    /// The scale of a run.
    pub(super) fn of(record: &RunRecord) -> Self {
        let took = Duration::from_secs_f64(record.report.took_ms.max(0.0) / 1000.0);
        Self(took.max(Duration::from_millis(1)))
    }

    /// A point in time, in percent.
    pub(super) fn point(&self, time: Duration) -> String {
        number(self.percent(time))
    }

    /// The left edge and the width, in percent.
    pub(super) fn place(&self, start: Duration, length: Duration) -> (String, String) {
        let (start, end) = (self.percent(start), self.percent(start + length));
        let width = (end - start).max(NARROWEST);
        (number(start.min(100.0 - width)), number(width))
    }

    /// Marks at round times, none so near the end that its words would not fit.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let step = round_step(self.0 / MOST_TICKS);
        let times = (0..).map(|count| step * count).take_while(|time| self.percent(*time) < 90.0);
        times.map(|time| Tick { x: self.point(time), words: words(time) }).collect()
    }

    fn percent(&self, time: Duration) -> f64 {
        (100.0 * time.as_secs_f64() / self.0.as_secs_f64()).clamp(0.0, 100.0)
    }
}

/// The smallest round time that is not below this one.
fn round_step(least: Duration) -> Duration {
    const ROUND_SECONDS: [u64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
    let milliseconds = [1, 2, 5, 10, 20, 50, 100, 200, 500].map(Duration::from_millis);
    let seconds = ROUND_SECONDS.map(Duration::from_secs);
    let round = milliseconds.into_iter().chain(seconds).find(|step| *step >= least);
    round.unwrap_or_else(|| Duration::from_secs(3600 * least.as_secs().div_ceil(3600)))
}

fn words(time: Duration) -> String {
    if time.is_zero() { "0".to_owned() } else { duration(time) }
}

/// A number of percent with two digits behind the point.
fn number(percent: f64) -> String {
    format!("{percent:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(milliseconds: u64) -> Vec<String> {
        Scale(Duration::from_millis(milliseconds)).ticks().into_iter().map(|tick| tick.words).collect()
    }

    #[test]
    fn marks_stand_at_round_times() {
        assert_eq!(ticks(1), ["0"]);
        assert_eq!(ticks(2300), ["0", "500 ms", "1 s", "1.5 s", "2 s"]);
        assert_eq!(ticks(95_000), ["0", "30 s", "1 min"]);
        assert_eq!(ticks(100 * 3_600_000).len(), 5);
    }

    #[test]
    fn what_is_short_or_beyond_the_end_has_its_place() {
        let scale = Scale(Duration::from_secs(10));
        let place =
            |start: u64, length: u64| scale.place(Duration::from_secs(start), Duration::from_secs(length));
        assert_eq!(place(5, 2), ("50.00".to_owned(), "20.00".to_owned()));
        assert_eq!(place(10, 0), ("99.60".to_owned(), "0.40".to_owned()));
        assert_eq!(place(8, 20), ("80.00".to_owned(), "20.00".to_owned()));
    }
}
