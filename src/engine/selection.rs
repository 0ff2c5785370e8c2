use crate::plan::{Plan, PlannedStep, StepKey, StepKind};
use crate::source::nearest;
use std::collections::HashSet;
use thiserror::Error;

/// The steps of the playbook that a run does: all, or those that `--only` and `--from` choose. Cleanup is not chosen from.
#[derive(Debug, Clone, Default)]
pub struct Selection(Option<HashSet<StepKey>>);

/// No step at the top of the playbook has this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no step at the top of the playbook is called `{name}`{}", suggestion(.nearest))]
pub struct UnknownStep {
    /// The name that was given.
    pub name: String,
    /// The name that was probably meant.
    pub nearest: Option<String>,
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl Selection {
    /// Chooses steps by id, else by what reports call them: these (`only`; empty = all), from one on (`from`).
    ///
    /// # Errors
    /// [`UnknownStep`]
    pub fn of(plan: &Plan, only: &[String], from: Option<&str>) -> Result<Self, UnknownStep> {
        if only.is_empty() && from.is_none() {
            return Ok(Self::default());
        }
        let first = from.map_or(Ok(0), |name| position(plan, name))?;
        let only = only.iter().map(|name| position(plan, name)).collect::<Result<HashSet<_>, _>>()?;
        let mut keys = HashSet::new();
        for (index, step) in plan.steps.iter().enumerate().skip(first) {
            if only.is_empty() || only.contains(&index) {
                add(step, &mut keys);
            }
        }
        Ok(Self(Some(keys)))
    }

    /// Whether the run does a step.
    pub fn contains(&self, key: StepKey) -> bool {
        self.0.as_ref().is_none_or(|keys| keys.contains(&key))
    }
}

fn position(plan: &Plan, name: &str) -> Result<usize, UnknownStep> {
    let by_id = plan.steps.iter().position(|step| step.id.as_deref() == Some(name));
    let by_label =
        || plan.steps.iter().position(|step| step.label() == name || step.name.as_deref() == Some(name));
    by_id.or_else(by_label).ok_or_else(|| {
        let labels: Vec<String> = plan.steps.iter().map(PlannedStep::label).collect();
        let nearest = nearest(name, labels.iter().map(String::as_str)).map(str::to_owned);
        UnknownStep { name: name.to_owned(), nearest }
    })
}

fn add(step: &PlannedStep, keys: &mut HashSet<StepKey>) {
    keys.insert(step.key);
    if let StepKind::Group(group) = &step.kind {
        group.steps.iter().for_each(|inner| add(inner, keys));
    }
}
