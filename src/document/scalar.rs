//! Scalars with a form of their own: names, durations, sizes, rates, status patterns, words.

use super::lower::{FromNode, Lower};
use super::yaml::{Node, ScalarKind};
use crate::source::{Code, Diagnostic, nearest};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::time::Duration;

/// Implements `JsonSchema` for a type whose schema is a constant.
macro_rules! schema {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}
pub(super) use schema;

impl FromNode for String {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        match node.as_scalar() {
            Some(scalar) if scalar.kind == ScalarKind::Text => {
                refuse_template(node, &scalar.text.value, lower)?;
                Some(scalar.text.value.clone())
            }
            Some(scalar) if scalar.kind != ScalarKind::Null => {
                lower.refuse(Code::WrongType, node, "text (in quotes)", node.describe());
                None
            }
            _ => {
                lower.wrong_type(node, "text");
                None
            }
        }
    }
}

/// A text that is used as it stands would show or send `${{ }}`. Only in a description that may be what is meant.
pub(super) fn refuse_template(node: &Node, text: &str, lower: &mut Lower<'_>) -> Option<()> {
    let is_template = text.contains("${{") && !text.contains("$${{");
    if !is_template || lower.is_at_key("description") {
        return Some(());
    }
    let message = match lower.key() {
        Some(key) => format!("`{key}` takes no template"),
        None => "no template is taken here".to_owned(),
    };
    lower.report(Diagnostic::new(Code::TemplateForm, node.span, message).label("write the text out"));
    None
}

impl FromNode for bool {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        match node.as_scalar().map(|scalar| &scalar.kind) {
            Some(ScalarKind::Bool(flag)) => Some(*flag),
            _ => {
                let word = node.as_text().map(|text| text.value.to_ascii_lowercase());
                match word.as_deref() {
                    Some("yes" | "on" | "y") => lower.refuse_word(node, "true"),
                    Some("no" | "off" | "n") => lower.refuse_word(node, "false"),
                    _ => lower.wrong_type(node, "`true` or `false`"),
                }
                None
            }
        }
    }
}

impl FromNode for u32 {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        match node.as_scalar().map(|scalar| &scalar.kind) {
            Some(ScalarKind::Number(number)) => {
                let written = number.to_string();
                let number = number.as_u64().and_then(|number| u32::try_from(number).ok());
                if number.is_none() {
                    let is_whole = written.bytes().all(|byte| byte.is_ascii_digit());
                    let wanted =
                        if is_whole { "a smaller number" } else { "a whole number that is not negative" };
                    lower.refuse(Code::InvalidValue, node, wanted, &written);
                }
                number
            }
            _ => {
                lower.wrong_type(node, "a whole number");
                None
            }
        }
    }
}

/// The version of the grammar: 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version;

impl FromNode for Version {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        if node.as_scalar().is_some_and(|scalar| scalar.kind == ScalarKind::Number(1.into())) {
            return Some(Self);
        }
        let message = "this program knows version 1 of the grammar";
        lower.report(Diagnostic::new(Code::InvalidValue, node.span, message).label("write `1`"));
        None
    }
}
schema!(Version, "Version", { "const": 1 });

/// A name that expressions can use: `[A-Za-z_][A-Za-z0-9_]*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ident(pub String);

impl Ident {
    /// Whether a text can be a name in expressions.
    pub fn is_valid(text: &str) -> bool {
        let mut chars = text.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromNode for Ident {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let text = String::from_node(node, lower)?;
        if Self::is_valid(&text) {
            return Some(Self(text));
        }
        let message = format!("`{text}` is no name: letters, digits and `_` only, no digit first");
        let mended: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let suggestion = (Self::is_valid(&mended) && !text.contains("${{")).then_some(mended);
        let diagnostic = Diagnostic::new(Code::InvalidName, node.span, message);
        lower.report(diagnostic.did_you_mean(suggestion.as_deref()));
        None
    }
}
schema!(Ident, "Name", { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" });

/// A span of time with its unit: `500ms`, `10s`, `1h30m`, `2d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Duration);

impl Time {
    /// Reads a text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut total = Duration::ZERO;
        let mut rest = text;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number: u64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
            let milliseconds = match &rest[..letters] {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
            rest = &rest[letters..];
            total = total.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
        }
        Some(Self(total))
    }
}

impl FromNode for Time {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let Some(scalar) = node.as_scalar().filter(|scalar| scalar.kind != ScalarKind::Null) else {
            lower.wrong_type(node, "a duration such as `30s`");
            return None;
        };
        let time = Self::parse(&scalar.text.value);
        if time.is_none() {
            let message = match scalar.kind {
                ScalarKind::Number(_) => "a duration needs a unit",
                _ => "this is no duration",
            };
            let diagnostic = Diagnostic::new(Code::InvalidValue, node.span, message);
            lower.report(diagnostic.help("write a number and ms, s, m, h or d: `500ms`, `10s`, `1h30m`"));
        }
        time
    }
}
schema!(Time, "Duration", {
    "type": "string",
    "pattern": "^([0-9]+(ms|s|m|h|d))+$",
    "examples": ["500ms", "10s", "1h30m", "2d"]
});

/// How often: `10/1s` is ten times in each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many requests.
    pub count: u32,
    /// In which time.
    pub per: Duration,
}

impl FromNode for Rate {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let Some(scalar) = node.as_scalar().filter(|scalar| scalar.kind != ScalarKind::Null) else {
            lower.wrong_type(node, "a rate such as `10/1s`");
            return None;
        };
        let rate = scalar.text.value.split_once('/').and_then(|(count, per)| {
            let count = count.parse().ok().filter(|count| *count > 0)?;
            let Time(per) = Time::parse(per)?;
            (!per.is_zero()).then_some(Self { count, per })
        });
        if rate.is_none() {
            let diagnostic = Diagnostic::new(Code::InvalidValue, node.span, "this is no rate");
            lower.report(diagnostic.help("write requests and time: `10/1s`, `2000/5m`"));
        }
        rate
    }
}
schema!(Rate, "Rate", {
    "type": "string",
    "pattern": "^[1-9][0-9]*/([0-9]+(ms|s|m|h|d))+$",
    "examples": ["10/1s", "2000/5m"]
});

/// HTTP statuses: `200`, `2xx`, or a list of such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(pub Vec<StatusPattern>);

/// One status, or all of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// Exactly this status.
    Exact(u16),
    /// All statuses with this first digit.
    Class(u16),
}

impl StatusSet {
    /// What counts as success unless someone says otherwise: `2xx`.
    pub fn success() -> Self {
        Self(vec![StatusPattern::Class(2)])
    }

    /// Whether a status belongs to the set.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|pattern| match pattern {
            StatusPattern::Exact(exact) => *exact == status,
            StatusPattern::Class(class) => status / 100 == *class,
        })
    }

    /// Whether a status is written out in the set: a class does not name its statuses.
    pub fn names(&self, status: u16) -> bool {
        self.0.contains(&StatusPattern::Exact(status))
    }
}

impl FromNode for StatusSet {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        match node.as_list() {
            Some([]) => {
                lower.refuse(Code::InvalidValue, node, "at least one status", "an empty list");
                None
            }
            Some(items) => {
                // All items are read before the first that failed ends the reading, so that each is reported.
                let patterns: Vec<_> = items.iter().map(|item| status_pattern(item, lower)).collect();
                patterns.into_iter().collect::<Option<_>>().map(Self)
            }
            None => status_pattern(node, lower).map(|pattern| Self(vec![pattern])),
        }
    }
}

fn status_pattern(node: &Node, lower: &mut Lower<'_>) -> Option<StatusPattern> {
    let text = node.as_scalar().map(|scalar| scalar.text.value.as_str()).unwrap_or_default();
    let exact = text.parse().ok().filter(|status| (100..=599).contains(status)).map(StatusPattern::Exact);
    let class = || {
        let digit = text.strip_suffix("xx")?.parse().ok()?;
        (1..=5).contains(&digit).then_some(StatusPattern::Class(digit))
    };
    let pattern = exact.or_else(class);
    if pattern.is_none() {
        let diagnostic = Diagnostic::new(Code::InvalidValue, node.span, "this is no HTTP status");
        lower.report(diagnostic.help("write a status (`404`), a class (`2xx`) or a list of them"));
    }
    pattern
}

impl JsonSchema for StatusSet {
    fn schema_name() -> Cow<'static, str> {
        "StatusSet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = serde_json::json!({
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": "^([1-5][0-9][0-9]|[1-5]xx)$" }
            ]
        });
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

/// Declares an enumeration of words.
macro_rules! words {
    (
        $(#[$attribute:meta])*
        pub enum $type:ident is $owner:literal { $($(#[$doc:meta])+ $variant:ident = $word:literal,)+ }
        $(later { $($later:literal : $work:literal,)+ })?
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, schemars::JsonSchema)]
        pub enum $type {
            $($(#[$doc])+ #[schemars(rename = $word)] $variant,)+
        }

        impl $type {
            /// The word as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word,)+ }
            }
        }

        impl $crate::document::lower::FromNode for $type {
            fn from_node(
                node: &$crate::document::Node,
                lower: &mut $crate::document::lower::Lower<'_>,
            ) -> Option<Self> {
                let later: &[(&str, &str)] = &[$($(($later, $work),)+)?];
                let word = $crate::document::scalar::read_word(node, $owner, &[$($word),+], later, lower)?;
                match word { $($word => Some($type::$variant),)+ _ => None }
            }
        }
    };
}
pub(super) use words;

/// Reads one of `words`, or reports what is wrong. `later` are words that are known but not supported yet.
pub(super) fn read_word<'n>(
    node: &'n Node,
    owner: &str,
    words: &[&'static str],
    later: &[(&str, &str)],
    lower: &mut Lower<'_>,
) -> Option<&'n str> {
    let Some(text) = node.as_scalar().map(|scalar| scalar.text.value.as_str()) else {
        lower.wrong_type(node, &one_of(words));
        return None;
    };
    if words.contains(&text) {
        return Some(text);
    }
    let diagnostic = match later.iter().find(|(word, _)| *word == text) {
        Some((_, work)) => {
            Diagnostic::new(Code::NotSupportedYet, node.span, format!("`{text}` is not supported yet"))
                .label(*work)
        }
        None => Diagnostic::new(Code::UnknownWord, node.span, format!("`{text}` is no {owner}"))
            .did_you_mean(nearest(text, words.iter().copied()))
            .help(format!("it is {}", one_of(words))),
    };
    lower.report(diagnostic);
    None
}

/// The words as a person would list them: `a`, `b` or `c`.
fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [head @ .., last] if !head.is_empty() => format!("{} or {last}", head.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, milliseconds) in
            [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("1h30m", 5_400_000), ("2d", 172_800_000)]
        {
            assert_eq!(Time::parse(text), Some(Time(Duration::from_millis(milliseconds))), "{text}");
        }
        for text in
            ["", "5", "5 s", "s", "-1s", "1.5s", "10S", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn status_sets() {
        let set = StatusSet(vec![StatusPattern::Class(2), StatusPattern::Exact(404)]);
        assert!(set.contains(204) && set.contains(404) && !set.contains(400));
    }
}
