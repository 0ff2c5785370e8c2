//! Each file of `tests/cases/check` is a playbook or definition with a mistake; beside it stands all that `validate`
//! says of it.
//!
//! A new case is a new file whose first line says what it shows. `RUNNER_ACCEPT=1 cargo test --test it check_cases`
//! writes what is said now; read it before you commit it. Lines `# env: NAME=value` at a case's beginning are its
//! environment.

use crate::support::cases::{CaseSurroundings, yaml_files};
use runner::cli::validate::{Format, validate};
use runner::port::Surroundings;
use runner::source::Code;
use std::fs;
use std::path::Path;
use std::rc::Rc;

const FOLDER: &str = "tests/cases/check";

fn output_of(case: &Path) -> String {
    let text = fs::read_to_string(case).expect("a case is readable");
    let surroundings_of =
        |_: &Path| -> Result<Rc<dyn Surroundings>, _> { Ok(Rc::new(CaseSurroundings::of(&text))) };
    let mut out = Vec::new();
    validate(&[case.to_owned()], Format::Human, false, &surroundings_of, &mut out).expect("memory takes all");
    String::from_utf8(out).expect("diagnostics are text")
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

#[test]
fn every_case_says_what_it_shows_and_shows_a_mistake() {
    let cases = yaml_files(FOLDER);
    assert!(cases.len() >= 80, "only {} cases", cases.len());
    for case in cases {
        let text = fs::read_to_string(&case).expect("a case is readable");
        assert!(text.starts_with("# "), "{} does not say what it shows", case.display());
        assert!(output_of(&case).contains("]: "), "{} has no mistake", case.display());
    }
}

#[test]
fn every_code_has_a_case() {
    let outputs: String = yaml_files(FOLDER).iter().map(|case| output_of(case)).collect();
    let is_missing = |code: &&Code| !outputs.contains(&format!("[{}]: ", code.as_str()));
    let missing: Vec<_> = Code::ALL.iter().filter(is_missing).map(|code| code.as_str()).collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
}

/// What stands for a secret in the cases.
const PLANTED: &str = "correct-horse";

#[test]
fn no_secret_is_quoted() {
    let mut planted = 0;
    for case in yaml_files(FOLDER) {
        let text = fs::read_to_string(&case).expect("a case is readable");
        planted += usize::from(text.contains(PLANTED));
        assert!(!output_of(&case).contains(PLANTED), "{} shows a secret", case.display());
    }
    assert!(planted >= 3, "only {planted} cases hold a secret");
}
