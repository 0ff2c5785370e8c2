//! Each file of `tests/cases/check` is a playbook or definition with a mistake; beside it stands all that `validate`
//! says of it.
//!
//! A new case is a new file whose first line says what it shows. `RUNNER_ACCEPT=1 cargo test --test it check_cases`
//! writes what is said now; read it before you commit it. Lines `# env: NAME=value` at a case's beginning are its
//! environment.

use crate::support::cases::{CaseSurroundings, yaml_files};
use runner::cli::validate;
use runner::source::Code;
use std::fs;
use std::path::Path;

const FOLDER: &str = "tests/cases/check";

fn output_of(case: &Path) -> String {
    let surroundings = CaseSurroundings::of(&fs::read_to_string(case).expect("a case is readable"));
    let mut out = Vec::new();
    let code = validate::validate(case, &surroundings, &mut out).expect("memory takes all");
    let text = String::from_utf8(out).expect("diagnostics are text");
    format!("{text}exit {code}\n")
}

#[test]
fn every_case_says_what_it_should() {
    let is_accepting = std::env::var_os("RUNNER_ACCEPT").is_some();
    let mut complaints = String::new();
    for case in yaml_files(FOLDER) {
        let output = output_of(&case);
        let expected = case.with_extension("txt");
        if is_accepting {
            fs::write(&expected, &output).expect("the folder of cases is writable");
        } else if fs::read_to_string(&expected).ok().as_ref() != Some(&output) {
            complaints += &format!("{} is not what is said now:\n{output}\n", expected.display());
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}
