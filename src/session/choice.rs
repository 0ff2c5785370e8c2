//! Which of several ways to sign in is taken.

use super::wallet::{Looked, Wallet};
use crate::credential::Missing;
use crate::event::Events;
use crate::plan::{PlannedMethod, PlannedProvider};

/// Chooses a method by its place in the list: the one that is `wanted`; else, of those that take all that a step gives,
/// the first whose credentials all are there; else the first that lacks only what a person can say; else the one that
/// comes nearest. `None`: the provider has no such method.
pub async fn choose(
    provider: &PlannedProvider,
    wanted: Option<&str>,
    given: &[String],
    wallet: &Wallet,
    events: &Events,
) -> Option<usize> {
    let chosen = match wanted.or(provider.method.as_deref()) {
        Some(name) => provider.methods.iter().find(|method| method.name == name)?,
        None => first_possible(provider, given, wallet, events).await?,
    };
    provider.methods.iter().position(|method| method.name == chosen.name)
}

/// Looks up all that a method needs and that is not fetched at each use, asking a person where that is a source. Returns
/// what is missing.
pub async fn look_up_all(method: &PlannedMethod, given: &[String], wallet: &Wallet) -> Vec<Missing> {
    let others = method.used.iter().filter(|name| !method.required.contains(name));
    let names = method.required.iter().chain(others);
    let mut missing = Vec::new();
    for name in names.filter(|name| !given.contains(name) && !wallet.is_one_time(name)) {
        if let Looked::Missing(reason) = wallet.get(name).await
            && method.required.contains(name)
        {
            missing.push(reason);
        }
    }
    missing
}

async fn first_possible<'p>(
    provider: &'p PlannedProvider,
    given: &[String],
    wallet: &Wallet,
    events: &Events,
) -> Option<&'p PlannedMethod> {
    let mut with_person = None;
    let mut halves = Vec::new();
    let mut complete = None;
    let takes_all = |method: &&PlannedMethod| given.iter().all(|name| provider.takes(method, name));
    let methods: Vec<&PlannedMethod> = provider.methods.iter().filter(takes_all).collect();
    for &method in &methods {
        let mut lacking = Vec::new();
        for name in method.required.iter().filter(|name| !given.contains(name)) {
            if !matches!(wallet.peek(name).await, Looked::Found(_)) {
                lacking.push(name);
            }
        }
        if lacking.is_empty() {
            complete = Some(method);
            break;
        }
        if lacking.iter().all(|name| wallet.may_ask(name)) {
            with_person = with_person.or(Some(method));
        }
        if has_own(provider, method, &lacking) {
            let names: Vec<String> = lacking.iter().map(|name| wallet.public_name(name)).collect();
            halves.push((method, names.join(", ")));
        }
    }
    let chosen = complete.or(with_person);
    if let Some(chosen) = chosen {
        for (method, lacking) in halves.iter().filter(|(method, _)| method.name != chosen.name) {
            events.warn(format!(
                "{} does not sign in by `{}`, though some of its credentials are there: {lacking} is missing",
                provider.name, method.name
            ));
        }
    }
    chosen.or(halves.first().map(|(method, _)| *method)).or(methods.first().copied())
}

/// Whether a credential is there that only this method names: then it was probably meant.
fn has_own(provider: &PlannedProvider, method: &PlannedMethod, lacking: &[&String]) -> bool {
    let is_own = |name: &String| {
        let others = provider.methods.iter().filter(|other| other.name != method.name);
        !others.into_iter().any(|other| other.required.contains(name))
    };
    method.required.iter().any(|name| !lacking.contains(&name) && is_own(name))
}
