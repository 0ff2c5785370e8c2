//! ecHome's state and its routes.

use http::StatusCode;

use super::accounts::{self, AccessKey};
use super::error::{framework, page_not_found};
use super::records::Kind;
use crate::simulate::answer::Answer;
use crate::simulate::api::Api;
use crate::simulate::call::Call;
use crate::simulate::demo::DemoAccount;
use crate::simulate::options::Options;
use crate::simulate::route::{self, Match, Route};
use crate::simulate::sessions::{SessionCounts, Sessions, TokenKind};

/// The simulated ecHome server. Its sessions know the id of the access key they came from.
pub(in crate::simulate) struct Echome {
    pub(super) access_keys: Vec<AccessKey>,
    pub(super) sessions: Sessions<&'static str>,
    pub(super) options: Options,
}

/// Where one signs in: the only paths that look at no `Authorization` header.
const OPEN_PREFIX: &str = "/api/v1/identity/token";

const ROUTES: &[Route<Echome>] = &[
    Route::new("POST", "/api/v1/identity/token", |echome, call, _| echome.obtain_pair(call)),
    Route::new("POST", "/api/v1/identity/token/refresh", |echome, call, _| echome.refresh(call)),
    Route::new("POST", "/api/v1/identity/user/modify", |echome, call, _| echome.modify_user(call)),
    Route::new("GET", "/api/v1/identity/user/describe/{name}", |echome, call, params| {
        echome.describe(Kind::User, call, params)
    }),
    Route::new("GET", "/api/v1/vm/vm/describe/{name}", |echome, call, params| {
        echome.describe(Kind::Machine, call, params)
    }),
    Route::new("GET", "/api/v1/vm/volume/describe/{name}", |echome, call, params| {
        echome.describe(Kind::Volume, call, params)
    }),
    Route::new("GET", "/api/v1/vm/image/guest/describe/{name}", |echome, call, params| {
        echome.describe(Kind::GuestImage, call, params)
    }),
    Route::new("GET", "/api/v1/vm/image/user/describe/{name}", |echome, call, params| {
        echome.describe(Kind::UserImage, call, params)
    }),
    Route::new("GET", "/api/v1/keys/sshkey/describe/{name}", |echome, call, params| {
        echome.describe(Kind::SshKey, call, params)
    }),
    Route::new("GET", "/api/v1/network/describe/{name}", |echome, call, params| {
        echome.describe(Kind::Network, call, params)
    }),
    Route::new("GET", "/api/v1/kube/cluster/describe/{name}", |echome, call, params| {
        echome.describe(Kind::Cluster, call, params)
    }),
];

impl Echome {
    pub(in crate::simulate) fn new(options: &Options) -> Self {
        Self { access_keys: accounts::access_keys(), sessions: Sessions::new(), options: options.clone() }
    }

    pub(in crate::simulate) fn accounts(server: &str) -> Vec<DemoAccount> {
        accounts::demo_accounts(server)
    }

    /// The framework asks who one is before it looks at the method.
    fn refuse_method(&self, call: &Call, allowed: &[&str]) -> Answer {
        if !call.path.starts_with(OPEN_PREFIX)
            && let Err(refusal) = self.signed_in(call)
        {
            return refusal;
        }
        let detail = format!("Method \"{}\" not allowed.", call.method);
        framework(StatusCode::METHOD_NOT_ALLOWED, &detail)
            .with("allow", format!("{}, OPTIONS", allowed.join(", ")))
    }
}

impl Api for Echome {
    fn route(&self, call: &Call) -> Option<String> {
        route::name(ROUTES, call)
    }

    fn answer(&mut self, call: &Call) -> Answer {
        match route::find(ROUTES, call) {
            Match::Found(route, params) => route.run(self, call, &params),
            Match::OtherMethods(allowed) => self.refuse_method(call, &allowed),
            Match::NoPath => page_not_found(),
        }
    }

    fn session_counts(&self, now: i64) -> SessionCounts {
        self.sessions.counts(now)
    }

    fn revoke_access(&mut self) {
        self.sessions.revoke(&[TokenKind::Access]);
    }
}
