//! The places of steps in a run, by which a journal knows them.

use super::selection::Selection;
use super::stage::Stage;
use crate::plan::{Plan, PlannedStep, StepKey, StepKind};
use crate::port::Place;
use std::collections::{HashMap, HashSet};

/// What the places of the playbook's cleanup begin with.
pub const CLEANUP: &str = "cleanup/";

/// What the engine itself calls something that belongs to a step.
const RESERVED: [&str; 4] = ["moment", "request", "item of the list", "cleanup"];

/// What each step is called in its list: its label, with a number behind it where its place would be that of another one.
/// Other steps may come and go around it without changing that.
pub struct Places {
    names: HashMap<StepKey, String>,
    /// All places so far, without the numbers of items.
    taken: HashSet<String>,
}

impl Places {
    /// The places of all steps of a plan.
    pub fn of(plan: &Plan) -> Self {
        let names = HashMap::with_capacity(plan.step_count);
        let mut places = Self { names, taken: HashSet::from(["cleanup".to_owned()]) };
        places.add(&plan.steps, "");
        places.add(&plan.cleanup, CLEANUP);
        places
    }

    fn add(&mut self, steps: &[PlannedStep], within: &str) {
        for step in steps {
            let name = self.free_name(&step.label(), within);
            let place = format!("{within}{name}");
            self.taken.insert(place.clone());
            self.taken.extend(RESERVED.map(|own| format!("{place}/{own}")));
            self.names.insert(step.key, name);
            if let StepKind::Group(group) = &step.kind {
                self.add(&group.steps, &format!("{place}/"));
            }
            self.add(&step.cleanup, &format!("{place}/cleanup/"));
        }
    }

    /// The label, else the first `label (n)` that is nobody's place.
    fn free_name(&self, label: &str, within: &str) -> String {
        let numbered = (2..).map(|number: u32| format!("{label} ({number})"));
        let mut names = std::iter::once(label.to_owned()).chain(numbered);
        let is_free = |name: &String| !self.taken.contains(&format!("{within}{name}")) && !is_of_item(name);
        names.find(is_free).expect("numbers have no end")
    }

    /// The step at a place, whichever item it is for.
    pub fn find<'p>(&self, plan: &'p Plan, place: &Place) -> Option<&'p PlannedStep> {
        let wanted = place.of_all_items();
        self.find_in(&plan.steps, "", &wanted).or_else(|| self.find_in(&plan.cleanup, CLEANUP, &wanted))
    }

    fn find_in<'p>(&self, steps: &'p [PlannedStep], within: &str, wanted: &str) -> Option<&'p PlannedStep> {
        steps.iter().find_map(|step| {
            let path = format!("{within}{}", self.names.get(&step.key)?);
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
        let name = self.names.get(&step.key).map_or("", String::as_str);
        let item = stage.loop_item.map(|item| format!("[{item}]")).unwrap_or_default();
        Place(format!("{}{name}{item}", stage.within))
    }

    /// The step of a plan that has a place; `None`: there is none, or it is left out.
    pub fn step_at<'p>(
        &self,
        plan: &'p Plan,
        selection: &Selection,
        place: &Place,
    ) -> Option<&'p PlannedStep> {
        let mut chosen = plan.steps.iter().filter(|step| selection.contains(step.key));
        let of_cleanup = || self.step_in(&plan.cleanup, place.0.strip_prefix(CLEANUP)?);
        chosen.find_map(|step| self.within_step(step, &place.0)).or_else(of_cleanup)
    }

    fn step_in<'p>(&self, steps: &'p [PlannedStep], place: &str) -> Option<&'p PlannedStep> {
        steps.iter().find_map(|step| self.within_step(step, place))
    }

    /// The step itself, or the one inside of it, that has a place in its list.
    fn within_step<'p>(&self, step: &'p PlannedStep, place: &str) -> Option<&'p PlannedStep> {
        let rest = place.strip_prefix(self.names.get(&step.key)?.as_str())?;
        let rest = match &step.for_each {
            Some(_) => behind_item(rest)?,
            None => rest,
        };
        if rest.is_empty() {
            return Some(step);
        }
        let inner = rest.strip_prefix('/')?;
        let of_cleanup = || self.step_in(&step.cleanup, inner.strip_prefix(CLEANUP)?);
        let of_group = match &step.kind {
            StepKind::Group(group) => self.step_in(&group.steps, inner),
            _ => None,
        };
        of_group.or_else(of_cleanup)
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

/// What stands behind the number of an item: of `[3]/create` that is `/create`.
fn behind_item(place: &str) -> Option<&str> {
    let (number, rest) = place.strip_prefix('[')?.split_once(']')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest)
}

/// Whether a name would be that of an item of a loop: `each[3]`.
fn is_of_item(name: &str) -> bool {
    let number = name.strip_suffix(']').and_then(|name| name.rsplit_once('['));
    number.is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Options, check_text};
    use crate::port::fake::FakeWorld;
    use std::path::Path;

    fn places(steps: &str) -> Vec<String> {
        let text = format!(
            "version: 1\nproviders: {{ api: {{ description: a test, base_url: https://api.test }} }}\n{steps}"
        );
        let checked =
            check_text(Path::new("t.yaml"), &text, &Options::default(), &*FakeWorld::default().surroundings);
        let plan = checked.plan.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        let places = Places::of(&plan);
        let mut all = Vec::new();
        collect(&places, &plan.steps, "", &mut all);
        collect(&places, &plan.cleanup, CLEANUP, &mut all);
        all
    }

    fn collect(places: &Places, steps: &[PlannedStep], within: &str, all: &mut Vec<String>) {
        for step in steps {
            let place = format!("{within}{}", places.names[&step.key]);
            if let StepKind::Group(group) = &step.kind {
                collect(places, &group.steps, &format!("{place}/"), all);
            }
            collect(places, &step.cleanup, &format!("{place}/cleanup/"), all);
            all.push(place);
        }
    }

    /// With the place of another step, a step would count as done when that one is.
    #[test]
    fn no_two_steps_have_one_place() {
        for (steps, wanted) in [
            (
                "steps:\n  - { name: Create, post: /a }\n  - { name: Create (2), post: /b }\n  - { name: Create, post: /c }\n",
                vec!["Create", "Create (2)", "Create (3)"],
            ),
            (
                "steps:\n  - { name: cleanup, steps: [{ delete: /x }] }\ncleanup: [{ delete: /x }]\n",
                vec!["cleanup (2)/DELETE /x", "cleanup (2)", "cleanup/DELETE /x"],
            ),
            (
                "steps:\n  - { name: a, steps: [{ name: moment, get: /x }, { name: cleanup, get: /y }] }\n",
                vec!["a/moment (2)", "a/cleanup (2)", "a"],
            ),
            (
                "steps:\n  - { name: each, for_each: [1], post: /a }\n  - { name: 'each[1]', post: /b }\n",
                vec!["each", "each[1] (2)"],
            ),
            (
                "steps:\n  - { name: a, steps: [{ name: b/c, get: /x }] }\n  - { name: a/b, steps: [{ name: c, get: /y }] }\n",
                vec!["a/b/c", "a", "a/b/c (2)", "a/b"],
            ),
        ] {
            assert_eq!(places(steps), wanted);
        }
    }
}
