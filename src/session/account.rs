use crate::exchange::Realm;
use crate::plan::PlannedProvider;
use std::rc::Rc;
use url::Url;

/// A provider made ready for a run: settings, addresses, profile. Fixed before the first request.
pub struct Account {
    pub(super) base_url: Url,
    pub(super) auth_base_url: Url,
    pub(super) realm: Rc<Realm>,
}

impl Account {
    /// The provider as planned.
    pub fn provider(&self) -> &PlannedProvider {
        unimplemented!("next slice")
    }

    /// The address that paths of steps and operations are joined to.
    pub fn base_url(&self) -> &Url {
        &self.base_url
    }

    /// The address that paths of sign-in requests are joined to.
    pub fn auth_base_url(&self) -> &Url {
        &self.auth_base_url
    }

    /// Where requests of the account may go, and how fast.
    pub fn realm(&self) -> &Rc<Realm> {
        &self.realm
    }
}
