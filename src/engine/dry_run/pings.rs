//! What the dead-man switch would be told.

use super::entry::{known_data, secret_line};
use super::types::{DryAction, DryLine, DrySecret};
use crate::credential::{Missing, Preview, preview};
use crate::engine::ping;
use crate::engine::references::names_below;
use crate::engine::scope::RunNames;
use crate::engine::secrets;
use crate::event::Events;
use crate::exchange::{Rendered, shown_aside};
use crate::plan::{Plan, PlannedPath, PlannedSecret};
use crate::port::World;
use crate::template::{Data, Moment};

/// The pings, and the secrets that only they read.
pub async fn pings(
    plan: &Plan,
    address: &PlannedPath,
    world: &World,
    events: &Events,
    names: &RunNames,
) -> (Vec<DryLine>, Vec<DrySecret>) {
    let (mut known, mut sources) = (names.secrets.clone(), Vec::new());
    for secret in read_here(plan, address, names) {
        let (name, source) = look(plan, secret, world, names).await;
        known.push((secret.name.clone(), known_data(&name, &source, events)));
        sources.push((name, source));
    }
    let mut scope = names.source_scope(&Moment::of(world));
    scope.set("secrets", Data::Map(known));
    let request = ping::request(plan, address, world, events, &scope);
    let origin = request.as_ref().ok().and_then(Rendered::shown_origin);
    let origins: Vec<String> = origin.map(str::to_owned).into_iter().collect();
    let secrets = sources.into_iter().map(|(name, source)| {
        // A ping that cannot be sent is a warning.
        DrySecret { is_needed: false, ..secret_line(events, &name, source, &origins) }
    });
    let end = "with /EXIT_CODE behind its path where the run has not ended well";
    let lines = [("start", Some("start"), None), ("end", None, Some(end))];
    let lines =
        lines.map(|(label, segment, note)| line(label, action(&request, segment, events), note, events));
    (lines.into(), secrets.collect())
}

/// The secrets of the playbook that its address names and nothing else of the run reads.
fn read_here<'p>(plan: &'p Plan, address: &PlannedPath, names: &RunNames) -> Vec<&'p PlannedSecret> {
    let expressions: Vec<_> = address.template().expressions().collect();
    let read = names_below("secrets", &expressions);
    let is_new = |name: &String| !names.secrets.iter().any(|(known, _)| known == name);
    plan.secrets.iter().filter(|secret| read.contains(secret.name.as_str()) && is_new(&secret.name)).collect()
}

async fn look(
    plan: &Plan,
    secret: &PlannedSecret,
    world: &World,
    names: &RunNames,
) -> (String, Result<Preview, Missing>) {
    let scope = names.source_scope(&Moment::of(world));
    let chain = secrets::chain(secret, &plan.folder, &scope);
    let source = preview(world, &chain, &|_| None).await;
    (chain.name, source)
}

fn action(request: &Result<Rendered, String>, segment: Option<&str>, events: &Events) -> DryAction {
    match request {
        Ok(request) => DryAction::Request {
            method: events.clean(request.method().as_str()),
            origin: None,
            target: events.clean(shown_aside(request, segment)),
            headers: Vec::new(),
            body: None,
            is_write: false,
            may_be_more: false,
        },
        Err(reason) => DryAction::Nothing(events.clean(reason)),
    }
}

fn line(label: &str, action: DryAction, note: Option<&str>, events: &Events) -> DryLine {
    DryLine {
        label: events.clean(label),
        action,
        after: Vec::new(),
        notes: note.into_iter().map(|note| events.clean(note)).collect(),
        is_certain: true,
        is_open_ended: false,
        is_shown: true,
        is_question: false,
    }
}
