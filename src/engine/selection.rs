use super::references::{own_expressions, reads_of_steps};
use crate::model::words::shell_quoted;
use crate::plan::{Plan, PlannedStep, StepKey, StepKind};
use crate::source::nearest;
use std::collections::{BTreeSet, HashSet};
use thiserror::Error;

/// The steps of the playbook that a run does: all, or those that `--only` and `--from` choose. Cleanup is not chosen from.
#[derive(Debug, Clone, Default)]
pub struct Selection(Option<HashSet<StepKey>>);

/// Steps cannot be chosen so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// No step at the top of the playbook has this name.
    #[error("no step at the top of the playbook is called `{name}`{}", suggestion(.nearest))]
    Unknown {
        /// The name that was given.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// Steps read what steps would bring that are left out.
    #[error(
        "{reads}, which no chosen step brings; {remedy}, or write `... | default(...)` where it may be missing"
    )]
    LeftOut {
        /// Which step reads what: ``list` reads `steps.issue.outputs.token``.
        reads: String,
        /// How all that is needed is chosen.
        remedy: String,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl Selection {
    /// Chooses steps by id, else by what reports call them: these (`only`; empty = all), from one on (`from`).
    ///
    /// # Errors
    /// [`SelectionError`]
    pub fn of(plan: &Plan, only: &[String], from: Option<&str>) -> Result<Self, SelectionError> {
        if only.is_empty() && from.is_none() {
            return Ok(Self::default());
        }
        let first = from.map_or(Ok(0), |name| position(plan, name))?;
        let only = only.iter().map(|name| position(plan, name)).collect::<Result<BTreeSet<_>, _>>()?;
        let is_chosen = |index: &usize| *index >= first && (only.is_empty() || only.contains(index));
        let chosen: BTreeSet<usize> = (0..plan.steps.len()).filter(is_chosen).collect();
        refuse_gaps(plan, &chosen, !only.is_empty())?;
        let mut keys = HashSet::new();
        chosen.into_iter().for_each(|index| add(&plan.steps[index], &mut keys));
        Ok(Self(Some(keys)))
    }

    /// Whether the run does a step.
    pub fn contains(&self, key: StepKey) -> bool {
        self.0.as_ref().is_none_or(|keys| keys.contains(&key))
    }
}

fn position(plan: &Plan, name: &str) -> Result<usize, SelectionError> {
    let by_id = plan.steps.iter().position(|step| step.id.as_deref() == Some(name));
    let by_label =
        || plan.steps.iter().position(|step| step.label() == name || step.name.as_deref() == Some(name));
    by_id.or_else(by_label).ok_or_else(|| {
        let labels: Vec<String> = plan.steps.iter().map(PlannedStep::label).collect();
        let nearest = nearest(name, labels.iter().map(String::as_str)).map(str::to_owned);
        SelectionError::Unknown { name: name.to_owned(), nearest }
    })
}

/// Refuses a choice in which a step reads what only a step that is left out would bring: it would read null, and null
/// leaves keys out of what is sent.
fn refuse_gaps(plan: &Plan, chosen: &BTreeSet<usize>, is_by_name: bool) -> Result<(), SelectionError> {
    let mut needed = chosen.clone();
    let mut reads = Vec::new();
    let mut waiting: Vec<usize> = chosen.iter().copied().collect();
    while let Some(index) = waiting.pop() {
        for (path, base) in gaps(plan, &plan.steps[index], &[]) {
            if chosen.contains(&index) && !chosen.contains(&base) {
                reads.push((index, path));
            }
            if needed.insert(base) {
                waiting.push(base);
            }
        }
    }
    if reads.is_empty() {
        return Ok(());
    }
    reads.sort();
    reads.dedup();
    let reads =
        reads.into_iter().map(|(index, path)| format!("`{}` reads `{path}`", plan.steps[index].label()));
    let missing = needed.difference(chosen).map(|index| plan.steps[*index].label());
    let remedy = match is_by_name {
        true => {
            let options = missing.map(|label| format!("`--only {}`", shell_quoted(&label)));
            format!("add {}", options.collect::<Vec<_>>().join(" "))
        }
        false => format!("start with `--from {}`", shell_quoted(&missing.take(1).collect::<String>())),
    };
    Err(SelectionError::LeftOut { reads: reads.collect::<Vec<_>>().join(", "), remedy })
}

/// What a step and those inside it read of steps at the top of the playbook, and where these stand. What is guarded, by
/// `default` or by asking whether the step has succeeded, is meant to be missing at times.
fn gaps(plan: &Plan, step: &PlannedStep, guards: &[&str]) -> Vec<(String, usize)> {
    let condition = step.condition.iter().flat_map(|condition| condition.expression().asked_steps());
    let guards: Vec<&str> = guards.iter().copied().chain(condition.map(String::as_str)).collect();
    let mut gaps = Vec::new();
    for read in reads_of_steps(own_expressions(step)).filter(|read| !read.is_defaulted) {
        let Some(base) = read.name(1) else { continue };
        if guards.contains(&base) || read.asked_steps.iter().any(|asked| asked == base) {
            continue;
        }
        let place = plan.steps.iter().position(|step| step.id.as_deref() == Some(base));
        gaps.extend(place.map(|place| (read.path(), place)));
    }
    if let StepKind::Group(group) = &step.kind {
        gaps.extend(group.steps.iter().flat_map(|inner| self::gaps(plan, inner, &guards)));
    }
    gaps
}

fn add(step: &PlannedStep, keys: &mut HashSet<StepKey>) {
    keys.insert(step.key);
    if let StepKind::Group(group) = &step.kind {
        group.steps.iter().for_each(|inner| add(inner, keys));
    }
}
