//! Looks for a planted secret in what a program wrote, by itself: it shares no code with the redaction it
//! judges.
use std::collections::HashSet;

/// How many encodings around one another are undone.
const DEPTH: usize = 3;

const UNWRAP: &str = "split by white space";

/// One way to undo an encoding wherever it may have been used in a text.
struct Reading {
    name: &'static str,
    read: fn(&str) -> Option<String>,
}

/// The readings of escapes, which leave most of a text as it is. Text is one `char` for each byte: see
/// [`latin1`].
const ESCAPES: [Reading; 9] = [
    Reading { name: "percent-encoded", read: percent },
    Reading { name: "form-encoded", read: form },
    Reading { name: "backslash-escaped", read: backslash },
    Reading { name: "entity-escaped", read: entities },
    Reading { name: "shell-quoted", read: |text| replaced(text, r"'\''", "'") },
    Reading { name: "shell-double-quoted", read: |text| replaced(text, r#"'"'"'"#, "'") },
    Reading { name: "YAML-quoted", read: |text| replaced(text, "''", "'") },
    Reading { name: "CSV-quoted", read: |text| replaced(text, "\"\"", "\"") },
    Reading { name: UNWRAP, read: unwrap },
];

/// The readings that turn runs of digits into bytes; what lies between the runs separates them.
const DIGITS: [Reading; 6] = [
    Reading { name: "hex", read: |text| hex(text, 0) },
    Reading { name: "hex, second digit first", read: |text| hex(text, 1) },
    Reading { name: "base64", read: |text| base64(text, 0) },
    Reading { name: "base64, 1 digit skipped", read: |text| base64(text, 1) },
    Reading { name: "base64, 2 digits skipped", read: |text| base64(text, 2) },
    Reading { name: "base64, 3 digits skipped", read: |text| base64(text, 3) },
];

/// How `secret` (or, of a secret of several lines, a line of at least 4 characters) stands in `text`: `raw`,
/// or the encodings around it, the outermost first. `None` if it is nowhere.
///
/// Other case counts from 8 characters on, and so does a split by white space. Secrets below 4 characters are
/// not looked for.
pub fn find_planted(text: &[u8], secret: &str) -> Option<String> {
    find_any_planted(text, &[secret.to_owned()]).map(|(_, form)| form)
}

/// The first of `secrets` that stands in `text`, and how: as [`find_planted`], but the encodings are undone once for all.
pub fn find_any_planted<'s>(text: &[u8], secrets: &'s [String]) -> Option<(&'s str, String)> {
    let wanted: Vec<_> = secrets.iter().map(|secret| (secret, Wanted::of(secret))).collect();
    let mut seen = HashSet::new();
    let mut queue = vec![(latin1(text), Vec::new())];
    while let Some((text, path)) = queue.pop() {
        if let Some(secret) = first_in(&wanted, &text, &path) {
            return Some((secret, if path.is_empty() { "raw".to_owned() } else { path.join(" > ") }));
        }
        if path.len() == DEPTH {
            continue;
        }
        let text = if path.last().is_some_and(is_digits) { readable(&text) } else { text };
        for reading in ESCAPES.iter().chain(&DIGITS) {
            if let Some(read) = (reading.read)(&text)
                && seen.insert(read.clone())
            {
                queue.push((read, [path.as_slice(), &[reading.name]].concat()));
            }
        }
    }
    None
}

fn first_in<'s>(wanted: &[(&'s String, Vec<Wanted>)], text: &str, path: &[&str]) -> Option<&'s str> {
    let split = path.iter().rposition(|name| *name == UNWRAP);
    let is_split = split.is_some_and(|split| !path[split..].iter().any(is_digits));
    let lower = text.to_ascii_lowercase();
    let mut secrets = wanted.iter();
    let found = secrets.find(|(_, parts)| parts.iter().any(|part| part.is_in(text, &lower, is_split)));
    found.map(|(secret, _)| secret.as_str())
}

/// The stretches that a person could read: what digits at a wrong offset give is mostly none.
fn readable(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        bytes.push(character as u8);
    }
    let mut readable = String::new();
    for chunk in bytes.utf8_chunks() {
        for stretch in chunk.valid().split(is_control).filter(|stretch| stretch.len() >= 4) {
            readable.push_str(if readable.is_empty() { "" } else { "\0" });
            readable.push_str(&latin1(stretch.as_bytes()));
        }
    }
    readable
}

fn is_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r')
}

/// Whether this is the name of a reading of digits.
fn is_digits(name: &&str) -> bool {
    DIGITS.iter().any(|reading| reading.name == *name)
}

/// A text that is looked for.
struct Wanted {
    exact: String,
    lower: String,
    squeezed: String,
    is_long: bool,
}

impl Wanted {
    /// The secret and its lines, in UTF-8 and in ISO 8859-1.
    fn of(secret: &str) -> Vec<Self> {
        std::iter::once(secret)
            .chain(secret.lines().map(str::trim))
            .filter(|part| part.chars().count() >= 4 && !part.trim().is_empty())
            .flat_map(|part| {
                let is_narrow = !part.is_ascii() && part.chars().all(|character| u32::from(character) < 256);
                let spellings = [Some(latin1(part.as_bytes())), is_narrow.then(|| part.to_owned())];
                spellings.into_iter().flatten().map(|exact| Self {
                    lower: exact.to_ascii_lowercase(),
                    squeezed: exact.to_ascii_lowercase().split_whitespace().collect(),
                    is_long: part.chars().count() >= 8,
                    exact,
                })
            })
            .collect()
    }

    fn is_in(&self, text: &str, lower: &str, is_split: bool) -> bool {
        match (self.is_long, is_split) {
            (true, true) => lower.contains(&self.squeezed),
            (true, false) => lower.contains(&self.lower),
            (false, true) => false,
            (false, false) => text.contains(&self.exact),
        }
    }
}

/// One `char` from 0 to 255 for each byte, so that any bytes are text and offsets stay.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The UTF-8 bytes of a code point, each as a `char`.
fn utf8(code: u32) -> Option<String> {
    Some(latin1(char::from_u32(code)?.to_string().as_bytes()))
}

/// Replaces every escape that starts with `mark`; `read` returns what it stands for and what follows it.
fn unescape(text: &str, mark: char, read: impl Fn(&str) -> Option<(String, &str)>) -> Option<String> {
    let mut result = String::new();
    let (mut rest, mut changed) = (text, false);
    while let Some(start) = rest.find(mark) {
        result.push_str(&rest[..start]);
        rest = match read(&rest[start + 1..]) {
            Some((replacement, after)) => {
                changed = true;
                result.push_str(&replacement);
                after
            }
            None => {
                result.push(mark);
                &rest[start + 1..]
            }
        };
    }
    result.push_str(rest);
    changed.then_some(result)
}

fn number(text: &str, digits: usize, radix: u32) -> Option<(u32, &str)> {
    let (number, rest) = (text.get(..digits)?, &text[digits..]);
    let is_number = number.chars().all(|digit| digit.is_digit(radix));
    is_number.then(|| u32::from_str_radix(number, radix).ok()).flatten().map(|number| (number, rest))
}

fn byte(value: u32) -> Option<String> {
    u8::try_from(value).ok().map(|byte| char::from(byte).to_string())
}

fn percent(text: &str) -> Option<String> {
    unescape(text, '%', |rest| {
        if let Some(unit) = rest.strip_prefix('u') {
            let (code, rest) = number(unit, 4, 16)?;
            return Some((utf8(code)?, rest));
        }
        let (value, rest) = number(rest, 2, 16)?;
        Some((byte(value)?, rest))
    })
}

fn form(text: &str) -> Option<String> {
    let spaced = text.contains('+').then(|| text.replace('+', " "))?;
    Some(percent(&spaced).unwrap_or(spaced))
}

fn backslash(text: &str) -> Option<String> {
    unescape(text, '\\', |rest| {
        let kind = rest.chars().next()?;
        let after = &rest[kind.len_utf8()..];
        match kind {
            'u' if after.starts_with('{') => {
                let (digits, rest) = after[1..].split_once('}')?;
                Some((utf8(u32::from_str_radix(digits, 16).ok()?)?, rest))
            }
            'u' => {
                let (high, rest) = number(after, 4, 16)?;
                let low = rest.strip_prefix("\\u").and_then(|low| number(low, 4, 16));
                match low {
                    Some((low, rest)) if (0xd800..0xdc00).contains(&high) => {
                        let pair = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
                        Some((latin1(String::from_utf16(&pair).ok()?.as_bytes()), rest))
                    }
                    _ => Some((utf8(high)?, rest)),
                }
            }
            'U' => number(after, 8, 16).and_then(|(code, rest)| Some((utf8(code)?, rest))),
            'x' => number(after, 2, 16).and_then(|(value, rest)| Some((byte(value)?, rest))),
            '0'..='3' if number(rest, 3, 8).is_some() => {
                number(rest, 3, 8).and_then(|(value, rest)| Some((byte(value)?, rest)))
            }
            'n' => Some(("\n".to_owned(), after)),
            'r' => Some(("\r".to_owned(), after)),
            't' => Some(("\t".to_owned(), after)),
            letter if letter.is_ascii_alphanumeric() => None,
            other => Some((other.to_string(), after)),
        }
    })
}

fn entities(text: &str) -> Option<String> {
    unescape(text, '&', |rest| {
        let (name, rest) = rest.split_once(';')?;
        let code = match name {
            "amp" => 38,
            "lt" => 60,
            "gt" => 62,
            "quot" => 34,
            "apos" => 39,
            _ => match name.strip_prefix("#x").or_else(|| name.strip_prefix("#X")) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => name.strip_prefix('#')?.parse().ok()?,
            },
        };
        Some((utf8(code)?, rest))
    })
}

fn replaced(text: &str, from: &str, to: &str) -> Option<String> {
    text.contains(from).then(|| text.replace(from, to))
}

fn unwrap(text: &str) -> Option<String> {
    text.contains('\n').then(|| text.split_whitespace().collect())
}

fn hex(text: &str, skip: usize) -> Option<String> {
    const VALUES: Values = values(b"0123456789abcdef", b"0123456789ABCDEF");
    decode_runs(text, 8, skip, &VALUES, 4)
}

fn base64(text: &str, skip: usize) -> Option<String> {
    const VALUES: Values = values(
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    );
    decode_runs(text, 4, skip, &VALUES, 6)
}

/// What each byte is worth as a digit, or [`NO_DIGIT`].
type Values = [u8; 256];
const NO_DIGIT: u8 = 0xff;

/// The values of digits that may be written in two ways.
const fn values(one: &[u8], other: &[u8]) -> Values {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < one.len() {
        values[one[value] as usize] = value as u8;
        values[other[value] as usize] = value as u8;
        value += 1;
    }
    values
}

/// Decodes each run of at least `shortest` digits, after `skip` of them; `None` if there is no such run.
fn decode_runs(text: &str, shortest: usize, skip: usize, values: &Values, bits: u32) -> Option<String> {
    // No byte of a character that is not ASCII is a digit.
    let mut decoded = String::new();
    let is_separator = |byte: &u8| values[usize::from(*byte)] == NO_DIGIT;
    for run in text.as_bytes().split(is_separator).filter(|run| run.len() >= shortest) {
        let (mut held, mut held_bits) = (0_u32, 0);
        for byte in &run[skip..] {
            held = (held << bits | u32::from(values[usize::from(*byte)])) & 0xffff;
            held_bits += bits;
            if held_bits >= 8 {
                held_bits -= 8;
                decoded.push(char::from((held >> held_bits & 0xff) as u8));
            }
        }
        decoded.push('\0');
    }
    (!decoded.is_empty()).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found() {
        let secret = r#"p@ß "w'0\r&d<é>"#;
        for (text, how) in [
            (r#"(p@ß "w'0\r&d<é>)"#, "raw"),
            (r#"P@ß "W'0\R&D<é>"#, "raw"),
            ("p%40%C3%9f%20%22w%270%5cr%26d%3C%c3%a9%3E", "percent-encoded"),
            ("p%40%C3%9F+%22w%270%5Cr%26d%3C%C3%A9%3E", "form-encoded"),
            (
                "p%2540%25C3%259F%2520%2522w%25270%255Cr%2526d%253C%25C3%25A9%253E",
                "percent-encoded > percent-encoded",
            ),
            (r#""p@ß \"w'0\\r&d<é>""#, "backslash-escaped"),
            (r#"p@\u00DF \"w'0\\r&d<\u00e9>"#, "backslash-escaped"),
            ("p@ß &quot;w&#39;0\\r&amp;d&lt;&#xE9;&gt;", "entity-escaped"),
            (r#"p@ß "w'\''0\r&d<é>"#, "shell-quoted"),
            ("p@ß \"w'0\\r\n  &d<é>", "split by white space"),
            ("0x7040C39F20227727305c7226643cc3a93e", "hex"),
            ("07040c39f20227727305c7226643cc3a93e", "hex, second digit first"),
            ("cEDDnyAidycwXHImZDzDqT4=", "base64"),
            ("dTpwQMOfICJ3JzBcciZkPMOpPg", "base64"),
            ("xxcEDDnyAidycwXHImZDzDqT4=", "base64, 2 digits skipped"),
            ("cEDDnyAidycw\n  XHImZDzDqT4=", "split by white space > base64"),
        ] {
            assert_eq!(find_planted(text.as_bytes(), secret).unwrap_or_default(), how, "in {text}");
        }
    }

    #[test]
    fn of_several_secrets_the_one_that_shows_is_named() {
        let secrets = ["hunter22", "correct horse"].map(str::to_owned);
        let found = find_any_planted(b"correct%20horse", &secrets);
        assert_eq!(found, Some(("correct horse", "percent-encoded".to_owned())));
        assert_eq!(find_any_planted(b"hunter 22", &secrets), None);
    }

    #[test]
    fn lines_and_latin1_are_found() {
        assert_eq!(find_planted(b"x second line y", "first\nsecond line\n").unwrap(), "raw");
        assert_eq!(find_planted(b"se\xf1or!", "señor!").unwrap(), "raw");
        assert_eq!(find_planted(b"1st\n2", "1st\n2"), Some("raw".to_owned()));
        assert_eq!(find_planted(b"1st", "1st\n2"), None);
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for (text, secret) in [
            ("", "hunter22"),
            ("hunter2", "hunter22"),
            ("hunter 22", "hunter22"),
            ("PASS", "pass"),
            ("pa\nss", "pass"),
            ("‹emnify.password› and 42 % of C:\\x &co", "hunter22"),
            ("abc", "abc"),
        ] {
            assert_eq!(find_planted(text.as_bytes(), secret), None, "{secret} in {text}");
        }
    }
}
