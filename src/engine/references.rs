//! What the templates of a step read: which secrets it uses, which steps it builds upon, which providers it signs in to.

use crate::document::{Field, Named, Output, Part, Tree};
use crate::plan::{PlannedBody, PlannedRequest, PlannedStep, Scoped, StepKind, StoreTarget, TemplateScope};
use crate::template::{Expression, Reference, Template};
use std::collections::BTreeSet;

/// The expressions of a step that see the playbook's names, without those of the steps inside it and of its cleanup.
pub fn own_expressions(step: &PlannedStep) -> Vec<&Expression> {
    let mut found = Found(Vec::new());
    found.0.extend(step.condition.as_ref().map(|condition| condition.expression()));
    if let Some(repeated) = &step.for_each {
        found.tree(&repeated.over);
    }
    match &step.kind {
        StepKind::Request(request) => found.request(request),
        StepKind::Group(group) => group.outputs.iter().for_each(|(_, template)| found.template(template)),
        StepKind::Authenticate { with, .. } => with.iter().for_each(|(_, tree)| found.tree(tree)),
        StepKind::Logout { .. } => {}
        StepKind::Store { value, .. } => found.template(value),
    }
    found.0
}

/// Whether what some expressions yield depends on the time or on chance.
pub fn asks_for_moment(expressions: &[&Expression]) -> bool {
    let functions = ["now", "today", "uuid"];
    expressions.iter().any(|expression| functions.iter().any(|name| expression.code().contains(name)))
}

/// The steps inside a step and those of its cleanup.
fn inner_steps(step: &PlannedStep) -> Vec<&PlannedStep> {
    let group = match &step.kind {
        StepKind::Group(group) => group.steps.as_slice(),
        _ => &[],
    };
    group.iter().chain(&step.cleanup).collect()
}

/// The first of these steps, at any depth, that keeps a secret if all goes well, whatever the answers are.
pub fn certain_store<'a>(
    steps: impl IntoIterator<Item = &'a PlannedStep>,
) -> Option<(&'a PlannedStep, &'a StoreTarget)> {
    let certain = steps.into_iter().filter(|step| step.condition.is_none() && step.for_each.is_none());
    certain.into_iter().find_map(|step| match &step.kind {
        StepKind::Store { target, .. } => Some((step, target)),
        _ => certain_store(inner_steps(step)),
    })
}

/// The second name behind `root` in each expression: `password` in `secrets.password`.
pub fn names_below<'a>(root: &str, expressions: &[&'a Expression]) -> BTreeSet<&'a str> {
    let references = expressions.iter().flat_map(|expression| expression.references());
    references
        .filter(|reference| reference.name(0) == Some(root))
        .filter_map(|reference| reference.name(1))
        .collect()
}

/// Where expressions read what steps brought: outputs, rows or their count.
pub fn reads_of_steps<'a>(
    expressions: impl IntoIterator<Item = &'a Expression>,
) -> impl Iterator<Item = &'a Reference> {
    let references = expressions.into_iter().flat_map(|expression| expression.references());
    references
        .filter(|reference| reference.name(0) == Some("steps"))
        .filter(|reference| matches!(reference.name(2), Some("outputs" | "rows" | "row_count")))
}

/// The steps of which a step reads what they brought.
pub fn steps_built_upon(step: &PlannedStep) -> BTreeSet<&str> {
    reads_of_steps(own_expressions(step)).filter_map(|reference| reference.name(1)).collect()
}

/// As [`steps_built_upon`], with what the steps inside it read.
pub fn steps_built_upon_inside(step: &PlannedStep) -> BTreeSet<&str> {
    let inner = inner_steps(step).into_iter().flat_map(steps_built_upon_inside);
    steps_built_upon(step).into_iter().chain(inner).collect()
}

/// The secrets of the playbook that these steps read, those inside them and of their cleanup included.
pub fn secrets_read<'a>(steps: impl IntoIterator<Item = &'a PlannedStep>) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    for step in steps {
        secrets.extend(names_below("secrets", &own_expressions(step)).into_iter().map(str::to_owned));
        secrets.extend(secrets_read(inner_steps(step)));
    }
    secrets
}

struct Found<'a>(Vec<&'a Expression>);

impl<'a> Found<'a> {
    fn template(&mut self, template: &'a Template) {
        self.0.extend(template.expressions());
    }

    fn tree(&mut self, tree: &'a Tree) {
        tree.templates().into_iter().for_each(|template| self.template(template));
    }

    fn trees(&mut self, trees: &'a Named<Tree>) {
        trees.iter().for_each(|(_, tree)| self.tree(tree));
    }

    fn request(&mut self, request: &'a PlannedRequest) {
        let call = request.operation.iter();
        call.flat_map(|call| &call.params)
            .filter_map(|param| param.value.as_ref())
            .for_each(|tree| self.tree(tree));
        if request.scope == TemplateScope::Playbook {
            self.what_is_sent(request);
        }
        for headers in of_playbook(&request.headers) {
            headers.iter().for_each(|(_, template)| self.template(template));
        }
        self.0.extend(of_playbook(&request.that).map(|condition| condition.expression()));
        self.0.extend(request.until.iter().map(|until| until.condition.expression()));
        let key = request.idempotency.iter().map(|idempotency| &idempotency.key);
        key.filter(|key| key.scope == TemplateScope::Playbook).for_each(|key| self.template(&key.value));
        if let Some(verify) = &request.verify {
            self.request(&verify.request);
            self.0.push(verify.done.expression());
        }
        for output in &request.outputs {
            if let Output::Template(template) = &output.output {
                self.template(template);
            }
        }
        if let Some(save) = &request.save {
            self.template(&save.file);
            for (_, field) in save.fields.iter() {
                if let Field::Template(template) = field {
                    self.template(template);
                }
            }
        }
    }

    fn what_is_sent(&mut self, request: &'a PlannedRequest) {
        self.template(request.path.template());
        self.trees(&request.query);
        request.cookies.iter().for_each(|(_, template)| self.template(template));
        match &request.body {
            PlannedBody::Empty => {}
            PlannedBody::Json(tree) => self.tree(tree),
            PlannedBody::Form(trees) => self.trees(trees),
            PlannedBody::Multipart(parts) => parts.iter().for_each(|(_, part)| self.part(part)),
            PlannedBody::Text(template) | PlannedBody::File(template) => self.template(template),
        }
    }

    fn part(&mut self, part: &'a Part) {
        match part {
            Part::Value(template) => self.template(template),
            Part::File(file) => {
                self.template(&file.file);
                file.media_type.iter().for_each(|template| self.template(template));
            }
        }
    }
}

fn of_playbook<T>(scoped: &[Scoped<T>]) -> impl Iterator<Item = &T> {
    scoped.iter().filter(|scoped| scoped.scope == TemplateScope::Playbook).map(|scoped| &scoped.value)
}
