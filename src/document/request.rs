//! The keys of a request and of what is done with its answer, shared by steps, operations and sign-in.

use super::expression::{OneOrMany, Tree};
use super::literal::Literal;
use super::lower::{FromNode, Lower, any_two, keys};
use super::named::Named;
use super::reader::{JsonPath, Reader};
use super::scalar::{StatusSet, words};
use super::yaml::Node;
use crate::source::{Span, Spanned};
use crate::template::{Condition, Template};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

keys! {
    /// A request: one verb with its path, and what goes along.
    #[schemars(extend("not" = any_two(&BODIES)))]
    pub struct RequestKeys is "a request" {
        optional {
            /// GET this path.
            "get" => get: Option<Template>;
            /// HEAD this path.
            "head" => head: Option<Template>;
            /// POST to this path.
            "post" => post: Option<Template>;
            /// PUT to this path.
            "put" => put: Option<Template>;
            /// PATCH this path.
            "patch" => patch: Option<Template>;
            /// DELETE this path.
            "delete" => delete: Option<Template>;
            /// Query parameters; a list repeats its key, a template that yields null leaves it out.
            "query" => query: Named<Tree>;
            /// Request headers; a template that yields null leaves its header out.
            "headers" => headers: Named<Template>;
            /// Cookies to send.
            "cookies" => cookies: Named<Template>;
            /// A JSON body.
            "json" => json: Option<Tree>;
            /// A form body (`application/x-www-form-urlencoded`); a list repeats its key.
            "form" => form: Option<Named<Tree>>;
            /// A body of several parts (`multipart/form-data`).
            "multipart" => multipart: Option<Named<Part>>;
            /// A body of plain text.
            "text" => text: Option<Template>;
            /// A file whose content is the body, streamed from disk; the path counts from the playbook's folder.
            "file" => file: Option<Template>;
        }
    }
}

/// The verbs a request can have, as the keys are written.
pub const VERBS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

/// The keys of a body: one of them at most.
pub const BODIES: [&str; 5] = ["json", "form", "multipart", "text", "file"];

impl RequestKeys {
    /// All templates in it.
    pub fn templates(&self) -> Vec<&Template> {
        let paths = self.verbs().map(|(_, path)| path);
        let trees = self.query.iter().chain(self.form.iter().flat_map(Named::iter)).map(|(_, tree)| tree);
        let trees = trees.chain(&self.json).flat_map(Tree::templates);
        let texts = self.headers.iter().chain(self.cookies.iter()).map(|(_, text)| text);
        let parts = self.multipart.iter().flat_map(Named::iter).flat_map(|(_, part)| match part {
            Part::Value(text) => vec![text],
            Part::File(file) => std::iter::once(&file.file).chain(&file.media_type).collect(),
        });
        paths.chain(trees).chain(texts).chain(parts).chain(&self.text).chain(&self.file).collect()
    }

    /// The verbs that are written, each with its path.
    pub fn verbs(&self) -> impl Iterator<Item = (&'static str, &Template)> {
        let paths = [&self.get, &self.head, &self.post, &self.put, &self.patch, &self.delete];
        VERBS.into_iter().zip(paths).filter_map(|(verb, path)| path.as_ref().map(|path| (verb, path)))
    }
}

/// One part of a multipart body.
#[derive(Debug, Clone)]
pub enum Part {
    /// A value.
    Value(Template),
    /// A file from disk.
    File(PartFile),
}

keys! {
    /// A file as a part of a multipart body.
    pub struct PartFile is "a file part" {
        required {
            /// The file; the path counts from the playbook's folder.
            "file" => file: Template;
        }
        optional {
            /// Its media type; default `application/octet-stream`.
            "type" => media_type: Option<Template>;
        }
    }
}

impl Part {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Template> {
        match self {
            Self::Value(_) => None,
            Self::File(file) => Some(&file.file),
        }
    }
}

impl FromNode for Part {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        match node.as_map() {
            Some(_) => PartFile::from_node(node, lower).map(Self::File),
            None => Template::from_node(node, lower).map(Self::Value),
        }
    }
}

impl JsonSchema for Part {
    fn schema_name() -> Cow<'static, str> {
        "Part".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Template>();
        let file = generator.subschema_for::<PartFile>();
        json_schema!({ "anyOf": [value, file] })
    }
}

keys! {
    /// What an answer must satisfy.
    pub struct Expect is "`expect`" {
        optional {
            /// The statuses that count as success; default `2xx`.
            "status" => status: Option<Spanned<StatusSet>>;
            /// Conditions that must hold.
            "that" => that: OneOrMany<Condition>;
            /// A JSON Schema file that the body must fulfil; the path counts from the playbook's folder.
            "schema" => schema: Option<Spanned<String>>;
        }
    }
}

keys! {
    /// How often a step is tried.
    pub struct Retry is "`retry`" {
        required {
            /// The number of attempts, the first included; 1 means never again.
            "attempts" => attempts: Spanned<u32>;
        }
    }
}

words! {
    /// What repeating a request would do.
    pub enum Effect is "effect" {
        /// It changes nothing.
        Read = "read",
        /// Done twice is like done once.
        Idempotent = "idempotent",
        /// It must not be done twice.
        Once = "once",
    }
}

words! {
    /// What a request does about the session: the only choice is to go without.
    pub enum NoAuth is "word for `auth`" {
        /// No session is sent and none is opened.
        None = "none",
    }
}

words! {
    /// How the pages of a list are numbered.
    pub enum PageKind is "way of paging" {
        /// Pages have numbers.
        Page = "page",
        /// Each page names the next by an opaque text.
        Cursor = "cursor",
    }
    later {
        "offset": "paging by offset is not built yet",
        "link": "paging by the `Link` header is not built yet",
    }
}

words! {
    /// Where a page's position is sent.
    pub enum PagePlace is "place for the position" {
        /// As a query parameter.
        Query = "query",
        /// As a key of the JSON body.
        Json = "json",
    }
}

keys! {
    /// How all pages of a list are fetched.
    #[schemars(extend("allOf" = page_kinds()))]
    pub struct Paginate is "`paginate`" {
        required {
            /// How pages are numbered.
            "by" => by: Spanned<PageKind>;
            /// The query parameter or body key that carries the position.
            "param" => param: Spanned<String>;
        }
        optional {
            /// Where the position is sent; default `query`.
            "in" => place: Option<PagePlace>;
            /// `cursor`: where an answer names the next page; nothing there is the end.
            "next" => next: Option<Reader>;
            /// `page`: the number of the first page; default 1.
            "start" => start: Option<Spanned<u32>>;
            /// `page`: what the number grows by; default 1.
            "step" => step: Option<Spanned<u32>>;
            /// `page`: where an answer says how many pages there are.
            "pages" => pages: Option<Reader>;
            /// Where an answer says how many rows there are in all; checked at the end.
            "total" => total: Option<Reader>;
            /// The step fails when there are more pages than this; default 10000.
            "max_pages" => max_pages: Option<Spanned<u32>>;
        }
    }
}

/// An output of a step: something read from the answer, or computed.
#[derive(Debug, Clone)]
pub enum Output {
    /// Read from the answer.
    Read(Reader),
    /// Computed by a template.
    Template(Template),
}

impl Output {
    /// Where it is written.
    pub fn span(&self) -> Span {
        match self {
            Self::Read(reader) => reader.span,
            Self::Template(template) => template.span(),
        }
    }

    /// Whether the author marked it as secret.
    pub fn is_marked_secret(&self) -> bool {
        matches!(self, Self::Read(Reader { secret: Some(true), .. }))
    }
}

impl FromNode for Output {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let is_template = node.as_text().is_some_and(|text| text.value.contains("${{"));
        match is_template {
            true => Template::from_node(node, lower).map(Self::Template),
            false => Reader::from_node(node, lower).map(Self::Read),
        }
    }
}

impl JsonSchema for Output {
    fn schema_name() -> Cow<'static, str> {
        "Output".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let reader = generator.subschema_for::<Reader>();
        json_schema!({ "anyOf": [reader, { "type": "string", "pattern": "\\$\\{\\{" }] })
    }
}

words! {
    /// The form of a saved file.
    pub enum SaveFormat is "format" {
        /// One JSON value on each line.
        Ndjson = "ndjson",
        /// One JSON list of all rows.
        Json = "json",
    }
    later {
        "csv": "CSV files are not built yet",
    }
}

/// Where rows or a body are kept.
#[derive(Debug, Clone)]
pub struct Save {
    /// The file; the path counts from the folder where `runner` was started.
    pub file: Template,
    /// The form; `None` = by the file's ending, anything but `ndjson`, `json` and `csv` the body as it came.
    pub format: Option<Spanned<SaveFormat>>,
    /// Which columns each row is reduced to; empty = the row as it is.
    pub fields: Named<Field>,
    /// Where it is written.
    pub span: Span,
}

keys! {
    /// Where rows or a body are kept.
    pub struct SaveKeys is "`save`" {
        required {
            /// The file; the path counts from the folder where `runner` was started.
            "file" => file: Template;
        }
        optional {
            /// The form; default by the file's ending.
            "format" => format: Option<Spanned<SaveFormat>>;
            /// Column -> path in the row, or template.
            "fields" => fields: Named<Field>;
        }
        later {
            "compare": "comparing with an earlier run is not built yet";
        }
    }
}

impl FromNode for Save {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        if node.as_text().is_some() {
            let file = Template::from_node(node, lower)?;
            return Some(Self { file, format: None, fields: Named::default(), span: node.span });
        }
        if node.as_map().is_none() {
            lower.wrong_type(node, "a file such as `devices.ndjson`");
            return None;
        }
        let keys = SaveKeys::from_node(node, lower)?;
        Some(Self { file: keys.file, format: keys.format, fields: keys.fields, span: node.span })
    }
}

impl JsonSchema for Save {
    fn schema_name() -> Cow<'static, str> {
        "Save".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = generator.subschema_for::<SaveKeys>();
        json_schema!({ "anyOf": [{ "type": "string" }, keys] })
    }
}

/// One column of a saved row.
#[derive(Debug, Clone)]
pub enum Field {
    /// A path in the row.
    Path(JsonPath),
    /// Computed by a template.
    Template(Template),
}

impl FromNode for Field {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let is_path =
            node.as_text().is_some_and(|text| text.value.starts_with('$') && !text.value.starts_with("${{"));
        match is_path {
            true => JsonPath::from_node(node, lower).map(Self::Path),
            false => Template::from_node(node, lower).map(Self::Template),
        }
    }
}

impl JsonSchema for Field {
    fn schema_name() -> Cow<'static, str> {
        "Field".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let path = generator.subschema_for::<JsonPath>();
        let template = generator.subschema_for::<Template>();
        json_schema!({ "anyOf": [path, template] })
    }
}

words! {
    /// The type of an input, setting or parameter.
    pub enum ValueType is "type" {
        /// Text.
        String = "string",
        /// A whole number.
        Integer = "integer",
        /// Any number.
        Number = "number",
        /// `true` or `false`.
        Boolean = "boolean",
        /// A list.
        List = "list",
        /// A map.
        Map = "map",
    }
}

keys! {
    /// A value that the caller may set.
    #[schemars(extend("allOf" = typed_values()))]
    pub struct ValueKeys is "an input" {
        optional {
            /// Its type; default that of `default`, else `string`.
            "type" => value_type: Option<Spanned<ValueType>>;
            /// Its value when nobody sets it; without this it is required.
            "default" => default: Option<Literal>;
            /// The values that it may have.
            #[schemars(length(min = 1))]
            "enum" => choices: Option<Vec<Literal>>;
            /// A regular expression that a text must match as a whole.
            "pattern" => pattern: Option<Spanned<String>>;
            /// What it is for.
            "description" => description: Option<String>;
        }
    }
}

/// For the JSON Schema of [`Paginate`]: the keys that go with each kind of page.
fn page_kinds() -> Value {
    let has = |key: &str| json!({ "required": [key] });
    let rule = |kind: PageKind, then: Value| {
        let is_kind = json!({ "properties": { "by": { "const": kind.as_str() } }, "required": ["by"] });
        json!({ "if": is_kind, "then": then })
    };
    let numbered = ["start", "step", "pages"].map(has);
    json!([
        rule(PageKind::Cursor, json!({ "required": ["next"], "not": { "anyOf": numbered } })),
        rule(PageKind::Page, json!({ "not": has("next") })),
    ])
}

/// For the JSON Schema of [`ValueKeys`]: default and choices are of the type that is written.
fn typed_values() -> Value {
    let json_types = [
        ("string", "string"),
        ("integer", "integer"),
        ("number", "number"),
        ("boolean", "boolean"),
        ("list", "array"),
        ("map", "object"),
    ];
    let rules = json_types.map(|(word, json_type)| {
        json!({
            "if": { "properties": { "type": { "const": word } }, "required": ["type"] },
            "then": { "properties": {
                "default": { "anyOf": [{ "type": json_type }, { "enum": [null] }] },
                "enum": { "items": { "type": json_type } }
            } }
        })
    });
    rules.into_iter().collect()
}
