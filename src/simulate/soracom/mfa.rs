//! The second factor of a root or SAM user: asked for, proved, shown, taken away.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::accounts::{Mfa, User};
use super::api::Soracom;
use super::error::{bad_body, bad_request};
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;
use crate::simulate::route::Params;
use crate::simulate::totp;

/// What a user who asks for a second factor gets; base32.
const NEW_SECRET: &str = "KNUW25LMMF2G64SEMVWW6TKGIFJWKY3S";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyBody {
    #[serde(rename = "mfaOTPCode")]
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndBody {
    password: String,
}

impl Soracom {
    pub(super) fn start_mfa(&mut self, call: &Call, params: &Params) -> Result<Answer, Answer> {
        let user = self.mfa_user(call, params)?;
        if matches!(user.mfa, Mfa::On(_)) {
            return Err(bad_request("MFA is enabled already."));
        }
        user.mfa = Mfa::Pending(NEW_SECRET.to_owned());
        let uri = format!("otpauth://totp/SORACOM:demo?secret={NEW_SECRET}&issuer=SORACOM");
        Ok(Answer::json(StatusCode::OK, &json!({ "totpUri": uri })))
    }

    pub(super) fn verify_mfa(&mut self, call: &Call, params: &Params) -> Result<Answer, Answer> {
        let is_root = sam_user(params).is_none();
        let user = self.mfa_user(call, params)?;
        let body: VerifyBody = call.json().map_err(bad_body)?;
        let (Mfa::Pending(secret) | Mfa::On(secret)) = &user.mfa else {
            return Err(bad_request("MFA was not asked for."));
        };
        if !totp::accepts(secret, &body.code, call.now()) {
            return Err(bad_request("The MFA code is wrong."));
        }
        user.mfa = Mfa::On(secret.clone());
        Ok(if is_root {
            let codes = ["demo-backup-6Fq2mX", "demo-backup-9Kz4tB"];
            Answer::json(StatusCode::OK, &json!({ "backupCodes": codes }))
        } else {
            Answer::empty(StatusCode::NO_CONTENT)
        })
    }

    /// The words for the status are not published.
    pub(super) fn show_mfa(&mut self, call: &Call, params: &Params) -> Result<Answer, Answer> {
        let status = match self.mfa_user(call, params)?.mfa {
            Mfa::Off => "INACTIVE",
            Mfa::Pending(_) => "PENDING",
            Mfa::On(_) => "ACTIVE",
        };
        Ok(Answer::json(StatusCode::OK, &json!({ "status": status })))
    }

    /// The root user must repeat the password, a SAM user must not.
    pub(super) fn end_mfa(&mut self, call: &Call, params: &Params) -> Result<Answer, Answer> {
        let is_root = sam_user(params).is_none();
        let user = self.mfa_user(call, params)?;
        if is_root {
            let body: EndBody = call.json().map_err(bad_body)?;
            if body.password != user.password {
                return Err(bad_request("The password is wrong."));
            }
        }
        user.mfa = Mfa::Off;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// The user named by the path, if the session may see that operator.
    fn mfa_user(&mut self, call: &Call, params: &Params) -> Result<&mut User, Answer> {
        let session = self.signed_in(call)?;
        let operator_id = self.require_operator(session, params)?;
        self.user_mut(operator_id, sam_user(params)).ok_or_else(|| bad_request("There is no such user."))
    }

    /// The root user of an operator for `None`, else its SAM user of that name.
    pub(super) fn user_mut(&mut self, operator_id: &str, sam_user: Option<&str>) -> Option<&mut User> {
        let operator = self.operators.iter_mut().find(|operator| operator.id == operator_id)?;
        operator.user_mut(sam_user)
    }
}

fn sam_user(params: &Params) -> Option<&str> {
    Some(params.get("user_name")).filter(|name| !name.is_empty())
}
