//! The reset of a forgotten password: a token goes out by mail, and comes back with the new password.

use http::StatusCode;
use serde::Deserialize;

use super::accounts::RESET_TOKEN;
use super::api::Soracom;
use super::error::{bad_body, error};
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;

/// How long a reset token is good, in seconds. The real figure is not published.
const RESET_LIFE: i64 = 3_600;

/// A reset that was asked for and not yet used.
#[derive(Debug)]
pub(super) struct IssuedReset {
    operator_id: &'static str,
    expires: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssueBody {
    email: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyBody {
    token: String,
    password: String,
}

impl Soracom {
    /// Two codes were seen for bad addresses; here one is for what is no address and one for an unknown one.
    pub(super) fn issue_reset(&mut self, call: &Call) -> Result<Answer, Answer> {
        let body: IssueBody = call.json().map_err(bad_body)?;
        if !body.email.contains('@') {
            return Err(error(StatusCode::BAD_REQUEST, "AUM0004", "Invalid email address."));
        }
        let operator = self.operators.iter().find(|operator| operator.email == body.email);
        let Some(operator) = operator else {
            return Err(error(StatusCode::BAD_REQUEST, "AUM0015", "This email is not registered."));
        };
        self.resets.retain(|reset| reset.operator_id != operator.id);
        self.resets.push(IssuedReset { operator_id: operator.id, expires: call.now() + RESET_LIFE });
        Ok(Answer::empty(StatusCode::OK))
    }

    /// Every mail carries the same well-known token; the latest reset is the one it stands for.
    pub(super) fn verify_reset(&mut self, call: &Call) -> Result<Answer, Answer> {
        let body: VerifyBody = call.json().map_err(bad_body)?;
        let invalid = || error(StatusCode::BAD_REQUEST, "SIM0400", "Invalid token.");
        if body.token != RESET_TOKEN || body.password.is_empty() {
            return Err(invalid());
        }
        let reset = self.resets.pop().ok_or_else(invalid)?;
        if call.now() >= reset.expires {
            return Err(error(StatusCode::NOT_FOUND, "SIM0404", "Token expired."));
        }
        if let Some(user) = self.user_mut(reset.operator_id, None) {
            user.password = body.password;
        }
        Ok(Answer::empty(StatusCode::OK))
    }
}
