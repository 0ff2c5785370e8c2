use crate::model::secret::SecretText;
use crate::port::{SecretStore, StoreError, StoreKey};
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::cell::RefCell;
use std::collections::HashMap;

/// A store that ends with the process: for simulated runs, which must not touch the user's keychain.
#[derive(Default)]
pub struct MemoryStore(RefCell<HashMap<StoreKey, Kept>>);

struct Kept {
    secret: SecretText,
    origins: Vec<String>,
}

impl SecretStore for MemoryStore {
    fn name(&self) -> &str {
        "memory (simulated)"
    }

    fn check(&self) -> LocalBoxFuture<'_, Result<(), StoreError>> {
        async { Ok(()) }.boxed_local()
    }

    fn get<'a>(
        &'a self,
        key: &'a StoreKey,
        origins: &'a [String],
    ) -> LocalBoxFuture<'a, Result<Option<SecretText>, StoreError>> {
        async move {
            match self.0.borrow().get(key) {
                None => Ok(None),
                Some(kept) => {
                    StoreError::check_origins(&kept.origins, origins)?;
                    Ok(Some(kept.secret.clone()))
                }
            }
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
            let kept = Kept { secret: secret.clone(), origins: origins.to_owned() };
            self.0.borrow_mut().insert(key.clone(), kept);
            Ok(())
        }
        .boxed_local()
    }

    fn delete<'a>(&'a self, key: &'a StoreKey) -> LocalBoxFuture<'a, Result<bool, StoreError>> {
        async move { Ok(self.0.borrow_mut().remove(key).is_some()) }.boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_given_for_its_origins_until_it_is_forgotten() {
        let store = MemoryStore::default();
        let key = StoreKey::credential("emnify", "default", "password");
        let (here, there) = (["https://a.example".to_owned()], ["https://b.example".to_owned()]);
        let now = |result: LocalBoxFuture<'_, Result<Option<SecretText>, StoreError>>| {
            result.now_or_never().unwrap()
        };
        store.set(&key, &"hunter2".into(), &here).now_or_never().unwrap().unwrap();
        assert_eq!(now(store.get(&key, &here)).unwrap().unwrap().expose(), "hunter2");
        assert!(matches!(now(store.get(&key, &there)), Err(StoreError::OtherOrigin { .. })));
        assert!(store.delete(&key).now_or_never().unwrap().unwrap());
        assert!(!store.delete(&key).now_or_never().unwrap().unwrap());
        assert!(now(store.get(&key, &here)).unwrap().is_none());
    }
}
