//! The README's commands do what it says.

use crate::support::runner::{Output, Runner};
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The commands of the README's shell blocks that call `runner`, without comments.
fn commands() -> Vec<Vec<String>> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut is_shell = false;
    let mut commands = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            is_shell = line == "```sh";
        }
        let line = line.split(" # ").next().unwrap_or_default().trim();
        let words = line.strip_prefix("runner ").or_else(|| line.strip_prefix("cargo run --release -- "));
        if let Some(words) = words.filter(|_| is_shell) {
            commands.push(words.split_whitespace().map(str::to_owned).collect());
        }
    }
    commands
}

/// Runs a command in an empty folder: playbooks by their whole path, real ones against simulators.
fn run(command: &[String]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = |word: &String| match word.starts_with("playbooks/") {
        true => root.join(word).display().to_string(),
        false => word.clone(),
    };
    let mut words: Vec<String> = command.iter().map(place).collect();
    let is_local = |word: &String| word == "--dry-run" || word == "--simulate";
    if words[0] == "apply" && !words.iter().any(is_local) {
        words.push("--simulate".to_owned());
    }
    let credentials = [("SORACOM_AUTH_KEY_ID", "keyId-readme"), ("SORACOM_AUTH_KEY", "secret-readme-Qx7")];
    let runner = credentials.into_iter().fold(Runner::new(), |runner, (name, value)| runner.env(name, value));
    runner.plant("secret-readme-Qx7").args(words).run()
}

#[test]
fn every_command_of_the_readme_works() {
    let commands = commands();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        let output = run(&command);
        // Nobody sits at this test's terminal: a login says so.
        let expected = if command[0] == "login" { 3 } else { 0 };
        assert_eq!(output.code, Some(expected), "{command:?}\n{}\n{}", output.stdout, output.stderr);
    }
}

/// The first block of the README that begins with this line, without its fences.
fn block(first_line: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let start = readme.find(&format!("```{first_line}\n")).expect(first_line);
    let body = readme[start..].split_once('\n').unwrap().1;
    body[..body.find("```").unwrap()].to_owned()
}

/// A report without what differs from run to run.
fn stable(report: &str) -> String {
    let changes = Regex::new(r"(?m) +\d+ ms$|at \d\d:\d\d UTC|[\d.]+ s +run \w+").unwrap();
    changes.replace_all(report.trim_end(), "<changes>").into_owned()
}

#[test]
fn the_first_playbook_gives_the_report_below_it() {
    let room = Runner::new().env("LANG", "C.UTF-8").file("inventory.yaml", block("yaml"));
    let output = room.args(["apply", "--simulate", "inventory.yaml"]).run().exits(0);
    let shown = block("\n$ runner apply --simulate inventory.yaml");
    let (_, shown) = shown.split_once('\n').unwrap();
    assert_eq!(stable(&output.stdout), stable(shown));
}

#[test]
fn every_example_of_the_language_is_valid() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/playbooks.md")).unwrap();
    let examples: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 8, "{examples:?}");
    let room = Runner::new().file("examples/webhook.txt", "https://hooks.example.com/x");
    let room = examples
        .iter()
        .enumerate()
        .fold(room, |room, (number, example)| room.file(format!("examples/{number}.yaml"), example));
    let output = room.args(["validate", "examples"]).run().exits(0);
    assert_eq!(output.stdout, format!("{} files checked, no mistakes\n", examples.len()));
}

#[test]
fn every_subcommand_stands_in_the_readme() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let help = Runner::new().args(["--help"]).run().exits(0).stdout;
    let commands = help.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).unwrap();
    let names: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 9, "{names:?}");
    for name in names.into_iter().filter(|name| *name != "help") {
        assert!(readme.contains(&format!("`runner {name}")), "{name}");
    }
}

/// All keys that a schema knows, at any depth, with the place of each.
fn keys(schema: &Value, place: &str, found: &mut BTreeMap<String, String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get("properties") {
                for key in properties.keys() {
                    found.entry(key.clone()).or_insert_with(|| place.to_owned());
                }
            }
            members.iter().for_each(|(name, member)| keys(member, &format!("{place}/{name}"), found));
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, place, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_language_stands_on_its_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/playbooks.md")).unwrap();
    // In an example, or between two backticks.
    let code = Regex::new("(?s)```.*?```|`[^`\n]+`").unwrap();
    let code: Vec<&str> = code.find_iter(&page).map(|found| found.as_str()).collect();
    let words = Regex::new("[a-z_]+").unwrap();
    let code = code.join(" ");
    let shown: BTreeSet<&str> = words.find_iter(&code).map(|word| word.as_str()).collect();
    for name in ["playbook", "provider"] {
        let schema = fs::read_to_string(root.join(format!("schemas/{name}.json"))).unwrap();
        let mut known = BTreeMap::new();
        keys(&serde_json::from_str(&schema).unwrap(), name, &mut known);
        assert!(known.len() >= 100, "{}", known.len());
        known.retain(|key, _| !shown.contains(key.as_str()));
        assert!(known.is_empty(), "docs/playbooks.md does not show {known:#?}");
    }
}
