//! What one entry of the report says, in a few words.

use crate::event::{EntryKind, EntryReport, FileNote, SessionEnd, SessionNote, StepStatus};
use crate::model::words::{counted, duration, moment};
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
        entry.name.as_ref().map(ToString::to_string),
        entry.detail.as_ref().map(ToString::to_string),
        entry.session.as_ref().map(session),
        entry.session_end.as_ref().map(|end| session_end(end, now)),
        items(entry),
        yields(entry).filter(|_| is_done),
        (is_done && entry.retries > 0).then(|| counted(entry.retries.into(), "retry")),
        (entry.status == StepStatus::NotStarted && entry.detail.is_none()).then(|| "not started".to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
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

/// `as ops@example.com, user, valid 4 h`
fn session(session: &SessionNote) -> String {
    let parts = [
        session.account.as_ref().map(|account| format!("as {account}")),
        session.method.as_ref().filter(|_| session.account.is_none()).map(ToString::to_string),
        session.valid_for_ms.map(|life| format!("valid {}", duration(Duration::from_millis(life)))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn session_end(end: &SessionEnd, now: Timestamp) -> String {
    match end {
        SessionEnd::Closed => "session closed".to_owned(),
        SessionEnd::AlreadyOver => "the session had already ended".to_owned(),
        SessionEnd::Forgotten { valid_until } => {
            let end = until(*valid_until, now, ", they end");
            format!("no logout on this API: tokens forgotten here{end}")
        }
        SessionEnd::Failed { reason, valid_until } => {
            let end = until(*valid_until, now, " until");
            format!("{reason}; the session may be open{end}")
        }
    }
}

fn until(at: Option<Timestamp>, now: Timestamp, before: &str) -> String {
    let Some(at) = at else { return String::new() };
    let moment = moment(at, now);
    let is_dated = moment.len() > "18:02 UTC".len();
    match (before, is_dated) {
        (", they end", true) => format!("{before} on {moment}"),
        (", they end", false) => format!("{before} at {moment}"),
        _ => format!("{before} {moment}"),
    }
}

/// `12 items, 1 failed`
fn items(entry: &EntryReport) -> Option<String> {
    let all = counted(entry.items? as u64, "item");
    match entry.failed_items {
        None | Some(0) => Some(all),
        Some(failed) => Some(format!("{all}, {failed} failed")),
    }
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
