use super::lower::{FromNode, Lower};
use super::yaml::Node;
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
        Some(Self { value: node.to_json(), span: node.span })
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
