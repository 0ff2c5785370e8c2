//! The five fields.

use super::field::{DAY, Field, HOUR, MINUTE, MONTH, Place, WEEKDAY};
use super::mistake::CronMistake;
use jiff::civil::Date;
use std::fmt;
use std::ops::Range;

/// When something is to happen: minute, hour, day of the month, month, day of the week; see crontab(5). Only what all
/// schedulers read alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronExpression {
    /// The minutes of an hour.
    pub minute: Field,
    /// The hours of a day.
    pub hour: Field,
    /// The days of a month.
    pub day: Field,
    /// The months, 1 is January.
    pub month: Field,
    /// The days of a week, 0 is Sunday.
    pub weekday: Field,
}

/// Words for whole expressions.
const MACROS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

const FORM: &str = "write minute, hour, day of the month, month and day of the week: `15 3 * * mon-fri`";

impl CronExpression {
    /// Reads five fields, or a word such as `@daily`.
    ///
    /// # Errors
    /// [`CronMistake`] with its place: the first one.
    pub fn parse(text: &str) -> Result<Self, CronMistake> {
        if let Some(mistake) = unknown_macro(text) {
            return Err(mistake);
        }
        let whole = MACROS.iter().find(|(word, _)| *word == text.trim()).map_or(text, |(_, whole)| whole);
        let fields: Vec<(usize, &str)> = fields(whole).collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            let message = match fields.len() {
                6 => "a cron expression has five fields, this has 6: there are no seconds".to_owned(),
                count => format!("a cron expression has five fields, this has {count}"),
            };
            return Err(CronMistake::new(0..text.len(), message).help(FORM));
        };
        let read = |(start, text): &(usize, &str), place: &Place| Field::parse(text, *start, place);
        let expression = Self {
            minute: read(minute, &MINUTE)?,
            hour: read(hour, &HOUR)?,
            day: read(day, &DAY)?,
            month: read(month, &MONTH)?,
            weekday: read(weekday, &WEEKDAY)?,
        };
        expression.refuse_two_readings(day.0..weekday.0 + weekday.1.len())?;
        expression.refuse_never(day.0..month.0 + month.1.len())?;
        Ok(expression)
    }

    /// With both days restricted either is enough. Where one is restricted by `*/n` alone, some schedulers want both.
    fn refuse_two_readings(&self, range: Range<usize>) -> Result<(), CronMistake> {
        let is_unclear = |one: &Field, other: &Field| one.is_starred() && !one.is_any() && !other.is_any();
        if !is_unclear(&self.day, &self.weekday) && !is_unclear(&self.weekday, &self.day) {
            return Ok(());
        }
        let message = "with `*/n` for one kind of day and the other kind restricted, schedulers differ on \
                       whether both or either must fit";
        Err(CronMistake::new(range, message).help("write numbers instead of `*/n`: then either is enough"))
    }

    fn refuse_never(&self, range: Range<usize>) -> Result<(), CronMistake> {
        // A leap year has every day that there is.
        let is_day = |month: u8, day: u8| Date::new(2024, month.cast_signed(), day.cast_signed()).is_ok();
        let has_day = self.month.numbers().any(|month| self.day.numbers().any(|day| is_day(month, day)));
        if has_day || !self.weekday.is_any() {
            return Ok(());
        }
        Err(CronMistake::new(range, "this never happens: no such month has such a day"))
    }

    /// Whether cron(8) takes it as "as often as" rather than "at": minute or hour begin with `*`.
    pub fn goes_by_clock(&self) -> bool {
        self.minute.is_starred() || self.hour.is_starred()
    }

    /// Whether something happens on a day.
    pub fn has_day(&self, date: Date) -> bool {
        let is_day = self.day.contains(date.day().unsigned_abs());
        let is_weekday = self.weekday.contains(date.weekday().to_sunday_zero_offset().unsigned_abs());
        let is_either = !self.day.is_any() && !self.weekday.is_any();
        let fits = if is_either { is_day || is_weekday } else { is_day && is_weekday };
        fits && self.month.contains(date.month().unsigned_abs())
    }
}

/// The fields with the place of each.
fn fields(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let start = text.as_ptr() as usize;
    text.split_ascii_whitespace().map(move |field| (field.as_ptr() as usize - start, field))
}

fn unknown_macro(text: &str) -> Option<CronMistake> {
    let word = text.trim();
    if !word.starts_with('@') || MACROS.iter().any(|(known, _)| *known == word) {
        return None;
    }
    let mistake = CronMistake::new(0..text.len(), format!("`{word}` names no time that can be planned"));
    let words: Vec<String> = MACROS.iter().map(|(word, _)| format!("`{word}`")).collect();
    Some(mistake.help(format!("it is one of {}, or five fields", words.join(", "))))
}

impl fmt::Display for CronExpression {
    /// Five fields with numbers only: what every cron understands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} {}", self.minute, self.hour, self.day, self.month, self.weekday)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_every_cron_reads() {
        for (written, expected) in [
            ("15 3 * * *", "15 3 * * *"),
            ("  15\t03  1,15 JAN-mar Mon ", "15 3 1,15 1-3 1"),
            ("*/10 8-18/2 * * mon-fri", "*/10 8-18/2 * * 1-5"),
            ("0 0 * * 7", "0 0 * * 0"),
            ("0 0 * * fri-sun", "0 0 * * 0,5,6"),
            ("0 0 * * 5-7", "0 0 * * 0,5,6"),
            ("0 0 * * */2", "0 0 * * */2"),
            ("0 0 * * sun-tue", "0 0 * * 0-2"),
            ("*/1 */1 * * *", "* * * * *"),
            ("@daily", "0 0 * * *"),
        ] {
            assert_eq!(CronExpression::parse(written).unwrap().to_string(), expected, "{written}");
        }
    }

    #[test]
    fn mistakes_have_their_place() {
        for (written, place, part) in [
            ("60 3 * * *", 0..2, "the minute is 0 to 59"),
            ("0 3 0 * *", 4..5, "the day of the month is 1 to 31"),
            ("0 3 * 13 *", 6..8, "the month is 1 to 12"),
            ("0 3 * * 8", 8..9, "the day of the week is 0 to 7"),
            ("0 1,,2 * * *", 4..4, "a number is missing"),
            ("0 +3 * * *", 2..4, "`+3` is no hour"),
            ("*/0 3 * * *", 0..3, "the step of the minute"),
            ("*,5 3 * * *", 0..3, "`*` stands alone"),
            ("0 3 * * mon#1", 8..13, "`mon#1` is no day of the week"),
            ("0 99999999999 * * *", 2..13, "the hour is 0 to 23"),
            ("", 0..0, "this has 0"),
            ("0 0 31 4,6 *", 4..10, "never"),
            ("@Daily", 0..6, "names no time"),
        ] {
            let mistake = CronExpression::parse(written).unwrap_err();
            assert!(mistake.message.contains(part), "{written}: {}", mistake.message);
            assert_eq!(mistake.range, place, "{written}: {}", mistake.message);
        }
    }
}
