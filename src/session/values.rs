use crate::document::{Named, Reader};
use crate::event::Events;
use crate::exchange::Answer;
use crate::model::secret::SecretText;
use crate::template::Data;
use serde_json::Value;

/// What a login yields: the values that make the session.
#[derive(Clone, Default)]
pub struct SessionValues(Vec<SessionValue>);

#[derive(Clone)]
struct SessionValue {
    name: String,
    value: Value,
    is_secret: bool,
}

impl Drop for SessionValue {
    fn drop(&mut self) {
        if let Value::String(text) = &mut self.value {
            drop(SecretText::from(std::mem::take(text)));
        }
    }
}

impl SessionValues {
    /// The value of a name; `None` also for null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0.iter().find(|value| value.name == name)?;
        Some(&found.value).filter(|value| !value.is_null())
    }

    /// The names of what is not null.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|value| !value.value.is_null()).map(|value| value.name.as_str())
    }

    /// Takes over what the readers find in an answer. What is secret of it is made known. Returns the names that
    /// were found. A text in which nothing stands is not: no request could carry it.
    pub fn read(
        &mut self,
        readers: &Named<Reader>,
        answer: &Answer,
        provider: &str,
        events: &Events,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for (name, reader) in readers.iter() {
            let found_value = answer.read(reader).filter(|value| !value.is_null() && !is_empty(value));
            let Some(value) = found_value else { continue };
            let is_secret = reader.secret != Some(false);
            if is_secret {
                events.learn_all(&public_name(provider, name), &value);
            }
            found.push(name.value.clone());
            self.set(&name.value, value, is_secret);
        }
        found
    }

    /// These values as one text, for a store of secrets.
    pub fn to_text(&self, names: &[&str]) -> SecretText {
        let kept = self.0.iter().filter(|value| names.contains(&value.name.as_str()));
        let kept: Vec<(&str, &Value, bool)> =
            kept.map(|value| (value.name.as_str(), &value.value, value.is_secret)).collect();
        SecretText::from(serde_json::to_string(&kept).expect("values are JSON"))
    }

    /// The values of such a text, made known; `None` when it is none.
    pub fn of_text(text: &SecretText, provider: &str, events: &Events) -> Option<Self> {
        let kept: Vec<(String, Value, bool)> = serde_json::from_str(text.expose()).ok()?;
        let mut values = Self::default();
        for (name, value, is_secret) in kept {
            if is_secret {
                events.learn_all(&public_name(provider, &name), &value);
            }
            values.set(&name, value, is_secret);
        }
        Some(values)
    }

    /// Fills in the defaults of what was not found. Returns the names that have none.
    pub fn complete(&mut self, readers: &Named<Reader>) -> Vec<String> {
        let mut missing = Vec::new();
        for (name, reader) in readers.iter() {
            if self.0.iter().any(|value| value.name == name.value) {
                continue;
            }
            match &reader.default {
                Some(default) => {
                    self.set(&name.value, default.value.clone(), reader.secret != Some(false));
                }
                None => missing.push(name.value.clone()),
            }
        }
        missing
    }

    /// What expressions see as `session`.
    pub fn data(&self, provider: &str) -> Data {
        let entry = |value: &SessionValue| {
            let data = match value.is_secret && !value.value.is_null() {
                true => Data::Secret(public_name(provider, &value.name), value.value.clone()),
                false => Data::Json(value.value.clone()),
            };
            (value.name.clone(), data)
        };
        Data::Map(self.0.iter().map(entry).collect())
    }

    fn set(&mut self, name: &str, value: Value, is_secret: bool) {
        self.0.retain(|known| known.name != name);
        self.0.push(SessionValue { name: name.to_owned(), value, is_secret });
    }
}

/// Whether a value is a text in which nothing stands.
pub fn is_empty(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// What expressions see as `session` when there is none yet: names without values.
pub fn unknown(readers: Option<&Named<Reader>>, provider: &str) -> Data {
    let names = readers.into_iter().flat_map(Named::names);
    Data::Map(names.map(|name| (name.to_owned(), Data::Unknown(public_name(provider, name)))).collect())
}

/// What people call a session's value: `emnify.session.auth_token`.
fn public_name(provider: &str, name: &str) -> String {
    format!("{provider}.session.{name}")
}
