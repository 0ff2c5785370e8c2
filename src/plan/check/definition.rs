//! A definition by itself: whatever playbook uses it.

use super::address;
use super::auth;
use super::context::Context;
use super::idempotency_key;
use super::names::check_name;
use super::path::PathRules;
use super::preset::Presets;
use super::request;
use super::source::{self, Chain, ChainKind};
use super::value::check_declarations;
use super::view::{Session, View};
use crate::document::{Credential, DefinitionKeys, Named, Operation, ValueKeys};
use crate::source::{Code, Diagnostic, Span};
use crate::template::Template;
use std::path::Path;

/// Where a definition is written.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// In the program: its sources may name any file.
    BuiltIn,
    /// In a file of its own.
    File,
    /// In a playbook with these inputs, which its sources see.
    Inline(&'a Named<ValueKeys>),
}

/// Checks a definition.
pub(super) fn check(context: &Context<'_>, keys: &DefinitionKeys, presets: &Presets, origin: Origin<'_>) {
    let inputs = if let Origin::Inline(inputs) = origin { Some(inputs) } else { None };
    let sources = View { place: Some("a source"), profile: true, inputs, ..View::default() };
    let is_built_in = matches!(origin, Origin::BuiltIn);
    check_settings(context, keys, &sources, is_built_in);
    check_addresses(context, keys);
    check_credentials(context, &keys.credentials, &sources, is_built_in);
    let view = View::of_definition(keys);
    request::check_headers(context, &keys.headers, &view);
    request::check_time(context, keys.timeout.as_ref());
    request::check_retry(context, keys.retry.as_ref());
    request::check_rate_limit(context, keys.rate_limit.as_ref());
    idempotency_key::check_of_provider(context, keys.idempotency.as_ref());
    for sign in [&keys.success, &keys.throttled].into_iter().flatten() {
        context.condition(sign, &view.answered());
    }
    if let Some(auth) = &keys.auth {
        auth::check(context, keys, auth, presets);
    }
    auth::report_unread_credentials(context, keys, presets);
    check_operations(context, keys, presets);
}

fn check_settings(context: &Context<'_>, keys: &DefinitionKeys, sources: &View<'_>, is_built_in: bool) {
    let declarations = keys.settings.iter().map(|(name, setting)| (name, &setting.value));
    check_declarations(context, declarations, "a setting");
    for (name, setting) in keys.settings.iter() {
        let chain = plain_chain(name, ChainKind::Setting, setting.span, is_built_in);
        source::check(context, &chain, &setting.from, sources);
    }
    if let Some(profile) = &keys.profile {
        let view = View { place: Some("a source of the profile"), profile: false, ..*sources };
        let chain = plain_chain("profile", ChainKind::Profile, profile.span, is_built_in);
        source::check(context, &chain, &profile.from, &view);
    }
}

/// A chain whose value is no secret.
fn plain_chain(name: &str, kind: ChainKind, span: Span, is_built_in: bool) -> Chain<'_> {
    Chain { name, kind, siblings: Vec::new(), declares: &|_: &str| true, is_secret: false, is_built_in, span }
}

fn check_addresses(context: &Context<'_>, keys: &DefinitionKeys) {
    let place = Some("an address");
    let view = View { settings: Some(&keys.settings), place, ..View::default() };
    for address in std::iter::once(&keys.base_url).chain(&keys.auth_base_url) {
        context.template(address, &view);
        address::check_form(context, address);
    }
}

/// Checks credentials with their sources.
fn check_credentials(
    context: &Context<'_>,
    credentials: &Named<Credential>,
    view: &View<'_>,
    is_built_in: bool,
) {
    source::check_circles(context, credentials, |credential| &credential.from);
    for (name, credential) in credentials.iter() {
        check_name(context, name, "a credential");
        let chain = Chain {
            name,
            kind: ChainKind::Secret,
            siblings: credentials.names().collect(),
            declares: &|name| credentials.declares(name),
            is_secret: credential.secret != Some(false),
            is_built_in,
            span: credential.span,
        };
        source::check(context, &chain, &credential.from, view);
    }
}

/// Reads the JSON Schemas of the operations, whether a step calls them or not; their paths count from `folder`.
pub(super) fn check_schemas(context: &Context<'_>, keys: &DefinitionKeys, folder: &Path) {
    let expectations = keys.operations.iter().filter_map(|(_, operation)| operation.expect.as_ref());
    for schema in expectations.filter_map(|expect| expect.schema.as_ref()) {
        request::load_schema(context, schema, folder);
    }
}

fn check_operations(context: &Context<'_>, keys: &DefinitionKeys, presets: &Presets) {
    let methods = auth::methods(keys, presets);
    let values = auth::all_session_values(&methods);
    let session = match &keys.auth {
        Some(auth) if values.is_empty() && context.has_key(auth.span, "session") => Session::Unreadable,
        Some(_) if !values.is_empty() => Session::Open(&values),
        None if context.has_key(keys.span, "auth") => Session::Unreadable,
        _ => Session::Absent("there is no session: the definition has no `auth.session`"),
    };
    for (name, operation) in keys.operations.iter() {
        check_name(context, name, "an operation");
        check_operation(context, keys, operation, session);
    }
}

fn check_operation<'a>(
    context: &Context<'_>,
    keys: &'a DefinitionKeys,
    operation: &'a Operation,
    session: Session<'a>,
) {
    check_declarations(context, operation.params.iter(), "a parameter");
    let session = match operation.auth {
        Some(_) => Session::Absent("`auth: none` goes without a session"),
        None => session,
    };
    let view = View { params: Some(&operation.params), session, ..View::of_definition(keys) };
    request::check(context, &operation.request, "an operation", &view, PathRules::Operation);
    if let Some(expect) = &operation.expect {
        let after = View { rows: Some(None), ..view.answered() };
        request::check_expect(context, expect, &after);
    }
    request::check_rows(context, operation.rows.as_ref());
    if let Some(paginate) = &operation.paginate {
        request::check_paginate(context, paginate, &operation.request);
    }
    request::check_time(context, operation.timeout.as_ref());
    request::check_retry(context, operation.retry.as_ref());
    request::check_rate_limit(context, operation.rate_limit.as_ref());
    idempotency_key::check_of_operation(context, operation, &view);
    report_unused_params(context, operation);
}

/// A parameter that no template reads would be taken and have no effect.
fn report_unused_params(context: &Context<'_>, operation: &Operation) {
    let mut texts = operation.request.templates();
    texts.extend(&operation.idempotency_key);
    let texts = || texts.iter().copied().flat_map(Template::expressions);
    let conditions =
        || operation.expect.iter().flat_map(|expect| &expect.that.0).map(|that| that.expression());
    let reads = |name: &str| {
        let mut references = texts().chain(conditions()).flat_map(|expression| expression.references());
        references.any(|it| it.name(0) == Some("params") && it.name(1).is_none_or(|read| read == name))
    };
    for (name, _) in operation.params.iter().filter(|(name, _)| !reads(name)) {
        let message = format!("nothing reads the parameter `{}`", name.value);
        context.report(Diagnostic::new(Code::Suspicious, name.span, message));
    }
}
