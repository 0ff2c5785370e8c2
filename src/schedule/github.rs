//! A workflow of GitHub Actions.

use super::job::{Job, Unsayable, short_name};
use super::text::{one_line, yaml_quoted};
use crate::model::words::shell_quoted;
use std::fmt::Write;

const FORM: &str = "a workflow";

/// Where the playbook lies in its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The playbook's folder, relative to the root; `.` = the root itself.
    pub folder: String,
    /// The playbook's file name.
    pub file: String,
}

/// The workflow. `image` is the container image that has `runner` in it.
///
/// # Errors
/// When a name has what GitHub would take for an expression, or a flag names what its machines do not have.
pub fn workflow(job: &Job, checkout: &Checkout, image: &str) -> Result<String, Unsayable> {
    job.refuse_flags_of_here(FORM)?;
    let words = job.arguments(&checkout.file, false);
    for text in words.iter().chain([&checkout.folder]) {
        refuse_expression(text)?;
    }
    let words: Vec<String> = words.iter().map(|word| shell_quoted(word)).collect();
    let name = short_name(&job.playbook);
    // Without a deadline it is GitHub's own limit.
    let minutes = job.longest().map_or(360, |longest| {
        const TO_START: u64 = 5;
        (longest + job.schedule.jitter).as_secs().div_ceil(60) + TO_START
    });
    let zone = match job.schedule.zone.name() {
        "UTC" => String::new(),
        name => format!("      timezone: {}\n", yaml_quoted(name)),
    };
    Ok(format!(
        "# Save as .github/workflows/{name}.yml on the default branch.
name: {title}
on:
  schedule:
    - cron: {cron}
{zone}  workflow_dispatch: {{}}
permissions:
  contents: read
# One at a time; the next one waits. A run is never cancelled: it may be in the middle of a write.
concurrency:
  group: {name}
  cancel-in-progress: false
jobs:
  run:
    runs-on: ubuntu-latest
    container: {image}
    timeout-minutes: {minutes}
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - name: runner apply
        shell: sh
        working-directory: {folder}
        run: {command}
{secrets}",
        title = yaml_quoted(&one_line(&job.title).replace("${{", "$ {{")),
        cron = yaml_quoted(&job.schedule.cron.to_string()),
        folder = yaml_quoted(&checkout.folder),
        image = yaml_quoted(image),
        command = yaml_quoted(&format!("runner {}", words.join(" "))),
        secrets = secrets(job),
    ))
}

/// GitHub reads expressions wherever a text has them, whatever quotes stand around.
fn refuse_expression(text: &str) -> Result<(), Unsayable> {
    match text.contains("${{") {
        false => Ok(()),
        true => Err(Unsayable::Text {
            form: FORM,
            what: "the text",
            value: one_line(text),
            reason: "GitHub takes `${{` for an expression of its own",
        }),
    }
}

fn secrets(job: &Job) -> String {
    if job.needs.variables.is_empty() {
        return String::new();
    }
    let mut text = String::from("        env:\n");
    for variable in &job.needs.variables {
        let store = if variable.is_secret { "secrets" } else { "vars" };
        let name = &variable.name;
        writeln!(text, "          {name}: ${{{{ {store}.{name} }}}} # {}", one_line(&variable.holds))
            .expect("a string takes all");
    }
    text
}
