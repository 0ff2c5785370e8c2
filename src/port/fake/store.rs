use crate::model::secret::SecretText;
use crate::port::{SecretStore, StoreError, StoreKey};
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A store in memory that people call `keychain`, or one that fails whatever is asked.
#[derive(Default)]
pub struct FakeStore {
    failure: RefCell<Option<StoreError>>,
    entries: RefCell<BTreeMap<StoreKey, (SecretText, Vec<String>)>>,
    kept: RefCell<Vec<StoreKey>>,
}

impl FakeStore {
    /// A store that answers every question with this.
    pub fn failing(failure: StoreError) -> Self {
        Self { failure: RefCell::new(Some(failure)), ..Self::default() }
    }

    /// From now on the store answers every question with this; `None`: it works again.
    pub fn break_down(&self, failure: Option<StoreError>) {
        *self.failure.borrow_mut() = failure;
    }

    /// The store with one more secret, kept for these origins.
    #[must_use]
    pub fn with(self, key: StoreKey, secret: &str, origins: &[&str]) -> Self {
        let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        self.entries.borrow_mut().insert(key, (secret.into(), origins));
        self
    }

    /// The secret under a key and the origins that it was kept for.
    pub fn entry(&self, key: &StoreKey) -> Option<(String, Vec<String>)> {
        let entries = self.entries.borrow();
        entries.get(key).map(|(secret, origins)| (secret.expose().clone(), origins.clone()))
    }

    /// Where secrets were kept, in this order.
    pub fn kept(&self) -> Vec<StoreKey> {
        self.kept.borrow().clone()
    }

    fn fail(&self) -> Result<(), StoreError> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }
}

impl SecretStore for FakeStore {
    fn name(&self) -> &str {
        "keychain"
    }

    fn check(&self) -> LocalBoxFuture<'_, Result<(), StoreError>> {
        async { self.fail() }.boxed_local()
    }

    fn get<'a>(
        &'a self,
        key: &'a StoreKey,
        origins: &'a [String],
    ) -> LocalBoxFuture<'a, Result<Option<SecretText>, StoreError>> {
        async move {
            self.fail()?;
            let entries = self.entries.borrow();
            let Some((secret, kept_for)) = entries.get(key) else { return Ok(None) };
            StoreError::check_origins(kept_for, origins)?;
            Ok(Some(secret.clone()))
        }
        .boxed_local()
    }

    fn set<'a>(
        &'a self,
        key: &'a StoreKey,
        secret: &'a SecretText,
        origins: &'a [String],
    ) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.fail()?;
            self.kept.borrow_mut().push(key.clone());
            self.entries.borrow_mut().insert(key.clone(), (secret.clone(), origins.to_owned()));
            Ok(())
        }
        .boxed_local()
    }

    fn delete<'a>(&'a self, key: &'a StoreKey) -> LocalBoxFuture<'a, Result<bool, StoreError>> {
        async move {
            self.fail()?;
            Ok(self.entries.borrow_mut().remove(key).is_some())
        }
        .boxed_local()
    }
}
