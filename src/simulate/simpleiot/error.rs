//! Errors of the three parties: the user pool, the gateway, the application.

use http::StatusCode;
use serde_json::json;

use crate::simulate::answer::Answer;

/// What the user pool sends and takes.
pub(super) const AMZ_JSON: &str = "application/x-amz-json-1.1";

/// An error of the user pool: always 400, told apart by its type.
pub(super) fn pool(kind: &str, message: &str) -> Answer {
    let body = json!({ "__type": kind, "message": message });
    Answer::text(StatusCode::BAD_REQUEST, AMZ_JSON, body.to_string())
        .with("x-amzn-errortype", format!("{kind}:"))
        .with("x-amzn-errormessage", message)
}

/// The user pool's word for nearly every refusal.
pub(super) fn not_authorized(message: &str) -> Answer {
    pool("NotAuthorizedException", message)
}

/// A refusal by the gateway.
pub(super) fn gateway(status: StatusCode, kind: &str, message: &str) -> Answer {
    Answer::json(status, &json!({ "message": message })).with("x-amzn-errortype", kind)
}

/// A refusal by the application, which uses 418 for all of them.
pub(super) fn application(message: &str) -> Answer {
    Answer::json(StatusCode::IM_A_TEAPOT, &json!({ "status": "error", "message": message }))
}
