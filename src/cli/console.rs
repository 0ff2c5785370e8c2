//! What the commands that deal with one provider have in common: their world, their messages.

use super::refusal::Refusal;
use super::subject::{PlaybookSubjects, Subject};
use crate::event::{Event, EventKind, EventSink, Events, Failure, FailureDraft};
use crate::exchange::Exchange;
use crate::model::exit::Cause;
use crate::model::redacted::Redacted;
use crate::model::redaction::Redactor;
use crate::plan::Options;
use crate::port::World;
use crate::report::{Look, Messages};
use crate::session::{PlannedLogin, Setup};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

/// Where a command lives: its world, and where it writes.
pub(super) struct Console<'a> {
    /// The ports.
    pub(super) world: World,
    /// What every text passes.
    pub(super) redactor: Redactor,
    /// What was asked for.
    pub(super) out: &'a mut dyn Write,
    /// How that looks.
    pub(super) look: Look,
    /// Warnings and errors.
    pub(super) messages: Messages,
    /// What the command line says that checks must know.
    pub(super) options: Options,
    /// Whose providers are meant, instead of those that are built in.
    pub(super) playbook: Option<PlaybookSubjects>,
}

impl Console<'_> {
    /// Writes a line of what was asked for. Odd characters in names that others chose are shown, not obeyed.
    pub(super) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.out, "{}", self.look.text(text))
    }

    /// Says why nothing more is done, and what to do now.
    pub(super) fn stop(&mut self, cause: Cause, why: &str, advice: Option<&str>) -> Refusal {
        let draft = FailureDraft { advice: advice.map(str::to_owned), ..FailureDraft::new(cause, why) };
        self.fail(&[draft.finish(&self.redactor)])
    }

    /// Says what went wrong, all of it.
    pub(super) fn fail(&mut self, failures: &[Failure]) -> Refusal {
        self.messages.failures(&failures.iter().collect::<Vec<_>>());
        let cause = Cause::heaviest(failures.iter().map(|failure| failure.cause));
        Refusal::said(cause.unwrap_or(Cause::SignIn))
    }

    pub(super) fn warn(&mut self, what: &str) {
        self.messages.warning(what);
    }

    /// What sessions with a provider are made from, and the warnings that they will give.
    pub(super) fn setup(
        &self,
        subject: &Subject,
        logins: Vec<PlannedLogin>,
    ) -> (Setup, Rc<RefCell<Warnings>>) {
        let warnings = Rc::new(RefCell::new(Warnings::default()));
        let events = Events::new(warnings.clone(), self.world.clock.clone(), self.redactor.clone());
        let exchange = Exchange::new(self.world.clone(), events);
        let Subject { plan, inputs } = subject.clone();
        let run = self.world.random.run_id();
        (Setup { plan, inputs, logins, exchange, run }, warnings)
    }

    /// Says the warnings so far.
    pub(super) fn say(&mut self, warnings: &RefCell<Warnings>) {
        let texts = std::mem::take(&mut warnings.borrow_mut().0);
        texts.iter().for_each(|text| self.warn(text.as_str()));
    }
}

/// The warnings among the events; the rest is the command's own business.
#[derive(Default)]
pub(super) struct Warnings(Vec<Redacted>);

impl EventSink for Warnings {
    fn receive(&mut self, event: &Event) {
        if let EventKind::Warning { text, .. } = &event.kind {
            self.0.push(text.clone());
        }
    }
}
