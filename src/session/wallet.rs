//! The credentials of an account: looked up once, codes that hold once at each use.

use crate::credential::{self, Chain, Found, FoundIn, Missing, Preview, Tried};
use crate::document::{Source, SourceKind};
use crate::event::Events;
use crate::model::secret::SecretText;
use crate::plan::{Plan, PlannedCredential, PlannedProvider, ProviderIndex};
use crate::port::{StoreError, StoreKey, World};
use crate::template::{Data, Scope};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// A credential that a step gives instead of the sources.
pub type Given = Vec<(String, SecretText)>;

/// What looking for a credential came to.
#[derive(Debug, Clone)]
pub enum Looked {
    /// It was found.
    Found(Found),
    /// In a preview: a person would be asked, since these sources do not have it.
    WouldAsk(Vec<Tried>),
    /// No source has it.
    Missing(Missing),
}

/// The credentials of an account.
pub struct Wallet {
    setup: WalletSetup,
    known: RefCell<HashMap<String, Looked>>,
    /// What was found without asking a person, and what was not.
    peeked: RefCell<HashMap<String, Looked>>,
    /// Where the last codes came from that hold once.
    codes: RefCell<HashMap<String, FoundIn>>,
    /// The credentials whose new value the store did not take: what it has of them is of no use any more.
    unkept: RefCell<HashSet<String>>,
}

/// What a wallet is made from.
pub struct WalletSetup {
    /// The plan.
    pub plan: Rc<Plan>,
    /// Whose credentials they are.
    pub provider: ProviderIndex,
    /// The ports.
    pub world: World,
    /// The events; their redactor learns what is found.
    pub events: Events,
    /// What templates in sources see.
    pub scope: Scope,
    /// The profile.
    pub profile: String,
    /// Somebody named the profile, so that the environment is passed over.
    pub is_profile_named: bool,
    /// The origins that the credentials may be sent to.
    pub origins: Vec<String>,
    /// Nobody is asked.
    pub is_preview: bool,
}

impl Wallet {
    /// A wallet in which nothing was looked for yet.
    pub fn new(setup: WalletSetup) -> Self {
        Self {
            setup,
            known: RefCell::default(),
            peeked: RefCell::default(),
            codes: RefCell::default(),
            unkept: RefCell::default(),
        }
    }

    fn provider(&self) -> &PlannedProvider {
        self.setup.plan.provider(self.setup.provider)
    }

    fn store_key(&self, name: &str) -> StoreKey {
        StoreKey::credential(&self.provider().name, &self.setup.profile, name)
    }

    /// Looks for a credential without asking a person.
    pub async fn peek(&self, name: &str) -> Looked {
        if let Some(looked) = self.known.borrow().get(name).or(self.peeked.borrow().get(name)) {
            return looked.clone();
        }
        let looked = self.search(name, false, &[]).await;
        self.peeked.borrow_mut().insert(name.to_owned(), looked.clone());
        looked
    }

    /// Looks for a credential, asking a person where a source says so. It is looked for once, unless it holds once only.
    pub async fn get(&self, name: &str) -> Looked {
        if self.is_one_time(name) {
            return self.search(name, true, &[]).await;
        }
        if let Some(looked) = self.known.borrow().get(name) {
            return looked.clone();
        }
        let peeked = self.peeked.borrow_mut().remove(name);
        let looked = match peeked {
            Some(peeked) if matches!(peeked, Looked::Found(_)) || !self.may_ask(name) => peeked,
            _ => self.search(name, true, &[]).await,
        };
        self.known.borrow_mut().insert(name.to_owned(), looked.clone());
        looked
    }

    /// As [`Wallet::get`], for a step that gives credentials: a code is computed from the secret that it gives.
    pub async fn get_beside(&self, name: &str, given: &[(String, SecretText)]) -> Looked {
        match self.is_one_time(name) {
            true => self.search(name, true, given).await,
            false => self.get(name).await,
        }
    }

    /// Where a credential that is missing could be put: the first of its sources that counts.
    pub async fn place_for(&self, name: &str) -> String {
        let passed_over = self.passed_over();
        match self.peek(name).await {
            Looked::Missing(missing) => missing.tried.into_iter().find(|tried| tried.reason != passed_over),
            Looked::Found(_) | Looked::WouldAsk(_) => None,
        }
        .map_or_else(|| self.public_name(name), |tried| tried.source)
    }

    /// Why the environment does not count.
    fn passed_over(&self) -> String {
        format!("passed over, for the profile {} was named", self.setup.profile)
    }

    /// Whether a person is among the sources of a credential.
    pub fn may_ask(&self, name: &str) -> bool {
        self.keys(name).is_some_and(|keys| keys.sources.iter().any(is_prompt))
    }

    /// Whether the store is among the sources of a credential.
    pub fn may_be_stored(&self, name: &str) -> bool {
        self.keys(name)
            .is_some_and(|keys| keys.sources.iter().any(|source| matches!(source.kind, SourceKind::Stored)))
    }

    /// Whether one can go without a credential.
    pub fn is_optional(&self, name: &str) -> bool {
        self.keys(name).is_some_and(|keys| keys.is_optional)
    }

    /// Whether a credential is a code that is fetched at each use.
    pub fn is_one_time(&self, name: &str) -> bool {
        self.keys(name).is_some_and(|keys| keys.is_one_time)
    }

    /// Whether a credential's value is secret.
    pub fn is_secret(&self, name: &str) -> bool {
        self.keys(name).is_none_or(|keys| keys.is_secret)
    }

    /// Where a credential was found, if it was looked for.
    pub fn found_in(&self, name: &str) -> Option<FoundIn> {
        match self.known.borrow().get(name) {
            Some(Looked::Found(found)) => Some(found.found_in.clone()),
            Some(Looked::WouldAsk(_) | Looked::Missing(_)) => None,
            None => self.codes.borrow().get(name).cloned(),
        }
    }

    /// What people call a credential: `emnify.password`.
    pub fn public_name(&self, name: &str) -> String {
        format!("{}.{name}", self.provider().name)
    }

    /// What expressions see of a credential.
    ///
    /// # Errors
    /// [`Missing`], if no source has it and one cannot go without.
    pub fn data(&self, name: &str, looked: Looked) -> Result<Data, Missing> {
        match looked {
            Looked::Found(found) => Ok(self.value(name, &found.value)),
            Looked::WouldAsk(_) => Ok(Data::Unknown(self.public_name(name))),
            Looked::Missing(_) if self.is_optional(name) => Ok(Data::Json(Value::Null)),
            Looked::Missing(missing) => Err(missing),
        }
    }

    /// What expressions see of a credential in a dry run: unknown, where there is none yet.
    pub async fn preview_data(&self, name: &str) -> Data {
        let looked = self.get(name).await;
        self.data(name, looked).unwrap_or_else(|_| Data::Unknown(self.public_name(name)))
    }

    /// A value that a step or source gave, as expressions see it. The redactor learns it if it is secret.
    pub fn value(&self, name: &str, value: &SecretText) -> Data {
        if !self.is_secret(name) {
            return Data::Json(value.expose().as_str().into());
        }
        self.setup.events.learn(&self.public_name(name), value.expose());
        Data::Secret(self.public_name(name), value.expose().as_str().into())
    }

    /// Keeps a new value: in memory for the rest of the run, and in the user's store if that is among the sources.
    /// Returns what the user has to do, since the store is not where the credential is looked for first.
    ///
    /// # Errors
    /// As the store says, where no other source answered before; in memory it is kept all the same.
    pub async fn keep(&self, name: &str, value: &SecretText) -> Result<Option<String>, StoreError> {
        self.setup.events.learn(&self.public_name(name), value.expose());
        let old = self.found_in(name);
        let key = self.store_key(name);
        let found_in = FoundIn::Stored { store: self.setup.world.store.name().to_owned(), key: key.clone() };
        let found = Found { value: value.clone(), found_in, notes: Vec::new() };
        self.known.borrow_mut().insert(name.to_owned(), Looked::Found(found));
        let public_name = self.public_name(name);
        if !self.may_be_stored(name) {
            let place = old.map_or_else(String::new, |place| format!("; {place} still has the old one"));
            return Ok(Some(format!(
                "{public_name} has a new value that cannot be kept, for `stored` is none of its sources{place}"
            )));
        }
        let first = old.filter(|place| !matches!(place, FoundIn::Stored { .. } | FoundIn::Prompt));
        let kept = self.setup.world.store.set(&key, value, &self.setup.origins).await;
        match kept {
            Ok(()) => self.unkept.borrow_mut().remove(name),
            Err(_) => self.unkept.borrow_mut().insert(name.to_owned()),
        };
        match (kept, first) {
            (Ok(()), None) => Ok(None),
            (Ok(()), Some(place)) => Ok(Some(format!(
                "{public_name} has a new value, kept in the store; {place} still has the old one: remove it there"
            ))),
            // The store was not where it came from: what counts is that the old one is replaced there.
            (Err(error), Some(place)) => Ok(Some(format!(
                "{public_name} has a new value that could not be kept ({error}); {place} still has the old one: \
                 replace it there"
            ))),
            (Err(error), None) => Err(error),
        }
    }

    /// Reads again what came from the store, for another process may have changed it. Returns whether any of it is new.
    ///
    /// # Errors
    /// The credential that the store does not give. The one in memory may be used up, so it is not to be sent.
    pub async fn read_again(&self, names: &[&str]) -> Result<bool, (String, StoreError)> {
        let mut is_new = false;
        for &name in names {
            let Some(FoundIn::Stored { key, .. }) = self.found_in(name) else { continue };
            if self.unkept.borrow().contains(name) {
                continue;
            }
            let kept = self.setup.world.store.get(&key, &self.setup.origins).await;
            let Some(value) = kept.map_err(|error| (name.to_owned(), error))? else { continue };
            let mut known = self.known.borrow_mut();
            if let Some(Looked::Found(found)) = known.get_mut(name).filter(|_| !value.expose().is_empty())
                && found.value != value
            {
                self.setup.events.learn(&self.public_name(name), value.expose());
                found.value = value;
                is_new = true;
            }
        }
        Ok(is_new)
    }

    async fn search(&self, name: &str, asks: bool, given: &[(String, SecretText)]) -> Looked {
        let Some(keys) = self.keys(name) else {
            let name = self.public_name(name);
            return Looked::Missing(Missing { name, tried: Vec::new(), is_unanswered: false });
        };
        let sources: Vec<Source> =
            keys.sources.iter().filter(|source| asks || !is_prompt(source)).cloned().collect();
        let totp = self.totp_secrets(&sources, given).await;
        let chain = Chain {
            name: self.public_name(name),
            question: question(keys, &self.provider().name),
            sources: &sources,
            scope: &self.setup.scope,
            folder: &self.setup.plan.folder,
            is_built_in: self.provider().is_built_in && !keys.is_chain_of_playbook,
            env_passed_over: (self.setup.is_profile_named && !keys.is_chain_of_playbook)
                .then(|| self.passed_over()),
            stored_as: Some(self.store_key(name)),
            origins: self.setup.origins.clone(),
            is_secret: keys.is_secret,
        };
        let totp = |name: &str| totp.get(name).cloned();
        let looked = match self.setup.is_preview {
            true => match credential::preview(&self.setup.world, &chain, &totp).await {
                Ok(Preview::Found(found)) => Looked::Found(found),
                Ok(Preview::WouldAsk { notes, tried }) => {
                    notes.iter().for_each(|note| self.setup.events.warn(note));
                    Looked::WouldAsk(tried)
                }
                Err(missing) => Looked::Missing(self.explained(missing, &sources)),
            },
            false => match credential::look_up(&self.setup.world, &chain, &totp).await {
                Ok(found) => Looked::Found(found),
                Err(missing) => Looked::Missing(self.explained(missing, &sources)),
            },
        };
        if let Looked::Found(found) = &looked {
            if keys.is_secret {
                self.setup.events.learn(&self.public_name(name), found.value.expose());
            }
            found.notes.iter().for_each(|note| self.setup.events.warn(note));
            if keys.is_one_time {
                self.codes.borrow_mut().insert(name.to_owned(), found.found_in.clone());
            }
        }
        looked
    }

    /// The TOTP secrets that sources compute codes from.
    async fn totp_secrets(
        &self,
        sources: &[Source],
        given: &[(String, SecretText)],
    ) -> HashMap<String, SecretText> {
        let mut secrets = HashMap::new();
        for source in sources {
            let SourceKind::Totp(name) = &source.kind else { continue };
            let secret = match given.iter().find(|(given, _)| *given == name.value) {
                Some((_, secret)) => Some(secret.clone()),
                None => match Box::pin(self.get(&name.value)).await {
                    Looked::Found(found) => Some(found.value),
                    Looked::WouldAsk(_) | Looked::Missing(_) => None,
                },
            };
            secrets.extend(secret.map(|secret| (name.value.clone(), secret)));
        }
        secrets
    }

    /// Adds, behind each code that could not be computed, where its secret was looked for. Each source was tried once.
    fn explained(&self, missing: Missing, sources: &[Source]) -> Missing {
        let tried = missing.tried.iter().cloned().zip(sources).flat_map(|(tried, source)| {
            let behind = match &source.kind {
                SourceKind::Totp(name) => self.tried_for(&name.value),
                _ => Vec::new(),
            };
            std::iter::once(tried).chain(behind)
        });
        Missing { tried: tried.collect(), ..missing }
    }

    /// Where a credential that is missing was looked for.
    fn tried_for(&self, name: &str) -> Vec<Tried> {
        match self.known.borrow().get(name) {
            Some(Looked::Missing(missing)) => missing.tried.clone(),
            _ => Vec::new(),
        }
    }

    fn keys(&self, name: &str) -> Option<&PlannedCredential> {
        self.provider().credentials.iter().find(|keys| keys.name == name)
    }
}

fn is_prompt(source: &Source) -> bool {
    matches!(source.kind, SourceKind::Prompt(_))
}

/// `Password of emnify`, unless the definition describes the credential.
fn question(credential: &PlannedCredential, provider: &str) -> String {
    if let Some(description) = &credential.description {
        return description.clone();
    }
    let words = credential.name.replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
    format!("{} of {provider}", first.chain(letters).collect::<String>())
}
