use super::lower::{FromNode, Lower};
use super::yaml::{Content, Node, ScalarKind};
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
    fn from_node(node: &Node, _lower: &mut Lower<'_>) -> Option<Self> {
        Some(Self { value: to_value(node), span: node.span })
    }
}

/// The JSON that a node stands for.
fn to_value(node: &Node) -> Value {
    match &node.content {
        Content::Scalar(scalar) => match &scalar.kind {
            ScalarKind::Null => Value::Null,
            ScalarKind::Bool(flag) => Value::Bool(*flag),
            ScalarKind::Number(number) => Value::Number(number.clone()),
            ScalarKind::Text => Value::String(scalar.text.value.clone()),
        },
        Content::List(items) => Value::Array(items.iter().map(to_value).collect()),
        Content::Map(entries) => Value::Object(
            entries.iter().map(|entry| (entry.key.value.clone(), to_value(&entry.value))).collect(),
        ),
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
