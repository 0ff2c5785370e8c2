use crate::model::secret::SecretText;
use crate::port::{SecretStore, StoreError, StoreKey};
use futures_util::future::{FutureExt, LocalBoxFuture};
use keyring_core::{CredentialStore, Entry, Error};
use serde::{Deserialize, Serialize};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;
use zeroize::Zeroize;

/// How long the keychain may take for one answer. A dialog that nobody sees would keep it busy for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// The keychain of the operating system: Secret Service, macOS Keychain or Windows Credential Manager. It is opened by the
/// first question.
#[derive(Default)]
pub struct Keychain(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// What opening it came to: tried once. It is never dropped: on Linux that blocks on a runtime of the driver's own,
    /// which panics on a thread that drives ours.
    store: OnceLock<ManuallyDrop<Result<Arc<CredentialStore>, StoreError>>>,
    /// It did not answer in time once: nobody waits for it again.
    is_silent: AtomicBool,
}

impl Keychain {
    /// Does something with an entry.
    async fn ask<T: Send + 'static>(
        &self,
        key: &StoreKey,
        work: impl FnOnce(Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let key = key.clone();
        self.on_thread(move |shared| shared.work(&key, work)).await
    }

    /// Does something on a thread of its own: it may never come back.
    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let silent = StoreError::Silent { seconds: PATIENCE.as_secs() };
        if self.0.is_silent.load(Ordering::Relaxed) {
            return Err(silent);
        }
        let (sender, answer) = oneshot::channel();
        let shared = self.0.clone();
        thread::spawn(move || sender.send(work(&shared)).is_ok());
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer.expect("the thread answers, or its panic ends the process"),
            Err(_) => {
                self.0.is_silent.store(true, Ordering::Relaxed);
                Err(silent)
            }
        }
    }
}

impl Shared {
    fn store(&self) -> Result<&Arc<CredentialStore>, StoreError> {
        let store = self.store.get_or_init(|| ManuallyDrop::new(open().map_err(|error| absent(&error))));
        store.as_ref().map_err(StoreError::clone)
    }

    fn work<T>(
        &self,
        key: &StoreKey,
        work: impl FnOnce(Entry) -> Result<T, Error>,
    ) -> Result<Option<T>, StoreError> {
        match self.store()?.build(&key.service, &key.user, None).and_then(work) {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }
}

#[cfg(target_os = "linux")]
fn open() -> Result<Arc<CredentialStore>, Error> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn open() -> Result<Arc<CredentialStore>, Error> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn open() -> Result<Arc<CredentialStore>, Error> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn open() -> Result<Arc<CredentialStore>, Error> {
    Err(Error::NoDefaultStore)
}

fn absent(error: &Error) -> StoreError {
    let reason = match error {
        Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) => platform_reason(&cause.to_string()),
        Error::NoDefaultStore => "none is known for this operating system".to_owned(),
        other => other.to_string(),
    };
    StoreError::Absent { reason }
}

/// What D-Bus means, for those who have never heard of it.
fn platform_reason(text: &str) -> String {
    match text {
        _ if text.contains("org.freedesktop.secrets") => "no program offers the Secret Service".to_owned(),
        _ if cfg!(target_os = "linux") => "there is no D-Bus session".to_owned(),
        _ => text.to_owned(),
    }
}

/// The reason without what is kept: some errors carry it.
fn refused(error: Error) -> StoreError {
    let reason = match error {
        Error::NoStorageAccess(_) => return StoreError::Locked,
        Error::PlatformFailure(cause) => cause.to_string(),
        Error::Ambiguous(entries) => format!("{} entries have that name", entries.len()),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => "what is kept there is not text".to_owned(),
        other => other.to_string(),
    };
    StoreError::Refused { reason }
}

/// An entry as runner writes it. One that another program wrote holds the secret alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    secret: String,
    origins: Vec<String>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Kept {
    fn parse(entry: &str) -> Self {
        serde_json::from_str(entry).unwrap_or_else(|_| Self { secret: entry.to_owned(), origins: Vec::new() })
    }
}

impl SecretStore for Keychain {
    fn name(&self) -> &str {
        "keychain"
    }

    fn check(&self) -> LocalBoxFuture<'_, Result<(), StoreError>> {
        self.on_thread(|shared| shared.store().map(|_| ())).boxed_local()
    }

    fn get<'a>(
        &'a self,
        key: &'a StoreKey,
        origins: &'a [String],
    ) -> LocalBoxFuture<'a, Result<Option<SecretText>, StoreError>> {
        async move {
            let entry = self.ask(key, |entry| entry.get_password().map(SecretText::from)).await?;
            let Some(kept) = entry.map(|entry| Kept::parse(entry.expose())) else { return Ok(None) };
            StoreError::check_origins(&kept.origins, origins)?;
            Ok(Some(kept.secret.as_str().into()))
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
            let kept = Kept { secret: secret.expose().clone(), origins: origins.to_owned() };
            let entry = serde_json::to_string(&kept).map(SecretText::from).expect("two texts are JSON");
            self.ask(key, move |keychain| keychain.set_password(entry.expose())).await?;
            Ok(())
        }
        .boxed_local()
    }

    fn delete<'a>(&'a self, key: &'a StoreKey) -> LocalBoxFuture<'a, Result<bool, StoreError>> {
        async move { Ok(self.ask(key, |entry| entry.delete_credential()).await?.is_some()) }.boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_another_program_is_kept_for_no_host() {
        for text in ["hunter2", r#"{"secret":"hunter2"}"#, "{}", ""] {
            let kept = Kept::parse(text);
            assert_eq!((kept.secret.as_str(), kept.origins.len()), (text, 0));
        }
        let kept = Kept::parse(r#"{"secret":"hunter2","origins":["https://a.example"]}"#);
        assert_eq!((kept.secret.as_str(), kept.origins[0].as_str()), ("hunter2", "https://a.example"));
    }

    #[test]
    fn a_refusal_does_not_show_what_is_kept() {
        let error = refused(Error::BadEncoding(b"hunter2\xff".to_vec()));
        assert_eq!(error.to_string(), "the keychain refused: what is kept there is not text");
    }
}
