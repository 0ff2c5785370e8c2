//! `/auth`, logout, token refresh and the revocation of all tokens of a user.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::accounts::Operator;
use super::api::Soracom;
use super::error::{bad_body, bad_request, error};
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;
use crate::simulate::route::Params;
use crate::simulate::sessions::{SessionId, Standing, Token, TokenKind};
use crate::simulate::{jwt, random};

/// Who a session belongs to.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    api_key: String,
    pub(super) operator_id: &'static str,
    /// `None` for the root user.
    pub(super) sam_user: Option<&'static str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LoginBody {
    email: Option<String>,
    password: Option<String>,
    auth_key_id: Option<String>,
    auth_key: Option<String>,
    operator_id: Option<String>,
    user_name: Option<String>,
    token_timeout_seconds: Option<i64>,
    #[serde(rename = "mfaOTPCode")]
    mfa_otp_code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefreshBody {
    token_timeout_seconds: Option<i64>,
}

/// One of the three ways to say who one is.
enum Proof<'a> {
    Root { email: &'a str, password: &'a str },
    AuthKey { id: &'a str, secret: &'a str },
    SamUser { operator_id: &'a str, name: &'a str, password: &'a str },
}

impl LoginBody {
    fn proof(&self) -> Result<Proof<'_>, Answer> {
        let text = Option::as_deref;
        match (
            text(&self.email),
            text(&self.password),
            text(&self.auth_key_id),
            text(&self.auth_key),
            text(&self.operator_id),
            text(&self.user_name),
        ) {
            (Some(email), Some(password), None, None, None, None) => Ok(Proof::Root { email, password }),
            (None, None, Some(id), Some(secret), None, None) => Ok(Proof::AuthKey { id, secret }),
            (None, Some(password), None, None, Some(operator_id), Some(name)) => {
                Ok(Proof::SamUser { operator_id, name, password })
            }
            _ => Err(bad_request(
                "Give email and password, authKeyId and authKey, or operatorId, userName and password.",
            )),
        }
    }
}

impl Proof<'_> {
    /// Who this is, `None` when the secret is wrong or nobody has that name. The code counts for passwords only.
    fn holder(&self, operators: &[Operator], code: Option<&str>, now: i64) -> Option<Holder> {
        let of = |operator: &Operator, sam_user| Holder {
            api_key: format!("api-{}", random::id()),
            operator_id: operator.id,
            sam_user,
        };
        match *self {
            Self::Root { email, password } => {
                let operator = operators.iter().find(|operator| operator.email == email)?;
                let fits = operator.root.password == password && operator.root.code_fits(code, now);
                fits.then(|| of(operator, None))
            }
            Self::AuthKey { id, secret } => {
                let operator = operators.iter().find(|operator| operator.auth_key_id == id)?;
                (operator.auth_key == secret).then(|| of(operator, None))
            }
            Self::SamUser { operator_id, name, password } => {
                let operator = operators.iter().find(|operator| operator.id == operator_id)?;
                let (name, user) = operator.sam_users.iter().find(|(key, _)| *key == name)?;
                let fits = user.password == password && user.code_fits(code, now);
                fits.then(|| of(operator, Some(*name)))
            }
        }
    }
}

impl Soracom {
    /// The status for a missing or wrong second factor is not published; it is taken to be that of a wrong password,
    /// the only failure there is on this path.
    pub(super) fn log_in(&mut self, call: &Call) -> Result<Answer, Answer> {
        let body: LoginBody = call.json().map_err(bad_body)?;
        let proof = body.proof()?;
        let life = self.token_life(body.token_timeout_seconds)?;
        let Some(holder) = proof.holder(&self.operators, body.mfa_otp_code.as_deref(), call.now()) else {
            self.sessions.refuse();
            return Err(error(StatusCode::UNAUTHORIZED, "AUM0002", "Invalid username/password supplied."));
        };
        let session = self.sessions.open(holder.clone());
        let token = self.issue_token(session, call.now(), life);
        let mut answer =
            json!({ "apiKey": holder.api_key, "operatorId": holder.operator_id, "token": token });
        if let Some(name) = holder.sam_user {
            answer["userName"] = name.into();
        }
        Ok(Answer::json(StatusCode::OK, &answer))
    }

    pub(super) fn log_out(&mut self, call: &Call) -> Result<Answer, Answer> {
        let session = self.signed_in(call)?;
        self.sessions.close(&[TokenKind::Access], |id, _| id == session);
        self.sessions.logged_out();
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// Whether the old token survives is not published; here it does, so that requests on their way are not lost.
    pub(super) fn refresh(&mut self, call: &Call, params: &Params) -> Result<Answer, Answer> {
        let session = match self.presented(call)? {
            Standing::Live(token) => token.session,
            Standing::Expired(_) => return Err(bad_request("The token has expired.")),
            Standing::Revoked(_) | Standing::Unknown => return Err(invalid_token()),
        };
        self.require_operator(session, params)?;
        let body: RefreshBody = call.json().map_err(bad_body)?;
        let life = self.token_life(body.token_timeout_seconds)?;
        let token = self.issue_token(session, call.now(), life);
        self.sessions.refreshed();
        Ok(Answer::json(StatusCode::OK, &json!({ "token": token })))
    }

    pub(super) fn revoke_root(&mut self, call: &Call, params: &Params) -> Result<Answer, Answer> {
        let session = self.signed_in(call)?;
        let operator_id = self.require_operator(session, params)?;
        if self.sessions.holder(session).sam_user.is_some() {
            return Err(error(StatusCode::FORBIDDEN, "SIM0403", "You have no permission for this."));
        }
        self.revoke_tokens(operator_id, None);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    pub(super) fn revoke_sam_user(&mut self, call: &Call, params: &Params) -> Result<Answer, Answer> {
        let session = self.signed_in(call)?;
        let operator_id = self.require_operator(session, params)?;
        let name = params.get("user_name");
        if self.user_mut(operator_id, Some(name)).is_none() {
            return Err(bad_request("There is no such user."));
        }
        self.revoke_tokens(operator_id, Some(name));
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    fn revoke_tokens(&mut self, operator_id: &str, sam_user: Option<&str>) {
        self.sessions.close(&[TokenKind::Access], |_, holder| {
            holder.operator_id == operator_id && holder.sam_user == sam_user
        });
    }

    /// The session whose key and token the call carries.
    pub(super) fn signed_in(&self, call: &Call) -> Result<SessionId, Answer> {
        match self.presented(call)? {
            Standing::Live(token) => Ok(token.session),
            Standing::Expired(_) | Standing::Revoked(_) | Standing::Unknown => Err(invalid_token()),
        }
    }

    /// The standing of the token that the call carries together with the API key it belongs to.
    fn presented(&self, call: &Call) -> Result<Standing<'_>, Answer> {
        let (Some(api_key), Some(token)) = (call.header("x-soracom-api-key"), call.header("x-soracom-token"))
        else {
            return Err(error(
                StatusCode::UNAUTHORIZED,
                "AUM0001",
                "Token is required in the request header",
            ));
        };
        let standing = self.sessions.standing(token, call.now());
        let session = match &standing {
            Standing::Live(token) | Standing::Expired(token) | Standing::Revoked(token) => token.session,
            Standing::Unknown => return Ok(standing),
        };
        let is_pair = self.sessions.holder(session).api_key == api_key;
        Ok(if is_pair { standing } else { Standing::Unknown })
    }

    /// The operator named in the path, which must be that of the session.
    pub(super) fn require_operator(
        &self,
        session: SessionId,
        params: &Params,
    ) -> Result<&'static str, Answer> {
        let operator_id = self.sessions.holder(session).operator_id;
        if operator_id == params.get("operator_id") {
            Ok(operator_id)
        } else {
            Err(bad_request("Invalid Operator Id."))
        }
    }

    /// Seconds; from three minutes to 48 hours may be asked for.
    fn token_life(&self, asked: Option<i64>) -> Result<i64, Answer> {
        let life = asked.unwrap_or(86_400);
        if (180..=172_800).contains(&life) {
            Ok(self.options.access_life(life))
        } else {
            Err(bad_request("tokenTimeoutSeconds must be from 180 to 172800."))
        }
    }

    fn issue_token(&mut self, session: SessionId, now: i64, life: i64) -> String {
        let holder = self.sessions.holder(session);
        let token = jwt::sign(&json!({
            "jti": random::id(),
            "iss": "soracom",
            "aud": "soracom",
            "iat": now,
            "exp": now + life,
            "operator": { "operatorId": holder.operator_id, "userName": holder.sam_user },
        }));
        self.sessions.issue(&token, Token::new(TokenKind::Access, session, now + life));
        token
    }
}

fn invalid_token() -> Answer {
    error(StatusCode::UNAUTHORIZED, "SIM0401", "The API key or the token is invalid, revoked or expired.")
}
