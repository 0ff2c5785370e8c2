//! What a run would do, for people.

use super::look::{BAD, BOLD, DIM, Look, ODD, columns, painted};
use crate::engine::{DryAction, DryLine, DryRun, DrySecret};
use crate::model::redacted::Redacted;
use std::io::{self, Write};

/// Writes a dry run: secrets with source and destination, requests as far as they are known, the counts.
///
/// # Errors
/// The writer's.
pub fn write_dry_run(title: &str, run: &DryRun, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let title = painted(BOLD, &look.text(title));
    for line in look.spread(&title, &painted(DIM, "dry run"), 0) {
        writeln!(out, "{line}")?;
    }
    if !run.secrets.is_empty() {
        writeln!(out, "\n  secrets")?;
        write_secrets(&run.secrets, look, out)?;
    }
    let origin = only_origin(run);
    let destination = origin.map(|origin| format!(" to {origin}")).unwrap_or_default();
    writeln!(out, "\n  requests{}", look.text(destination))?;
    write_lines(&run.lines, origin.is_some(), look, out)?;
    if !run.cleanup.is_empty() {
        writeln!(out, "\n  cleanup")?;
        write_lines(&run.cleanup, origin.is_some(), look, out)?;
    }
    if !run.pings.is_empty() {
        writeln!(out, "\n  pings")?;
        write_lines(&run.pings, false, look, out)?;
    }
    writeln!(out)?;
    if let Some(cleanup) = run.possible_cleanup() {
        writeln!(out, "{cleanup}")?;
    }
    writeln!(out, "{}", run.summary())?;
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

/// Where all requests go, if that is one place: said once, it need not be said with each.
fn only_origin(run: &DryRun) -> Option<&str> {
    let mut origins: Vec<&str> = Vec::new();
    let lines = run.lines.iter().chain(&run.cleanup);
    for origin in lines.filter_map(DryLine::origin).map(Redacted::as_str) {
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    if let [origin] = origins[..] { Some(origin) } else { None }
}

fn write_lines(lines: &[DryLine], is_origin_told: bool, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let parts = lines.chunk_by(|line, next| !line.is_shown && !next.is_shown);
    let row = |part: &[DryLine]| match &part[0] {
        first if first.is_shown => Row::of(first, is_origin_told, look),
        first => Row::of_hidden(&first.label, part.len(), look),
    };
    let rows: Vec<Row> = parts.map(row).collect();
    let labels = width(rows.iter().map(|row| &row.label));
    let targets = width(rows.iter().filter(|row| row.is_request).map(|row| &row.target));
    for Row { label, target, rest, headers, .. } in &rows {
        let line = format!("    {}  {}  {rest}", padded(label, labels), padded(target, targets));
        writeln!(out, "{}", line.trim_end())?;
        for header in headers {
            writeln!(out, "    {}  {}{header}", padded("", labels), padded("", METHOD + 1))?;
        }
    }
    Ok(())
}

/// The columns of the longest common verb.
const METHOD: usize = 6;

/// What is printed of a line.
struct Row {
    label: String,
    is_request: bool,
    /// What it does, and where it goes.
    target: String,
    /// What else there is to say.
    rest: String,
    /// Below it.
    headers: Vec<String>,
}

impl Row {
    /// One line for all that is counted only.
    fn of_hidden(label: &Redacted, count: usize, look: Look) -> Self {
        Self {
            label: look.text(label.as_str()),
            is_request: false,
            target: look.text(format!("… {count} more like these")),
            rest: String::new(),
            headers: Vec::new(),
        }
    }

    fn of(line: &DryLine, is_origin_told: bool, look: Look) -> Self {
        let mut notes = Vec::new();
        let mut headers: &[Redacted] = &[];
        let (target, body) = match &line.action {
            DryAction::Request { method, origin, target, body, is_write, headers: written, .. } => {
                notes.extend(is_write.then(|| painted(ODD, "write")));
                headers = written;
                let origin = origin.as_ref().filter(|_| !is_origin_told);
                let origin = origin.map(Redacted::as_str).unwrap_or_default();
                let body = body.as_ref().map(|body| look.text(body.as_str()));
                (format!("{method:METHOD$} {origin}{target}"), body)
            }
            DryAction::Store { target, store, problem } => {
                let problem = problem.as_ref().map(|problem| look.text(format!("cannot be kept: {problem}")));
                notes.extend(problem.map(|problem| painted(BAD, &problem)));
                (format!("{target} → {store}"), None)
            }
            DryAction::Nothing(reason) => (format!("nothing: {reason}"), None),
            DryAction::Impossible(reason) => {
                notes.push(painted(BAD, &look.text(format!("cannot be done: {reason}"))));
                (String::new(), None)
            }
        };
        notes.extend(after(line, look));
        notes.extend(line.notes.iter().map(|note| look.text(note.as_str())));
        let notes = notes.join(&look.text(" · "));
        let rest = body.into_iter().chain((!notes.is_empty()).then_some(notes));
        Self {
            label: look.text(line.label.as_str()),
            is_request: matches!(line.action, DryAction::Request { .. }),
            target: look.text(target),
            rest: rest.collect::<Vec<_>>().join("  "),
            headers: headers.iter().map(|header| painted(DIM, &look.text(header.as_str()))).collect(),
        }
    }
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
