//! The rows of an answer.

use crate::plan::Rows;
use serde_json::Value as Json;
use thiserror::Error;

/// An answer has no list of rows where one should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RowsProblem {
    /// Nothing is at the path.
    #[error("the answer has nothing at `{path}`, where its rows should be")]
    Missing {
        /// The path; `$` is the body itself.
        path: String,
    },
    /// Something else than a list is at the path.
    #[error("the answer has {found} at `{path}`, where the list of its rows should be")]
    NoList {
        /// The path; `$` is the body itself.
        path: String,
        /// What is there: `a map`.
        found: &'static str,
    },
}

/// Takes the rows out of a body. An empty list is no rows.
///
/// # Errors
/// A [`RowsProblem`]: a short or missing list is never taken for an empty one.
pub fn extract(rows: &Rows, body: &Json) -> Result<Vec<Json>, RowsProblem> {
    let path = || rows.path.as_ref().map_or("$", |path| path.as_str()).to_owned();
    let found = match &rows.path {
        Some(path) => path.read(body),
        None => Some(body.clone()),
    };
    match found {
        Some(Json::Array(rows)) => Ok(rows),
        Some(Json::Object(row)) if rows.may_be_one => Ok(vec![Json::Object(row)]),
        Some(Json::Null) | None => Err(RowsProblem::Missing { path: path() }),
        Some(other) => Err(RowsProblem::NoList { path: path(), found: kind(&other) }),
    }
}

/// What people call a JSON value.
pub fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::JsonPath;
    use crate::source::{SourceMap, Span, Text};
    use serde_json::json;

    fn rows_at(path: Option<&str>) -> Rows {
        let path = path.map(|path| {
            let file = SourceMap::default().add("t", path);
            let text = Text::new(path.into(), Span::new(file, 0..path.len()), path, false);
            JsonPath::parse(&text).unwrap()
        });
        Rows { are_read: true, are_kept: false, path, may_be_one: false }
    }

    #[test]
    fn rows_are_the_body_or_the_list_at_a_path() {
        assert_eq!(extract(&rows_at(None), &json!([1, 2])), Ok(vec![json!(1), json!(2)]));
        assert_eq!(extract(&rows_at(None), &json!([])), Ok(vec![]));
        assert_eq!(extract(&rows_at(Some("$.a.b")), &json!({"a": {"b": [3]}})), Ok(vec![json!(3)]));
    }

    #[test]
    fn one_map_is_one_row_where_that_may_be() {
        let rows = Rows { may_be_one: true, ..rows_at(None) };
        assert_eq!(extract(&rows, &json!({"id": 1})), Ok(vec![json!({"id": 1})]));
        assert_eq!(extract(&rows, &json!([1])), Ok(vec![json!(1)]));
        assert!(extract(&rows, &json!(null)).is_err() && extract(&rows, &json!("x")).is_err());
    }

    #[test]
    fn what_is_no_list_is_a_problem() {
        let says = |path, body: Json| extract(&rows_at(path), &body).unwrap_err().to_string();
        assert_eq!(
            says(None, json!({"items": []})),
            "the answer has a map at `$`, where the list of its rows should be"
        );
        assert_eq!(says(None, json!(null)), "the answer has nothing at `$`, where its rows should be");
        assert_eq!(
            says(Some("$.rows"), json!({})),
            "the answer has nothing at `$.rows`, where its rows should be"
        );
    }
}
