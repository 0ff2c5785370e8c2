//! `runner logout`: signs out, and forgets the credentials of a provider where that is asked for.

use super::args::LogoutArgs;
use super::console::Console;
use super::login::listed;
use super::refusal::Refusal;
use crate::credential::{Chain, look_up};
use crate::document::DefinitionKeys;
use crate::model::exit::Cause;
use crate::port::StoreKey;
use crate::template::{Moment, Scope};
use std::path::Path;
use std::sync::Arc;

/// The name of the profile when nobody names one.
const DEFAULT_PROFILE: &str = "default";

/// Says that no session is open, or forgets the credentials. Returns the exit code.
///
/// # Errors
/// Why it was not done.
pub(super) async fn logout(args: &LogoutArgs, console: &mut Console<'_>) -> Result<i32, Refusal> {
    let provider = console.built_in(&args.provider)?;
    let definition = provider.definition().keys;
    let profile = match &args.profile {
        Some(profile) => profile.clone(),
        None => profile(&definition, console).await,
    };
    let place = format!("{}/{profile}", provider.name);
    if args.clear {
        let kept = definition.credentials.iter().filter(|(_, keys)| keys.one_time != Some(true));
        let names: Vec<&str> = kept.map(|(name, _)| name.value.as_str()).collect();
        return forget(provider.name, &profile, &names, console).await;
    }
    writeln!(
        console.out,
        "no session of {place} is open: a session ends with its run\n\
         `runner logout {} --clear` forgets the credentials of {place} in the {}",
        provider.name,
        console.world.store.name()
    )?;
    Ok(0)
}

/// The profile that the definition's own sources name.
async fn profile(definition: &DefinitionKeys, console: &Console<'_>) -> String {
    let moment = Moment { now: console.world.clock.now(), uuid: Arc::new(String::new) };
    let Some(sources) = &definition.profile else { return DEFAULT_PROFILE.to_owned() };
    let chain = Chain {
        name: "profile".to_owned(),
        question: "Profile".to_owned(),
        sources: &sources.from,
        scope: &Scope::new(&moment),
        folder: Path::new(""),
        is_built_in: true,
        env_passed_over: None,
        stored_as: None,
        origins: Vec::new(),
        is_secret: false,
    };
    let found = look_up(&console.world, &chain, &|_| None).await;
    found.map_or_else(|_| DEFAULT_PROFILE.to_owned(), |found| found.value.expose().clone())
}

/// Tries to forget every credential; one that fails does not save the others.
async fn forget(
    provider: &str,
    profile: &str,
    names: &[&str],
    console: &mut Console<'_>,
) -> Result<i32, Refusal> {
    let (mut forgotten, mut failed) = (Vec::new(), Vec::new());
    let mut first_failure = None;
    for &name in names {
        match console.world.store.delete(&StoreKey::credential(provider, profile, name)).await {
            Ok(true) => forgotten.push(name.replace('_', " ")),
            Ok(false) => {}
            Err(failure) => {
                failed.push(name.replace('_', " "));
                first_failure.get_or_insert(failure);
            }
        }
    }
    let place = format!("{provider}/{profile} in the {}", console.world.store.name());
    if !forgotten.is_empty() {
        writeln!(console.out, "forgot {} of {place}", listed(&forgotten))?;
    }
    match first_failure {
        None if forgotten.is_empty() => writeln!(console.out, "nothing was kept as {place}")?,
        None => {}
        Some(failure) => {
            let which =
                if failed.len() == names.len() { "whatever is kept".to_owned() } else { listed(&failed) };
            let why = format!("{which} as {place} could not be forgotten: {failure}");
            return Err(console.stop(Cause::Machine, &why, None));
        }
    }
    Ok(0)
}
