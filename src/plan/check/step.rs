//! Steps: exactly one kind each, the keys that go with it, and what is planned of it.

use super::context::Context;
use super::literal_secret;
use super::names::{check_name, join, unknown_credential};
use super::order::{Guard, ListId, StepIndex, StepPlace, written_kinds};
use super::provider::{Provider, Providers, check_method};
use super::request;
use super::send::RequestStep;
use super::store;
use super::view::{LoopName, View};
use crate::document::lower::KeySet;
use crate::document::{BODIES, ForEach, Named, OnError, Output, Playbook, STEP_KINDS, Step, Steps, Tree};
use crate::plan::{Group, Loop, PlannedMethod, PlannedStep, StepKey, StepKind};
use crate::source::{Code, Diagnostic, Span, Spanned, nearest};
use std::cell::Cell;

/// Checks and plans the steps of a playbook.
pub(super) struct Planner<'p> {
    context: &'p Context<'p>,
    playbook: &'p Playbook,
    providers: &'p Providers<'p>,
    index: &'p StepIndex<'p>,
    /// The key of the next step: they are counted as [`StepIndex`] counts them.
    next_key: Cell<usize>,
}

/// What surrounds a step.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    list: ListId,
    loops: Option<&'a LoopName<'a>>,
    guards: Option<&'a Guard<'a>>,
}

impl Around<'_> {
    /// The steps of a list that nothing surrounds.
    pub fn at(list: ListId) -> Self {
        Self { list, loops: None, guards: None }
    }
}

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Call,
    Group,
    Authenticate,
    Logout,
    Store,
}

/// A step with its key and what its templates see, inside of its own loop.
#[derive(Clone, Copy)]
struct Inside<'a> {
    step: &'a Step,
    key: usize,
    view: View<'a>,
}

impl<'p> Planner<'p> {
    pub fn new(
        context: &'p Context<'p>,
        playbook: &'p Playbook,
        providers: &'p Providers<'p>,
        index: &'p StepIndex<'p>,
    ) -> Self {
        Self { context, playbook, providers, index, next_key: Cell::new(0) }
    }

    /// What holds for every step sees what every step sees.
    pub fn check_defaults(&self) {
        let Some(defaults) = &self.playbook.defaults else { return };
        let view = View {
            place: Some("what holds for every step"),
            inputs: Some(&self.playbook.inputs),
            secrets: Some(&self.playbook.secrets),
            run: true,
            ..View::default()
        };
        request::check_headers(self.context, &defaults.headers, &view);
        request::check_time(self.context, defaults.timeout.as_ref());
        request::check_retry(self.context, defaults.retry.as_ref());
    }

    /// Plans a list. Steps that cannot be planned were reported and are left out.
    pub fn steps(&self, steps: &Steps, around: &Around<'_>) -> Vec<PlannedStep> {
        let mut planned = Vec::with_capacity(steps.items.len());
        planned.extend(steps.items.iter().filter_map(|step| self.step(step, around)));
        planned
    }

    fn view<'v>(&'v self, key: usize, around: &Around<'v>) -> View<'v> {
        let place = StepPlace { index: self.index, list: around.list, key, guards: around.guards };
        View {
            inputs: Some(&self.playbook.inputs),
            secrets: Some(&self.playbook.secrets),
            run: true,
            steps: Some(place),
            loops: around.loops,
            ..View::default()
        }
    }

    fn step(&self, step: &Step, around: &Around<'_>) -> Option<PlannedStep> {
        let key = self.next_key.replace(self.next_key.get() + 1);
        if let Some(condition) = &step.condition {
            self.context.condition(condition, &self.view(key, around));
        }
        // From here on, what `if` asks is known to hold.
        let asked = step
            .condition
            .as_ref()
            .map(|condition| Guard { asked: condition.expression().asked_steps(), outer: around.guards });
        let guarded = Around { guards: asked.as_ref().or(around.guards), ..*around };
        if let Some(ForEach(list)) = &step.for_each {
            self.context.tree(list, &self.view(key, &guarded));
        }
        let item = self.loop_name(step, key, around.loops);
        let inner = Around { loops: item.as_ref().or(around.loops), ..guarded };
        let kind = self.kind(step).and_then(|kind| {
            self.refuse_stray_keys(step, kind);
            let inside = Inside { step, key, view: self.view(key, &inner) };
            if kind != Kind::Group && step.steps.is_some() {
                // A mistake that was reported. The steps inside are checked and counted all the same.
                self.group(&inside, &inner);
            }
            self.plan_kind(kind, &inside, &inner)
        });
        let cleanup = self.cleanup(step, key, &inner);
        request::check_time(self.context, step.within.as_ref());
        Some(PlannedStep {
            key: StepKey(key),
            id: step.id.as_ref().map(|id| id.value.0.clone()),
            name: step.name.clone(),
            kind: kind?,
            condition: step.condition.clone(),
            for_each: step.for_each.as_ref().map(|ForEach(over)| Loop {
                over: over.clone(),
                item_name: item.as_ref().map_or("item", |item| item.name).to_owned(),
            }),
            on_error: step.on_error.as_ref().map_or(OnError::Stop, |on_error| on_error.value),
            within: step.within.as_ref().map(|within| within.value.0),
            cleanup,
            span: self.context.first_key(step.span),
        })
    }

    /// The name of the item, which must not hide another.
    fn loop_name<'v>(
        &self,
        step: &'v Step,
        key: usize,
        outer: Option<&'v LoopName<'v>>,
    ) -> Option<LoopName<'v>> {
        // A list that cannot be read is reported there; what loops over it has its item all the same.
        if step.for_each.is_none() && !self.context.has_key(step.span, "for_each") {
            return None;
        }
        let (name, span) = match &step.item_name {
            Some(written) => (written.value.as_str(), written.span),
            None => ("item", self.context.key(step.span, "for_each")),
        };
        if let Some(written) = &step.item_name {
            check_name(self.context, &Spanned::new(name.to_owned(), written.span), "an item");
        }
        let hidden = outer.into_iter().flat_map(LoopName::all).find(|around| around.name == name);
        if let Some(hidden) = hidden {
            let message = format!("`{name}` hides the item of the loop around this one");
            let diagnostic =
                Diagnostic::new(Code::DuplicateName, span, message).also(hidden.span, "the loop around it");
            self.context.report(diagnostic.help("give it another name: `as: device`"));
        } else if ROOTS.contains(&name) {
            let message = format!("`{name}` hides the name that expressions know already");
            self.context
                .report(Diagnostic::new(Code::DuplicateName, span, message).label("choose another name"));
        }
        Some(LoopName { name, key, span, outer })
    }

    /// The one thing that a step does; `None` when that is unclear.
    fn kind(&self, step: &Step) -> Option<Kind> {
        let mut kinds = kinds_of(step).into_iter();
        let Some((first, kind)) = kinds.next() else {
            self.report_missing_kind(step);
            return None;
        };
        for (second, _) in kinds {
            request::report_second(self.context, step.span, first, second, "a step does one thing");
        }
        Some(kind)
    }

    fn report_missing_kind(&self, step: &Step) {
        if !written_kinds(self.context, step.span).is_empty()
            || self.has_misspelt_kind(step.span)
            || self.context.has_merge_key(step.span)
        {
            return;
        }
        let span = self.context.first_key(step.span);
        let message = "this step does nothing: it has none of the keys that say what to do";
        let help = format!("write one of {}", join(STEP_KINDS));
        self.context.report(Diagnostic::new(Code::MissingKey, span, message).help(help));
    }

    /// Whether some unknown key was probably meant as the kind: that was said there.
    fn has_misspelt_kind(&self, span: Span) -> bool {
        let keys = Step::keys();
        let unknown =
            self.context.entries(span).unwrap_or_default().iter().map(|entry| entry.key.value.as_str());
        let mut unknown = unknown.filter(|name| keys.iter().all(|key| key.name != *name));
        unknown.any(|name| nearest(name, STEP_KINDS).is_some())
    }

    fn refuse_stray_keys(&self, step: &Step, kind: Kind) {
        let is_known =
            |key: &str| Step::keys().iter().any(|known| known.name == key && known.missing_work.is_none());
        for entry in self.context.entries(step.span).unwrap_or_default() {
            let key = entry.key.value.as_str();
            if is_known(key) && !goes_with(key, kind, step) {
                let message = match key {
                    "as" => "`as` names the item of a loop, and there is no `for_each`".to_owned(),
                    _ => format!("`{key}` does not go with {}", describe(kind, step)),
                };
                let diagnostic = Diagnostic::new(Code::ConflictingKeys, entry.key.span, message);
                let help = help_for(key, kind);
                self.context.report(help.into_iter().fold(diagnostic, Diagnostic::help));
            }
        }
    }

    fn plan_kind(&self, kind: Kind, inside: &Inside<'_>, around: &Around<'_>) -> Option<StepKind> {
        let step = inside.step;
        match kind {
            Kind::Request | Kind::Call => {
                let Self { context, playbook, providers, .. } = *self;
                let Inside { step, key, view } = *inside;
                let request = RequestStep {
                    context,
                    playbook,
                    providers,
                    step,
                    owner: "a step",
                    key: Some(key),
                    inherited: None,
                    view,
                };
                let request = request.plan();
                request.map(|request| StepKind::Request(Box::new(request)))
            }
            Kind::Group => Some(StepKind::Group(self.group(inside, around))),
            Kind::Authenticate => self.authenticate(step.authenticate.as_ref()?, inside),
            Kind::Logout => {
                let written = step.logout.as_ref()?;
                let provider = self.signed_in_provider(written, "sign out of")?;
                let provider_name = provider.name.to_owned();
                Some(StepKind::Logout { provider: provider.index, provider_name })
            }
            Kind::Store => self.store(step.store.as_ref()?, inside),
        }
    }

    fn group(&self, inside: &Inside<'_>, around: &Around<'_>) -> Group {
        let step = inside.step;
        let list = self.index.group_of(inside.key);
        let inner = Around { list, ..*around };
        let steps = step.steps.as_ref().map_or_else(Vec::new, |steps| self.steps(steps, &inner));
        // The outputs are computed when all steps inside have run.
        let view = self.view(self.next_key.get(), &inner);
        let mut outputs = Vec::new();
        for (name, output) in step.outputs.iter() {
            check_name(self.context, name, "an output");
            match output {
                Output::Template(template) => {
                    self.context.template(template, &view);
                    outputs.push((name.value.clone(), template.clone()));
                }
                Output::Read(reader) => {
                    let message = "a group has no answer to read from";
                    let diagnostic = Diagnostic::new(Code::ConflictingKeys, reader.span, message);
                    let help = "write a template over the steps inside: `${{ steps.ID.outputs.NAME }}`";
                    self.context.report(diagnostic.help(help));
                }
            }
        }
        Group { steps, outputs }
    }

    fn authenticate(&self, written: &Spanned<String>, inside: &Inside<'_>) -> Option<StepKind> {
        let step = inside.step;
        let with = step.with.iter().flat_map(Named::iter);
        with.clone().for_each(|(_, tree)| self.context.tree(tree, &inside.view));
        let provider = self.signed_in_provider(written, "sign in to")?;
        self.context.facts.borrow_mut().needed_sessions.insert(provider.index.0);
        if let Some(method) = &step.method {
            check_method(self.context, method, provider.name, provider.keys, &provider.planned.methods);
        }
        for (name, tree) in with.clone() {
            self.check_given_credential(name, tree, provider);
        }
        let names: Vec<&Spanned<String>> = with.clone().map(|(name, _)| name).collect();
        self.check_method_of_given(&names, step.method.as_ref(), provider);
        Some(StepKind::Authenticate {
            provider: provider.index,
            provider_name: provider.name.to_owned(),
            method: step.method.as_ref().map(|method| method.value.clone()),
            with: with.map(|(name, tree)| (name.value.clone(), tree.clone())).collect(),
        })
    }

    /// A credential that a step gives must be one of the provider.
    fn check_given_credential(&self, name: &Spanned<String>, tree: &Tree, provider: &Provider<'_>) {
        let credentials = &provider.planned.credentials;
        let Some(known) = credentials.iter().find(|known| known.name == name.value) else {
            if !provider.keys.credentials.declares(name) {
                let names: Vec<&str> = credentials.iter().map(|known| known.name.as_str()).collect();
                self.context.report(unknown_credential(name, names.into_iter()));
            }
            return;
        };
        if known.is_secret {
            literal_secret::report_literals(self.context, name, tree);
        }
    }

    /// What a step gives must be asked for by the method, or by one method together where none is chosen.
    fn check_method_of_given(
        &self,
        names: &[&Spanned<String>],
        chosen: Option<&Spanned<String>>,
        provider: &Provider<'_>,
    ) {
        let planned = &provider.planned;
        let is_known = |name: &str| planned.credentials.iter().any(|known| known.name == name);
        let names: Vec<_> = names.iter().filter(|name| is_known(&name.value)).collect();
        let chosen = chosen.map(|method| &method.value).or(planned.method.as_ref());
        let methods = planned.methods.iter();
        let methods: Vec<_> =
            methods.filter(|method| chosen.is_none_or(|name| *name == method.name)).collect();
        let takes = |method: &PlannedMethod, name: &str| planned.takes(method, name);
        if methods.is_empty()
            || methods.iter().any(|method| names.iter().all(|name| takes(method, &name.value)))
        {
            return;
        }
        let strays: Vec<_> =
            names.iter().filter(|name| !methods.iter().any(|method| takes(method, &name.value))).collect();
        for name in &strays {
            let message = match methods[..] {
                [method] => format!("the method `{}` does not ask for `{}`", method.name, name.value),
                _ => format!("no method of `{}` asks for `{}`", provider.name, name.value),
            };
            self.report_stray_credential(name.span, message, &methods);
        }
        if let (true, Some(first)) = (strays.is_empty(), names.first()) {
            let together = join(names.iter().map(|name| name.value.as_str()));
            let message = format!("no method of `{}` asks for all of {together}", provider.name);
            self.report_stray_credential(first.span, message, &methods);
        }
    }

    fn report_stray_credential(&self, span: Span, message: String, methods: &[&PlannedMethod]) {
        let asked = |method: &&PlannedMethod| join(method.used.iter().map(String::as_str));
        let help = match methods {
            [method] => format!("it asks for {}", asked(method)),
            _ => {
                let all =
                    methods.iter().map(|method| format!("`{}` asks for {}", method.name, asked(method)));
                all.collect::<Vec<_>>().join("; ")
            }
        };
        self.context.report(Diagnostic::new(Code::ConflictingKeys, span, message).help(help));
    }

    fn store(&self, target: &Spanned<String>, inside: &Inside<'_>) -> Option<StepKind> {
        let step = inside.step;
        let planned = store::check(self.context, target, self.playbook, self.providers);
        let Some(value) = &step.value else {
            if !self.context.has_key(step.span, "value") {
                let span = self.context.key(step.span, "store");
                let message = "`store` needs to know what to keep: `value`";
                let diagnostic = Diagnostic::new(Code::MissingKey, span, message);
                self.context.report(diagnostic.help("write `value: ${{ steps.ID.outputs.NAME }}`"));
            }
            return None;
        };
        self.context.template(value, &inside.view);
        if value.as_literal().is_some_and(|literal| !literal.is_empty()) {
            literal_secret::report(self.context, value.span(), target);
        }
        Some(StepKind::Store { target: planned?, value: value.clone() })
    }

    /// A provider that one can sign in to.
    fn signed_in_provider(&self, written: &Spanned<String>, what: &str) -> Option<&'p Provider<'p>> {
        let provider = self.providers.named(self.context, written)?;
        if provider.keys.auth.is_none() && !self.context.has_key(provider.keys.span, "auth") {
            let message = format!("there is nothing to {what}: `{}` has no `auth`", written.value);
            self.context.report(Diagnostic::new(Code::InvalidValue, written.span, message));
        }
        Some(provider)
    }

    fn cleanup(&self, step: &Step, key: usize, around: &Around<'_>) -> Vec<PlannedStep> {
        let Some(steps) = &step.cleanup else { return Vec::new() };
        if self.index.is_in_cleanup(around.list) {
            let span = self.context.key(step.span, "cleanup");
            let message = "a step of a cleanup block has no cleanup of its own";
            self.context.report(Diagnostic::new(Code::ConflictingKeys, span, message));
        }
        let block = Around { list: self.index.cleanup_of(key), ..*around };
        self.steps(steps, &block)
    }
}

/// Names that a loop's item must not take.
const ROOTS: [&str; 20] = [
    "inputs",
    "secrets",
    "matrix",
    "run",
    "steps",
    "response",
    "outputs",
    "rows",
    "row_count",
    "row",
    "settings",
    "profile",
    "credentials",
    "session",
    "params",
    "now",
    "today",
    "uuid",
    "range",
    "env",
];

fn kinds_of(step: &Step) -> Vec<(&'static str, Kind)> {
    let others = [
        ("call", step.call.is_some(), Kind::Call),
        ("steps", step.steps.is_some(), Kind::Group),
        ("authenticate", step.authenticate.is_some(), Kind::Authenticate),
        ("logout", step.logout.is_some(), Kind::Logout),
        ("store", step.store.is_some(), Kind::Store),
    ];
    let others =
        others.into_iter().filter(|(_, is_written, _)| *is_written).map(|(key, _, kind)| (key, kind));
    step.request.verbs().map(|(verb, _)| (verb, Kind::Request)).chain(others).collect()
}

fn goes_with(key: &str, kind: Kind, step: &Step) -> bool {
    let has_answer = matches!(kind, Kind::Request | Kind::Call);
    match key {
        "id" | "name" | "if" | "for_each" | "on_error" => true,
        // Two kinds are refused as such.
        _ if STEP_KINDS.contains(&key) => true,
        "with" => matches!(kind, Kind::Call | Kind::Authenticate),
        "method" => kind == Kind::Authenticate,
        "value" => kind == Kind::Store,
        "as" => step.for_each.is_some(),
        "outputs" | "within" | "cleanup" => has_answer || kind == Kind::Group,
        "provider" | "query" | "cookies" => kind == Kind::Request,
        _ if BODIES.contains(&key) => kind == Kind::Request,
        _ => has_answer,
    }
}

fn describe(kind: Kind, step: &Step) -> String {
    let key = kinds_of(step).first().map_or("it", |(key, _)| *key);
    match kind {
        Kind::Group => "a group".to_owned(),
        _ => format!("`{key}`"),
    }
}

fn help_for(key: &str, kind: Kind) -> Option<&'static str> {
    match (key, kind) {
        ("with", Kind::Request) => {
            Some("a request has `query`, `json` or `form`; `with` gives parameters to a `call`")
        }
        ("with", Kind::Store) => Some("`store` keeps `value`"),
        ("provider", Kind::Call) => Some("the name before the dot says which provider"),
        ("query" | "json" | "form" | "multipart" | "text" | "file", Kind::Call) => {
            Some("what an operation sends is in its definition; its parameters stand under `with`")
        }
        ("method", _) => {
            Some("it goes with `authenticate`; or choose the method at the provider, under `providers`")
        }
        ("value", _) => Some("it goes with `store`"),
        (_, Kind::Group) => Some("write it at the steps inside"),
        _ => None,
    }
}
