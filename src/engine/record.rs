//! What a step has left behind, as a journal keeps it: without a secret in it.

use super::scope::StepRecord;
use super::tally::Tally;
use crate::event::{Events, FileNote, ItemCounts};
use crate::model::redacted::Redacted;
use crate::model::redaction::Redactor;
use crate::port::{End, Outcome};
use crate::template::{Data, SharedJson};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::HashMap;

/// A step that was done.
#[derive(Serialize, Deserialize)]
struct Recorded {
    status: Option<u16>,
    outputs: Vec<(String, Kept)>,
    rows: Option<Kept>,
    row_count: Option<u64>,
    tally: RecordedTally,
}

/// What a step has brought.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Plain(Json),
    /// The name in the outcome's secrets, and the one that people know it by.
    Secret(String, String),
    /// A value with nothing at the places of its secrets. These are one list in the outcome's secrets, by this name.
    Mixed {
        rest: Json,
        places: Vec<String>,
        secrets: String,
    },
    Map(Vec<(String, Kept)>),
}

/// What people know a secret by that an answer repeats.
const REPEATED: &str = "a secret in an answer";

/// A [`Tally`].
#[derive(Serialize, Deserialize)]
struct RecordedTally {
    rows: Option<u64>,
    pages: Option<u32>,
    items: Option<ItemCounts>,
    is_idle: bool,
    may_be_done: bool,
    is_verified: bool,
    detail: Option<Redacted>,
    file: Option<FileNote>,
}

/// The outcome of a step that was done.
pub fn outcome(record: &StepRecord, tally: &Tally, events: &Events) -> Outcome {
    let mut secrets = Vec::new();
    let mut keep = |data: &Data| keep(data, events, &mut secrets);
    let recorded = Recorded {
        status: record.status,
        outputs: record.outputs.iter().map(|(name, data)| (name.clone(), keep(data))).collect(),
        rows: record.rows.as_ref().map(|rows| keep(&Data::Shared(rows.clone()))),
        row_count: record.row_count,
        tally: RecordedTally {
            rows: tally.rows,
            pages: tally.pages,
            items: tally.items,
            is_idle: tally.is_idle,
            may_be_done: tally.may_be_done,
            is_verified: tally.is_verified,
            detail: tally.detail.as_ref().map(|detail| events.clean(detail)),
            file: tally.file.clone(),
        },
    };
    let value = serde_json::to_value(recorded).expect("plain data");
    Outcome { end: End::Done, value, secrets }
}

fn keep(data: &Data, events: &Events, secrets: &mut Vec<(String, crate::model::secret::SecretText)>) -> Kept {
    let mut hide = |value: &Json| {
        let id = secrets.len().to_string();
        secrets.push((id.clone(), value.to_string().into()));
        id
    };
    // What an answer repeats of a secret is one.
    let mut keep_plain = |mut json: Json| match cut_secrets(&mut json, events.redactor()) {
        Some(cut) if cut.is_empty() => Kept::Plain(json),
        Some(cut) => {
            let (places, values) = cut.into_iter().unzip();
            Kept::Mixed { rest: json, places, secrets: hide(&Json::Array(values)) }
        }
        None => Kept::Secret(hide(&json), REPEATED.to_owned()),
    };
    match data {
        Data::Json(json) => keep_plain(json.clone()),
        Data::Shared(shared) => keep_plain(shared.to_json()),
        Data::Secret(name, value) => Kept::Secret(hide(value), name.clone()),
        Data::Map(entries) => {
            let entries = entries.iter().map(|(name, data)| (name.clone(), keep(data, events, secrets)));
            Kept::Map(entries.collect())
        }
        // Nothing is unknown in a run.
        Data::Unknown(_) => Kept::Plain(Json::Null),
    }
}

/// Takes the texts and numbers out of a value in which a secret stands, and returns them with their places (RFC 6901).
/// `None`: a secret stands elsewhere, in the name of a member or across several; the value is as it was then.
pub fn cut_secrets(json: &mut Json, redactor: &Redactor) -> Option<Vec<(String, Json)>> {
    let is_plain = |text: &str| redactor.redact(text) == text;
    if is_plain(&json.to_string()) {
        return Some(Vec::new());
    }
    let mut cut = Vec::new();
    cut_leaves(json, String::new(), &is_plain, &mut cut);
    if is_plain(&json.to_string()) {
        return Some(cut);
    }
    put_back(json, cut);
    None
}

fn cut_leaves(
    json: &mut Json,
    place: String,
    is_plain: &dyn Fn(&str) -> bool,
    cut: &mut Vec<(String, Json)>,
) {
    match json {
        Json::Null | Json::Bool(_) => {}
        Json::Number(_) | Json::String(_) => {
            if !is_plain(&json.to_string()) {
                cut.push((place, json.take()));
            }
        }
        Json::Array(items) => items
            .iter_mut()
            .enumerate()
            .for_each(|(index, item)| cut_leaves(item, format!("{place}/{index}"), is_plain, cut)),
        Json::Object(members) => members.iter_mut().for_each(|(name, member)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            cut_leaves(member, format!("{place}/{name}"), is_plain, cut);
        }),
    }
}

/// Puts leaves back to their places. Returns whether there was a place for each.
fn put_back(json: &mut Json, leaves: impl IntoIterator<Item = (String, Json)>) -> bool {
    leaves.into_iter().all(|(place, leaf)| json.pointer_mut(&place).map(|at| *at = leaf).is_some())
}

/// Reads an outcome back. A secret that is lost is told by the name that people know it by.
///
/// # Errors
/// What was lost, or that the outcome is none of a step.
pub fn restore(outcome: &Outcome, events: &Events) -> Result<(StepRecord, Tally), Unrestorable> {
    let recorded = Recorded::deserialize(&outcome.value).map_err(|_| Unrestorable::Foreign)?;
    let secrets: HashMap<&str, &str> =
        outcome.secrets.iter().map(|(id, secret)| (id.as_str(), secret.expose().as_str())).collect();
    let outputs = recorded.outputs.into_iter();
    let outputs = outputs.map(|(name, kept)| Ok((name, restored(kept, &secrets, events)?)));
    let rows = recorded.rows.map(|rows| restored(rows, &secrets, events)).transpose()?;
    let record = StepRecord {
        has_succeeded: true,
        is_skipped: false,
        status: recorded.status,
        outputs: outputs.collect::<Result<_, _>>()?,
        rows: rows.and_then(|rows| match rows {
            Data::Json(json) | Data::Secret(_, json) => Some(SharedJson::from(json)),
            _ => None,
        }),
        row_count: recorded.row_count,
        unknown_base: None,
    };
    let kept = recorded.tally;
    let tally = Tally {
        rows: kept.rows,
        pages: kept.pages,
        items: kept.items,
        is_idle: kept.is_idle,
        may_be_done: kept.may_be_done,
        is_verified: kept.is_verified,
        is_restored: true,
        detail: kept.detail.map(|detail| detail.to_string()),
        file: kept.file,
        ..Tally::default()
    };
    Ok((record, tally))
}

/// Why what a step has left behind is not there any more.
pub enum Unrestorable {
    /// A secret of this name was not kept.
    Lost(String),
    /// It is not what steps leave behind.
    Foreign,
}

fn restored(kept: Kept, secrets: &HashMap<&str, &str>, events: &Events) -> Result<Data, Unrestorable> {
    Ok(match kept {
        Kept::Plain(json) => Data::Json(json),
        Kept::Secret(id, name) => {
            let value: Json = revealed(&id, &name, secrets)?;
            events.learn_all(&name, &value);
            Data::Secret(name, value)
        }
        Kept::Mixed { mut rest, places, secrets: id } => {
            let leaves: Vec<Json> = revealed(&id, REPEATED, secrets)?;
            leaves.iter().for_each(|leaf| events.learn_all(REPEATED, leaf));
            match places.len() == leaves.len() && put_back(&mut rest, places.into_iter().zip(leaves)) {
                true => Data::Json(rest),
                false => return Err(Unrestorable::Foreign),
            }
        }
        Kept::Map(entries) => {
            let entries = entries.into_iter();
            let entries = entries.map(|(name, kept)| Ok((name, restored(kept, secrets, events)?)));
            Data::Map(entries.collect::<Result<_, Unrestorable>>()?)
        }
    })
}

/// The secret of this name in an outcome.
fn revealed<T: DeserializeOwned>(
    id: &str,
    name: &str,
    secrets: &HashMap<&str, &str>,
) -> Result<T, Unrestorable> {
    let text = secrets.get(id).ok_or_else(|| Unrestorable::Lost(name.to_owned()))?;
    serde_json::from_str(text).map_err(|_| Unrestorable::Foreign)
}
