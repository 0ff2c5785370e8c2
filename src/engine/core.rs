use super::cleanup::Cleanup;
use super::course::Course;
use super::error::StepError;
use super::idempotency::UsedKeys;
use super::limits::{Interruption, Limits};
use super::places::Places;
use super::references::names_below;
use super::scope::RunNames;
use super::secrets;
use super::selection::Selection;
use super::stage::Stage;
use super::taken_up::TakenUp;
use crate::event::{Events, Failure, FailureDraft};
use crate::exchange::{Breaker, Exchange, Origin, Realms, RenderError};
use crate::model::exit::Cause;
use crate::model::words::{counted, shell_quoted};
use crate::plan::{Plan, PlannedSecret};
use crate::port::World;
use crate::session::{Sessions, SignInFailure};
use crate::source::{SourceMap, Span};
use crate::template::{Data, EvaluationError, Expression, Moment, Scope};
use futures_util::future::LocalBoxFuture;

/// A run at work: the plan, the world, and what has happened so far.
pub struct Engine<'a> {
    /// What is to be done.
    pub plan: &'a Plan,
    /// The files that it was read from, for the places in failures.
    pub sources: &'a SourceMap,
    /// Which of its steps are to be done.
    pub selection: &'a Selection,
    /// The ports.
    pub world: &'a World,
    /// Where everything is told.
    pub events: &'a Events,
    /// What sends requests.
    pub exchange: Exchange,
    /// Where requests go that have no provider.
    pub realms: Realms,
    /// What signs them.
    pub sessions: Sessions,
    /// By which names the journal knows the steps.
    pub places: Places,
    /// What an earlier process has left of this run.
    pub taken_up: Option<&'a TakenUp>,
    /// Whether its providers end with it, so that nothing can go on with it.
    pub is_simulated: bool,
    /// The names that hold for the whole run.
    pub names: RunNames,
    /// The time that the steps have.
    pub limits: Limits,
    /// The idempotency keys that were used.
    pub keys: UsedKeys,
    /// What is to be undone.
    pub cleanup: Cleanup<'a>,
    /// What has happened so far.
    pub course: Course,
}

impl Engine<'_> {
    /// The failure of a step.
    pub fn error(&self, trouble: FailureDraft) -> StepError {
        trouble.into_failure(self.events, self.sources, None).into()
    }

    /// The failure of an expression.
    pub fn evaluation_error(&self, error: &EvaluationError) -> StepError {
        self.error(FailureDraft::evaluation(error))
    }

    /// The failure of a request that could not be rendered.
    pub fn render_error(&self, error: &RenderError, subject: &str) -> StepError {
        let headline = format!("{subject} cannot be sent: {error}");
        self.error(FailureDraft::new(Cause::Step, headline).at(error.span()))
    }

    /// Work that ended before it was done, nothing of it in flight.
    pub fn interrupted(&self, interruption: Interruption, what: &str) -> StepError {
        let error = self.error(FailureDraft::interruption(interruption, what).advice(self.rerun_advice()));
        StepError { is_interruption: interruption.ends_run(), ..error }
    }

    /// Waits for a sign-in. `what` says what it was for, if there is no time left for it.
    ///
    /// # Errors
    /// When the provider does not let us in, or the time is over.
    pub async fn sign_in<T>(
        &self,
        limits: &Limits,
        what: &str,
        sign_in: LocalBoxFuture<'_, Result<T, SignInFailure>>,
    ) -> Result<T, StepError> {
        let end = limits.finish_sign_in(self.world, sign_in).await;
        let end = end.map_err(|interruption| self.interrupted_sign_in(interruption, what))?;
        end.map_err(|failure| {
            let is_not_begun = failure.is_not_begun();
            let mut failure = failure.into_failure();
            if failure.cause == Cause::Unavailable {
                let advice = failure.advice.take();
                failure.advice =
                    advice.map(|advice| self.events.clean(self.minding_writes(&advice.to_string())));
            }
            match is_not_begun {
                true => self.not_begun(failure),
                false => failure.into(),
            }
        })
    }

    /// Refuses to begin a request to an origin that is left alone. Cleanup is tried all the same.
    pub fn refuse_left_alone(&self, is_cleanup: bool, origin: Option<Origin>) -> Result<(), StepError> {
        let Some(origin) = self.exchange.left_alone(origin).filter(|_| !is_cleanup) else { return Ok(()) };
        let why = FailureDraft::new(Cause::Unavailable, Breaker::words(&origin)).advice(self.rerun_advice());
        Err(self.not_begun(why.into_failure(self.events, self.sources, None)))
    }

    fn not_begun(&self, why: Failure) -> StepError {
        self.course.note_not_begun(why);
        StepError::not_begun()
    }

    /// A sign-in that was given up. Whether it may have opened a session is known, and told, where its requests are sent.
    fn interrupted_sign_in(&self, interruption: Interruption, what: &str) -> StepError {
        let advice = match self.course.is_safe_to_rerun() {
            true => "run it again later".to_owned(),
            false => self.rerun_advice(),
        };
        let error = self.error(FailureDraft::interruption(interruption, what).advice(advice));
        StepError { is_interruption: interruption.ends_run(), ..error }
    }

    /// What to do about what passes by itself.
    pub fn rerun_advice(&self) -> String {
        self.minding_writes("run it again later")
    }

    /// The advice to run it again, with what was done that would then be done twice, and how to leave that out.
    pub fn minding_writes(&self, advice: &str) -> String {
        let again = |writes: u64| if writes == 1 { "doing it again does" } else { "doing them again does" };
        match self.course.repeatable() {
            _ if !self.course.written().is_empty() => self.naming_writes(advice),
            (0, 0) if self.course.has_written_before() => advice.to_owned(),
            (0, 0) => format!("{advice}; nothing is half done"),
            (done, 0) => {
                let were = if done == 1 { "was" } else { "were" };
                format!("{advice}; {} {were} done, and {} no harm", counted(done, "write"), again(done))
            }
            (done, maybe) => {
                let (all, again) = (counted(done + maybe, "write"), again(done + maybe));
                format!("{advice}; {all} may have been done, and {again} no harm")
            }
        }
    }

    /// As [`Engine::minding_writes`], where `advice` itself says what is half done.
    pub fn naming_writes(&self, advice: &str) -> String {
        let written = self.course.written();
        if written.is_empty() {
            return advice.to_owned();
        }
        let names = written.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let can_begin = |name: &String| {
            !written.contains(name) && Selection::of(self.plan, &[], Some(name.as_str())).is_ok()
        };
        let begin = self.course.current().filter(can_begin);
        let remedy = begin
            .map(|name| format!("; `--from {}` leaves that out", shell_quoted(&name)))
            .unwrap_or_default();
        format!("{advice}, but mind what this run has done and would do again: {names}{remedy}")
    }

    /// Adds the place of the step, unless the failure has a better one.
    pub fn placed(&self, error: StepError, span: Span) -> StepError {
        let failure = error.failure.map(|mut failure| {
            failure.place.get_or_insert_with(|| self.events.clean(self.sources.place(span)));
            failure
        });
        StepError { failure, ..error }
    }

    /// What the templates of a step see. Secrets that hold once are fetched here, if one of `expressions` reads them.
    ///
    /// # Errors
    /// When no source has such a secret.
    pub async fn scope(
        &self,
        stage: &Stage,
        moment: &Moment,
        expressions: &[&Expression],
    ) -> Result<Scope, StepError> {
        let has_failed = stage.is_cleanup.then(|| Data::Json(self.course.has_failed().into()));
        let mut scope = self.names.scope(moment, &stage.frame, has_failed);
        let read = names_below("secrets", expressions);
        let mut fresh = Vec::new();
        for secret in self.plan.secrets.iter().filter(|secret| secret.is_one_time) {
            if read.contains(secret.name.as_str()) {
                fresh.push((secret.name.clone(), self.fetch_secret(secret, stage).await?));
            }
        }
        if !fresh.is_empty() {
            let known = self.names.secrets.iter().cloned();
            scope.set("secrets", Data::Map(known.chain(fresh).collect()));
        }
        Ok(scope)
    }

    async fn fetch_secret(&self, secret: &PlannedSecret, stage: &Stage) -> Result<Data, StepError> {
        let what = format!("the question for `{}`", secret.name);
        let fetching = secrets::fetch(self.world, self.events, secret, &self.plan.folder, &self.names);
        let found = stage.limits.wait(self.world, fetching).await;
        let found = found.map_err(|interruption| self.interrupted(interruption, &what))?;
        found.map_err(|trouble| self.error(*trouble))
    }
}
