//! The same times by another clock.

use super::cron::CronExpression;
use super::field::Field;
use std::collections::BTreeMap;

const HOUR: i32 = 60;
const DAY: i32 = 24;

/// An expression by another clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shifted {
    /// The expressions whose union it is.
    Lines(Vec<CronExpression>),
    /// It falls on other days of a month, which five fields cannot say.
    OtherDay,
}

/// An expression by a clock that is always so many minutes ahead.
pub fn shifted(expression: &CronExpression, minutes: i32) -> Shifted {
    let (hours, minutes) = (minutes.div_euclid(HOUR), minutes.rem_euclid(HOUR));
    let is_any_day = expression.day.is_any() && expression.month.is_any();
    let is_daily = is_any_day && expression.weekday.is_any();
    if is_daily && expression.hour.is_any() {
        let minute = carried(&expression.minute, minutes, HOUR).into_values().fold(Field::of([]), Field::and);
        let minute = if minutes == 0 { expression.minute.clone() } else { minute };
        return Shifted::Lines(vec![CronExpression { minute, ..expression.clone() }]);
    }
    // Minutes by the hours that they carry; then hours by the days that they carry.
    let mut lines = Vec::new();
    for (carry, minute) in carried(&expression.minute, minutes, HOUR) {
        for (days, hour) in carried(&expression.hour, hours + carry, DAY) {
            if days != 0 && !is_any_day {
                return Shifted::OtherDay;
            }
            let weekday = match days == 0 || is_daily {
                true => expression.weekday.clone(),
                false => carried(&expression.weekday, days, 7).into_values().fold(Field::of([]), Field::and),
            };
            let (day, month) = (expression.day.clone(), expression.month.clone());
            lines.push(CronExpression { minute: minute.clone(), hour, day, month, weekday });
        }
    }
    Shifted::Lines(lines)
}

/// The numbers of a field, so many ahead: by how often they went around.
fn carried(field: &Field, ahead: i32, round: i32) -> BTreeMap<i32, Field> {
    if ahead == 0 {
        return BTreeMap::from([(0, field.clone())]);
    }
    let mut carried: BTreeMap<i32, Vec<u8>> = BTreeMap::new();
    for number in field.numbers() {
        let sum = i32::from(number) + ahead;
        let number = u8::try_from(sum.rem_euclid(round)).expect("a round is short");
        carried.entry(sum.div_euclid(round)).or_default().push(number);
    }
    carried.into_iter().map(|(rounds, numbers)| (rounds, Field::of(numbers))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{Clockwork, Zone, times};
    use jiff::{Timestamp, ToSpan};

    fn lines(cron: &str, minutes: i32) -> Vec<String> {
        match shifted(&CronExpression::parse(cron).unwrap(), minutes) {
            Shifted::Lines(lines) => lines.iter().map(ToString::to_string).collect(),
            Shifted::OtherDay => vec!["other day".to_owned()],
        }
    }

    #[test]
    fn tokyo_and_kolkata_by_universal_time() {
        assert_eq!(lines("15 3 * * *", -540), ["15 18 * * *"]);
        assert_eq!(lines("15 12 * * mon", -540), ["15 3 * * 1"]);
        assert_eq!(lines("15 3 * * mon", -540), ["15 18 * * 0"]);
        assert_eq!(lines("15 3 1 * *", -540), ["other day"]);
        assert_eq!(lines("15 12 1 * *", -540), ["15 3 1 * *"]);
        assert_eq!(lines("*/15 * * * *", -540), ["*/15 * * * *"]);
        assert_eq!(lines("10 * * * *", -330), ["40 * * * *"]);
        assert_eq!(lines("0,30 9 * * *", -330), ["30 3 * * *", "0 4 * * *"]);
    }

    #[test]
    fn the_times_stay_the_same() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for cron in ["15 3 * * *", "*/20 22-23 * * 5-7", "5,55 0-4/2 * * sat", "0 12 13 * *", "7 * * * *"] {
            for (zone, minutes) in [("Asia/Tokyo", 540), ("Asia/Kolkata", 330), ("Etc/GMT+3", -180)] {
                let expression = CronExpression::parse(cron).unwrap();
                let zone = Zone::named(zone).unwrap();
                let expected: Vec<_> = times(&expression, &zone, start, Clockwork::Cron).take(50).collect();
                let Shifted::Lines(lines) = shifted(&expression, -minutes) else { panic!("{cron}") };
                let utc = Zone::utc();
                let end = *expected.last().unwrap() + 1.second();
                let mut found: Vec<_> = lines
                    .iter()
                    .flat_map(|line| times(line, &utc, start, Clockwork::Cron).take_while(|time| *time < end))
                    .collect();
                found.sort();
                assert_eq!(found, expected, "{cron} {minutes}");
            }
        }
    }
}
