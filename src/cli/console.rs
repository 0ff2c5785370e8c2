//! What the commands that deal with one provider have in common: their world, their messages.

use super::refusal::Refusal;
use super::subject::{PlaybookSubjects, Subject};
use crate::event::{Event, EventKind, EventSink, Events, Failure};
use crate::exchange::Exchange;
use crate::model::exit::Cause;
use crate::model::redacted::Redacted;
use crate::model::redaction::Redactor;
use crate::plan::Options;
use crate::port::World;
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
    /// Warnings and errors.
    pub(super) err: &'a mut dyn Write,
    /// What the command line says that checks must know.
    pub(super) options: Options,
    /// Whose providers are meant, instead of those that are built in.
    pub(super) playbook: Option<PlaybookSubjects>,
}

impl Console<'_> {
    /// Says why nothing more is done, and what to do now.
    pub(super) fn stop(&mut self, cause: Cause, why: &str, advice: Option<&str>) -> Refusal {
        let written = self.explain("error", why, &[], advice);
        written.map_or_else(Refusal::from, |()| Refusal::said(cause))
    }

    /// Says what went wrong, all of it.
    pub(super) fn fail(&mut self, failures: &[Failure]) -> Refusal {
        for failure in failures {
            let details: Vec<&str> =
                failure.request.iter().chain(&failure.notes).map(Redacted::as_str).collect();
            let advice = failure.advice.as_ref().map(Redacted::as_str);
            if let Err(error) = self.explain("error", failure.headline.as_str(), &details, advice) {
                return error.into();
            }
        }
        let cause = Cause::heaviest(failures.iter().map(|failure| failure.cause));
        Refusal::said(cause.unwrap_or(Cause::SignIn))
    }

    pub(super) fn explain(
        &mut self,
        kind: &str,
        what: &str,
        details: &[&str],
        advice: Option<&str>,
    ) -> io::Result<()> {
        writeln!(self.err, "{kind}: {what}")?;
        for detail in details {
            writeln!(self.err, "  {detail}")?;
        }
        match advice {
            Some(advice) => writeln!(self.err, "  what now: {advice}"),
            None => Ok(()),
        }
    }

    pub(super) fn warn(&mut self, what: &str) -> io::Result<()> {
        self.explain("warning", what, &[], None)
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
        (Setup { plan, inputs, logins, exchange }, warnings)
    }

    /// Says the warnings so far.
    pub(super) fn say(&mut self, warnings: &RefCell<Warnings>) -> io::Result<()> {
        let texts = std::mem::take(&mut warnings.borrow_mut().0);
        texts.iter().try_for_each(|text| self.warn(text.as_str()))
    }
}

/// The warnings among the events; the rest is the command's own business.
#[derive(Default)]
pub(super) struct Warnings(Vec<Redacted>);

impl EventSink for Warnings {
    fn receive(&mut self, event: &Event) {
        if let EventKind::Warning { text } = &event.kind {
            self.0.push(text.clone());
        }
    }
}
