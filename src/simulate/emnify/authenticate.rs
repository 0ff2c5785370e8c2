//! `POST /authenticate`: user, second factor, refresh and application token, told apart by the fields of the body.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{Mfa, User};
use super::api::Emnify;
use super::error::{BAD_REQUEST, TOO_MANY_REQUESTS, bad_body, error};
use crate::simulate::answer::Answer;
use crate::simulate::call::Call;
use crate::simulate::sessions::{SessionId, Standing, Token, TokenKind};
use crate::simulate::{jwt, random, totp};

/// 240 minutes, in seconds.
const ACCESS_LIFE: i64 = 14_400;

/// Seconds; the real figure is not published. Neither is whether a refresh token may be used again; here it may.
const REFRESH_LIFE: i64 = 86_400;

/// How long a second factor is waited for, in seconds: as long as a mailed code is good.
const MFA_LIFE: i64 = 1_200;

/// 90 days, in seconds.
const TRUST_LIFE: i64 = 90 * 86_400;

/// Refusals in a row before the account is locked, and for how many seconds it is.
const MAX_REFUSALS: u32 = 3;
const LOCK_TIME: i64 = 300;

/// Who a session belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub(super) user_id: u64,
    pub(super) username: &'static str,
    /// Signed in with an application token: a program, and not the user.
    pub(super) is_application: bool,
}

impl Holder {
    /// The user in person.
    pub(super) fn user(user: &User) -> Self {
        Self { user_id: user.id, username: user.username, is_application: false }
    }
}

/// The refusals of one account.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    refusals: u32,
    locked_until: i64,
}

/// A login that waits for its second factor.
#[derive(Debug)]
pub(super) struct MfaChallenge {
    holder: Holder,
    mfa: Mfa,
    expires: i64,
}

/// A device whose user need not give a second factor for a while.
#[derive(Debug)]
pub(super) struct TrustedDevice {
    user_id: u64,
    fingerprint: String,
    expires: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserBody {
    username: String,
    password: String,
    fingerprint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MfaBody {
    mfa_token: String,
    code: String,
    trusted_device: Option<TrustedDeviceBody>,
}

#[derive(Deserialize)]
struct TrustedDeviceBody {
    fingerprint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshBody {
    refresh_token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplicationBody {
    application_token: String,
}

impl Emnify {
    /// What was sent as `Authorization` does not matter here. A call over the limit is refused unread: it is no refused
    /// login. Its message is not published, and no header says when to come again.
    pub(super) fn authenticate(&mut self, call: &Call) -> Result<Answer, Answer> {
        if !self.authenticate_limit.admits(call.now()) {
            return Err(error(StatusCode::TOO_MANY_REQUESTS, TOO_MANY_REQUESTS, "Too many requests"));
        }
        let body: Value = call.json().map_err(bad_body)?;
        let has = |field| body.get(field).is_some();
        if has("username") {
            self.log_in(read(body)?, call.now())
        } else if has("mfa_token") {
            self.answer_challenge(read(body)?, call.now())
        } else if has("refresh_token") {
            self.refresh(&read(body)?, call.now())
        } else if has("application_token") {
            self.log_in_application(&read(body)?, call.now())
        } else {
            Err(error(StatusCode::BAD_REQUEST, BAD_REQUEST, "Credentials are missing"))
        }
    }

    fn log_in(&mut self, body: UserBody, now: i64) -> Result<Answer, Answer> {
        self.refuse_locked(&body.username, now)?;
        let is_user = |user: &&User| user.username == body.username && user.password_sha1 == body.password;
        let Some(user) = self.users.iter().find(is_user) else {
            return Err(self.refuse(Some(&body.username), now));
        };
        let (holder, mfa) = (Holder::user(user), user.mfa);
        match mfa {
            Some(mfa) if !self.is_trusted(holder.user_id, body.fingerprint.as_deref(), now) => {
                Ok(self.challenge(holder, mfa, now))
            }
            _ => Ok(self.open_user_session(holder, now)),
        }
    }

    fn challenge(&mut self, holder: Holder, mfa: Mfa, now: i64) -> Answer {
        let expires = now + MFA_LIFE;
        let token =
            jwt::sign(&json!({ "jti": random::id(), "sub": holder.username, "iat": now, "exp": expires }));
        self.challenges.insert(token.clone(), MfaChallenge { holder, mfa, expires });
        Answer::json(StatusCode::OK, &json!({ "mfa_token": token }))
    }

    /// A wrong code counts as a refusal of the account: the facts do not say, and the other way would let codes be
    /// tried without end.
    fn answer_challenge(&mut self, body: MfaBody, now: i64) -> Result<Answer, Answer> {
        let challenge = self.challenges.get(&body.mfa_token).filter(|challenge| now < challenge.expires);
        let Some(&MfaChallenge { holder, mfa, .. }) = challenge else { return Err(self.refuse(None, now)) };
        self.refuse_locked(holder.username, now)?;
        let is_right = body.code == mfa.mailed_code || totp::accepts(mfa.totp_secret, &body.code, now);
        if !is_right {
            return Err(self.refuse(Some(holder.username), now));
        }
        self.challenges.remove(&body.mfa_token);
        if let Some(fingerprint) = body.trusted_device.and_then(|device| device.fingerprint) {
            let expires = now + TRUST_LIFE;
            self.trusted_devices.push(TrustedDevice { user_id: holder.user_id, fingerprint, expires });
        }
        Ok(self.open_user_session(holder, now))
    }

    fn refresh(&mut self, body: &RefreshBody, now: i64) -> Result<Answer, Answer> {
        let session = match self.sessions.standing(&body.refresh_token, now) {
            Standing::Live(token) if token.kind == TokenKind::Refresh => token.session,
            _ => return Err(Answer::empty(StatusCode::UNAUTHORIZED)),
        };
        let auth_token = self.issue(TokenKind::Access, session, now);
        self.sessions.refreshed();
        Ok(Answer::json(StatusCode::OK, &json!({ "auth_token": auth_token })))
    }

    fn log_in_application(&mut self, body: &ApplicationBody, now: i64) -> Result<Answer, Answer> {
        let is_good =
            |token: &&super::application_tokens::ApplicationToken| token.opens(&body.application_token, now);
        let Some(token) = self.application_tokens.iter().find(is_good) else {
            return Err(self.refuse(None, now));
        };
        let session = self.sessions.open(Holder { is_application: true, ..token.creator });
        let auth_token = self.issue(TokenKind::Access, session, now);
        Ok(Answer::json(StatusCode::OK, &json!({ "auth_token": auth_token })))
    }

    fn open_user_session(&mut self, holder: Holder, now: i64) -> Answer {
        self.attempts.remove(holder.username);
        let session = self.sessions.open(holder);
        let auth_token = self.issue(TokenKind::Access, session, now);
        let refresh_token = self.issue(TokenKind::Refresh, session, now);
        Answer::json(StatusCode::OK, &json!({ "auth_token": auth_token, "refresh_token": refresh_token }))
    }

    fn issue(&mut self, kind: TokenKind, session: SessionId, now: i64) -> String {
        let life = match kind {
            TokenKind::Refresh => REFRESH_LIFE,
            TokenKind::Access | TokenKind::Id => self.options.access_life(ACCESS_LIFE),
        };
        let username = self.sessions.holder(session).username;
        let token =
            jwt::sign(&json!({ "jti": random::id(), "sub": username, "iat": now, "exp": now + life }));
        self.sessions.issue(&token, Token::new(kind, session, now + life));
        token
    }

    /// Refuses with an empty body, and locks the account of `username` when it was the third time in a row.
    fn refuse(&mut self, username: Option<&str>, now: i64) -> Answer {
        self.sessions.refuse();
        if let Some(username) = username {
            let attempts = self.attempts.entry(username.to_owned()).or_default();
            attempts.refusals += 1;
            if attempts.refusals == MAX_REFUSALS {
                *attempts = Attempts { refusals: 0, locked_until: now + LOCK_TIME };
            }
        }
        Answer::empty(StatusCode::UNAUTHORIZED)
    }

    /// Refuses a locked account, whatever the password; to ask does not prolong the lock.
    fn refuse_locked(&mut self, username: &str, now: i64) -> Result<(), Answer> {
        if self.attempts.get(username).is_none_or(|attempts| attempts.locked_until <= now) {
            return Ok(());
        }
        self.sessions.refuse();
        Err(error(StatusCode::UNAUTHORIZED, TOO_MANY_REQUESTS, "Too many failed authentication requests"))
    }

    fn is_trusted(&self, user_id: u64, fingerprint: Option<&str>, now: i64) -> bool {
        self.trusted_devices.iter().any(|device| {
            device.user_id == user_id
                && Some(device.fingerprint.as_str()) == fingerprint
                && now < device.expires
        })
    }
}

/// A body has one of the four shapes and nothing besides.
fn read<T: for<'de> Deserialize<'de>>(body: Value) -> Result<T, Answer> {
    serde_json::from_value(body)
        .map_err(|reason| error(StatusCode::BAD_REQUEST, BAD_REQUEST, &reason.to_string()))
}
