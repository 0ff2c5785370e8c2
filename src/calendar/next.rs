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
    let mut times = Vec::new();
    for time in clock_times(expression, date) {
        instants(time, zone, after, clockwork, expression.goes_by_clock(), &mut times);
    }
    times.sort();
    times
}

/// What a clock shows on a day of the expression, each time that something is to happen.
fn clock_times(expression: &CronExpression, date: Date) -> impl Iterator<Item = DateTime> {
    let at = move |hour: u8, minute: u8| date.at(hour.cast_signed(), minute.cast_signed(), 0, 0);
    expression
        .hour
        .numbers()
        .flat_map(move |hour| expression.minute.numbers().map(move |minute| at(hour, minute)))
}

/// Whether a time of the expression is left out or doubled by a change of clocks in the next two years.
pub fn changes_matter(expression: &CronExpression, zone: &Zone, now: Timestamp) -> bool {
    let end = now + (2 * 366 * 24).hours();
    let changes = zone.rules().following(now).take_while(|change| change.timestamp() < end);
    let days = changes.flat_map(|change| {
        let day = zone.rules().to_datetime(change.timestamp()).date();
        [day.yesterday(), Ok(day)].into_iter().flatten()
    });
    let is_changed = |time: DateTime| zone.rules().to_ambiguous_timestamp(time).is_ambiguous();
    days.filter(|day| expression.has_day(*day)).any(|day| clock_times(expression, day).any(is_changed))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, zone: &str, after: &str, clockwork: Clockwork) -> Vec<String> {
        let expression = CronExpression::parse(cron).unwrap();
        let zone = Zone::named(zone).unwrap();
        let times = times(&expression, &zone, after.parse().unwrap(), clockwork).take(3);
        times.map(|time| time.strftime("%d %H:%M").to_string()).collect()
    }

    /// In Berlin, 02:00 to 03:00 is left out on 28 March 2027 (01:00 UTC), and doubled on 31 October (from 00:00 UTC on).
    #[test]
    fn each_clockwork_has_its_own_way_where_clocks_change() {
        use Clockwork::{Cron, Github, Kubernetes, Systemd};
        let (spring, autumn) = ("2027-03-27T12:00:00Z", "2027-10-30T12:00:00Z");
        let table: [(&str, &str, Clockwork, [&str; 3]); 11] = [
            ("30 2 * * *", spring, Systemd, ["29 00:30", "30 00:30", "31 00:30"]),
            ("30 2 * * *", spring, Kubernetes, ["29 00:30", "30 00:30", "31 00:30"]),
            ("30 2 * * *", spring, Cron, ["28 01:00", "29 00:30", "30 00:30"]),
            ("30 2 * * *", spring, Github, ["28 01:00", "29 00:30", "30 00:30"]),
            ("*/30 2 * * *", spring, Cron, ["29 00:00", "29 00:30", "30 00:00"]),
            ("0,30 2,3 * * *", spring, Cron, ["28 01:00", "28 01:30", "29 00:00"]),
            ("30 2 * * *", autumn, Systemd, ["31 00:30", "01 01:30", "02 01:30"]),
            ("30 2 * * *", autumn, Cron, ["31 00:30", "01 01:30", "02 01:30"]),
            ("30 2 * * *", autumn, Github, ["31 00:30", "01 01:30", "02 01:30"]),
            ("30 2 * * *", autumn, Kubernetes, ["31 00:30", "31 01:30", "01 01:30"]),
            ("*/40 2 * * *", autumn, Cron, ["31 00:00", "31 00:40", "31 01:00"]),
        ];
        for (cron, after, clockwork, expected) in table {
            assert_eq!(
                next(cron, "Europe/Berlin", after, clockwork),
                expected,
                "{cron} {clockwork:?} {after}"
            );
        }
    }

    /// Judged by somebody who looks at the clock each minute: nothing is left out and nothing made up, whatever the clocks do.
    #[test]
    fn a_look_at_the_clock_each_minute_finds_the_same() {
        let mut random = fastrand::Rng::with_seed(17);
        let mut pick = |choices: &[&'static str]| *random.choice(choices).expect("choices");
        for _ in 0..60 {
            let minute = pick(&["*/20", "0", "30", "7,45", "0-40/10"]);
            let (hour, days) =
                (pick(&["*", "2", "0-5", "1,2,3", "*/4"]), pick(&["*", "* * sat,sun", "14 * *"]));
            let cron = format!("{minute} {hour} {days}{}", if days == "*" { " * *" } else { "" });
            // Clocks are changed by half an hour, too, and by none at all.
            let zone = pick(&["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]);
            let start = pick(&["03-13", "03-27", "04-02", "10-02", "10-30", "11-06"]);
            let start: Timestamp = format!("2027-{start}T12:00:00Z").parse().unwrap();
            let (expression, zone) = (CronExpression::parse(&cron).unwrap(), Zone::named(zone).unwrap());
            for clockwork in [Clockwork::Kubernetes, Clockwork::Systemd] {
                let end = start + 48.hours();
                let found = times(&expression, &zone, start, clockwork).take_while(|time| *time <= end);
                let seen = seen_on_the_clock(&expression, &zone, start, clockwork);
                assert_eq!(found.collect::<Vec<_>>(), seen, "{cron} {zone:?} {clockwork:?} from {start}");
            }
        }
    }

    /// The minutes of two days at which the clock shows a time of the expression, and has not shown it before.
    fn seen_on_the_clock(
        expression: &CronExpression,
        zone: &Zone,
        start: Timestamp,
        clockwork: Clockwork,
    ) -> Vec<Timestamp> {
        let is_at = |shown: DateTime| {
            expression.has_day(shown.date())
                && expression.hour.contains(shown.hour().cast_unsigned())
                && expression.minute.contains(shown.minute().cast_unsigned())
        };
        let mut before = std::collections::HashSet::new();
        let minutes = (1..=48 * 60).map(|minute: i64| start + minute.minutes());
        let seen = minutes.filter(|time| {
            let shown = zone.rules().to_datetime(*time);
            let is_new = before.insert(shown) || clockwork == Clockwork::Kubernetes;
            is_new && is_at(shown)
        });
        seen.collect()
    }

    #[test]
    fn changes_matter_only_to_what_they_touch() {
        let now = "2027-01-01T00:00:00Z".parse().unwrap();
        for (cron, zone, expected) in [
            ("30 2 * * *", "Europe/Berlin", true),
            ("30 4 * * *", "Europe/Berlin", false),
            ("30 2 * * mon-sat", "Europe/Berlin", false),
            ("* * * * *", "Asia/Tokyo", false),
            ("0 0 * * *", "America/Santiago", true),
        ] {
            let expression = CronExpression::parse(cron).unwrap();
            assert_eq!(
                changes_matter(&expression, &Zone::named(zone).unwrap(), now),
                expected,
                "{cron} {zone}"
            );
        }
    }

    #[test]
    fn a_leap_day_is_found_over_a_century_without_one() {
        assert_eq!(next("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", Clockwork::Systemd)[0], "29 00:00");
    }
}
