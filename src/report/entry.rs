//! What one entry of the report says, in a few words.

use crate::event::{EntryKind, EntryReport, FileNote, SessionNote, StepStatus};
use crate::model::words::{asked, counted, duration};
use jiff::Timestamp;
use std::time::Duration;

/// The label: what was done, and for which item of a loop.
pub(super) fn label(entry: &EntryReport) -> String {
    let label = match entry.kind {
        EntryKind::Step | EntryKind::Cleanup => entry.label.to_string(),
        EntryKind::Login => format!("authenticate {}", entry.label),
        EntryKind::Logout => format!("logout {}", entry.label),
    };
    match entry.item {
        Some(item) => format!("{label} (item {item})"),
        None => label,
    }
}

/// What came of it: name, facts, rows, files, retries, as far as there are such.
pub(super) fn details(entry: &EntryReport, now: Timestamp) -> String {
    let is_done = entry.status == StepStatus::Done;
    let parts = [
        entry.restored.then(|| "done before".to_owned()),
        entry.name.as_ref().map(ToString::to_string),
        entry.detail.as_ref().map(ToString::to_string).or_else(|| end_of_attempts(entry)),
        entry.session.as_ref().map(SessionNote::words),
        entry.session_end.as_ref().map(|end| end.words(now)),
        entry.rounds.filter(|rounds| *rounds > 1).map(asked),
        items(entry),
        yields(entry).filter(|_| is_done),
        (is_done && entry.retries > 0).then(|| counted(entry.retries.into(), "retry")),
        (entry.status == StepStatus::NotStarted && entry.detail.is_none()).then(|| "not started".to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// `503, 3 attempts` of a step that failed: what its last request came to.
fn end_of_attempts(entry: &EntryReport) -> Option<String> {
    let is_bad = matches!(entry.status, StepStatus::Failed | StepStatus::Unknown);
    // The end of a session tells it already.
    if !is_bad || entry.session_end.is_some() {
        return None;
    }
    // What is wrong with the body of a refusal does not matter.
    let refusal = entry.http_status.filter(|status| *status >= 400).map(|status| status.to_string());
    let end = refusal.or_else(|| entry.problem.as_ref().map(ToString::to_string));
    let end = end.or_else(|| entry.http_status.map(|status| status.to_string()))?;
    match entry.attempts {
        Some(attempts @ 2..) => Some(format!("{end}, {attempts} attempts")),
        _ => Some(end),
    }
}

/// How long it took; nothing for what took no time at all.
pub(super) fn took(entry: &EntryReport) -> String {
    let took = Duration::from_secs_f64(entry.took_ms.max(0.0) / 1000.0);
    match entry.status {
        StepStatus::Skipped | StepStatus::NotStarted => String::new(),
        _ if took < Duration::from_micros(500) && entry.requests == 0 => String::new(),
        _ => duration(took),
    }
}

/// `12 items, 1 failed, 2 skipped`
fn items(entry: &EntryReport) -> Option<String> {
    let all = entry.items?;
    let some = |count: Option<usize>, word: &str| match count {
        None | Some(0) => String::new(),
        Some(count) if count == all => format!(", all {word}"),
        Some(count) => format!(", {count} {word}"),
    };
    let (failed, skipped) = (some(entry.failed_items, "failed"), some(entry.skipped_items, "skipped"));
    let not_started = some(entry.not_started_items, "not started");
    Some(format!("{}{failed}{skipped}{not_started}", counted(all as u64, "item")))
}

/// `1,250 rows, 2 pages → devices.ndjson`
fn yields(entry: &EntryReport) -> Option<String> {
    let rows = entry.rows.map(|rows| counted(rows, "row"));
    let pages = entry.pages.filter(|pages| *pages > 0).map(|pages| counted(pages.into(), "page"));
    let amount = [rows, pages].into_iter().flatten().collect::<Vec<_>>().join(", ");
    match (amount.as_str(), &entry.file) {
        ("", None) => None,
        ("", Some(FileNote { path, .. })) => Some(format!("→ {path}")),
        (_, None) => Some(amount),
        (_, Some(FileNote { path, .. })) => Some(format!("{amount} → {path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SessionEnd;
    use crate::event::fake::clean;

    fn failed(kind: EntryKind, problem: &str) -> EntryReport {
        let entry = EntryReport::new(kind, clean("list"), Duration::ZERO);
        EntryReport { status: StepStatus::Failed, problem: Some(clean(problem)), ..entry }
    }

    fn said(entry: &EntryReport) -> String {
        details(entry, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_status_of_a_refusal_counts_more_than_its_body() {
        let body = "the body is not the JSON that it says it is (line 1, column 1)";
        let entry = |status| EntryReport {
            http_status: Some(status),
            attempts: Some(3),
            ..failed(EntryKind::Step, body)
        };
        assert_eq!(said(&entry(500)), "500, 3 attempts");
        assert_eq!(said(&entry(200)), format!("{body}, 3 attempts"));
    }

    #[test]
    fn why_a_logout_failed_is_said_once() {
        let reason = "no answer within 9 s";
        let end = SessionEnd::Failed { reason: clean(reason), valid_until: None };
        let entry = EntryReport { session_end: Some(end), ..failed(EntryKind::Logout, reason) };
        assert_eq!(said(&entry), "no answer within 9 s; the session may be open");
    }
}
