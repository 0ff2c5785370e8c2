//! What there is, in its envelope, and the one write: switching an access key off.

use http::StatusCode;
use serde_json::{Value, json};

use super::accounts::KeyState;
use super::api::Echome;
use super::error::application;
use super::fields;
use super::records::Kind;
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;
use crate::simulate::route::Params;

impl Echome {
    /// `all`, or one by its name; the envelope is the same.
    pub(super) fn describe(&mut self, kind: Kind, call: &Call, params: &Params) -> Result<Answer, Answer> {
        self.signed_in(call)?;
        let machines = self.options.devices;
        let results: Vec<Value> = match params.get("name") {
            "all" => (0..kind.count(machines)).map(|index| kind.record(index)).collect(),
            name => vec![kind.record(kind.index(name, machines).ok_or_else(not_found)?)],
        };
        Ok(Answer::json(StatusCode::OK, &json!({ "success": true, "details": "", "results": results })))
    }

    /// `Action` is `update-user-access-key` with a `Status`, or `delete-user-access-key`.
    pub(super) fn modify_user(&mut self, call: &Call) -> Result<Answer, Answer> {
        self.signed_in(call)?;
        let form = fields::form(call);
        let field = |name: &'static str| form.get(name).and_then(Value::as_str).ok_or_else(|| missing(name));
        let (action, id) = (field("Action")?, field("AccessKeyId")?);
        let state = match action {
            "delete-user-access-key" => KeyState::Deleted,
            "update-user-access-key" => match field("Status")? {
                "active" => KeyState::Active,
                "inactive" => KeyState::Inactive,
                _ => return Err(application(StatusCode::BAD_REQUEST, "Unknown status")),
            },
            _ => return Err(application(StatusCode::BAD_REQUEST, "Unknown action")),
        };
        let key = self.access_keys.iter_mut().find(|key| key.id == id && key.state != KeyState::Deleted);
        key.ok_or_else(not_found)?.state = state;
        Ok(Answer::json(StatusCode::OK, &json!({ "success": true, "details": "", "results": [] })))
    }
}

fn not_found() -> Answer {
    application(StatusCode::NOT_FOUND, "Resource does not exist")
}

fn missing(name: &str) -> Answer {
    let details = "Missing the following required parameters";
    Answer::json(
        StatusCode::BAD_REQUEST,
        &json!({ "success": false, "details": details, "parameters": [name] }),
    )
}
