//! The rows of the page: steps, their times, requests.

use super::scale::Scale;
use crate::event::{EntryKind, EntryReport, RequestRecord, RunRecord, StepStatus};
use crate::model::words::{counted, duration, grouped};
use crate::report::entry;
use crate::report::terminal::is_shown;
use crate::report::text::Texts;
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// How many steps the page shows, and how many requests. What is beyond nobody reads, and browsers grow slow.
const MOST_ROWS: usize = 1000;
/// How many steps the time line shows, and how many requests in one of them.
const MOST_LANES: usize = 200;
const MOST_REQUESTS_IN_LANE: usize = 200;
/// Deeper ones are not indented further.
const DEEPEST: usize = 4;

/// Rows, and what to say about those that are not among them.
pub(super) struct Shown<T> {
    pub(super) rows: Vec<T>,
    pub(super) left_out: Option<String>,
}

/// A step in the table.
#[derive(Serialize)]
pub(super) struct Row {
    class: &'static str,
    mark: &'static str,
    status: &'static str,
    label: String,
    depth: usize,
    is_cleanup: bool,
    details: String,
    request_count: String,
    request_unit: &'static str,
    took: String,
}

/// A step on the time line.
#[derive(Serialize)]
pub(super) struct Lane {
    class: &'static str,
    label: String,
    depth: usize,
    /// When, and how long, in words.
    span: String,
    x: String,
    width: String,
    requests: Vec<LaneRequest>,
}

/// A request on the time line.
#[derive(Serialize)]
struct LaneRequest {
    class: &'static str,
    words: String,
    x: String,
    width: String,
    end: String,
    /// Where the wait before the next attempt ends.
    wait_end: Option<String>,
}

/// A request in the table.
#[derive(Serialize)]
pub(super) struct RequestRow {
    class: &'static str,
    at: String,
    method: String,
    address: String,
    about: Option<String>,
    answer: String,
    took: String,
}

/// The steps that are shown, in the order in which they ended, but a group before what is in it.
fn shown(record: &RunRecord) -> Vec<(usize, &EntryReport)> {
    let mut ordered: Vec<(usize, &EntryReport)> = Vec::new();
    // How deep the group is that stands before an entry already.
    let mut group_depths: Vec<usize> = Vec::new();
    for (index, entry) in record.report.entries.iter().enumerate().filter(|(_, entry)| is_shown(entry)) {
        // A login that a step inside of a group needed has no depth of its own: it is passed over, and holds nothing.
        let is_session = |entry: &EntryReport| matches!(entry.kind, EntryKind::Login | EntryKind::Logout);
        let is_inside = |at: usize| {
            !is_session(entry) && ordered[at].1.depth > entry.depth && group_depths[at] > entry.depth
        };
        let is_between = |at: usize| is_session(ordered[at].1);
        let tail = (0..ordered.len()).rev().take_while(|at| is_inside(*at) || is_between(*at));
        let place = tail.filter(|at| is_inside(*at)).last().unwrap_or(ordered.len());
        group_depths[place..].fill(entry.depth);
        group_depths.insert(place, usize::MAX);
        ordered.insert(place, (index, entry));
    }
    ordered
}

fn left_out(all: usize, most: usize, what: &str, others: &str) -> Option<String> {
    (all > most).then(|| {
        format!("the first {} of {} are shown; {others}", grouped(most as u64), counted(all as u64, what))
    })
}

/// The table of steps. What a loop did well for single items is told by the loop.
pub(super) fn entries(record: &RunRecord, texts: &Texts<'_>) -> Shown<Row> {
    let all = shown(record);
    let now = ended_at(record);
    let rows = all.iter().take(MOST_ROWS).map(|(_, entry)| Row::of(entry, now, texts)).collect();
    Shown { rows, left_out: left_out(all.len(), MOST_ROWS, "step", "the JSON report has them all") }
}

/// The time line: what took no time at all is not on it.
pub(super) fn timeline(record: &RunRecord, texts: &Texts<'_>, scale: &Scale) -> Shown<Lane> {
    let mut of_entry: Vec<Vec<&RequestRecord>> = vec![Vec::new(); record.report.entries.len()];
    for request in &record.requests {
        if let Some(requests) = request.entry.and_then(|entry| of_entry.get_mut(entry)) {
            requests.push(request);
        }
    }
    let has_happened =
        |entry: &EntryReport| !matches!(entry.status, StepStatus::Skipped | StepStatus::NotStarted);
    let all: Vec<_> = shown(record).into_iter().filter(|(_, entry)| has_happened(entry)).collect();
    let lanes = all.iter().take(MOST_LANES);
    let rows = lanes.map(|(index, entry)| Lane::of(entry, &of_entry[*index], texts, scale)).collect();
    Shown { rows, left_out: left_out(all.len(), MOST_LANES, "step", "the table below goes on") }
}

/// The table of requests: all that failed, and as many of the others as there is room for.
pub(super) fn requests(record: &RunRecord, texts: &Texts<'_>) -> Shown<RequestRow> {
    let mut all: Vec<&RequestRecord> = record.requests.iter().collect();
    all.sort_by_key(|request| request.began);
    let failed = all.iter().filter(|request| has_failed(request)).count();
    let mut room = MOST_ROWS.saturating_sub(failed);
    let chosen = all.iter().filter(|request| {
        let has_place = has_failed(request) || room > 0;
        room = room.saturating_sub(usize::from(!has_failed(request)));
        has_place
    });
    let rows: Vec<_> = chosen.take(MOST_ROWS).map(|request| RequestRow::of(request, record, texts)).collect();
    let left_out = (all.len() > rows.len()).then(|| {
        let (some, of) = (grouped(rows.len() as u64), counted(all.len() as u64, "request"));
        format!("{some} of {of} are shown, those that failed before others; `--report har=FILE` has them all")
    });
    Shown { rows, left_out }
}

impl Row {
    fn of(entry: &EntryReport, now: Timestamp, texts: &Texts<'_>) -> Self {
        let (mark, status) = mark(entry.status);
        Self {
            class: class(entry.status),
            mark,
            status,
            label: texts.show(entry::label(entry)),
            depth: entry.depth.min(DEEPEST),
            is_cleanup: entry.kind == EntryKind::Cleanup,
            details: texts.show(entry::details(entry, now)),
            request_count: if entry.requests > 0 { grouped(entry.requests.into()) } else { String::new() },
            request_unit: if entry.requests == 1 { "request" } else { "requests" },
            took: entry::took(entry),
        }
    }
}

impl Lane {
    fn of(entry: &EntryReport, requests: &[&RequestRecord], texts: &Texts<'_>, scale: &Scale) -> Self {
        let (start, took) = (from_ms(entry.started_ms), from_ms(entry.took_ms));
        let (x, width) = scale.place(start, took);
        let requests = requests.iter().take(MOST_REQUESTS_IN_LANE);
        Self {
            class: class(entry.status),
            label: texts.show(entry::label(entry)),
            depth: entry.depth.min(DEEPEST),
            span: format!("{} from {}", duration(took), duration(start)),
            x,
            width,
            requests: requests.map(|request| LaneRequest::of(request, texts, scale)).collect(),
        }
    }
}

impl LaneRequest {
    fn of(request: &RequestRecord, texts: &Texts<'_>, scale: &Scale) -> Self {
        let (x, width) = scale.place(request.began, request.took);
        let end = request.began + request.took;
        let what = format!("{} {}", texts.of(&request.method), texts.of(&request.address));
        Self {
            class: if has_failed(request) { "failed" } else { "done" },
            words: format!("{what}: {}, {}", answer(request, texts), duration(request.took)),
            x,
            width,
            end: scale.point(end),
            wait_end: request.retry_after.map(|wait| scale.point(end + wait)),
        }
    }
}

impl RequestRow {
    fn of(request: &RequestRecord, record: &RunRecord, texts: &Texts<'_>) -> Self {
        let entry = request.entry.and_then(|index| record.report.entries.get(index));
        let label = entry.map(|entry| texts.show(entry::label(entry)));
        let attempt = (request.attempt > 1).then(|| format!("attempt {}", request.attempt));
        let about: Vec<String> = label.into_iter().chain(attempt).collect();
        Self {
            class: if has_failed(request) { "failed" } else { "done" },
            at: duration(request.began),
            method: texts.of(&request.method),
            address: texts.of(&request.address),
            about: Some(about.join(" · ")).filter(|about| !about.is_empty()),
            answer: answer(request, texts),
            took: duration(request.took),
        }
    }
}

/// `200`, `503, next attempt in 4.2 s`, `no answer within 30 s`
fn answer(request: &RequestRecord, texts: &Texts<'_>) -> String {
    let status = request.status.map(|status| status.to_string());
    let problem = request.problem.as_ref().map(|problem| texts.of(problem));
    let wait = request.retry_after.map(|wait| format!("next attempt in {}", duration(wait)));
    let not_sent = (!request.was_sent).then(|| "not sent".to_owned());
    status.into_iter().chain(not_sent).chain(problem).chain(wait).collect::<Vec<_>>().join(", ")
}

fn has_failed(request: &RequestRecord) -> bool {
    request.problem.is_some() || request.status.is_none_or(|status| status >= 400)
}

fn mark(status: StepStatus) -> (&'static str, &'static str) {
    match status {
        StepStatus::Done => ("✓", "done"),
        StepStatus::Failed => ("✗", "failed"),
        StepStatus::Unknown => ("?", "unknown"),
        StepStatus::Skipped => ("○", "skipped"),
        StepStatus::NotStarted => ("○", "not started"),
    }
}

fn class(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Done => "done",
        StepStatus::Failed => "failed",
        StepStatus::Unknown => "unknown",
        StepStatus::Skipped => "skipped",
        StepStatus::NotStarted => "not-started",
    }
}

fn ended_at(record: &RunRecord) -> Timestamp {
    let started_at = record.report.started_at.unwrap_or_default();
    started_at.saturating_add(from_ms(record.report.took_ms)).unwrap_or(started_at)
}

fn from_ms(milliseconds: f64) -> Duration {
    Duration::from_secs_f64(milliseconds.max(0.0) / 1000.0)
}
