//! The next times.

use super::cron::CronExpression;
use super::zone::Zone;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset};
use jiff::{Timestamp, ToSpan};

/// What does the work at its time. They differ where clocks are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clockwork {
    /// A timer of systemd: a time that is left out is left out, of a doubled one the first counts (systemd.time(7)).
    Systemd,
    /// cron as Debian and its kin have it (cron(8)): what was left out comes right after, of a doubled time the first counts;
    /// but with a `*` in minute or hour it goes by the clock alone.
    Cron,
    /// The controller of CronJobs in Kubernetes: by the clock alone, so that a doubled time counts twice.
    Kubernetes,
    /// GitHub's workflows: what was left out comes right after. What happens at a doubled time they do not say;
    /// taken as once.
    Github,
}

/// How long to look for a time: the 29th of February can be eight years away.
const HORIZON_DAYS: usize = 9 * 366;

/// The times after a moment, ascending, each once.
pub fn times(
    expression: &CronExpression,
    zone: &Zone,
    after: Timestamp,
    clockwork: Clockwork,
) -> impl Iterator<Item = Timestamp> {
    let mut last = after;
    let mut day = Some(zone.rules().to_datetime(after).date());
    let mut found: std::vec::IntoIter<Timestamp> = Vec::new().into_iter();
    std::iter::from_fn(move || {
        for _ in 0..HORIZON_DAYS {
            if let Some(time) = found.find(|time| *time > last) {
                last = time;
                return Some(time);
            }
            let date = day?;
            day = date.checked_add(1.day()).ok();
            found = times_of_day(expression, zone, date, last, clockwork).into_iter();
        }
        None
    })
}

fn times_of_day(
    expression: &CronExpression,
    zone: &Zone,
    date: Date,
    after: Timestamp,
    clockwork: Clockwork,
) -> Vec<Timestamp> {
    if !expression.has_day(date) {
        return Vec::new();
    }
    let is_by_clock = expression.minute.is_starred() || expression.hour.is_starred();
    let mut times = Vec::new();
    for hour in expression.hour.numbers() {
        for minute in expression.minute.numbers() {
            let time = date.at(hour.cast_signed(), minute.cast_signed(), 0, 0);
            instants(time, zone, after, clockwork, is_by_clock, &mut times);
        }
    }
    times.sort();
    times
}

/// Adds the moments at which a clock shows this time, or which stand in for it.
fn instants(
    time: DateTime,
    zone: &Zone,
    after: Timestamp,
    clockwork: Clockwork,
    is_by_clock: bool,
    times: &mut Vec<Timestamp>,
) {
    let at = |offset: Offset| offset.to_timestamp(time).ok();
    match zone.rules().to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => times.extend(at(offset)),
        AmbiguousOffset::Gap { before, .. } => {
            let comes_after = match clockwork {
                Clockwork::Systemd | Clockwork::Kubernetes => false,
                Clockwork::Cron => !is_by_clock,
                Clockwork::Github => true,
            };
            if comes_after {
                let end = at(before).and_then(|inside| zone.rules().preceding(inside).next());
                times.extend(end.map(|change| change.timestamp()));
            }
        }
        AmbiguousOffset::Fold { before, after: behind } => {
            let (first, second) = (at(before), at(behind));
            match clockwork {
                Clockwork::Kubernetes => times.extend(first.into_iter().chain(second)),
                Clockwork::Cron if is_by_clock => times.extend(first.into_iter().chain(second)),
                Clockwork::Cron | Clockwork::Github => times.extend(first),
                // Asked in the middle of the second time, systemd goes on with it.
                Clockwork::Systemd if first.is_some_and(|first| first > after) => times.extend(first),
                Clockwork::Systemd if zone.rules().to_offset(after) == behind => times.extend(second),
                Clockwork::Systemd => {}
            }
        }
    }
}
