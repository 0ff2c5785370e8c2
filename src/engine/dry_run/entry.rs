//! The way in: providers made ready without asking anybody, then the rehearsal.

use super::pings::pings;
use super::rehearsal::{Rehearsal, Rehearsed};
use super::types::{DryRun, DrySecret};
use crate::credential::{Missing, Preview, preview};
use crate::engine::cleanup::Cleanup;
use crate::engine::core::Engine;
use crate::engine::course::Course;
use crate::engine::idempotency::UsedKeys;
use crate::engine::limits::Limits;
use crate::engine::places::Places;
use crate::engine::run::{RunOptions, names, secrets_needed, setup};
use crate::engine::secrets;
use crate::event::{Events, Failure};
use crate::exchange::{Exchange, Realms};
use crate::plan::Plan;
use crate::port::World;
use crate::session::Sessions;
use crate::source::SourceMap;
use crate::template::{Data, Moment};
use std::rc::Rc;

/// Says what a run would do.
///
/// # Errors
/// What keeps a provider from being made ready: a setting without a value, an address that is none.
pub async fn dry_run(
    plan: &Rc<Plan>,
    sources: &SourceMap,
    options: &RunOptions,
    world: &World,
    events: &Events,
) -> Result<DryRun, Vec<Failure>> {
    let exchange = Exchange::new(world.clone(), events.clone());
    let (sessions, credentials) = Sessions::preview(setup(plan, options, &exchange, "")).await?;
    // The run's identity is known before anything is sent, so nothing depends on it: its name stands for it.
    let mut names = names(options, "‹run.id›".into(), "‹run.started_at›".into());
    let mut secrets = Vec::new();
    for found in credentials {
        secrets.push(secret_line(events, &found.name, found.source, &found.origins));
    }
    for secret in secrets_needed(plan, &options.selection) {
        let scope = names.source_scope(&Moment::of(world));
        let chain = secrets::chain(secret, &plan.folder, &scope);
        let found = preview(world, &chain, &|_| None).await;
        names.secrets.push((secret.name.clone(), known_data(&chain.name, &found, events)));
        secrets.push(secret_line(events, &chain.name, found, &[]));
    }
    let (pings, ping_secrets) = match plan.report.ping.as_ref().filter(|_| !options.is_simulated) {
        Some(address) => pings(plan, address, world, events, &names).await,
        None => Default::default(),
    };
    let engine = Engine {
        plan,
        sources,
        selection: &options.selection,
        world,
        events,
        exchange,
        realms: Realms::default(),
        sessions,
        places: Places::of(plan),
        taken_up: None,
        is_simulated: options.is_simulated,
        names,
        limits: Limits::of_run(&*world.clock, None),
        keys: UsedKeys::default(),
        cleanup: Cleanup::default(),
        course: Course::default(),
    };
    let Rehearsed { lines, cleanup, mut destinations } = Rehearsal::new(engine).perform().await;
    for secret in secrets.iter_mut().filter(|secret| secret.origins.is_empty()) {
        secret.origins = destinations.remove(secret.name.as_str()).unwrap_or_default();
    }
    secrets.extend(ping_secrets);
    Ok(DryRun { secrets, lines, cleanup, pings })
}

/// A secret, as it is shown.
pub fn secret_line(
    events: &Events,
    name: &str,
    source: Result<Preview, Missing>,
    origins: &[String],
) -> DrySecret {
    let source = match source {
        Ok(Preview::Found(found)) => Ok(events.clean(found.found_in.to_string())),
        Ok(Preview::WouldAsk { .. }) => Ok(events.clean("would be asked for at the terminal")),
        Err(missing) => {
            let tried = missing.tried.iter();
            Err(tried.map(|tried| events.clean(format!("{}: {}", tried.source, tried.reason))).collect())
        }
    };
    let origins = origins.iter().map(|origin| events.clean(origin)).collect();
    DrySecret { name: events.clean(name), source, origins, is_needed: true }
}

/// What templates see of it.
pub fn known_data(name: &str, found: &Result<Preview, Missing>, events: &Events) -> Data {
    match found {
        Ok(Preview::Found(found)) => {
            events.learn(name, found.value.expose());
            Data::Secret(name.to_owned(), found.value.expose().as_str().into())
        }
        _ => Data::Unknown(name.to_owned()),
    }
}
