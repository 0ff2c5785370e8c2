//! Numbers and times as a person would say them, and commands as a person can type them. All times are UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

/// `1,250`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `1,250 rows`, `no rows`; what is counted is given in its singular.
pub fn counted(number: u64, what: &str) -> String {
    match number {
        0 => format!("no {}", plural(what)),
        1 => format!("1 {what}"),
        _ => format!("{} {}", grouped(number), plural(what)),
    }
}

/// What people call a signal.
pub fn signal_name(number: i32) -> String {
    match number {
        1 => "SIGHUP".to_owned(),
        2 => "SIGINT (Ctrl-C)".to_owned(),
        15 => "SIGTERM".to_owned(),
        _ => format!("signal {number}"),
    }
}

/// `asked once`, `asked 3 times`
pub fn asked(times: u32) -> String {
    match times {
        1 => "asked once".to_owned(),
        _ => format!("asked {} times", grouped(times.into())),
    }
}

fn plural(word: &str) -> String {
    match word.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{word}s"),
    }
}

/// `31 ms`, `4.2 s`, `42 s`, `3 min 20 s`, `4 h`, `2 d 5 h`: never more than two units. What somebody has set, and nobody
/// measured, has no fraction: `5 s`.
pub fn duration(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1000.0;
    let seconds = rounded(milliseconds / 1000.0);
    match milliseconds {
        ..999.5 => format!("{milliseconds:.0} ms"),
        _ if seconds < 60 && duration.subsec_nanos() == 0 => format!("{seconds} s"),
        ..9_950.0 => format!("{:.1} s", milliseconds / 1000.0),
        _ if seconds < 60 => format!("{seconds} s"),
        _ if seconds < 3600 => two_units(seconds, 60, "min", "s"),
        _ if seconds < 86_400 - 30 => two_units(rounded(milliseconds / 60_000.0), 60, "h", "min"),
        _ => two_units(rounded(milliseconds / 3_600_000.0), 24, "d", "h"),
    }
}

/// As [`duration`], but `0.15 s` for what takes less than a second: whole runs are told in seconds.
pub fn total(total: Duration) -> String {
    if total < Duration::from_secs(1) {
        return format!("{:.2} s", total.as_secs_f64());
    }
    duration(total)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "durations are positive and finite"
)]
fn rounded(number: f64) -> u64 {
    number.round() as u64
}

fn two_units(small: u64, small_in_large: u64, large_unit: &str, small_unit: &str) -> String {
    let (large, rest) = (small / small_in_large, small % small_in_large);
    match rest {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {rest} {small_unit}"),
    }
}

/// `18:02 UTC`, with the date when that is another day than `seen_from`.
pub fn moment(at: Timestamp, seen_from: Timestamp) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    let format =
        if at.date() == seen_from.to_zoned(TimeZone::UTC).date() { "%H:%M UTC" } else { "%F %H:%M UTC" };
    at.strftime(format).to_string()
}

/// As [`moment`]: `at 18:02 UTC`, `on 2026-11-23 18:02 UTC`
pub fn at_moment(at: Timestamp, seen_from: Timestamp) -> String {
    let moment = moment(at, seen_from);
    let preposition = if moment.len() > "18:02 UTC".len() { "on" } else { "at" };
    format!("{preposition} {moment}")
}

/// A word of a shell command (POSIX, section 2.2). Without a backslash, which cron and the shell would both read.
pub fn shell_quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@+".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\"'\"'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let numbers = [0, 12, 999, 1000, 1250, 999_999, 1_234_567, u64::MAX].map(grouped);
        let expected =
            ["0", "12", "999", "1,000", "1,250", "999,999", "1,234,567", "18,446,744,073,709,551,615"];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(counted(0, "retry"), "no retries");
        assert_eq!(counted(1, "retry"), "1 retry");
        assert_eq!(counted(1250, "row"), "1,250 rows");
    }

    #[test]
    fn a_duration_has_the_unit_a_person_would_say() {
        let said = |milliseconds| duration(Duration::from_millis(milliseconds));
        assert_eq!(
            [0, 31, 999, 1000, 1001, 4210, 9949, 9950, 9999].map(said),
            ["0 ms", "31 ms", "999 ms", "1 s", "1.0 s", "4.2 s", "9.9 s", "10 s", "10 s"]
        );
        assert_eq!([42_000, 59_499, 59_500, 200_000].map(said), ["42 s", "59 s", "1 min", "3 min 20 s"]);
        assert_eq!([3_599_000, 3_599_900, 14_399_000].map(said), ["59 min 59 s", "1 h", "4 h"]);
        assert_eq!([5_400_000, 86_399_000, 190_800_000].map(said), ["1 h 30 min", "1 d", "2 d 5 h"]);
    }

    #[test]
    fn words_of_commands_are_quoted_only_where_they_need_it() {
        assert_eq!(shell_quoted("/srv/a-b.yaml"), "/srv/a-b.yaml");
        assert_eq!(shell_quoted("a'b $x"), "'a'\"'\"'b $x'");
        assert_eq!(shell_quoted(""), "''");
    }

    #[test]
    fn a_run_is_told_in_seconds() {
        let said = |milliseconds| total(Duration::from_millis(milliseconds));
        assert_eq!([3, 154, 999, 4400].map(said), ["0.00 s", "0.15 s", "1.00 s", "4.4 s"]);
    }

    #[test]
    fn a_moment_of_another_day_has_its_date() {
        let now: Timestamp = "2026-11-22T14:02:00Z".parse().unwrap();
        assert_eq!(moment("2026-11-22T18:02:59Z".parse().unwrap(), now), "18:02 UTC");
        assert_eq!(moment("2026-11-23T00:00:00Z".parse().unwrap(), now), "2026-11-23 00:00 UTC");
    }
}
