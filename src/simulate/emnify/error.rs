//! emnify's error bodies: of the application, with a code, and of the gateway, with a message only.

use http::StatusCode;
use serde_json::{Value, json};

use crate::simulate::answer::Answer;
use crate::simulate::call::BodyError;

/// A code and its name as published.
#[derive(Clone, Copy)]
pub(super) struct Code(u16, &'static str);

pub(super) const BAD_REQUEST: Code = Code(1000, "BadRequest");
pub(super) const FORBIDDEN: Code = Code(1104, "Forbidden");
pub(super) const TOO_MANY_REQUESTS: Code = Code(1105, "TooManyRequests");
pub(super) const INVALID_QUERY: Code = Code(1301, "InvalidQueryCriteria");
pub(super) const INVALID_SORT: Code = Code(1302, "InvalidSortCriteria");
pub(super) const INPUT_VALIDATION_FAILED: Code = Code(1400, "InputValidationFailed");
pub(super) const INVALID_REFERENCE: Code = Code(1401, "InvalidReference");
pub(super) const INVALID_FORMAT: Code = Code(1403, "InvalidFormat");

/// An error of the application.
pub(super) fn error(status: StatusCode, code: Code, message: &str) -> Answer {
    Answer::json(status, &body(code, message))
}

/// 422 with what is wrong inside.
pub(super) fn validation_failed(message: &str, causes: &[(Code, String)]) -> Answer {
    let mut answer = body(INPUT_VALIDATION_FAILED, message);
    answer["errors"] = causes.iter().map(|(code, message)| body(*code, message)).collect();
    Answer::json(StatusCode::UNPROCESSABLE_ENTITY, &answer)
}

/// A refusal by the gateway in front of the application.
pub(super) fn gateway_refusal(status: StatusCode, message: &str) -> Answer {
    Answer::json(status, &json!({ "message": message }))
}

/// The answer to a missing content type is not published.
pub(super) fn bad_body(problem: BodyError) -> Answer {
    match problem {
        BodyError::MediaType => {
            error(StatusCode::UNSUPPORTED_MEDIA_TYPE, BAD_REQUEST, "Content-Type must be application/json")
        }
        BodyError::Malformed(reason) => error(StatusCode::BAD_REQUEST, BAD_REQUEST, &reason),
    }
}

fn body(Code(number, token): Code, message: &str) -> Value {
    json!({ "error_code": number, "error_token": token, "message": message })
}
