//! The place of one provider's session, and what is kept there.

use super::choice::{choose, look_up_all, other_ways};
use super::failure;
use super::freshness::Life;
use super::values::SessionValues;
use super::wallet::{Given, Looked};
use super::{Account, PlannedLogin, SignInFailure};
use crate::event::{Events, Failure};
use crate::plan::PlannedMethod;
use crate::port::OpenSession;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use tokio::sync::Mutex;

/// The number of a session's tokens: it grows with each login and refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub(super) u64);

/// The place of one provider's session.
pub struct Seat {
    pub account: Account,
    /// Whoever opens, prolongs or closes the session holds it; the others wait and then find it done.
    pub gate: Mutex<()>,
    pub session: RefCell<Option<Session>>,
    /// Sessions that are not used any more and not closed yet, the newest last.
    pub retired: RefCell<Vec<Session>>,
    generations: Cell<u64>,
    /// Logins that failed: not sent again in this run.
    refused: RefCell<Vec<Refused>>,
}

struct Refused {
    method: String,
    given: Given,
    failure: SignInFailure,
    holds: Holds,
}

/// For whom the failure of a login holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// For the rest of the run: it was refused.
    Always,
    /// For the steps: its answers were lost, and cleanup tries it all the same.
    InSteps,
    /// For cleanup.
    InCleanup,
}

/// A login that is wanted.
pub struct Login {
    /// The method's place in the provider's list.
    pub method: usize,
    pub given: Given,
    /// No step asked for it.
    pub is_implicit: bool,
    /// It replaces a session that was refused.
    pub is_on_trial: bool,
    /// The same credentials have opened a session in this run.
    pub is_proven: bool,
    /// How long its session will live, if that can be foreseen.
    pub lasts: Option<Duration>,
}

/// An open session.
#[derive(Clone)]
pub struct Session {
    /// The method's place in the provider's list.
    pub method: usize,
    pub given: Given,
    pub values: SessionValues,
    pub life: Life,
    pub generation: Generation,
    pub order: u64,
    pub account_name: Option<String>,
    /// These tokens replace refused ones, or nobody has signed in for them, and no answer has shown yet that they work.
    pub is_on_trial: bool,
    /// The provider does not take it any more. What it could be renewed by may live on all the same.
    pub has_ended: bool,
    /// What stands of it in the ledger; `None` where no request signs in.
    pub record: Option<OpenSession>,
    /// What stands in the ledger of a refresh of it whose answer was lost.
    pub unanswered_refresh: Option<OpenSession>,
}

impl Seat {
    /// The place for the session of an account, empty.
    pub fn new(account: Account) -> Self {
        Self {
            account,
            gate: Mutex::new(()),
            session: RefCell::default(),
            retired: RefCell::default(),
            generations: Cell::new(0),
            refused: RefCell::default(),
        }
    }

    /// A way to sign in, by its place in the provider's list.
    pub fn method(&self, index: usize) -> &PlannedMethod {
        &self.account.provider().methods[index]
    }

    /// Takes the session out of use, if one is open. It stays until its closing has come to an end, however often that
    /// is cut off.
    pub fn retire(&self) {
        let session = self.session.borrow_mut().take();
        self.retired.borrow_mut().extend(session);
    }

    /// The number of new tokens.
    pub fn next_generation(&self) -> Generation {
        self.generations.set(self.generations.get() + 1);
        Generation(self.generations.get())
    }

    /// The method that is taken, its credentials looked up.
    ///
    /// # Errors
    /// The first credential that is missing, or that there is no such method.
    pub async fn choose(
        &self,
        wanted: Option<&str>,
        given: &[String],
        events: &Events,
    ) -> Result<usize, SignInFailure> {
        let missing = match self.prepare(wanted, given, events).await {
            Ok(method) => return Ok(method),
            Err(failures) => failures,
        };
        let first = missing.into_iter().next();
        Err(first.unwrap_or_else(|| failure::no_method(wanted, &self.account, events)).into())
    }

    /// As [`Seat::choose`], with all that is missing.
    pub async fn prepare(
        &self,
        wanted: Option<&str>,
        given: &[String],
        events: &Events,
    ) -> Result<usize, Vec<Failure>> {
        let (provider, wallet) = (self.account.provider(), &self.account.wallet);
        let Some(method) = choose(provider, wanted, given, wallet, events).await else {
            return Err(vec![failure::no_method(wanted, &self.account, events)]);
        };
        let missing = look_up_all(self.method(method), given, wallet).await;
        let mut failures: Vec<Failure> =
            missing.iter().map(|missing| failure::missing(missing, &self.account, events)).collect();
        let Some(first) = failures.first_mut() else { return Ok(method) };
        let ways = other_ways(provider, wanted, given, method, wallet).await;
        first.notes.extend(ways.iter().map(|way| events.clean(way)));
        Err(failures)
    }

    /// The credentials that a login would use. Those that it may do without are in it only if they are there.
    pub async fn named_by_login(&self, login: &PlannedLogin, events: &Events) -> Vec<String> {
        let (provider, wallet) = (self.account.provider(), &self.account.wallet);
        let method = choose(provider, login.method.as_deref(), &login.given, wallet, events).await;
        let Some(method) = method.map(|method| self.method(method)) else { return Vec::new() };
        let mut names = Vec::new();
        for name in method.required.iter().chain(&method.used) {
            let is_new = !names.contains(name) && !login.given.contains(name);
            let is_needed = method.required.contains(name);
            if is_new && (is_needed || !matches!(wallet.get(name).await, Looked::Missing(_))) {
                names.push(name.clone());
            }
        }
        names
    }

    /// The failure of a login that failed before.
    pub fn refusal(&self, method: usize, given: &Given, is_cleanup: bool) -> Option<SignInFailure> {
        let method = &self.method(method).name;
        let refused = self.refused.borrow();
        let holds = |known: &Refused| match known.holds {
            Holds::Always => true,
            Holds::InSteps => !is_cleanup,
            Holds::InCleanup => is_cleanup,
        };
        let is_same = |known: &&Refused| known.method == *method && known.given == *given && holds(known);
        refused.iter().find(is_same).map(|known| known.failure.clone())
    }

    /// The failure of credentials that are the open session by themselves and were refused.
    pub fn refusal_of_open(&self) -> Option<SignInFailure> {
        let session = self.session.borrow();
        let session = session.as_ref().filter(|session| !self.has_login(session))?;
        self.refusal(session.method, &session.given, false)
    }

    /// Whether a request has opened a session, or could open one anew: else it is the credentials themselves.
    pub fn has_login(&self, session: &Session) -> bool {
        !self.method(session.method).auth.login.0.is_empty()
    }

    /// Keeps in mind that a login is of no use: it is not sent again.
    pub fn remember_refusal(&self, method: usize, given: &Given, failure: SignInFailure, holds: Holds) {
        let method = self.method(method).name.clone();
        self.refused.borrow_mut().push(Refused { method, given: given.clone(), failure, holds });
    }
}
