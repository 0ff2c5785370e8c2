//! The items of a loop that does writes. A journal knows them by their places in the list: another process that takes the run
//! up finds at each place what was there, or leaves the place alone.

use super::core::Engine;
use super::error::StepError;
use super::record::cut_secrets;
use super::stage::Stage;
use crate::document::Effect;
use crate::event::FailureDraft;
use crate::model::exit::Cause;
use crate::model::hex::hex;
use crate::model::redaction::Redactor;
use crate::plan::{PlannedStep, StepKind};
use crate::port::{Class, End, Outcome, Place, Ran};
use crate::template::Data;
use futures_util::future::FutureExt;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// An item of a list.
pub struct Item {
    /// What expressions see.
    pub data: Data,
    /// What it is known by; `None` where all of it is secret.
    pub digest: Option<String>,
}

/// What an item is known by: SHA-256 of its JSON without the secrets in it, in hexadecimal digits. `None`: all of it is
/// secret.
pub fn digest(json: &Json, redactor: &Redactor) -> Option<String> {
    let text = json.to_string();
    if redactor.redact(&text) == text {
        return Some(hex(&Sha256::digest(text)));
    }
    let mut plain = json.clone();
    cut_secrets(&mut plain, redactor)?;
    (!is_void(&plain)).then(|| hex(&Sha256::digest(plain.to_string())))
}

/// Whether nothing is left in a value.
fn is_void(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::Array(items) => items.iter().all(is_void),
        Json::Object(members) => members.values().all(is_void),
        _ => false,
    }
}

/// Whether a step, those inside of it, or those that undo it change anything.
fn writes(step: &PlannedStep) -> bool {
    let is_write = match &step.kind {
        StepKind::Request(request) => request.effect != Effect::Read,
        StepKind::Store { .. } => true,
        StepKind::Group(group) => group.steps.iter().any(writes),
        StepKind::Authenticate { .. } | StepKind::Logout { .. } => false,
    };
    is_write || step.cleanup.iter().any(writes)
}

impl Engine<'_> {
    /// Refuses an item that is another one than an earlier process has found at its place: the writes of that one would
    /// count as those of this one.
    ///
    /// # Errors
    /// When it is another one, or nobody can tell, or the journal cannot be written. Nothing was sent for it.
    pub async fn refuse_changed_item(
        &self,
        step: &PlannedStep,
        stage: &Stage,
        digest: Option<&str>,
    ) -> Result<(), StepError> {
        if !writes(step) {
            return Ok(());
        }
        let place = self.places.of_step(step, stage);
        let deed =
            self.deed(Place(format!("{place}/item of the list")), Class::Composed, "an item of a list");
        let now = Json::from(digest);
        // What does not begin any more takes no place.
        let end = if stage.is_over { End::NotDone } else { End::Done };
        let outcome = Outcome::plain(end, now.clone());
        let ran = self.world.journal.run(&deed, async { outcome }.boxed_local()).await;
        let before = match ran.map_err(|error| self.journal_error(&error, &step.label()))? {
            Ran::Before(outcome) => outcome.value,
            Ran::Now(_) | Ran::Unclear(_) => return Ok(()),
        };
        let what = match before.is_null() || now.is_null() {
            false if before != now => "is another item than when the run began",
            true if stage.is_list_anew => {
                "is all secret, and nobody can tell whether it is still the same item"
            }
            _ => return Ok(()),
        };
        let headline = format!("`{place}` {what}; nothing was sent for it");
        let run = self.names.run_id_text();
        let advice = format!(
            "items are known by their places in the list: make the list what it was and `runner resume {run}`, or run the \
             playbook anew and leave out what was done"
        );
        Err(self.error(FailureDraft::new(Cause::Step, headline).advice(advice)))
    }
}
