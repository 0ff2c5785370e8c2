//! What the commands that deal with one provider have in common: its plan, its messages.

use super::refusal::Refusal;
use crate::event::{Event, EventKind, EventSink, Events, Failure};
use crate::exchange::Exchange;
use crate::model::exit::Cause;
use crate::model::redacted::Redacted;
use crate::model::redaction::Redactor;
use crate::plan::{BUILT_IN, BuiltIn, Options, Plan, check_text};
use crate::port::World;
use crate::session::{PlannedLogin, Setup};
use crate::source::{Code, Severity, nearest};
use crate::template::Data;
use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;
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

    fn explain(&mut self, kind: &str, what: &str, details: &[&str], advice: Option<&str>) -> io::Result<()> {
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

    /// The built-in definition of a name.
    pub(super) fn built_in(&mut self, name: &str) -> Result<&'static BuiltIn, Refusal> {
        if let Some(known) = BuiltIn::find(name) {
            return Ok(known);
        }
        let names = BUILT_IN.map(|built_in| built_in.name);
        let advice = match nearest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("built in are {}", names.join(", ")),
        };
        Err(self.stop(Cause::Invalid, &format!("no provider `{name}` is built in"), Some(&advice)))
    }

    /// The plan of a playbook that does nothing but sign in to one built-in provider. What is wrong is said without its
    /// place: there is no such file.
    pub(super) fn plan(
        &mut self,
        provider: &BuiltIn,
        options: &Options,
        allow_http: bool,
    ) -> Result<Rc<Plan>, Refusal> {
        let name = provider.name;
        let text = format!(
            "version: 1\nproviders: {{ {name}: {{ allow_http: {allow_http} }} }}\nsteps: [{{ authenticate: {name} }}]\n"
        );
        let checked = check_text(Path::new("sign-in.yaml"), &text, options, &*self.world.surroundings);
        for diagnostic in checked.diagnostics.iter().filter(|one| one.severity == Severity::Error) {
            let advice = match diagnostic.code {
                Code::InsecureAddress => Some("use https (`--base-url`), or accept that with `--allow-http`"),
                _ => diagnostic.help.as_deref(),
            };
            self.explain("error", &diagnostic.message, &[], advice)?;
        }
        checked.plan.map(Rc::new).ok_or_else(|| Refusal::said(Cause::Invalid))
    }

    /// What sessions with the provider of [`Console::plan`] are made from, and the warnings that they will give.
    pub(super) fn setup(&self, plan: Rc<Plan>, logins: Vec<PlannedLogin>) -> (Setup, Rc<RefCell<Warnings>>) {
        let warnings = Rc::new(RefCell::new(Warnings::default()));
        let events = Events::new(warnings.clone(), self.world.clock.clone(), self.redactor.clone());
        let exchange = Exchange::new(self.world.clone(), events);
        (Setup { plan, inputs: Data::Map(Vec::new()), logins, exchange }, warnings)
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
