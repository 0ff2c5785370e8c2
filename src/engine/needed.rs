//! What other steps need of a write whose answer is lost: what a person is asked for who has seen that it was done.

use super::places::Places;
use super::references::{own_expressions, reads_of_steps};
use crate::document::Output;
use crate::plan::{Plan, PlannedOutput, PlannedStep, StepKind};
use crate::port::Place;
use crate::template::Template;

/// An output of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededOutput {
    /// Its name.
    pub name: String,
    /// Its author marked it as secret.
    pub is_secret: bool,
    /// The steps that read it, also by way of another output.
    pub read_by: Vec<String>,
    /// It is made of other outputs alone, or has a default, so that it may be left out.
    pub is_optional: bool,
}

impl NeededOutput {
    /// Whether a step that reads it would fail without it.
    pub fn is_needed(&self) -> bool {
        !self.is_optional && !self.read_by.is_empty()
    }
}

/// The outputs of the step at a place, in the order of the file. `None`: the plan has no request there.
pub fn outputs_at(plan: &Plan, place: &Place) -> Option<Vec<NeededOutput>> {
    let step = Places::of(plan).find(plan, place)?;
    match &step.kind {
        StepKind::Request(request) => Some(needed_outputs(plan, step.id.as_deref(), &request.outputs)),
        _ => None,
    }
}

/// The outputs of a step and who reads them.
pub fn needed_outputs(plan: &Plan, step: Option<&str>, planned: &[PlannedOutput]) -> Vec<NeededOutput> {
    let mut needed: Vec<_> = planned.iter().map(|output| needed_output(plan, step, output)).collect();
    // Templates see the outputs before them.
    for (index, output) in planned.iter().enumerate().rev() {
        let Output::Template(template) = &output.output else { continue };
        let readers = needed[index].read_by.clone();
        for base in &mut needed[..index] {
            if reads(template, "outputs", Some(&base.name)) {
                let new = readers.iter().filter(|reader| !base.read_by.contains(reader)).cloned();
                let new: Vec<_> = new.collect();
                base.read_by.extend(new);
            }
        }
    }
    needed
}

fn needed_output(plan: &Plan, step: Option<&str>, output: &PlannedOutput) -> NeededOutput {
    let mut read_by = Vec::new();
    if let Some(step) = step {
        add_readers(&plan.steps, step, &output.name, &mut read_by);
        add_readers(&plan.cleanup, step, &output.name, &mut read_by);
    }
    let is_optional = match &output.output {
        Output::Read(reader) => reader.default.is_some(),
        Output::Template(template) => {
            !["response", "rows", "row_count"].iter().any(|root| reads(template, root, None))
        }
    };
    NeededOutput { name: output.name.clone(), is_secret: output.is_secret, read_by, is_optional }
}

/// Whether a template reads what begins so.
fn reads(template: &Template, root: &str, name: Option<&str>) -> bool {
    let mut references = template.expressions().flat_map(|expression| expression.references());
    references.any(|reference| {
        let is_name = name.is_none() || reference.name(1).is_none_or(|found| Some(found) == name);
        reference.name(0) == Some(root) && is_name
    })
}

fn add_readers(steps: &[PlannedStep], id: &str, output: &str, readers: &mut Vec<String>) {
    for step in steps {
        let mut read = reads_of_steps(own_expressions(step)).filter(|read| read.name(1) == Some(id));
        let is_reader = read.any(|read| {
            let name = read.name(3).is_none_or(|name| name == output);
            read.name(2) == Some("outputs") && name && !read.is_defaulted
        });
        if is_reader && !readers.contains(&step.label()) {
            readers.push(step.label());
        }
        if let StepKind::Group(group) = &step.kind {
            add_readers(&group.steps, id, output, readers);
        }
        add_readers(&step.cleanup, id, output, readers);
    }
}
