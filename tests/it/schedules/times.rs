//! The next times: as systemd has them, and as the expression says.

use super::{job, run, schedule, text, time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use runner::calendar::{Clockwork, CronExpression, Zone, times};
use runner::plan::PlannedSchedule;
use runner::schedule::{Manager, units};
use std::collections::BTreeSet;
use std::process::Command;

/// Fixed times inside and around the hours that are left out or doubled, lists, ranges, steps, both kinds of days, and rare
/// days.
const EXPRESSIONS: [&str; 40] = [
    "30 2 * * *",
    "0 2 * * *",
    "0 3 * * *",
    "15 3 * * *",
    "59 1 * * *",
    "30 1 * * *",
    "0 0 * * *",
    "30 0 * * *",
    "30 23 * * *",
    "5 1,2,3 * * *",
    "0,30 2 * * *",
    "*/10 2 * * *",
    "*/15 * * * *",
    "*/7 * * * *",
    "0 * * * *",
    "29 */2 * * *",
    "0 */3 * * *",
    "10-50/20 1-3 * * *",
    "* * * * *",
    "* 2 * * *",
    "30 2 * * sun",
    "30 2 * * mon-fri",
    "0 2 * * 0",
    "0 2 * * 7",
    "0 1 * * 5-7",
    "45 2 * * sat,sun",
    "30 2 29 * *",
    "30 2 25-31 * sun",
    "0 3 1 * *",
    "0 2 1-7 * *",
    "30 2 31 * *",
    "0 0 1 1 *",
    "30 1 29 feb *",
    "30 2 29 3 *",
    "30 2 * mar,oct *",
    "30 2 1 4-10/3 mon",
    "0 12 13 * fri",
    "@daily",
    "@weekly",
    "@monthly",
];

/// Zones of the north, the south, with a change of half an hour, and with one at midnight.
const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
];

/// The two changes of clocks of a zone from the beginning of 2027 on.
fn changes(zone: &str) -> [Timestamp; 2] {
    let zone = TimeZone::get(zone).expect("the zone is known");
    let changes: Vec<_> = zone.following(time("2027-01-01T00:00:00Z")).take(2).collect();
    [changes[0].timestamp(), changes[1].timestamp()]
}

/// What `systemd-analyze calendar` says of the lines of our timers: the next five times of each.
fn by_systemd(schedules: &[PlannedSchedule], after: Timestamp) -> Vec<Vec<Timestamp>> {
    let lines = |schedule: &PlannedSchedule| -> Vec<String> {
        let timer = units(&job(schedule.clone()), Manager::User).expect("the job can be said").timer;
        timer.lines().filter_map(|line| line.strip_prefix("OnCalendar=")).map(str::to_owned).collect()
    };
    let lines: Vec<Vec<String>> = schedules.iter().map(lines).collect();
    let base = format!("--base-time={}", after.strftime("%Y-%m-%d %H:%M:%S UTC"));
    let mut command = Command::new("systemd-analyze");
    command.args(["calendar", "--iterations=5", &base]).args(lines.iter().flatten());
    let output = run(&mut command, "systemd");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let mut answers = said.split("Normalized form: ").skip(1);
    let times = lines.iter().map(|lines| {
        let times: BTreeSet<_> =
            answers.by_ref().take(lines.len()).flat_map(|it| it.lines().filter_map(elapse)).collect();
        times.into_iter().take(5).collect()
    });
    let times = times.collect();
    assert_eq!(answers.next(), None);
    times
}

/// `    Next elapse: Sat 2026-03-28 01:30:00 UTC`, or `Iter. #2: ...`.
fn elapse(line: &str) -> Option<Timestamp> {
    let (label, value) = line.trim().split_once(": ")?;
    if label != "Next elapse" && !label.starts_with("Iter. #") {
        return None;
    }
    let time = value.strip_suffix(" UTC")?.split_once(' ')?.1;
    Some(
        jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", time)
            .ok()?
            .to_zoned(TimeZone::UTC)
            .ok()?
            .timestamp(),
    )
}

fn ours(schedule: &PlannedSchedule, after: Timestamp) -> Vec<Timestamp> {
    times(&schedule.cron, &schedule.zone, after, Clockwork::Systemd).take(5).collect()
}

#[test]
fn the_next_five_times_are_those_of_systemd_over_both_changes_of_clocks() {
    for zone in ZONES {
        let schedules = EXPRESSIONS.map(|cron| schedule(cron, zone));
        for change in changes(zone) {
            // Half a day and three hours before a change, right after it, and in the middle of what is doubled.
            for minutes in [-720, -181, 0, 17] {
                let after = change + minutes.minutes();
                for (schedule, theirs) in schedules.iter().zip(by_systemd(&schedules, after)) {
                    assert_eq!(ours(schedule, after), theirs, "`{}` in {zone} after {after}", schedule.cron);
                    assert_eq!(theirs.len(), 5);
                }
            }
        }
    }
}

/// A field of a random expression.
fn random_field(random: &mut fastrand::Rng, first: u8, last: u8) -> String {
    let (one, other) = (random.u8(first..=last), random.u8(first..=last));
    let (low, high) = (one.min(other), one.max(other));
    match random.u8(0..5) {
        0 | 1 => "*".to_owned(),
        2 => format!("*/{}", random.u8(1..=last.min(15))),
        3 => format!("{one}"),
        _ if low < high => format!("{low}-{high}/{}", random.u8(1..=3)),
        _ => format!("{low},{}", random.u8(first..=last)),
    }
}

fn random_expression(random: &mut fastrand::Rng) -> CronExpression {
    loop {
        let fields = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
        let fields = fields.map(|(first, last)| random_field(random, first, last));
        if let Ok(expression) = CronExpression::parse(&fields.join(" ")) {
            return expression;
        }
    }
}

/// Whether a clock shows a time of the expression, told from its fields alone.
fn shows(expression: &CronExpression, zone: &Zone, time: Timestamp) -> bool {
    let clock = zone.rules().to_datetime(time);
    let number = i8::unsigned_abs;
    expression.has_day(clock.date())
        && expression.hour.contains(number(clock.hour()))
        && expression.minute.contains(number(clock.minute()))
        && clock.second() == 0
}

#[test]
fn times_come_after_now_fit_the_expression_and_never_come_twice() {
    let mut random = fastrand::Rng::with_seed(3);
    for round in 0..400 {
        let expression = random_expression(&mut random);
        let zone = Zone::named(ZONES[round % ZONES.len()]).expect("the zone is known");
        let change = changes(zone.name())[round % 2];
        let after = change + random.i64(-200_000..100_000).seconds();
        for clockwork in [Clockwork::Systemd, Clockwork::Cron, Clockwork::Kubernetes, Clockwork::Github] {
            let mut last = after;
            for time in times(&expression, &zone, after, clockwork).take(200) {
                let is_change =
                    zone.rules().preceding(time + 1.second()).next().map(|change| change.timestamp())
                        == Some(time);
                let stands_in = is_change && matches!(clockwork, Clockwork::Cron | Clockwork::Github);
                assert!(time > last, "{expression} {clockwork:?}: {time} after {last}");
                assert!(shows(&expression, &zone, time) || stands_in, "{expression} {clockwork:?}: {time}");
                last = time;
            }
        }
    }
}

#[test]
fn no_time_is_left_out() {
    let mut random = fastrand::Rng::with_seed(5);
    let zone = Zone::named("Europe/Berlin").expect("the zone is known");
    for _ in 0..40 {
        let expression = random_expression(&mut random);
        let start = time("2027-01-01T00:00:00Z") + random.i64(0..300 * 1_440).minutes();
        let end = start + (4 * 1_440).minutes();
        // By the clock alone, which is what the controller of Kubernetes does.
        let found: Vec<_> =
            times(&expression, &zone, start, Clockwork::Kubernetes).take_while(|time| *time <= end).collect();
        let minutes = (1..=4 * 1_440).map(|minute| start + minute.minutes());
        let expected: Vec<_> = minutes.filter(|time| shows(&expression, &zone, *time)).collect();
        assert_eq!(found, expected, "{expression} after {start}");
    }
}
