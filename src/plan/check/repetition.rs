//! What lets a write be repeated that must not be done twice: `idempotency_key` and `verify`.

use super::context::Context;
use super::idempotency_key::{self, KEY};
use super::names::part;
use super::polling::{refuse_fixed, refuse_write};
use super::provider::Provider;
use super::request;
use super::send::RequestStep;
use super::view::LoopName;
use crate::document::{Effect, Operation, Output, Tree, VERBS, Verify};
use crate::plan::{PlannedIdempotency, PlannedRequest, PlannedVerify, Scoped, TemplateScope};
use crate::source::{Code, Diagnostic, Span, Spanned, nearest};
use crate::template::{CallKind, Expression, Reference, Template};
use std::time::Duration;

/// The header that carries the key, unless the provider says otherwise.
const HEADER: &str = "Idempotency-Key";

/// How long a provider is trusted to remember a key, unless it says so itself.
const VALID_FOR: Duration = Duration::from_secs(600);

impl RequestStep<'_> {
    /// Checks the key that the step writes.
    pub(super) fn check_idempotency_key(&self) {
        let Some(key) = &self.step.idempotency_key else { return };
        idempotency_key::check(self.context, key, &self.view);
        self.refuse_same_for_items(&expressions_of(key), key.span());
    }

    /// The key of the step, else that of the operation.
    pub(super) fn idempotency(
        &self,
        provider: Option<&Provider<'_>>,
        operation: Option<&Operation>,
    ) -> Option<PlannedIdempotency> {
        let of_step = self.step.idempotency_key.as_ref().map(|key| (TemplateScope::Playbook, key));
        let of_operation = operation.and_then(|operation| operation.idempotency_key.as_ref());
        let of_operation = of_operation.map(|key| (TemplateScope::Operation, key));
        let (scope, key) = of_step.or(of_operation)?;
        if scope == TemplateScope::Operation {
            let span = self.step.call.as_ref().map_or(self.step.span, |call| call.span);
            self.refuse_same_for_items(&self.expressions_behind(key), span);
        }
        let keys = provider.and_then(|provider| provider.keys.idempotency.as_ref());
        let header = keys.and_then(|keys| keys.header.as_ref());
        let valid_for = keys.and_then(|keys| keys.valid_for.as_ref());
        Some(PlannedIdempotency {
            header: header.map_or_else(|| HEADER.to_owned(), |header| header.value.clone()),
            key: Scoped { scope, value: key.clone() },
            valid_for: valid_for.map_or(VALID_FOR, |time| time.value.0),
        })
    }

    /// The expressions of an operation's key, and those of the parameters that it reads.
    fn expressions_behind<'e>(&'e self, key: &'e Template) -> Vec<&'e Expression> {
        let mut found = expressions_of(key);
        let with = self.step.with.iter().flat_map(|with| with.iter());
        let read: Vec<&Reference> = found.iter().flat_map(|expression| expression.references()).collect();
        let reads = |name: &str| {
            read.iter().any(|reference| {
                reference.name(0) == Some("params") && reference.name(1).is_none_or(|read| read == name)
            })
        };
        let given = with.filter(|(name, _)| reads(name)).flat_map(|(_, tree): (_, &Tree)| tree.templates());
        let given: Vec<_> = given.into_iter().flat_map(Template::expressions).collect();
        found.extend(given);
        found
    }

    /// With the key of another item, a provider would take a write for the one that it has done already.
    fn refuse_same_for_items(&self, expressions: &[&Expression], span: Span) {
        let is_new_each_time = expressions.iter().any(|expression| {
            expression.calls().iter().any(|call| call.kind == CallKind::Function && call.name == "uuid")
        });
        if is_new_each_time || self.context.has_error_in(span) {
            return;
        }
        let loops = self.view.loops.into_iter().flat_map(LoopName::all);
        let references = || expressions.iter().flat_map(|expression| expression.references());
        let mut same = loops.filter(|item| !references().any(|reference| self.differs(reference, item)));
        if let Some(item) = same.next() {
            let message =
                format!("this key is the same for each `{}`: only the first would be done", item.name);
            let diagnostic = Diagnostic::new(Code::InvalidValue, span, message);
            let help = format!("let it name the item: `${{{{ run.id }}}}-${{{{ {}... }}}}`", item.name);
            self.context.report(diagnostic.also(item.span, "the loop").help(help));
        }
    }

    /// Whether what a name stands for is another one for each item of a loop.
    fn differs(&self, reference: &Reference, item: &LoopName<'_>) -> bool {
        let is_of_round = |id: &str| self.view.steps.is_some_and(|place| place.index.is_inside(id, item.key));
        match (reference.name(0), reference.name(1)) {
            (Some("steps"), Some(id)) => is_of_round(id),
            (name, _) => name == Some(item.name),
        }
    }

    /// Checks and plans the read that tells whether the write happened.
    pub(super) fn verify(&self) -> Option<PlannedVerify> {
        let verify = self.step.verify.as_ref()?;
        let step = verify.as_step();
        let of_call = self.step.call.as_ref().and_then(provider_of);
        let Self { context, playbook, providers, inherited, view, .. } = *self;
        let read = RequestStep {
            context,
            playbook,
            providers,
            step: &step,
            owner: "`verify`",
            key: None,
            inherited: self.step.provider.as_ref().or(of_call.as_ref()).or(inherited),
            view,
        };
        self.check_kind(verify);
        let planned = read.plan();
        context.condition(&verify.done, &read.after());
        refuse_fixed(context, &verify.done, "it says nothing about the write");
        self.check_outputs(verify);
        let mut request = planned?;
        if request.effect != Effect::Read {
            let message = "`verify` only reads, and this changes something";
            let diagnostic = Diagnostic::new(Code::ConflictingKeys, context.first_verb(verify.span), message);
            context.report(diagnostic.help("`effect: read` says that a request changes nothing"));
        }
        let asks = |names: &[&str]| reads(&read_by(verify), names);
        request.rows.are_kept |= asks(&["rows"]);
        request.rows.are_read |= asks(&["rows", "row_count"]);
        for output in &mut request.outputs {
            let stood_for = self.step.outputs.get(&output.name);
            output.is_secret |= stood_for.is_some_and(Output::is_marked_secret);
        }
        Some(PlannedVerify { request, done: verify.done.clone() })
    }

    /// A read is one request.
    fn check_kind(&self, verify: &Verify) {
        let span = verify.span;
        let mut kinds = VERBS.into_iter().chain(["call"]).filter(|kind| self.context.has_key(span, kind));
        let Some(first) = kinds.next() else { return };
        for second in kinds {
            request::report_second(self.context, span, first, second, "`verify` asks one thing");
        }
        if verify.with.is_some() && first != "call" {
            let message = "`with` gives parameters to a `call`";
            let span = self.context.key(span, "with");
            self.context.report(Diagnostic::new(Code::ConflictingKeys, span, message));
        }
    }

    /// What stands in for outputs must be theirs.
    fn check_outputs(&self, verify: &Verify) {
        let outputs = &self.step.outputs;
        for (name, _) in verify.outputs.iter().filter(|(name, _)| !outputs.declares(name)) {
            let message = format!("the step has no output `{}` that this could stand in for", name.value);
            let diagnostic = Diagnostic::new(Code::UnknownOutput, name.span, message);
            self.context.report(diagnostic.did_you_mean(nearest(name, outputs.names())));
        }
    }

    /// Checks that what the step says about repetition goes with what it does.
    pub(super) fn check_repetition(&self, request: &PlannedRequest) {
        refuse_write(self.context, self.step, request);
        if request.effect != Effect::Once && self.step.verify.is_some() {
            let message =
                format!("nobody asks `verify`: what is `{}` is simply sent again", request.effect.as_str());
            self.report_stray("verify", message);
        }
        if request.effect == Effect::Read && self.step.idempotency_key.is_some() {
            self.report_stray(KEY, "a read needs no key to be sent again".to_owned());
        }
        let Some(idempotency) = &request.idempotency else { return };
        if request.paginate.is_some() {
            let key = if self.step.idempotency_key.is_some() { KEY } else { "paginate" };
            let message = "the pages of one request would all have the same idempotency key";
            self.report_stray(key, message.to_owned());
        }
        refuse_header(self.context, idempotency, request);
    }

    fn report_stray(&self, key: &str, message: String) {
        let span = self.context.key(self.step.span, key);
        self.context.report(Diagnostic::new(Code::ConflictingKeys, span, message));
    }
}

/// The header is set by the key alone.
fn refuse_header(context: &Context<'_>, idempotency: &PlannedIdempotency, request: &PlannedRequest) {
    let names = request.headers.iter().flat_map(|headers| headers.value.iter());
    for (name, _) in names.filter(|(name, _)| name.eq_ignore_ascii_case(&idempotency.header)) {
        let message = format!("the idempotency key sets the header `{}` itself", name.value);
        context.report(Diagnostic::new(Code::ConflictingKeys, name.span, message));
    }
}

fn expressions_of(template: &Template) -> Vec<&Expression> {
    template.expressions().collect()
}

/// All that is read of an answer by a `verify`.
fn read_by(verify: &Verify) -> Vec<&Expression> {
    let conditions = verify.expect.iter().flat_map(|expect| &expect.that.0).chain([&verify.done]);
    let outputs = verify.outputs.iter().filter_map(|(_, output)| match output {
        Output::Template(template) => Some(template),
        Output::Read(_) => None,
    });
    conditions.map(|it| it.expression()).chain(outputs.flat_map(Template::expressions)).collect()
}

fn reads(expressions: &[&Expression], names: &[&str]) -> bool {
    let mut references = expressions.iter().flat_map(|expression| expression.references());
    references.any(|reference| reference.name(0).is_some_and(|name| names.contains(&name)))
}

/// The provider that `provider.operation` names.
fn provider_of(call: &Spanned<String>) -> Option<Spanned<String>> {
    let (provider, _) = call.split_once('.')?;
    Some(part(call, 0, provider))
}
