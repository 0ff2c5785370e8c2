//! Request bodies as Django REST framework reads them: JSON or a form, with its words for what is missing.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::error::framework;
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;

/// The named fields as text, or 400 with what is wrong with each. Multipart, which the server takes as well, is not
/// simulated.
pub(super) fn read<const N: usize>(call: &Call, names: [&'static str; N]) -> Result<[String; N], Answer> {
    let body = body(call)?;
    let mut problems = Map::new();
    let values = names.map(|name| match text(body.get(name)) {
        Ok(text) => text,
        Err(problem) => {
            problems.insert(name.to_owned(), json!([problem]));
            String::new()
        }
    });
    if problems.is_empty() {
        Ok(values)
    } else {
        Err(Answer::json(StatusCode::BAD_REQUEST, &problems.into()))
    }
}

/// The fields of a form; another body has none, which is why a JSON body looks like missing parameters.
pub(super) fn form(call: &Call) -> Map<String, Value> {
    if call.media_type() != "application/x-www-form-urlencoded" {
        return Map::new();
    }
    call.form().into_iter().map(|(name, value)| (name, value.into())).collect()
}

fn body(call: &Call) -> Result<Map<String, Value>, Answer> {
    match call.media_type().as_str() {
        "application/json" => json_body(call),
        "application/x-www-form-urlencoded" => Ok(form(call)),
        "" if call.body.is_empty() => Ok(Map::new()),
        _ => {
            let content_type = call.header("content-type").unwrap_or_default();
            let detail = format!("Unsupported media type \"{content_type}\" in request.");
            Err(framework(StatusCode::UNSUPPORTED_MEDIA_TYPE, &detail))
        }
    }
}

fn json_body(call: &Call) -> Result<Map<String, Value>, Answer> {
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => {
            let problem = format!("Invalid data. Expected a dictionary, but got {}.", python_type(&other));
            Err(Answer::json(StatusCode::BAD_REQUEST, &json!({ "non_field_errors": [problem] })))
        }
        Err(reason) => Err(framework(StatusCode::BAD_REQUEST, &format!("JSON parse error - {reason}"))),
    }
}

fn text(value: Option<&Value>) -> Result<String, &'static str> {
    match value {
        None => Err("This field is required."),
        Some(Value::Null) => Err("This field may not be null."),
        Some(Value::String(text)) if text.is_empty() => Err("This field may not be blank."),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err("Not a valid string."),
    }
}

fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
