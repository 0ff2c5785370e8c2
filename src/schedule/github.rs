//! A workflow of GitHub Actions.

use super::job::{Job, Unsayable, short_name};
use super::text::{one_line, slug, yaml_quoted};
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
    let paths = job.needs.secret_files.iter().map(|file| &file.path);
    for text in words.iter().chain([&checkout.folder]).chain(paths) {
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
{files}      - name: runner apply
        shell: sh
        working-directory: {folder}
        run: {command}
{secrets}",
        title = yaml_quoted(&one_line(&job.title).replace("${{", "$ {{")),
        cron = yaml_quoted(&job.schedule.cron.to_string()),
        folder = yaml_quoted(&checkout.folder),
        image = yaml_quoted(image),
        command = yaml_quoted(&format!("runner {}", words.join(" "))),
        files = files(job, checkout),
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

/// Where the job finds what systemd would hand over as credentials.
const CREDENTIALS: &str = "/run/credentials";

/// A step that writes the files of secrets, and comments on the files that are to be in the repository.
fn files(job: &Job, checkout: &Checkout) -> String {
    let mut text = String::new();
    for file in &job.needs.files {
        writeln!(text, "      # Has to be in the repository, beside the playbook: {}", one_line(file))
            .expect("a string takes all");
    }
    let credentials =
        job.needs.credential_files.iter().map(|file| (format!("{CREDENTIALS}/{}", file.name), &file.holds));
    let others = job.needs.secret_files.iter().map(|file| (file.path.clone(), &file.holds));
    let files: Vec<_> = credentials.chain(others).collect();
    if files.is_empty() {
        return text;
    }
    let folder = yaml_quoted(&checkout.folder);
    write!(text, "      - name: files of secrets\n        shell: sh\n        working-directory: {folder}\n        env:\n")
        .expect("a string takes all");
    let mut names: Vec<String> = Vec::new();
    for (path, holds) in &files {
        let name = free_name(secret_name(path), &names);
        writeln!(text, "          {name}: ${{{{ secrets.{name} }}}} # {}", one_line(holds))
            .expect("a string takes all");
        names.push(name);
    }
    let mut script = "umask 077\n".to_owned();
    for ((path, _), name) in files.iter().zip(&names) {
        let path = shell_quoted(path);
        writeln!(script, "mkdir -p -- \"$(dirname -- {path})\" && printf %s \"${name}\" > {path}")
            .expect("a string takes all");
    }
    writeln!(text, "        run: {}", yaml_quoted(&script)).expect("a string takes all");
    text
}

/// The name of a secret of GitHub for a file: capital letters, digits and `_`.
fn secret_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = slug(file).to_ascii_uppercase().replace('-', "_");
    format!("FILE_{name}")
}

/// The name, else the first `name_2` that nobody has.
fn free_name(name: String, taken: &[String]) -> String {
    let numbered = (2..).map(|number: u32| format!("{name}_{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| !taken.contains(name)).expect("numbers have no end")
}

fn secrets(job: &Job) -> String {
    if job.needs.variables.is_empty() && job.needs.credential_files.is_empty() {
        return String::new();
    }
    let mut text = String::from("        env:\n");
    if !job.needs.credential_files.is_empty() {
        writeln!(text, "          CREDENTIALS_DIRECTORY: {CREDENTIALS}").expect("a string takes all");
    }
    for variable in &job.needs.variables {
        let store = if variable.is_secret { "secrets" } else { "vars" };
        let name = &variable.name;
        writeln!(text, "          {name}: ${{{{ {store}.{name} }}}} # {}", one_line(&variable.holds))
            .expect("a string takes all");
    }
    text
}
