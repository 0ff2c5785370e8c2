//! What holds for an `idempotency_key` wherever it stands.

use super::context::Context;
use super::request;
use super::view::View;
use crate::document::{Effect, Idempotency, Operation};
use crate::source::{Code, Diagnostic};
use crate::template::{Reference, Template};

/// The key of steps and operations.
pub(super) const KEY: &str = "idempotency_key";

/// The key of an operation, by itself.
pub(super) fn check_of_operation(context: &Context<'_>, operation: &Operation, view: &View<'_>) {
    let Some(key) = &operation.idempotency_key else { return };
    check(context, key, view);
    let effect = operation.effect.as_ref().map(|effect| effect.value);
    let by_verb = || operation.request.verbs().next().map(|(verb, _)| verb);
    let is_read = effect.map_or_else(|| matches!(by_verb(), Some("get" | "head")), |it| it == Effect::Read);
    let message = match (is_read, &operation.paginate) {
        (true, _) => "a read needs no key to be sent again",
        (false, Some(_)) => "the pages of one request would all have the same idempotency key",
        (false, None) => return,
    };
    let span = context.key(operation.span, KEY);
    context.report(Diagnostic::new(Code::ConflictingKeys, span, message));
}

/// What a definition says about all keys.
pub(super) fn check_of_provider(context: &Context<'_>, keys: Option<&Idempotency>) {
    let Some(keys) = keys else { return };
    keys.header.iter().for_each(|header| request::check_header_name(context, header));
    request::check_time(context, keys.valid_for.as_ref());
}

/// A key, wherever it stands.
pub(super) fn check(context: &Context<'_>, key: &Template, view: &View<'_>) {
    context.template(key, view);
    refuse_secrets(context, key, view);
    if key.as_literal().is_some() {
        let message = "this key is the same in every run: what a later run sends counts as done already";
        let diagnostic = Diagnostic::new(Code::Suspicious, key.span(), message);
        context.report(diagnostic.help("let it name what is done, or the run: `${{ run.id }}`"));
    }
}

/// Keys are kept on disk for a run that is resumed, and secrets are not.
fn refuse_secrets(context: &Context<'_>, key: &Template, view: &View<'_>) {
    for expression in key.expressions() {
        let is_secret = |reference: &&Reference| match (reference.name(0), reference.name(1)) {
            (Some("secrets" | "credentials" | "session"), _) => true,
            (Some("steps"), Some(id)) => reference.name(3).is_some_and(|output| {
                view.steps.is_some_and(|place| place.index.is_secret_output(id, output))
            }),
            _ => false,
        };
        if expression.references().iter().any(|reference| is_secret(&reference)) {
            let message = "an idempotency key is kept on disk, so no secret may go into it";
            context.report(Diagnostic::new(Code::InvalidValue, expression.span(), message));
        }
    }
}
