//! From the spanned tree to the types of the language.
//!
//! [`keys!`] declares a type with its keys once. The struct, the check for unknown, missing and not yet supported keys, and
//! the JSON Schema (by `schemars`, with the doc comments as descriptions) all come from that one declaration.

use super::yaml::Node;
use crate::source::{Code, Diagnostic, Diagnostics, Span, Spanned, nearest};
use std::borrow::Cow;

/// What lowering writes to.
pub struct Lower<'a> {
    diagnostics: &'a mut Diagnostics,
    /// The key whose value is read, for messages. `None` in a list.
    key: Option<Cow<'static, str>>,
    /// The key is a name that the author chose, not a word of the language.
    is_name: bool,
}

impl<'a> Lower<'a> {
    /// Lowers into `diagnostics`.
    pub fn new(diagnostics: &'a mut Diagnostics) -> Self {
        Self { diagnostics, key: None, is_name: false }
    }

    /// Reads the value of a key: messages name it.
    pub fn at_key<T>(&mut self, key: impl Into<Cow<'static, str>>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.at(Some(key.into()), false, read)
    }

    /// Reads the value of a name that the author chose: messages name it, but it means nothing.
    pub fn at_name<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.at(Some(name.to_owned().into()), true, read)
    }

    /// Whether the value of this key of the language is read.
    pub fn is_at_key(&self, key: &str) -> bool {
        !self.is_name && self.key() == Some(key)
    }

    /// The key whose value is read; `None` in a list.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Reads an item of a list.
    fn at_item<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.at(None, false, read)
    }

    fn at<T>(
        &mut self,
        key: Option<Cow<'static, str>>,
        is_name: bool,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let outer = (std::mem::replace(&mut self.key, key), std::mem::replace(&mut self.is_name, is_name));
        let result = read(self);
        (self.key, self.is_name) = outer;
        result
    }

    /// Takes a mistake up.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// A value is of the wrong type. `wanted` names what is taken, with an example where that helps.
    pub fn wrong_type(&mut self, node: &Node, wanted: &str) {
        self.refuse(Code::WrongType, node, wanted, node.describe());
    }

    /// A word of YAML 1.1 stands where `true` or `false` is taken.
    pub fn refuse_word(&mut self, node: &Node, meant: &str) {
        let message = match &self.key {
            Some(key) => format!("`{key}` takes `true` or `false`, not text"),
            None => "`true` or `false` is needed here, not text".to_owned(),
        };
        self.report(Diagnostic::new(Code::WrongType, node.span, message).label(format!("write `{meant}`")));
    }

    /// A value is not what its key takes. `wanted` names what is taken, `found` what is there.
    pub fn refuse(&mut self, code: Code, node: &Node, wanted: &str, found: &str) {
        let diagnostic = match &self.key {
            Some(key) => {
                let diagnostic =
                    Diagnostic::new(code, node.span, format!("`{key}` takes {wanted}, not {found}"));
                if wanted.contains("such as") { diagnostic } else { with_example(diagnostic, key) }
            }
            None => Diagnostic::new(code, node.span, format!("{wanted} is needed here, not {found}")),
        };
        self.report(diagnostic);
    }
}

/// A type that can be read from a node. `None` means that a mistake was reported.
pub trait FromNode: Sized {
    /// Reads the node.
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self>;
}

/// One key of a map type.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The key as written.
    pub name: &'static str,
    /// What is not built yet about it; such a key is refused.
    pub missing_work: Option<&'static str>,
}

/// A type that is a map with known keys; it can be a part of a larger one.
pub trait KeySet: Sized {
    /// All its keys, those of its parts included.
    fn keys() -> Vec<Key>;

    /// Reads the keys from a map. Keys it does not know are none of its business.
    fn read(map: &Node, lower: &mut Lower<'_>) -> Option<Self>;
}

/// Reports each key of `map` that is not among `keys`. `owner` is "a step", "an input".
pub fn check_keys(map: &Node, owner: &str, keys: &[Key], lower: &mut Lower<'_>) {
    for entry in map.as_map().unwrap_or_default() {
        let name = entry.key.value.as_str();
        match keys.iter().find(|key| key.name == name) {
            None => lower.report(unknown_key(&entry.key, owner, keys)),
            Some(Key { missing_work: Some(work), .. }) => {
                let message = format!("`{name}` is not supported yet");
                lower.report(Diagnostic::new(Code::NotSupportedYet, entry.key.span, message).label(*work));
            }
            Some(_) => {}
        }
    }
}

fn unknown_key(key: &Spanned<String>, owner: &str, keys: &[Key]) -> Diagnostic {
    let message = format!("{owner} has no key `{}`", key.value);
    let diagnostic = Diagnostic::new(Code::UnknownKey, key.span, message);
    let usable = || keys.iter().filter(|known| known.missing_work.is_none()).map(|known| known.name);
    let our_word = || our_word(&key.value).filter(|word| usable().any(|name| name == *word));
    let credentials = || usable().find(|name| *name == "credentials" && is_credential(&key.value));
    match credentials().or_else(|| nearest(&key.value, usable())).or_else(our_word) {
        Some(name) => diagnostic.label(match example(name) {
            Some(example) => format!("did you mean `{name}`? It takes `{example}`"),
            None => format!("did you mean `{name}`?"),
        }),
        None if keys.len() <= 12 => diagnostic.help(format!(
            "it takes {}",
            usable().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        )),
        None => diagnostic,
    }
}

/// What a key takes, where its name does not tell the form.
fn example(key: &str) -> Option<&'static str> {
    Some(match key {
        "get" | "head" | "post" | "put" | "patch" | "delete" => "/path",
        "retry" => "{ attempts: 3 }",
        "timeout" | "within" | "deadline" => "30s",
        "expect" => "{ status: 2xx }",
        "outputs" => "{ name: $.path }",
        "for_each" => "${{ steps.ID.rows }}",
        "call" => "provider.operation",
        "store" => "provider.credential",
        "on_error" => "stop, or continue",
        "rows" => "$.path",
        "save" => "devices.ndjson",
        "query" | "headers" | "cookies" | "form" | "with" => "{ name: value }",
        "paginate" => "{ by: page, param: page }",
        "steps" | "cleanup" => "[{ get: /path }]",
        "from" => "[{ env: NAME }]",
        "inputs" | "settings" | "params" => "{ name: { default: 1 } }",
        "secrets" | "credentials" => "{ name: { from: [{ env: NAME }] } }",
        "providers" => "{ emnify: {} }",
        "defaults" => "{ timeout: 30s }",
        "hints" => "{ 404: what to do }",
        "rate_limit" => "{ rate: 10/1s }",
        "report" => "{ html: report.html }",
        "expires" => "[{ after: 1h }]",
        _ => return None,
    })
}

/// Whether a key is what people call a credential: it stands one level deeper.
fn is_credential(key: &str) -> bool {
    let names = [
        "username",
        "user",
        "email",
        "password",
        "token",
        "api_key",
        "key",
        "secret",
        "client_id",
        "client_secret",
    ];
    names.contains(&key)
}

/// What other tools call a key. Only names that are not near to ours: those are found without help.
fn our_word(key: &str) -> Option<&'static str> {
    Some(match key {
        "when" | "condition" => "if",
        "loop" | "foreach" | "with_items" | "items" => "for_each",
        "register" | "capture" | "captures" | "extract" => "outputs",
        "assert" | "asserts" | "check" | "validate" | "test" => "expect",
        "body" | "data" | "payload" => "json",
        "params" => "query",
        "title" => "name",
        "vars" | "variables" => "inputs",
        "tasks" | "jobs" => "steps",
        "ignore_errors" | "continue_on_error" => "on_error",
        "finally" | "teardown" => "cleanup",
        "source" | "sources" => "from",
        "url" | "host" => "base_url",
        _ => return None,
    })
}

/// Reports keys of which one at most can stand in a map: `written` are those that do, two at least.
pub fn refuse_several(map: &Node, owner: &str, written: &[&str], lower: &mut Lower<'_>) {
    let names: Vec<String> = written.iter().map(|key| format!("`{key}`")).collect();
    let places: Vec<Span> = written.iter().filter_map(|key| map.key(key)).map(|key| key.span).collect();
    let [first, .., last] = places.as_slice() else { return };
    let both = if names.len() == 2 { "both" } else { "all" };
    let message = format!("{owner} takes one of {}, not {both}", names.join(" and "));
    lower.report(Diagnostic::new(Code::ConflictingKeys, *last, message).also(*first, "or this"));
}

/// Reports that what should be the map of `owner` is something else.
pub fn not_a_map(node: &Node, owner: &str, lower: &mut Lower<'_>) {
    let message = format!("{owner} is a map, not {}", node.describe());
    let diagnostic = Diagnostic::new(Code::WrongType, node.span, message);
    lower.report(with_example(diagnostic, owner.trim_matches('`')));
}

fn with_example(diagnostic: Diagnostic, key: &str) -> Diagnostic {
    match example(key) {
        Some(example) => diagnostic.help(format!("write it as `{key}: {example}`")),
        None => diagnostic,
    }
}

/// Reports a key that must be there and is not; unless another was reported that was probably meant to be it.
pub fn missing_key(map: &Node, owner: &str, key: &str, keys: &[Key], lower: &mut Lower<'_>) {
    let written = map.as_map().unwrap_or_default();
    let is_known = |name: &str| keys.iter().any(|key| key.name == name);
    let is_meant = |name: &str| nearest(name, [key]).is_some() || our_word(name) == Some(key);
    if written.iter().any(|entry| !is_known(&entry.key.value) && is_meant(&entry.key.value)) {
        return;
    }
    let message = format!("{owner} needs the key `{key}`");
    let diagnostic = match written.first() {
        Some(entry) => Diagnostic::new(Code::MissingKey, entry.key.span, message).label("beside this one"),
        None => Diagnostic::new(Code::MissingKey, map.span, message),
    };
    lower.report(with_example(diagnostic, key));
}

impl<T: FromNode> FromNode for Option<T> {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        T::from_node(node, lower).map(Some)
    }
}

impl<T: FromNode> FromNode for Box<T> {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        T::from_node(node, lower).map(Box::new)
    }
}

impl<T: FromNode> FromNode for Spanned<T> {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        T::from_node(node, lower).map(|value| Spanned::new(value, node.span))
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let Some(items) = node.as_list() else {
            lower.wrong_type(node, "a list");
            return None;
        };
        Some(items.iter().filter_map(|item| lower.at_item(|lower| T::from_node(item, lower))).collect())
    }
}

/// For a map's JSON Schema, as `oneOf`: exactly one of these keys is written.
pub(super) fn exactly_one<'a>(keys: impl IntoIterator<Item = &'a str>) -> serde_json::Value {
    keys.into_iter().map(|key| serde_json::json!({ "required": [key] })).collect()
}

/// For a map's JSON Schema, as `not`: no two of these keys stand together.
pub(super) fn any_two(keys: &[&str]) -> serde_json::Value {
    let behind = |index: usize| keys[index + 1..].iter();
    let pairs = keys.iter().enumerate().flat_map(|(index, one)| behind(index).map(move |other| [one, other]));
    serde_json::json!({ "anyOf": pairs.map(|pair| serde_json::json!({ "required": pair })).collect::<Vec<_>>() })
}

/// Declares a map of the language: see the module's page.
///
/// Each key is written as `"key" => field: Type;` under `required` or `optional` (whose type has a default). `parts` take in
/// all keys of another such type. `later` names keys that are known and refused, with what is missing.
macro_rules! keys {
    (
        $(#[$attribute:meta])*
        pub struct $type:ident is $owner:literal {
            $(required { $($(#[$required_doc:meta])+ $required_key:literal => $required:ident : $required_type:ty;)* })?
            $(optional { $($(#[$optional_doc:meta])+ $optional_key:literal => $optional:ident : $optional_type:ty;)* })?
            $(parts { $($(#[$part_doc:meta])+ $part:ident : $part_type:ty;)* })?
            $(later { $($later:literal : $work:literal;)* })?
        }
    ) => {
        #[derive(Debug, Clone, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$attribute])*
        pub struct $type {
            $($($(#[$required_doc])+ #[schemars(rename = $required_key)] pub $required: $required_type,)*)?
            $($($(#[$optional_doc])+ #[schemars(rename = $optional_key, default)] pub $optional: $optional_type,)*)?
            $($($(#[$part_doc])+ #[schemars(flatten)] pub $part: $part_type,)*)?
            /// Where the map is written.
            #[allow(dead_code, reason = "not of every type the place is asked for")]
            #[schemars(skip)]
            pub span: $crate::source::Span,
        }

        impl $crate::document::lower::KeySet for $type {
            fn keys() -> Vec<$crate::document::lower::Key> {
                #[allow(unused_mut, reason = "types without parts extend nothing")]
                let mut keys = vec![
                    $($($crate::document::lower::Key { name: $required_key, missing_work: None },)*)?
                    $($($crate::document::lower::Key { name: $optional_key, missing_work: None },)*)?
                    $($($crate::document::lower::Key { name: $later, missing_work: Some($work) },)*)?
                ];
                $($(keys.extend(<$part_type as $crate::document::lower::KeySet>::keys());)*)?
                keys
            }

            fn read(
                map: &$crate::document::Node,
                lower: &mut $crate::document::lower::Lower<'_>,
            ) -> Option<Self> {
                // All keys are read before the first that failed ends the reading, so that every mistake is reported.
                $($(
                    let $required = match map.get($required_key) {
                        Some(node) => lower.at_key($required_key, |lower| {
                            $crate::document::lower::FromNode::from_node(node, lower)
                        }),
                        None => {
                            let keys = <Self as $crate::document::lower::KeySet>::keys();
                            $crate::document::lower::missing_key(map, $owner, $required_key, &keys, lower);
                            None
                        }
                    };
                )*)?
                $($(
                    let $optional: $optional_type = map
                        .get($optional_key)
                        .and_then(|node| {
                            lower.at_key($optional_key, |lower| {
                                $crate::document::lower::FromNode::from_node(node, lower)
                            })
                        })
                        .unwrap_or_default();
                )*)?
                $($(let $part = <$part_type as $crate::document::lower::KeySet>::read(map, lower);)*)?
                Some(Self {
                    $($($required: $required?,)*)?
                    $($($optional,)*)?
                    $($($part: $part?,)*)?
                    span: map.span,
                })
            }
        }

        impl $crate::document::lower::FromNode for $type {
            fn from_node(
                node: &$crate::document::Node,
                lower: &mut $crate::document::lower::Lower<'_>,
            ) -> Option<Self> {
                if node.as_map().is_none() {
                    $crate::document::lower::not_a_map(node, $owner, lower);
                    return None;
                }
                let keys = <Self as $crate::document::lower::KeySet>::keys();
                $crate::document::lower::check_keys(node, $owner, &keys, lower);
                <Self as $crate::document::lower::KeySet>::read(node, lower)
            }
        }
    };
}

pub(super) use keys;
