//! A playbook as a whole.

use super::context::{Context, Facts};
use super::literal_secret;
use super::load::Documents;
use super::names::check_name;
use super::order::StepIndex;
use super::provider::Providers;
use super::request;
use super::schedule;
use super::source::{self, Chain, ChainKind};
use super::step::{Around, Planner};
use super::value::check_declarations;
use super::view::View;
use crate::document::{Named, Playbook};
use crate::plan::{Plan, PlannedInput, PlannedSecret, PlannedStep, StepKind};
use crate::source::{Code, Diagnostic, Span};
use std::collections::HashMap;
use std::path::Path;

/// Checks and plans a playbook. The plan is only whole when nothing was reported.
pub(super) fn plan(context: &Context<'_>, documents: &Documents, playbook: &Playbook) -> Plan {
    check_inputs(context, playbook);
    check_secrets(context, playbook);
    request::check_time(context, playbook.deadline.as_ref());
    let mut providers = Providers::new(context, documents, playbook);
    let index = StepIndex::new(context, playbook);
    let planner = Planner::new(context, playbook, &providers, &index);
    planner.check_defaults();
    let mut steps = planner.steps(&playbook.steps, &Around::at(index.work()));
    let block = playbook.cleanup.as_ref();
    let mut cleanup = block.map_or_else(Vec::new, |block| planner.steps(block, &Around::at(index.cleanup())));
    let step_count = index.len();
    let facts = context.facts.take();
    apply_to_steps(&mut steps, &facts);
    apply_to_steps(&mut cleanup, &facts);
    providers.need_sessions(&facts);
    let file_stem =
        || Path::new(&documents.file_name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Plan {
        name: playbook.name.clone().or_else(file_stem).unwrap_or_default(),
        description: playbook.description.clone(),
        file: documents.file_name.clone(),
        folder: documents.folder.clone(),
        inputs: planned_inputs(playbook),
        secrets: planned_secrets(playbook, &facts),
        providers: providers.into_planned(),
        steps,
        cleanup,
        step_count,
        deadline: playbook.deadline.as_ref().map(|deadline| deadline.value.0),
        schedule: playbook.schedule.as_ref().map(|schedule| schedule::plan(context, schedule)),
    }
}

fn check_inputs(context: &Context<'_>, playbook: &Playbook) {
    check_declarations(context, playbook.inputs.iter(), "an input");
    let mut variables: HashMap<String, Span> = HashMap::new();
    for (name, declaration) in playbook.inputs.iter() {
        if let Some(first) = variables.insert(name.to_ascii_uppercase(), name.span) {
            let message = format!("`{}` differs only in case from another input", name.value);
            let diagnostic =
                Diagnostic::new(Code::DuplicateName, name.span, message).also(first, "the other one");
            context.report(diagnostic.help("both would come from the same variable `RUNNER_INPUT_...`"));
        }
        for literal in declaration.default.iter().chain(declaration.choices.iter().flatten()) {
            if literal.value.as_str().is_some_and(|text| literal_secret::is_literal_secret(name, text)) {
                literal_secret::report(context, literal.span, name);
            }
        }
    }
}

fn check_secrets(context: &Context<'_>, playbook: &Playbook) {
    let view = View { place: Some("a source"), inputs: Some(&playbook.inputs), ..View::default() };
    for (name, secret) in playbook.secrets.iter() {
        check_name(context, name, "a secret");
        let chain = Chain {
            name,
            kind: ChainKind::OwnSecret,
            siblings: playbook.secrets.names().collect(),
            declares: &|name| playbook.secrets.declares(name),
            is_secret: true,
            is_built_in: false,
            span: secret.span,
        };
        source::check(context, &chain, &secret.from, &view);
    }
    source::check_circles(context, &playbook.secrets, |secret| &secret.from);
}

fn planned_inputs(playbook: &Playbook) -> Vec<PlannedInput> {
    let planned = playbook.inputs.iter().map(|(name, declaration)| PlannedInput {
        name: name.value.clone(),
        declaration: declaration.clone(),
        span: name.span,
    });
    planned.collect()
}

fn planned_secrets(playbook: &Playbook, facts: &Facts) -> Vec<PlannedSecret> {
    let planned = Named::iter(&playbook.secrets).map(|(name, secret)| PlannedSecret {
        name: name.value.clone(),
        sources: secret.from.clone(),
        is_one_time: secret.one_time == Some(true),
        is_used: facts.used_secrets.contains(&name.value),
        span: name.span,
    });
    planned.collect()
}

/// What later steps do with the rows of earlier ones is known at the end only.
fn apply_to_steps(steps: &mut [PlannedStep], facts: &Facts) {
    for step in steps {
        match &mut step.kind {
            StepKind::Request(request) => {
                let is_kept = facts.kept_rows.contains(&step.key.0);
                request.rows.are_kept |= is_kept;
                request.rows.are_read |= is_kept || facts.counted_rows.contains(&step.key.0);
            }
            StepKind::Group(group) => apply_to_steps(&mut group.steps, facts),
            StepKind::Authenticate { .. } | StepKind::Logout { .. } | StepKind::Store { .. } => {}
        }
        apply_to_steps(&mut step.cleanup, facts);
    }
}
