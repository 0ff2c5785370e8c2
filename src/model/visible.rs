//! Odd characters in names that others chose: shown, not obeyed.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with every character that moves the cursor, hides text or turns its direction written as `\n`, `\t` or
/// `\u{202e}`. Borrowed when there is none.
///
/// ```
/// use runner::model::visible::visible;
///
/// assert_eq!(visible("pump \u{1b}[31m7"), "pump \\u{1b}[31m7");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ if is_obeyed(character) => {
                write!(shown, "\\u{{{:x}}}", u32::from(character)).expect("a String takes all");
            }
            _ => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// Control characters, line separators, marks of direction (Unicode Standard Annex 9) what has no width but the joiner
/// that emoji need, and what is no character at all.
pub fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}'..='\u{ffff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_left_alone() {
        for text in ["", "Zähler 7", "水表", "👩\u{200d}🔧 `x` <b> ${{ y }}"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(visible("a\u{1b}]0;title\u{7}b"), r"a\u{1b}]0;title\u{7}b");
        assert_eq!(visible("one\r\ntwo\tthree\u{9b}"), r"one\r\ntwo\tthree\u{9b}");
        assert_eq!(visible("\u{202e}evil\u{2066}"), r"\u{202e}evil\u{2066}");
        assert_eq!(visible("ze\u{200b}ro\u{feff}"), r"ze\u{200b}ro\u{feff}");
    }
}
