//! The import direction of `src/`: every folder has a level, and imports only from lower ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// The level of every folder of `src/`. Folders of one level ignore each other. The simulators are written from the facts,
/// not from our client: so they stand on the ground and import nothing.
const LEVELS: [(&str, u8); 19] = [
    ("calendar", 0),
    ("model", 0),
    ("simulate", 0),
    ("source", 1),
    ("port", 1),
    ("template", 2),
    ("event", 2),
    ("document", 3),
    ("plan", 4),
    ("credential", 5),
    ("schedule", 5),
    ("exchange", 6),
    ("session", 7),
    ("engine", 8),
    ("report", 9),
    ("system", 9),
    ("journal", 10),
    ("cli", 11),
    ("main", 12),
];

/// What unit tests of every level may use.
const TEST_TOOLS: &str = "port::fake";

#[test]
fn imports_point_downwards() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src);
    assert!(files.iter().any(|file| file.ends_with("model/mod.rs")), "no sources in {}", src.display());
    let complaints: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).expect("sources are readable");
            complaints(file.strip_prefix(&src).expect("the file lies in src"), &text)
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("sources are readable");
    entries
        .map(|entry| entry.expect("sources are readable").path())
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// One line for each import of a file that the levels do not allow. `path` is relative to `src/`.
fn complaints(path: &Path, text: &str) -> Vec<String> {
    // lib.rs declares the folders and belongs to none.
    if path == Path::new("lib.rs") {
        return Vec::new();
    }
    let folder = path.iter().next().expect("a file has a name").to_string_lossy();
    let folder = folder.trim_end_matches(".rs");
    let Some(own) = level(folder) else {
        return vec![format!("src/{}: `{folder}` has no level", path.display())];
    };
    let is_allowed = |import: &str, is_in_tests: bool| {
        if import.starts_with("super") {
            // As many as there are modules around the code lead to the root.
            let modules = path.with_extension("").iter().filter(|name| *name != "mod").count();
            return import.matches("super").count() < modules + usize::from(is_in_tests);
        }
        let imported = import.split("::").next().unwrap_or_default();
        imported == folder
            || level(imported).is_some_and(|level| level < own)
            || (is_in_tests && import.starts_with(TEST_TOOLS))
    };
    let is_test_file = path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
    let (code, tests) = text.split_once("\nmod tests {").unwrap_or((text, ""));
    [(code, is_test_file), (tests, true)]
        .into_iter()
        .flat_map(|(code, is_in_tests)| imports(code).map(move |import| (import, is_in_tests)))
        .filter(|(import, is_in_tests)| !is_allowed(import, *is_in_tests))
        .map(|(import, _)| format!("src/{}: `{folder}` must not import `{import}`", path.display()))
        .collect()
}

fn level(folder: &str) -> Option<u8> {
    LEVELS.iter().find(|(name, _)| *name == folder).map(|(_, level)| *level)
}

/// Every path of a file that begins at the root of the crate, behind `crate::` or, in the program itself, `runner::`. What
/// might hide such a path comes out, too: a group `crate::{...}`, and every row of `super::`.
fn imports(code: &str) -> impl Iterator<Item = &str> {
    static PATH: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b(?:crate|runner)::(\{|\w+(?:::\w+)?)|\b((?:super::)+)").unwrap());
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| PATH.captures_iter(line)).map(|found| {
        let path = found.get(1).or(found.get(2)).expect("one of the two is there");
        path.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, text: &str) -> Vec<String> {
        complaints(Path::new(path), text)
    }

    #[track_caller]
    fn assert_refused(path: &str, text: &str, import: &str) {
        let folder = path.split(['/', '.']).next().unwrap();
        assert_eq!(of(path, text), [format!("src/{path}: `{folder}` must not import `{import}`")]);
    }

    #[test]
    fn lower_folders_and_the_own_one_are_allowed() {
        let text = "use crate::plan::Plan;\nuse super::scope::Scope;\nfn f() { crate::model::id::next(); }";
        assert_eq!(of("engine/run.rs", text), [""; 0]);
        assert_eq!(of("engine/run.rs", "use crate::engine::scope::Scope;"), [""; 0]);
        assert_eq!(of("main.rs", "fn main() { runner::cli::run(); }"), [""; 0]);
        assert_eq!(of("lib.rs", "pub use crate::cli::run;"), [""; 0]);
        assert_eq!(of("model/id.rs", "/// See [`crate::cli::Args`].\n// crate::cli::Args"), [""; 0]);
    }

    #[test]
    fn a_folder_of_the_same_level_or_above_is_refused() {
        assert_refused("model/id.rs", "use crate::plan::Plan;", "plan::Plan");
        assert_refused("engine/mod.rs", "fn f() -> crate::report::Line { panic!() }", "report::Line");
        assert_refused("event/kind.rs", "use crate::document::Step;", "document::Step");
        assert_refused("simulate/clock.rs", "use crate::model::words;", "model::words");
    }

    #[test]
    fn what_would_hide_an_import_is_refused() {
        assert_refused("plan/check.rs", "use crate::{model::Id, engine::Run};", "{");
        assert_refused(
            "plan/check/step.rs",
            "use super::super::super::engine::Run;",
            "super::super::super::",
        );
    }

    #[test]
    fn unit_tests_may_use_the_fakes() {
        let code = "use crate::port::fake::Fake;";
        assert_refused("model/id.rs", code, "port::fake");
        assert_eq!(of("model/id.rs", &format!("fn f() {{}}\nmod tests {{\n{code}")), [""; 0]);
        assert_eq!(of("model/tests/id.rs", code), [""; 0]);
    }

    #[test]
    fn a_folder_without_a_level_is_refused() {
        assert_eq!(of("extra/mod.rs", ""), ["src/extra/mod.rs: `extra` has no level"]);
    }
}
