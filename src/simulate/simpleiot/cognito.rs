//! The user pool: one path, its actions named by a header.

use std::collections::HashMap;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::accounts::CLIENT_ID;
use super::api::Simpleiot;
use super::error::{AMZ_JSON, not_authorized, pool};
use crate::simulate::answer::Answer;
use crate::simulate::call::{BodyError, Call};
use crate::simulate::sessions::{Standing, TokenKind};

const TARGET_PREFIX: &str = "AWSCognitoIdentityProviderService.";

/// What one may ask of the pool.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    InitiateAuth,
    RespondToAuthChallenge,
    GlobalSignOut,
    RevokeToken,
}

impl Action {
    const ALL: [Self; 4] =
        [Self::InitiateAuth, Self::RespondToAuthChallenge, Self::GlobalSignOut, Self::RevokeToken];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InitiateAuth => "InitiateAuth",
            Self::RespondToAuthChallenge => "RespondToAuthChallenge",
            Self::GlobalSignOut => "GlobalSignOut",
            Self::RevokeToken => "RevokeToken",
        }
    }
}

/// Fields that the service knows besides these are left out: they do nothing in this pool, and an unknown field is no
/// error of the protocol.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InitiateBody {
    auth_flow: String,
    client_id: String,
    #[serde(default)]
    auth_parameters: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignOutBody {
    access_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RevokeBody {
    token: String,
    client_id: String,
}

/// The action a call names, `None` if it is none of the pool's.
pub(super) fn action(call: &Call) -> Option<Action> {
    let is_for_pool = call.method == Method::POST && call.path == "/";
    let name = call.header("x-amz-target").filter(|_| is_for_pool)?.strip_prefix(TARGET_PREFIX)?;
    Action::ALL.into_iter().find(|action| action.name() == name)
}

impl Simpleiot {
    /// What the service says to another method, path or target is not published.
    pub(super) fn answer_pool(&mut self, call: &Call) -> Answer {
        let answer = match action(call) {
            Some(Action::InitiateAuth) => self.initiate_auth(call),
            Some(Action::RespondToAuthChallenge) => self.respond_to_challenge(call),
            Some(Action::GlobalSignOut) => self.global_sign_out(call),
            Some(Action::RevokeToken) => self.revoke_token(call),
            None => Err(pool("UnknownOperationException", "")),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }

    fn initiate_auth(&mut self, call: &Call) -> Result<Answer, Answer> {
        let body: InitiateBody = read(call)?;
        check_client(&body.client_id)?;
        let parameter = |name| {
            let missing = || pool("InvalidParameterException", &format!("Missing required parameter {name}"));
            body.auth_parameters.get(name).map(String::as_str).ok_or_else(missing)
        };
        match body.auth_flow.as_str() {
            "USER_PASSWORD_AUTH" => self.log_in(parameter("USERNAME")?, parameter("PASSWORD")?, call.now()),
            "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => self.refresh(parameter("REFRESH_TOKEN")?, call.now()),
            "USER_SRP_AUTH" | "CUSTOM_AUTH" => {
                Err(pool("InvalidParameterException", "The simulator has USER_PASSWORD_AUTH only"))
            }
            flow => {
                Err(pool("InvalidParameterException", &format!("{flow} flow not enabled for this client")))
            }
        }
    }

    /// An unknown name is said to be unknown: the pool keeps the default that does not hide it.
    fn log_in(&mut self, name: &str, password: &str, now: i64) -> Result<Answer, Answer> {
        let Some(index) = self.users.iter().position(|user| user.name == name) else {
            self.sessions.refuse();
            return Err(pool("UserNotFoundException", "User does not exist."));
        };
        self.refuse_locked(index, now)?;
        if self.users[index].password != password {
            self.users[index].attempts.fail(now);
            self.sessions.refuse();
            return Err(not_authorized("Incorrect username or password."));
        }
        Ok(self.challenge_or_tokens(index, now))
    }

    /// Refuses a user who is locked out, whatever the password or the code. A refresh is no attempt.
    pub(super) fn refuse_locked(&mut self, user: usize, now: i64) -> Result<(), Answer> {
        if self.users[user].attempts.admits(now) {
            return Ok(());
        }
        self.sessions.refuse();
        Err(not_authorized("Password attempts exceeded"))
    }

    fn refresh(&mut self, token: &str, now: i64) -> Result<Answer, Answer> {
        let session = match self.sessions.standing(token, now) {
            Standing::Live(token) if token.kind == TokenKind::Refresh => token.session,
            Standing::Revoked(_) => return Err(not_authorized("Refresh Token has been revoked")),
            Standing::Expired(_) => return Err(not_authorized("Refresh Token has expired")),
            Standing::Live(_) | Standing::Unknown => return Err(not_authorized("Invalid Refresh Token")),
        };
        self.sessions.refreshed();
        Ok(self.tokens_without_refresh(session, now))
    }

    /// Signs the user out everywhere. ID tokens stay good at the API until they expire.
    fn global_sign_out(&mut self, call: &Call) -> Result<Answer, Answer> {
        let body: SignOutBody = read(call)?;
        let session = match self.sessions.standing(&body.access_token, call.now()) {
            Standing::Live(token) if token.kind == TokenKind::Access => token.session,
            Standing::Revoked(_) => return Err(not_authorized("Access Token has been revoked")),
            Standing::Expired(_) => return Err(not_authorized("Access Token has expired")),
            Standing::Live(_) | Standing::Unknown => return Err(not_authorized("Invalid Access Token")),
        };
        let name = *self.sessions.holder(session);
        self.sessions.close(&[TokenKind::Access, TokenKind::Refresh], |_, holder| *holder == name);
        self.sessions.logged_out();
        Ok(Answer::text(StatusCode::OK, AMZ_JSON, "{}"))
    }

    /// Ends the session of one refresh token. The answer's body is empty or `{}`; here it is empty.
    fn revoke_token(&mut self, call: &Call) -> Result<Answer, Answer> {
        let body: RevokeBody = read(call)?;
        check_client(&body.client_id)?;
        let session = match self.sessions.standing(&body.token, call.now()) {
            Standing::Live(token) | Standing::Revoked(token) | Standing::Expired(token)
                if token.kind == TokenKind::Refresh =>
            {
                token.session
            }
            Standing::Unknown => return Err(pool("InvalidParameterException", "Invalid token")),
            _ => return Err(pool("UnsupportedTokenTypeException", "Unsupported token type")),
        };
        self.sessions.close(&[TokenKind::Access, TokenKind::Refresh], |id, _| id == session);
        self.sessions.logged_out();
        Ok(Answer::empty(StatusCode::OK))
    }
}

/// The body of an action, in the protocol's own content type.
pub(super) fn read<T: DeserializeOwned>(call: &Call) -> Result<T, Answer> {
    call.json_as(AMZ_JSON).map_err(|problem| match problem {
        BodyError::MediaType => pool("UnknownOperationException", ""),
        BodyError::Malformed(reason) => pool("SerializationException", &reason),
    })
}

pub(super) fn check_client(client_id: &str) -> Result<(), Answer> {
    if client_id == CLIENT_ID {
        return Ok(());
    }
    Err(pool("ResourceNotFoundException", &format!("User pool client {client_id} does not exist.")))
}
