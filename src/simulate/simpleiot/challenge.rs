//! Challenges: what the pool wants to know besides name and password, one after the other.

use std::collections::HashMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::api::Simpleiot;
use super::cognito::{check_client, read};
use super::error::{AMZ_JSON, not_authorized, pool};
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;
use crate::simulate::{random, totp};

/// How long a challenge may be answered, in seconds: the pool's default.
const CHALLENGE_LIFE: i64 = 180;

/// The shortest password the pool takes.
const MIN_PASSWORD_CHARS: usize = 8;

/// A login that waits for an answer.
#[derive(Debug)]
pub(super) struct Challenge {
    kind: ChallengeKind,
    user: usize,
    expires: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChallengeKind {
    NewPassword,
    SoftwareToken,
}

impl ChallengeKind {
    fn name(self) -> &'static str {
        match self {
            Self::NewPassword => "NEW_PASSWORD_REQUIRED",
            Self::SoftwareToken => "SOFTWARE_TOKEN_MFA",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RespondBody {
    client_id: String,
    challenge_name: String,
    session: String,
    #[serde(default)]
    challenge_responses: HashMap<String, String>,
}

impl RespondBody {
    fn response(&self, name: &str) -> Result<&str, Answer> {
        let missing = || pool("InvalidParameterException", &format!("Missing required parameter {name}"));
        self.challenge_responses.get(name).map(String::as_str).ok_or_else(missing)
    }
}

impl Simpleiot {
    /// The first challenge of a user who gave the right password, or the tokens if there is none.
    pub(super) fn challenge_or_tokens(&mut self, user: usize, now: i64) -> Answer {
        if self.users[user].must_change_password {
            return self.challenge(ChallengeKind::NewPassword, user, now);
        }
        self.code_or_tokens(user, now)
    }

    fn code_or_tokens(&mut self, user: usize, now: i64) -> Answer {
        if self.users[user].totp_secret.is_some() {
            return self.challenge(ChallengeKind::SoftwareToken, user, now);
        }
        self.all_tokens(user, now)
    }

    fn challenge(&mut self, kind: ChallengeKind, user: usize, now: i64) -> Answer {
        let session = random::opaque(8);
        self.challenges.insert(session.clone(), Challenge { kind, user, expires: now + CHALLENGE_LIFE });
        let name = self.users[user].name;
        let parameters = match kind {
            // The two last are JSON inside a text.
            ChallengeKind::NewPassword => json!({
                "USER_ID_FOR_SRP": name,
                "requiredAttributes": "[]",
                "userAttributes": json!({ "email": format!("{name}@example.com") }).to_string(),
            }),
            ChallengeKind::SoftwareToken => json!({ "USER_ID_FOR_SRP": name }),
        };
        let body =
            json!({ "ChallengeName": kind.name(), "Session": session, "ChallengeParameters": parameters });
        Answer::text(StatusCode::OK, AMZ_JSON, body.to_string())
    }

    /// A session is used up by its first answer, right or wrong.
    pub(super) fn respond_to_challenge(&mut self, call: &Call) -> Result<Answer, Answer> {
        let body: RespondBody = read(call)?;
        check_client(&body.client_id)?;
        let challenge = self.challenges.remove(&body.session);
        let is_right_kind = |challenge: &Challenge| challenge.kind.name() == body.challenge_name;
        let Some(Challenge { kind, user, expires }) = challenge.filter(is_right_kind) else {
            self.sessions.refuse();
            return Err(not_authorized("Invalid session for the user."));
        };
        if call.now() >= expires || body.response("USERNAME")? != self.users[user].name {
            self.sessions.refuse();
            return Err(not_authorized("Invalid session for the user, session is expired."));
        }
        match kind {
            ChallengeKind::NewPassword => self.set_password(user, body.response("NEW_PASSWORD")?, call.now()),
            ChallengeKind::SoftwareToken => {
                self.check_code(user, body.response("SOFTWARE_TOKEN_MFA_CODE")?, call.now())
            }
        }
    }

    fn set_password(&mut self, user: usize, password: &str, now: i64) -> Result<Answer, Answer> {
        if password.chars().count() < MIN_PASSWORD_CHARS {
            self.sessions.refuse();
            let message = "Password did not conform with policy: Password not long enough";
            return Err(pool("InvalidPasswordException", message));
        }
        self.users[user].password = password.to_owned();
        self.users[user].must_change_password = false;
        Ok(self.code_or_tokens(user, now))
    }

    fn check_code(&mut self, user: usize, code: &str, now: i64) -> Result<Answer, Answer> {
        self.refuse_locked(user, now)?;
        let is_right = self.users[user].totp_secret.is_some_and(|secret| totp::accepts(secret, code, now));
        if !is_right {
            self.users[user].attempts.fail(now);
            self.sessions.refuse();
            return Err(pool("CodeMismatchException", "Invalid code received for user"));
        }
        Ok(self.all_tokens(user, now))
    }
}
