//! A cron expression in the form of systemd.time(7), "Calendar Events".

use crate::calendar::{CronExpression, Field, Part, Zone};

/// The calendar events whose union is the expression. Two where both kinds of days are restricted: cron wants either of
/// them, systemd both.
pub(super) fn calendar_lines(expression: &CronExpression, zone: &Zone) -> Vec<String> {
    let CronExpression { minute, hour, day, month, weekday } = expression;
    let time = format!("{}:{}:00 {}", field(hour, (0, 23)), field(minute, (0, 59)), zone.name());
    let months = field(month, (1, 12));
    let on_days = format!("*-{months}-{} {time}", field(day, (1, 31)));
    let on_weekdays = format!("{} *-{months}-* {time}", weekdays(weekday));
    match (day.is_any(), weekday.is_any()) {
        (_, true) => vec![on_days],
        (true, false) => vec![on_weekdays],
        (false, false) => vec![on_days, on_weekdays],
    }
}

/// Each range has its end: without one, `00/7` makes systemd (252) look for a minute 63 at the end of the day and miss
/// midnight.
fn field(field: &Field, whole: (u8, u8)) -> String {
    let part = |part: &Part| {
        if *part == (Part { range: None, step: 1 }) {
            return "*".to_owned();
        }
        let (first, last) = part.range.unwrap_or(whole);
        let numbers = if first == last { format!("{first:02}") } else { format!("{first:02}..{last:02}") };
        if part.step > 1 { format!("{numbers}/{}", part.step) } else { numbers }
    };
    field.parts().iter().map(part).collect::<Vec<_>>().join(",")
}

fn weekdays(field: &Field) -> String {
    const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    field.numbers().map(|number| NAMES[usize::from(number)]).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_in_the_words_of_systemd() {
        for (cron, expected) in [
            ("15 3 * * *", "*-*-* 03:15:00 UTC"),
            ("*/10 8-18 * * mon-fri", "Mon,Tue,Wed,Thu,Fri *-*-* 08..18:00..59/10:00 UTC"),
            ("0,30 */6 1 jan,jul *", "*-01,07-01 00..23/6:00,30:00 UTC"),
            ("5-50/15 * */2 * *", "*-*-01..31/2 *:05..50/15:00 UTC"),
            ("0 0 13 * 5", "*-*-13 00:00:00 UTC, Fri *-*-* 00:00:00 UTC"),
            ("@weekly", "Sun *-*-* 00:00:00 UTC"),
            ("0 0 * * 5-7", "Sun,Fri,Sat *-*-* 00:00:00 UTC"),
        ] {
            let expression = CronExpression::parse(cron).unwrap();
            assert_eq!(calendar_lines(&expression, &Zone::utc()).join(", "), expected, "{cron}");
        }
    }
}
