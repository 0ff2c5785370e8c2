//! The report for people to keep and to forward: one page that needs nothing else and runs nothing.

mod rows;
mod scale;

use super::messages::failures;
use super::terminal::{steps, verdict};
use super::text::Texts;
use crate::event::{Failure, RunRecord, RunReport};
use crate::model::exit::Cause;
use crate::model::words::{counted, total};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value};
use rows::{Lane, RequestRow, Row, Shown};
use scale::{Scale, Tick};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::time::Duration;

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/style.css");

/// So many failures are told in full: a loop may have thousands.
const MOST_FAILURES: usize = 50;

/// The page.
///
/// # Errors
/// The writer's.
pub(super) fn write(record: &RunRecord, texts: &Texts<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(io::Error::other)?);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let page = environment
        .render_str(PAGE, Value::from(Serde(Page::of(record, texts))))
        .map_err(io::Error::other)?;
    writeln!(out, "{page}")?;
    out.flush()
}

/// What the page shows.
#[derive(Serialize)]
struct Page {
    version: &'static str,
    style: &'static str,
    /// The only style that the page allows.
    style_hash: String,
    playbook: String,
    file: String,
    run: String,
    simulated: bool,
    started: String,
    took: String,
    exit_code: i32,
    rerun: &'static str,
    verdict: Verdict,
    failures: Vec<FailureCard>,
    failures_left_out: Option<String>,
    warnings: Vec<String>,
    ticks: Vec<Tick>,
    timeline: Vec<Lane>,
    timeline_left_out: Option<String>,
    entries: Vec<Row>,
    entries_left_out: Option<String>,
    requests: Vec<RequestRow>,
    requests_left_out: Option<String>,
}

#[derive(Serialize)]
struct Verdict {
    class: &'static str,
    mark: &'static str,
    /// `failed: 1 of 5 steps`
    words: String,
    sum: String,
}

#[derive(Serialize)]
struct FailureCard {
    class: &'static str,
    headline: String,
    /// Request and place.
    lines: Vec<String>,
    notes: Vec<String>,
    advice: Option<String>,
}

impl Page {
    fn of(record: &RunRecord, texts: &Texts<'_>) -> Self {
        let report = &record.report;
        let took = Duration::from_secs_f64(report.took_ms.max(0.0) / 1000.0);
        let all_failures = failures(report);
        let scale = Scale::of(record);
        let Shown { rows: timeline, left_out: timeline_left_out } = rows::timeline(record, texts, &scale);
        let Shown { rows: entries, left_out: entries_left_out } = rows::entries(record, texts);
        let Shown { rows: requests, left_out: requests_left_out } = rows::requests(record, texts);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            style: STYLE,
            style_hash: format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(STYLE))),
            playbook: texts.of(&report.playbook),
            file: texts.of(&report.file),
            run: report.run.clone(),
            simulated: report.simulated,
            started: report.started_at.map_or_else(String::new, day_and_time),
            took: total(took),
            exit_code: report.exit_code,
            rerun: if report.safe_to_rerun { "does no harm" } else { "may do things twice" },
            verdict: Verdict::of(report),
            failures: all_failures
                .iter()
                .take(MOST_FAILURES)
                .map(|failure| FailureCard::of(failure, texts))
                .collect(),
            failures_left_out: (all_failures.len() > MOST_FAILURES).then(|| {
                let more = counted((all_failures.len() - MOST_FAILURES) as u64, "failure");
                format!("and {more} more; the JSON report has them all")
            }),
            warnings: report.warnings.iter().map(|text| texts.of(text)).collect(),
            ticks: scale.ticks(),
            timeline,
            timeline_left_out,
            entries,
            entries_left_out,
            requests,
            requests_left_out,
        }
    }
}

impl Verdict {
    fn of(report: &RunReport) -> Self {
        let (class, mark) = match Cause::heaviest(report.causes.iter().copied()) {
            None => ("good", "✓"),
            Some(Cause::Cleanup) => ("odd", "✓"),
            Some(Cause::Unknown) => ("odd", "?"),
            Some(_) => ("bad", "✗"),
        };
        let counts = [counted(report.requests.into(), "request"), counted(report.retries.into(), "retry")];
        let words = format!("{}: {}", verdict(report).0, steps(report));
        Self { class, mark, words, sum: counts.join(" · ") }
    }
}

impl FailureCard {
    fn of(failure: &Failure, texts: &Texts<'_>) -> Self {
        Self {
            class: if failure.cause == Cause::Unknown { "unknown" } else { "failed" },
            headline: texts.of(&failure.headline),
            lines: failure.request.iter().chain(&failure.place).map(|text| texts.of(text)).collect(),
            notes: failure.notes.iter().map(|text| texts.of(text)).collect(),
            advice: failure.advice.as_ref().map(|text| texts.of(text)),
        }
    }
}

/// `2026-11-22 14:02:00 UTC`
fn day_and_time(at: Timestamp) -> String {
    format!("{} UTC", at.strftime("%Y-%m-%d %H:%M:%S"))
}

#[cfg(test)]
mod tests;
