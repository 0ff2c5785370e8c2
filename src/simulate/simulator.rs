//! A running simulator, seen from the process that started it.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::api::Api;
use super::call::Origin;
use super::demo::{DemoAccount, DemoValue};
use super::echome::Echome;
use super::emnify::Emnify;
use super::fault::Fault;
use super::options::Options;
use super::provider::Provider;
use super::record::RecordedRequest;
use super::server::{Port, ServerGuard, SharedWorld, enter};
use super::simpleiot::Simpleiot;
use super::soracom::Soracom;
use super::stats::Stats;
use super::world::World;

/// A provider on loopback. It stops when dropped.
///
/// ```
/// use runner::simulate::{Options, Provider, Simulator};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let simulator = Simulator::start(Provider::Soracom, &Options::default()).await?;
/// assert!(simulator.base_url().starts_with("http://127.0.0.1:"));
/// assert_eq!(simulator.stats().logins, 0);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct Simulator {
    provider: Provider,
    base_url: String,
    auth_base_url: Option<String>,
    accounts: Vec<DemoAccount>,
    world: SharedWorld,
    _servers: Vec<ServerGuard>,
}

impl Simulator {
    /// Starts a simulator on tasks of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// The port cannot be bound.
    ///
    /// # Panics
    ///
    /// Called outside a tokio runtime.
    pub async fn start(provider: Provider, options: &Options) -> io::Result<Self> {
        let port = options.port.unwrap_or(0);
        let api = Port::bind(port).await?;
        match provider {
            Provider::Soracom => {
                Ok(Self::single(provider, api, "/v1", Soracom::new(options), Soracom::accounts()))
            }
            Provider::Emnify => Ok(Self::single(provider, api, "", Emnify::new(options), Emnify::accounts())),
            Provider::Echome => {
                let accounts = Echome::accounts(&api.host());
                Ok(Self::single(provider, api, "/api/v1", Echome::new(options), accounts))
            }
            Provider::Simpleiot => {
                let next_port = if port == 0 { 0 } else { port.saturating_add(1) };
                let sign_in = Port::bind(next_port).await?;
                Ok(Self::simpleiot(api, sign_in, options))
            }
        }
    }

    fn single(
        provider: Provider,
        port: Port,
        prefix: &str,
        api: impl Api + 'static,
        accounts: Vec<DemoAccount>,
    ) -> Self {
        let world = share(api);
        Self {
            provider,
            base_url: format!("{}{prefix}", port.url()),
            auth_base_url: None,
            accounts,
            _servers: vec![port.serve(Arc::clone(&world), Origin::Api)],
            world,
        }
    }

    fn simpleiot(api: Port, sign_in: Port, options: &Options) -> Self {
        let base_url = format!("{}{}", api.url(), Simpleiot::STAGE);
        let auth_base_url = sign_in.url();
        let accounts = Simpleiot::accounts(&base_url);
        let world = share(Simpleiot::new(options, &auth_base_url));
        let servers = vec![
            api.serve(Arc::clone(&world), Origin::Api),
            sign_in.serve(Arc::clone(&world), Origin::SignIn),
        ];
        Self {
            provider: Provider::Simpleiot,
            base_url,
            auth_base_url: Some(auth_base_url),
            accounts,
            world,
            _servers: servers,
        }
    }

    /// Which provider this is.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// What takes the place of the provider's `base_url`, its path prefix included, without a trailing slash.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What takes the place of `auth_base_url`, for a provider that signs in on a host of its own.
    pub fn auth_base_url(&self) -> Option<&str> {
        self.auth_base_url.as_deref()
    }

    /// The values of the plain account, which signs in with every method but a second factor.
    pub fn demo(&self) -> &[DemoValue] {
        self.accounts.first().map_or(&[], |account| &account.values)
    }

    /// All accounts, the plain one first.
    pub fn accounts(&self) -> &[DemoAccount] {
        &self.accounts
    }

    /// All counts so far.
    pub fn stats(&self) -> Stats {
        enter(&self.world).stats()
    }

    /// Moves the simulator's clock on: tokens expire, lock-outs end.
    pub fn advance_clock(&self, by: Duration) {
        enter(&self.world).advance(by);
    }

    /// Refuses every access token issued so far; refresh tokens keep working.
    pub fn revoke_access_tokens(&self) {
        enter(&self.world).revoke_access();
    }

    /// Plans a fault behind those planned before.
    ///
    /// # Panics
    ///
    /// Its status or a header cannot be sent: a mistake in the test that asks for it.
    pub fn inject(&self, fault: Fault) {
        enter(&self.world).add_fault(fault).expect("a fault that can be answered with");
    }

    /// The latest requests (at most 10,000), oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        enter(&self.world).requests()
    }
}

fn share(api: impl Api + 'static) -> SharedWorld {
    Arc::new(Mutex::new(World::new(Box::new(api))))
}
