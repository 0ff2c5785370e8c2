//! ecHome's two error shapes: `detail` from the framework, `details` with `success` from the application.

use http::StatusCode;
use serde_json::{Value, json};

use crate::simulate::answer::Answer;

/// An error of the framework.
pub(super) fn framework(status: StatusCode, detail: &str) -> Answer {
    Answer::json(status, &json!({ "detail": detail }))
}

/// 401 with the challenge header. `body` is what the answer says besides.
pub(super) fn unauthorized(body: &Value) -> Answer {
    Answer::json(StatusCode::UNAUTHORIZED, body).with("www-authenticate", "Bearer realm=\"api\"")
}

/// An error of the application.
pub(super) fn application(status: StatusCode, details: &str) -> Answer {
    Answer::json(status, &json!({ "success": false, "details": details }))
}

/// What Django itself says to a path it does not have; with a trailing slash, or without one, it is another path.
pub(super) fn page_not_found() -> Answer {
    let page = "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Not Found</title>\n</head>\n<body>\n  \
                <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n</body>\n</html>\n";
    Answer::text(StatusCode::NOT_FOUND, "text/html; charset=utf-8", page)
}
