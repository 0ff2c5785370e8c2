//! What is read from an answer: a JSONPath into its body, a header, a cookie, a link.

use super::literal::Literal;
use super::lower::{FromNode, Lower, exactly_one, keys, refuse_several};
use super::yaml::Node;
use crate::source::{Code, Diagnostic, Span, Spanned, Text};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json_path::JsonPath as Rfc9535;
use std::borrow::Cow;
use std::sync::Arc;

/// A JSONPath (RFC 9535) as written.
#[derive(Debug, Clone)]
pub struct JsonPath {
    path: Arc<Rfc9535>,
    written: String,
    is_singular: bool,
    /// Where it is written.
    pub span: Span,
}

impl JsonPath {
    /// Parses a text.
    ///
    /// # Errors
    /// A diagnostic at the character where parsing stopped.
    pub fn parse(text: &Text) -> Result<Self, Box<Diagnostic>> {
        let written = text.value.clone();
        if let Err(reason) = check_size(&written) {
            let diagnostic = Diagnostic::new(Code::InvalidValue, text.span, reason);
            return Err(Box::new(diagnostic.help("read a larger part, and choose from it in an expression")));
        }
        match Rfc9535::parse(&written) {
            Ok(path) => Ok(Self {
                path: Arc::new(path),
                is_singular: is_singular(&written),
                written,
                span: text.span,
            }),
            Err(error) => {
                let at = written.floor_char_boundary(error.position().min(written.len()));
                let width = written[at..].chars().next().map_or(0, char::len_utf8);
                let message = format!("`{written}` is no JSONPath (RFC 9535)");
                let diagnostic = Diagnostic::new(Code::JsonPathSyntax, text.part(at..at + width), message);
                let help = "paths look like `$.items[0].id`, `$.items[*].id`, `$.items[?@.name == \"x\"]`";
                Err(Box::new(diagnostic.label("it cannot be read from here on").help(help)))
            }
        }
    }

    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// True for a "singular query" (RFC 9535, section 2.3.5.1), which leads to one value at most.
    pub fn is_singular(&self) -> bool {
        self.is_singular
    }

    /// The value it leads to. `None` when a singular path finds nothing; any other path gives a list.
    pub fn read(&self, body: &serde_json::Value) -> Option<serde_json::Value> {
        let found = self.path.query(body);
        if self.is_singular {
            return found.first().cloned();
        }
        Some(serde_json::Value::Array(found.all().into_iter().cloned().collect()))
    }
}

/// How long a path may be, in bytes, and how deep its brackets may lie in each other: with each level of filters the time
/// to parse it doubles.
const MAX_LENGTH: usize = 1_024;
const MAX_BRACKETS: usize = 6;

fn check_size(path: &str) -> Result<(), String> {
    if path.len() > MAX_LENGTH {
        return Err(format!("the path has more than {MAX_LENGTH} characters"));
    }
    let (mut depth, mut quote, mut is_escaped) = (0_usize, None, false);
    for c in path.chars() {
        match (quote, c) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        if depth > MAX_BRACKETS {
            return Err(format!("more than {MAX_BRACKETS} brackets lie in each other in this path"));
        }
    }
    Ok(())
}

/// Whether a valid path has only names and indexes as segments.
fn is_singular(path: &str) -> bool {
    let mut rest = path.trim_start_matches('$');
    while !rest.is_empty() {
        rest = rest.trim_start();
        let next = if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[', ' ']).unwrap_or(name.len());
            (end > 0 && !name.starts_with(['*', '.'])).then(|| &name[end..])
        } else if let Some(inside) = rest.strip_prefix('[') {
            singular_selector(inside.trim_start())
        } else {
            None
        };
        match next {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    true
}

/// What follows the `]` of a selector that is one name or one index.
fn singular_selector(inside: &str) -> Option<&str> {
    let behind = match inside.chars().next()? {
        quote @ ('\'' | '"') => {
            let mut is_escaped = false;
            let end = inside[1..].find(|c: char| {
                let ends = c == quote && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                ends
            })?;
            &inside[1 + end + 1..]
        }
        c if c == '-' || c.is_ascii_digit() => inside[1..].trim_start_matches(|c: char| c.is_ascii_digit()),
        _ => return None,
    };
    behind.trim_start().strip_prefix(']')
}

/// Whether a text is `$` alone, or goes on as a path does.
fn begins_as_path(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', ' ']))
}

impl FromNode for JsonPath {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let Some(text) = node.as_text() else {
            lower.wrong_type(node, "a path such as `$.items`");
            return None;
        };
        if !begins_as_path(&text.value) {
            let message = "a path into an answer begins with `$.` or `$[`";
            let suggestion = format!("$.{}", text.value.trim_start_matches(['$', '.']));
            let diagnostic = Diagnostic::new(Code::JsonPathSyntax, node.span, message);
            let is_simple =
                text.value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '$' | '_' | '.'));
            lower.report(diagnostic.did_you_mean(is_simple.then_some(suggestion.as_str())));
            return None;
        }
        match Self::parse(text) {
            Ok(path) => Some(path),
            Err(diagnostic) => {
                lower.report(*diagnostic);
                None
            }
        }
    }
}

impl JsonSchema for JsonPath {
    fn schema_name() -> Cow<'static, str> {
        "JsonPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^\\$($|[.\\[ ])",
            "description": "A JSONPath (RFC 9535) into the body of an answer."
        })
    }
}

/// Reads one value from an answer.
#[derive(Debug, Clone)]
pub struct Reader {
    /// From where.
    pub place: ReaderPlace,
    /// Whether what is read is secret. `None` leaves it to the place where the reader stands.
    pub secret: Option<bool>,
    /// What to take when nothing is found. `None`: the step fails.
    pub default: Option<Literal>,
    /// Where the reader is written.
    pub span: Span,
}

/// The parts of an answer that can be read.
#[derive(Debug, Clone)]
pub enum ReaderPlace {
    /// Its body.
    Path(JsonPath),
    /// The header of that name, in any case.
    Header(Spanned<String>),
    /// The cookie of that name that it sets.
    Cookie(Spanned<String>),
    /// The target of its `Link` header (RFC 8288) with that relation.
    Link(Spanned<String>),
}

keys! {
    /// Reads one value from an answer.
    #[schemars(extend("oneOf" = exactly_one(PLACES)))]
    pub struct ReaderKeys is "a reader" {
        optional {
            /// A JSONPath (RFC 9535) into the body.
            "path" => path: Option<JsonPath>;
            /// The name of a header.
            "header" => header: Option<Spanned<String>>;
            /// The name of a cookie that the answer sets.
            "cookie" => cookie: Option<Spanned<String>>;
            /// The relation of a link in the `Link` header, such as `next`.
            "link" => link: Option<Spanned<String>>;
            /// Whether what is read is a secret.
            "secret" => secret: Option<bool>;
            /// What to take when nothing is found.
            "default" => default: Option<Literal>;
        }
    }
}

/// The keys that say from where: exactly one of them is written.
const PLACES: [&str; 4] = ["path", "header", "cookie", "link"];

impl FromNode for Reader {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        if node.as_map().is_none() {
            let path = JsonPath::from_node(node, lower)?;
            return Some(Self {
                place: ReaderPlace::Path(path),
                secret: None,
                default: None,
                span: node.span,
            });
        }
        let keys = ReaderKeys::from_node(node, lower)?;
        let places = [
            keys.path.map(ReaderPlace::Path),
            keys.header.map(ReaderPlace::Header),
            keys.cookie.map(ReaderPlace::Cookie),
            keys.link.map(ReaderPlace::Link),
        ];
        let written: Vec<&str> = PLACES.into_iter().filter(|key| node.get(key).is_some()).collect();
        match written.len() {
            0 => {
                let message = "a reader needs one of `path`, `header`, `cookie` and `link`";
                lower.report(Diagnostic::new(Code::MissingKey, node.span, message));
                None
            }
            1 => {
                let place = places.into_iter().flatten().next()?;
                Some(Self { place, secret: keys.secret, default: keys.default, span: node.span })
            }
            _ => {
                refuse_several(node, "a reader", &written, lower);
                None
            }
        }
    }
}

impl JsonSchema for Reader {
    fn schema_name() -> Cow<'static, str> {
        "Reader".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let path = generator.subschema_for::<JsonPath>();
        let keys = generator.subschema_for::<ReaderKeys>();
        json_schema!({ "anyOf": [path, keys] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    fn parse(path: &str) -> Result<JsonPath, Box<Diagnostic>> {
        let span = Span::new(SourceMap::default().add("t.yaml", path), 0..path.len());
        JsonPath::parse(&Text::new(path.into(), span, path, false))
    }

    #[test]
    fn what_takes_too_long_to_parse_is_refused() {
        for (path, is_taken) in [
            (format!("$.{}", "a".repeat(1_000)), true),
            (format!("$.{}", "a".repeat(1_100)), false),
            (format!("$[?@['{}'] == \"[[[[[[[[\"]", "[(".repeat(40)), true),
            (format!("$[?{}1 == 1{}]", "(".repeat(2_000), ")".repeat(2_000)), false),
            (format!("$[?{}1 == 1{}]", "(".repeat(5), ")".repeat(5)), true),
            (format!("${}", "[?@".repeat(6) + &"]".repeat(6)), true),
            (format!("${}", "[?@".repeat(25) + &"]".repeat(25)), false),
        ] {
            assert_eq!(parse(&path).is_ok(), is_taken, "{path}");
        }
    }

    #[test]
    fn singular_paths_have_names_and_indexes_only() {
        for path in ["$", "$.a", "$.a.b_c", "$['a'][\"b\"]", "$[0].id", "$.a[-1]", r"$['it\'s'].x"] {
            assert!(is_singular(path), "{path}");
        }
        for path in ["$[*]", "$.a[*].b", "$..a", "$.a[?@.b > 1]", "$[0, 1]", "$[0:2]", "$.*"] {
            assert!(!is_singular(path), "{path}");
        }
    }
}
