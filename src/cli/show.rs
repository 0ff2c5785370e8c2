//! `runner providers` and `runner show NAME`: what is built in, and what one needs to use it.

use super::args::ShowArgs;
use super::diagnostics::{Finding, write_human};
use super::refusal::Refusal;
use super::streams;
use crate::document::{
    Definition, Effect, Operation, Source, SourceKind, ValueKeys, ValueType, declared_type,
};
use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::model::words::counted;
use crate::plan::{
    BUILT_IN, BuiltIn, Options, Plan, PlannedCredential, PlannedProvider, PlannedSetting, check_file,
    check_text, read_definition,
};
use crate::port::{Surroundings, VariableOrigin, without_dots};
use crate::report::Look;
use crate::source::{Severity, nearest};
use crate::system::SystemSurroundings;
use serde_json::Value;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

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

/// `runner show NAME` or `runner show FILE`
///
/// # Errors
/// When there is no such provider, its file has mistakes, or `out` cannot be written.
pub(super) fn show(args: &ShowArgs, redactor: &Redactor, out: &mut dyn Write) -> Result<(), Refusal> {
    let look = streams::stdout_look();
    let path = Path::new(&args.provider);
    if path.extension().is_some() || path.components().count() > 1 {
        return show_file(path, args.yaml, redactor, look, out);
    }
    let built_in = find(&args.provider).map_err(|unknown| Refusal::usage(unknown.to_string()))?;
    match args.yaml {
        true => out.write_all(built_in.text.as_bytes())?,
        false => write_provider(built_in.name, &built_in.definition(), &planned(built_in), look, out)?,
    }
    Ok(())
}

/// Shows a definition of the user's own.
fn show_file(
    path: &Path,
    is_yaml: bool,
    redactor: &Redactor,
    look: Look,
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let surroundings = SystemSurroundings::without_env_file();
    let checked = check_file(path, &Options::default(), &surroundings);
    let findings = Finding::all(&checked.diagnostics, &checked.sources);
    write_human(&findings, streams::is_stderr_coloured(), &mut streams::stderr(redactor))?;
    if checked.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(Refusal::said(Cause::Invalid));
    }
    let text = surroundings.read_text(path)?;
    let Some(definition) = read_definition(&path.display().to_string(), &text) else {
        let file = path.display();
        return Err(Refusal::usage(format!(
            "{file} is a playbook; `runner show` takes a provider definition"
        )));
    };
    if is_yaml {
        out.write_all(text.as_bytes())?;
        return Ok(());
    }
    let name = definition.provider.value.0.clone();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let playbook = path.with_file_name("playbook.yaml");
    let plan = plan_of(&playbook, &name, &format!("use: ./{file}, "), &surroundings);
    let plan = plan.ok_or_else(|| Refusal::usage(format!("{} cannot be used as it is", path.display())))?;
    write_provider(&path.display().to_string(), &definition, &plan, look, out)?;
    Ok(())
}

/// Shows how one signs in to a provider, what can be set, and what can be called. `shown_as` is what to write behind
/// `runner show`.
fn write_provider(
    shown_as: &str,
    definition: &Definition,
    plan: &Plan,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    let provider = &plan.providers[0];
    let name = &provider.name;
    writeln!(out, "{name} - {}", what(definition))?;
    writeln!(
        out,
        "\nsign in by the first method whose credentials are there, or by the `method` that a playbook names"
    )?;
    write_columns(out, look, &methods(provider))?;
    if !provider.credentials.is_empty() {
        writeln!(out, "\ncredentials, each from the first of these that has it")?;
        write_columns(out, look, &provider.credentials.iter().map(credential).collect::<Vec<_>>())?;
    }
    if !provider.profile_sources.is_empty() {
        writeln!(out, "\nprofile, the account that is used: {}", sources(&provider.profile_sources))?;
    }
    if !provider.settings.is_empty() {
        writeln!(out, "\nsettings")?;
        write_columns(out, look, &provider.settings.iter().map(setting).collect::<Vec<_>>())?;
    }
    writeln!(out, "\noperations, with [what can be left out]")?;
    let operations = definition.keys.operations.iter();
    let rows: Vec<_> = operations.flat_map(|(operation, keys)| call(name, &operation.value, keys)).collect();
    write_columns(out, look, &rows)?;
    writeln!(out, "\nthe whole definition: runner show {shown_as} --yaml")
}

fn write_columns(out: &mut dyn Write, look: Look, rows: &[[String; 2]]) -> io::Result<()> {
    look.columns(rows).iter().try_for_each(|line| writeln!(out, "  {line}"))
}

fn what(definition: &Definition) -> &str {
    definition.keys.description.as_deref().unwrap_or_default()
}

/// The provider as a playbook gets it that says nothing about it.
pub(super) fn planned(built_in: &BuiltIn) -> Plan {
    let plan = plan_of(Path::new("playbook.yaml"), built_in.name, "", &Nowhere);
    plan.expect("a built-in definition can be used as it is")
}

/// The plan of a playbook at this place with one provider; `keys` is what it says about it.
fn plan_of(playbook: &Path, name: &str, keys: &str, surroundings: &dyn Surroundings) -> Option<Plan> {
    let text = format!(
        "version: 1\nproviders: {{ {name}: {{ {keys}allow_http: true }} }}\nsteps: [{{ authenticate: {name} }}]\n"
    );
    check_text(playbook, &text, &Options::default(), surroundings).plan
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

/// Where a credential comes from, and whether one can go without.
fn credential(credential: &PlannedCredential) -> [String; 2] {
    let facts = [
        sources(&credential.sources),
        if credential.is_optional { "can be left out".to_owned() } else { String::new() },
        if credential.is_one_time { "fetched at each use".to_owned() } else { String::new() },
    ];
    [credential.name.clone(), joined(facts)]
}

/// `env IOT_USERNAME, stored, prompt`
fn sources(sources: &[Source]) -> String {
    sources.iter().map(|source| source_words(&source.kind)).collect::<Vec<_>>().join(", ")
}

fn source_words(source: &SourceKind) -> String {
    match source {
        SourceKind::Env(name) => format!("env {}", name.source()),
        SourceKind::Stored => "stored".to_owned(),
        SourceKind::File { path, value: None } => format!("file {}", path.source()),
        SourceKind::File { path, value: Some(value) } => format!("file {} {}", path.source(), value.as_str()),
        SourceKind::Prompt(_) => "prompt".to_owned(),
        SourceKind::Totp(secret) => format!("code of {}", secret.value),
        SourceKind::Value(_) => "the definition".to_owned(),
    }
}

fn setting(setting: &PlannedSetting) -> [String; 2] {
    let declaration = &setting.declaration;
    let default = declaration.default.as_ref().map(|default| format!("default {}", text(&default.value)));
    let facts = [
        declaration.description.clone().unwrap_or_default(),
        choices(declaration),
        default.unwrap_or_default(),
        sources(&setting.sources),
    ];
    [setting.name.clone(), joined(facts)]
}

fn joined(facts: impl IntoIterator<Item = String>) -> String {
    facts.into_iter().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join("; ")
}

/// `jp or g`
fn choices(declaration: &ValueKeys) -> String {
    let choices = declaration.choices.iter().flatten();
    choices.map(|choice| text(&choice.value)).collect::<Vec<_>>().join(" or ")
}

/// A line for the operation, and one for each parameter of which more is to be said than its name.
fn call(provider: &str, name: &str, operation: &Operation) -> Vec<[String; 2]> {
    let params = operation.params.iter().map(|(name, declaration)| param(&name.value, declaration));
    let params = params.collect::<Vec<_>>().join(" ");
    let facts = [
        params,
        if is_write(operation) { "write".to_owned() } else { String::new() },
        if operation.paginate.is_some() { "all pages".to_owned() } else { String::new() },
    ];
    let mut rows = vec![[format!("{provider}.{name}"), joined(facts)]];
    rows.extend(operation.params.iter().filter_map(|(name, declaration)| {
        let facts = [
            match declared_type(declaration) {
                ValueType::String => String::new(),
                other => other.as_str().to_owned(),
            },
            choices(declaration),
            declaration.description.clone().unwrap_or_default(),
        ];
        let facts = joined(facts);
        (!facts.is_empty()).then(|| [String::new(), format!("  {}: {facts}", name.value)])
    }));
    rows
}

/// Whether it changes something: as it is written, else by its verb.
fn is_write(operation: &Operation) -> bool {
    let is_reading_verb = operation.request.get.is_some() || operation.request.head.is_some();
    operation.effect.as_ref().map_or(!is_reading_verb, |effect| effect.value != Effect::Read)
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

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(without_dots(path))
    }
}
