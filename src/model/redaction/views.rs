//! A text with its escapes undone, and the way back from there to the text.
use std::borrow::Cow;
use std::ops::Range;

use super::forms::Form;

/// How many encodings around one another are undone.
const DEPTH: u8 = 3;

/// The longest escape that is read: a pair of UTF-16 surrogates, `\ud83d\ude00`.
const LONGEST_ESCAPE: usize = 12;

/// The XML entities; HTML writers escape no more than these.
const ENTITIES: [(&[u8], char); 5] =
    [(b"amp", '&'), (b"lt", '<'), (b"gt", '>'), (b"quot", '"'), (b"apos", '\'')];

/// One encoding that can be undone without knowing what it hides.
#[derive(Clone, Copy)]
enum Decoder {
    /// `%2F`, and `%u00e9` of older JavaScript.
    Percent,
    /// The escapes of JSON, YAML, shells and Rust's `Debug`: `\"`, `\n`, `\x41`, `\101`, `\u00e9`, `\u{e9}`,
    /// `\U000000e9`.
    Backslash,
    /// `&quot;`, `&#39;`, `&#x27;`.
    Entity,
    /// A value that was cut into lines: the break and the indentation after it stand for nothing.
    LineBreak,
    /// A phrase that was wrapped between words: the break stands for a space.
    WordBreak,
}

impl Decoder {
    const ALL: [Self; 5] = [Self::Percent, Self::Backslash, Self::Entity, Self::LineBreak, Self::WordBreak];

    fn begins_escape(self, byte: u8) -> bool {
        match self {
            Self::Percent => byte == b'%',
            Self::Backslash => byte == b'\\',
            Self::Entity => byte == b'&',
            Self::LineBreak | Self::WordBreak => byte == b'\n' || byte == b'\r',
        }
    }

    fn joins_lines(self) -> bool {
        matches!(self, Self::LineBreak | Self::WordBreak)
    }

    /// Reads the escape at the start of `text`, appends what it stands for to `decoded`, and returns its
    /// length.
    fn read(self, text: &[u8], decoded: &mut Vec<u8>) -> Result<usize, Unread> {
        match self {
            Self::Percent => read_percent(text, decoded),
            Self::Backslash => read_backslash(text, decoded),
            Self::Entity => read_entity(text, decoded),
            Self::LineBreak => Ok(line_break_len(text)),
            Self::WordBreak => {
                decoded.push(b' ');
                Ok(line_break_len(text))
            }
        }
    }
}

/// Why no escape was read.
#[derive(Debug, PartialEq, Eq)]
enum Unread {
    /// The text stands for itself.
    Literal,
    /// The text ends where the escape might go on.
    Incomplete,
}

fn read_percent(text: &[u8], decoded: &mut Vec<u8>) -> Result<usize, Unread> {
    if text.get(1) == Some(&b'u') {
        return read_utf16(text, b"%u", decoded);
    }
    decoded.push(digits(text, 1, 2, 16)? as u8);
    Ok(3)
}

fn read_backslash(text: &[u8], decoded: &mut Vec<u8>) -> Result<usize, Unread> {
    let escaped = *text.get(1).ok_or(Unread::Incomplete)?;
    let byte = match escaped {
        b'u' if text.get(2) == Some(&b'{') => return read_braced(text, decoded),
        b'u' => return read_utf16(text, b"\\u", decoded),
        b'U' => {
            push_char(digits(text, 2, 8, 16)?, decoded)?;
            return Ok(10);
        }
        b'x' => {
            decoded.push(digits(text, 2, 2, 16)? as u8);
            return Ok(4);
        }
        b'0'..=b'3' => match digits(text, 1, 3, 8) {
            Ok(byte) => {
                decoded.push(byte as u8);
                return Ok(4);
            }
            Err(Unread::Literal) if escaped == b'0' => b'\0',
            Err(unread) => return Err(unread),
        },
        b'a' => 0x07,
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 0x0b,
        b'f' => 0x0c,
        b'r' => b'\r',
        b'e' => 0x1b,
        _ if escaped.is_ascii_alphanumeric() => return Err(Unread::Literal),
        other => other,
    };
    decoded.push(byte);
    Ok(2)
}

/// Reads `\u{e9}`.
fn read_braced(text: &[u8], decoded: &mut Vec<u8>) -> Result<usize, Unread> {
    let count = text[3..].iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
    match text.get(3 + count) {
        None => Err(Unread::Incomplete),
        Some(b'}') if count > 0 => {
            push_char(digits(text, 3, count, 16)?, decoded)?;
            Ok(4 + count)
        }
        Some(_) => Err(Unread::Literal),
    }
}

/// Reads a UTF-16 unit of four hex digits after `prefix`, and the second one of a surrogate pair.
fn read_utf16(text: &[u8], prefix: &[u8; 2], decoded: &mut Vec<u8>) -> Result<usize, Unread> {
    let unit = digits(text, 2, 4, 16)?;
    if !(0xd800..0xdc00).contains(&unit) {
        push_char(unit, decoded)?;
        return Ok(6);
    }
    let second = &text[6..];
    if !second.starts_with(prefix) {
        let is_cut = prefix.starts_with(second);
        return Err(if is_cut { Unread::Incomplete } else { Unread::Literal });
    }
    let low =
        digits(second, 2, 4, 16)?.checked_sub(0xdc00).filter(|low| *low < 0x400).ok_or(Unread::Literal)?;
    push_char(0x10000 + ((unit - 0xd800) << 10) + low, decoded)?;
    Ok(12)
}

fn read_entity(text: &[u8], decoded: &mut Vec<u8>) -> Result<usize, Unread> {
    let (start, radix) = match text.get(1..3) {
        Some(b"#x" | b"#X") => (3, 16),
        Some([b'#', _]) => (2, 10),
        _ if text == b"&#" => return Err(Unread::Incomplete),
        _ => return read_named_entity(text, decoded),
    };
    let count = text[start..].iter().take(7).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    match text.get(start + count) {
        None => Err(Unread::Incomplete),
        Some(b';') if count > 0 => {
            push_char(digits(text, start, count, radix)?, decoded)?;
            Ok(start + count + 1)
        }
        Some(_) => Err(Unread::Literal),
    }
}

fn read_named_entity(text: &[u8], decoded: &mut Vec<u8>) -> Result<usize, Unread> {
    for (name, character) in ENTITIES {
        let entity = [b"&", name, b";"].concat();
        if text.starts_with(&entity) {
            push_char(character.into(), decoded)?;
            return Ok(entity.len());
        }
        if entity.starts_with(text) {
            return Err(Unread::Incomplete);
        }
    }
    Err(Unread::Literal)
}

/// The length of the line break at the start of `text` and of the indentation after it.
fn line_break_len(text: &[u8]) -> usize {
    let line_break = if text.starts_with(b"\r\n") { 2 } else { 1 };
    line_break + text[line_break..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// The number that the `count` digits from `start` on write.
fn digits(text: &[u8], start: usize, count: usize, radix: u32) -> Result<u32, Unread> {
    let mut number = 0;
    for index in start..start + count {
        let byte = *text.get(index).ok_or(Unread::Incomplete)?;
        number = number * radix + char::from(byte).to_digit(radix).ok_or(Unread::Literal)?;
    }
    Ok(number)
}

fn push_char(code: u32, decoded: &mut Vec<u8>) -> Result<(), Unread> {
    let character = char::from_u32(code).ok_or(Unread::Literal)?;
    decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(())
}

/// The bytes that matter: those of the forms that are looked for, and those of which escapes are made.
///
/// An escape that stands for any other byte need not be undone, which saves most texts most of their views.
#[derive(Clone)]
pub(super) struct Alphabet([bool; 256]);

/// The bytes of escapes and of base64.
impl Default for Alphabet {
    fn default() -> Self {
        let is_in_escapes = |byte: u8| byte.is_ascii_alphanumeric() || b"%\\&#;\r\n+/-_".contains(&byte);
        Self(std::array::from_fn(|byte| u8::try_from(byte).is_ok_and(is_in_escapes)))
    }
}

impl Alphabet {
    /// Adds what `forms` are made of.
    pub(super) fn add<'f>(&mut self, forms: impl IntoIterator<Item = &'f Form>) {
        for byte in forms.into_iter().flat_map(Form::bytes) {
            self.0[usize::from(byte.to_ascii_lowercase())] = true;
            self.0[usize::from(byte.to_ascii_uppercase())] = true;
        }
    }

    fn has_all(&self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.0[usize::from(*byte)])
    }

    /// Whether bytes that matter stand right before and after `range` of the text.
    fn surrounds(&self, text: &[u8], range: Range<usize>) -> bool {
        range.start > 0 && range.end < text.len() && self.has_all(&[text[range.start - 1], text[range.end]])
    }
}

/// A stretch of a view that was written otherwise in the text the view was made from.
struct Edit {
    decoded: Range<usize>,
    encoded: Range<usize>,
}

/// A text with one more encoding undone than its parent's; the first view is the text itself.
pub(super) struct View<'t> {
    pub(super) text: Cow<'t, [u8]>,
    /// Whether lines were joined on the way here.
    pub(super) is_joined: bool,
    depth: u8,
    parent: usize,
    edits: Vec<Edit>,
}

impl View<'_> {
    /// Undoes one encoding; `None` where there is nothing to undo that could uncover a secret.
    fn decode(&self, index: usize, decoder: Decoder, alphabet: &Alphabet) -> Option<View<'static>> {
        let (mut decoded, mut edits, mut copied, mut at) = (Vec::new(), Vec::new(), 0, 0);
        while let Some(distance) = self.text[at..].iter().position(|byte| decoder.begins_escape(*byte)) {
            let escape = at + distance;
            at = escape + 1;
            decoded.extend_from_slice(&self.text[copied..escape]);
            copied = escape;
            let start = decoded.len();
            let read = decoder.read(&self.text[escape..], &mut decoded);
            let Some(end) = read.ok().map(|length| escape + length) else { continue };
            let stands_within = !decoder.joins_lines() || alphabet.surrounds(&self.text, escape..end);
            if stands_within && alphabet.has_all(&decoded[start..]) {
                (copied, at) = (end, end);
                edits.push(Edit { decoded: start..decoded.len(), encoded: escape..end });
            } else {
                decoded.truncate(start);
                at = end;
            }
        }
        if edits.is_empty() {
            return None;
        }
        decoded.extend_from_slice(&self.text[copied..]);
        let is_joined = self.is_joined || decoder.joins_lines();
        Some(View { text: Cow::Owned(decoded), is_joined, depth: self.depth + 1, parent: index, edits })
    }

    /// The range of the parent's text that `range` of this view was made from.
    fn encoded(&self, range: Range<usize>) -> Range<usize> {
        let start = match self.last_edit_until(range.start) {
            Some(edit) if range.start < edit.decoded.end => edit.encoded.start,
            Some(edit) => edit.encoded.end + (range.start - edit.decoded.end),
            None => range.start,
        };
        let end = match range.end.checked_sub(1).and_then(|last| self.last_edit_until(last)) {
            Some(edit) if range.end <= edit.decoded.end => edit.encoded.end,
            Some(edit) => edit.encoded.end + (range.end - edit.decoded.end),
            None => range.end,
        };
        start..end
    }

    fn last_edit_until(&self, offset: usize) -> Option<&Edit> {
        self.edits[..self.edits.partition_point(|edit| edit.decoded.start <= offset)].last()
    }
}

/// The text without the escapes that its end cuts off.
///
/// An escape that is cut may be part of another, as the `%4` of `%6%4` may become the `B` of `%6B`: so what
/// is left is looked at again.
pub(super) fn complete(text: &[u8]) -> &[u8] {
    let mut complete = text;
    while let Some(start) = cut_escape(complete) {
        complete = &complete[..start];
    }
    complete
}

/// The text without the line break at its end.
pub(super) fn without_line_end(text: &[u8]) -> &[u8] {
    let indented = text.trim_ascii_end();
    match text[indented.len()..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        Some(line_end) => &text[..indented.len() + line_end],
        None => text,
    }
}

/// Where an escape begins that the end of `text` cuts off.
fn cut_escape(text: &[u8]) -> Option<usize> {
    let is_cut = |start: &usize| {
        let rest = &text[*start..];
        Decoder::ALL.iter().any(|decoder| {
            decoder.begins_escape(rest[0]) && decoder.read(rest, &mut Vec::new()) == Err(Unread::Incomplete)
        })
    };
    (text.len().saturating_sub(LONGEST_ESCAPE)..text.len()).find(is_cut)
}

/// A text and all its views.
pub(super) struct Views<'t>(Vec<View<'t>>);

impl<'t> Views<'t> {
    /// Undoes what can be undone in `text` and matters.
    pub(super) fn of(text: &'t [u8], alphabet: &Alphabet) -> Self {
        let raw =
            View { text: Cow::Borrowed(text), is_joined: false, depth: 0, parent: 0, edits: Vec::new() };
        let mut views = vec![raw];
        let mut index = 0;
        while index < views.len() && views[index].depth < DEPTH {
            for decoder in Decoder::ALL {
                // Two encodings undone in either order mostly give the same text, which need not be searched
                // twice.
                let view = views[index].decode(index, decoder, alphabet);
                views.extend(view.filter(|view| views.iter().all(|known| known.text != view.text)));
            }
            index += 1;
        }
        Self(views)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &View<'t>)> {
        self.0.iter().enumerate()
    }

    /// The range of the text itself that `range` of the view at `index` was made from.
    pub(super) fn in_text(&self, mut index: usize, mut range: Range<usize>) -> Range<usize> {
        while index > 0 {
            range = self.0[index].encoded(range);
            index = self.0[index].parent;
        }
        range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_BYTE: Alphabet = Alphabet([true; 256]);

    fn decoded(text: &str) -> Vec<String> {
        let views = Views::of(text.as_bytes(), &EVERY_BYTE);
        views.iter().map(|(_, view)| String::from_utf8_lossy(&view.text).into_owned()).collect()
    }

    #[test]
    fn plain_text_has_no_views() {
        for text in
            ["", "plain", "100 % sure, 5% off", r"C:\qux\dir", "AT&T & co; &nosuch;", r"\u12 \x4 &#; &#xg;"]
        {
            assert_eq!(decoded(text), [text]);
        }
    }

    #[test]
    fn every_escape_is_undone() {
        let cases = [
            ("%41%c3%A9%u00e9", "Aéé"),
            (r#"\"\\\/\n\t"#, "\"\\/\n\t"),
            (r"\u00e9\u00E9\x41\101\303\251\u{e9}\U000000e9\ud83d\ude00", "ééAAééé😀"),
            (r"a\ b\$c\0d", "a b$c\0d"),
            ("&amp;&lt;&gt;&quot;&apos;&#39;&#x27;&#X2f;", "&<>\"'''/"),
            ("one\r\n  two\nthree", "onetwothree"),
            ("one\n  two", "one two"),
        ];
        for (text, expected) in cases {
            assert!(decoded(text).iter().any(|view| view == expected), "{text} gave {:?}", decoded(text));
        }
    }

    #[test]
    fn nested_encodings_are_undone_once_each() {
        assert_eq!(decoded("%2541"), ["%2541", "%41", "A"]);
        assert_eq!(decoded("%252541").len(), 4);
        assert_eq!(decoded(r"%41\u0042"), [r"%41\u0042", r"A\u0042", "%41B", "AB"]);
    }

    #[test]
    fn ranges_lead_back_to_whole_escapes() {
        let text = "<%2541b>\r\n  cd";
        let views = Views::of(text.as_bytes(), &EVERY_BYTE);
        let (index, view) = views.iter().find(|(_, view)| *view.text == *b"<Ab>cd").unwrap();
        assert!(view.is_joined);
        for (range, source) in [
            (0..2, "<%2541"),
            (1..2, "%2541"),
            (1..3, "%2541b"),
            (2..4, "b>"),
            (3..5, ">\r\n  c"),
            (4..6, "cd"),
        ] {
            assert_eq!(&text[views.in_text(index, range.clone())], source, "{range:?}");
        }
    }

    #[test]
    fn escapes_of_other_bytes_are_left_alone() {
        let alphabet = Alphabet::default();
        for (text, expected) in [
            ("%20&lt;\\u007b%7d", None),
            ("}\n{", None),
            ("\nab\n", None),
            ("%41%20", Some("A%20")),
            ("}\na\nb", Some("}\nab")),
        ] {
            let views = Views::of(text.as_bytes(), &alphabet);
            assert_eq!(views.0.get(1).map(|view| &*view.text), expected.map(str::as_bytes), "{text:?}");
        }
    }

    #[test]
    fn a_line_end_is_one_break_and_its_indentation() {
        for (text, rest) in [("a\n", "a"), ("a \r\n  ", "a "), ("a", "a"), ("a ", "a "), ("", ""), ("\n", "")]
        {
            assert_eq!(without_line_end(text.as_bytes()), rest.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn a_cut_escape_is_noticed() {
        for (text, complete) in [
            ("ab%", 2),
            ("ab%4", 2),
            ("ab%41", 5),
            ("ab%zz", 5),
            ("ab%6%4", 2),
            (r"ab\", 2),
            (r"ab\u00e", 2),
            (r"ab\u{e9", 2),
            (r"ab\ud83d", 2),
            (r"ab\ud83d\u", 2),
            (r"ab\ud83d\ude00", 14),
            ("ab&quo", 2),
            ("ab&page", 7),
            ("ab&#1", 2),
            ("ab&#x", 2),
            ("ab&#39;", 7),
        ] {
            assert_eq!(super::complete(text.as_bytes()).len(), complete, "{text}");
        }
    }
}
