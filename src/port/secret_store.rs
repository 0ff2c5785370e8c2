use crate::model::secret::SecretText;
use futures_util::future::LocalBoxFuture;
use thiserror::Error;

/// The place of a secret in the user's store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreKey {
    /// `runner/PROVIDER`, `runner` for secrets of playbooks, `runner/sessions` for what closes an open session.
    pub service: String,
    /// `PROFILE/CREDENTIAL`, the secret's name, or the session's.
    pub user: String,
}

impl StoreKey {
    /// The place of a provider's credential under a profile.
    pub fn credential(provider: &str, profile: &str, credential: &str) -> Self {
        Self { service: format!("runner/{provider}"), user: format!("{profile}/{credential}") }
    }

    /// The place of what closes an open session, by its name in the ledger.
    pub fn session(id: &str) -> Self {
        Self { service: "runner/sessions".to_owned(), user: id.to_owned() }
    }

    /// The place of a playbook's own secret.
    pub fn secret(name: &str) -> Self {
        Self { service: "runner".to_owned(), user: name.to_owned() }
    }
}

impl std::fmt::Display for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.service, self.user)
    }
}

/// The store did not do what was asked.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// There is no store on this machine.
    #[error("no keychain on this machine: {reason}")]
    Absent {
        /// Why, in the words of the platform.
        reason: String,
    },
    /// The store is locked and nobody unlocked it.
    #[error("the keychain is locked")]
    Locked,
    /// The store did not answer in time.
    #[error("the keychain did not answer within {seconds} s")]
    Silent {
        /// How long was waited.
        seconds: u64,
    },
    /// The store refused.
    #[error("the keychain refused: {reason}")]
    Refused {
        /// Why, in the words of the platform.
        reason: String,
    },
    /// What is there was kept for other hosts.
    #[error("kept for {kept_for}, not for {origin}; sign in there with `runner login`")]
    OtherOrigin {
        /// The origins that it was kept for.
        kept_for: String,
        /// The origin that it was asked for.
        origin: String,
    },
}

impl StoreError {
    /// Whether a secret that was kept for some origins may be given for others: for all of them it must have been kept.
    ///
    /// # Errors
    /// [`StoreError::OtherOrigin`] with the first that it was not kept for.
    pub fn check_origins(kept_for: &[String], asked_for: &[String]) -> Result<(), Self> {
        let Some(origin) = asked_for.iter().find(|origin| !kept_for.contains(origin)) else { return Ok(()) };
        let kept_for = if kept_for.is_empty() { "no host".to_owned() } else { kept_for.join(", ") };
        Err(Self::OtherOrigin { kept_for, origin: origin.clone() })
    }
}

/// The user's own store of secrets. What is kept remembers the origins (scheme, host, port) that it may go to.
pub trait SecretStore {
    /// What people call it: `keychain`, `memory (simulated)`.
    fn name(&self) -> &str;

    /// Whether anything can be kept at all, as far as that is known without keeping something and without asking anybody
    /// to unlock the store.
    ///
    /// # Errors
    /// Why surely nothing can be kept.
    fn check(&self) -> LocalBoxFuture<'_, Result<(), StoreError>>;

    /// What is kept under a key, if it may go to all of these origins; `None` when nothing is kept. A secret of a playbook
    /// is asked for without origins.
    fn get<'a>(
        &'a self,
        key: &'a StoreKey,
        origins: &'a [String],
    ) -> LocalBoxFuture<'a, Result<Option<SecretText>, StoreError>>;

    /// Keeps a secret for these origins; what was there is replaced.
    fn set<'a>(
        &'a self,
        key: &'a StoreKey,
        secret: &'a SecretText,
        origins: &'a [String],
    ) -> LocalBoxFuture<'a, Result<(), StoreError>>;

    /// Forgets a secret. Returns whether there was one.
    fn delete<'a>(&'a self, key: &'a StoreKey) -> LocalBoxFuture<'a, Result<bool, StoreError>>;
}
