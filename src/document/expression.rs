//! Values that are templates, conditions, or trees of templates.

use super::lower::{FromNode, Lower};
use super::named::refuse_template_key;
use super::scalar::schema;
use super::yaml::{Content, Node, ScalarKind};
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
    warn_of_foreign_forms(text, lower);
    match Template::parse(text) {
        Ok(template) => Some(template),
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| lower.report(mistake));
            None
        }
    }
}

/// `{{ x }}` without `$` is what other tools write; here it would be sent as it stands.
fn warn_of_foreign_forms(text: &Text, lower: &mut Lower<'_>) {
    let value = &text.value;
    for (at, _) in value.match_indices("{{") {
        let is_ours = value[..at].ends_with('$');
        let is_closed = value[at..].contains("}}");
        let is_inside = value[..at].rfind("${{").is_some_and(|open| !value[open..at].contains("}}"));
        if !is_ours && !is_inside && is_closed {
            let message = "`{{ }}` without `$` is mere text";
            let diagnostic = Diagnostic::new(Code::TemplateForm, text.part(at..at + 2), message);
            lower.report(diagnostic.label("write `${{ ... }}`"));
            return;
        }
    }
}

impl FromNode for Condition {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let Some(scalar) = node.as_scalar().filter(|scalar| scalar.kind != ScalarKind::Null) else {
            lower.wrong_type(node, "a condition such as `inputs.days > 3`");
            return None;
        };
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
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
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
