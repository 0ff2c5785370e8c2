//! The values of settings: what the playbook says, else the first source that has one, else the default.

use crate::credential::{Chain, look_up};
use crate::document::{ValueKeys, ValueType, declared_type};
use crate::exchange::value_of;
use crate::model::redaction::Redactor;
use crate::plan::PlannedSetting;
use crate::port::World;
use crate::template::Scope;
use regex::Regex;
use serde_json::Value;
use std::path::Path;

/// Where values of settings come from.
pub struct Places<'a> {
    /// The ports.
    pub world: &'a World,
    /// Learns what is made of secrets.
    pub redactor: &'a Redactor,
    /// The provider's name.
    pub provider: &'a str,
    /// What templates of the playbook see.
    pub playbook: &'a Scope,
    /// What templates in sources see.
    pub sources: &'a Scope,
    /// The folder that paths of files count from.
    pub folder: &'a Path,
}

/// Finds the value of a setting.
///
/// # Errors
/// A sentence that names the setting, and the source whose value does not fit.
pub async fn setting(setting: &PlannedSetting, places: &Places<'_>) -> Result<Value, String> {
    let Places { world, provider, .. } = places;
    let name = format!("{provider}.{}", setting.name);
    if let Some(tree) = &setting.value {
        let value = value_of(tree, places.playbook, places.redactor)
            .map_err(|error| format!("failed to make setting {name}: {error}"))?;
        if !value.is_null() {
            return fits(&value, &setting.declaration)
                .map_err(|reason| format!("setting {name} is {value}, and {reason}"));
        }
    }
    let chain = Chain {
        name: name.clone(),
        question: String::new(),
        sources: &setting.sources,
        scope: places.sources,
        folder: places.folder,
        env_passed_over: None,
        stored_as: None,
        origins: Vec::new(),
        is_secret: false,
    };
    match look_up(world, &chain, &|_| None).await {
        Ok(found) => {
            let text = found.value.expose();
            typed(text, &setting.declaration)
                .map_err(|reason| format!("{} is `{text}`: setting {name} {reason}", found.found_in))
        }
        Err(missing) => match &setting.declaration.default {
            Some(default) => Ok(default.value.clone()),
            None => {
                let tried: Vec<String> =
                    missing.tried.iter().map(|tried| format!("{} {}", tried.source, tried.reason)).collect();
                let tried = if tried.is_empty() { String::new() } else { format!(" ({})", tried.join("; ")) };
                Err(format!("setting {name} has no value{tried}; write it under `settings` of the provider"))
            }
        },
    }
}

/// Makes a value of a declared type of a text.
///
/// # Errors
/// What the value must be.
fn typed(text: &str, declaration: &ValueKeys) -> Result<Value, String> {
    let value = match declared_type(declaration) {
        ValueType::String => Some(Value::from(text)),
        ValueType::Integer | ValueType::Number | ValueType::Boolean | ValueType::List | ValueType::Map => {
            serde_json::from_str(text).ok()
        }
    };
    fits(&value.unwrap_or_else(|| Value::from(text)), declaration)
}

/// Checks a value against its declaration.
///
/// # Errors
/// What the value must be.
fn fits(value: &Value, declaration: &ValueKeys) -> Result<Value, String> {
    let (has_type, wanted) = match declared_type(declaration) {
        ValueType::String => (value.is_string(), "text"),
        ValueType::Integer => (value.is_i64() || value.is_u64(), "a whole number"),
        ValueType::Number => (value.is_number(), "a number"),
        ValueType::Boolean => (value.is_boolean(), "`true` or `false`"),
        ValueType::List => (value.is_array(), "a list"),
        ValueType::Map => (value.is_object(), "a map"),
    };
    if !has_type {
        return Err(format!("must be {wanted}"));
    }
    if let Some(choices) = &declaration.choices
        && !choices.iter().any(|choice| choice.value == *value)
    {
        let choices: Vec<String> = choices.iter().map(|choice| choice.value.to_string()).collect();
        return Err(format!("must be one of {}", choices.join(", ")));
    }
    if let (Some(pattern), Some(text)) = (&declaration.pattern, value.as_str()) {
        let whole = Regex::new(&format!("^(?:{})$", pattern.value));
        if !whole.is_ok_and(|pattern| pattern.is_match(text)) {
            return Err(format!("must match `{}`", pattern.value));
        }
    }
    Ok(value.clone())
}
