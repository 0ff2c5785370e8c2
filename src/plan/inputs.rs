//! The values of a playbook's inputs: flag before environment before default.

use super::check::{convert, describe_type, violation};
use super::types::{Plan, PlannedInput, PlannedProvider};
use crate::document::ValueKeys;
use crate::document::declared_type;
use crate::port::{Surroundings, VariableOrigin};
use crate::source::nearest;
use serde_json::{Map, Value};
use std::fmt;

/// What is wrong with the inputs that were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputMistake {
    /// The playbook has no such input.
    Unknown {
        /// The name as given.
        name: String,
        /// The one that was probably meant.
        suggestion: Option<String>,
        /// All that there are.
        known: Vec<String>,
    },
    /// An input without default was given nowhere.
    Missing {
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
    },
    /// A value does not fit the input's declaration.
    Unfit {
        /// The input's name.
        name: String,
        /// Where the value came from: `--input`, `RUNNER_INPUT_DAYS`.
        origin: String,
        /// What is wrong with it: "a whole number is needed here, not text".
        reason: String,
    },
}

impl fmt::Display for InputMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, suggestion: Some(near), .. } => {
                write!(f, "the playbook has no input `{name}`; did you mean `{near}`?")
            }
            Self::Unknown { name, known, .. } if known.is_empty() => {
                write!(f, "the playbook has no input `{name}`: it has none at all")
            }
            Self::Unknown { name, known, .. } => {
                write!(f, "the playbook has no input `{name}`; it has {}", known.join(", "))
            }
            Self::Missing { name, description } => {
                let purpose = description.as_ref().map_or(String::new(), |text| format!(" ({text})"));
                let variable = variable_of(name);
                write!(
                    f,
                    "the input `{name}`{purpose} has no value; give it with `--input {name}=...` or \
                     {variable}"
                )
            }
            Self::Unfit { name, origin, reason } => write!(f, "the input `{name}` from {origin}: {reason}"),
        }
    }
}

/// The environment variable that an input may come from.
fn variable_of(name: &str) -> String {
    format!("RUNNER_INPUT_{}", name.to_ascii_uppercase())
}

/// As [`resolve_inputs`], for those who need one provider only: an input that it does not read may be missing.
///
/// # Errors
/// As [`resolve_inputs`].
pub fn resolve_inputs_of(
    plan: &Plan,
    provider: &PlannedProvider,
    given: &[(String, String)],
    surroundings: &dyn Surroundings,
) -> Result<Map<String, Value>, Vec<InputMistake>> {
    resolve(plan, given, surroundings, &|name| provider.reads_input(name))
}

/// Finds the value of every input. Of a flag that is given twice the last one counts.
///
/// # Errors
/// Every mistake, in the order of the flags and then of the declarations.
pub fn resolve_inputs(
    plan: &Plan,
    given: &[(String, String)],
    surroundings: &dyn Surroundings,
) -> Result<Map<String, Value>, Vec<InputMistake>> {
    resolve(plan, given, surroundings, &|_| true)
}

fn resolve(
    plan: &Plan,
    given: &[(String, String)],
    surroundings: &dyn Surroundings,
    is_needed: &dyn Fn(&str) -> bool,
) -> Result<Map<String, Value>, Vec<InputMistake>> {
    let known = || plan.inputs.iter().map(|input| input.name.as_str());
    let unknown = given.iter().filter(|(name, _)| known().all(|input| input != name));
    let mut mistakes: Vec<_> = unknown
        .map(|(name, _)| InputMistake::Unknown {
            name: name.clone(),
            suggestion: nearest(name, known()).map(str::to_owned),
            known: known().map(str::to_owned).collect(),
        })
        .collect();
    let mut values = Map::new();
    for input in &plan.inputs {
        match value_of(input, given, surroundings) {
            Ok(value) => {
                values.insert(input.name.clone(), value);
            }
            Err(InputMistake::Missing { name, .. }) if !is_needed(&name) => {}
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(values) } else { Err(mistakes) }
}

fn value_of(
    input: &PlannedInput,
    given: &[(String, String)],
    surroundings: &dyn Surroundings,
) -> Result<Value, InputMistake> {
    let name = &input.name;
    if let Some((_, text)) = given.iter().rev().find(|(given, _)| given == name) {
        return read(input, text, "--input".to_owned());
    }
    let variable = variable_of(name);
    if let Some((text, origin)) = surroundings.variable(&variable) {
        let origin = match origin {
            VariableOrigin::Process => variable,
            VariableOrigin::File { path, line } => format!("{variable} ({} line {line})", path.display()),
        };
        return read(input, &text, origin);
    }
    match &input.declaration.default {
        Some(default) => Ok(default.value.clone()),
        None => {
            let description = input.declaration.description.clone();
            Err(InputMistake::Missing { name: name.clone(), description })
        }
    }
}

/// A text from outside of YAML as a value of its declared type.
///
/// # Errors
/// What is wrong with it.
pub fn read_value(text: &str, declaration: &ValueKeys) -> Result<Value, String> {
    let value = convert(text, declaration).map_err(|wanted| format!("the value is not {wanted}"))?;
    check_value(&value, declaration).map(|()| value)
}

/// Holds a value against its declaration.
///
/// # Errors
/// What is wrong with it.
pub fn check_value(value: &Value, declaration: &ValueKeys) -> Result<(), String> {
    violation(value, declaration).map_or(Ok(()), |(_, message)| Err(message))
}

/// A text as the input's value. Where several types could be meant, the declaration decides: `30` may be
/// text.
fn read(input: &PlannedInput, text: &str, origin: String) -> Result<Value, InputMistake> {
    read_value(text, &input.declaration).map_err(|reason| InputMistake::Unfit {
        name: input.name.clone(),
        origin,
        reason,
    })
}

impl PlannedInput {
    /// The type of its values, in words: `a whole number`.
    pub fn describe_type(&self) -> &'static str {
        describe_type(declared_type(&self.declaration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Options, check_text};
    use crate::port::fake::FakeSurroundings;
    use std::path::Path;

    fn plan(inputs: &str) -> Plan {
        let text = format!("version: 1\ninputs: {inputs}\nsteps: [{{ get: https://example.com/ }}]\n");
        let checked =
            check_text(Path::new("p.yaml"), &text, &Options::default(), &FakeSurroundings::default());
        checked.plan.unwrap_or_else(|| panic!("{:?}", checked.diagnostics))
    }

    fn resolve(
        inputs: &str,
        given: &[(&str, &str)],
        environment: &FakeSurroundings,
    ) -> Result<String, Vec<String>> {
        let given: Vec<_> =
            given.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        resolve_inputs(&plan(inputs), &given, environment)
            .map(|values| Value::Object(values).to_string())
            .map_err(|mistakes| mistakes.iter().map(InputMistake::to_string).collect())
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_default() {
        let inputs = "{ a: { default: 1 }, b: { default: 2 }, c: { default: 3 }, site_name: {} }";
        let environment = FakeSurroundings::default()
            .variable("RUNNER_INPUT_A", "10")
            .variable("RUNNER_INPUT_B", "20")
            .variable("RUNNER_INPUT_SITE_NAME", "30");
        let values = resolve(inputs, &[("a", "99"), ("a", "100")], &environment).unwrap();
        assert_eq!(values, r#"{"a":100,"b":20,"c":3,"site_name":"30"}"#);
    }

    #[test]
    fn texts_become_what_was_declared() {
        let inputs =
            "{ s: {}, i: { type: integer }, n: { type: number }, b: { type: boolean }, l: { type: list } }";
        let given = [("s", "true"), ("i", "-3"), ("n", "1.50"), ("b", "true"), ("l", "[1, \"x\"]")];
        let values = resolve(inputs, &given, &FakeSurroundings::default()).unwrap();
        assert_eq!(values, r#"{"s":"true","i":-3,"n":1.50,"b":true,"l":[1,"x"]}"#);
    }

    #[test]
    fn every_mistake_is_told() {
        let inputs = "{ days: { default: 90 }, site: { enum: [north, south], default: north }, \
                      mail: { description: your address }, code: { pattern: \"[A-Z]+\", default: X } }";
        let given = [("dayz", "1"), ("days", "many"), ("site", "nort"), ("code", "aX")];
        let mistakes = resolve(inputs, &given, &FakeSurroundings::default()).unwrap_err();
        assert_eq!(
            mistakes,
            [
                "the playbook has no input `dayz`; did you mean `days`?",
                "the input `days` from --input: the value is not a whole number",
                "the input `site` from --input: `nort` is none of `north`, `south` (did you mean `north`?)",
                "the input `mail` (your address) has no value; give it with `--input mail=...` or \
                 RUNNER_INPUT_MAIL",
                "the input `code` from --input: the value does not match `[A-Z]+`",
            ]
        );
    }
}
