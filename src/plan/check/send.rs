//! Steps that send a request: by a verb of their own, or by an operation that a definition names.

use super::context::Context;
use super::literal_secret;
use super::names::{check_name, join, part};
use super::path::PathRules;
use super::polling;
use super::provider::{Provider, Providers};
use super::request::{self, CheckedRequest};
use super::value::check_given_names;
use super::view::{LoopName, OwnOutputs, View};
use crate::document::{
    Expect, Field, Ident, Named, Operation, Output, Playbook, Save, SaveFormat, StatusSet, Step, Tree,
    TreeKind,
};
use crate::plan::{
    PlannedBody, PlannedCall, PlannedOutput, PlannedParam, PlannedPath, PlannedRequest, PlannedSave, Rows,
    SaveForm, Scoped, TemplateScope,
};
use crate::source::{Code, Diagnostic, Span, Spanned, nearest};
use crate::template::{Condition, Template};
use std::time::Duration;

/// How long one request may take unless someone says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often a step is tried unless someone says otherwise.
const ATTEMPTS: u32 = 3;

/// A step that sends a request.
pub(super) struct RequestStep<'s> {
    pub context: &'s Context<'s>,
    pub playbook: &'s Playbook,
    pub providers: &'s Providers<'s>,
    pub step: &'s Step,
    /// What it is, for messages.
    pub owner: &'static str,
    /// The step's key; `None` for a read that belongs to a step.
    pub key: Option<usize>,
    /// The provider that is asked where nobody says which.
    pub inherited: Option<&'s Spanned<String>>,
    /// What its templates see, inside of its own loop.
    pub view: View<'s>,
}

/// The operation that a step calls.
#[derive(Clone, Copy)]
struct Called<'c> {
    provider: &'c Provider<'c>,
    operation: &'c Operation,
    name: &'c str,
}

impl<'s> RequestStep<'s> {
    /// Checks and plans the step; what is wrong in one part keeps no other part from being checked.
    pub fn plan(&self) -> Option<PlannedRequest> {
        let (called, own) = match &self.step.call {
            Some(call) => (self.called(call), None),
            None => (None, self.own_request()),
        };
        if let Some(call) = called {
            self.check_params(&call);
            self.refuse_session_reader(&call);
            request::check_headers(self.context, &self.step.request.headers, &self.view);
        } else if let Some(with) = &self.step.with {
            with.iter().for_each(|(_, tree)| self.context.tree(tree, &self.view));
        }
        self.check_answer(called.as_ref());
        let save = self.step.save.as_ref().map(|save| self.save(save, called.map(|call| call.operation)));
        request::check_time(self.context, self.step.timeout.as_ref());
        request::check_retry(self.context, self.step.retry.as_ref());
        if self.key.is_some() {
            polling::check_keys(self.context, self.step);
        }
        self.check_idempotency_key();
        let verify = self.verify();
        let mut planned = match (called, own) {
            (Some(call), _) => self.planned_call(&call, save.flatten()),
            (None, Some((provider, request))) => Some(self.planned_own(provider, request, save.flatten())),
            (None, None) => None,
        }?;
        planned.verify = verify.map(Box::new);
        self.check_repetition(&planned);
        Some(planned)
    }

    /// The operation that `call` names.
    fn called(&self, call: &'s Spanned<String>) -> Option<Called<'s>> {
        let context = self.context;
        let Some((provider_name, name)) = call.split_once('.') else {
            let message = format!("`{}` names no operation", call.value);
            let diagnostic = Diagnostic::new(Code::UnknownOperation, call.span, message);
            let owner = self.providers.having_operation(call);
            let suggestion = owner.map(|owner| format!("{owner}.{}", call.value));
            context.report(match &suggestion {
                Some(_) => diagnostic.did_you_mean(suggestion.as_deref()),
                None => diagnostic.help("write the provider and its operation: `call: emnify.list_devices`"),
            });
            return None;
        };
        let provider = self.providers.named(context, &part(call, 0, provider_name))?;
        match provider.keys.operations.get(name) {
            Some(operation) => Some(Called { provider, operation, name }),
            None if provider.keys.operations.declares(name) => None,
            None => {
                let name = part(call, provider_name.len() + 1, name);
                context.report(unknown_operation(&name, provider));
                None
            }
        }
    }

    fn check_params(&self, call: &Called<'_>) {
        let context = self.context;
        let declared: Vec<_> = call.operation.params.iter().collect();
        if let Some(with) = &self.step.with {
            for (name, tree) in with.iter() {
                context.tree(tree, &self.view);
                literal_secret::look_at_tree(context, name, tree);
            }
            let unknown = |name: &Spanned<String>| {
                let message = format!("`{}` has no parameter `{}`", call.name, name.value);
                Diagnostic::new(Code::UnknownParameter, name.span, message)
            };
            check_given_names(context, with, &declared, |name| call.operation.params.declares(name), unknown);
        }
        let given = |name: &str| self.step.with.as_ref().and_then(|with| with.get(name));
        let is_given = |name: &str| {
            self.step.with.as_ref().is_some_and(|with| with.declares(name))
                && !given(name).is_some_and(is_null)
        };
        let is_unreadable = self.step.with.is_none() && context.has_key(self.step.span, "with");
        for (name, declaration) in declared {
            let has_default = declaration.default.is_some() || context.has_key(declaration.span, "default");
            if !has_default && !is_given(name) && !is_unreadable {
                self.report_missing_param(name, declaration.description.as_deref(), call);
            }
        }
    }

    fn report_missing_param(&self, name: &str, description: Option<&str>, call: &Called<'_>) {
        let span = self.step.call.as_ref().map_or(self.step.span, |call| call.span);
        let purpose = description.map_or(String::new(), |text| format!(", {text}"));
        let message = format!("`{}` needs the parameter `{name}`{purpose}", call.name);
        let diagnostic = Diagnostic::new(Code::MissingValue, span, message);
        self.context.report(diagnostic.help(format!("write `with: {{ {name}: ... }}`")));
    }

    /// An operation that reads the session cannot go without one.
    fn refuse_session_reader(&self, call: &Called<'_>) {
        let texts = call.operation.request.templates();
        let references = texts.iter().flat_map(|text| text.expressions()).flat_map(|it| it.references());
        let reads_session = references.into_iter().any(|reference| reference.name(0) == Some("session"));
        if let Some(auth) = self.step.auth.as_ref().filter(|_| reads_session) {
            let message = format!("`{}` reads the session, so it cannot go without one", call.name);
            self.context.report(Diagnostic::new(Code::ConflictingKeys, auth.span, message));
        }
    }

    /// The request that the step writes itself, and whom it asks.
    fn own_request(&self) -> Option<(Option<&'s Provider<'s>>, CheckedRequest)> {
        let request = &self.step.request;
        let checked = request::check(self.context, request, self.owner, &self.view, PathRules::Step);
        let is_address = request.verbs().any(|(_, path)| path.literal_start().contains("://"))
            || matches!(&checked, Some(CheckedRequest { path: PlannedPath::Address(_), .. }));
        if is_address {
            self.refuse_provider_of_address();
            return checked.map(|checked| (None, checked));
        }
        let provider = match self.step.provider.as_ref().or(self.inherited) {
            Some(written) => self.providers.named(self.context, written),
            None if self.context.has_key(self.step.span, "provider") => None,
            None => self.only_provider(),
        };
        Some((Some(provider?), checked?))
    }

    fn refuse_provider_of_address(&self) {
        if let Some(written) = &self.step.provider {
            let span = self.context.key(self.step.span, "provider");
            let message = "a whole address needs no provider and gets no session";
            let diagnostic = Diagnostic::new(Code::ConflictingKeys, span, message);
            self.context.report(diagnostic.help(format!("to ask `{}`, write the path only", written.value)));
        }
    }

    fn only_provider(&self) -> Option<&'s Provider<'s>> {
        let providers = self.providers;
        if let Some(only) = providers.only() {
            return Some(only);
        }
        let span = self.context.first_verb(self.step.span);
        if !providers.are_declared() {
            if self.context.has_key(self.playbook.span, "providers") {
                return None;
            }
            let message = "there is nobody to send this to: the playbook has no `providers`";
            let diagnostic = Diagnostic::new(Code::MissingValue, span, message);
            self.context.report(diagnostic.help("declare one, or write a whole address: `https://...`"));
        } else if providers.names().count() > 1 {
            let message = "there are several providers; which one is asked?";
            let diagnostic = Diagnostic::new(Code::MissingValue, span, message);
            self.context
                .report(diagnostic.help(format!("add `provider:` with one of {}", join(providers.names()))));
        }
        None
    }

    /// Checks what is done with the answer.
    fn check_answer(&self, called: Option<&Called<'_>>) {
        let context = self.context;
        let outputs = OwnOutputs { declared: &self.step.outputs, computing: None };
        let after = self.after();
        if let Some(expect) = &self.step.expect {
            request::check_expect(context, expect, &after);
        }
        if let Some(until) = &self.step.until {
            context.condition(until, &after);
        }
        for (position, (name, output)) in self.step.outputs.iter().enumerate() {
            check_name(context, name, "an output");
            if let Output::Template(template) = output {
                let computing = OwnOutputs { computing: Some(position), ..outputs };
                context.template(template, &View { outputs: Some(computing), ..after });
            }
        }
        request::check_rows(context, self.step.rows.as_ref());
        if let Some(paginate) = &self.step.paginate {
            let request = called.map_or(&self.step.request, |called| &called.operation.request);
            request::check_paginate(context, paginate, request);
        }
    }

    /// What can be read once the answer is there.
    pub fn after(&self) -> View<'s> {
        let outputs = OwnOutputs { declared: &self.step.outputs, computing: None };
        View { outputs: Some(outputs), rows: Some(self.key), ..self.view.answered() }
    }

    fn save(&self, save: &Save, operation: Option<&Operation>) -> Option<PlannedSave> {
        let context = self.context;
        let inputs = Some(&self.playbook.inputs);
        let place = Some("the name of a file");
        context.template(&save.file, &View { place, inputs, run: true, ..View::default() });
        if save.fields.is_empty() && !save.fields.has_broken() && context.has_key(save.span, "fields") {
            let span = context.key(save.span, "fields");
            let message = "`fields` names the columns: at least one";
            context.report(Diagnostic::new(Code::InvalidValue, span, message));
        }
        for (_, field) in save.fields.iter() {
            if let Field::Template(template) = field {
                context.template(template, &View { row: true, ..self.view });
                report_bare_field(context, template);
            }
        }
        self.report_same_file(save);
        self.refuse_outer_loop(save);
        let has_rows = self.writes_rows(operation) || !save.fields.is_empty();
        let form = self.save_form(save, has_rows)?;
        if form == SaveForm::Body {
            self.check_body_is_one(save, operation);
        }
        Some(PlannedSave { file: save.file.clone(), form, fields: save.fields.clone() })
    }

    fn save_form(&self, save: &Save, has_rows: bool) -> Option<SaveForm> {
        let fail = |code, span: Span, message: &str, help: &str| {
            self.context.report(Diagnostic::new(code, span, message).help(help));
            None
        };
        if save.file.as_literal() == Some("") {
            let help = "write a name that ends in `.ndjson` or `.json`";
            return fail(Code::InvalidValue, save.file.span(), "a file needs a name", help);
        }
        if let Some(format) = &save.format {
            return Some(SaveForm::Rows(format.value));
        }
        if self.context.has_key(save.span, "format") {
            return None;
        }
        let ending = save.file.source().rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        match ending.as_deref() {
            Some("ndjson") => Some(SaveForm::Rows(SaveFormat::Ndjson)),
            Some("json") if has_rows => Some(SaveForm::Rows(SaveFormat::Json)),
            Some("csv") => {
                let help = "save as ndjson or json";
                fail(Code::NotSupportedYet, save.file.span(), "CSV files are not supported yet", help)
            }
            _ if !save.fields.is_empty() => {
                let span = self.context.key(save.span, "fields");
                let help = "end the file's name in `.ndjson` or `.json`, or write `format`";
                fail(Code::ConflictingKeys, span, "`fields` need a format that has rows", help)
            }
            _ => Some(SaveForm::Body),
        }
    }

    /// A body as it came is one body: pages and loops have several.
    fn check_body_is_one(&self, save: &Save, operation: Option<&Operation>) {
        let is_paged = self.step.paginate.is_some() || operation.is_some_and(|it| it.paginate.is_some());
        let why = match (is_paged, self.step.for_each.is_some()) {
            (true, _) => "several pages make no one file as they came",
            (false, true) => "the answers of a loop make no one file as they came",
            (false, false) => return,
        };
        let diagnostic = Diagnostic::new(Code::ConflictingKeys, save.file.span(), why);
        self.context.report(diagnostic.help("save rows instead: a name that ends in `.ndjson`"));
    }

    /// A loop of the step itself writes one file for all items; a loop around it would begin the file anew each
    /// time.
    fn refuse_outer_loop(&self, save: &Save) {
        let own = usize::from(self.step.for_each.is_some());
        let mut loops = self.view.loops.into_iter().flat_map(LoopName::all);
        if let Some(outer) = loops.nth(own) {
            let message = "each item of the loop around this step would write the file anew";
            let diagnostic = Diagnostic::new(Code::ConflictingKeys, save.file.span(), message);
            let help = "loop over the step itself: then one file holds the rows of all items";
            self.context.report(diagnostic.also(outer.span, "the loop around it").help(help));
        }
    }

    fn report_same_file(&self, save: &Save) {
        let Some(file) = save.file.as_literal() else {
            self.context.facts.borrow_mut().saves_by_template = true;
            return;
        };
        let first = self.context.facts.borrow_mut().saved_files.insert(file.to_owned(), save.file.span());
        if let Some(first) = first {
            let message = format!("{file} is saved twice: the later one replaces the earlier");
            let diagnostic = Diagnostic::new(Code::Suspicious, save.file.span(), message);
            self.context.report(diagnostic.also(first, "saved here first"));
        }
    }

    fn writes_rows(&self, operation: Option<&Operation>) -> bool {
        let of_operation = operation.is_some_and(|it| it.rows.is_some() || it.paginate.is_some());
        self.step.rows.is_some() || self.step.paginate.is_some() || of_operation
    }

    fn planned_call(&self, call: &Called<'_>, save: Option<PlannedSave>) -> Option<PlannedRequest> {
        let operation = call.operation;
        let (method, path) = request::planned_path(&operation.request)?;
        let params = operation.params.iter().map(|(name, declaration)| PlannedParam {
            name: name.value.clone(),
            declaration: declaration.clone(),
            value: self.step.with.as_ref().and_then(|with| with.get(name)).cloned(),
        });
        let planned = PlannedCall { name: call.name.to_owned(), params: params.collect() };
        let body = PlannedBody::of(&operation.request);
        let checked = CheckedRequest { method, path, body };
        let mut request = self.planned(Some(call.provider), Some(call), checked, save);
        request.operation = Some(planned);
        request.scope = TemplateScope::Operation;
        request.query = operation.request.query.clone();
        request.cookies = operation.request.cookies.clone();
        Some(request)
    }

    fn planned_own(
        &self,
        provider: Option<&Provider<'_>>,
        checked: CheckedRequest,
        save: Option<PlannedSave>,
    ) -> PlannedRequest {
        let mut request = self.planned(provider, None, checked, save);
        request.query = self.step.request.query.clone();
        request.cookies = self.step.request.cookies.clone();
        request
    }

    fn planned(
        &self,
        provider: Option<&Provider<'_>>,
        call: Option<&Called<'_>>,
        checked: CheckedRequest,
        save: Option<PlannedSave>,
    ) -> PlannedRequest {
        request::check_files(self.context, &checked.body);
        let operation = call.map(|call| call.operation);
        let needs_session = self.needs_session(provider, operation);
        let saves_rows = save.as_ref().is_some_and(|save| matches!(save.form, SaveForm::Rows(_)));
        let expects = expects(self.step, operation);
        let status = expects.iter().rev().find_map(|(_, expect)| expect.status.as_ref());
        let effect = self.step.effect.as_ref().or(operation.and_then(|it| it.effect.as_ref()));
        let paginate = self.step.paginate.as_ref().or(operation.and_then(|it| it.paginate.as_ref()));
        PlannedRequest {
            provider: provider.map(|provider| provider.index),
            operation: None,
            scope: TemplateScope::Playbook,
            effect: effect.map_or_else(|| request::effect_of(&checked.method), |effect| effect.value),
            method: checked.method,
            path: checked.path,
            query: Named::default(),
            headers: self.headers(provider, operation, needs_session),
            cookies: Named::default(),
            body: checked.body,
            needs_session,
            timeout: self.timeout(provider, operation),
            attempts: self.attempts(provider, operation),
            status: status.map_or_else(StatusSet::success, |status| status.value.clone()),
            is_status_written: status.is_some(),
            that: conditions(&expects),
            schema: self.schema(call),
            outputs: planned_outputs(&self.step.outputs),
            rows: Rows {
                are_read: saves_rows
                    || self.writes_rows(operation)
                    || asks(operation, &["rows", "row_count"]),
                are_kept: asks(operation, &["rows"]),
                path: self.step.rows.clone().or_else(|| operation.and_then(|it| it.rows.clone())),
                may_be_one: self.step.for_each.is_some() && !self.writes_rows(operation),
            },
            paginate: paginate.map(|paginate| paginate.value.clone()),
            until: polling::planned(self.step),
            idempotency: self.idempotency(provider, operation),
            verify: None,
            rate_limit: operation.and_then(|it| it.rate_limit.clone()),
            save,
            hints: hints(self.step, operation, provider),
        }
    }

    fn needs_session(&self, provider: Option<&Provider<'_>>, operation: Option<&Operation>) -> bool {
        let is_refused = self.step.auth.is_some() || operation.is_some_and(|it| it.auth.is_some());
        let Some(provider) = provider.filter(|it| !is_refused && !it.planned.methods.is_empty()) else {
            return false;
        };
        self.context.facts.borrow_mut().needed_sessions.insert(provider.index.0);
        true
    }

    fn headers(
        &self,
        provider: Option<&Provider<'_>>,
        operation: Option<&Operation>,
        needs_session: bool,
    ) -> Vec<Scoped<Named<Template>>> {
        let own = &self.step.request.headers;
        if needs_session {
            self.refuse_session_headers(own, provider);
        }
        let defaults = self.playbook.defaults.as_ref().map(|defaults| &defaults.headers);
        let layers = [
            (TemplateScope::Playbook, defaults),
            (TemplateScope::Operation, provider.map(|provider| &provider.keys.headers)),
            (TemplateScope::Operation, operation.map(|operation| &operation.request.headers)),
            (TemplateScope::Playbook, Some(own)),
        ];
        let layers = layers.into_iter().filter_map(|(scope, headers)| Some((scope, headers?)));
        let written = layers.filter(|(_, headers)| !headers.is_empty());
        written.map(|(scope, headers)| Scoped { scope, value: headers.clone() }).collect()
    }

    /// What the session sends cannot be overwritten: such a header would have no effect.
    fn refuse_session_headers(&self, own: &Named<Template>, provider: Option<&Provider<'_>>) {
        let methods = provider.iter().flat_map(|provider| &provider.planned.methods);
        let sent: Vec<&str> = methods
            .filter_map(|method| method.auth.send.as_ref())
            .flat_map(|send| send.headers.names())
            .collect();
        for (name, _) in
            own.iter().filter(|(name, _)| sent.iter().any(|sent| sent.eq_ignore_ascii_case(name)))
        {
            let message = format!("the session sets the header `{}` itself", name.value);
            let diagnostic = Diagnostic::new(Code::ConflictingKeys, name.span, message);
            self.context.report(diagnostic.help("leave it out, or send no session: `auth: none`"));
        }
    }

    fn timeout(&self, provider: Option<&Provider<'_>>, operation: Option<&Operation>) -> Duration {
        let defaults = self.playbook.defaults.as_ref();
        let written = self.step.timeout.as_ref();
        written
            .or(operation.and_then(|it| it.timeout.as_ref()))
            .or(provider.and_then(|it| it.keys.timeout.as_ref()))
            .or(defaults.and_then(|it| it.timeout.as_ref()))
            .map_or(TIMEOUT, |timeout| timeout.value.0)
    }

    fn attempts(&self, provider: Option<&Provider<'_>>, operation: Option<&Operation>) -> u32 {
        let defaults = self.playbook.defaults.as_ref();
        let written = self.step.retry.as_ref();
        written
            .or(operation.and_then(|it| it.retry.as_ref()))
            .or(provider.and_then(|it| it.keys.retry.as_ref()))
            .or(defaults.and_then(|it| it.retry.as_ref()))
            .map_or(ATTEMPTS, |retry| retry.attempts.value)
    }

    /// The schema of the step, else that of the operation; each path counts from the folder of its own file.
    fn schema(&self, call: Option<&Called<'_>>) -> Option<Box<jsonschema::Validator>> {
        let of_step = self.step.expect.as_ref().and_then(|expect| expect.schema.as_ref());
        if let Some(schema) = of_step {
            return request::load_schema(self.context, schema, &self.context.folder);
        }
        let call = call?;
        let schema = call.operation.expect.as_ref()?.schema.as_ref()?;
        request::load_schema(self.context, schema, call.provider.folder)
    }
}

fn unknown_operation(name: &Spanned<String>, provider: &Provider<'_>) -> Diagnostic {
    let operations = &provider.keys.operations;
    let message = format!("`{}` has no operation `{}`", provider.name, name.value);
    let diagnostic = Diagnostic::new(Code::UnknownOperation, name.span, message);
    match nearest(name, operations.names()) {
        None if operations.is_empty() => {
            diagnostic.help("its definition has no `operations`; write a request instead")
        }
        None if operations.len() > 8 => {
            diagnostic.help(format!("`runner show {}` lists what it has", provider.name))
        }
        None => diagnostic.help(format!("it has {}", join(operations.names()))),
        near => diagnostic.did_you_mean(near),
    }
}

/// Whether an operation's own expectations read one of these names: in a step that is known from its references.
fn asks(operation: Option<&Operation>, names: &[&str]) -> bool {
    let expect = operation.and_then(|operation| operation.expect.as_ref());
    let conditions = expect.iter().flat_map(|expect| &expect.that.0);
    let mut references = conditions.flat_map(|condition| condition.expression().references());
    references.any(|reference| reference.name(0).is_some_and(|name| names.contains(&name)))
}

fn is_null(tree: &Tree) -> bool {
    matches!(&tree.kind, TreeKind::Literal(value) if value.is_null())
}

/// A name without `$.` is written into every row as it stands.
fn report_bare_field(context: &Context<'_>, field: &Template) {
    let is_name = |name: &str| name.split('.').all(Ident::is_valid);
    if let Some(name) = field.as_literal().filter(|literal| is_name(literal)) {
        let message = format!("each row gets the text `{name}` itself");
        let diagnostic = Diagnostic::new(Code::Suspicious, field.span(), message);
        context.report(diagnostic.did_you_mean(Some(&format!("$.{name}"))));
    }
}

/// The expectations of operation and step, the stronger last.
fn expects<'e>(step: &'e Step, operation: Option<&'e Operation>) -> Vec<(TemplateScope, &'e Expect)> {
    let of_operation = operation.and_then(|operation| operation.expect.as_ref());
    let layers = [(TemplateScope::Operation, of_operation), (TemplateScope::Playbook, step.expect.as_ref())];
    layers.into_iter().filter_map(|(scope, expect)| Some((scope, expect?))).collect()
}

fn conditions(expects: &[(TemplateScope, &Expect)]) -> Vec<Scoped<Condition>> {
    let all = expects.iter().flat_map(|(scope, expect)| expect.that.0.iter().map(move |that| (*scope, that)));
    all.map(|(scope, that)| Scoped { scope, value: that.clone() }).collect()
}

fn planned_outputs(outputs: &Named<Output>) -> Vec<PlannedOutput> {
    let planned = outputs.iter().map(|(name, output)| PlannedOutput {
        name: name.value.clone(),
        output: output.clone(),
        is_secret: output.is_marked_secret(),
    });
    planned.collect()
}

/// The hints in the order in which they count: step, operation, provider, and in each an error code before a
/// status.
fn hints(
    step: &Step,
    operation: Option<&Operation>,
    provider: Option<&Provider<'_>>,
) -> Vec<(String, String)> {
    let of_provider = provider.and_then(|provider| provider.keys.errors.as_ref()).map(|errors| &errors.hints);
    let layers = [Some(&step.hints), operation.map(|operation| &operation.hints), of_provider];
    let is_status = |key: &str| key.len() == 3 && key.bytes().all(|byte| byte.is_ascii_digit());
    let mut hints = Vec::new();
    for layer in layers.into_iter().flatten() {
        let mut layer: Vec<_> = layer.iter().map(|(key, text)| (key.value.clone(), text.clone())).collect();
        layer.sort_by_key(|(key, _)| is_status(key));
        hints.extend(layer);
    }
    hints
}
