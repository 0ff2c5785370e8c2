//! A step as written. Which keys exclude each other is asked by `plan`.

use super::expression::Tree;
use super::lower::{FromNode, Lower, exactly_one, keys};
use super::named::Named;
use super::reader::JsonPath;
use super::request::{Effect, Expect, NoAuth, Output, Paginate, RequestKeys, Retry, Save, VERBS};
use super::scalar::{Ident, Time, words};
use super::yaml::Node;
use crate::source::{Code, Diagnostic, Spanned};
use crate::template::{Condition, Template};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};
use std::borrow::Cow;

words! {
    /// What happens when a step, or an item of its loop, fails.
    pub enum OnError is "word for `on_error`" {
        /// The run ends there.
        Stop = "stop",
        /// The run goes on and has failed all the same.
        Continue = "continue",
    }
}

keys! {
    /// One entry of the work. It has exactly one kind: a verb, `call`, `steps`, `authenticate`, `logout` or `store`.
    #[schemars(extend("oneOf" = exactly_one(STEP_KINDS), "dependentRequired" = companions()))]
    pub struct Step is "a step" {
        optional {
            /// The name under which other steps and reports know it.
            "id" => id: Option<Spanned<Ident>>;
            /// What reports show.
            "name" => name: Option<String>;
            /// Calls an operation that a provider's definition names: `provider.operation`.
            "call" => call: Option<Spanned<String>>;
            /// The operation's parameters; with `authenticate`, credentials.
            "with" => with: Option<Named<Tree>>;
            /// A group of steps, to loop over or to put under one `if`.
            "steps" => steps: Option<Steps>;
            /// Opens a session with this provider now, unless one is open.
            "authenticate" => authenticate: Option<Spanned<String>>;
            /// With `authenticate`: the login method.
            "method" => method: Option<Spanned<String>>;
            /// Closes the session with this provider now.
            "logout" => logout: Option<Spanned<String>>;
            /// Keeps a secret where the source `stored` finds it: `provider.credential` or a secret of the playbook.
            "store" => store: Option<Spanned<String>>;
            /// With `store`: what to keep.
            "value" => value: Option<Template>;
            /// Which provider a request goes to, when the playbook has several.
            "provider" => provider: Option<Spanned<String>>;
            /// The step is skipped unless this holds; asked once, before `for_each`.
            "if" => condition: Option<Condition>;
            /// Does the step once for each item of this list.
            "for_each" => for_each: Option<ForEach>;
            /// The name of the item in a loop; default `item`.
            "as" => item_name: Option<Spanned<Ident>>;
            /// What happens when it fails; default `stop`.
            "on_error" => on_error: Option<Spanned<OnError>>;
            /// What the answer must satisfy.
            "expect" => expect: Option<Expect>;
            /// Name -> what is kept of the answer for later steps.
            "outputs" => outputs: Named<Output>;
            /// The path to the one list in the body that holds the rows; default the body itself. In a loop without `rows`
            /// an answer that is one map is one row.
            "rows" => rows: Option<JsonPath>;
            /// How all pages are fetched.
            "paginate" => paginate: Option<Spanned<Paginate>>;
            /// The file that keeps the rows or the body, whole or not at all.
            "save" => save: Option<Save>;
            /// How long one request may take; default 30s.
            "timeout" => timeout: Option<Spanned<Time>>;
            /// How often the step is tried.
            "retry" => retry: Option<Retry>;
            /// How long the step may take with all its items, pages and attempts; default as long as it needs.
            "within" => within: Option<Spanned<Time>>;
            /// The request is sent again until this holds; needs `within`.
            "until" => until: Option<Condition>;
            /// With `until`: how long it is waited before it is asked again; default 5s.
            "every" => every: Option<Spanned<Time>>;
            /// What repeating the request would do; default by its verb.
            "effect" => effect: Option<Spanned<Effect>>;
            /// A text that is the same in every attempt of a write and in no other write: the provider does it once.
            "idempotency_key" => idempotency_key: Option<Template>;
            /// A read that tells whether a write happened, asked when nobody knows.
            "verify" => verify: Option<Verify>;
            /// Steps that undo this one at the end of the run.
            "cleanup" => cleanup: Option<Steps>;
            /// `none`: the request goes without a session.
            "auth" => auth: Option<Spanned<NoAuth>>;
            /// Status or error code -> what to tell the reader of a failure.
            "hints" => hints: Named<String>;
        }
        parts {
            /// The request.
            request: RequestKeys;
        }
        later {
            "concurrency": "loops run one item after the other so far";
            "matrix": "runs over many accounts are not built yet";
            "ping": "asking whether a session still holds is not built yet";
            "compare": "comparing with an earlier run is not built yet";
        }
    }
}

/// For the JSON Schema of [`Step`]: keys that mean something only beside another.
fn companions() -> Value {
    json!({
        "value": ["store"],
        "store": ["value"],
        "as": ["for_each"],
        "method": ["authenticate"],
        "until": ["within"],
        "every": ["until"]
    })
}

keys! {
    /// A read that tells whether a write happened.
    #[schemars(extend("oneOf" = exactly_one(VERBS.into_iter().chain(["call"])), "dependentRequired" = json!({ "with": ["call"] })))]
    pub struct Verify is "`verify`" {
        required {
            /// Holds for the answer that says that the write happened. False: it did not, and is sent again.
            "done" => done: Condition;
        }
        optional {
            /// Calls an operation that a provider's definition names: `provider.operation`.
            "call" => call: Option<Spanned<String>>;
            /// The operation's parameters.
            "with" => with: Option<Named<Tree>>;
            /// Which provider is asked; default that of the step.
            "provider" => provider: Option<Spanned<String>>;
            /// What the answer must satisfy to be believed.
            "expect" => expect: Option<Expect>;
            /// Name -> what stands in for the step's output of that name when the answer to the write is lost.
            "outputs" => outputs: Named<Output>;
            /// The path to the one list in the body that holds the rows; default the body itself.
            "rows" => rows: Option<JsonPath>;
            /// How all pages are fetched.
            "paginate" => paginate: Option<Spanned<Paginate>>;
            /// How long one request may take; default 30s.
            "timeout" => timeout: Option<Spanned<Time>>;
            /// How often it is tried.
            "retry" => retry: Option<Retry>;
            /// `read`, for a POST that only reads.
            "effect" => effect: Option<Spanned<Effect>>;
            /// `none`: the request goes without a session.
            "auth" => auth: Option<Spanned<NoAuth>>;
        }
        parts {
            /// The request.
            request: RequestKeys;
        }
    }
}

impl Verify {
    /// The same as a step of its own, to be checked and planned as one.
    pub fn as_step(&self) -> Step {
        let read = self.clone();
        Step {
            call: read.call,
            with: read.with,
            provider: read.provider,
            expect: read.expect,
            outputs: read.outputs,
            rows: read.rows,
            paginate: read.paginate,
            timeout: read.timeout,
            retry: read.retry,
            effect: read.effect,
            auth: read.auth,
            request: read.request,
            span: read.span,
            id: None,
            name: None,
            steps: None,
            authenticate: None,
            method: None,
            logout: None,
            store: None,
            value: None,
            condition: None,
            for_each: None,
            item_name: None,
            on_error: None,
            save: None,
            within: None,
            until: None,
            every: None,
            idempotency_key: None,
            verify: None,
            cleanup: None,
            hints: Named::default(),
        }
    }
}

/// The keys that make a step, verbs included: exactly one of them is written.
pub const STEP_KINDS: [&str; 11] =
    ["get", "head", "post", "put", "patch", "delete", "call", "steps", "authenticate", "logout", "store"];

/// A list of steps.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    /// The steps that could be read.
    pub items: Vec<Step>,
    /// The ids of those that could not: their outputs are not unknown, only unreadable.
    pub broken_ids: Vec<String>,
}

impl FromNode for Steps {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let Some(list) = node.as_list() else {
            lower.wrong_type(node, "a list of steps");
            return None;
        };
        if list.is_empty() {
            let message = "a list of steps needs at least one";
            lower.report(Diagnostic::new(Code::InvalidValue, node.span, message));
        }
        let mut steps = Self { items: Vec::with_capacity(list.len()), ..Self::default() };
        for item in list {
            match Step::from_node(item, lower) {
                Some(step) => steps.items.push(step),
                None => {
                    steps.broken_ids.extend(item.get("id").and_then(Node::as_text).map(|id| id.value.clone()))
                }
            }
        }
        Some(steps)
    }
}

impl JsonSchema for Steps {
    fn schema_name() -> Cow<'static, str> {
        "Steps".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let step = generator.subschema_for::<Step>();
        schemars::json_schema!({
            "type": "array",
            "minItems": 1,
            "items": step
        })
    }
}

/// What a loop goes over: a list, or a template that yields one.
#[derive(Debug, Clone)]
pub struct ForEach(pub Tree);

impl FromNode for ForEach {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        if let Some(key) = node.key("concurrency") {
            let message = "`concurrency` is not supported yet";
            let diagnostic = Diagnostic::new(Code::NotSupportedYet, key.span, message);
            lower.report(diagnostic.label("loops run one item after the other so far"));
            return None;
        }
        if node.get("from").is_some() {
            let message = "a loop over a file is not supported yet";
            let diagnostic = Diagnostic::new(Code::NotSupportedYet, node.span, message);
            lower.report(diagnostic.label("write the items as a list, or read them from an answer"));
            return None;
        }
        let tree = Tree::from_node(node, lower)?;
        let is_list = node.as_list().is_some();
        let is_template = tree.templates().first().is_some_and(|template| template.as_expression().is_some());
        if is_list || (is_template && node.as_scalar().is_some()) {
            return Some(Self(tree));
        }
        let wanted = "a list or one `${{ }}` that yields a list, such as `${{ steps.ID.rows }}`";
        lower.wrong_type(node, wanted);
        None
    }
}

impl JsonSchema for ForEach {
    fn schema_name() -> Cow<'static, str> {
        "ForEach".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "array" }, { "type": "string", "pattern": "^\\s*\\$\\{\\{" }]
        })
    }
}
