use super::Span;
use std::ops::Range;

/// A scalar of a file: its value after escapes and folding, and for each byte of it the place in the file.
#[derive(Debug, Clone)]
pub struct Text {
    /// The value that the scalar stands for.
    pub value: String,
    /// The whole scalar as written, quotes included.
    pub span: Span,
    offsets: Offsets,
}

#[derive(Debug, Clone)]
enum Offsets {
    /// Value and source agree byte by byte from this offset on.
    Direct(u32),
    /// Where the character is written that each byte of the value belongs to.
    Table(Vec<Written>),
}

/// The source of one character, as byte offsets of the file.
#[derive(Debug, Clone, Copy)]
struct Written {
    start: u32,
    end: u32,
}

impl Text {
    /// A scalar whose source `written` (at `span`) stands for `value`. `is_escaped` says that backslashes in the source
    /// are escapes, as in double quotes.
    pub fn new(value: String, span: Span, written: &str, is_escaped: bool) -> Self {
        let offsets = match written.find(value.as_str()) {
            Some(lead) if !(is_escaped && written.contains('\\')) => {
                Offsets::Direct(span.start + lead as u32)
            }
            _ => Offsets::Table(align(&value, written, span, is_escaped)),
        };
        Self { value, span, offsets }
    }

    /// The place of a byte range of the value, widened to whole characters.
    pub fn part(&self, range: Range<usize>) -> Span {
        let end = self.value.ceil_char_boundary(range.end.min(self.value.len()));
        let start = self.value.floor_char_boundary(range.start.min(end));
        let (start, end) = match &self.offsets {
            Offsets::Direct(base) => (base + start as u32, base + end as u32),
            // The end is that of the last character: behind it may lie a fold or an indentation.
            Offsets::Table(table) if start < end => (table[start].start, table[end - 1].end),
            Offsets::Table(table) => {
                let place = table.get(start).map_or(self.span.end, |written| written.start);
                (place, place)
            }
        };
        Span { file: self.span.file, start, end: end.max(start) }
    }
}

/// Walks value and source side by side. What the source has more (indentation, the second quote of `''`, escapes, the
/// header of a block) is passed over.
fn align(value: &str, written: &str, span: Span, is_escaped: bool) -> Vec<Written> {
    let mut table = Vec::with_capacity(value.len());
    let mut at = 0;
    for wanted in value.chars() {
        at = next_place(written, at, wanted, is_escaped);
        let end = at + place_width(&written[at..], is_escaped);
        let place = Written { start: span.start + at as u32, end: span.start + end as u32 };
        table.extend(std::iter::repeat_n(place, wanted.len_utf8()));
        at = end;
    }
    table
}

/// The offset at which `wanted` is written, from `at` on.
fn next_place(written: &str, mut at: usize, wanted: char, is_escaped: bool) -> usize {
    while let Some(found) = written[at..].chars().next() {
        let is_fold = wanted.is_whitespace() && found.is_whitespace();
        let is_escape = is_escaped && found == '\\';
        if is_escape && written[at + 1..].starts_with(['\n', '\r']) {
            at += 1;
        } else if found == wanted || is_fold || is_escape {
            return at;
        } else {
            at += found.len_utf8();
        }
    }
    at
}

/// How many bytes of the source stand for one character: an escape has several.
fn place_width(rest: &str, is_escaped: bool) -> usize {
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some(kind)) if is_escaped => {
            let digits = match kind {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            rest.len().min(1 + kind.len_utf8() + digits)
        }
        (Some(found), _) => found.len_utf8(),
        (None, _) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    fn part_of(file: &str, written: &str, value: &str, is_escaped: bool, part: &str) -> String {
        let mut map = SourceMap::default();
        let id = map.add("t.yaml", file);
        let start = file.find(written).unwrap();
        let text = Text::new(value.into(), Span::new(id, start..start + written.len()), written, is_escaped);
        let at = value.find(part).unwrap();
        let span = text.part(at..at + part.len());
        format!("{} {}", map.place(span), map.snippet(span))
    }

    #[test]
    fn plain_and_quoted() {
        assert_eq!(part_of("a: x ${{ y }}", "x ${{ y }}", "x ${{ y }}", false, "y"), "t.yaml:1:10 y");
        assert_eq!(part_of("a: 'it''s y'", "'it''s y'", "it's y", false, "y"), "t.yaml:1:11 y");
        assert_eq!(part_of(r#"a: "\u00e9\ty""#, r#""\u00e9\ty""#, "é\ty", true, "y"), "t.yaml:1:13 y");
    }

    #[test]
    fn parts_are_whole_characters() {
        for (written, value, is_escaped) in
            [("'it''s ü'", "it's ü", false), ("aüb", "aüb", false), (r#""\u00e9\tü""#, "é\tü", true)]
        {
            let mut map = SourceMap::default();
            let id = map.add("t.yaml", written);
            let text = Text::new(value.into(), Span::new(id, 0..written.len()), written, is_escaped);
            for start in 0..=value.len() {
                for end in start..=value.len() {
                    let range = text.part(start..end).range();
                    assert!(written.get(range.clone()).is_some(), "{written} {start}..{end}: {range:?}");
                }
            }
            let umlaut = value.find('ü').unwrap();
            assert_eq!(map.snippet(text.part(umlaut..umlaut + 1)), "ü");
        }
        assert_eq!(part_of(r#""\u00e9\ty""#, r#""\u00e9\ty""#, "é\ty", true, "é"), r"t.yaml:1:2 \u00e9");
    }

    #[test]
    fn blocks() {
        let file = "a: |\n  one\n   two y\n";
        assert_eq!(part_of(file, "one\n   two y\n", "one\n two y\n", false, "y"), "t.yaml:3:8 y");
        let file = "a: >\n  one\n  two y\n";
        assert_eq!(part_of(file, "one\n  two y\n", "one two y\n", false, "y"), "t.yaml:3:7 y");
    }
}
