//! The steps that open and close sessions and keep secrets.

use super::core::Engine;
use super::error::StepError;
use super::references::own_expressions;
use super::scope::StepRecord;
use super::stage::Stage;
use super::tally::Tally;
use crate::document::Tree;
use crate::event::FailureDraft;
use crate::exchange::Value;
use crate::model::exit::Cause;
use crate::model::secret::SecretText;
use crate::plan::{PlannedStep, ProviderIndex, StoreTarget};
use crate::port::StoreKey;
use crate::template::{Moment, Scope, Template, json_to_text};
use futures_util::FutureExt;

impl Engine<'_> {
    /// Opens a session, with what the step gives or what the provider's chains find.
    pub async fn authenticate(
        &self,
        step: &PlannedStep,
        provider: ProviderIndex,
        method: Option<&str>,
        with: &[(String, Tree)],
        stage: &Stage,
        tally: &mut Tally,
    ) -> Result<StepRecord, StepError> {
        let scope = self.scope(stage, &Moment::of(self.world), &own_expressions(step)).await?;
        let given = with.iter().map(|(name, tree)| Ok((name.clone(), self.credential(name, tree, &scope)?)));
        let given = given.collect::<Result<Vec<_>, StepError>>()?;
        let opening = self.sessions.authenticate(provider, method, given).boxed_local();
        let note = self.sign_in(&stage.limits, "the sign-in", opening).await?;
        tally.detail = Some(note.words());
        Ok(StepRecord { has_succeeded: true, ..StepRecord::default() })
    }

    fn credential(&self, name: &str, tree: &Tree, scope: &Scope) -> Result<SecretText, StepError> {
        let value = Value::of_tree(tree, scope, self.events.redactor());
        let value = value.map_err(|error| self.evaluation_error(&error))?;
        match json_to_text(&value.json).filter(|text| !text.is_empty()) {
            Some(text) => Ok(text.into()),
            None => {
                let headline = format!("the credential `{name}` that the step gives is empty");
                Err(self.error(FailureDraft::new(Cause::Step, headline).at(tree.span)))
            }
        }
    }

    /// Closes a session. That has a time of its own, whatever time is left: nobody would close it afterwards.
    pub async fn log_out(&self, provider: ProviderIndex, tally: &mut Tally) -> Result<StepRecord, StepError> {
        let end = self.sessions.logout(provider).await;
        tally.detail = end.as_ref().map(|end| end.words(self.world.clock.now()));
        match end {
            None => {
                tally.detail = Some("nothing to close".to_owned());
                Ok(StepRecord { has_succeeded: true, ..StepRecord::default() })
            }
            Some(end) => match end.failure(&self.plan.provider(provider).name, self.world.clock.now()) {
                Some(trouble) => Err(self.error(trouble)),
                None => Ok(StepRecord { has_succeeded: true, ..StepRecord::default() }),
            },
        }
    }

    /// Keeps a secret in the user's store. The redactor learns it first.
    pub async fn store(
        &self,
        step: &PlannedStep,
        target: &StoreTarget,
        value: &Template,
        stage: &Stage,
        tally: &mut Tally,
    ) -> Result<StepRecord, StepError> {
        let scope = self.scope(stage, &Moment::of(self.world), &own_expressions(step)).await?;
        let evaluated = Value::of_template(value, &scope, self.events.redactor());
        let evaluated = evaluated.map_err(|error| self.evaluation_error(&error))?;
        let Some(text) = json_to_text(&evaluated.json).filter(|text| !text.is_empty()) else {
            let headline = format!("there is nothing to keep as `{target}`: the value is empty");
            return Err(self.error(FailureDraft::new(Cause::Step, headline).at(value.span())));
        };
        self.events.learn(&target.to_string(), &text);
        let (key, origins) = self.place_in_store(target);
        let store = &self.world.store;
        let kept = stage.limits.finish(self.world, store.set(&key, &text.into(), &origins)).await;
        let kept =
            kept.map_err(|interruption| self.interrupted(interruption, "the keeping of the secret"))?;
        kept.map_err(|error| {
            let headline = format!("`{target}` could not be kept: {error}");
            self.error(FailureDraft::new(Cause::Machine, headline))
        })?;
        tally.detail = Some(format!("{target} → {}", store.name()));
        Ok(StepRecord { has_succeeded: true, ..StepRecord::default() })
    }

    /// Where a secret is kept, and for which origins.
    pub fn place_in_store(&self, target: &StoreTarget) -> (StoreKey, Vec<String>) {
        match target {
            StoreTarget::Secret(name) => (StoreKey::secret(name), Vec::new()),
            StoreTarget::Credential { provider, provider_name, credential } => {
                let account = self.sessions.account(*provider);
                let origins = account.realm().origins().iter().map(ToString::to_string).collect();
                (StoreKey::credential(provider_name, account.profile(), credential), origins)
            }
        }
    }
}
