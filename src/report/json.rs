//! The report for machines. Its form is described by `schemas/report.json`.

use crate::event::RunReport;
use crate::model::redaction::Redactor;
use serde_json::Value;
use std::io::{self, Write};

/// The report as JSON, indented, with a line end behind it.
///
/// # Errors
/// The writer's.
pub(super) fn write(report: &RunReport, redactor: &Redactor, out: &mut dyn Write) -> io::Result<()> {
    let mut report = serde_json::to_value(report)?;
    redact_texts(&mut report, redactor);
    writeln!(out, "{report:#}")?;
    out.flush()
}

/// Members whose texts are words, identities and moments of the program itself. No secret stands there, and one that happens
/// to be such a word must not break the form.
const OWN_WORDS: [&str; 8] =
    ["run", "started_at", "causes", "kind", "status", "session_end", "valid_until", "cause"];

/// Redacts what others have written. Each text was redacted when its event was made; what became known as a secret only
/// later is found now.
fn redact_texts(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => *text = redactor.redact(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| redact_texts(item, redactor)),
        Value::Object(members) => {
            for (name, member) in members {
                if member.is_object() || !OWN_WORDS.contains(&name.as_str()) {
                    redact_texts(member, redactor);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind, EventSink, ReportFold, StepResult, StepStatus, Verdict, fake};
    use std::time::Duration;

    /// A report of one step, made while nothing was known as secret.
    fn report(redactor: &Redactor) -> RunReport {
        let clean = |text: &str| redactor.clean(text);
        let result = StepResult {
            detail: Some(clean("token tok-1234")),
            rows: Some(2026),
            took: Duration::from_millis(2026),
            ..fake::result(StepStatus::Done)
        };
        let started = EventKind::RunStarted {
            run: "2026".into(),
            playbook: clean("x"),
            file: clean("x"),
            is_simulated: false,
            is_resumed: false,
        };
        let ended = EventKind::RunFinished { verdict: Verdict::default() };
        let mut fold = ReportFold::default();
        for kind in [started, fake::finished(fake::step("status"), result), ended] {
            fold.receive(&Event {
                at: "2026-11-22T14:02:00Z".parse().unwrap(),
                elapsed: Duration::ZERO,
                kind,
            });
        }
        fold.report().clone()
    }

    #[test]
    fn a_secret_that_is_a_word_or_number_of_the_form_does_not_break_it() {
        let redactor = Redactor::default();
        let report = report(&redactor);
        for secret in ["false", "true", "null", "status", "done", "2026", "step", "entries", "tok-1234"] {
            let _ = redactor.learn(&format!("x.{secret}"), secret);
        }
        let mut written = Vec::new();
        write(&report, &redactor, &mut written).unwrap();
        let written: Value = serde_json::from_slice(&written).expect("it is JSON");
        let mut expected = serde_json::to_value(&report).unwrap();
        expected["entries"][0]["label"] = "‹x.status›".into();
        expected["entries"][0]["detail"] = "token ‹x.tok-1234›".into();
        assert_eq!(written, expected);
    }
}
