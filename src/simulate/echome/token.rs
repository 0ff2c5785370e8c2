//! The pair of JWTs: obtained with an access key, refreshed with rotation, presented with every call.

use http::StatusCode;
use serde_json::{Value, json};

use super::accounts::KeyState;
use super::api::Echome;
use super::error::unauthorized;
use super::fields;
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;
use crate::simulate::sessions::{SessionId, Standing, Token, TokenKind};
use crate::simulate::{jwt, random};

/// Lives in seconds.
const ACCESS_LIFE: i64 = 3_600;
const REFRESH_LIFE: i64 = 86_400;

/// Why a token is no good, in the framework's words.
const INVALID_OR_EXPIRED: &str = "Token is invalid or expired";
const WRONG_TYPE: &str = "Token has wrong type";

impl Echome {
    pub(super) fn obtain_pair(&mut self, call: &Call) -> Result<Answer, Answer> {
        let [id, secret] = fields::read(call, ["username", "password"])?;
        let key = self.access_keys.iter().find(|key| key.id == id && key.secret == secret);
        let Some(id) = key.filter(|key| key.state == KeyState::Active).map(|key| key.id) else {
            self.sessions.refuse();
            return Err(unauthorized(
                &json!({ "detail": "No active account found with the given credentials" }),
            ));
        };
        let session = self.sessions.open(id);
        Ok(self.pair(session, call.now()))
    }

    /// The old refresh token stays good: the server means to forbid it but lacks the app that would. The access key is
    /// not looked at.
    pub(super) fn refresh(&mut self, call: &Call) -> Result<Answer, Answer> {
        let [refresh] = fields::read(call, ["refresh"])?;
        let session = self
            .judge(&refresh, TokenKind::Refresh, call.now())
            .map_err(|problem| unauthorized(&json!({ "detail": problem, "code": "token_not_valid" })))?;
        self.sessions.refreshed();
        Ok(self.pair(session, call.now()))
    }

    /// The access key behind the token that the call carries.
    pub(super) fn signed_in(&self, call: &Call) -> Result<&'static str, Answer> {
        let token = bearer_token(call)?;
        let session = self.judge(token, TokenKind::Access, call.now()).map_err(|problem| {
            let message = json!({ "token_class": "AccessToken", "token_type": "access", "message": problem });
            unauthorized(&json!({
                "detail": "Given token not valid for any token type",
                "code": "token_not_valid",
                "messages": [message],
            }))
        })?;
        let id = *self.sessions.holder(session);
        match self.access_keys.iter().find(|key| key.id == id).map(|key| key.state) {
            Some(KeyState::Active) => Ok(id),
            Some(KeyState::Inactive) => Err(refused("User is inactive", "user_inactive")),
            Some(KeyState::Deleted) | None => Err(refused("User not found", "user_not_found")),
        }
    }

    fn judge(&self, text: &str, kind: TokenKind, now: i64) -> Result<SessionId, &'static str> {
        match self.sessions.standing(text, now) {
            Standing::Live(token) if token.kind == kind => Ok(token.session),
            Standing::Live(_) => Err(WRONG_TYPE),
            Standing::Expired(_) | Standing::Revoked(_) | Standing::Unknown => Err(INVALID_OR_EXPIRED),
        }
    }

    fn pair(&mut self, session: SessionId, now: i64) -> Answer {
        let refresh = self.issue(TokenKind::Refresh, session, now, REFRESH_LIFE);
        let access = self.issue(TokenKind::Access, session, now, self.options.access_life(ACCESS_LIFE));
        Answer::json(StatusCode::OK, &json!({ "refresh": refresh, "access": access }))
    }

    fn issue(&mut self, kind: TokenKind, session: SessionId, now: i64, life: i64) -> String {
        let token_type = if kind == TokenKind::Refresh { "refresh" } else { "access" };
        let token = jwt::sign(&json!({
            "token_type": token_type,
            "exp": now + life,
            "iat": now,
            "jti": random::id().replace('-', ""),
            "user_id": self.sessions.holder(session),
        }));
        self.sessions.issue(&token, Token::new(kind, session, now + life));
        token
    }
}

/// The word behind `Bearer`, whose case matters.
fn bearer_token(call: &Call) -> Result<&str, Answer> {
    let words: Vec<&str> =
        call.header("authorization").unwrap_or_default().split_ascii_whitespace().collect();
    match words[..] {
        ["Bearer", token] => Ok(token),
        ["Bearer", ..] => Err(refused(
            "Authorization header must contain two space-delimited values",
            "bad_authorization_header",
        )),
        _ => Err(unauthorized(&json!({ "detail": "Authentication credentials were not provided." }))),
    }
}

fn refused(detail: &str, code: &str) -> Answer {
    unauthorized(&Value::from_iter([("detail", detail), ("code", code)]))
}
