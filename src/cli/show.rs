//! `runner providers` and `runner show NAME`: what is built in, and what one needs to use it.

use super::args::ShowArgs;
use super::refusal::Refusal;
use super::streams;
use crate::document::{Definition, Operation, SourceKind, ValueKeys};
use crate::model::words::counted;
use crate::plan::{
    BUILT_IN, BuiltIn, Options, Plan, PlannedCredential, PlannedProvider, PlannedSetting, check_text,
};
use crate::port::{Surroundings, VariableOrigin};
use crate::report::Look;
use crate::source::nearest;
use serde_json::Value;
use std::io::{self, Write};
use std::path::Path;

/// The provider with one of these names is not built in.
#[derive(Debug, thiserror::Error)]
#[error("no provider called `{name}` is built in; {}", suggestion(name))]
struct UnknownProvider {
    name: String,
}

fn suggestion(name: &str) -> String {
    match nearest(name, BUILT_IN.iter().map(|built_in| built_in.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`runner providers` lists those that are".to_owned(),
    }
}

/// The built-in definition of that name.
fn find(name: &str) -> Result<&'static BuiltIn, UnknownProvider> {
    BuiltIn::find(name).ok_or_else(|| UnknownProvider { name: name.to_owned() })
}

/// Lists all built-in providers.
pub(super) fn write_providers(look: Look, out: &mut dyn Write) -> io::Result<()> {
    for built_in in &BUILT_IN {
        let definition = built_in.definition();
        writeln!(out, "{:12}{}", built_in.name, what(&definition))?;
        for line in look.columns(&methods(&planned(built_in).providers[0])) {
            writeln!(out, "{:12}{line}", "")?;
        }
        let operations = counted(definition.keys.operations.len() as u64, "operation");
        writeln!(out, "{:12}{operations}: runner show {}\n", "", built_in.name)?;
    }
    writeln!(out, "Your own API needs no more than a definition like these: runner show emnify --yaml")
}

/// `runner show NAME`
///
/// # Errors
/// When there is no such provider, or `out` cannot be written.
pub(super) fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<(), Refusal> {
    let built_in = find(&args.provider).map_err(|unknown| Refusal::usage(unknown.to_string()))?;
    match args.yaml {
        true => out.write_all(built_in.text.as_bytes())?,
        false => write_provider(built_in, streams::stdout_look(), out)?,
    }
    Ok(())
}

/// Shows how one signs in to a provider, what can be set, and what can be called.
fn write_provider(built_in: &BuiltIn, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let definition = built_in.definition();
    let plan = planned(built_in);
    let provider = &plan.providers[0];
    writeln!(out, "{} - {}", built_in.name, what(&definition))?;
    writeln!(
        out,
        "\nsign in by the first method whose credentials are there, or by the `method` that a playbook names"
    )?;
    write_columns(out, look, &methods(provider))?;
    if !provider.settings.is_empty() {
        writeln!(out, "\nsettings")?;
        write_columns(out, look, &provider.settings.iter().map(setting).collect::<Vec<_>>())?;
    }
    writeln!(out, "\noperations, with [what can be left out]")?;
    let operations = definition.keys.operations.iter();
    let rows: Vec<_> =
        operations.map(|(name, operation)| call(built_in.name, &name.value, operation)).collect();
    write_columns(out, look, &rows)?;
    writeln!(out, "\nthe whole definition: runner show {} --yaml", built_in.name)
}

fn write_columns(out: &mut dyn Write, look: Look, rows: &[[String; 2]]) -> io::Result<()> {
    look.columns(rows).iter().try_for_each(|line| writeln!(out, "  {line}"))
}

fn what(definition: &Definition) -> &str {
    definition.keys.description.as_deref().unwrap_or_default()
}

/// The provider as a playbook gets it that says nothing about it.
pub(super) fn planned(built_in: &BuiltIn) -> Plan {
    let name = built_in.name;
    let playbook = format!(
        "version: 1\nproviders: {{ {name}: {{ allow_http: true }} }}\nsteps: [{{ authenticate: {name} }}]\n"
    );
    let checked = check_text(Path::new("playbook.yaml"), &playbook, &Options::default(), &Nowhere);
    checked.plan.expect("a built-in definition can be used as it is")
}

/// Method and the variables that it needs.
fn methods(provider: &PlannedProvider) -> Vec<[String; 2]> {
    let needs = |names: &[String]| {
        let credentials =
            names.iter().filter_map(|name| provider.credentials.iter().find(|one| one.name == *name));
        credentials.map(variable).collect::<Vec<_>>().join(", ")
    };
    provider.methods.iter().map(|method| [method.name.clone(), needs(&method.required)]).collect()
}

/// The environment variable of a credential, or its name where it has none.
fn variable(credential: &PlannedCredential) -> String {
    let variables = credential.sources.iter().filter_map(|source| variable_of(&source.kind));
    variables.into_iter().next().unwrap_or_else(|| format!("{} (no variable)", credential.name))
}

fn variable_of(source: &SourceKind) -> Option<String> {
    match source {
        SourceKind::Env(name) => Some(name.source().to_owned()),
        _ => None,
    }
}

fn setting(setting: &PlannedSetting) -> [String; 2] {
    let words = setting
        .declaration
        .choices
        .iter()
        .flatten()
        .map(|choice| text(&choice.value))
        .collect::<Vec<_>>()
        .join(" or ");
    let variables: Vec<String> =
        setting.sources.iter().filter_map(|source| variable_of(&source.kind)).collect();
    let facts = [
        setting.declaration.description.clone().unwrap_or_default(),
        words,
        setting
            .declaration
            .default
            .as_ref()
            .map(|default| format!("default {}", text(&default.value)))
            .unwrap_or_default(),
        variables.join(", "),
    ];
    [setting.name.clone(), facts.into_iter().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join("; ")]
}

fn call(provider: &str, name: &str, operation: &Operation) -> [String; 2] {
    let params = operation.params.iter().map(|(name, declaration)| param(&name.value, declaration));
    [format!("{provider}.{name}"), params.collect::<Vec<_>>().join(" ")]
}

/// `id`, `[limit=100]`
fn param(name: &str, declaration: &ValueKeys) -> String {
    match &declaration.default {
        None => name.to_owned(),
        Some(default) if default.value.is_null() => format!("[{name}]"),
        Some(default) => format!("[{name}={}]", text(&default.value)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// No environment and no files: what is shown must be the same everywhere.
struct Nowhere;

impl Surroundings for Nowhere {
    fn variable(&self, _: &str) -> Option<(String, VariableOrigin)> {
        None
    }

    fn read_text(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
}
