//! A provider definition: who one talks to and how one signs in.

use super::expression::{OneOrMany, Tree};
use super::literal::Literal;
use super::lower::{FromNode, Lower, exactly_one, keys, refuse_several};
use super::named::Named;
use super::reader::{JsonPath, Reader};
use super::request::{Effect, Expect, NoAuth, Paginate, RequestKeys, Retry, VERBS, ValueKeys, ValueType};
use super::scalar::{Ident, Rate, Time, Version, words};
use super::yaml::Node;
use crate::source::{Code, Diagnostic, Span, Spanned, nearest};
use crate::template::{Condition, Template};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

keys! {
    /// A provider definition in a file of its own.
    #[schemars(title = "runner provider definition")]
    pub struct Definition is "a provider definition" {
        required {
            /// The version of the grammar: 1.
            "version" => version: Version;
            /// The name under which playbooks know it.
            "provider" => provider: Spanned<Ident>;
        }
        parts {
            /// The definition.
            keys: DefinitionKeys;
        }
    }
}

keys! {
    /// Who one talks to and how one signs in.
    pub struct DefinitionKeys is "a provider" {
        required {
            /// The address of the API, without a slash at its end; templates see `settings` only.
            "base_url" => base_url: Template;
        }
        optional {
            /// What the provider is, in a line.
            "description" => description: Option<String>;
            /// Name -> a value that playbooks may set.
            "settings" => settings: Named<Setting>;
            /// Where the name of the profile comes from when nobody names one.
            "profile" => profile: Option<ProfileKeys>;
            /// The address that sign-in requests go to; default `base_url`.
            "auth_base_url" => auth_base_url: Option<Template>;
            /// Name -> what proves who we are, and where it comes from.
            "credentials" => credentials: Named<Credential>;
            /// How one signs in, stays signed in and signs out; without it no session is needed.
            "auth" => auth: Option<Auth>;
            /// Headers of every request.
            "headers" => headers: Named<Template>;
            /// How long one request may take.
            "timeout" => timeout: Option<Spanned<Time>>;
            /// How often a step is tried.
            "retry" => retry: Option<Retry>;
            /// How answers say what went wrong.
            "errors" => errors: Option<Errors>;
            /// How fast one may ask.
            "rate_limit" => rate_limit: Option<RateLimit>;
            /// How the provider knows a write that is sent again.
            "idempotency" => idempotency: Option<Idempotency>;
            /// Holds for an answer that is a success; default true. For a 2xx that hides an error.
            "success" => success: Option<Condition>;
            /// Holds for an answer that says "too fast, surely not done"; default 429, or 503 with `Retry-After`.
            "throttled" => throttled: Option<Condition>;
            /// Name -> a request that playbooks can `call`.
            "operations" => operations: Named<Operation>;
        }
        later {
            "ping": "asking whether a session still holds is not built yet";
        }
    }
}

keys! {
    /// Where the name of the profile comes from.
    pub struct ProfileKeys is "`profile`" {
        required {
            /// The sources, tried in this order.
            "from" => from: Vec<Source>;
        }
    }
}

keys! {
    /// A setting: a value that playbooks may set.
    pub struct Setting is "a setting" {
        optional {
            /// Where its value comes from when the playbook does not say it, tried in this order.
            "from" => from: Vec<Source>;
        }
        parts {
            /// Its type, default and limits.
            value: ValueKeys;
        }
    }
}

keys! {
    /// A credential of a provider.
    pub struct Credential is "a credential" {
        required {
            /// The sources, tried in this order; the first that answers wins.
            "from" => from: Vec<Source>;
        }
        optional {
            /// Whether its value is secret; default true.
            "secret" => secret: Option<bool>;
            /// Whether one can go without; default false.
            "optional" => optional: Option<bool>;
            /// Whether it is a code that holds once: fetched at each use, never kept; default false.
            "one_time" => one_time: Option<bool>;
            /// What it is, for those who are asked for it.
            "description" => description: Option<String>;
        }
    }
}

keys! {
    /// Where a credential comes from, instead of what the definition says.
    pub struct CredentialChain is "a credential" {
        required {
            /// The sources, tried in this order; the first that answers wins.
            "from" => from: Vec<Source>;
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The kind of source.
    pub kind: SourceKind,
    /// Where it is written.
    pub span: Span,
}

/// The kinds of sources.
#[derive(Debug, Clone)]
pub enum SourceKind {
    /// An environment variable, the process's own or one of `.env`.
    Env(Template),
    /// The user's own store.
    Stored,
    /// A file, or one value of a JSON file.
    File {
        /// The file; `~/` is the home folder, `$CREDENTIALS_DIRECTORY/` that of systemd's credentials.
        path: Template,
        /// Where in the file's JSON the value is; `None` = the whole file.
        value: Option<JsonPath>,
    },
    /// The person at the terminal, asked with this text.
    Prompt(Option<Template>),
    /// The present code of another credential, a TOTP secret (RFC 6238).
    Totp(Spanned<String>),
    /// A value that stands in the playbook or its inputs.
    Value(Template),
}

keys! {
    /// A source that needs to be told where to look.
    #[schemars(extend("oneOf" = exactly_one(SOURCE_KINDS)))]
    #[schemars(extend("dependentRequired" = serde_json::json!({ "path": ["file"] })))]
    pub struct SourceKeys is "a source" {
        optional {
            /// The name of an environment variable.
            "env" => env: Option<Template>;
            /// A file below the playbook's folder, `/run/secrets/NAME`, `$CREDENTIALS_DIRECTORY/NAME`, or one that
            /// `--allow-read` allows.
            "file" => file: Option<Template>;
            /// With `file`: the value's path in the file's JSON.
            "path" => path: Option<JsonPath>;
            /// Asks the person at the terminal, with this text.
            "prompt" => prompt: Option<Template>;
            /// The present code of this credential, a TOTP secret.
            "totp" => totp: Option<Spanned<String>>;
            /// A value from `inputs`, or one that is no secret.
            "value" => value: Option<Template>;
        }
        later {
            "keychain": "entries of other programs cannot be read yet; use `env`, `file` or `stored`";
            "command": "commands cannot be asked yet; use `env`, `file` or `stored`";
            "vault": "the encrypted vault is not built yet; use `env`, `file` or `stored`";
        }
    }
}

const SOURCE_KINDS: [&str; 5] = ["env", "file", "prompt", "totp", "value"];

impl FromNode for Source {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let kind = match node.as_map() {
            Some(_) => source_of_map(node, lower)?,
            None => source_of_word(node, lower)?,
        };
        Some(Self { kind, span: node.span })
    }
}

fn source_of_word(node: &Node, lower: &mut Lower<'_>) -> Option<SourceKind> {
    match node.as_scalar().map(|scalar| scalar.text.value.as_str()) {
        Some("stored") => Some(SourceKind::Stored),
        Some("prompt") => Some(SourceKind::Prompt(None)),
        Some(word) if SOURCE_KINDS.contains(&word) => {
            let message = format!("the source `{word}` needs to be told where to look");
            let diagnostic = Diagnostic::new(Code::WrongType, node.span, message);
            lower.report(diagnostic.label(format!("write `{{ {word}: ... }}`")));
            None
        }
        Some(word @ ("keychain" | "command" | "vault")) => {
            let message = format!("`{word}` is not supported yet");
            let diagnostic = Diagnostic::new(Code::NotSupportedYet, node.span, message);
            lower.report(diagnostic.label("use `env`, `file` or `stored`"));
            None
        }
        Some(word) => {
            let words = ["stored", "prompt"].into_iter().chain(SOURCE_KINDS);
            let near = nearest(word, words);
            // What is near to none of the words may be the secret itself.
            let message = match near {
                Some(_) => format!("`{word}` is no source"),
                None => "this is no source".to_owned(),
            };
            let diagnostic = Diagnostic::new(Code::UnknownWord, node.span, message).did_you_mean(near);
            lower.report(diagnostic.help("a source is `stored`, `prompt`, or a map such as `{ env: NAME }`"));
            None
        }
        None => {
            lower.wrong_type(node, "a source such as `stored` or `{ env: NAME }`");
            None
        }
    }
}

fn source_of_map(node: &Node, lower: &mut Lower<'_>) -> Option<SourceKind> {
    let keys = SourceKeys::from_node(node, lower)?;
    let written: Vec<&str> = SOURCE_KINDS.into_iter().filter(|kind| node.get(kind).is_some()).collect();
    if written.len() > 1 {
        refuse_several(node, "a source", &written, lower);
        return None;
    }
    if let Some(key) = node.key("path").filter(|_| written != ["file"]) {
        let message = "`path` goes with `file`";
        lower.report(Diagnostic::new(Code::ConflictingKeys, key.span, message));
        return None;
    }
    if written.is_empty() && node.as_map().is_some_and(<[_]>::is_empty) {
        let message = "a source says where to look: `{ env: NAME }`";
        lower.report(Diagnostic::new(Code::MissingKey, node.span, message));
    }
    let value = keys.path;
    None.or_else(|| keys.env.map(SourceKind::Env))
        .or_else(|| keys.file.map(|path| SourceKind::File { path, value }))
        .or_else(|| keys.prompt.map(|text| SourceKind::Prompt(Some(text))))
        .or_else(|| keys.totp.map(SourceKind::Totp))
        .or_else(|| keys.value.map(SourceKind::Value))
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = generator.subschema_for::<SourceKeys>();
        json_schema!({ "anyOf": [{ "enum": ["stored", "prompt"] }, keys] })
    }
}

keys! {
    /// How one signs in, stays signed in and signs out.
    #[schemars(extend("allOf" = preset_forms()))]
    pub struct Auth is "`auth`" {
        optional {
            /// A preset to start from.
            "use" => preset: Option<Spanned<Preset>>;
            /// What the preset needs to know: `api_key` takes `header` or `query`; `oauth2_client_credentials` takes
            /// `token`, `revoke`, `scope` and `client_auth`.
            "with" => with: Named<Template>;
            /// Name -> a way of its own to sign in; what it says replaces what stands beside `methods`.
            "methods" => methods: Named<AuthKeys>;
        }
        parts {
            /// What all methods have in common.
            common: AuthKeys;
        }
        later {
            "cache": "sessions are kept in memory only so far";
        }
    }
}

/// For the JSON Schema of [`Auth`]: what each preset takes under `with`.
fn preset_forms() -> Value {
    let nothing = json!({ "not": { "required": ["with"] } });
    let key = json!({
        "required": ["with"],
        "properties": { "with": {
            "properties": {
                "header": { "description": "The header that carries the key." },
                "query": { "description": "The query parameter that carries the key." }
            },
            "additionalProperties": false, "minProperties": 1, "maxProperties": 1
        } }
    });
    let client_credentials = json!({
        "required": ["with"],
        "properties": { "with": {
            "properties": {
                "token": { "description": "The path below `auth_base_url` that issues tokens." },
                "revoke": {
                    "description": "The path that revokes a token (RFC 7009); without it the token is forgotten."
                },
                "scope": { "description": "The scope to ask for, its parts with blanks between them." },
                "client_auth": {
                    "description": "How the client proves itself: `basic` in a header (default) or `body`, in the form.",
                    "enum": ["basic", "body"]
                }
            },
            "additionalProperties": false,
            "required": ["token"]
        } }
    });
    let forms = [
        (Preset::Basic, nothing.clone()),
        (Preset::Bearer, nothing),
        (Preset::ApiKey, key),
        (Preset::OAuth2ClientCredentials, client_credentials),
    ];
    let rule = |(preset, form): (Preset, Value)| {
        let is_used = json!({ "properties": { "use": { "const": preset.as_str() } }, "required": ["use"] });
        json!({ "if": is_used, "then": form })
    };
    forms.into_iter().map(rule).collect()
}

words! {
    /// A form of sign-in that need not be written out.
    pub enum Preset is "preset" {
        /// HTTP Basic authentication (RFC 7617): credentials `username`, `password`.
        Basic = "basic",
        /// A fixed bearer token (RFC 6750): credential `token`.
        Bearer = "bearer",
        /// A fixed key in a header or query parameter: credential `key`.
        ApiKey = "api_key",
        /// OAuth 2.0 client credentials (RFC 6749, section 4.4): credentials `client_id`, `client_secret`.
        OAuth2ClientCredentials = "oauth2_client_credentials",
    }
    later {
        "oauth2_password": "this grant is not built yet",
        "oauth2_device": "this grant is not built yet",
    }
}

keys! {
    /// One way to sign in.
    pub struct AuthKeys is "a login method" {
        optional {
            /// The request that signs in, or several in a row.
            "login" => login: OneOrMany<AuthRequest>;
            /// Questions that an answer to the login may ask, and how they are answered.
            "challenges" => challenges: Option<Vec<Challenge>>;
            /// Name -> what of the answer makes the session; secret unless marked.
            "session" => session: Option<Named<Reader>>;
            /// How long a session lives; the first that answers.
            "expires" => expires: Option<Vec<Expiry>>;
            /// What every request gets that needs the session.
            "send" => send: Option<Send>;
            /// Headers of every sign-in request.
            "headers" => headers: Option<Named<Template>>;
            /// The request that prolongs a session.
            "refresh" => refresh: Option<Refresh>;
            /// The request that ends a session, or several; without it the tokens are forgotten.
            "logout" => logout: Option<OneOrMany<AuthRequest>>;
            /// Credential -> what to keep in the store after each login and refresh.
            "store" => store: Option<Named<Template>>;
            /// After how many refusals the provider locks the account, and for how long: so long no run repeats a refused login.
            "lockout" => lockout: Option<Lockout>;
            /// Holds for an answer that says "the session has ended"; default 401.
            "expired" => expired: Option<Condition>;
            /// Holds for an answer to a login that refuses it; default 400, 401, 403.
            "refused" => refused: Option<Condition>;
        }
    }
}

words! {
    /// What a sign-in request does about the session.
    pub enum AuthSession is "word for `auth`" {
        /// It carries the session as `send` says.
        Session = "session",
    }
}

keys! {
    /// A request under `auth`.
    #[schemars(extend("oneOf" = exactly_one(VERBS)))]
    pub struct AuthRequest is "a sign-in request" {
        optional {
            /// `session`: the request carries the session as `send` says.
            "auth" => auth: Option<Spanned<AuthSession>>;
            /// What the answer must satisfy.
            "expect" => expect: Option<Expect>;
        }
        parts {
            /// The request.
            request: RequestKeys;
        }
    }
}

keys! {
    /// The request that prolongs a session.
    pub struct Refresh is "`refresh`" {
        optional {
            /// True where the provider cannot prolong a session that has ended; default false.
            "only_before_expiry" => only_before_expiry: Option<bool>;
        }
        parts {
            /// The request.
            request: AuthRequest;
        }
    }
}

keys! {
    /// A question that an answer to the login may ask: it is answered with a request, or refused in words.
    #[schemars(extend("oneOf" = exactly_one(VERBS.into_iter().chain(["refuse"]))))]
    pub struct Challenge is "a challenge" {
        required {
            /// Holds for an answer that asks this question.
            "if" => condition: Condition;
        }
        optional {
            /// What to tell the user, since `runner` cannot answer.
            "refuse" => refuse: Option<Template>;
            /// Credential -> what to keep in the store once the login has succeeded.
            "store" => store: Named<Template>;
        }
        parts {
            /// The request that answers.
            request: AuthRequest;
        }
    }
}

keys! {
    /// What every request gets that needs the session.
    pub struct Send is "`send`" {
        optional {
            /// Headers.
            "headers" => headers: Named<Template>;
            /// Query parameters.
            "query" => query: Named<Template>;
            /// Cookies.
            "cookies" => cookies: Named<Template>;
            /// Keys of the JSON body.
            "json" => json: Named<Tree>;
        }
    }
}

impl Send {
    /// All templates in it.
    pub fn templates(&self) -> Vec<&Template> {
        let texts = self.headers.iter().chain(self.query.iter()).chain(self.cookies.iter());
        texts.map(|(_, text)| text).chain(self.json.iter().flat_map(|(_, tree)| tree.templates())).collect()
    }
}

/// How long a session lives.
#[derive(Debug, Clone)]
pub enum Expiry {
    /// Until the `exp` claim of this session value, a JWT (RFC 7519, section 4.1.4).
    Jwt(Spanned<String>),
    /// This many seconds from now.
    Seconds(Reader),
    /// This many milliseconds from now.
    Milliseconds(Reader),
    /// Until this time: RFC 3339, or seconds since 1970.
    At(Reader),
    /// Always this long.
    After(Spanned<Time>),
}

keys! {
    /// How long a session lives.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    pub struct ExpiryKeys is "an entry of `expires`" {
        optional {
            /// Until the `exp` claim of this session value, a JWT.
            "jwt" => jwt: Option<Spanned<String>>;
            /// Where the answer says how many seconds.
            "seconds" => seconds: Option<Reader>;
            /// Where the answer says how many milliseconds.
            "milliseconds" => milliseconds: Option<Reader>;
            /// Where the answer says until when: RFC 3339, or seconds since 1970.
            "at" => at: Option<Reader>;
            /// Always this long.
            "after" => after: Option<Spanned<Time>>;
        }
    }
}

/// The keys of an entry of `expires`: exactly one of them is written.
const EXPIRIES: [&str; 5] = ["jwt", "seconds", "milliseconds", "at", "after"];

impl FromNode for Expiry {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let keys = ExpiryKeys::from_node(node, lower)?;
        let written: Vec<&str> = EXPIRIES.into_iter().filter(|key| node.get(key).is_some()).collect();
        if written.len() > 1 {
            refuse_several(node, "an entry of `expires`", &written, lower);
            return None;
        }
        if node.as_map().is_some_and(<[_]>::is_empty) {
            let message =
                "an entry of `expires` needs one of `jwt`, `seconds`, `milliseconds`, `at` and `after`";
            lower.report(Diagnostic::new(Code::MissingKey, node.span, message));
        }
        None.or_else(|| keys.jwt.map(Self::Jwt))
            .or_else(|| keys.seconds.map(Self::Seconds))
            .or_else(|| keys.milliseconds.map(Self::Milliseconds))
            .or_else(|| keys.at.map(Self::At))
            .or_else(|| keys.after.map(Self::After))
    }
}

impl JsonSchema for Expiry {
    fn schema_name() -> Cow<'static, str> {
        "Expiry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<ExpiryKeys>()
    }

    fn inline_schema() -> bool {
        true
    }
}

keys! {
    /// After how many refusals the provider locks the account, and for how long.
    pub struct Lockout is "`lockout`" {
        required {
            /// How many refused logins in a row lock the account.
            "after" => after: u32;
            /// For how long.
            "for" => duration: Time;
        }
    }
}

keys! {
    /// How answers say what went wrong.
    pub struct Errors is "`errors`" {
        optional {
            /// Where an answer has its error code; of several the first that finds something.
            "code" => code: OneOrMany<Reader>;
            /// Where an answer has its message; of several the first that finds something.
            "message" => message: OneOrMany<Reader>;
            /// Status or error code -> what to tell the reader of a failure.
            "hints" => hints: Named<String>;
        }
    }
}

keys! {
    /// How fast one may ask.
    #[schemars(extend("dependentRequired" = rate_limit_companions()))]
    pub struct RateLimit is "`rate_limit`" {
        optional {
            /// How many requests in which time.
            "rate" => rate: Option<Spanned<Rate>>;
            /// How many of them may come at once; default all.
            "burst" => burst: Option<Spanned<u32>>;
            /// Where an answer says how many requests are left.
            "remaining" => remaining: Option<Reader>;
            /// Where an answer says in how many seconds the count begins anew.
            "reset_after" => reset_after: Option<Reader>;
        }
    }
}

/// For the JSON Schema of [`RateLimit`]: keys that mean something only beside another.
fn rate_limit_companions() -> Value {
    json!({ "burst": ["rate"], "remaining": ["reset_after"], "reset_after": ["remaining"] })
}

keys! {
    /// How a provider knows a write that is sent again.
    pub struct Idempotency is "`idempotency`" {
        optional {
            /// The header that carries the key; default `Idempotency-Key`.
            "header" => header: Option<Spanned<String>>;
            /// How long the provider remembers a key after it was sent first; default 10m.
            "valid_for" => valid_for: Option<Spanned<Time>>;
        }
    }
}

keys! {
    /// A request that playbooks can `call`.
    #[schemars(extend("oneOf" = exactly_one(VERBS)))]
    pub struct Operation is "an operation" {
        optional {
            /// What it does, in a line.
            "description" => description: Option<String>;
            /// Name -> a value that the caller gives under `with`.
            "params" => params: Named<ValueKeys>;
            /// The path to the one list in the body that holds the rows; default the body itself.
            "rows" => rows: Option<JsonPath>;
            /// How all pages are fetched.
            "paginate" => paginate: Option<Spanned<Paginate>>;
            /// What the answer must satisfy.
            "expect" => expect: Option<Expect>;
            /// What repeating the request would do; default by its verb.
            "effect" => effect: Option<Spanned<Effect>>;
            /// `none`: the request goes without a session.
            "auth" => auth: Option<Spanned<NoAuth>>;
            /// Status or error code -> what to tell the reader of a failure.
            "hints" => hints: Named<String>;
            /// How long one request may take.
            "timeout" => timeout: Option<Spanned<Time>>;
            /// How often a step is tried.
            "retry" => retry: Option<Retry>;
            /// How fast one may ask for this, besides the provider's own limit.
            "rate_limit" => rate_limit: Option<RateLimit>;
            /// A text that is the same in every attempt of a write and in no other write: the provider does it once.
            "idempotency_key" => idempotency_key: Option<Template>;
        }
        parts {
            /// The request.
            request: RequestKeys;
        }
        later {
            "until": "write it at the step that calls the operation";
            "every": "write it at the step that calls the operation";
            "verify": "write it at the step that calls the operation";
        }
    }
}

/// The type that a value declaration has: written, or that of its default, or text.
pub fn declared_type(value: &ValueKeys) -> ValueType {
    match (&value.value_type, &value.default) {
        (Some(written), _) => written.value,
        (None, Some(Literal { value, .. })) => match value {
            Value::Bool(_) => ValueType::Boolean,
            Value::Number(number) if number.is_f64() => ValueType::Number,
            Value::Number(_) => ValueType::Integer,
            Value::Array(_) => ValueType::List,
            Value::Object(_) => ValueType::Map,
            Value::Null | Value::String(_) => ValueType::String,
        },
        (None, None) => ValueType::String,
    }
}
