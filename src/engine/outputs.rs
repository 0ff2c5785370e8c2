//! What is kept of an answer for later steps.

use super::needed::NeededOutput;
use crate::document::{Literal, Output, Reader, ReaderPlace};
use crate::event::Events;
use crate::exchange::{Answer, Value};
use crate::model::redaction::Redactor;
use crate::plan::PlannedOutput;
use crate::source::Span;
use crate::template::{Data, EvaluationError, Scope};
use serde_json::{Map, Value as Json};
use thiserror::Error;

/// Outputs by their names.
pub type Outputs = Vec<(String, Data)>;

/// An output could not be had.
#[derive(Debug, Clone, Error)]
pub enum OutputProblem {
    /// The answer has nothing where it is read, and it has no default.
    #[error("the answer has nothing at {place} for the output `{name}`")]
    Missing {
        /// The output.
        name: String,
        /// Where it is read: `` `$.id` ``.
        place: String,
        /// Where the reader is written.
        span: Span,
    },
    /// The answer is lost, and nothing stands in for it.
    #[error("the output `{name}` is lost with the answer, and `verify` brings none")]
    Lost {
        /// The output.
        name: String,
        /// Where it is written.
        span: Span,
    },
    /// The answer is lost, and who has seen that the write was done has not said what it brought.
    #[error(
        "the output `{name}`, which other steps read, is lost with the answer, and nobody has said what it is"
    )]
    Untold {
        /// The output.
        name: String,
        /// Where it is written.
        span: Span,
    },
    /// Its template could not be evaluated.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
}

/// Makes known as secret what an answer has at the places that are marked as secret, whatever its status. Done before
/// anything of the answer is told.
pub fn learn(outputs: &[PlannedOutput], step: &str, answer: &Answer, events: &Events) {
    for output in outputs.iter().filter(|output| output.is_secret) {
        if let Output::Read(reader) = &output.output
            && let Some(value) = answer.read(reader)
        {
            events.learn_all(&public_name(step, &output.name), &value);
        }
    }
}

/// Whether a secret is made of an answer by a template: what it is made from cannot be learned before it is told.
pub fn makes_secrets(outputs: &[PlannedOutput]) -> bool {
    outputs.iter().any(|output| output.is_secret && matches!(output.output, Output::Template(_)))
}

/// The name under which people know an output: `steps.issue.outputs.token`.
pub fn public_name(step: &str, output: &str) -> String {
    format!("steps.{step}.outputs.{output}")
}

/// Reads the outputs of an answer, then computes those that are templates, in the order of the file. `scope` has the names
/// that hold after the answer; it gets `outputs` as they come.
///
/// # Errors
/// The first [`OutputProblem`].
pub fn collect(
    planned: &[PlannedOutput],
    step: &str,
    answer: &Answer,
    scope: &mut Scope,
    redactor: &Redactor,
) -> Result<Outputs, OutputProblem> {
    let mut outputs = Outputs::new();
    for output in planned {
        if let Output::Read(reader) = &output.output {
            let value = read(&output.name, reader, answer)?;
            outputs.push((output.name.clone(), mark(value.into(), output, step)));
        }
    }
    compute(planned, step, &mut outputs, scope, redactor)?;
    Ok(outputs)
}

/// Those outputs of an answer that are there, then those that are templates.
///
/// # Errors
/// When a template cannot be evaluated.
pub fn collect_found(
    planned: &[PlannedOutput],
    step: &str,
    answer: &Answer,
    scope: &mut Scope,
    redactor: &Redactor,
) -> Result<Outputs, EvaluationError> {
    let mut outputs = Outputs::new();
    for output in planned {
        if let Output::Read(reader) = &output.output
            && let Ok(value) = read(&output.name, reader, answer)
        {
            outputs.push((output.name.clone(), mark(value.into(), output, step)));
        }
    }
    compute(planned, step, &mut outputs, scope, redactor)?;
    Ok(outputs)
}

/// The outputs of a write whose answer is lost: `found` stands in for those of the same name, then come defaults and
/// templates, which see no answer.
///
/// # Errors
/// The first [`OutputProblem`].
pub fn stand_in(
    planned: &[PlannedOutput],
    step: &str,
    found: &Outputs,
    scope: &mut Scope,
    redactor: &Redactor,
) -> Result<Outputs, OutputProblem> {
    let is_found = |name: &str| found.iter().any(|(known, _)| known == name);
    let mut outputs = found.clone();
    for output in planned.iter().filter(|output| !is_found(&output.name)) {
        match &output.output {
            Output::Template(_) => {}
            Output::Read(Reader { default: Some(Literal { value, .. }), .. }) => {
                outputs.push((output.name.clone(), mark(value.clone().into(), output, step)));
            }
            Output::Read(reader) => {
                return Err(OutputProblem::Lost { name: output.name.clone(), span: reader.span });
            }
        }
    }
    compute(planned, step, &mut outputs, scope, redactor)?;
    Ok(outputs)
}

/// The outputs of a write whose answer is lost, and of which a person says what it brought. What nobody needs may be missing.
///
/// # Errors
/// The first [`OutputProblem`] of those that are needed.
pub fn told(
    planned: &[PlannedOutput],
    step: &str,
    (told, needed): (&Map<String, Json>, &[NeededOutput]),
    scope: &mut Scope,
    redactor: &Redactor,
) -> Result<Outputs, OutputProblem> {
    let is_needed = |name: &str| needed.iter().any(|output| output.name == name && output.is_needed());
    let mut outputs = Outputs::new();
    scope.set("outputs", Data::Map(Vec::new()));
    for output in planned {
        let name = &output.name;
        let data = match (told.get(name), &output.output) {
            (Some(value), _) => mark(value.clone().into(), output, step),
            (None, Output::Read(Reader { default: Some(Literal { value, .. }), .. })) => {
                mark(value.clone().into(), output, step)
            }
            (None, Output::Read(reader)) if is_needed(name) => {
                return Err(OutputProblem::Untold { name: name.clone(), span: reader.span });
            }
            (None, Output::Read(_)) => continue,
            (None, Output::Template(template)) => match Value::of_template(template, scope, redactor) {
                Ok(value) => mark(value.into_data(), output, step),
                Err(error) if is_needed(name) => return Err(error.into()),
                Err(_) => continue,
            },
        };
        outputs.push((name.clone(), data));
        scope.set("outputs", Data::Map(outputs.clone()));
    }
    Ok(outputs)
}

/// Adds the outputs that are templates, in the order of the file, but for those that are there. `scope` gets `outputs` as
/// they come.
fn compute(
    planned: &[PlannedOutput],
    step: &str,
    outputs: &mut Outputs,
    scope: &mut Scope,
    redactor: &Redactor,
) -> Result<(), EvaluationError> {
    scope.set("outputs", Data::Map(outputs.clone()));
    for output in planned {
        if let Output::Template(template) = &output.output
            && !outputs.iter().any(|(known, _)| *known == output.name)
        {
            let data = Value::of_template(template, scope, redactor)?.into_data();
            outputs.push((output.name.clone(), mark(data, output, step)));
            scope.set("outputs", Data::Map(outputs.clone()));
        }
    }
    Ok(())
}

fn mark(data: Data, output: &PlannedOutput, step: &str) -> Data {
    match data {
        Data::Json(value) if output.is_secret => Data::Secret(public_name(step, &output.name), value),
        data => data,
    }
}

fn read(name: &str, reader: &Reader, answer: &Answer) -> Result<Json, OutputProblem> {
    match (answer.read(reader), &reader.default) {
        (Some(value), _) => Ok(value),
        (None, Some(Literal { value, .. })) => Ok(value.clone()),
        (None, None) => Err(OutputProblem::Missing {
            name: name.to_owned(),
            place: describe(&reader.place),
            span: reader.span,
        }),
    }
}

/// What people call a place in an answer.
fn describe(place: &ReaderPlace) -> String {
    match place {
        ReaderPlace::Path(path) => format!("`{}`", path.as_str()),
        ReaderPlace::Header(name) => format!("the header `{}`", name.value),
        ReaderPlace::Cookie(name) => format!("the cookie `{}`", name.value),
        ReaderPlace::Link(relation) => format!("the link `{}`", relation.value),
    }
}

/// The outputs of a loop: under each name the list of what its items brought, in their order, null where one failed.
pub fn of_items(names: &[&str], items: &[Option<Outputs>]) -> Outputs {
    names.iter().map(|&name| (name.to_owned(), list_of(name, items))).collect()
}

/// What an item has brought, out of the list of all of them; `None` where it failed.
pub fn of_item(list: &Data, index: usize) -> Option<Data> {
    let at = |list: &Json| list.get(index).filter(|value| !value.is_null()).cloned();
    match list {
        Data::Json(list) => at(list).map(Data::Json),
        Data::Secret(name, list) => at(list).map(|value| Data::Secret(name.clone(), value)),
        _ => None,
    }
}

fn list_of(name: &str, items: &[Option<Outputs>]) -> Data {
    let mut secret = None;
    let values = items.iter().map(|item| {
        let found = item.iter().flatten().find(|(known, _)| known == name);
        match found.map(|(_, data)| data) {
            Some(Data::Json(value)) => value.clone(),
            Some(Data::Secret(name, value)) => {
                secret.get_or_insert_with(|| name.clone());
                value.clone()
            }
            _ => Json::Null,
        }
    });
    let list = Json::Array(values.collect());
    match secret {
        Some(name) => Data::Secret(name, list),
        None => Data::Json(list),
    }
}
