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
use crate::model::words;
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
        let within = format!("{place}/");
        let mut sent = self.sent_from(&place.0);
        let was_sent = sent.any(|other| *other == place || other.0.starts_with(&within));
        Err(self.other_list(stage, headline, was_sent))
    }

    /// Refuses a list that has become shorter, if an earlier process has done something for an item behind its end, or may
    /// have: nothing would be known of that any more, nor would it be undone.
    ///
    /// # Errors
    /// When it has.
    pub fn refuse_shortened_list(
        &self,
        step: &PlannedStep,
        stage: &Stage,
        count: usize,
    ) -> Result<(), StepError> {
        let place = self.places.of_step(step, stage);
        let prefix = format!("{place}[");
        let sent = self.sent_from(&prefix).take_while(|sent| sent.0.starts_with(&prefix));
        let numbers = sent.filter_map(|sent| sent.0[prefix.len()..].split_once(']')?.0.parse::<usize>().ok());
        let Some(lost) = numbers.filter(|number| *number > count).min() else { return Ok(()) };
        let has = words::counted(count as u64, "item");
        let headline = format!(
            "the list of `{place}` has {has} now, and a process before has done item {lost}, or may have; nothing more was sent \
             for it"
        );
        Err(self.other_list(stage, headline, true))
    }

    /// The places of the steps whose writes earlier processes have sent, from this one on.
    fn sent_from(&self, place: &str) -> impl Iterator<Item = &Place> {
        let from = Place(place.to_owned());
        let sent =
            self.taken_up.into_iter().flat_map(move |taken_up| taken_up.writes.sent.range(from.clone()..));
        sent.map(|(place, _)| place)
    }

    /// The failure of a list that is not what it was. Where something was sent that has no item any more, nothing is undone
    /// before that has one again; only a run that is over does not wait.
    fn other_list(&self, stage: &Stage, headline: String, was_sent: bool) -> StepError {
        let run = self.names.run_id_text();
        let is_in_cleanup = self.taken_up.is_some_and(|taken_up| taken_up.is_in_cleanup);
        let trouble = match is_in_cleanup {
            true => FailureDraft::new(Cause::Cleanup, headline)
                .advice("look at the provider what was done, and undo it by hand"),
            false => FailureDraft::new(Cause::Step, headline).advice(format!(
                "items are known by their places in the list: make the list what it was and `runner resume {run}`, or run the \
                 playbook anew and leave out what was done"
            )),
        };
        if was_sent && !is_in_cleanup {
            self.course.wait_for_person();
        }
        let error = self.error(trouble);
        // What fails in a list that is over is no news, but for this.
        if let Some(failure) = error.failure.as_deref().filter(|_| was_sent && stage.is_over) {
            self.course.fail_without_step(failure.clone());
        }
        error
    }
}
