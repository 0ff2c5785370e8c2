//! The writes of earlier processes, held against a playbook that has changed since: what was done counts as done, and can be
//! undone, only where its step is still there and still asks for the same.

use super::places::Places;
use super::selection::Selection;
use crate::document::{Named, Part, Tree, TreeKind};
use crate::model::hex::hex;
use crate::model::visible::visible;
use crate::plan::{Address, Plan, PlannedBody, PlannedCall, PlannedRequest, StepKind};
use crate::port::{Place, SentBefore, WritesLeft};
use crate::template::Template;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What the journal knows a request by beyond its place: SHA-256 of what playbook and definition write of it, in hexadecimal
/// digits. What is expected of its answer, and how often it is tried, is no part of that.
pub fn digest(plan: &Plan, request: &PlannedRequest) -> String {
    let provider = request.provider.map(|provider| plan.provider(provider));
    let written = json!({
        "provider": provider.map(|provider| &provider.name),
        "base_url": provider.map(|provider| address(&provider.base_url)),
        "method": request.method.as_str(),
        "path": request.path.source(),
        "params": request.operation.as_ref().map(params),
        "query": named(&request.query, tree),
        "headers": request.headers.iter().map(|layer| named(&layer.value, source)).collect::<Vec<_>>(),
        "cookies": named(&request.cookies, source),
        "body": body(&request.body),
    });
    hex(&Sha256::digest(written.to_string()))
}

fn address(address: &Address) -> &str {
    match address {
        Address::Definition(template) | Address::Playbook(template) => template.source(),
        Address::Override(text) => text,
    }
}

fn params(call: &PlannedCall) -> Json {
    let params = call.params.iter().map(|param| {
        let default = || param.declaration.default.as_ref().map(|literal| literal.value.clone());
        let value = param.value.as_ref().map(tree).or_else(default);
        (param.name.clone(), value.unwrap_or_default())
    });
    Json::Object(params.collect())
}

fn body(body: &PlannedBody) -> Json {
    match body {
        PlannedBody::Empty => Json::Null,
        PlannedBody::Json(value) => json!({ "json": tree(value) }),
        PlannedBody::Form(fields) => json!({ "form": named(fields, tree) }),
        PlannedBody::Multipart(parts) => json!({ "multipart": named(parts, part) }),
        PlannedBody::Text(text) => json!({ "text": source(text) }),
        PlannedBody::File(file) => json!({ "file": source(file) }),
    }
}

fn part(part: &Part) -> Json {
    match part {
        Part::Value(value) => source(value),
        Part::File(file) => {
            json!({ "file": source(&file.file), "type": file.media_type.as_ref().map(source) })
        }
    }
}

fn named<T>(entries: &Named<T>, written: impl Fn(&T) -> Json) -> Json {
    Json::Object(entries.iter().map(|(name, value)| (name.value.clone(), written(value))).collect())
}

fn source(template: &Template) -> Json {
    template.source().into()
}

fn tree(value: &Tree) -> Json {
    match &value.kind {
        TreeKind::Literal(literal) => literal.clone(),
        TreeKind::Template(template) => source(template),
        TreeKind::List(items) => items.iter().map(tree).collect(),
        TreeKind::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.value.clone(), tree(value)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
    }
}

/// The writes of earlier processes that have no step any more in the playbook as it is now, or another one, one line for each
/// step. With such a playbook they would be done again, or never be undone.
pub fn displaced(plan: &Plan, selection: &Selection, writes: &WritesLeft) -> Vec<String> {
    let places = Places::of(plan);
    let mut lines: BTreeMap<String, (&Place, bool, &str)> = BTreeMap::new();
    for (place, sent) in &writes.sent {
        let Some(why) = why_displaced(plan, selection, &places, place, sent) else { continue };
        let line = lines.entry(place.of_all_items()).or_insert((place, true, why));
        line.1 &= sent.is_done;
    }
    let lines = lines.into_values().map(|(place, is_done, why)| {
        let was = if is_done { "was done" } else { "may have been done" };
        format!("`{}` {was}, and {why}", visible(&place.0))
    });
    lines.collect()
}

fn why_displaced(
    plan: &Plan,
    selection: &Selection,
    places: &Places,
    place: &Place,
    sent: &SentBefore,
) -> Option<&'static str> {
    let request = match places.step_at(plan, selection, place).map(|step| &step.kind) {
        Some(StepKind::Request(request)) => request,
        Some(_) => return Some("sends no request any more"),
        None => return Some("is no step of it any more"),
    };
    match &sent.request {
        Some(before) if *before == digest(plan, request) => None,
        Some(_) => Some("now asks for something else: another method, address, header or body"),
        None => Some("the journal does not say what it asked for: an older version has written it"),
    }
}
