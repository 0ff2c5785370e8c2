//! The names that expressions may read, and the knowledge which of the values are secret.

use super::value::{from_json, to_json};
use crate::port::World;
use jiff::Timestamp;
use minijinja::value::{Enumerator, Object, Value};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// A value for a [`Scope`].
#[derive(Clone)]
pub enum Data {
    /// Plain JSON; keys that it lacks read as null.
    Json(Json),
    /// JSON of which every part is secret, under the name that people know it by.
    Secret(String, Json),
    /// Named values, some of which may be secret. A name that is not there reads as null.
    Map(Vec<(String, Data)>),
    /// Plain JSON that several scopes share.
    Shared(SharedJson),
    /// What is not known yet, under the name that people know it by: a dry run has no answers.
    Unknown(String),
}

/// Plain JSON, converted once and then bound in any number of scopes without being copied: the rows of a long list.
#[derive(Clone)]
pub struct SharedJson(Value);

impl SharedJson {
    /// The JSON itself, copied.
    pub fn to_json(&self) -> Json {
        to_json(&self.0).expect("it was made of JSON")
    }

    /// One list of what several lists hold; what is no list adds nothing.
    pub fn concat(lists: impl IntoIterator<Item = SharedJson>) -> Self {
        let items = lists.into_iter().filter_map(|SharedJson(list)| list.try_iter().ok());
        Self(Value::from(items.flatten().collect::<Vec<_>>()))
    }
}

impl From<Json> for SharedJson {
    fn from(json: Json) -> Self {
        Self(from_json(json))
    }
}

impl From<Json> for Data {
    fn from(json: Json) -> Self {
        Data::Json(json)
    }
}

/// The moment that `now()`, `today()` and `uuid()` speak of. One request is rendered with one moment, so that they stay
/// the same in all its attempts.
#[derive(Clone)]
pub struct Moment {
    /// The time, UTC.
    pub now: Timestamp,
    /// Yields a new random (version 4) UUID at each call.
    pub uuid: Arc<dyn Fn() -> String + Send + Sync>,
}

impl Moment {
    /// Now.
    pub fn of(world: &World) -> Self {
        let random = world.random.clone();
        Self { now: world.clock.now(), uuid: Arc::new(move || random.uuid()) }
    }

    /// A moment that is the same wherever it is made of the same time and seed: its UUIDs come in a fixed order.
    pub fn seeded(now: Timestamp, seed: &str) -> Self {
        let (seed, drawn) = (seed.to_owned(), AtomicU64::new(0));
        let uuid = move || {
            let place = drawn.fetch_add(1, Ordering::Relaxed);
            let digest = Sha256::new().chain_update(&seed).chain_update(place.to_be_bytes()).finalize();
            let bytes = digest[..16].try_into().expect("16 of 32 bytes");
            uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
        };
        Self { now, uuid: Arc::new(uuid) }
    }
}

/// What expressions see. Cheap to clone; a clone can be given more names without changing the original.
#[derive(Clone)]
pub struct Scope {
    names: Vec<(String, Value)>,
    seen: Seen,
}

impl Scope {
    /// A scope without names, in which `now()`, `today()` and `uuid()` speak of `moment`.
    pub fn new(moment: &Moment) -> Self {
        let now = moment.now;
        let uuid = moment.uuid.clone();
        let to_seconds =
            move || jiff::fmt::temporal::DateTimePrinter::new().precision(Some(0)).timestamp_to_string(&now);
        let today = move || now.to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
        let functions = [
            ("now".to_owned(), Value::from_function(to_seconds)),
            ("today".to_owned(), Value::from_function(today)),
            ("uuid".to_owned(), Value::from_function(move || uuid())),
        ];
        Self { names: functions.into(), seen: Seen::default() }
    }

    /// Gives a name a value; what it had before is gone.
    pub fn set(&mut self, name: &str, data: impl Into<Data>) {
        let value = self.seen.value(data.into());
        self.names.retain(|(known, _)| known != name);
        self.names.push((name.to_owned(), value));
    }

    /// The scope with one more name.
    #[must_use]
    pub fn with(mut self, name: &str, data: impl Into<Data>) -> Self {
        self.set(name, data);
        self
    }

    pub(super) fn root(&self) -> Value {
        Value::from_object(Root(self.names.clone()))
    }

    /// What was read since the last call and matters for the result.
    pub(super) fn take_reads(&self) -> Reads {
        let mut names = self.seen.names();
        let take = |names: &mut BTreeSet<String>| std::mem::take(names).into_iter().collect();
        Reads { secrets: take(&mut names.secrets), unknown: take(&mut names.unknown) }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names.iter().map(|(name, _)| name).collect();
        f.debug_struct("Scope").field("names", &names).finish()
    }
}

/// What an evaluation has read, by the names that people know it by, sorted.
pub(super) struct Reads {
    pub secrets: Vec<String>,
    pub unknown: Vec<String>,
}

/// The secrets and the unknown that an evaluation has read: what is made of them, by whatever filter, is the same.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Names>>);

#[derive(Default)]
struct Names {
    secrets: BTreeSet<String>,
    unknown: BTreeSet<String>,
}

impl Seen {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().expect("no panic while locked")
    }

    fn value(&self, data: Data) -> Value {
        let entries = match data {
            Data::Json(json) => return from_json(json),
            Data::Shared(SharedJson(value)) => return value,
            Data::Map(entries) => entries,
            alone @ (Data::Secret(..) | Data::Unknown(_)) => vec![(String::new(), alone)],
        };
        Value::from_object(Guarded { entries, seen: self.clone() })
    }

    fn open(&self, data: &Data) -> Value {
        match data {
            Data::Secret(name, json) => {
                self.names().secrets.insert(name.clone());
                from_json(json.clone())
            }
            Data::Unknown(name) => {
                self.names().unknown.insert(name.clone());
                Value::UNDEFINED
            }
            other => self.value(other.clone()),
        }
    }
}

struct Guarded {
    entries: Vec<(String, Data)>,
    seen: Seen,
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[guarded]")
    }
}

impl Object for Guarded {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let found = self.entries.iter().find(|(name, _)| name == key);
        Some(found.map_or_else(|| Value::from(()), |(_, data)| self.seen.open(data)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys: Vec<Value> = self.entries.iter().map(|(name, _)| Value::from(name.as_str())).collect();
        Enumerator::Iter(Box::new(keys.into_iter()))
    }
}

/// The outermost names. One that is bound to a secret counts as read when it is looked up.
#[derive(Debug)]
struct Root(Vec<(String, Value)>);

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        match value.downcast_object_ref::<Guarded>() {
            Some(guarded) if guarded.entries.len() == 1 && guarded.entries[0].0.is_empty() => {
                Some(guarded.seen.open(&guarded.entries[0].1))
            }
            _ => Some(value.clone()),
        }
    }
}
