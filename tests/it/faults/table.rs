//! `docs/survival.md` tells of every fault and its tests: what it lists has a test, and every test is listed.

use std::collections::BTreeSet;
use std::fs;

use regex::Regex;

use crate::support::fleet::shipped;

/// The themes, each a list in the text, a table, and a file of tests.
const THEMES: [&str; 3] = ["Network", "Protocol", "Host"];

fn text() -> String {
    fs::read_to_string(shipped("docs/survival.md")).expect("the page is there")
}

/// What the text lists under a theme: all up to the full stop, split at its commas.
fn listed(text: &str, theme: &str) -> BTreeSet<String> {
    let mark = format!("**{theme}**:");
    let list = text.split_once(&mark).expect(theme).1.split("\n\n").next().expect("a paragraph").trim();
    let list = list.strip_suffix('.').expect("a full stop ends the list");
    list.split(',').map(|item| item.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The rows of a theme's table: what happens, and the names of its tests.
fn rows(text: &str, theme: &str) -> Vec<(String, Vec<String>)> {
    let mark = format!("\n## {theme}\n");
    let section = text.split_once(&mark).expect(theme).1.split("\n## ").next().expect("a section");
    let name = Regex::new(r"`([a-z]+::[a-z0-9_]+)`").expect("a pattern");
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [item, _, tests] = cells[..] else { panic!("three cells: {row}") };
        (item.to_owned(), name.captures_iter(tests).map(|found| found[1].to_owned()).collect())
    })
    .collect()
}

/// The tests in the files of this folder, `module::name`.
fn tests() -> BTreeSet<String> {
    let name = Regex::new(r"#\[test\]\nfn ([a-z0-9_]+)\(").expect("a pattern");
    let files = fs::read_dir(shipped("tests/it/faults")).expect("the folder is there");
    let paths = files.map(|file| file.expect("the folder is readable").path());
    let names = paths.filter(|path| path.file_stem().is_some_and(|stem| stem != "table")).flat_map(|path| {
        let text = fs::read_to_string(&path).expect("sources are readable");
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        name.captures_iter(&text).map(|found| format!("{module}::{}", &found[1])).collect::<Vec<_>>()
    });
    names.collect()
}

#[test]
fn every_line_of_the_lists_has_a_row() {
    let text = text();
    for theme in THEMES {
        let told: BTreeSet<String> = rows(&text, theme).into_iter().map(|(item, _)| item).collect();
        assert_eq!(listed(&text, theme), told, "{theme}: the list and the first column of the table");
    }
}

#[test]
fn every_row_has_tests_and_every_test_a_row() {
    let text = text();
    let tests = tests();
    assert!(tests.contains("network::refused"), "{tests:?}");
    let mut told = BTreeSet::new();
    for (item, names) in THEMES.iter().flat_map(|theme| rows(&text, theme)) {
        assert!(!names.is_empty(), "{item} has no test");
        told.extend(names);
    }
    assert_eq!(told, tests, "the tests of docs/survival.md, and those that there are");
}
