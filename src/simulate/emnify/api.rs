//! emnify's state and its routes.

use std::collections::HashMap;

use http::StatusCode;

use super::accounts::{self, User};
use super::application_tokens::ApplicationToken;
use super::authenticate::{Attempts, Holder, MfaChallenge, TrustedDevice};
use super::error::{BAD_REQUEST, INVALID_REFERENCE, error, gateway_refusal};
use super::rate_limit::AuthenticateLimit;
use super::records::Kind;
use crate::simulate::answer::Answer;
use crate::simulate::api::Api;
use crate::simulate::call::Call;
use crate::simulate::demo::DemoAccount;
use crate::simulate::options::Options;
use crate::simulate::route::{self, Match, Route};
use crate::simulate::sessions::{SessionCounts, SessionId, Sessions, Standing, TokenKind};

/// The simulated emnify, one organisation.
pub(in crate::simulate) struct Emnify {
    pub(super) users: Vec<User>,
    pub(super) sessions: Sessions<Holder>,
    pub(super) options: Options,
    pub(super) authenticate_limit: AuthenticateLimit,
    /// Refusals in a row, by user name, known or not.
    pub(super) attempts: HashMap<String, Attempts>,
    /// Second factors asked for, by `mfa_token`.
    pub(super) challenges: HashMap<String, MfaChallenge>,
    pub(super) trusted_devices: Vec<TrustedDevice>,
    pub(super) application_tokens: Vec<ApplicationToken>,
}

const ROUTES: &[Route<Emnify>] = &[
    Route::new("POST", "/api/v1/authenticate", |emnify, call, _| emnify.authenticate(call)),
    Route::new("POST", "/api/v1/application_token", |emnify, call, _| emnify.issue_application_token(call)),
    Route::new("GET", "/api/v1/application_token", |emnify, call, _| emnify.list_application_tokens(call)),
    Route::new("PATCH", "/api/v1/application_token/{id}", Emnify::change_application_token),
    Route::new("GET", "/api/v1/endpoint", |emnify, call, _| emnify.list(Kind::Endpoint, call)),
    Route::new("GET", "/api/v1/endpoint/{id}", |emnify, call, params| {
        emnify.show(Kind::Endpoint, call, params)
    }),
    Route::new("GET", "/api/v1/sim", |emnify, call, _| emnify.list(Kind::Sim, call)),
    Route::new("GET", "/api/v1/sim/{id}", |emnify, call, params| emnify.show(Kind::Sim, call, params)),
];

impl Emnify {
    pub(in crate::simulate) fn new(options: &Options) -> Self {
        let users = accounts::users();
        Self {
            application_tokens: vec![ApplicationToken::demo(&users[0])],
            users,
            sessions: Sessions::new(),
            options: options.clone(),
            authenticate_limit: AuthenticateLimit::new(options),
            attempts: HashMap::new(),
            challenges: HashMap::new(),
            trusted_devices: Vec::new(),
        }
    }

    pub(in crate::simulate) fn accounts() -> Vec<DemoAccount> {
        accounts::demo_accounts()
    }

    /// The session whose token the call carries. The gateway refuses without a code; of its texts only that for a
    /// malformed token was recorded.
    pub(super) fn signed_in(&self, call: &Call) -> Result<SessionId, Answer> {
        let refusal = |message| Err(gateway_refusal(StatusCode::UNAUTHORIZED, message));
        let header = call.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        let Some(token) = header else { return refusal("Unauthorized") };
        if token.split('.').count() != 3 {
            return refusal("token contains an invalid number of segments");
        }
        match self.sessions.standing(token, call.now()) {
            Standing::Live(token) if token.kind == TokenKind::Access => Ok(token.session),
            Standing::Expired(_) => refusal("token is expired"),
            Standing::Live(_) | Standing::Revoked(_) | Standing::Unknown => refusal("token is invalid"),
        }
    }
}

/// Reads a number from the path as the recorded answers do.
pub(super) fn number(text: &str) -> Result<u64, Answer> {
    let not_a_number = || error(StatusCode::BAD_REQUEST, BAD_REQUEST, "Cannot parse parameter id as Long");
    let number: i64 = text.parse().map_err(|_| not_a_number())?;
    // A negative number is a number; nothing has it.
    Ok(u64::try_from(number).unwrap_or(u64::MAX))
}

impl Api for Emnify {
    fn route(&self, call: &Call) -> Option<String> {
        route::name(ROUTES, call)
    }

    /// What an unknown path or method gets is not published.
    fn answer(&mut self, call: &Call) -> Answer {
        match route::find(ROUTES, call) {
            Match::Found(route, params) => route.run(self, call, &params),
            Match::OtherMethods(_) => error(
                StatusCode::METHOD_NOT_ALLOWED,
                BAD_REQUEST,
                "HTTP method not allowed, supported methods differ",
            ),
            Match::NoPath => {
                error(StatusCode::NOT_FOUND, INVALID_REFERENCE, "The requested resource could not be found")
            }
        }
    }

    fn session_counts(&self, now: i64) -> SessionCounts {
        self.sessions.counts(now)
    }

    fn revoke_access(&mut self) {
        self.sessions.revoke(&[TokenKind::Access]);
    }
}
