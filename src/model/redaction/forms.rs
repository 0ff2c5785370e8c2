//! The spellings of one secret that are looked for literally.
use crate::model::hex::hex;
use std::cmp::Ordering;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded;
use zeroize::Zeroizing;

/// Secrets and lines of secrets below this many characters are not looked for: they would shred every text.
pub(super) const SHORTEST: usize = 4;

/// From this many characters on, chance no longer produces a secret in another case or across a line break.
const LONG: usize = 8;

/// All that RFC 3986, section 2.3 does not call unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One spelling of a secret.
#[derive(PartialEq, Eq)]
pub(super) struct Form {
    bytes: Zeroizing<Vec<u8>>,
    kind: FormKind,
    any_case: bool,
    across_lines: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FormKind {
    /// The secret, or what stands for it character by character.
    Text,
    /// The characters of base64 that depend on the secret alone. A neighbour exists where the first or last
    /// byte of the secret shares a character with other bytes.
    Base64 { neighbour_before: bool, neighbour_after: bool },
    /// The placeholder of the secret, which must survive a second redaction.
    Placeholder,
}

impl Form {
    fn text(bytes: impl Into<Vec<u8>>, is_long: bool) -> Self {
        Self::new(bytes.into(), FormKind::Text, is_long, is_long)
    }

    /// Hex digits have no case, and enough of them not to arise by chance.
    fn hex(bytes: &[u8]) -> Self {
        Self::new(hex(bytes).into_bytes(), FormKind::Text, true, true)
    }

    fn placeholder(placeholder: &str) -> Self {
        Self::new(placeholder.into(), FormKind::Placeholder, false, false)
    }

    /// The secret as it stands in the base64 of a longer value, `offset` (0 to 2) bytes after a group of
    /// three began.
    fn base64(engine: &impl Engine, secret: &[u8], offset: usize, is_long: bool) -> Self {
        let group = [&[0; 2][..offset], secret].concat();
        let (first_bit, end_bit) = (8 * offset, 8 * group.len());
        let whole_characters = first_bit.div_ceil(6)..end_bit / 6;
        let encoded = Zeroizing::new(engine.encode(group));
        let kind = FormKind::Base64 {
            neighbour_before: !first_bit.is_multiple_of(6),
            neighbour_after: !end_bit.is_multiple_of(6),
        };
        Self::new(encoded[whole_characters].into(), kind, is_long, true)
    }

    fn new(bytes: Vec<u8>, kind: FormKind, any_case: bool, across_lines: bool) -> Self {
        Self { bytes: Zeroizing::new(bytes), kind, any_case, across_lines }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The last `most` bytes. Tokens of one issuer begin alike; their ends tell them apart.
    pub(super) fn ending(&self, most: usize) -> &[u8] {
        &self.bytes[self.len().saturating_sub(most)..]
    }

    pub(super) fn is_placeholder(&self) -> bool {
        self.kind == FormKind::Placeholder
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether `text` is this form; `is_joined` when lines were joined to get it.
    pub(super) fn is(&self, text: &[u8], is_joined: bool) -> bool {
        (self.across_lines || !is_joined)
            && (*self.bytes == text || self.any_case && self.bytes.eq_ignore_ascii_case(text))
    }

    /// Whether this form may begin with `text` and go on after it.
    pub(super) fn may_continue(&self, text: &[u8]) -> bool {
        let goes_on =
            self.len() > text.len() || matches!(self.kind, FormKind::Base64 { neighbour_after: true, .. });
        goes_on && self.begins_with(text)
    }

    /// Whether `text` is the beginning of this form, whatever the case.
    pub(super) fn begins_with(&self, text: &[u8]) -> bool {
        self.bytes.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text))
    }

    /// How many characters before and after this form hold bits of the secret too, given what stands there.
    pub(super) fn neighbours(&self, before: Option<&u8>, after: Option<&u8>) -> (usize, usize) {
        let FormKind::Base64 { neighbour_before, neighbour_after } = self.kind else { return (0, 0) };
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
        let count = |wanted: bool, byte: Option<&u8>| usize::from(wanted && byte.is_some_and(is_digit));
        (count(neighbour_before, before), count(neighbour_after, after))
    }

    /// An order in which all forms that begin with the same text, whatever the case, stand together.
    pub(super) fn folded_cmp(&self, text: &[u8]) -> Ordering {
        let fold = |byte: &u8| byte.to_ascii_lowercase();
        self.bytes.iter().map(fold).cmp(text.iter().map(fold))
    }

    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        self.folded_cmp(&other.bytes).then_with(|| self.bytes.cmp(&other.bytes))
    }
}

/// Every form of `secret`, and its `placeholder`.
pub(super) fn forms_of(secret: &str, placeholder: &str) -> Vec<Form> {
    let mut forms = vec![Form::placeholder(placeholder)];
    for part in parts(secret) {
        let is_long = part.chars().count() >= LONG;
        forms.extend(texts(part, is_long).into_iter().map(|text| Form::text(text, is_long)));
        for bytes in payloads(part) {
            forms.push(Form::hex(&bytes));
            for offset in 0..3 {
                forms.push(Form::base64(&STANDARD_NO_PAD, &bytes, offset, is_long));
                forms.push(Form::base64(&URL_SAFE_NO_PAD, &bytes, offset, is_long));
            }
        }
    }
    forms
}

/// The secret as a whole, then each line of it that is long enough, without the white space that a copy may
/// lose.
fn parts(secret: &str) -> Vec<&str> {
    let lines = secret.lines().map(str::trim).filter(|line| line.chars().count() >= SHORTEST);
    let mut parts = vec![secret];
    for line in lines {
        if !parts.contains(&line) {
            parts.push(line);
        }
    }
    parts
}

/// The part in text: itself, and spellings that no view undoes.
fn texts(part: &str, is_long: bool) -> Vec<Vec<u8>> {
    let mut texts = vec![part.to_owned()];
    if is_long && !part.is_ascii() {
        // The search folds the case of ASCII only.
        texts.extend([part.to_lowercase(), part.to_uppercase()]);
    }
    if part.contains(' ') {
        texts.push(part.replace(' ', "+"));
    }
    if part.contains('\'') {
        // Shell in two ways, then YAML and SQL.
        texts.extend([r"'\''", r#"'"'"'"#, "''"].map(|quote| part.replace('\'', quote)));
    }
    if part.contains('"') {
        // CSV.
        texts.push(part.replace('"', "\"\""));
    }
    texts.into_iter().map(String::into_bytes).chain(latin1(part)).collect()
}

/// The part as it may stand inside base64 or hex: itself, or escaped by what was encoded, such as the
/// form-encoded client secret in the Basic credentials of RFC 6749, section 2.3.1, or a value in the JSON of
/// a JWT.
fn payloads(part: &str) -> Vec<Vec<u8>> {
    let form_encoded: String = form_urlencoded::byte_serialize(part.as_bytes()).collect();
    let json = serde_json::Value::from(part).to_string();
    let escaped = [
        part.to_owned(),
        utf8_percent_encode(part, RESERVED).to_string(),
        form_encoded,
        json[1..json.len() - 1].to_owned(),
    ];
    let mut payloads: Vec<Vec<u8>> =
        escaped.into_iter().map(String::into_bytes).chain(latin1(part)).collect();
    payloads.sort_unstable();
    payloads.dedup();
    payloads
}

/// The part in ISO 8859-1, where that differs from UTF-8; it is what `\xe9` and `%E9` stand for.
fn latin1(part: &str) -> Option<Vec<u8>> {
    if part.is_ascii() {
        return None;
    }
    part.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(forms: &[Form], text: &[u8]) -> bool {
        forms.iter().any(|form| form.is(text, false))
    }

    #[test]
    fn base64_keeps_only_what_the_secret_alone_decides() {
        for (offset, before) in ["", "u", "us"].into_iter().enumerate() {
            let form = Form::base64(&STANDARD_NO_PAD, b"secret", offset, false);
            let core = std::str::from_utf8(&form.bytes).unwrap();
            for after in ["", "x", "\u{ff}yz"] {
                let whole = STANDARD_NO_PAD.encode(format!("{before}secret{after}"));
                assert!(whole.contains(core), "{whole} should hold {core}");
            }
            assert!(core.len() >= 6, "{core} is too short");
        }
    }

    #[test]
    fn lines_are_forms_without_their_indentation() {
        let forms = forms_of("first line\n  second\nab\n", "‹x›");
        assert!(
            has(&forms, b"first line\n  second\nab\n")
                && has(&forms, b"first line")
                && has(&forms, b"second")
        );
        assert!(!has(&forms, b"ab"));
    }

    #[test]
    fn only_long_secrets_ignore_case_and_line_breaks() {
        let (short, long) = (forms_of("abcdefg", "‹x›"), forms_of("abcdefgh", "‹x›"));
        assert!(!has(&short, b"ABCDEFG") && has(&long, b"ABCDEFGH"));
        assert!(!short.iter().any(|form| form.is(b"abcdefg", true)));
        assert!(long.iter().any(|form| form.is(b"abcdefgh", true)));
    }

    #[test]
    fn other_scripts_have_their_own_case() {
        assert!(has(&forms_of("größerälter", "‹x›"), "GRÖSSERÄLTER".as_bytes()));
        assert!(has(&forms_of("mañana", "‹x›"), b"ma\xf1ana"));
    }
}
