//! The values of settings: what the playbook says, else the first source that has one, else the default.

use crate::credential::{Chain, look_up};
use crate::document::{Source, SourceKind};
use crate::exchange;
use crate::model::redaction::Redactor;
use crate::plan::{PlannedSetting, check_value, read_value};
use crate::port::World;
use crate::template::{Scope, Template};
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
    /// Where the profile's name would come from, if nobody has named one.
    pub unnamed_profile: Option<&'a [Source]>,
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
                .map_err(|reason| format!("setting {name}: {reason}{}", wanted(setting)));
        }
    }
    let chain = Chain {
        is_built_in: places.is_built_in,
        ..Chain::plain(name.clone(), &setting.sources, places.sources, places.folder)
    };
    match look_up(world, &chain, &|_| None).await {
        Ok(found) => read_value(found.value.expose(), &setting.declaration).map_err(|reason| {
            format!("setting {name}, from {}: {reason}{}", found.found_in, wanted(setting))
        }),
        Err(missing) => match &setting.declaration.default {
            Some(default) => Ok(default.value.clone()),
            None => {
                let tried: Vec<String> =
                    missing.tried.iter().map(|tried| format!("{} {}", tried.source, tried.reason)).collect();
                let tried = if tried.is_empty() { String::new() } else { format!(" ({})", tried.join("; ")) };
                let variables = variables_to_set(setting, places);
                Err(format!(
                    "setting {name} has no value{tried}; {variables}write it under `settings` of the provider"
                ))
            }
        },
    }
}

/// What a value should be, in words: a pattern says it to few.
fn wanted(setting: &PlannedSetting) -> String {
    let description = setting.declaration.description.as_ref();
    description.map_or_else(String::new, |description| format!("; wanted: {description}"))
}

/// `set ECHOME_SERVER, or `; a file that is chosen by the profile leads to the variable that names the profile.
fn variables_to_set(setting: &PlannedSetting, places: &Places<'_>) -> String {
    let names_profile = |path: &Template| {
        let mut references = path.expressions().flat_map(|expression| expression.references());
        references.any(|reference| reference.name(0) == Some("profile"))
    };
    let is_by_profile = setting.sources.iter().any(|source| match &source.kind {
        SourceKind::File { path, .. } => names_profile(path),
        _ => false,
    });
    let mut words: Vec<String> = variables(&setting.sources).map(|name| format!("set {name}")).collect();
    if let Some(sources) = places.unnamed_profile.filter(|_| is_by_profile) {
        words.extend(variables(sources).map(|name| format!("set {name}, which names the profile")));
    }
    words.into_iter().map(|word| format!("{word}, or ")).collect()
}

fn variables(sources: &[Source]) -> impl Iterator<Item = &str> {
    sources.iter().filter_map(|source| match &source.kind {
        SourceKind::Env(name) => name.as_literal(),
        _ => None,
    })
}
