//! The three tokens of a login: who the user is, what the user may ask of the pool, and how to get both again.

use http::StatusCode;
use serde_json::{Value, json};

use super::accounts::CLIENT_ID;
use super::api::Simpleiot;
use super::error::AMZ_JSON;
use crate::simulate::answer::Answer;
use crate::simulate::sessions::{SessionId, Token, TokenKind};
use crate::simulate::{jwt, random};

/// Lives in seconds: 60 minutes and 30 days, the defaults of a pool.
const ACCESS_LIFE: i64 = 3_600;
const REFRESH_LIFE: i64 = 30 * 86_400;

impl Simpleiot {
    /// The answer to a login that is complete.
    pub(super) fn all_tokens(&mut self, user: usize, now: i64) -> Answer {
        self.users[user].attempts.succeed();
        let session = self.sessions.open(self.users[user].name);
        // Five parts, as a JWE has them.
        let refresh: Vec<String> = [2, 16, 1, 24, 1].map(random::opaque).into();
        let refresh = refresh.join(".");
        self.sessions.issue(&refresh, Token::new(TokenKind::Refresh, session, now + REFRESH_LIFE));
        let mut result = self.result(session, now);
        result["RefreshToken"] = refresh.into();
        authenticated(&result)
    }

    /// The answer to a refresh, which brings no refresh token.
    pub(super) fn tokens_without_refresh(&mut self, session: SessionId, now: i64) -> Answer {
        let result = self.result(session, now);
        authenticated(&result)
    }

    fn result(&mut self, session: SessionId, now: i64) -> Value {
        let life = self.options.access_life(ACCESS_LIFE);
        json!({
            "AccessToken": self.issue(TokenKind::Access, session, now, life),
            "ExpiresIn": life,
            "IdToken": self.issue(TokenKind::Id, session, now, life),
            "TokenType": "Bearer",
        })
    }

    fn issue(&mut self, kind: TokenKind, session: SessionId, now: i64, life: i64) -> String {
        let name = *self.sessions.holder(session);
        let (use_, client_claim, name_claim) = match kind {
            TokenKind::Id => ("id", "aud", "cognito:username"),
            TokenKind::Access | TokenKind::Refresh => ("access", "client_id", "username"),
        };
        let token = jwt::sign(&json!({
            "sub": name,
            "iss": self.issuer,
            client_claim: CLIENT_ID,
            name_claim: name,
            "token_use": use_,
            "auth_time": now,
            "iat": now,
            "exp": now + life,
            "jti": random::id(),
        }));
        self.sessions.issue(&token, Token::new(kind, session, now + life));
        token
    }
}

fn authenticated(result: &Value) -> Answer {
    let body = json!({ "AuthenticationResult": result, "ChallengeParameters": {} });
    Answer::text(StatusCode::OK, AMZ_JSON, body.to_string())
}
