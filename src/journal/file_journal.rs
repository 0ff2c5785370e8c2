//! The journal of a run on disk.

use super::left::LeftJournal;
use super::log::Log;
use super::record::{Begun, Intent, Record, RecordedOutcome};
use super::recording::open;
use super::state_dir::{StateDir, StateDirError, StateFolder};
use crate::event::{Event, EventKind, EventSink};
use crate::port::{
    Begin, Cancellation, Class, Clock, Deed, End, Journal, JournalError, Known, Memory, Outcome, Place, Ran,
    SecretStore, StoreKey,
};
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// What a journal asks of the world.
#[derive(Clone)]
pub struct JournalPorts {
    /// The time.
    pub clock: Rc<dyn Clock>,
    /// The wish that the run ends.
    pub cancellation: Cancellation,
    /// Where secrets are kept that steps bring; `None` = nowhere.
    pub store: Option<Rc<dyn SecretStore>>,
}

/// The journal of a run: one file, to which lines are added. Clones share it.
#[derive(Clone)]
pub struct FileJournal(Rc<Inner>);

struct Inner {
    log: Log,
    ports: JournalPorts,
    run: String,
    memory: Memory,
    /// The length of the file behind the last outcome of a write: what follows it waits until that is durable.
    outcomes_end: Cell<u64>,
    /// The names of the secrets that deeds of earlier processes have brought.
    secret_names: HashMap<Place, Vec<String>>,
    /// The secrets that are kept for those who take the run up.
    kept: RefCell<Vec<StoreKey>>,
}

impl FileJournal {
    /// Begins the journal of a new run.
    ///
    /// # Errors
    /// When it cannot be written there.
    pub fn create(state: &StateDir, begun: Begun, ports: JournalPorts) -> Result<Self, JournalError> {
        let folder = state.folder(StateFolder::Runs).map_err(|error| refused(state, &error))?;
        let log = Log::create(&path_of(&folder, &begun.run))?;
        Self::of(log, begun, HashMap::new(), HashMap::new(), ports)
    }

    /// Goes on with the journal of a run that a process before has left. `begun` makes its record of what is known.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn take_up(left: LeftJournal, begun: Begun, ports: JournalPorts) -> Result<Self, JournalError> {
        let (log, recording) = left.go_on()?;
        Self::of(log, begun, recording.known(), recording.secret_names(), ports)
    }

    fn of(
        log: Log,
        begun: Begun,
        known: HashMap<Place, Known>,
        secret_names: HashMap<Place, Vec<String>>,
        ports: JournalPorts,
    ) -> Result<Self, JournalError> {
        let run = begun.run.clone();
        log.add(&Record::Begun(Box::new(begun)))?;
        log.write()?;
        let kept =
            secret_names.iter().flat_map(|(place, names)| names.iter().map(|name| key(&run, place, name)));
        let kept = RefCell::new(kept.collect());
        Ok(Self(Rc::new(Inner {
            log,
            memory: Memory::new(ports.clock.clone(), known),
            ports,
            run,
            outcomes_end: Cell::new(0),
            secret_names,
            kept,
        })))
    }

    /// Of how many deeds it remembers something.
    #[cfg(test)]
    pub fn remembered(&self) -> usize {
        self.0.memory.remembered()
    }

    /// Why not all of it could be written.
    pub fn error(&self) -> Option<JournalError> {
        self.0.log.error()
    }

    /// Forgets the secrets that were kept for those who take the run up, if nobody can any more.
    pub async fn forget_secrets(&self) {
        let Some(store) = &self.0.ports.store else { return };
        // What cannot be read back may be gone on with, for all that is known.
        let is_over = || open(self.0.log.path()).is_ok_and(|recording| recording.is_over());
        if self.0.kept.borrow().is_empty() || !is_over() {
            return;
        }
        for key in self.0.kept.take() {
            // What cannot be deleted stays where only its owner reads it.
            let _ = store.delete(&key).await;
        }
    }
}

impl Inner {
    async fn perform(&self, deed: &Deed, work: LocalBoxFuture<'_, Outcome>) -> Result<Ran, JournalError> {
        let (now, earlier) = match self.memory.begin(deed) {
            Begin::Not(Ran::Before(outcome)) => {
                self.memory.forget(deed);
                return Ok(Ran::Before(self.with_secrets(deed, outcome).await));
            }
            Begin::Not(ran) => return Ok(ran),
            Begin::At(now, earlier) => (now, earlier),
        };
        self.announce(deed, now).await?;
        let outcome = work.await;
        // What was done stays done, whether or not it can be written down: the next deed finds the journal broken.
        let _ = self.conclude(deed, outcome).await;
        Ok(Ran::Now(earlier))
    }

    /// Writes down what is about to be done.
    async fn announce(&self, deed: &Deed, now: jiff::Timestamp) -> Result<(), JournalError> {
        match deed.class {
            Class::Composed => self.error().map_or(Ok(()), Err),
            Class::Read if !self.log.is_durable_up_to(self.outcomes_end.get()) => self.log.commit().await,
            Class::Read => self.error().map_or(Ok(()), Err),
            Class::Idempotent { .. } | Class::Once => {
                self.log.add(&Record::Intent(Intent {
                    at: now,
                    place: deed.place.clone(),
                    class: deed.class.clone(),
                    account: deed.account.clone(),
                    words: deed.words.clone(),
                    request: deed.request.clone(),
                    attempt: deed.attempt,
                    is_surely_undone: deed.is_surely_undone,
                }))?;
                self.log.commit().await?;
                self.memory.announce(deed, now);
                Ok(())
            }
        }
    }

    fn error(&self) -> Option<JournalError> {
        self.log.error()
    }

    /// Writes down what came of it.
    async fn conclude(&self, deed: &Deed, outcome: Outcome) -> Result<(), JournalError> {
        let is_write = deed.class.is_write();
        if !is_write && outcome.end != End::Done {
            return Ok(());
        }
        let secrets = self.keep_secrets(deed, &outcome).await;
        self.log.add(&Record::Outcome(RecordedOutcome {
            place: deed.place.clone(),
            end: outcome.end,
            value: outcome.value.clone(),
            secrets,
        }))?;
        self.memory.conclude(deed, outcome);
        self.memory.forget(deed);
        if is_write {
            self.outcomes_end.set(self.log.end());
        }
        // A read that is lost with its process is done again.
        if deed.class == Class::Read { Ok(()) } else { self.log.write() }
    }

    /// Keeps the secrets that a deed brought in the user's store, if there is one. Returns the names of all.
    async fn keep_secrets(&self, deed: &Deed, outcome: &Outcome) -> Vec<String> {
        let names = outcome.secrets.iter().map(|(name, _)| name.clone()).collect();
        let Some(store) = self.ports.store.as_ref().filter(|_| !outcome.secrets.is_empty()) else {
            return names;
        };
        for (name, secret) in &outcome.secrets {
            // Where there is no keychain it is lost with this process; `resume` says so where it is missed.
            let key = key(&self.run, &deed.place, name);
            if store.set(&key, secret, &[]).await.is_ok() {
                self.kept.borrow_mut().push(key);
            }
        }
        names
    }

    /// The outcome with the secrets that were kept of it.
    async fn with_secrets(&self, deed: &Deed, mut outcome: Outcome) -> Outcome {
        let Some(store) = self.ports.store.as_ref().filter(|_| outcome.secrets.is_empty()) else {
            return outcome;
        };
        for name in self.secret_names.get(&deed.place).into_iter().flatten() {
            if let Ok(Some(secret)) = store.get(&key(&self.run, &deed.place, name), &[]).await {
                outcome.secrets.push((name.clone(), secret));
            }
        }
        outcome
    }
}

/// Where a secret is kept that a deed has brought.
pub(super) fn key(run: &str, place: &Place, name: &str) -> StoreKey {
    StoreKey { service: "runner/journal".to_owned(), user: format!("{run}/{place}/{name}") }
}

/// The file of a run.
pub fn path_of(folder: &Path, run: &str) -> PathBuf {
    folder.join(format!("{run}.journal"))
}

fn refused(state: &StateDir, error: &StateDirError) -> JournalError {
    JournalError { path: state.path().display().to_string(), reason: error.to_string() }
}

impl Journal for FileJournal {
    fn run<'a>(
        &'a self,
        deed: &'a Deed,
        work: LocalBoxFuture<'a, Outcome>,
    ) -> LocalBoxFuture<'a, Result<Ran, JournalError>> {
        self.0.perform(deed, work).boxed_local()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'_, ()> {
        self.0.ports.clock.sleep(duration)
    }

    fn cancelled(&self) -> LocalBoxFuture<'_, i32> {
        self.0.ports.cancellation.cancelled().boxed_local()
    }
}

/// Events are written down as they happen, and are in the file when a step ends.
impl EventSink for FileJournal {
    fn receive(&mut self, event: &Event) {
        // A broken journal is found by whoever asks for its error.
        let _ = match &event.kind {
            EventKind::StepProgress { .. } => Ok(()),
            EventKind::RunFinished { .. } => {
                let added = self.0.log.add(&Record::Event(event.clone()));
                added.and_then(|()| self.0.log.commit_now())
            }
            EventKind::StepFinished { .. }
            | EventKind::SessionOpened { .. }
            | EventKind::SessionClosed { .. }
            | EventKind::SimulatorsCounted { .. }
            | EventKind::CleanupStarted { .. } => {
                self.0.log.add(&Record::Event(event.clone())).and_then(|()| self.0.log.write())
            }
            _ => self.0.log.add(&Record::Event(event.clone())),
        };
    }
}
