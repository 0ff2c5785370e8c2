use super::settings::{Places, setting};
use super::wallet::{Wallet, WalletSetup};
use crate::credential::{Chain, look_up};
use crate::event::Events;
use crate::exchange::{Exchange, Origin, Realm};
use crate::model::words::shell_quoted;
use crate::plan::{Address, Plan, PlannedProvider, ProviderIndex};
use crate::port::World;
use crate::template::{Data, Moment, Scope, Template, json_to_text};
use serde_json::Value;
use std::path::Path;
use std::rc::Rc;
use url::Url;

/// The profile when nobody names one.
const DEFAULT_PROFILE: &str = "default";

/// A provider made ready for a run: settings, addresses, profile, credentials. Fixed before the first request.
pub struct Account {
    plan: Rc<Plan>,
    index: ProviderIndex,
    settings: Data,
    profile: String,
    base_url: Url,
    auth_base_url: Url,
    realm: Rc<Realm>,
    pub(super) wallet: Wallet,
}

/// Where an account is made ready.
pub(super) struct Preparation<'a> {
    pub plan: &'a Rc<Plan>,
    pub inputs: &'a Data,
    pub exchange: &'a Exchange,
    pub is_preview: bool,
}

impl Account {
    /// The provider as planned.
    pub fn provider(&self) -> &PlannedProvider {
        self.plan.provider(self.index)
    }

    /// The profile whose credentials are used.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The address that paths of steps and operations are joined to.
    pub fn base_url(&self) -> &Url {
        &self.base_url
    }

    /// The address that paths of sign-in requests are joined to.
    pub fn auth_base_url(&self) -> &Url {
        &self.auth_base_url
    }

    /// Scheme, host and port of the address of sign-in.
    pub(super) fn sign_in_origin(&self) -> String {
        self.auth_base_url.origin().ascii_serialization()
    }

    /// The origins that secrets of the account may go to.
    pub(super) fn origins(&self) -> Vec<String> {
        self.realm.origins().iter().map(Origin::to_string).collect()
    }

    /// Where requests of the account may go, and how fast.
    pub fn realm(&self) -> &Rc<Realm> {
        &self.realm
    }

    /// The folder that paths of files count from.
    pub(super) fn folder(&self) -> &Path {
        &self.plan.folder
    }

    /// The command that asks for the credentials of the account and keeps them.
    pub(super) fn login_command(&self) -> String {
        let provider = self.provider();
        let playbook = match provider.is_as_built_in() {
            true => String::new(),
            false => format!(" --playbook {}", shell_quoted(&self.plan.file)),
        };
        let profile =
            provider.profile_override.as_ref().map(|profile| format!(" --profile {}", shell_quoted(profile)));
        format!("runner login {}{playbook}{}", provider.name, profile.unwrap_or_default())
    }

    /// What templates of the definition see before there is a session.
    pub(super) fn scope(&self, moment: &Moment) -> Scope {
        definition_scope(moment, self.settings.clone(), &self.profile)
    }

    /// Makes the provider at an index ready.
    ///
    /// # Errors
    /// Sentences on what is missing or does not fit.
    pub(super) async fn prepare(
        preparation: &Preparation<'_>,
        index: ProviderIndex,
    ) -> Result<Self, Vec<String>> {
        let Preparation { plan, inputs, exchange, is_preview } = preparation;
        let (world, events) = (exchange.world(), exchange.events());
        let provider = plan.provider(index);
        let moment = Moment::of(world);
        let playbook = Scope::new(&moment).with("inputs", (*inputs).clone());
        let profile = profile(provider, &plan.folder, world, &playbook).await;
        let (profile, is_profile_named) = profile.map_err(|reason| vec![reason])?;
        let sources = playbook.clone().with("profile", Value::from(profile.as_str()));
        let places = Places {
            world,
            redactor: events.redactor(),
            provider: &provider.name,
            playbook: &playbook,
            sources: &sources,
            unnamed_profile: (!is_profile_named && profile == DEFAULT_PROFILE)
                .then_some(provider.profile_sources.as_slice()),
            folder: &plan.folder,
            is_built_in: provider.is_built_in,
        };
        let settings = settings(provider, &places).await?;
        let definition = definition_scope(&moment, settings.clone(), &profile);
        let addresses = Addresses::of(provider, &playbook, &definition).map_err(|reason| vec![reason])?;
        let realm = realm(provider, &addresses, &definition, events).map_err(|reason| vec![reason])?;
        let wallet = Wallet::new(WalletSetup {
            plan: (*plan).clone(),
            provider: index,
            world: world.clone(),
            events: events.clone(),
            scope: sources,
            profile: profile.clone(),
            is_profile_named,
            origins: realm.origins().iter().map(Origin::to_string).collect(),
            is_preview: *is_preview,
        });
        let Addresses { base_url, auth_base_url } = addresses;
        let plan = (*plan).clone();
        Ok(Self { plan, index, settings, profile, base_url, auth_base_url, realm: Rc::new(realm), wallet })
    }
}

fn definition_scope(moment: &Moment, settings: Data, profile: &str) -> Scope {
    Scope::new(moment).with("settings", settings).with("profile", Value::from(profile))
}

/// The profile under which the store keeps the credentials of a provider; the rest need not be there.
///
/// # Errors
/// A sentence on what is wrong with its name.
pub async fn profile_of(
    plan: &Plan,
    index: ProviderIndex,
    inputs: &Data,
    world: &World,
) -> Result<String, String> {
    let scope = Scope::new(&Moment::of(world)).with("inputs", inputs.clone());
    profile(plan.provider(index), &plan.folder, world, &scope).await.map(|(profile, _)| profile)
}

/// The profile, and whether somebody named it.
async fn profile(
    provider: &PlannedProvider,
    folder: &Path,
    world: &World,
    playbook: &Scope,
) -> Result<(String, bool), String> {
    let named = named_profile(provider, playbook)?;
    let is_named = named.is_some();
    let profile = match named {
        Some(named) => named,
        None => default_profile(provider, folder, world, playbook).await,
    };
    check_profile(&profile)?;
    Ok((profile, is_named))
}

/// The profile that the command line or the playbook names.
fn named_profile(provider: &PlannedProvider, playbook: &Scope) -> Result<Option<String>, String> {
    if let Some(flag) = &provider.profile_override {
        return Ok(Some(flag.clone()));
    }
    let Some(template) = &provider.profile else { return Ok(None) };
    let evaluated =
        template.evaluate(playbook).map_err(|error| format!("profile of {}: {error}", provider.name))?;
    Ok(json_to_text(&evaluated.value).filter(|profile| !profile.is_empty()))
}

/// The profile when nobody names one: what the definition's sources say, else `default`.
async fn default_profile(provider: &PlannedProvider, folder: &Path, world: &World, scope: &Scope) -> String {
    let name = format!("profile of {}", provider.name);
    let chain = Chain {
        is_built_in: provider.is_built_in,
        ..Chain::plain(name, &provider.profile_sources, scope, folder)
    };
    match look_up(world, &chain, &|_| None).await {
        Ok(found) => found.value.expose().clone(),
        Err(_) => DEFAULT_PROFILE.to_owned(),
    }
}

/// A profile is a part of file names and of keys in the store.
fn check_profile(profile: &str) -> Result<(), String> {
    let is_safe = !matches!(profile, "" | "." | "..")
        && !profile.contains(|c: char| matches!(c, '/' | '\\') || c.is_control());
    match is_safe {
        true => Ok(()),
        false => Err(format!("`{profile}` is no name for a profile: it is a part of file names")),
    }
}

async fn settings(provider: &PlannedProvider, places: &Places<'_>) -> Result<Data, Vec<String>> {
    let mut values = Vec::with_capacity(provider.settings.len());
    let mut mistakes = Vec::new();
    for planned in &provider.settings {
        match setting(planned, places).await {
            Ok(value) => values.push((planned.name.clone(), Data::Json(value))),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(Data::Map(values)) } else { Err(mistakes) }
}

struct Addresses {
    base_url: Url,
    auth_base_url: Url,
}

impl Addresses {
    fn of(provider: &PlannedProvider, playbook: &Scope, definition: &Scope) -> Result<Self, String> {
        let name = &provider.name;
        let is_moved = !matches!(provider.base_url, Address::Definition(_));
        let address = |key: &str, address: &Address| {
            match address {
                Address::Definition(template) => evaluate_address(template, definition),
                Address::Playbook(template) => evaluate_address(template, playbook),
                Address::Override(text) => parse_address(text),
            }
            .map_err(|reason| format!("{key} of {name} {reason}"))
        };
        let base_url = address("base_url", &provider.base_url)?;
        if is_moved && matches!(provider.auth_base_url, Address::Definition(_)) {
            return Err(format!(
                "{name} signs in at an address of its own: whoever moves base_url moves auth_base_url too, or a test \
                 would sign in at the real one (`--auth-base-url {name}=URL`)"
            ));
        }
        let auth_base_url = address("auth_base_url", &provider.auth_base_url)?;
        Ok(Self { base_url, auth_base_url })
    }
}

fn evaluate_address(template: &Template, scope: &Scope) -> Result<Url, String> {
    let evaluated = template.evaluate(scope).map_err(|error| format!("cannot be made: failed to {error}"))?;
    parse_address(&json_to_text(&evaluated.value).unwrap_or_default())
}

fn parse_address(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_| format!("is `{text}`, which is no address"))?;
    if Origin::of(&url).is_none() {
        return Err(format!("is `{text}`; an address begins with https://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a `?` or `#`, which have no place in it".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name or password, which have no place in it".to_owned());
    }
    Ok(url)
}

fn realm(
    provider: &PlannedProvider,
    addresses: &Addresses,
    definition: &Scope,
    events: &Events,
) -> Result<Realm, String> {
    let mut origins: Vec<Origin> = Vec::new();
    for url in [&addresses.base_url, &addresses.auth_base_url] {
        origins.extend(Origin::of(url).filter(|origin| !origins.contains(origin)));
    }
    if let Some(open) = origins.iter().find(|origin| !origin.is_private()) {
        let name = &provider.name;
        if !provider.allow_http {
            return Err(format!(
                "{name} is at {open}, where everybody on the way can read credentials; use https, or accept that with \
                 `allow_http: true` at the provider"
            ));
        }
        events.warn(format!("{name}: credentials and data go to {open} without encryption (`allow_http`)"));
    }
    let sign = provider.throttled.clone().map(|sign| (sign, definition.clone()));
    Ok(Realm::new(origins, provider.allow_http)
        .trusting(provider.ca_file.clone())
        .limited(provider.rate_limit.as_ref())
        .throttled_when(sign))
}
