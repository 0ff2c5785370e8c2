//! The routes below `/_sim`, outside every provider's own paths: a test in another process looks and steers here.

use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answer::Answer;
use super::call::Call;
use super::fault::Fault;
use super::world::World;

/// What a control path begins with.
const PREFIX: &str = "/_sim/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    advance_seconds: u64,
}

/// Answers a control call, `None` if the call is one for the provider.
pub(super) fn answer(world: &mut World, call: &Call) -> Option<Answer> {
    let action = call.path.strip_prefix(PREFIX)?;
    Some(match (&call.method, action) {
        (&Method::GET, "stats") => json_of(&world.stats()),
        (&Method::GET, "requests") => json_of(&world.requests()),
        (&Method::POST, "revoke") => {
            world.revoke_access();
            done()
        }
        (&Method::POST, "clock") => with_body(call, |body: ClockRequest| {
            world.advance(Duration::from_secs(body.advance_seconds));
            Ok(())
        }),
        (&Method::POST, "fault") => {
            with_body(call, |fault: Fault| world.add_fault(fault).map_err(|error| error.to_string()))
        }
        _ => refused(StatusCode::NOT_FOUND, "there are GET stats, requests and POST clock, revoke, fault"),
    })
}

/// Control bodies are JSON whatever their content type: these routes are no provider's.
fn with_body<T: DeserializeOwned>(call: &Call, act: impl FnOnce(T) -> Result<(), String>) -> Answer {
    let read = serde_json::from_slice(&call.body).map_err(|error| error.to_string());
    match read.and_then(act) {
        Ok(()) => done(),
        Err(reason) => refused(StatusCode::BAD_REQUEST, &reason),
    }
}

fn done() -> Answer {
    Answer::empty(StatusCode::NO_CONTENT)
}

fn refused(status: StatusCode, reason: &str) -> Answer {
    Answer::json(status, &json!({ "message": reason }))
}

fn json_of(value: &impl serde::Serialize) -> Answer {
    match serde_json::to_value(value) {
        Ok(value) => Answer::json(StatusCode::OK, &value),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
