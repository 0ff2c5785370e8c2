//! All requests as an HTTP Archive 1.2 (<http://www.softwareishard.com/blog/har-12-spec/>), which browsers open in their
//! network panel.

use super::entry;
use super::text::Texts;
use crate::event::{
    BodyNote, HeaderNote, HttpNote, MessageNote, Omission, Purpose, RequestRecord, ResponseNote, RunRecord,
};
use http::StatusCode;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::time::Duration;
use url::Url;

/// What placeholders bring into an address that has no place there.
const NO_ADDRESS: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// The archive, indented, with a line end behind it.
///
/// # Errors
/// The writer's.
pub(super) fn write(record: &RunRecord, texts: &Texts<'_>, out: &mut dyn Write) -> io::Result<()> {
    let archive = Archive { record, texts };
    let mut requests: Vec<&RequestRecord> = record.requests.iter().collect();
    requests.sort_by_key(|request| request.began);
    let entries: Vec<Value> = requests.into_iter().map(|request| archive.entry(request)).collect();
    let log = json!({ "log": {
        "version": "1.2",
        "creator": { "name": "runner", "version": env!("CARGO_PKG_VERSION") },
        "entries": entries,
        "comment": archive.comment(),
    } });
    writeln!(out, "{log:#}")?;
    out.flush()
}

struct Archive<'a> {
    record: &'a RunRecord,
    texts: &'a Texts<'a>,
}

impl Archive<'_> {
    fn comment(&self) -> String {
        let report = &self.record.report;
        format!(
            "run {} of {}; secrets are shown by their names",
            report.run,
            self.texts.raw(&report.playbook)
        )
    }

    fn entry(&self, request: &RequestRecord) -> Value {
        let http = request.http.as_deref();
        let response = http.and_then(|http| http.response.as_ref());
        let mut entry = json!({
            "startedDateTime": self.moment(request.began),
            "time": milliseconds(request.took),
            "request": self.request(request, http),
            "response": self.response(request, response),
            "cache": {},
            "timings": timings(request, response),
            "comment": self.about(request),
        });
        if let (Some(problem), Value::Object(entry)) = (&request.problem, &mut entry["response"]) {
            // What Chromium shows of a request that failed.
            entry.insert("_error".to_owned(), self.texts.raw(problem).into());
        }
        entry
    }

    /// When it happened: the run's beginning on the wall clock, and from there on a clock that never jumps.
    fn moment(&self, began: Duration) -> String {
        let start = self.record.report.started_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let moment = start.saturating_add(began).unwrap_or(start);
        jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3)).timestamp_to_string(&moment)
    }

    /// What it was for: `step devices, attempt 2`, `sign-in for step devices`.
    fn about(&self, request: &RequestRecord) -> String {
        let entry = request.entry.and_then(|index| self.record.report.entries.get(index));
        let label = entry.map(|entry| self.texts.show(entry::label(entry)));
        let what = match request.purpose {
            Purpose::Step => "request",
            Purpose::Verify => "question whether it was done",
            Purpose::Login => "sign-in",
            Purpose::Refresh => "refresh of the session",
            Purpose::Logout => "sign-out",
        };
        let mut parts = vec![match label {
            Some(label) => format!("{what} of {label}"),
            None => what.to_owned(),
        }];
        if request.attempt > 1 {
            parts.push(format!("attempt {}", request.attempt));
        }
        if !request.was_sent {
            parts.push("not sent".to_owned());
        }
        parts.join(", ")
    }

    fn request(&self, request: &RequestRecord, http: Option<&HttpNote>) -> Value {
        let nothing = MessageNote::default();
        let message = http.map_or(&nothing, |http| &http.request);
        let version = http.and_then(|http| http.response.as_ref()).map_or("", |response| &response.version);
        let url = utf8_percent_encode(&self.texts.raw(&request.address), NO_ADDRESS).to_string();
        let mut value = json!({
            "method": self.texts.raw(&request.method),
            "url": url,
            "httpVersion": version,
            "cookies": [],
            "headers": self.headers(message),
            "queryString": query(&url),
            "headersSize": -1,
            "bodySize": message.body.bytes.map_or(-1, |bytes| bytes as i64),
        });
        if message.body.bytes != Some(0) && http.is_some() {
            value["postData"] = self.post_data(message);
        }
        value
    }

    fn post_data(&self, message: &MessageNote) -> Value {
        let text = message.body.text.as_ref().map(|text| self.texts.raw(text)).unwrap_or_default();
        let mut data = json!({ "mimeType": self.media_type(message), "params": [], "text": text });
        comment_on(&mut data, &message.body);
        data
    }

    fn response(&self, request: &RequestRecord, response: Option<&ResponseNote>) -> Value {
        let nothing = MessageNote::default();
        let message = response.map_or(&nothing, |response| &response.message);
        let status = request.status.unwrap_or(0);
        let words = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        json!({
            "status": status,
            "statusText": words.unwrap_or_default(),
            "httpVersion": response.map_or("", |response| &response.version),
            "cookies": [],
            "headers": self.headers(message),
            "content": self.content(message),
            "redirectURL": self.header(message, "location").unwrap_or_default(),
            "headersSize": -1,
            // What came over the wire may have been compressed; that is not measured.
            "bodySize": -1,
        })
    }

    fn content(&self, message: &MessageNote) -> Value {
        let body = &message.body;
        let mut content = Map::new();
        content.insert("size".to_owned(), body.bytes.unwrap_or(0).into());
        content.insert("mimeType".to_owned(), self.media_type(message).into());
        if let Some(text) = &body.text {
            content.insert("text".to_owned(), self.texts.raw(text).into());
        }
        let mut content = Value::Object(content);
        comment_on(&mut content, body);
        content
    }

    fn headers(&self, message: &MessageNote) -> Vec<Value> {
        let header = |HeaderNote(name, value): &HeaderNote| json!({ "name": self.texts.raw(name), "value": self.texts.raw(value) });
        message.headers.iter().map(header).collect()
    }

    fn header(&self, message: &MessageNote, wanted: &str) -> Option<String> {
        let found =
            message.headers.iter().find(|HeaderNote(name, _)| name.as_str().eq_ignore_ascii_case(wanted));
        found.map(|HeaderNote(_, value)| self.texts.raw(value))
    }

    fn media_type(&self, message: &MessageNote) -> String {
        self.header(message, "content-type").unwrap_or_else(|| "x-unknown".to_owned())
    }
}

/// Says why the text of a body is not here, or not all of it.
fn comment_on(value: &mut Value, body: &BodyNote) {
    let words = match body.omission {
        None => return,
        Some(Omission::NotAsked) => "bodies were not recorded: this run was not asked for a HAR",
        Some(Omission::SignIn) => "not recorded: it belongs to a sign-in",
        Some(Omission::Secret) => "not recorded: the step makes a secret of what is in it",
        Some(Omission::NoText) => "not recorded: it is no text, or was streamed from a file",
        Some(Omission::Cut) => "only the beginning was recorded",
    };
    value["comment"] = words.into();
}

/// The parameters of an address.
fn query(address: &str) -> Vec<Value> {
    let Ok(url) = Url::parse(address) else { return Vec::new() };
    url.query_pairs().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// Connecting and sending are a part of the wait: the network does not tell them apart.
fn timings(request: &RequestRecord, response: Option<&ResponseNote>) -> Value {
    let waited = response.map_or(request.took, |response| response.waited.min(request.took));
    let received = request.took.saturating_sub(waited);
    json!({
        "blocked": -1, "dns": -1, "connect": -1, "ssl": -1,
        "send": 0, "wait": milliseconds(waited), "receive": milliseconds(received),
    })
}

/// Milliseconds with three digits behind the point.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
