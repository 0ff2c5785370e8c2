//! What a run would do, for people.

use super::look::{BAD, BOLD, DIM, Look, ODD, columns, painted};
use crate::engine::{DryAction, DryLine, DryRun, DrySecret};
use std::io::{self, Write};

/// Writes a dry run: secrets with source and destination, requests as far as they are known, the counts.
///
/// # Errors
/// The writer's.
pub fn write_dry_run(title: &str, run: &DryRun, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let title = painted(BOLD, &look.text(title));
    writeln!(out, "{}", look.justified(&title, &painted(DIM, "dry run")))?;
    if !run.secrets.is_empty() {
        writeln!(out, "\n  secrets")?;
        write_secrets(&run.secrets, look, out)?;
    }
    writeln!(out, "\n  requests")?;
    write_lines(&run.lines, look, out)?;
    if !run.cleanup.is_empty() {
        writeln!(out, "\n  cleanup, where something is left to undo")?;
        write_lines(&run.cleanup, look, out)?;
    }
    writeln!(out, "\n{}", run.summary())?;
    out.flush()
}

fn write_secrets(secrets: &[DrySecret], look: Look, out: &mut dyn Write) -> io::Result<()> {
    let source = |secret: &DrySecret| match &secret.source {
        Ok(source) => look.text(source.as_str()),
        Err(_) => painted(BAD, "no source has it"),
    };
    let names = width(secrets.iter().map(|secret| look.text(secret.name.as_str())));
    let sources = width(secrets.iter().map(source));
    for secret in secrets {
        let name = padded(&look.text(secret.name.as_str()), names);
        let origins = secret.origins.iter().map(|origin| origin.as_str()).collect::<Vec<_>>().join(", ");
        let destination =
            if origins.is_empty() { String::new() } else { look.text(format!("→ {origins}")) };
        let line = format!("    {name}  {}  {destination}", padded(&source(secret), sources));
        writeln!(out, "{}", line.trim_end())?;
        for tried in secret.source.as_ref().err().into_iter().flatten() {
            writeln!(out, "      {}", look.text(tried.as_str()))?;
        }
    }
    Ok(())
}

fn write_lines(lines: &[DryLine], look: Look, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<[String; 3]> = lines.iter().map(|line| row(line, look)).collect();
    let labels = width(rows.iter().map(|[label, ..]| label));
    let is_request = |line: &&DryLine| matches!(line.action, DryAction::Request { .. });
    let targets = width(lines.iter().filter(is_request).map(|line| row(line, look)[1].clone()));
    for [label, target, rest] in &rows {
        let line = format!("    {}  {}  {rest}", padded(label, labels), padded(target, targets));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Label, where it goes, and what else there is to say.
fn row(line: &DryLine, look: Look) -> [String; 3] {
    let mut notes = Vec::new();
    let (target, body) = match &line.action {
        DryAction::Request { method, target, body, is_write, .. } => {
            notes.extend(is_write.then(|| painted(ODD, "write")));
            (format!("{method:6} {target}"), body.as_ref().map(|body| look.text(body.as_str())))
        }
        DryAction::Store { target, store } => (format!("{target} → {store}"), None),
        DryAction::Nothing(reason) => (format!("nothing: {reason}"), None),
        DryAction::Impossible(reason) => {
            notes.push(painted(BAD, &look.text(format!("cannot be done: {reason}"))));
            (String::new(), None)
        }
    };
    notes.extend(after(line, look));
    notes.extend(line.notes.iter().map(|note| look.text(note.as_str())));
    let notes = notes.join(&look.text(" · "));
    let rest = body.into_iter().chain((!notes.is_empty()).then_some(notes)).collect::<Vec<_>>().join("  ");
    [look.text(line.label.as_str()), look.text(target), rest]
}

fn after(line: &DryLine, look: Look) -> Option<String> {
    let steps: Vec<&str> = line.after.iter().map(|step| step.as_str()).collect();
    (!steps.is_empty()).then(|| painted(DIM, &look.text(format!("after {}", steps.join(", ")))))
}

fn width(texts: impl Iterator<Item = impl AsRef<str>>) -> usize {
    const WIDEST: usize = 60;
    texts.map(|text| columns(text.as_ref())).max().unwrap_or(0).min(WIDEST)
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{:pad$}", "", pad = width.saturating_sub(columns(text)))
}
