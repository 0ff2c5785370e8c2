//! How a report looks on the terminal, pipe or file that it goes to.

use crate::model::visible::visible;
use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Lines on a terminal do not grow beyond this: the eye must find the time that belongs to a label.
const WIDEST: usize = 110;
/// What a pipe gets: room for the common line, and no wrapping, so that each step stays one line for grep.
const PIPE: usize = 100;
/// Below this nothing can be wrapped sensibly.
const NARROWEST: usize = 40;

/// The head of a title, an error word and the like.
pub(super) const BOLD: Style = Style::new().bold();
/// What is less important.
pub(super) const DIM: Style = Style::new().dimmed();
/// All is well.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Something failed.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// Something needs a look.
pub(super) const ODD: Style = AnsiColor::Yellow.on_default();

/// Width and characters of the place that a report goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// In columns.
    pub(super) width: usize,
    /// Whether long details continue on a line of their own.
    pub(super) is_wrapped: bool,
    /// Whether symbols beyond ASCII may be used.
    pub(super) is_unicode: bool,
}

impl Look {
    /// A terminal with so many columns.
    pub fn terminal(columns: usize, is_unicode: bool) -> Self {
        Self { width: columns.clamp(NARROWEST, WIDEST), is_wrapped: true, is_unicode }
    }

    /// A pipe or a file.
    pub fn pipe(is_unicode: bool) -> Self {
        Self { width: PIPE, is_wrapped: false, is_unicode }
    }

    /// A text as it may be printed: odd characters shown, symbols spelled in ASCII where there is nothing else.
    pub fn text(self, text: impl AsRef<str>) -> String {
        let shown = visible(text.as_ref());
        if self.is_unicode { shown.into_owned() } else { spelled_in_ascii(&shown) }
    }

    /// Rows of two columns as lines; the right one is wrapped where there is a terminal.
    pub fn columns(self, rows: &[[String; 2]]) -> Vec<String> {
        let left_width = rows.iter().map(|[left, _]| columns(left)).max().unwrap_or(0);
        let room = self.width.saturating_sub(left_width + 6);
        let lines = rows.iter().flat_map(|[left, right]| {
            let parts = if self.is_wrapped { wrapped(right, room) } else { vec![right.clone()] };
            let lines = parts.into_iter().enumerate().map(move |(index, part)| {
                let left = if index == 0 { left.as_str() } else { "" };
                let pad = left_width - columns(left) + 2;
                format!("{left}{:pad$}{part}", "").trim_end().to_owned()
            });
            lines.collect::<Vec<_>>()
        });
        lines.collect()
    }

    /// `left`, indented, and at the right edge `right`. Where a terminal has not so much room, they are wrapped and below
    /// each other.
    pub(super) fn spread(self, left: &str, right: &str, indent: usize) -> Vec<String> {
        let gap = if right.is_empty() { 0 } else { 2 };
        if !self.is_wrapped || indent + columns(left) + gap + columns(right) <= self.width {
            return vec![self.justified(&format!("{:indent$}{left}", ""), right)];
        }
        let mut lines = self.paragraph(left, indent, indent);
        lines.extend((!right.is_empty()).then(|| format!("{:indent$}{right}", "")));
        lines
    }

    /// A text as lines: the first indented by `indent`, those that a terminal needs besides by `hanging`. What stands between
    /// backticks is not broken: it is there to be copied.
    pub(super) fn paragraph(self, text: &str, indent: usize, hanging: usize) -> Vec<String> {
        let room = self.width.saturating_sub(indent.max(hanging));
        let parts = if self.is_wrapped { filled(words(text, room), room) } else { vec![text.to_owned()] };
        let indents = std::iter::once(indent).chain(std::iter::repeat(hanging));
        parts.iter().zip(indents).map(|(part, indent)| format!("{:indent$}{part}", "")).collect()
    }

    /// `left` and, at the right edge, `right`, with at least two spaces between.
    pub(super) fn justified(self, left: &str, right: &str) -> String {
        let free = self.width.saturating_sub(columns(left) + columns(right)).max(2);
        if right.is_empty() { left.to_owned() } else { format!("{left}{:free$}{right}", "") }
    }
}

/// How many columns a text takes; control sequences of colours take none.
pub(super) fn columns(text: &str) -> usize {
    anstream::adapter::strip_str(text).map(UnicodeWidthStr::width).sum()
}

/// The text with a style around it; the stream that it goes to takes the style away again where there is no colour.
pub(super) fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Replaces the symbols that runner itself uses. Names that others chose keep their letters.
fn spelled_in_ascii(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '·' | '—' | '–' => spelled.push('-'),
            '→' => spelled.push_str("->"),
            '…' => spelled.push_str("..."),
            '‹' => spelled.push('<'),
            '›' => spelled.push('>'),
            '✓' => spelled.push('+'),
            '✗' => spelled.push('x'),
            '○' => spelled.push('-'),
            other => spelled.push(other),
        }
    }
    spelled
}

/// Breaks a text at spaces into lines of at most `room` columns. A longer word gets a line of its own.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    filled(text.split(' '), room)
}

/// As [`wrapped`], but no line is longer: words are broken that are, paths behind a `/`. For text without colours.
pub(super) fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in wrapped(text, room) {
        let mut part = String::new();
        for character in line.chars() {
            if !part.is_empty() && columns(&part) + character.width().unwrap_or(0) > room {
                let folders = part.rfind('/').map(|slash| slash + 1).filter(|end| *end > part.len() / 2);
                let rest = part.split_off(folders.unwrap_or(part.len()));
                lines.push(std::mem::replace(&mut part, rest));
            }
            part.push(character);
        }
        lines.push(part);
    }
    lines
}

/// The words of a text, what stands between two backticks taken for one if a line has room for it.
fn words(text: &str, room: usize) -> Vec<&str> {
    let fits = |words: &&str| columns(words) <= room;
    let spans = unbroken(text).into_iter();
    spans.flat_map(|span| if fits(&span) { vec![span] } else { span.split(' ').collect() }).collect()
}

fn unbroken(text: &str) -> Vec<&str> {
    let mut is_inside = false;
    let ends = text.char_indices().filter(|(_, character)| {
        is_inside ^= *character == '`';
        *character == ' ' && !is_inside
    });
    let ends: Vec<usize> = ends.map(|(index, _)| index).collect();
    let begins = std::iter::once(0).chain(ends.iter().map(|end| end + 1));
    begins.zip(ends.iter().copied().chain([text.len()])).map(|(begin, end)| &text[begin..end]).collect()
}

fn filled<'t>(words: impl IntoIterator<Item = &'t str>, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns_and_colours_none() {
        assert_eq!(columns("水表 7"), 6);
        assert_eq!(columns(&painted(BAD, "error")), 5);
    }

    #[test]
    fn the_right_part_ends_at_the_edge() {
        let look = Look::terminal(40, true);
        assert_eq!(columns(&look.justified("水表", "9 ms")), 40);
        assert_eq!(look.justified(&"x".repeat(50), "9 ms"), format!("{}  9 ms", "x".repeat(50)));
        assert_eq!(look.justified("left", ""), "left");
    }

    #[test]
    fn lines_are_broken_at_spaces() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a-very-long-word x", 5), ["a-very-long-word", "x"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(broken("a-very-long-word x", 5), ["a-ver", "y-lon", "g-wor", "d", "x"]);
        assert_eq!(broken("水水水", 5), ["水水", "水"]);
        assert_eq!(broken("a/path/to/file", 9), ["a/path/", "to/file"]);
    }

    #[test]
    fn what_is_there_to_be_copied_is_not_broken() {
        let look = Look::terminal(40, true);
        let text = "what now: go on with `runner resume 01JD8Y3K --clean-up`, or wait";
        let lines = ["  what now: go on with", "    `runner resume 01JD8Y3K --clean-up`,", "    or wait"];
        assert_eq!(look.paragraph(text, 2, 4), lines);
        assert_eq!(Look::pipe(true).paragraph(text, 2, 4), [format!("  {text}")]);
        assert_eq!(words("a `b c` `d", 9), ["a", "`b c`", "`d"]);
        assert_eq!(words("a `b c`", 4), ["a", "`b", "c`"]);
    }

    #[test]
    fn what_does_not_fit_into_a_line_goes_below() {
        let look = Look::terminal(40, true);
        assert_eq!(look.spread("done: 2 steps", "run 01JD8Y3K", 2).len(), 1);
        let lines = ["  interrupted: 6 of 7 steps done, 13", "  requests", "  run 01JD8Y3K · exit 130"];
        let sum = "interrupted: 6 of 7 steps done, 13 requests";
        assert_eq!(look.spread(sum, "run 01JD8Y3K · exit 130", 2), lines);
    }

    #[test]
    fn without_unicode_the_symbols_are_spelled() {
        let look = Look::pipe(false);
        assert_eq!(look.text("‹emnify.password› → a · b… Zähler"), "<emnify.password> -> a - b... Zähler");
        assert_eq!(Look::pipe(true).text("a\u{7} → b"), r"a\u{7} → b");
    }
}
