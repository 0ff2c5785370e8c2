//! JSON as minijinja values and back, without loss of digits.

use super::decimal::Decimal;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind};
use serde_json::{Map, Number, Value as Json};
use std::fmt;
use std::sync::Arc;

/// A JSON value for expressions. Keys that a map lacks read as null.
pub(super) fn from_json(json: Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(flag) => Value::from(flag),
        Json::Number(number) => from_number(&number),
        Json::String(text) => Value::from(text),
        Json::Array(items) => Value::from(items.into_iter().map(from_json).collect::<Vec<_>>()),
        Json::Object(map) => Value::from_object(JsonMap(map)),
    }
}

fn from_number(number: &Number) -> Value {
    let digits = number.to_string();
    if let Ok(integer) = digits.parse::<i128>() {
        return i64::try_from(integer).map_or_else(|_| Value::from(integer), Value::from);
    }
    match digits.parse::<f64>() {
        Ok(float) if Value::from(float).to_string() == digits => Value::from(float),
        _ => Value::from_object(WrittenNumber(number.clone())),
    }
}

/// The number that a text of JSON stands for, digits kept.
pub(super) fn from_digits(digits: &str) -> Option<Value> {
    serde_json::from_str(digits).ok().map(|number| from_number(&number))
}

#[derive(Debug)]
struct JsonMap(Map<String, Json>);

impl Object for JsonMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        Some(self.0.get(key).cloned().map_or_else(|| Value::from(()), from_json))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys: Vec<Value> = self.0.keys().map(|key| Value::from(key.as_str())).collect();
        Enumerator::Iter(Box::new(keys.into_iter()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

/// A number whose digits no machine number keeps, such as `1.10` or one with 40 digits.
#[derive(Debug)]
struct WrittenNumber(Number);

impl Object for WrittenNumber {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        Decimal::parse(&self.0.to_string()) != Decimal::parse("0")
    }

    fn render(self: &Arc<Self>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// Whether a value is a number, however it is kept.
pub(super) fn is_number(value: &Value) -> bool {
    value.kind() == ValueKind::Number || value.downcast_object_ref::<WrittenNumber>().is_some()
}

/// A value as minijinja's own filters take it: a number becomes a machine number.
///
/// # Errors
/// When the number would lose digits.
pub(super) fn machine_number(value: &Value) -> Result<Value, Error> {
    let Some(WrittenNumber(number)) = value.downcast_object_ref::<WrittenNumber>() else {
        return Ok(value.clone());
    };
    let digits = number.to_string();
    let float = digits.parse().ok().filter(|float: &f64| float.is_finite()).map(Value::from);
    float.filter(|float| Decimal::of(float) == Decimal::parse(&digits)).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("{digits} has more digits than can be calculated with"),
        )
    })
}

/// The text of a value inside of a longer text; a text is itself.
///
/// # Errors
/// For nothing, lists, maps and bytes, which have no text.
pub(super) fn to_text(value: &Value) -> Result<String, Error> {
    let invalid = |reason: String| Error::new(ErrorKind::InvalidOperation, reason);
    let json = to_json(value).map_err(invalid)?;
    json_to_text(&json).ok_or_else(|| invalid(why_no_text(&json).to_owned()))
}

/// Why a JSON value has no text, and what to do.
pub(super) fn why_no_text(json: &Json) -> &'static str {
    match json {
        Json::Null => "it yields nothing, which has no place inside of a text; `default` gives it a value",
        _ => "it yields a list or map, which has no place inside of a text; `tojson` makes a text of it",
    }
}

/// The JSON of an expression's result. Nothing found is null.
///
/// # Errors
/// A sentence on what has no JSON form: bytes, functions, numbers that are not finite.
pub fn to_json(value: &Value) -> Result<Json, String> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(Json::Null),
        ValueKind::Bool => Ok(Json::Bool(value.is_true())),
        ValueKind::Number => serde_json::from_str(&value.to_string())
            .map(Json::Number)
            .map_err(|_| format!("{value} is not a number that JSON can hold")),
        ValueKind::String => Ok(Json::String(value.as_str().unwrap_or_default().to_owned())),
        ValueKind::Bytes => Err("bytes are no text; use `hex` or `b64encode`".to_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            items(value)?.map(|item| to_json(&item)).collect::<Result<_, _>>().map(Json::Array)
        }
        ValueKind::Map => items(value)?
            .map(|key| {
                let item = value.get_item(&key).map_err(|error| error.to_string())?;
                let name = json_to_text(&to_json(&key)?).ok_or("a key of a map is text")?;
                Ok((name, to_json(&item)?))
            })
            .collect::<Result<_, String>>()
            .map(Json::Object),
        _ => match value.downcast_object_ref::<WrittenNumber>() {
            Some(number) => Ok(Json::Number(number.0.clone())),
            None => Err(format!("{} has no JSON form", value.kind())),
        },
    }
}

fn items(value: &Value) -> Result<impl Iterator<Item = Value>, String> {
    value.try_iter().map_err(|error| error.to_string())
}

/// The text of a JSON scalar inside of a longer text: `true`, `false`, exact digits, the text itself.
/// `None` for null, lists and maps, which have none.
pub fn json_to_text(json: &Json) -> Option<String> {
    match json {
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => Some(text.clone()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_survives_the_way_there_and_back() {
        let text = r#"{"iccid":8988303000000000129123456,"long":12345678901234567890123456789012345678901234567890,"f":1.10,"e":1e+400,"n":null,"l":[1,-2.5,true],"m":{"ä":"x"}}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        let back = to_json(&from_json(json.clone())).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }

    #[test]
    fn missing_keys_are_null() {
        let value = from_json(serde_json::json!({"a": {}}));
        assert!(value.get_attr("b").unwrap().is_none());
        assert!(value.get_attr("a").unwrap().get_attr("b").unwrap().is_none());
    }
}
