//! The values of settings: what the playbook says, else the first source that has one, else the default.

use crate::credential::{Chain, look_up};
use crate::exchange;
use crate::model::redaction::Redactor;
use crate::plan::{PlannedSetting, check_value, read_value};
use crate::port::World;
use crate::template::Scope;
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
    /// A built-in definition declares the settings.
    pub is_built_in: bool,
}

/// Finds the value of a setting.
///
/// # Errors
/// A sentence that names the setting, and the source whose value does not fit.
pub async fn setting(setting: &PlannedSetting, places: &Places<'_>) -> Result<Value, String> {
    let Places { world, provider, .. } = places;
    let name = format!("{provider}.{}", setting.name);
    if let Some(tree) = &setting.value {
        let value = exchange::Value::of_tree(tree, places.playbook, places.redactor)
            .map_err(|error| format!("failed to make setting {name}: {error}"))?
            .json;
        if !value.is_null() {
            return check_value(&value, &setting.declaration)
                .map(|()| value)
                .map_err(|reason| format!("setting {name}: {reason}"));
        }
    }
    let chain = Chain {
        is_built_in: places.is_built_in,
        ..Chain::plain(name.clone(), &setting.sources, places.sources, places.folder)
    };
    match look_up(world, &chain, &|_| None).await {
        Ok(found) => read_value(found.value.expose(), &setting.declaration)
            .map_err(|reason| format!("setting {name}, from {}: {reason}", found.found_in)),
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
