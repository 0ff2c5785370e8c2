//! `runner schema`: the JSON Schemas of what people write and of what `runner` reports, generated from the types.

use crate::document::{Definition, Playbook};
use crate::event::RunReport;
use crate::journal::Record;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};
use std::io::{self, Write};

/// The documents that have a schema, which lies in `schemas/` under the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemaKind {
    /// What a playbook may say.
    Playbook,
    /// What a provider definition may say.
    Provider,
    /// The report of a run, as `--report json=FILE` writes it.
    Report,
    /// A record of a run's journal: what stands in each line behind its checksum.
    Journal,
}

impl SchemaKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Playbook, Self::Provider, Self::Report, Self::Journal];

    /// The name that it has on the command line and as a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Playbook => "playbook",
            Self::Provider => "provider",
            Self::Report => "report",
            Self::Journal => "journal",
        }
    }
}

/// Writes a schema (JSON Schema, draft 2020-12), indented, with a line break at its end.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_schema(kind: SchemaKind, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &schema(kind))?;
    writeln!(out)
}

/// The schema of a kind of document.
pub fn schema(kind: SchemaKind) -> Schema {
    match kind {
        SchemaKind::Playbook => language::<Playbook>(),
        SchemaKind::Provider => language::<Definition>(),
        SchemaKind::Report => generate::<RunReport>(),
        SchemaKind::Journal => generate::<Record>(),
    }
}

/// The schema of what people write: an optional key is left out, never null.
fn language<T: JsonSchema>() -> Schema {
    let mut schema = generate::<T>();
    RecursiveTransform(without_null).transform(&mut schema);
    schema
}

fn generate<T: JsonSchema>() -> Schema {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    RecursiveTransform(plain_description).transform(&mut schema);
    RecursiveTransform(describe_only_key).transform(&mut schema);
    RecursiveTransform(without_machine_formats).transform(&mut schema);
    RecursiveTransform(closed).transform(&mut schema);
    schema
}

/// Takes null out of the types of a schema, and with it the default null.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(forms)) = object.get_mut("anyOf") {
        forms.retain(|form| form.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(_)] = forms.as_slice() {
            unwrap_only_form(object);
        }
    }
}

/// Puts the one form that an `anyOf` holds in its place. The words of the key stand above those of its type.
fn unwrap_only_form(object: &mut Map<String, Value>) {
    let Some(Value::Array(mut forms)) = object.remove("anyOf") else { return };
    if let Some(Value::Object(form)) = forms.pop() {
        for (key, value) in form {
            object.entry(key).or_insert(value);
        }
    }
}

/// Doc comments are wrapped and link to code; editors show plain sentences.
fn plain_description(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace("[`", "`").replace("`]", "`").replace('\n', " ");
    }
}

/// Of a map that is nothing but one key, such as a variant with values, the description is that key's.
fn describe_only_key(schema: &mut Schema) {
    let description = schema.get("description").cloned();
    if let Some(Value::Object(keys)) = schema.get_mut("properties")
        && keys.len() == 1
        && let Some(Value::Object(about)) = keys.values_mut().next()
        && let Some(description) = description
    {
        about.entry("description").or_insert(description);
    }
}

/// Formats such as `uint32` are unknown to validators, and strict ones refuse them.
fn without_machine_formats(schema: &mut Schema) {
    let is_machine_format = |format: &str| !matches!(format, "date-time" | "uri");
    if schema.get("format").and_then(Value::as_str).is_some_and(is_machine_format) {
        schema.remove("format");
    }
}

/// All keys of a map stand in its own `properties`, so that the plain keyword closes it, which every editor knows.
fn closed(schema: &mut Schema) {
    if let Some(is_open) = schema.remove("unevaluatedProperties") {
        schema.insert("additionalProperties".to_owned(), is_open);
    }
}
