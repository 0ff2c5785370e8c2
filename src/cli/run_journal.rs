//! The journal of a run, begun or gone on with.

use super::args::ApplyArgs;
use super::at_work::refuse_at_work;
use super::refusal::Refusal;
use crate::engine::{RunIdentity, RunOptions, TakenUp, displaced};
use crate::journal::{
    Begun, FileJournal, JournalPorts, LeftJournal, RunFile, StateDir, TakeUpError, VERSION, writes_left,
};
use crate::model::exit::Cause;
use crate::model::hex::hex;
use crate::model::redacted::Redacted;
use crate::model::redaction::Redactor;
use crate::model::visible::visible;
use crate::plan::Plan;
use crate::port::{JournalError, World};
use crate::source::SourceMap;
use sha2::{Digest, Sha256};
use std::rc::Rc;

/// A run that an earlier process has left.
pub(super) struct Earlier {
    /// Its journal, kept from other processes.
    pub(super) left: LeftJournal,
    /// What is known of its beginning.
    pub(super) begun: Begun,
    /// Whether the playbook may have changed since.
    pub(super) accepts_changes: bool,
    /// Whether it may go on with another account.
    pub(super) accepts_account: bool,
    /// Whether only its cleanup is wanted.
    pub(super) is_given_up: bool,
}

impl Earlier {
    /// Lets a run begin as this one that goes on.
    pub(super) fn add_to(&self, options: &mut RunOptions, redactor: &Redactor) {
        let RunOptions { inputs, identity, taken_up, .. } = options;
        inputs.clone_from(&self.begun.inputs);
        *identity = Some(RunIdentity { id: self.begun.run.clone(), started_at: self.begun.started_at });
        let recording = self.left.recording();
        let left = TakenUp::of(recording.events(), writes_left(recording));
        *taken_up = Some(match self.is_given_up {
            true => left.give_up(recording.last_events(), redactor),
            false => left,
        });
    }

    /// Refuses a playbook that has changed: what was done may mean something else in it.
    ///
    /// # Errors
    /// When it has.
    pub(super) fn refuse_changes(&self, sources: &SourceMap) -> Result<(), Refusal> {
        if self.accepts_changes || self.begun.digest == digest(sources) {
            return Ok(());
        }
        Err(Refusal::usage(format!(
            "{} has changed since run {} began, or a definition that it uses, or the program; nothing was sent. \
             `--changed-playbook` goes on all the same: steps are known by their ids and names",
            self.begun.playbook, self.begun.run
        )))
    }

    /// Refuses a changed playbook in which something that was done has no place any more: it would be done again, or never
    /// be undone.
    ///
    /// # Errors
    /// When there is such a write.
    pub(super) fn refuse_displaced(
        &self,
        plan: &Plan,
        sources: &SourceMap,
        options: &RunOptions,
    ) -> Result<(), Refusal> {
        let Some(taken_up) = options.taken_up.as_ref().filter(|_| self.begun.digest != digest(sources))
        else {
            return Ok(());
        };
        let displaced = displaced(plan, &options.selection, &taken_up.writes);
        if displaced.is_empty() {
            return Ok(());
        }
        let Begun { playbook, run, .. } = &self.begun;
        Err(Refusal::usage(format!(
            "run {run} cannot go on with {playbook} as it is now; nothing was sent\n  {}\n  what now: give each of them back \
             the step that it was, with its id or name, its place and its request, then `runner resume {run} \
             --changed-playbook`; or undo by hand what was done, and run the playbook anew",
            displaced.join("\n  ")
        )))
    }

    /// Refuses another account than the run has worked with: what was done there would not be done here, nor undone.
    ///
    /// # Errors
    /// When it is another one.
    pub(super) fn refuse_account(&self, words: &[String], redactor: &Redactor) -> Result<(), Refusal> {
        let Some(before) = self.begun.account.as_ref().filter(|_| !self.accepts_account) else {
            return Ok(());
        };
        let now: Vec<_> = words.iter().map(|word| redactor.clean(word)).collect();
        if *before == now {
            return Ok(());
        }
        let only = |these: &[Redacted], those: &[Redacted]| {
            let only = these.iter().filter(|word| !those.contains(word));
            let only: Vec<_> = only.map(|word| format!("`{}`", visible(word.as_str()))).collect();
            if only.is_empty() { "nothing else".to_owned() } else { only.join(", ") }
        };
        Err(Refusal::usage(format!(
            "run {} was begun with another account: {} then, {} now; nothing was sent. Go on as it was begun, or with \
             `--changed-account` if both are the same account",
            self.begun.run,
            only(before, &now),
            only(&now, before)
        )))
    }
}

/// What is run.
pub(super) struct Subject<'a> {
    /// What the command line says.
    pub(super) args: &'a ApplyArgs,
    /// What is done.
    pub(super) plan: &'a Plan,
    /// The files that it was made of.
    pub(super) sources: &'a SourceMap,
    /// What names the account.
    pub(super) account: &'a [String],
}

/// Begins the journal of a run, or goes on with that of an earlier process, and lets the world have it.
///
/// # Errors
/// When it cannot be written. Nothing was sent.
pub(super) fn begin(
    subject: &Subject<'_>,
    options: &mut RunOptions,
    state: &StateDir,
    earlier: Option<Earlier>,
    redactor: &Redactor,
    world: &mut World,
) -> Result<FileJournal, JournalError> {
    let Subject { args, plan, sources, account } = *subject;
    let identity = options.identity.get_or_insert_with(|| RunIdentity::new(world));
    let begun = Begun {
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        run: identity.id.clone(),
        started_at: identity.started_at,
        at: world.clock.now(),
        pid: std::process::id(),
        playbook: absolute(&args.playbook),
        name: redactor.clean(&plan.name),
        digest: digest(sources),
        folder: std::env::current_dir().unwrap_or_default(),
        is_simulated: args.simulate,
        arguments: serde_json::to_value(args).expect("plain data"),
        account: (!args.simulate).then(|| account.iter().map(|word| redactor.clean(word)).collect()),
        inputs: options.inputs.clone(),
    };
    let store = (!args.simulate).then(|| world.store.clone());
    let ports = JournalPorts { clock: world.clock.clone(), cancellation: world.cancellation.clone(), store };
    let journal = match earlier {
        None => FileJournal::create(state, begun, ports),
        Some(earlier) => FileJournal::take_up(earlier.left, begun, ports),
    }?;
    world.journal = Rc::new(journal.clone());
    Ok(journal)
}

/// The journal that a run has left.
///
/// # Errors
/// When the run is at work, or its journal cannot be gone on with.
pub(super) fn left(run: &RunFile) -> Result<LeftJournal, Refusal> {
    LeftJournal::open(&run.path).map_err(|error| match error {
        TakeUpError::Busy => refuse_at_work(run, run.read().ok().as_ref()),
        error => refusal(&error),
    })
}

/// Why a journal cannot be begun or gone on with.
pub(super) fn refusal(error: &TakeUpError) -> Refusal {
    match error {
        TakeUpError::Busy => Refusal { cause: Cause::Busy, reasons: vec![error.to_string()] },
        TakeUpError::Damaged { .. } => Refusal { cause: Cause::Machine, reasons: vec![error.to_string()] },
        _ => Refusal { cause: Cause::Machine, reasons: vec![format!("{error}; nothing was sent")] },
    }
}

/// Refuses what is asked of a run of which nothing is told.
pub(super) fn refuse_unbegun(run: &str) -> Refusal {
    Refusal::usage(format!(
        "run {run} ended before it began: its journal holds nothing, and nothing is sent before it does; run the playbook anew"
    ))
}

/// SHA-256 of all files that a plan was made of.
fn digest(sources: &SourceMap) -> String {
    let mut digest = Sha256::new();
    for (_, file) in sources.iter() {
        digest.update((file.text().len() as u64).to_be_bytes());
        digest.update(file.text().as_bytes());
    }
    hex(&digest.finalize())
}

fn absolute(path: &std::path::Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
