//! Checks as a whole: what ships is right, and each mistake is found at its place.
#![expect(clippy::disallowed_methods, reason = "the shipped files are read from disk")]

use super::entry::{Checked, Options, check_text};
use crate::plan::BUILT_IN;
use crate::port::fake::FakeSurroundings;
use std::path::{Path, PathBuf};

/// All that was found, one per line: `file:line:col severity[code] message | label | help`.
fn shown(checked: &Checked) -> Vec<String> {
    let line = |it: &crate::source::Diagnostic| {
        let place = checked.sources.place(it.primary.span);
        let written = checked.sources.snippet(it.primary.span);
        let mut line = format!("{place} {} `{written}` {}", it.code.as_str(), it.message);
        for text in
            [Some(&it.primary.text).filter(|text| !text.is_empty()), it.help.as_ref()].into_iter().flatten()
        {
            line.push_str(" | ");
            line.push_str(text);
        }
        line
    };
    checked.diagnostics.iter().map(line).collect()
}

fn check_in(text: &str, surroundings: &FakeSurroundings) -> Checked {
    check_text(Path::new("p.yaml"), text, &Options::default(), surroundings)
}

fn check(text: &str) -> Vec<String> {
    shown(&check_in(text, &FakeSurroundings::default()))
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut open = vec![folder];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => files.extend(path.extension().is_some_and(|it| it == "yaml").then_some(path)),
            }
        }
    }
    files
}

#[test]
fn what_ships_is_right() {
    let files = [yaml_files("playbooks"), yaml_files("tests/cases/sayable")].concat();
    assert!(files.len() > 50, "{} files", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let checked = check_text(&file, &text, &Options::default(), &FakeSurroundings::default());
        let wanted: &[&str] = match file.to_string_lossy() {
            path if path.contains("echome/vm-inventory") => &["insecure"],
            _ => &[],
        };
        let codes: Vec<&str> = checked.diagnostics.iter().map(|it| it.code.as_str()).collect();
        assert_eq!(codes, wanted, "{}\n{}", file.display(), shown(&checked).join("\n"));
    }
}

#[test]
fn built_in_definitions_can_be_read() {
    for built_in in BUILT_IN {
        assert_eq!(built_in.definition().provider.value.as_str(), built_in.name);
    }
}
