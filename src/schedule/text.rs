//! Names and paths in the forms of schedulers: whatever they hold, they stay one value.

use std::fmt::Write;
use std::time::Duration;

/// A text in one line, for comments and titles: what would end a line or hide something becomes a space.
pub fn one_line(text: &str) -> String {
    let shown = |c: char| if is_hidden(c) { ' ' } else { c };
    let line: String = text.chars().map(shown).collect();
    line.trim().to_owned()
}

/// Whether a character ends a line, moves the cursor or shows nothing.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{ffff}')
}

/// A YAML scalar in double quotes (YAML 1.2, section 7.3.1), which holds the text and nothing else.
pub(super) fn yaml_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if is_hidden(c) => write!(quoted, "\\U{:08x}", u32::from(c)).expect("a string takes all"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A word of a command line in a unit (systemd.service(5), "Command lines"); `%` begins a specifier there.
pub(super) fn unit_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' => quoted.push_str("%%"),
            c if c.is_control() => write!(quoted, "\\u{:04x}", u32::from(c)).expect("a string takes all"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A value of a unit that is a line of text: `%` begins a specifier, a backslash at the end goes on with the next line.
pub(super) fn unit_line(text: &str) -> String {
    one_line(text).trim_end_matches('\\').replace('%', "%%")
}

/// A text as a part of a name that every scheduler takes: small letters, digits and single `-`.
pub(super) fn slug(text: &str) -> String {
    const LONGEST: usize = 32;
    let mut slug = String::new();
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.truncate(LONGEST);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "playbook".to_owned() } else { slug.to_owned() }
}

/// A duration as playbooks write it: `1h30m`.
pub fn duration_text(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut text = String::new();
    for (unit, milliseconds) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
    {
        if rest >= milliseconds {
            write!(text, "{}{unit}", rest / milliseconds).expect("a string takes all");
            rest %= milliseconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(one_line("a\nb\r\u{85}\u{2028}c\u{202e}"), "a b   c");
        assert_eq!(unit_line("50 % \\\\\n"), "50 %% ");
    }

    #[test]
    fn words_are_quoted_only_where_they_need_it() {
        assert_eq!(unit_word("/srv/a b%c\"\\\n"), "\"/srv/a b%%c\\\"\\\\\\u000a\"");
        assert_eq!(yaml_quoted("a: \"b\"\n\u{85}"), "\"a: \\\"b\\\"\\n\\U00000085\"");
    }

    #[test]
    fn names_are_small_letters_and_digits() {
        for (text, expected) in
            [("Fleet Inventory (v2)", "fleet-inventory-v2"), ("../..", "playbook"), ("übung", "bung")]
        {
            assert_eq!(slug(text), expected);
        }
        assert!(slug(&"ab ".repeat(40)).len() <= 32);
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["5m", "1h30m", "2d", "500ms", "1d1s"] {
            let duration = crate::document::Time::parse(text).unwrap().0;
            assert_eq!(duration_text(duration), text);
        }
        assert_eq!(duration_text(Duration::ZERO), "0s");
    }
}
