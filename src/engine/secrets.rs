//! The secrets of the playbook's own.

use super::scope::RunNames;
use crate::credential::{Chain, Missing, look_up};
use crate::event::{Events, FailureDraft};
use crate::model::exit::Cause;
use crate::plan::PlannedSecret;
use crate::port::{StoreKey, World};
use crate::source::Span;
use crate::template::{Data, Moment, Scope};
use std::path::Path;

/// Looks a secret of the playbook up; the redactor learns it before anyone else has it.
pub async fn fetch(
    world: &World,
    events: &Events,
    secret: &PlannedSecret,
    folder: &Path,
    names: &RunNames,
) -> Result<Data, Box<FailureDraft>> {
    let scope = names.source_scope(&Moment::of(world));
    let chain = chain(secret, folder, &scope);
    match look_up(world, &chain, &|_| None).await {
        Ok(found) => {
            events.learn(&chain.name, found.value.expose());
            found.notes.iter().for_each(|note| events.warn(format!("{}: {note}", chain.name)));
            Ok(Data::Secret(chain.name, found.value.expose().as_str().into()))
        }
        Err(absent) => Err(Box::new(missing(&absent, secret.span))),
    }
}

/// The chain of a secret of the playbook.
pub fn chain<'c>(secret: &'c PlannedSecret, folder: &'c Path, scope: &'c Scope) -> Chain<'c> {
    Chain {
        question: secret.name.replace('_', " "),
        stored_as: Some(StoreKey::secret(&secret.name)),
        is_secret: true,
        ..Chain::plain(format!("secrets.{}", secret.name), &secret.sources, scope, folder)
    }
}

pub fn missing(missing: &Missing, span: Span) -> FailureDraft {
    let trouble =
        FailureDraft::new(Cause::SignIn, format!("no source has the secret `{}`", missing.name)).at(span);
    let tried = missing.tried.iter().map(|tried| format!("{}: {}", tried.source, tried.reason));
    tried.fold(trouble, FailureDraft::note).advice("give it to one of these sources and run it again")
}
