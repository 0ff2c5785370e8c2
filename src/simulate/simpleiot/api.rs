//! The installation's state and its routes, on both origins.

use std::collections::HashMap;

use http::StatusCode;

use super::accounts::{self, User};
use super::challenge::Challenge;
use super::cognito;
use super::error::gateway;
use crate::simulate::answer::Answer;
use crate::simulate::api::Api;
use crate::simulate::call::{Call, Origin};
use crate::simulate::demo::DemoAccount;
use crate::simulate::options::Options;
use crate::simulate::random;
use crate::simulate::route::{self, Match, Route};
use crate::simulate::sessions::{SessionCounts, Sessions, Standing, TokenKind};

/// The simulated installation. Its sessions know the user's name.
pub(in crate::simulate) struct Simpleiot {
    pub(super) users: Vec<User>,
    pub(super) sessions: Sessions<&'static str>,
    /// Logins that wait for an answer, by `Session`.
    pub(super) challenges: HashMap<String, Challenge>,
    pub(super) options: Options,
    /// The user pool's address, which its tokens name as their issuer.
    pub(super) issuer: String,
}

const ROUTES: &[Route<Simpleiot>] = &[
    Route::new("GET", "/iotcli/v1/device", |simpleiot, call, _| simpleiot.devices(call)),
    Route::new("GET", "/iotcli/v1/project", |simpleiot, call, _| simpleiot.projects(call)),
];

impl Simpleiot {
    /// The stage that the API's paths begin with.
    pub(in crate::simulate) const STAGE: &str = "/iotcli";

    pub(in crate::simulate) fn new(options: &Options, issuer: &str) -> Self {
        Self {
            users: accounts::users(),
            sessions: Sessions::new(),
            challenges: HashMap::new(),
            options: options.clone(),
            issuer: issuer.to_owned(),
        }
    }

    /// `base_url` is that of the API, without a slash at its end.
    pub(in crate::simulate) fn accounts(base_url: &str) -> Vec<DemoAccount> {
        accounts::demo_accounts(base_url)
    }

    /// Lets a call pass that carries an ID token, raw or behind `Bearer`. An access token is none.
    pub(super) fn authorize(&self, call: &Call) -> Result<(), Answer> {
        let unauthorized = |message| Err(gateway(StatusCode::UNAUTHORIZED, "UnauthorizedException", message));
        let header = call.header("authorization").unwrap_or_default();
        let token = header.strip_prefix("Bearer ").unwrap_or(header);
        match self.sessions.standing(token, call.now()) {
            Standing::Live(token) if token.kind == TokenKind::Id => Ok(()),
            Standing::Expired(token) if token.kind == TokenKind::Id => {
                unauthorized("The incoming token has expired")
            }
            _ => unauthorized("Unauthorized"),
        }
    }

    fn answer_api(&mut self, call: &Call) -> Answer {
        match route::find(ROUTES, call) {
            Match::Found(route, params) => route.run(self, call, &params),
            // The gateway does not tell an unknown path from a missing signature.
            Match::OtherMethods(_) | Match::NoPath => gateway(
                StatusCode::FORBIDDEN,
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ),
        }
    }
}

impl Api for Simpleiot {
    /// The user pool has one path; its actions are told apart by their name.
    fn route(&self, call: &Call) -> Option<String> {
        match call.origin {
            Origin::SignIn => cognito::action(call).map(|action| format!("POST / {}", action.name())),
            Origin::Api => route::name(ROUTES, call),
        }
    }

    fn answer(&mut self, call: &Call) -> Answer {
        let answer = match call.origin {
            Origin::Api => self.answer_api(call),
            Origin::SignIn => self.answer_pool(call),
        };
        answer.with("x-amzn-requestid", random::id())
    }

    fn session_counts(&self, now: i64) -> SessionCounts {
        self.sessions.counts(now)
    }

    fn revoke_access(&mut self) {
        self.sessions.revoke(&[TokenKind::Access, TokenKind::Id]);
    }
}
