//! The plan: typed, resolved, ready to run. Templates stay templates; whatever they name exists.

use super::report::PlannedReport;
use crate::calendar::{CronExpression, Zone};
use crate::document::JsonPath;
use crate::document::{
    AuthKeys, Effect, Errors, Field, Named, OnError, Output, Overlap, Paginate, Part, RateLimit, RequestKeys,
    SaveFormat, Source, SourceKind, StatusSet, Tree, ValueKeys,
};
use crate::source::Span;
use crate::template::{Condition, Template};
use http::Method;
use std::path::PathBuf;
use std::time::Duration;

/// A checked playbook.
#[derive(Debug)]
pub struct Plan {
    /// What reports show: the playbook's name, else its file's.
    pub name: String,
    /// What the playbook is for.
    pub description: Option<String>,
    /// The playbook's file as the user named it.
    pub file: String,
    /// The folder of that file: paths in the playbook count from it.
    pub folder: PathBuf,
    /// The inputs that it declares.
    pub inputs: Vec<PlannedInput>,
    /// The secrets of its own.
    pub secrets: Vec<PlannedSecret>,
    /// Its providers, in the order of the file. [`ProviderIndex`] counts in this list.
    pub providers: Vec<PlannedProvider>,
    /// The work.
    pub steps: Vec<PlannedStep>,
    /// Steps that always run at the end.
    pub cleanup: Vec<PlannedStep>,
    /// How many steps there are at all depths, cleanup included: [`StepKey`] counts up to here.
    pub step_count: usize,
    /// How long the run may take.
    pub deadline: Option<Duration>,
    /// When it is to be run by itself.
    pub schedule: Option<PlannedSchedule>,
    /// The reports that it asks for.
    pub report: PlannedReport,
}

impl Plan {
    /// The provider at an index.
    pub fn provider(&self, index: ProviderIndex) -> &PlannedProvider {
        &self.providers[index.0]
    }
}

/// When a playbook is to be run by itself.
#[derive(Debug, Clone)]
pub struct PlannedSchedule {
    /// When.
    pub cron: CronExpression,
    /// In which time zone that counts.
    pub zone: Zone,
    /// The longest random time by which a run begins later.
    pub jitter: Duration,
    /// What a run does while another one goes on.
    pub overlap: Overlap,
}

/// An input with its declaration.
#[derive(Debug)]
pub struct PlannedInput {
    /// Its name.
    pub name: String,
    /// Type, default and limits.
    pub declaration: ValueKeys,
    /// Where it is declared.
    pub span: Span,
}

/// A secret of the playbook's own, in expressions `secrets.NAME`.
#[derive(Debug)]
pub struct PlannedSecret {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub sources: Vec<Source>,
    /// Fetched at each use, never kept.
    pub is_one_time: bool,
    /// Whether a step refers to it: only such are looked up before the first step.
    pub is_used: bool,
    /// Where it is declared.
    pub span: Span,
}

/// Names one provider of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderIndex(pub usize);

/// A provider: its definition with what the playbook says otherwise.
#[derive(Debug)]
pub struct PlannedProvider {
    /// The name under `providers`, in the store and in messages.
    pub name: String,
    /// The name of the definition: `soracom`, or the file's.
    pub definition: String,
    /// True for the definitions that the program brings along: the simulator knows these.
    pub is_built_in: bool,
    /// The API's address; templates see `settings` (and `profile`).
    pub base_url: Address,
    /// The address of sign-in; the same as `base_url` unless written.
    pub auth_base_url: Address,
    /// Plain http to other machines is allowed.
    pub allow_http: bool,
    /// The certificate of a private authority to trust.
    pub ca_file: Option<PathBuf>,
    /// What the playbook says about the profile; templates see `inputs`.
    pub profile: Option<Template>,
    /// What the command line says about the profile; it wins.
    pub profile_override: Option<String>,
    /// Where the profile's name comes from when the playbook does not say it.
    pub profile_sources: Vec<Source>,
    /// The settings.
    pub settings: Vec<PlannedSetting>,
    /// The credentials.
    pub credentials: Vec<PlannedCredential>,
    /// The ways to sign in, in the order of the definition; one without a name (`default`) where there are no
    /// `methods`. Empty: this provider has no session.
    pub methods: Vec<PlannedMethod>,
    /// The method that the playbook chose.
    pub method: Option<String>,
    /// Headers of every request, under `auth` too; templates see what a definition's templates see.
    pub headers: Named<Template>,
    /// How answers say what went wrong.
    pub errors: Option<Errors>,
    /// How fast one may ask.
    pub rate_limit: Option<RateLimit>,
    /// Holds for an answer that is a success.
    pub success: Option<Condition>,
    /// Holds for an answer that says "too fast".
    pub throttled: Option<Condition>,
    /// Whether a step needs its session, so that its credentials are looked up before the first step.
    pub needs_session: bool,
    /// Where it is written in the playbook.
    pub span: Span,
}

impl PlannedProvider {
    /// Whether it is what its built-in definition says: the playbook says nothing about how one signs in.
    pub fn is_as_built_in(&self) -> bool {
        let is_moved = |address: &Address| matches!(address, Address::Playbook(_));
        self.is_built_in
            && self.name == self.definition
            && !is_moved(&self.base_url)
            && !is_moved(&self.auth_base_url)
            && self.profile.is_none()
            && self.method.is_none()
            && self.settings.iter().all(|setting| setting.value.is_none())
            && self.credentials.iter().all(|credential| !credential.is_chain_of_playbook)
    }

    /// Whether what the playbook says about it, or one of its sources, reads an input.
    pub fn reads_input(&self, name: &str) -> bool {
        let addresses =
            [&self.base_url, &self.auth_base_url].into_iter().filter_map(|address| match address {
                Address::Playbook(template) => Some(template),
                Address::Definition(_) | Address::Override(_) => None,
            });
        let values =
            self.settings.iter().filter_map(|setting| setting.value.as_ref()).flat_map(Tree::templates);
        let of_settings = self.settings.iter().flat_map(|setting| &setting.sources);
        let of_credentials = self.credentials.iter().flat_map(|credential| &credential.sources);
        let sources =
            of_settings.chain(of_credentials).chain(&self.profile_sources).filter_map(|source| match &source
                .kind
            {
                SourceKind::Env(text) | SourceKind::File { path: text, .. } | SourceKind::Value(text) => {
                    Some(text)
                }
                SourceKind::Prompt(text) => text.as_ref(),
                SourceKind::Stored | SourceKind::Totp(_) => None,
            });
        let mut templates = addresses.chain(&self.profile).chain(values).chain(sources);
        templates.any(|template| reads_input(template, name))
    }

    /// Whether an input says which account is meant. One that may be the value of a secret does not.
    pub fn is_chosen_by_input(&self, name: &str) -> bool {
        let secrets = self.credentials.iter().filter(|credential| credential.is_secret);
        let mut secret_values =
            secrets.flat_map(|secret| &secret.sources).filter_map(|source| match &source.kind {
                SourceKind::Value(value) => Some(value),
                _ => None,
            });
        self.reads_input(name) && !secret_values.any(|value| reads_input(value, name))
    }

    /// Whether a method makes use of a credential: one of its requests names it, or a code that one of them names is
    /// computed from it.
    pub fn takes(&self, method: &PlannedMethod, credential: &str) -> bool {
        let is_behind =
            |source: &Source| matches!(&source.kind, SourceKind::Totp(secret) if secret.value == credential);
        let mut used = self.credentials.iter().filter(|known| method.used.contains(&known.name));
        used.any(|known| known.name == credential || known.sources.iter().any(is_behind))
    }
}

fn reads_input(template: &Template, name: &str) -> bool {
    let mut references = template.expressions().flat_map(|expression| expression.references());
    references.any(|it| it.name(0) == Some("inputs") && it.name(1).is_none_or(|read| read == name))
}

/// An address: written in the definition, or given by the playbook or command line instead.
#[derive(Debug, Clone)]
pub enum Address {
    /// A template of the definition, over `settings` and `profile`.
    Definition(Template),
    /// A template of the playbook, over `inputs`.
    Playbook(Template),
    /// What the command line said.
    Override(String),
}

/// A setting with its value's origin.
#[derive(Debug)]
pub struct PlannedSetting {
    /// Its name.
    pub name: String,
    /// Type, default and limits.
    pub declaration: ValueKeys,
    /// What the playbook says; templates see `inputs`.
    pub value: Option<Tree>,
    /// Where it comes from otherwise.
    pub sources: Vec<Source>,
    /// Where it is declared.
    pub span: Span,
}

/// A credential with its sources.
#[derive(Debug)]
pub struct PlannedCredential {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub sources: Vec<Source>,
    /// The chain was written in the playbook: it is used as written, whatever the profile.
    pub is_chain_of_playbook: bool,
    /// Its value is secret.
    pub is_secret: bool,
    /// One can go without; null then.
    pub is_optional: bool,
    /// A code that holds once: fetched at each use, never kept.
    pub is_one_time: bool,
    /// What it is, for those who are asked for it.
    pub description: Option<String>,
    /// Where it is declared.
    pub span: Span,
}

/// A way to sign in, everything that `methods` have in common filled in.
#[derive(Debug)]
pub struct PlannedMethod {
    /// Its name; `default` where the definition has no `methods`.
    pub name: String,
    /// How it signs in, prolongs and ends a session.
    pub auth: AuthKeys,
    /// The credentials that its login names (without `optional` and `one_time` ones): what it needs.
    pub required: Vec<String>,
    /// All credentials that any of its requests names.
    pub used: Vec<String>,
}

impl PlannedMethod {
    /// Whether a request signs out.
    pub fn has_logout(&self) -> bool {
        self.auth.logout.as_ref().is_some_and(|requests| !requests.0.is_empty())
    }
}

/// Names one step of a plan at any depth: the index of a dense table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepKey(pub usize);

/// A step.
#[derive(Debug)]
pub struct PlannedStep {
    /// Its identity.
    pub key: StepKey,
    /// The id that its author gave it.
    pub id: Option<String>,
    /// The name that its author gave it.
    pub name: Option<String>,
    /// What it does.
    pub kind: StepKind,
    /// It is skipped unless this holds.
    pub condition: Option<Condition>,
    /// It is done once for each item.
    pub for_each: Option<Loop>,
    /// What happens when it fails.
    pub on_error: OnError,
    /// How long it may take with all its items, pages and attempts.
    pub within: Option<Duration>,
    /// Steps that undo it.
    pub cleanup: Vec<PlannedStep>,
    /// Where it is written: its first key.
    pub span: Span,
}

impl PlannedStep {
    /// What reports call it: its id, else what it does (`authenticate emnify`), else its name or request.
    pub fn label(&self) -> String {
        match (&self.id, &self.kind, &self.name) {
            (Some(id), ..) => id.clone(),
            (None, StepKind::Authenticate { provider_name, .. }, _) => {
                format!("authenticate {provider_name}")
            }
            (None, StepKind::Logout { provider_name, .. }, _) => format!("logout {provider_name}"),
            (None, _, Some(name)) => name.clone(),
            (None, StepKind::Request(request), None) => match &request.operation {
                Some(operation) => operation.name.clone(),
                None => format!("{} {}", request.method, request.path.source()),
            },
            (None, StepKind::Group(_), None) => "steps".to_owned(),
            (None, StepKind::Store { target, .. }, None) => format!("store {target}"),
        }
    }
}

/// A loop.
#[derive(Debug)]
pub struct Loop {
    /// The list.
    pub over: Tree,
    /// The name of the item.
    pub item_name: String,
}

/// What a step does.
#[derive(Debug)]
pub enum StepKind {
    /// Sends a request.
    Request(Box<PlannedRequest>),
    /// Does several steps.
    Group(Group),
    /// Opens a session.
    Authenticate {
        /// With whom.
        provider: ProviderIndex,
        /// Its name.
        provider_name: String,
        /// The login method; `None` = as the provider says.
        method: Option<String>,
        /// Credentials to use instead of looking them up.
        with: Vec<(String, Tree)>,
    },
    /// Closes a session.
    Logout {
        /// With whom.
        provider: ProviderIndex,
        /// Its name.
        provider_name: String,
    },
    /// Keeps a secret in the user's store.
    Store {
        /// Under which name.
        target: StoreTarget,
        /// What to keep.
        value: Template,
    },
}

/// Several steps under one condition or loop.
#[derive(Debug)]
pub struct Group {
    /// The steps.
    pub steps: Vec<PlannedStep>,
    /// What the steps outside may read.
    pub outputs: Vec<(String, Template)>,
}

/// Where the step `store` keeps its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreTarget {
    /// A credential of a provider.
    Credential {
        /// The provider.
        provider: ProviderIndex,
        /// Its name.
        provider_name: String,
        /// The credential.
        credential: String,
    },
    /// A secret of the playbook.
    Secret(String),
}

impl std::fmt::Display for StoreTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Credential { provider_name, credential, .. } => write!(f, "{provider_name}.{credential}"),
            Self::Secret(name) => f.write_str(name),
        }
    }
}

/// Which names a template sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateScope {
    /// Those of the playbook: `inputs`, `secrets`, `run`, `steps`, loop names.
    Playbook,
    /// Those of a definition's operation: `settings`, `profile`, `params`.
    Operation,
}

/// Something with templates, and which names they see.
#[derive(Debug, Clone)]
pub struct Scoped<T> {
    /// Which names.
    pub scope: TemplateScope,
    /// What.
    pub value: T,
}

/// A request with all that is done about its answer.
#[derive(Debug)]
pub struct PlannedRequest {
    /// The provider; `None` for an address of its own, which gets no session.
    pub provider: Option<ProviderIndex>,
    /// The operation that is called, with its parameters.
    pub operation: Option<PlannedCall>,
    /// The names that path, query, cookies and body see.
    pub scope: TemplateScope,
    /// The verb.
    pub method: Method,
    /// The path, joined to `base_url`, or a whole address.
    pub path: PlannedPath,
    /// Query parameters.
    pub query: Named<Tree>,
    /// Headers from the weakest layer to the strongest (`defaults`, provider, operation, step): a later one
    /// replaces an earlier of the same name.
    pub headers: Vec<Scoped<Named<Template>>>,
    /// Cookies.
    pub cookies: Named<Template>,
    /// The body.
    pub body: PlannedBody,
    /// Whether the request carries the provider's session.
    pub needs_session: bool,
    /// What repeating it would do.
    pub effect: Effect,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How often it is tried, the first included.
    pub attempts: u32,
    /// The statuses that count as success.
    pub status: StatusSet,
    /// True when the author wrote `expect.status`: such a status is neither retried nor an expiry.
    pub is_status_written: bool,
    /// Conditions that the answer must satisfy.
    pub that: Vec<Scoped<Condition>>,
    /// The JSON Schema that the body must fulfil.
    pub schema: Option<Box<jsonschema::Validator>>,
    /// What is kept of the answer.
    pub outputs: Vec<PlannedOutput>,
    /// What is done about rows.
    pub rows: Rows,
    /// How all pages are fetched.
    pub paginate: Option<Paginate>,
    /// Whether it is asked again, and until when.
    pub until: Option<Until>,
    /// What makes the provider do it once, however often it is sent.
    pub idempotency: Option<PlannedIdempotency>,
    /// What tells whether it happened, when nobody knows.
    pub verify: Option<Box<PlannedVerify>>,
    /// Limits of the operation, besides the provider's.
    pub rate_limit: Option<RateLimit>,
    /// The file that keeps rows or body.
    pub save: Option<PlannedSave>,
    /// Status or error code -> hint; the first that fits wins (step, operation, provider).
    pub hints: Vec<(String, String)>,
}

/// A request is sent again until a condition holds.
#[derive(Debug)]
pub struct Until {
    /// The condition; sees the playbook's names and the answer.
    pub condition: Condition,
    /// How long it is waited between an answer and the next request.
    pub every: Duration,
}

/// What makes a provider do a write once, however often it is sent.
#[derive(Debug)]
pub struct PlannedIdempotency {
    /// The header that carries the key.
    pub header: String,
    /// The key.
    pub key: Scoped<Template>,
    /// How long the provider remembers it.
    pub valid_for: Duration,
}

/// A read that tells whether a write happened.
#[derive(Debug)]
pub struct PlannedVerify {
    /// The read.
    pub request: PlannedRequest,
    /// Holds for the answer that says that the write happened; sees the playbook's names and the answer.
    pub done: Condition,
}

/// An operation with its parameters.
#[derive(Debug)]
pub struct PlannedCall {
    /// `provider.operation` without the provider.
    pub name: String,
    /// Its parameters: a tree that sees the playbook's names, or the declared default.
    pub params: Vec<PlannedParam>,
}

/// A parameter of an operation.
#[derive(Debug)]
pub struct PlannedParam {
    /// Its name.
    pub name: String,
    /// Type, default and limits.
    pub declaration: ValueKeys,
    /// What the step gives; `None` = the default. A given value that yields null means the default too.
    pub value: Option<Tree>,
}

/// Where a request goes.
#[derive(Debug)]
pub enum PlannedPath {
    /// Below the provider's `base_url`; begins with `/`. Each template in it is one percent-encoded segment.
    Path(Template),
    /// One template that yields an address an answer gave (`Location`): it must stay on the provider's
    /// origin. A value that begins with a single `/` is a path on that origin.
    Answered(Template),
    /// An address with a literal host, in which each template is one percent-encoded segment, or exactly one
    /// secret of the playbook; no provider.
    Address(Template),
}

impl PlannedPath {
    /// The template as written.
    pub fn template(&self) -> &Template {
        match self {
            Self::Path(template) | Self::Answered(template) | Self::Address(template) => template,
        }
    }

    /// The path as written.
    pub fn source(&self) -> &str {
        self.template().source()
    }
}

/// The body of a request.
#[derive(Debug)]
pub enum PlannedBody {
    /// None.
    Empty,
    /// JSON. A tree that yields null at its top means no body.
    Json(Tree),
    /// `application/x-www-form-urlencoded`
    Form(Named<Tree>),
    /// `multipart/form-data`
    Multipart(Named<Part>),
    /// Plain text.
    Text(Template),
    /// A file, streamed from disk.
    File(Template),
}

impl PlannedBody {
    /// The body that is written; of several, which a check refuses, the first.
    pub fn of(request: &RequestKeys) -> Self {
        let json = request.json.clone().map(Self::Json);
        json.or_else(|| request.form.clone().map(Self::Form))
            .or_else(|| request.multipart.clone().map(Self::Multipart))
            .or_else(|| request.text.clone().map(Self::Text))
            .or_else(|| request.file.clone().map(Self::File))
            .unwrap_or(Self::Empty)
    }
}

/// An output of a request.
#[derive(Debug)]
pub struct PlannedOutput {
    /// Its name.
    pub name: String,
    /// How it is read or computed.
    pub output: Output,
    /// Its author marked it as secret.
    pub is_secret: bool,
}

/// What is done about the rows of an answer.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Whether rows are read at all: `rows` or `paginate` is written, something saves or counts them. Only
    /// then a body without rows is a failure.
    pub are_read: bool,
    /// Whether all rows are kept in memory, since a template reads them.
    pub are_kept: bool,
    /// The path to the list; `None` = the body itself.
    pub path: Option<JsonPath>,
    /// Whether a body that is one map is one row: in a loop, where nothing says that a list is expected.
    pub may_be_one: bool,
}

/// A file to write.
#[derive(Debug)]
pub struct PlannedSave {
    /// The file; sees the playbook's names.
    pub file: Template,
    /// The form.
    pub form: SaveForm,
    /// Column -> what is in it; empty = the row as it is. Templates see the playbook's names and `row`.
    pub fields: Named<Field>,
}

/// What a saved file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveForm {
    /// The rows in this format.
    Rows(SaveFormat),
    /// The body as it came.
    Body,
}
