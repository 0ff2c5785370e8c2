//! The JSON Schemas: as committed, complete in their descriptions, and of one mind with the check.

use crate::support::cases::{CaseSurroundings, yaml_files};
use runner::cli::schema::{SchemaKind, schema, write_schema};
use runner::cli::validate::check_file;
use runner::document::{Node, parse};
use runner::source::{Code, Diagnostics, SourceMap};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Every file that ships and every one that the language must be able to say.
fn shipped_files() -> Vec<std::path::PathBuf> {
    let files = [yaml_files("playbooks"), yaml_files("tests/cases/sayable")].concat();
    assert!(files.len() > 40, "only {} files found", files.len());
    files
}

fn read(path: &Path) -> Option<Node> {
    let mut sources = SourceMap::default();
    let file =
        sources.add(path.display().to_string(), fs::read_to_string(path).expect("the file is readable"));
    parse(&sources, file, &mut Diagnostics::default())
}

struct Validators {
    playbook: jsonschema::Validator,
    provider: jsonschema::Validator,
}

impl Validators {
    fn new() -> Self {
        let validator = |kind| {
            let schema = schema(kind);
            jsonschema::draft202012::new(schema.as_value()).expect("the schema is a schema")
        };
        Self { playbook: validator(SchemaKind::Playbook), provider: validator(SchemaKind::Provider) }
    }

    /// What the schema of a file's kind says against it, a line for each complaint.
    fn complaints(&self, node: &Node) -> Vec<String> {
        let validator = if node.get("provider").is_some() { &self.provider } else { &self.playbook };
        let value = node.to_json();
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let is_accepting = std::env::var_os("RUNNER_ACCEPT").is_some();
    for kind in SchemaKind::ALL {
        let path = format!("schemas/{}.json", kind.as_str());
        let mut generated = Vec::new();
        write_schema(kind, &mut generated).expect("memory takes all");
        if is_accepting {
            fs::write(&path, &generated).expect("the folder of schemas is writable");
        }
        let committed = fs::read(&path).unwrap_or_default();
        assert!(committed == generated, "{path} differs; run `runner schema {} > {path}`", kind.as_str());
    }
}

#[test]
fn every_key_has_a_description() {
    for kind in SchemaKind::ALL {
        let mut found = 0;
        let mut silent = Vec::new();
        visit_keys(schema(kind).as_value(), &mut |key, about| {
            found += 1;
            let description = about.get("description").and_then(Value::as_str).unwrap_or_default();
            if description.is_empty() || description.contains(['[', '\n']) {
                silent.push(key.to_owned());
            }
        });
        assert!(found > 30, "only {found} keys found in the schema {kind:?}");
        assert!(silent.is_empty(), "{kind:?}: {silent:?} have no plain description");
    }
}

fn visit_keys(schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match schema {
        Value::Object(object) => {
            for (keyword, inner) in object {
                if let ("properties", Value::Object(keys)) = (keyword.as_str(), inner) {
                    keys.iter().for_each(|(key, about)| visit(key, about));
                    keys.values().for_each(|about| visit_keys(about, visit));
                } else {
                    visit_keys(inner, visit);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit_keys(item, visit)),
        _ => {}
    }
}

#[test]
fn every_shipped_file_is_accepted() {
    let validators = Validators::new();
    for path in shipped_files() {
        let complaints = validators.complaints(&read(&path).expect("the file is YAML"));
        assert!(complaints.is_empty(), "{}:\n{}", path.display(), complaints.join("\n"));
    }
}

/// Mistakes that a schema can see: keys, types and words. It does not know the other file, the declared type of a
/// parameter, what a name in a text refers to.
const SEEN_BY_SCHEMAS: [Code; 5] =
    [Code::UnknownKey, Code::MissingKey, Code::WrongType, Code::UnknownWord, Code::NotSupportedYet];

#[test]
fn every_case_whose_mistake_is_a_key_a_type_or_a_word_is_refused() {
    let validators = Validators::new();
    let mut refused = 0;
    let mut accepted = Vec::new();
    for case in yaml_files("tests/cases/check") {
        let surroundings = CaseSurroundings::of(&fs::read_to_string(&case).expect("a case is readable"));
        let Some(node) = read(&case) else { continue };
        let (sources, diagnostics) = check_file(&case, &surroundings);
        let is_own = |file| sources.file(file).name() == case.to_string_lossy();
        let own: Vec<_> = diagnostics
            .iter()
            .filter(|item| SEEN_BY_SCHEMAS.contains(&item.code) && is_own(item.primary.span.file))
            .collect();
        match (own.is_empty(), validators.complaints(&node).is_empty()) {
            (true, _) => {}
            (false, false) => refused += 1,
            (false, true) => accepted.push(format!("{}: {own:?}", case.display())),
        }
    }
    assert!(accepted.is_empty(), "the schemas accept\n{}", accepted.join("\n"));
    assert!(refused >= 30, "only {refused} cases have such a mistake");
}
