//! Soracom's state and its routes.

use std::collections::HashMap;

use http::StatusCode;
use serde_json::{Map, Value};

use super::accounts::{self, Operator};
use super::error::{error, not_found};
use super::lists::Slots;
use super::password_reset::IssuedReset;
use super::records::Kind;
use super::sign_in::Holder;
use crate::simulate::answer::Answer;
use crate::simulate::api::Api;
use crate::simulate::call::Call;
use crate::simulate::demo::DemoAccount;
use crate::simulate::options::Options;
use crate::simulate::route::{self, Match, Route};
use crate::simulate::sessions::{SessionCounts, Sessions, TokenKind};

/// The simulated Soracom, one coverage.
pub(in crate::simulate) struct Soracom {
    pub(super) operators: Vec<Operator>,
    pub(super) sessions: Sessions<Holder>,
    pub(super) options: Options,
    pub(super) resets: Vec<IssuedReset>,
    pub(super) slots: Slots,
    /// The tags of what was tagged since the start.
    pub(super) tags: HashMap<(Kind, usize), Map<String, Value>>,
    meter: Meter,
}

const ROUTES: &[Route<Soracom>] = &[
    Route::new("POST", "/v1/auth", |soracom, call, _| soracom.log_in(call)),
    Route::new("POST", "/v1/auth/logout", |soracom, call, _| soracom.log_out(call)),
    Route::new("POST", "/v1/auth/password_reset_token/issue", |soracom, call, _| soracom.issue_reset(call)),
    Route::new("POST", "/v1/auth/password_reset_token/verify", |soracom, call, _| soracom.verify_reset(call)),
    Route::new("POST", "/v1/operators/{operator_id}/token", Soracom::refresh),
    Route::new("DELETE", "/v1/operators/{operator_id}/tokens", Soracom::revoke_root),
    Route::new("DELETE", "/v1/operators/{operator_id}/users/{user_name}/tokens", Soracom::revoke_sam_user),
    Route::new("POST", "/v1/operators/{operator_id}/mfa", Soracom::start_mfa),
    Route::new("GET", "/v1/operators/{operator_id}/mfa", Soracom::show_mfa),
    Route::new("DELETE", "/v1/operators/{operator_id}/mfa", Soracom::end_mfa),
    Route::new("POST", "/v1/operators/{operator_id}/mfa/verify", Soracom::verify_mfa),
    Route::new("POST", "/v1/operators/{operator_id}/users/{user_name}/mfa", Soracom::start_mfa),
    Route::new("GET", "/v1/operators/{operator_id}/users/{user_name}/mfa", Soracom::show_mfa),
    Route::new("DELETE", "/v1/operators/{operator_id}/users/{user_name}/mfa", Soracom::end_mfa),
    Route::new("POST", "/v1/operators/{operator_id}/users/{user_name}/mfa/verify", Soracom::verify_mfa),
    Route::new("GET", "/v1/sims", |soracom, call, _| soracom.list(Kind::Sim, call)),
    Route::new("GET", "/v1/sims/{sim_id}", |soracom, call, params| soracom.show(Kind::Sim, call, params)),
    Route::new("PUT", "/v1/sims/{sim_id}/tags", |soracom, call, params| soracom.tag(Kind::Sim, call, params)),
    Route::new("DELETE", "/v1/sims/{sim_id}/tags/{tag_name}", |soracom, call, params| {
        soracom.untag(Kind::Sim, call, params)
    }),
    Route::new("GET", "/v1/subscribers", |soracom, call, _| soracom.list(Kind::Subscriber, call)),
    Route::new("GET", "/v1/subscribers/{imsi}", |soracom, call, params| {
        soracom.show(Kind::Subscriber, call, params)
    }),
    Route::new("PUT", "/v1/subscribers/{imsi}/tags", |soracom, call, params| {
        soracom.tag(Kind::Subscriber, call, params)
    }),
    Route::new("DELETE", "/v1/subscribers/{imsi}/tags/{tag_name}", |soracom, call, params| {
        soracom.untag(Kind::Subscriber, call, params)
    }),
    Route::new("GET", "/v1/devices", |soracom, call, _| soracom.list(Kind::Device, call)),
    Route::new("GET", "/v1/devices/{device_id}", |soracom, call, params| {
        soracom.show(Kind::Device, call, params)
    }),
    Route::new("PUT", "/v1/devices/{device_id}/tags", |soracom, call, params| {
        soracom.tag(Kind::Device, call, params)
    }),
    Route::new("DELETE", "/v1/devices/{device_id}/tags/{tag_name}", |soracom, call, params| {
        soracom.untag(Kind::Device, call, params)
    }),
    Route::new("GET", "/v1/gadgets", |soracom, call, _| soracom.list(Kind::Gadget, call)),
    Route::new("GET", "/v1/gadgets/{product_id}/{serial_number}", |soracom, call, params| {
        soracom.show(Kind::Gadget, call, params)
    }),
    Route::new("PUT", "/v1/gadgets/{product_id}/{serial_number}/tags", |soracom, call, params| {
        soracom.tag(Kind::Gadget, call, params)
    }),
    Route::new(
        "DELETE",
        "/v1/gadgets/{product_id}/{serial_number}/tags/{tag_name}",
        |soracom, call, params| soracom.untag(Kind::Gadget, call, params),
    ),
];

impl Soracom {
    pub(in crate::simulate) fn new(options: &Options) -> Self {
        Self {
            operators: accounts::operators(),
            sessions: Sessions::new(),
            options: options.clone(),
            resets: Vec::new(),
            slots: Slots::holding(options.devices),
            tags: HashMap::new(),
            meter: Meter::default(),
        }
    }

    pub(in crate::simulate) fn accounts() -> Vec<DemoAccount> {
        accounts::demo_accounts()
    }
}

impl Api for Soracom {
    fn route(&self, call: &Call) -> Option<String> {
        route::name(ROUTES, call)
    }

    fn answer(&mut self, call: &Call) -> Answer {
        let answer = match route::find(ROUTES, call) {
            Match::Found(route, params) => route.run(self, call, &params),
            Match::OtherMethods(_) => {
                error(StatusCode::METHOD_NOT_ALLOWED, "SIM0405", "The method is not allowed here.")
            }
            Match::NoPath => not_found("There is no such API."),
        };
        self.meter.count(answer, call.now())
    }

    fn session_counts(&self, now: i64) -> SessionCounts {
        self.sessions.counts(now)
    }

    fn revoke_access(&mut self) {
        self.sessions.revoke(&[TokenKind::Access]);
    }
}

/// The rate-limit headers, which every answer carries. The real limits differ by group and are not published; this
/// one counts down but never refuses, because a fleet of any size is to be listed without waiting: a test that wants a
/// 429 injects one.
#[derive(Default)]
struct Meter {
    minute: i64,
    requests: u64,
}

impl Meter {
    /// Requests a minute.
    const LIMIT: u64 = 60_000;

    fn count(&mut self, answer: Answer, now: i64) -> Answer {
        if self.minute != now / 60 {
            *self = Self { minute: now / 60, requests: 0 };
        }
        self.requests += 1;
        answer
            .with("x-soracom-ratelimit-limit", Self::LIMIT)
            .with("x-soracom-ratelimit-remaining", Self::LIMIT.saturating_sub(self.requests).max(1))
            .with("x-soracom-ratelimit-seconds-before-refresh", 60 - now % 60)
    }
}
