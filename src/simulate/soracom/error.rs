//! Soracom's error bodies: flat, a code and a message.

use http::StatusCode;
use serde_json::json;

use crate::simulate::answer::Answer;
use crate::simulate::call::BodyError;

pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({ "code": code, "message": message }))
}

/// The API documents 400 for requests it cannot use and no code for it.
pub(super) fn bad_request(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, "SIM0400", message)
}

pub(super) fn not_found(message: &str) -> Answer {
    error(StatusCode::NOT_FOUND, "SIM0404", message)
}

/// Neither the answer to a missing content type nor that to unknown fields is documented. The simulator takes no body
/// that the documentation does not describe, so that a misspelt field is found.
pub(super) fn bad_body(problem: BodyError) -> Answer {
    match problem {
        BodyError::MediaType => {
            error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "SIM0415", "Content-Type must be application/json")
        }
        BodyError::Malformed(reason) => bad_request(&format!("The request body is not valid: {reason}")),
    }
}
