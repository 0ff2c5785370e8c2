//! JSON that is read strictly: a key that stands twice, a number that no program can hold, and nesting without end are
//! mistakes of the server, not data.

use super::BodyError;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// Under this key serde_json hands out a number that is not a small integer, with all its digits.
const NUMBER_KEY: &str = "$serde_json::private::Number";

/// Parses a whole text. Digits of numbers survive.
///
/// # Errors
/// [`BodyError::Json`], [`BodyError::Ends`], [`BodyError::DuplicateKey`], [`BodyError::Number`] or [`BodyError::Depth`].
pub fn parse(text: &str) -> Result<Value, BodyError> {
    let mistake = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value =
        Strict(&mistake).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| match mistake.take() {
        Some(mistake) => mistake,
        None if error.to_string().starts_with("recursion limit exceeded") => BodyError::Depth,
        None if error.is_eof() => BodyError::Ends { bytes: text.len() },
        None => BodyError::Json { line: error.line(), column: error.column() },
    })
}

/// Builds a [`Value`] and leaves a mistake of its own in the cell.
#[derive(Clone, Copy)]
struct Strict<'a>(&'a RefCell<Option<BodyError>>);

impl Strict<'_> {
    fn fail<E: Error>(self, mistake: BodyError) -> E {
        let error = E::custom(&mistake);
        *self.0.borrow_mut() = Some(mistake);
        error
    }

    fn number<E: Error>(self, digits: &str) -> Result<Value, E> {
        let is_finite = digits.parse::<f64>().is_ok_and(f64::is_finite);
        match serde_json::from_str::<Number>(digits) {
            Ok(number) if is_finite => Ok(Value::Number(number)),
            _ => Err(self.fail(BodyError::Number)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key == NUMBER_KEY && map.is_empty() {
                return self.number(&entries.next_value::<String>()?);
            }
            if map.contains_key(&key) {
                return Err(self.fail(BodyError::DuplicateKey { key }));
            }
            let value = entries.next_value_seed(self)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_survive() {
        let text = r#"{"iccid":8988303000000000129123456,"a":[1.10,-0,1e3,null,true,"é"],"b":{"b":{}}}"#;
        assert_eq!(parse(text).unwrap().to_string(), text.replace("1e3", "1e+3"));
    }

    #[test]
    fn what_is_no_data_is_refused() {
        assert_eq!(parse(r#"{"a":1,"b":{"c":1,"c":2}}"#), Err(BodyError::DuplicateKey { key: "c".into() }));
        assert_eq!(parse("[1e400]"), Err(BodyError::Number));
        assert_eq!(parse(&format!("{}1{}", "[".repeat(200), "]".repeat(200))), Err(BodyError::Depth));
        assert_eq!(parse(&"[".repeat(100_000)), Err(BodyError::Depth));
        for (text, column) in [
            ("[NaN]", 2),
            ("[Infinity]", 2),
            ("[1] x", 5),
            ("{'a': 1}", 2),
            ("[1,]", 4),
            ("[01]", 3),
            ("[\"\\ud800\"]", 9),
        ] {
            assert_eq!(parse(text), Err(BodyError::Json { line: 1, column }), "{text}");
        }
    }

    #[test]
    fn what_is_cut_anywhere_is_no_mistake_of_its_writer() {
        let text = r#"{"iccid": "89\u0031", "flags": [true, null, -1.5e3], "name": "gr\u00fcn"}"#;
        assert!(parse(text).is_ok());
        for length in 0..text.len() {
            assert_eq!(parse(&text[..length]), Err(BodyError::Ends { bytes: length }), "{}", &text[..length]);
        }
    }

    #[test]
    fn a_hundred_levels_are_fine() {
        assert!(parse(&format!("{}1{}", "[".repeat(100), "]".repeat(100))).is_ok());
    }
}
