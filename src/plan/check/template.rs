//! Holds expressions against what their place may read, and against the filters, tests and functions that
//! there are.

use super::context::Context;
use super::names::join;
use super::order::StepReference;
use super::spot::Spot;
use super::view::{LoopName, OwnOutputs, Session, View};
use crate::document::{Named, Output, Tree, TreeKind, ValueKeys, ValueType, declared_type};
use crate::source::{Code, Diagnostic, Span, nearest};
use crate::template::{
    Call, CallKind, Condition, Expression, FILTERS, FUNCTIONS, Reference, Segment, Signature, TESTS, Template,
};
use serde_json::Value;

impl Context<'_> {
    /// Checks every expression of a text.
    pub fn template(&self, template: &Template, view: &View<'_>) {
        template.expressions().for_each(|expression| self.expression(expression, view));
    }

    /// Checks every template of a tree.
    pub fn tree(&self, tree: &Tree, view: &View<'_>) {
        match &tree.kind {
            TreeKind::Literal(_) => {}
            TreeKind::Template(template) => self.template(template, view),
            TreeKind::List(items) => items.iter().for_each(|item| self.tree(item, view)),
            TreeKind::Map(entries) => entries.iter().for_each(|(_, value)| self.tree(value, view)),
        }
    }

    /// Checks a condition, and that it is one.
    pub fn condition(&self, condition: &Condition, view: &View<'_>) {
        let expression = condition.expression();
        self.expression(expression, view);
        let (what, label) = match expression.constant() {
            Some(Value::Number(_)) => ("a number", "compare it, as in `row_count > 0`".to_owned()),
            Some(Value::String(_)) => ("a text", "compare it, as in `inputs.mode == \"fast\"`".to_owned()),
            _ => match expression.as_reference().filter(|reference| is_number(reference, view)) {
                Some(reference) if reference.segments.last().is_some_and(|last| last.name == "status") => {
                    ("a number", format!("write `{} == 200`", reference.path()))
                }
                Some(reference) => ("a number", format!("write `{} > 0`", reference.path())),
                None => return,
            },
        };
        let message = format!("{what} is no condition");
        self.report(Diagnostic::new(Code::NotACondition, expression.span(), message).label(label));
    }

    fn expression(&self, expression: &Expression, view: &View<'_>) {
        for reference in expression.references() {
            self.reference(expression, reference, view);
        }
        for call in expression.calls() {
            self.call(expression, call);
        }
        for filter in expression.stray_bytes() {
            let span = expression.place(filter.clone());
            let name = self.files.sources.snippet(span);
            let message = format!("`{name}` yields bytes, which are no text");
            let diagnostic = Diagnostic::new(Code::InvalidValue, span, message);
            self.report(diagnostic.label("add `| hex` or `| b64encode`"));
        }
    }

    fn reference(&self, expression: &Expression, reference: &Reference, view: &View<'_>) {
        let Some(root) = reference.segments.first() else { return };
        let spot = Spot { context: self, expression, reference };
        if view.loops.is_some_and(|loops| loops.all().any(|item| item.name == root.name)) {
            return;
        }
        match (root.name.as_str(), view) {
            ("inputs", View { inputs: Some(inputs), .. }) => {
                spot.member(inputs, Code::UnknownInput, "the playbook has no input")
            }
            ("secrets", View { secrets: Some(secrets), .. }) => {
                spot.only_member(secrets, Code::UnknownSecret, "the playbook has no secret");
                self.facts.borrow_mut().used_secrets.extend(reference.name(1).map(str::to_owned));
            }
            ("run", View { run: true, .. }) => spot.run(view),
            ("steps", View { steps: Some(place), .. }) => {
                StepReference { spot: &spot, place }.check();
            }
            ("response", View { response: true, .. }) => spot.one_of(&["status", "headers", "body"]),
            ("outputs", View { outputs: Some(outputs), .. }) => spot.own_output(outputs),
            ("rows" | "row_count", View { rows: Some(key), .. }) => {
                let mut facts = self.facts.borrow_mut();
                let rows = if root.name == "rows" { &mut facts.kept_rows } else { &mut facts.counted_rows };
                rows.extend(*key);
            }
            ("row", View { row: true, .. }) | ("profile", View { profile: true, .. }) => {}
            ("settings", View { settings: Some(settings), .. }) => {
                spot.member(settings, Code::UnknownSetting, "the provider has no setting");
                let read = (expression.span(), reference.name(1).map(str::to_owned));
                self.facts.borrow_mut().read_settings.push(read);
            }
            ("credentials", View { credentials: Some(credentials), .. }) => {
                spot.only_member(credentials, Code::UnknownCredential, "the provider has no credential");
            }
            ("session", View { session: Session::Open(values), .. }) => {
                spot.only_member(values, Code::UnknownSessionValue, "the session has no value");
            }
            ("session", View { session: Session::Unreadable, .. }) => {}
            ("session", View { session: Session::Absent(reason), .. }) => {
                spot.report(root, Code::UnknownName, "`session` cannot be read here".to_owned(), |it| {
                    it.help(*reason)
                });
            }
            ("params", View { params: Some(params), .. }) => {
                spot.member(params, Code::UnknownParameter, "the operation has no parameter");
            }
            _ => spot.unknown_root(root, view),
        }
    }

    fn call(&self, expression: &Expression, call: &Call) {
        let (known, code, kind): (&[Signature], _, _) = match call.kind {
            CallKind::Filter => (FILTERS, Code::UnknownFilter, "filter"),
            CallKind::Test => (TESTS, Code::UnknownTest, "test"),
            CallKind::Function => (FUNCTIONS, Code::UnknownFunction, "function"),
            CallKind::Method => return self.method_call(expression, call),
        };
        let Some(signature) = known.iter().find(|signature| signature.name == call.name) else {
            let span = expression.place(call.range.clone());
            return self.report(unknown_call(span, code, kind, &call.name, known));
        };
        self.arguments(expression, call, kind, signature);
        if call.kind == CallKind::Filter {
            self.names_in_arguments(expression, call);
        }
    }

    fn method_call(&self, expression: &Expression, call: &Call) {
        let span = expression.place(call.range.clone());
        let filter = FILTERS.iter().find(|filter| filter.name == call.name);
        let diagnostic = Diagnostic::new(Code::UnknownFunction, span, "values have no methods");
        self.report(match filter {
            Some(filter) => diagnostic.label(format!("`{}` is a filter: `value | {0}`", filter.name)),
            None => diagnostic.help("a filter changes a value: `value | upper`"),
        });
    }

    fn arguments(&self, expression: &Expression, call: &Call, kind: &str, signature: &Signature) {
        let place = || expression.place(call.range.clone());
        if call.positional > signature.max || !signature.has_enough(call.positional, &call.keywords) {
            let message =
                format!("the {kind} `{}` takes {}, not {}", call.name, counted(signature), call.positional);
            self.report(Diagnostic::new(Code::WrongArguments, place(), message));
        }
        for keyword in &call.keywords {
            if !signature.keywords.contains(&keyword.as_str()) {
                let message = format!("the {kind} `{}` has no argument `{keyword}`", call.name);
                let diagnostic = Diagnostic::new(Code::WrongArguments, place(), message);
                self.report(match nearest(keyword, signature.keywords.iter().copied()) {
                    None if !signature.keywords.is_empty() => {
                        diagnostic.help(format!("it has {}", join(signature.keywords.iter().copied())))
                    }
                    near => diagnostic.did_you_mean(near),
                });
            }
        }
    }

    /// `map("upper")` names a filter, `select("odd")` and `selectattr("id", "eq", 1)` name a test.
    fn names_in_arguments(&self, expression: &Expression, call: &Call) {
        let (position, known, code, kind) = match call.name.as_str() {
            "map" if call.keywords.is_empty() => (0, FILTERS, Code::UnknownFilter, "filter"),
            "select" | "reject" => (0, TESTS, Code::UnknownTest, "test"),
            "selectattr" | "rejectattr" => (1, TESTS, Code::UnknownTest, "test"),
            _ => return,
        };
        let Some(Some(name)) = call.texts.get(position) else { return };
        if known.iter().all(|signature| signature.name != name.name) {
            let span = expression.place(name.range.clone());
            self.report(unknown_call(span, code, kind, &name.name, known));
        }
    }
}

fn unknown_call(span: Span, code: Code, kind: &str, name: &str, known: &[Signature]) -> Diagnostic {
    let diagnostic = Diagnostic::new(code, span, format!("there is no {kind} `{name}`"));
    let names = || known.iter().map(|signature| signature.name);
    match nearest(name, names()) {
        None if known.len() < 8 => diagnostic.help(format!("there are {}", join(names()))),
        near => diagnostic.did_you_mean(near),
    }
}

fn counted(signature: &Signature) -> String {
    let plural = |count| if count == 1 { "argument" } else { "arguments" };
    match (signature.min, signature.max) {
        (0, 0) => "no positional argument".to_owned(),
        (min, max) if min == max => format!("{min} {}", plural(min)),
        (min, usize::MAX) => format!("at least {min} {}", plural(min)),
        (min, max) => format!("{min} to {max} arguments"),
    }
}

/// Whether a name always stands for a number, which is no condition.
fn is_number(reference: &Reference, view: &View<'_>) -> bool {
    let names: Vec<&str> = reference.segments.iter().map(|segment| segment.name.as_str()).collect();
    let is_declared_number = |values: Option<&Named<ValueKeys>>, name: &str| {
        let declared = values.and_then(|values| values.get(name)).map(declared_type);
        matches!(declared, Some(ValueType::Integer | ValueType::Number))
    };
    match names[..] {
        ["row_count"] => view.rows.is_some(),
        ["response", "status"] => view.response,
        ["steps", _, "row_count" | "status"] => view.steps.is_some(),
        ["inputs", name] => is_declared_number(view.inputs, name),
        ["params", name] => is_declared_number(view.params, name),
        _ => false,
    }
}

impl Spot<'_> {
    /// The second name is one that was declared. `lack` begins the message: "the playbook has no input".
    fn member<T>(&self, declared: &Named<T>, code: Code, lack: &str) {
        let Some(name) = self.reference.segments.get(1) else { return };
        if declared.declares(&name.name) {
            return;
        }
        let message = format!("{lack} `{}`", name.name);
        self.report(name, code, message, |it| match self.context.nearest(&name.name, declared.names()) {
            None if declared.is_empty() => it.help(format!("{lack} at all")),
            None if declared.len() > 40 => it.help(format!("it has {} others", declared.len())),
            None => it.help(format!("it has {}", join(declared.names()))),
            near => it.did_you_mean(near),
        });
    }

    /// As [`Spot::member`], where values are fetched by their names: the whole of them is no value.
    fn only_member<T>(&self, declared: &Named<T>, code: Code, lack: &str) {
        let [root] = self.reference.segments.as_slice() else { return self.member(declared, code, lack) };
        let message = format!("`{}` is no value of its own", root.name);
        let help = format!("name the one that is meant: `{}.NAME`", root.name);
        self.report(root, Code::UnknownName, message, |it| it.help(help));
    }

    /// The second name is one of these.
    fn one_of(&self, names: &[&str]) {
        let Some(name) = self.reference.segments.get(1) else { return };
        if names.contains(&name.name.as_str()) {
            return;
        }
        let root = &self.reference.segments[0].name;
        let message = format!("`{root}` has no `{}`", name.name);
        self.report(name, Code::UnknownName, message, |it| {
            match nearest(&name.name, names.iter().copied()) {
                None => it.help(format!("it has {}", join(names.iter().copied()))),
                near => it.did_you_mean(near),
            }
        });
    }

    fn run(&self, view: &View<'_>) {
        let is_cleanup = view.steps.is_some_and(|place| place.index.is_in_cleanup(place.list));
        match (self.reference.segments.get(1), is_cleanup) {
            (Some(name), false) if name.name == "failed" => {
                let message = "whether the run has failed is known in `cleanup` only".to_owned();
                self.report(name, Code::UnknownName, message, |it| it);
            }
            (_, true) => self.one_of(&["id", "started_at", "failed"]),
            (_, false) => self.one_of(&["id", "started_at"]),
        }
    }

    /// An output of the step at hand. While one is computed, only those above it are there.
    fn own_output(&self, outputs: &OwnOutputs<'_>) {
        self.member(outputs.declared, Code::UnknownOutput, "this step has no output");
        let (Some(name), Some(computing)) = (self.reference.segments.get(1), outputs.computing) else {
            return;
        };
        let Some(read) = outputs.declared.names().position(|declared| declared == name.name) else { return };
        if read < computing {
            return;
        }
        let computed = outputs.declared.names().nth(computing).unwrap_or_default();
        if leads_to(outputs.declared, read, computing) {
            let message = format!("the output `{computed}` is computed from itself");
            self.report(name, Code::Cycle, message, |it| it);
        } else {
            let message = format!("the output `{}` is not there yet", name.name);
            let help = format!("outputs are computed from top to bottom: move `{computed}` below it");
            self.report(name, Code::UsedTooEarly, message, |it| it.help(help));
        }
    }

    fn unknown_root(&self, root: &Segment, view: &View<'_>) {
        let name = root.name.as_str();
        let seen = view.roots();
        if matches!(name, "null" | "nil" | "None") {
            let message = format!("`{name}` is not the word for nothing");
            return self.report(root, Code::UnknownName, message, |it| it.did_you_mean(Some("none")));
        }
        if name == "matrix" {
            if self.context.files.roots.values().any(|root| root.get("matrix").is_some()) {
                return;
            }
            let message = "`matrix` is not supported yet".to_owned();
            return self.report(root, Code::NotSupportedYet, message, |it| it);
        }
        if FUNCTIONS.iter().any(|function| function.name == name) {
            let message = format!("`{name}` is a function");
            return self.report(root, Code::UnknownName, message, |it| it.label(format!("write `{name}()`")));
        }
        if let Some(reason) = elsewhere(name) {
            let message = format!("`{name}` cannot be read here");
            return self.report(root, Code::UnknownName, message, |it| match view.place {
                Some(place) => it.help(format!("{place} sees {} only", join(seen))),
                None => it.help(reason),
            });
        }
        let message = format!("there is no name `{name}`");
        let qualified = qualified(name, view);
        self.report(root, Code::UnknownName, message, |it| match nearest(name, seen.iter().copied()) {
            _ if qualified.is_some() => it.did_you_mean(qualified.as_deref()),
            None if seen.is_empty() => it.help("no names can be read here"),
            None => it.help(format!("here one can read {}; text stands in quotes", join(seen))),
            near => it.did_you_mean(near),
        });
    }
}

/// Whether the output at `from` is computed, by whatever way, from the one at `to`.
fn leads_to(outputs: &Named<Output>, from: usize, to: usize) -> bool {
    let names: Vec<&str> = outputs.names().collect();
    let mut seen = vec![false; names.len()];
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if std::mem::replace(&mut seen[at], true) {
            continue;
        }
        let Some(Output::Template(template)) = outputs.get(names[at]) else { continue };
        let references = template.expressions().flat_map(Expression::references);
        let own = references.filter(|reference| reference.name(0) == Some("outputs"));
        open.extend(
            own.filter_map(|reference| names.iter().position(|name| reference.name(1) == Some(name))),
        );
    }
    false
}

/// A name that was written without what it hangs below: `days` for `inputs.days`.
fn qualified(name: &str, view: &View<'_>) -> Option<String> {
    let declares =
        |values: Option<&Named<ValueKeys>>| values.is_some_and(|values| values.get(name).is_some());
    let loops = || view.loops.map(LoopName::all).into_iter().flatten();
    if loops().any(|item| item.name == name) {
        return None;
    }
    let found = [
        ("inputs", declares(view.inputs)),
        ("params", declares(view.params)),
        ("settings", view.settings.is_some_and(|settings| settings.get(name).is_some())),
        ("credentials", view.credentials.is_some_and(|credentials| credentials.get(name).is_some())),
        ("session", matches!(view.session, Session::Open(values) if values.get(name).is_some())),
        ("secrets", view.secrets.is_some_and(|secrets| secrets.get(name).is_some())),
        ("outputs", view.outputs.is_some_and(|outputs| outputs.declared.get(name).is_some())),
        ("steps", view.steps.is_some_and(|place| place.index.has_id(name))),
    ];
    found.into_iter().find(|(_, is_there)| *is_there).map(|(root, _)| format!("{root}.{name}"))
}

/// Where a name can be read that exists, but not here.
fn elsewhere(root: &str) -> Option<&'static str> {
    Some(match root {
        "inputs" | "secrets" | "run" | "steps" => {
            "it is the playbook's: a definition sees `settings` and `profile`, and an operation its `params`"
        }
        "response" => "there is no answer here yet; `expect.that` and `outputs` read one",
        "outputs" | "rows" | "row_count" => {
            "a step reads its own in `expect.that` and `outputs`; those of another step are \
             `steps.ID.outputs.NAME`, `steps.ID.rows` and `steps.ID.row_count`"
        }
        "settings" | "profile" => "it is the definition's; a playbook has `inputs`",
        "credentials" => "only what stands under `auth` reads credentials",
        "session" => "only the definition of a provider reads its session",
        "params" => "only an operation has `params`",
        "row" => "only `save.fields` reads a row",
        "item" => "an `item` is there inside of a `for_each`; with `as` it has another name",
        "env" => {
            "environment variables are read by a source: `secrets: { key: { from: [{ env: NAME }] } }`, or \
             as an input from `RUNNER_INPUT_NAME`"
        }
        _ => return None,
    })
}
