//! The JSON Schemas: as committed, complete in their descriptions, and of one mind with the check.

use crate::support::cases::{CaseSurroundings, yaml_files};
use runner::cli::schema::{SchemaKind, schema, write_schema};
use runner::document::{Node, parse};
use runner::plan::{Options, check_file};
use runner::source::{Code, Diagnostic, Diagnostics, SourceMap};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every file that ships and every one that the language must be able to say.
fn shipped_files() -> Vec<PathBuf> {
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

fn kind_of(node: &Node) -> SchemaKind {
    match node.get("provider").is_some() && node.get("steps").is_none() {
        true => SchemaKind::Provider,
        false => SchemaKind::Playbook,
    }
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
        let validator = match kind_of(node) {
            SchemaKind::Provider => &self.provider,
            _ => &self.playbook,
        };
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
            // What stands under a condition was described where the key is declared.
            for (keyword, inner) in
                object.iter().filter(|(keyword, _)| !matches!(keyword.as_str(), "if" | "then"))
            {
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

/// What Ajv, reading with js-yaml, says of files that are all playbooks or all definitions: a line for each, in order,
/// which begins with `accepted` or `refused`.
fn judge_by_ajv(kind: SchemaKind, files: &[PathBuf]) -> Vec<String> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/node_modules");
    assert!(tools.join("ajv").exists(), "Ajv is missing; `./tests/all` installs it");
    let mut schema_file = tempfile::NamedTempFile::new().expect("there is room for a file");
    write_schema(kind, &mut schema_file).expect("there is room for a schema");
    let mut command = Command::new("node");
    command.args(["tests/tools/validate.cjs".as_ref(), tools.as_os_str(), schema_file.path().as_os_str()]);
    command.args(files);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("node starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), files.len(), "not each file was judged: {lines:?}");
    lines
}

/// The files by the schema that they have to fulfil: playbooks, definitions.
fn by_kind(files: Vec<PathBuf>) -> [(SchemaKind, Vec<PathBuf>); 2] {
    let is_definition =
        |path: &PathBuf| read(path).is_some_and(|node| kind_of(&node) == SchemaKind::Provider);
    let (definitions, playbooks) = files.into_iter().partition(is_definition);
    [(SchemaKind::Playbook, playbooks), (SchemaKind::Provider, definitions)]
}

#[test]
fn every_shipped_file_is_accepted() {
    let validators = Validators::new();
    for path in shipped_files() {
        let complaints = validators.complaints(&read(&path).expect("the file is YAML"));
        assert!(complaints.is_empty(), "{}:\n{}", path.display(), complaints.join("\n"));
    }
}

#[test]
fn every_shipped_file_is_accepted_by_ajv_too() {
    for (kind, files) in by_kind(shipped_files()) {
        for judgement in judge_by_ajv(kind, &files) {
            assert!(judgement.starts_with("accepted "), "{judgement}");
        }
    }
}

/// Mistakes that a schema can see: keys, types and words.
const SEEN_BY_SCHEMAS: [Code; 5] =
    [Code::UnknownKey, Code::MissingKey, Code::WrongType, Code::UnknownWord, Code::NotSupportedYet];

/// Cases whose mistake only shows beside what another map or file declares, inside of an expression, or once it is built.
const BEYOND_SCHEMAS: [&str; 6] = [
    "expression-words.yaml",
    "later-report.yaml",
    "parameter-quotes.yaml",
    "provider-use-of-a-playbook.yaml",
    "unknown-parameter.yaml",
    "unknown-setting.yaml",
];

/// The cases with a mistake of their own that a schema can see.
fn cases_for_schemas() -> Vec<PathBuf> {
    let has_such_a_mistake = |case: &PathBuf| {
        let surroundings = CaseSurroundings::of(&fs::read_to_string(case).expect("a case is readable"));
        let checked = check_file(case, &Options::default(), &surroundings);
        let is_own = |file| checked.sources.file(file).name() == case.to_string_lossy();
        let is_seen =
            |item: &Diagnostic| SEEN_BY_SCHEMAS.contains(&item.code) && is_own(item.primary.span.file);
        let is_beyond = BEYOND_SCHEMAS.iter().any(|name| case.ends_with(name));
        !is_beyond && read(case).is_some() && checked.diagnostics.iter().any(is_seen)
    };
    let cases: Vec<PathBuf> =
        yaml_files("tests/cases/check").into_iter().filter(has_such_a_mistake).collect();
    assert!(cases.len() >= 30, "only {} cases have such a mistake", cases.len());
    cases
}

#[test]
fn every_case_whose_mistake_is_a_key_a_type_or_a_word_is_refused() {
    let validators = Validators::new();
    for case in cases_for_schemas() {
        let complaints = validators.complaints(&read(&case).expect("the case is YAML"));
        assert!(!complaints.is_empty(), "{} is accepted by the schema", case.display());
    }
}

#[test]
fn every_such_case_is_refused_by_ajv_too() {
    for (kind, files) in by_kind(cases_for_schemas()) {
        for judgement in judge_by_ajv(kind, &files) {
            assert!(judgement.starts_with("refused "), "{judgement}");
        }
    }
}
