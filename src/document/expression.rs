//! Values that are templates, conditions, or trees of templates.

use super::lower::{FromNode, Lower};
use super::named::refuse_template_key;
use super::scalar::schema;
use super::yaml::{Content, Node, ScalarKind};
use crate::port::CREDENTIALS_PREFIX;
use crate::source::{Code, Diagnostic, Span, Spanned, Text};
use crate::template::{Condition, Template};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use std::borrow::Cow;

impl FromNode for Template {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        match node.as_scalar() {
            Some(scalar) if scalar.kind != ScalarKind::Null => template(&scalar.text, lower),
            _ => {
                lower.wrong_type(node, "text");
                None
            }
        }
    }
}
schema!(Template, "Template", {
    "type": ["string", "number", "boolean"],
    "description": "Text in which `${{ expression }}` writes a value."
});

fn template(text: &Text, lower: &mut Lower<'_>) -> Option<Template> {
    // The name of an environment variable is checked as such.
    if !lower.is_at_key("env") {
        report_foreign_forms(text, lower.is_at_key("file"), lower);
    }
    match Template::parse(text) {
        Ok(template) => Some(template),
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| lower.report(mistake));
            None
        }
    }
}

/// `{{ x }}`, `${X}` and `$X` are what other tools write; here they would be sent as they stand. So would a path.
fn report_foreign_forms(text: &Text, is_file: bool, lower: &mut Lower<'_>) {
    let value = &text.value;
    if value.starts_with("$.") || value.starts_with("$[") {
        let message = "a path is not read here: it is sent as it stands";
        let diagnostic = Diagnostic::new(Code::Suspicious, text.span, message);
        lower.report(
            diagnostic.help("read it under `outputs` first, then write `${{ steps.ID.outputs.NAME }}`"),
        );
        return;
    }
    let mut at = if is_file && value.starts_with(CREDENTIALS_PREFIX) { CREDENTIALS_PREFIX.len() } else { 0 };
    while let Some(found) = value[at..].find(['$', '{']).map(|offset| at + offset) {
        let rest = &value[found..];
        if rest.starts_with("$${{") {
            at = found + 4;
        } else if rest.starts_with("${{") {
            at = found + rest.find("}}").unwrap_or(rest.len());
        } else if let Some((length, mended)) = foreign_form(&value[..found], rest) {
            let written = &rest[..length];
            let message = format!("`{written}` is mere text");
            let diagnostic = Diagnostic::new(Code::TemplateForm, text.part(found..found + length), message);
            lower.report(diagnostic.label(format!("write `{mended}`")));
            return;
        } else {
            at = found + 1;
        }
    }
}

/// How long the form of another tool is that begins here, and what to write instead.
fn foreign_form(before: &str, rest: &str) -> Option<(usize, String)> {
    let name_length = |text: &str| text.len() - text.trim_start_matches(is_word).len();
    if let Some(inside) = rest.strip_prefix("{{") {
        let end = inside.find("}}")?;
        return Some((end + 4, format!("${{{{ {} }}}}", inside[..end].trim())));
    }
    let (name, length) = match rest.strip_prefix("${") {
        Some(inside) => {
            let length = name_length(inside);
            inside[length..].starts_with('}').then_some((&inside[..length], length + 3))?
        }
        None => {
            let inside = rest.strip_prefix('$').filter(|_| !before.ends_with(is_word))?;
            let length = name_length(inside);
            (&inside[..length], length + 1)
        }
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    is_name.then(|| (length, format!("${{{{ inputs.{} }}}}", name.to_lowercase())))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl FromNode for Condition {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let Some(scalar) = node.as_scalar().filter(|scalar| scalar.kind != ScalarKind::Null) else {
            lower.wrong_type(node, "a condition such as `inputs.days > 3`");
            return None;
        };
        let value = scalar.text.value.trim();
        if let Some(inner) = value.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
            let diagnostic =
                Diagnostic::new(Code::TemplateForm, node.span, "a condition is written without braces");
            lower.report(diagnostic.label(format!("write `{}`", inner.trim())));
            return None;
        }
        match Condition::parse(&scalar.text) {
            Ok(condition) => Some(condition),
            Err(mistakes) => {
                mistakes.into_iter().for_each(|mistake| lower.report(mistake));
                None
            }
        }
    }
}
schema!(Condition, "Condition", {
    "type": ["string", "boolean"],
    "description": "An expression that decides, written bare: `row_count >= 1`."
});

/// One value or a list of such.
#[derive(Debug, Clone)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromNode> FromNode for OneOrMany<T> {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        match node.as_list() {
            Some([]) => {
                lower.refuse(Code::InvalidValue, node, "at least one", "an empty list");
                None
            }
            Some(_) => Vec::from_node(node, lower).map(Self),
            None => T::from_node(node, lower).map(|one| Self(vec![one])),
        }
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// A value with templates at its leaves: a JSON body, a query value.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Where it is written.
    pub span: Span,
    /// What it is.
    pub kind: TreeKind,
}

/// The forms of a [`Tree`].
#[derive(Debug, Clone)]
pub enum TreeKind {
    /// Null, a boolean or a number, as it stands.
    Literal(Value),
    /// Text, perhaps with templates.
    Template(Template),
    /// A list.
    List(Vec<Tree>),
    /// A map. A value that is a template and yields null leaves its key out.
    Map(Vec<(Spanned<String>, Tree)>),
}

impl Tree {
    /// All templates in it.
    pub fn templates(&self) -> Vec<&Template> {
        match &self.kind {
            TreeKind::Literal(_) => Vec::new(),
            TreeKind::Template(template) => vec![template],
            TreeKind::List(items) => items.iter().flat_map(Tree::templates).collect(),
            TreeKind::Map(entries) => entries.iter().flat_map(|(_, value)| value.templates()).collect(),
        }
    }
}

impl FromNode for Tree {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let kind = match &node.content {
            Content::Scalar(scalar) => match &scalar.kind {
                ScalarKind::Null => TreeKind::Literal(Value::Null),
                ScalarKind::Bool(flag) => TreeKind::Literal(Value::Bool(*flag)),
                ScalarKind::Number(number) => TreeKind::Literal(Value::Number(number.clone())),
                ScalarKind::Text => TreeKind::Template(template(&scalar.text, lower)?),
            },
            Content::List(items) => {
                TreeKind::List(items.iter().filter_map(|item| Tree::from_node(item, lower)).collect())
            }
            Content::Map(entries) => {
                let entries = entries.iter().filter_map(|entry| {
                    refuse_template_key(&entry.key, lower);
                    Some((entry.key.clone(), Tree::from_node(&entry.value, lower)?))
                });
                TreeKind::Map(entries.collect())
            }
        };
        Some(Self { span: node.span, kind })
    }
}

impl JsonSchema for Tree {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Any value; each text in it may hold `${{ expression }}`." })
    }
}
