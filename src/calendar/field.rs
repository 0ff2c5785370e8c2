//! One field of a cron expression.

use super::mistake::CronMistake;
use std::fmt;
use std::ops::Range;

/// What can stand in one of the five places.
#[derive(Debug)]
pub(super) struct Place {
    /// As messages name it.
    pub(super) name: &'static str,
    pub(super) first: u8,
    pub(super) last: u8,
    /// Names, from the number `first` on.
    names: &'static [&'static str],
}

pub(super) const MINUTE: Place = Place { name: "minute", first: 0, last: 59, names: &[] };
pub(super) const HOUR: Place = Place { name: "hour", first: 0, last: 23, names: &[] };
pub(super) const DAY: Place = Place { name: "day of the month", first: 1, last: 31, names: &[] };
pub(super) const MONTH: Place = Place {
    name: "month",
    first: 1,
    last: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
pub(super) const WEEKDAY: Place = Place {
    name: "day of the week",
    first: 0,
    last: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl Place {
    /// Whether Sunday can be written as 0 and as 7 here.
    fn is_weekday(&self) -> bool {
        self.name == WEEKDAY.name
    }
}

/// A field: which numbers it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    parts: Vec<Part>,
    /// A bit for each number.
    numbers: u64,
}

/// What stands between two commas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// First and last number; `None` = all of them.
    pub range: Option<(u8, u8)>,
    /// Each how manieth number of the range counts.
    pub step: u8,
}

impl Field {
    /// Reads a field; `start` is where it begins in the expression.
    pub(super) fn parse(text: &str, start: usize, place: &Place) -> Result<Self, CronMistake> {
        let mut field = Self { parts: Vec::new(), numbers: 0 };
        let mut at = start;
        for written in text.split(',') {
            let part = parse_part(written, at..at + written.len(), place)?;
            if part.range.is_none() && written.len() < text.len() {
                let message = format!("`*` stands alone, or schedulers read `{text}` differently");
                return Err(CronMistake::new(start..start + text.len(), message));
            }
            field.numbers |= part.numbers(place);
            field.parts.push(part);
            at += written.len() + 1;
        }
        if place.is_weekday() {
            field.count_sunday_once();
        }
        Ok(field)
    }

    /// Sunday is 0 and 7; not every scheduler knows the 7.
    fn count_sunday_once(&mut self) {
        const SEVEN: u64 = 1 << 7;
        if self.numbers & SEVEN != 0 && self.parts.iter().any(|part| part.range.is_some()) {
            self.numbers |= 1;
            let numbers = (0..7).filter(|number| self.contains(*number));
            self.parts = numbers.map(|number| Part { range: Some((number, number)), step: 1 }).collect();
        }
        self.numbers &= !SEVEN;
    }

    /// A list of numbers.
    pub(super) fn of(numbers: impl IntoIterator<Item = u8>) -> Self {
        let parts: Vec<Part> =
            numbers.into_iter().map(|number| Part { range: Some((number, number)), step: 1 }).collect();
        let bits = parts.iter().filter_map(|part| part.range).fold(0, |bits, (number, _)| bits | 1 << number);
        Self { parts, numbers: bits }
    }

    /// The numbers of two fields.
    pub(super) fn and(self, other: Self) -> Self {
        let both = Self { parts: Vec::new(), numbers: self.numbers | other.numbers };
        Self::of(both.numbers())
    }

    /// Whether a number belongs to it.
    pub fn contains(&self, number: u8) -> bool {
        number < 64 && self.numbers & (1 << number) != 0
    }

    /// Its numbers, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = u8> + '_ {
        (0..64).filter(|number| self.contains(*number))
    }

    /// Its parts, as they are written.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether it is `*` and nothing else.
    pub fn is_any(&self) -> bool {
        self.parts == [Part { range: None, step: 1 }]
    }

    /// Whether it begins with `*`, with a step or without.
    pub fn is_starred(&self) -> bool {
        self.parts.iter().any(|part| part.range.is_none())
    }
}

impl fmt::Display for Field {
    /// With numbers only, no names: what every cron understands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match part.range {
                None => f.write_str("*")?,
                Some((first, last)) if first == last => write!(f, "{first}")?,
                Some((first, last)) => write!(f, "{first}-{last}")?,
            }
            if part.step > 1 {
                write!(f, "/{}", part.step)?;
            }
        }
        Ok(())
    }
}

impl Part {
    fn numbers(self, place: &Place) -> u64 {
        let (first, last) = self.range.unwrap_or((place.first, place.last));
        (first..=last).step_by(usize::from(self.step)).fold(0, |numbers, number| numbers | 1 << number)
    }
}

fn parse_part(text: &str, at: Range<usize>, place: &Place) -> Result<Part, CronMistake> {
    let (range, step) = match text.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (text, None),
    };
    let step = match step {
        None => 1,
        Some(step) => read_step(step, at.clone(), place)?,
    };
    if range == "*" {
        return Ok(Part { range: None, step });
    }
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => {
            (number(first, at.clone(), place, false)?, number(last, at.clone(), place, true)?)
        }
        None => {
            let number = number(range, at.clone(), place, false)?;
            (number, number)
        }
    };
    if first > last {
        let message = format!("the range `{range}` runs backwards");
        return Err(CronMistake::new(at, message).help("write it as two ranges with a comma between them"));
    }
    if step > 1 && first == last {
        let message = format!("a step needs a range, not only `{range}`");
        let last = if place.is_weekday() { 6 } else { place.last };
        return Err(CronMistake::new(at, message).help(format!("write `{first}-{last}/{step}`")));
    }
    Ok(Part { range: Some((first, last)), step })
}

fn read_step(text: &str, at: Range<usize>, place: &Place) -> Result<u8, CronMistake> {
    let step = Some(text).filter(|text| is_number(text)).and_then(|text| text.parse().ok());
    let is_step = |step: &u8| *step > 0 && *step <= place.last;
    step.filter(is_step).ok_or_else(|| {
        let message =
            format!("the step of the {} is a number from 1 to {}, not `{text}`", place.name, place.last);
        CronMistake::new(at, message)
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads a number or a name. `sun` ends a week where it ends a range.
fn number(text: &str, at: Range<usize>, place: &Place, is_end: bool) -> Result<u8, CronMistake> {
    let lower = text.to_ascii_lowercase();
    if let Some(index) = place.names.iter().position(|name| *name == lower) {
        let number = place.first + u8::try_from(index).expect("there are twelve names at most");
        let ends_week = is_end && place.is_weekday() && number == 0;
        return Ok(if ends_week { place.last } else { number });
    }
    let parsed = Some(text).filter(|text| is_number(text)).map(|text| text.parse::<u8>().unwrap_or(u8::MAX));
    match parsed {
        Some(number) if (place.first..=place.last).contains(&number) => Ok(number),
        Some(_) => {
            let Place { name, first, last, .. } = place;
            Err(CronMistake::new(at, format!("the {name} is {first} to {last}, not {text}")))
        }
        None => Err(no_number(text, at, place)),
    }
}

fn no_number(text: &str, at: Range<usize>, place: &Place) -> CronMistake {
    let is_extension = text.contains(['?', '#', 'L', 'W']);
    let message = match text {
        "" => format!("a number is missing in the {}", place.name),
        text => format!("`{text}` is no {}", place.name),
    };
    let mistake = CronMistake::new(at, message);
    match place.names {
        [] if is_extension => mistake.help("`?`, `L`, `W` and `#` are not understood by every scheduler"),
        [] => mistake.help(format!("write numbers from {} to {}", place.first, place.last)),
        [first, .., last] => mistake.help(format!(
            "write numbers from {} to {}, or names from `{first}` to `{last}`",
            place.first, place.last
        )),
        [_] => mistake,
    }
}
