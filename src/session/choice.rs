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
        Some(name) => return provider.methods.iter().position(|method| method.name == name),
        None => first_possible(provider, given, wallet, events).await,
    };
    chosen.or_else(|| candidates(provider, given).map(|(index, _)| index).next())
}

/// The methods, other than the chosen one, by which one could sign in as well, each with where what it lacks could be:
/// `or sign in with method application_token: env EMNIFY_APPLICATION_TOKEN`. None where somebody named the method.
pub async fn other_ways(
    provider: &PlannedProvider,
    wanted: Option<&str>,
    given: &[String],
    chosen: usize,
    wallet: &Wallet,
) -> Vec<String> {
    let mut ways = Vec::new();
    if wanted.or(provider.method.as_deref()).is_some() {
        return ways;
    }
    for (_, method) in candidates(provider, given).filter(|(index, _)| *index != chosen) {
        let mut places = Vec::new();
        for name in lacking(method, given, wallet).await {
            places.push(wallet.place_for(name).await);
        }
        ways.push(format!("or sign in with method {}: {}", method.name, places.join(" and ")));
    }
    ways
}

/// The methods that make use of all that a step gives, each with its place in the list.
fn candidates<'p>(
    provider: &'p PlannedProvider,
    given: &[String],
) -> impl Iterator<Item = (usize, &'p PlannedMethod)> {
    let takes = move |method: &PlannedMethod| given.iter().all(|name| provider.takes(method, name));
    provider.methods.iter().enumerate().filter(move |(_, method)| takes(method))
}

/// What a method needs, and neither a step gives nor a source has that nobody is asked for.
async fn lacking<'m>(method: &'m PlannedMethod, given: &[String], wallet: &Wallet) -> Vec<&'m String> {
    let mut lacking = Vec::new();
    for name in method.required.iter().filter(|name| !given.contains(name)) {
        if !matches!(wallet.peek(name).await, Looked::Found(_)) {
            lacking.push(name);
        }
    }
    lacking
}

/// Looks up all that a method needs and that is not fetched at each use, asking a person where that is a source. Returns
/// what is missing; whoever leaves a question unanswered is asked no other one.
pub async fn look_up_all(method: &PlannedMethod, given: &[String], wallet: &Wallet) -> Vec<Missing> {
    let others = method.used.iter().filter(|name| !method.required.contains(name));
    let names = method.required.iter().chain(others);
    let mut missing = Vec::new();
    for name in names.filter(|name| !given.contains(name) && !wallet.is_one_time(name)) {
        if let Looked::Missing(reason) = wallet.get(name).await
            && method.required.contains(name)
        {
            let is_unanswered = reason.is_unanswered;
            missing.push(reason);
            if is_unanswered {
                break;
            }
        }
    }
    missing
}

async fn first_possible(
    provider: &PlannedProvider,
    given: &[String],
    wallet: &Wallet,
    events: &Events,
) -> Option<usize> {
    let mut with_person = None;
    let mut halves = Vec::new();
    let mut complete = None;
    for (index, method) in candidates(provider, given) {
        let lacking = lacking(method, given, wallet).await;
        if lacking.is_empty() {
            complete = Some(index);
            break;
        }
        if lacking.iter().all(|name| wallet.may_ask(name)) {
            with_person = with_person.or(Some(index));
        }
        if has_own(provider, method, &lacking) {
            let names: Vec<String> = lacking.iter().map(|name| wallet.public_name(name)).collect();
            halves.push((index, names.join(", ")));
        }
    }
    let chosen = complete.or(with_person);
    if let Some(chosen) = chosen {
        for (half, lacking) in halves.iter().filter(|(half, _)| *half != chosen) {
            events.warn(format!(
                "{} does not sign in by `{}`, though some of its credentials are there: {lacking} is missing",
                provider.name, provider.methods[*half].name
            ));
        }
    }
    chosen.or(halves.first().map(|(half, _)| *half))
}

/// Whether a credential is there that only this method names: then it was probably meant.
fn has_own(provider: &PlannedProvider, method: &PlannedMethod, lacking: &[&String]) -> bool {
    let is_own = |name: &String| {
        let others = provider.methods.iter().filter(|other| other.name != method.name);
        !others.into_iter().any(|other| other.required.contains(name))
    };
    method.required.iter().any(|name| !lacking.contains(&name) && is_own(name))
}
