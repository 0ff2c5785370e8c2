//! The places of steps in a run, by which a journal knows them.

use super::stage::Stage;
use crate::plan::{Plan, PlannedStep, StepKey, StepKind};
use crate::port::Place;
use std::collections::HashMap;

/// What each step is called in its list: its label, with a number behind it where an earlier one has the same. Other steps
/// may come and go around it without changing that.
pub struct Places(HashMap<StepKey, String>);

impl Places {
    /// The places of all steps of a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut places = Self(HashMap::with_capacity(plan.step_count));
        places.add(&plan.steps);
        places.add(&plan.cleanup);
        places
    }

    fn add(&mut self, steps: &[PlannedStep]) {
        let mut seen: HashMap<String, u32> = HashMap::new();
        for step in steps {
            let label = step.label();
            let count = seen.entry(label.clone()).or_default();
            *count += 1;
            let name = if *count == 1 { label } else { format!("{label} ({count})") };
            self.0.insert(step.key, name);
            if let StepKind::Group(group) = &step.kind {
                self.add(&group.steps);
            }
            self.add(&step.cleanup);
        }
    }

    /// The step at a place, whichever item it is for.
    pub fn find<'p>(&self, plan: &'p Plan, place: &Place) -> Option<&'p PlannedStep> {
        let wanted = place.of_all_items();
        self.find_in(&plan.steps, "", &wanted).or_else(|| self.find_in(&plan.cleanup, "cleanup/", &wanted))
    }

    fn find_in<'p>(&self, steps: &'p [PlannedStep], within: &str, wanted: &str) -> Option<&'p PlannedStep> {
        steps.iter().find_map(|step| {
            let path = format!("{within}{}", self.0.get(&step.key)?);
            if Place(path.clone()).of_all_items() == wanted {
                return Some(step);
            }
            let inner = match &step.kind {
                StepKind::Group(group) => self.find_in(&group.steps, &format!("{path}/"), wanted),
                _ => None,
            };
            inner.or_else(|| self.find_in(&step.cleanup, &format!("{path}/cleanup/"), wanted))
        })
    }

    /// The place of a step: `each[3]/create`.
    pub fn of_step(&self, step: &PlannedStep, stage: &Stage) -> Place {
        let name = self.0.get(&step.key).map_or("", String::as_str);
        let item = stage.loop_item.map(|item| format!("[{item}]")).unwrap_or_default();
        Place(format!("{}{name}{item}", stage.within))
    }

    /// What the places of steps inside a step begin with.
    pub fn within(&self, step: &PlannedStep, stage: &Stage) -> String {
        format!("{}/", self.of_step(step, stage))
    }

    /// What the places of the steps that undo a step begin with.
    pub fn of_cleanup(&self, step: &PlannedStep, stage: &Stage) -> String {
        format!("{}/cleanup/", self.of_step(step, stage))
    }
}
