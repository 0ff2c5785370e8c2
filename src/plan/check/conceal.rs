//! Hides what may be a secret before any mistake quotes it.
//!
//! A file is looked through as soon as it is read, whether its keys are right or not: the first mistakes of an author are
//! secrets at places that take none. What is hidden wrongly is only not quoted; nothing else follows from it.

use super::literal_secret::{has_prefix_of_key, is_secret_cookie, is_secret_name, looks_like_key, words};
use crate::document::{Content, Entry, Node, Scalar, ScalarKind};
use crate::source::{Code, Diagnostic, FileId, SourceFile, SourceMap, Span, nearest};
use regex::Regex;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

/// What a place in the tree is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing special: the name of a value decides.
    Plain,
    /// `credentials` or `secrets`: name -> chain.
    Chains,
    /// Where one secret comes from.
    Chain,
    /// What is given where a secret belongs.
    Given,
    /// The name of a variable.
    Variable,
    /// Words of the language, names of files.
    Shown,
}

/// The words that may stand in a chain of sources.
const SOURCE_WORDS: [&str; 10] =
    ["stored", "prompt", "env", "file", "totp", "value", "keychain", "command", "vault", "from"];

/// What a chain says besides the secret itself.
const CHAIN_KEYS: [&str; 11] = [
    "file",
    "path",
    "prompt",
    "totp",
    "keychain",
    "command",
    "vault",
    "description",
    "secret",
    "optional",
    "one_time",
];

/// Hides what may be a secret in a file that was parsed.
pub(super) fn in_tree(sources: &SourceMap, root: &Node) {
    Walk { file: sources.file(root.span.file) }.node(root, "", Place::Plain);
}

/// Hides what may be a secret in a text that is no YAML, or in a command line.
pub(super) fn in_text(sources: &SourceMap, file: FileId) {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?m)^[ \t]*(?:- +)?["']?([A-Za-z0-9_.-]+)["']?[ \t]*:[ \t]+(\S.*)$"#)
            .expect("a constant pattern")
    });
    let walk = Walk { file: sources.file(file) };
    let text = walk.file.text().clone();
    for line in LINE.captures_iter(&text) {
        let (Some(name), Some(value)) = (line.get(1), line.get(2)) else { continue };
        if is_secret_name(name.as_str()) && !is_reference(value.as_str()) {
            walk.hide(value.range());
        }
    }
    parts_of_text(&text).into_iter().chain(values_in_blocks(&text)).for_each(|part| walk.hide(part));
}

/// The plain values of the lines below `secrets:` and `credentials:`, as far as they lie deeper.
fn values_in_blocks(text: &str) -> Vec<Range<usize>> {
    let mut values = Vec::new();
    let mut block: Option<usize> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        let indentation = line.len() - line.trim_start().len();
        block = block.filter(|block| content.is_empty() || indentation > *block);
        if let (Some(_), Some((key, value))) = (block, line.split_once(": ")) {
            let is_word = CHAIN_KEYS.contains(&key.trim_start_matches([' ', '-'])) || is_reference(value);
            if !is_word && !value.trim_start().starts_with(['{', '[', '|', '>']) {
                values.push(start + key.len() + 2..start + line.trim_end().len());
            }
        }
        if matches!(content, "secrets:" | "credentials:") {
            block = Some(indentation);
        }
        start += line.len();
    }
    values.retain(|range| range.start < range.end);
    values
}

struct Walk<'s> {
    file: &'s SourceFile,
}

impl Walk<'_> {
    fn node(&self, node: &Node, name: &str, place: Place) {
        match &node.content {
            Content::Scalar(scalar) => self.scalar(scalar, name, place),
            Content::List(items) => items.iter().for_each(|item| self.node(item, name, place)),
            Content::Map(entries) => self.map(node, entries, name, place),
        }
    }

    fn map(&self, node: &Node, entries: &[Entry], name: &str, place: Place) {
        let is_public = node.get("secret").is_some_and(is_false);
        for entry in entries {
            let key = entry.key.value.as_str();
            let inner = match (place, key) {
                (Place::Plain, "credentials" | "secrets") => Place::Chains,
                (Place::Plain, "with") if node.get("authenticate").is_some() => Place::Given,
                (Place::Plain, "with") => match node.get("use") {
                    Some(preset) => {
                        self.preset(preset, &entry.value);
                        continue;
                    }
                    None => Place::Plain,
                },
                (Place::Plain, "cookies") => {
                    self.cookies(&entry.value);
                    continue;
                }
                (Place::Chains, _) => Place::Chain,
                (Place::Chain, "env") => Place::Variable,
                (Place::Chain, _) if is_public || CHAIN_KEYS.contains(&key) => Place::Shown,
                (Place::Chain, "from" | "source" | "sources") => Place::Chain,
                (Place::Chain, _) => Place::Given,
                (place, _) => place,
            };
            // A declaration has the value of what it declares.
            let is_value = is_secret_name(name) && matches!(key, "default" | "enum" | "value");
            self.node(&entry.value, if is_value { name } else { key }, inner);
        }
    }

    /// What stands under `with` beside `use`: what the preset does not ask for may be the secret itself.
    fn preset(&self, preset: &Node, with: &Node) {
        let is_grant = preset.as_text().is_some_and(|text| text.value.starts_with("oauth2"));
        let Some(entries) = with.as_map() else { return self.node(with, "", Place::Given) };
        for entry in entries {
            let is_path = entry.value.as_text().is_some_and(|text| text.value.starts_with('/'));
            let place = match entry.key.value.as_str() {
                "header" | "query" | "scope" | "client_auth" => Place::Shown,
                _ if is_grant && is_path => Place::Shown,
                _ => Place::Given,
            };
            self.node(&entry.value, "", place);
        }
    }

    /// A cookie that names a session proves who we are.
    fn cookies(&self, cookies: &Node) {
        for entry in cookies.as_map().unwrap_or_default() {
            let is_secret = is_secret_cookie(&entry.key.value);
            let place = if is_secret { Place::Given } else { Place::Plain };
            self.node(&entry.value, &entry.key.value, place);
        }
    }

    fn scalar(&self, scalar: &Scalar, name: &str, place: Place) {
        let value = scalar.text.value.as_str();
        let is_value = matches!(scalar.kind, ScalarKind::Text | ScalarKind::Number(_));
        let is_secret = match place {
            Place::Plain => is_secret_name(name) && value.len() >= 4,
            Place::Chains | Place::Chain => nearest(value, SOURCE_WORDS).is_none(),
            Place::Given => true,
            Place::Variable => !value.chars().all(|c| c.is_ascii_alphanumeric() || "_-. ${}".contains(c)),
            Place::Shown => false,
        };
        if !is_value {
            return;
        }
        let parts = match is_secret {
            true => literal_parts(value),
            false => parts_of_text(value),
        };
        for part in parts {
            let span = scalar.text.part(part);
            self.hide(span.range());
        }
    }

    fn hide(&self, range: Range<usize>) {
        let text = self.file.text();
        self.file.hide(text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end));
    }
}

fn is_false(node: &Node) -> bool {
    node.as_scalar().is_some_and(|scalar| scalar.kind == ScalarKind::Bool(false))
}

/// A path into an answer, or a template: it names a secret and is none.
fn is_reference(value: &str) -> bool {
    let value = value.trim_start_matches(['"', '\'']);
    value.starts_with("$.") || value.starts_with("$[") || value.starts_with("${{")
}

/// The parts of a text outside of its templates, without the name of a scheme before a template.
fn literal_parts(value: &str) -> Vec<Range<usize>> {
    if value.starts_with("$.") || value.starts_with("$[") {
        return Vec::new();
    }
    let scheme = ["Bearer ", "Basic ", "Token "].into_iter().find(|scheme| value.starts_with(scheme));
    let parts = outside_of_templates(value, scheme.map_or(0, str::len));
    parts.into_iter().filter(|part| value[part.clone()].contains(char::is_alphanumeric)).collect()
}

/// What stands outside of `${{ }}`, from an offset on.
fn outside_of_templates(value: &str, start: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut at = start;
    while at < value.len() {
        let open = value[at..].find("${{").map_or(value.len(), |found| at + found);
        parts.push(at..open);
        at = value[open..].find("}}").map_or(value.len(), |found| open + found + 2);
    }
    parts
}

/// What of a text looks like a secret whatever the text is called: a key, a password of an address, the value of a pair
/// such as `password=...`.
fn parts_of_text(value: &str) -> Vec<Range<usize>> {
    static PAIR: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"([A-Za-z0-9_.-]+)["']?[ \t]*[:=][ \t]*["']?([^\s"'&;,}]{4,})"#)
            .expect("a constant pattern")
    });
    static USER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"://([^/\s?#]+)@").expect("a constant pattern"));
    let mut found = Vec::new();
    for part in outside_of_templates(value, 0) {
        let text = &value[part.clone()];
        let mut add = |range: Range<usize>| found.push(part.start + range.start..part.start + range.end);
        for pair in PAIR.captures_iter(text) {
            if let (Some(name), Some(value)) = (pair.get(1), pair.get(2))
                && is_secret_name(name.as_str())
                && !is_reference(value.as_str())
            {
                add(value.range());
            }
        }
        USER.captures_iter(text).filter_map(|user| user.get(1)).for_each(|user| add(user.range()));
        words(text).filter(|word| has_prefix_of_key(&text[word.clone()])).for_each(&mut add);
        if looks_like_key(text) {
            add(0..text.len());
        }
    }
    found
}

/// What is hidden in all files.
struct Hidden<'s> {
    sources: &'s SourceMap,
    ranges: HashMap<FileId, Vec<Range<usize>>>,
}

impl<'s> Hidden<'s> {
    fn new(sources: &'s SourceMap) -> Self {
        Self { sources, ranges: sources.iter().map(|(id, file)| (id, file.hidden())).collect() }
    }

    fn texts(&self) -> impl Iterator<Item = &'s str> {
        self.ranges.iter().flat_map(|(file, ranges)| {
            let text = self.sources.file(*file).text();
            ranges.iter().filter_map(|range| text.get(range.clone()))
        })
    }

    /// What is hidden at a span, each part whole.
    fn at(&self, span: Span) -> Vec<String> {
        let Some(ranges) = self.ranges.get(&span.file) else { return Vec::new() };
        let span_range = span.range();
        let first = ranges.partition_point(|range| range.end <= span_range.start);
        let touched = ranges[first..].iter().take_while(|range| range.start < span_range.end);
        let text = self.sources.file(span.file).text();
        touched.filter_map(|range| text.get(range.clone())).map(str::to_lowercase).collect()
    }
}

/// Takes out of the words of diagnostics what is hidden in the files: a message may quote what its place must not show.
pub(super) fn in_diagnostics(diagnostics: &mut [Diagnostic], sources: &SourceMap) {
    let hidden = Hidden::new(sources);
    let everywhere: HashSet<String> =
        hidden.texts().filter(|text| text.len() >= 8).map(str::to_owned).collect();
    for diagnostic in diagnostics {
        let places = std::iter::once(&diagnostic.primary).chain(&diagnostic.secondary);
        let here: Vec<String> = match diagnostic.code {
            // It names what is hidden, and quotes nothing.
            Code::LiteralSecret => Vec::new(),
            _ => places.flat_map(|label| hidden.at(label.span)).collect(),
        };
        if here.is_empty() && everywhere.is_empty() {
            continue;
        }
        let hide = |text: &mut String| *text = without(text, &here, &everywhere);
        hide(&mut diagnostic.message);
        diagnostic.help.as_mut().into_iter().for_each(hide);
        hide(&mut diagnostic.primary.text);
        diagnostic.secondary.iter_mut().for_each(|label| hide(&mut label.text));
    }
}

/// A text in whose quotes (between backticks) `***` stands for what is hidden; `here` is in small letters.
fn without(text: &str, here: &[String], everywhere: &HashSet<String>) -> String {
    let mend = |(position, part): (usize, &str)| {
        let is_quote = position % 2 == 1;
        match is_quote {
            true if everywhere.contains(part) => "***".to_owned(),
            true => without_words(part, here),
            false => part.to_owned(),
        }
    };
    text.split('`').enumerate().map(mend).collect::<Vec<_>>().join("`")
}

/// A quote of what is hidden at the place itself may be cut or written in small letters.
fn without_words(quote: &str, here: &[String]) -> String {
    let is_hidden = |word: &str| {
        let word = word.to_lowercase();
        word.chars().count() >= 4 && here.iter().any(|hidden| hidden.contains(&word))
    };
    let is_in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let words = quote.split_inclusive(|c: char| !is_in_word(c)).map(|part| {
        let word = part.trim_end_matches(|c: char| !is_in_word(c));
        if is_hidden(word) { format!("***{}", &part[word.len()..]) } else { part.to_owned() }
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse;
    use crate::source::Diagnostics;

    fn concealed(text: &str) -> String {
        let mut sources = SourceMap::default();
        let file = sources.add("t.yaml", text);
        match parse(&sources, file, &mut Diagnostics::default()) {
            Some(root) => in_tree(&sources, &root),
            None => in_text(&sources, file),
        }
        sources.file(file).quotable_text()
    }

    #[test]
    fn what_may_be_a_secret_is_hidden() {
        for (written, shown) in [
            ("password: geheim", "password: ******"),
            ("pin: 1234", "pin: ****"),
            ("password: { default: geheim }", "password: { default: ****** }"),
            ("password: \"gehä ${{ inputs.x }} im\"", "password: \"******${{ inputs.x }}***\""),
            ("password: |\n  geheim ${{ inputs.x }}\n", "password: |\n  *******${{ inputs.x }}"),
            ("secrets: { a: geheim }", "secrets: { a: ****** }"),
            ("secrets: geheim", "secrets: ******"),
            ("secrets: { a: { from: [geheim] } }", "secrets: { a: { from: [******] } }"),
            ("secrets: { a: { default: geheim } }", "secrets: { a: { default: ****** } }"),
            ("secrets: { a: { from: [{ env: geheim! }] } }", "secrets: { a: { from: [{ env: ******* }] } }"),
            ("auth: { use: bearer, with: { token: abc } }", "auth: { use: bearer, with: { token: *** } }"),
            ("{ authenticate: a, with: { usernam: me } }", "{ authenticate: a, with: { usernam: ** } }"),
            ("cookies: { sid: abc, mode: dark }", "cookies: { sid: ***, mode: dark }"),
            ("text: user=me&password=geheim", "text: user=me&password=******"),
            ("base_url: https://me:geheim@x.example", "base_url: https://*********@x.example"),
            ("x: ghp_abcdefghijklmnop", "x: ********************"),
            ("password: geheim: mehr\n x: 1", "password: ************\n x: 1"),
            ("secrets:\n  u: @geheim\nx: @a", "secrets:\n  u: *******\nx: @a"),
        ] {
            assert_eq!(concealed(written).trim_end(), shown.trim_end());
        }
    }

    #[test]
    fn what_is_none_stays() {
        for written in [
            "password: ${{ secrets.password }}",
            "headers: { Authorization: \"Bearer ${{ secrets.token }}\" }",
            "session: { access_token: $.access_token }",
            "secrets: { a: { from: [promt, { env: API_KEY }, { file: a.txt }] } }",
            "credentials: { a: { secret: false, from: [{ value: me }] } }",
            "auth: { use: api_key, with: { header: X-Key } }",
            "auth: { use: oauth2_client_credentials, with: { token: /token } }",
            "get: /devices/00000000-0000-4000-8000-000000000000",
            "if: steps.a.outputs.token == none",
        ] {
            assert_eq!(concealed(written), written);
        }
    }

    #[test]
    fn messages_quote_nothing_that_is_hidden() {
        let here = ["pa$geheim99".to_owned()];
        let cut = without("`$Geheim99` is mere text; write `${{ inputs.geheim99 }}`", &here, &HashSet::new());
        assert_eq!(cut, "`$***` is mere text; write `${{ inputs.*** }}`");
        let other = without("`x` is none of `geheimnis`", &[], &HashSet::from(["geheimnis".to_owned()]));
        assert_eq!(other, "`x` is none of `***`");
    }
}
