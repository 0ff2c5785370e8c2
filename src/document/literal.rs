use super::lower::{FromNode, Lower};
use super::scalar::refuse_template;
use super::yaml::{Content, Node};
use crate::source::Span;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;
use std::borrow::Cow;

/// A value as it stands, without templates: a default, a word of an enumeration.
#[derive(Debug, Clone)]
pub struct Literal {
    /// The value.
    pub value: Value,
    /// Where it is written.
    pub span: Span,
}

impl FromNode for Literal {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        refuse_templates(node, lower)?;
        Some(Self { value: node.to_json(), span: node.span })
    }
}

fn refuse_templates(node: &Node, lower: &mut Lower<'_>) -> Option<()> {
    match &node.content {
        Content::Scalar(scalar) => refuse_template(node, &scalar.text.value, lower),
        Content::List(items) => items.iter().try_for_each(|item| refuse_templates(item, lower)),
        Content::Map(entries) => entries.iter().try_for_each(|entry| refuse_templates(&entry.value, lower)),
    }
}

impl JsonSchema for Literal {
    fn schema_name() -> Cow<'static, str> {
        "Literal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::default()
    }

    fn inline_schema() -> bool {
        true
    }
}
