//! Which accounts a run works with, as far as that can be known before any secret is asked for.

use super::args::ApplyArgs;
use crate::document::SourceKind;
use crate::engine::RunOptions;
use crate::journal::LockName;
use crate::plan::{Address, Plan, PlannedProvider, ProviderIndex};
use crate::port::World;
use crate::session::profile_of;
use crate::template::Data;
use serde_json::Value;

/// What names the accounts that a run works with: profile, address, `--env-file`, a setting, a credential that is no secret,
/// or an input that is read by one of these. None of the words is a secret.
pub(super) async fn account_words(
    args: &ApplyArgs,
    plan: &Plan,
    options: &RunOptions,
    world: &World,
) -> Vec<String> {
    let mut words = Vec::new();
    for (index, provider) in plan.providers.iter().enumerate() {
        let inputs = Data::Json(Value::Object(options.inputs.clone()));
        let profile = profile_of(plan, ProviderIndex(index), &inputs, world).await;
        words.push(format!("{} profile {}", provider.name, profile.unwrap_or_default()));
        words.extend(addresses(provider));
        words.extend(variables(provider, world));
    }
    let chosen_by = |name: &str| plan.providers.iter().any(|provider| provider.is_chosen_by_input(name));
    let inputs = options.inputs.iter().filter(|(name, _)| chosen_by(name));
    words.extend(inputs.map(|(name, value)| format!("input {name} {value}")));
    let env_file = args.around.env_file.as_deref();
    let env_file = env_file.and_then(|file| world.surroundings.canonical(file).ok());
    words.extend(env_file.map(|file| format!("env file {}", file.display())));
    words
}

/// The name of the lock that a run takes. Two runs of a playbook have the same one, unless the words say that they are about
/// different accounts.
pub(super) fn lock_name(args: &ApplyArgs, words: &[String], world: &World) -> LockName {
    let playbook = world.surroundings.canonical(&args.playbook).unwrap_or_else(|_| args.playbook.clone());
    LockName::of(&playbook, words)
}

/// The addresses that the command line gives.
fn addresses(provider: &PlannedProvider) -> impl Iterator<Item = String> {
    let addresses = [&provider.base_url, &provider.auth_base_url].into_iter().enumerate();
    addresses.filter_map(|(index, address)| match address {
        Address::Override(url) => Some(format!("{} address {index} {url}", provider.name)),
        Address::Definition(_) | Address::Playbook(_) => None,
    })
}

/// The variables that are there and give settings, or credentials that are no secrets: a user's name, the id of a key.
fn variables(provider: &PlannedProvider, world: &World) -> impl Iterator<Item = String> {
    let settings = provider.settings.iter().flat_map(|setting| &setting.sources);
    let public = provider.credentials.iter().filter(|credential| !credential.is_secret);
    let sources = settings.chain(public.flat_map(|credential| &credential.sources));
    sources.filter_map(|source| match &source.kind {
        SourceKind::Env(name) => {
            let (value, _) = world.surroundings.variable(name.source())?;
            Some(format!("{} variable {} {value}", provider.name, name.source()))
        }
        _ => None,
    })
}
