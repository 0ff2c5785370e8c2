//! What an answer must satisfy.

use crate::template::{Condition, EvaluationError, Scope};
use jsonschema::Validator;
use serde_json::Value as Json;

/// The first of the conditions that does not hold.
///
/// # Errors
/// As [`Condition::holds`].
pub fn unmet<'a>(
    conditions: impl IntoIterator<Item = (&'a Condition, &'a Scope)>,
) -> Result<Option<&'a Condition>, EvaluationError> {
    for (condition, scope) in conditions {
        if !condition.holds(scope)? {
            return Ok(Some(condition));
        }
    }
    Ok(None)
}

/// A body that a JSON Schema refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where in the body, as a JSON Pointer (RFC 6901); the empty text is the body itself.
    pub place: String,
    /// The keyword of the schema that refuses: `required`, `type`. The value is not quoted, for it may be secret.
    pub keyword: String,
}

/// What a schema refuses in a body, the first three places.
pub fn violations(schema: &Validator, body: &Json) -> Vec<Violation> {
    let violations = schema.iter_errors(body).take(3).map(|error| Violation {
        place: error.instance_path().to_string(),
        keyword: error.schema_path().to_string().rsplit('/').next().unwrap_or_default().to_owned(),
    });
    violations.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_says_where_and_by_which_keyword_it_refuses() {
        let schema = json!({
            "type": "object", "required": ["id"], "properties": { "name": { "type": "string" } }
        });
        let schema = jsonschema::validator_for(&schema).expect("a schema");
        assert_eq!(violations(&schema, &json!({"id": 1, "name": "x"})), []);
        let found = violations(&schema, &json!({"name": 5}));
        let texts: Vec<_> =
            found.iter().map(|found| (found.place.as_str(), found.keyword.as_str())).collect();
        assert_eq!(texts, [("", "required"), ("/name", "type")]);
    }
}
