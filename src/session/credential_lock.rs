//! The lock on stored credentials that each login replaces: one process at a time signs in with them.

use super::seat::Seat;
use super::sessions::Sessions;
use super::wallet::Given;
use super::{SignInFailure, failure};
use crate::plan::PlannedMethod;
use std::any::Any;
use std::time::Duration;

/// How long one waits for others: longer than a login and a refresh take with all their attempts.
const PATIENCE: Duration = Duration::from_secs(300);
/// How soon one looks again at first, and at last.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_secs(1);

/// The stored credentials of an account belong to this process, where logins replace any; until it is dropped.
#[derive(Default)]
pub struct CredentialLock {
    _lock: Option<Box<dyn Any>>,
    /// Another process has put a new credential in the store since this one has read it.
    pub is_credential_new: bool,
}

impl Sessions {
    /// Waits until no other process signs in with the stored credentials of an account, and reads them again. Where logins
    /// replace none, there is nothing to wait for.
    ///
    /// # Errors
    /// When the others do not come to an end, the lock cannot be taken, or the store does not give what it has.
    pub(super) async fn lock_credentials(
        &self,
        seat: &Seat,
        method: usize,
        given: &Given,
    ) -> Result<CredentialLock, SignInFailure> {
        let mut names = replaced(seat.method(method));
        names.retain(|name| !given.iter().any(|(given, _)| given == name));
        if names.is_empty() {
            return Ok(CredentialLock::default());
        }
        let account = &seat.account;
        let name = format!("sign-in {} {}", account.provider().name, account.profile());
        let world = self.exchange.world();
        let latest = world.clock.elapsed() + PATIENCE;
        let mut pace = FIRST_LOOK;
        let lock = loop {
            let lock = world.sign_ins.try_lock(&name);
            match lock.map_err(|error| failure::no_state(&error, "nothing was sent", self.events()))? {
                Some(lock) => break lock,
                None if world.clock.elapsed() < latest => world.clock.sleep(pace).await,
                None => return Err(failure::credential_in_use(account, self.events()).into()),
            }
            pace = LAST_LOOK.min(pace * 2);
        };
        let is_credential_new = account.wallet.read_again(&names).await;
        let is_credential_new = is_credential_new
            .map_err(|(credential, error)| failure::unread(&credential, &error, account, self.events()))?;
        Ok(CredentialLock { _lock: Some(lock), is_credential_new })
    }
}

/// The credentials that a login or refresh by a method replaces.
pub fn replaced(method: &PlannedMethod) -> Vec<&str> {
    let auth = &method.auth;
    let by_challenges = auth.challenges.iter().flatten().flat_map(|challenge| challenge.store.names());
    auth.store.iter().flat_map(|store| store.names()).chain(by_challenges).collect()
}
