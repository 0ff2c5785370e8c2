//! Refused logins that outlive the run: the next one does not spend the next strike.

use super::credential_lock::replaced;
use super::left_open::{is_unanswered, ledger_words};
use super::seat::Seat;
use super::sessions::Sessions;
use super::visit::{Trouble, Visit};
use super::{SignInFailure, failure};
use crate::credential::FoundIn;
use crate::model::words;
use crate::plan::ProviderIndex;
use crate::port::{LoginKey, RefusedLogin};
use std::io;

impl Sessions {
    /// Refuses a login that was refused before, for as long as another refusal might lock the account. A person who types
    /// the credentials is not held up, nor are credentials from elsewhere: they may be right. Of what this process was
    /// refused itself its seats know better: other steps may give other credentials. A resumed run is another process.
    ///
    /// # Errors
    /// The failure of then, or why nobody knows of any.
    pub(super) async fn heed_earlier_refusal(&self, visit: &Visit<'_>) -> Result<(), SignInFailure> {
        if visit.method.auth.lockout.is_none() || visit.is_typed() {
            return Ok(());
        }
        let login = visit.login_key().await;
        let world = self.exchange.world();
        let now = world.clock.now();
        let noted = world.sign_ins.refusals(now);
        let noted = noted.map_err(|error| failure::no_state(&error, "nothing was sent", self.events()))?;
        noted.problems.iter().for_each(|problem| self.events().warn(problem));
        let own = self.own_refusals.borrow();
        let mut of_others = noted.records.iter().filter(|refusal| !own.contains(refusal));
        let refusal = of_others.find(|refusal| refusal.login == login);
        match refusal.and_then(|refusal| Some((refusal, refusal.holds_until(now)?))) {
            Some((refusal, until)) => Err(visit.describe_earlier_refusal(refusal, until).into()),
            None => Ok(()),
        }
    }

    /// The refusals at a provider that still hold, in words, and until when nobody tries again.
    ///
    /// # Errors
    /// When nobody can tell.
    pub fn known_refusals(&self, provider: ProviderIndex) -> io::Result<Vec<String>> {
        let (world, account) = (self.exchange.world(), self.account(provider));
        let now = world.clock.now();
        let noted = world.sign_ins.refusals(now)?;
        let (definition, origin) = (&account.provider().definition, account.sign_in_origin());
        let is_here =
            |login: &LoginKey| login.definition.as_str() == definition && login.origin.as_str() == origin;
        let refusals = noted.records.iter().filter(|refusal| is_here(&refusal.login)).filter_map(|refusal| {
            let (until, at) = (refusal.holds_until(now)?, words::moment(refusal.at, now));
            let RefusedLogin { login, answer, .. } = refusal;
            let until = words::moment(until, now);
            Some(format!(
                "it refused to sign in {} at {at} ({answer}); not tried again before {until}",
                login.account
            ))
        });
        Ok(noted.problems.iter().cloned().chain(refusals).collect())
    }

    /// Adds to a refusal who may have used up the credential that is refused, where each login replaces it: a run that was
    /// killed before it had read the answer. The ledger knows of the last one.
    pub(super) fn suspect(
        &self,
        seat: &Seat,
        visit: &Visit<'_>,
        trouble: &Trouble,
        failure: SignInFailure,
    ) -> SignInFailure {
        let Trouble::WrongAnswer { shot, is_refusal: true, .. } = trouble else { return failure };
        let spent =
            replaced(visit.method).into_iter().find(|name| shot.credentials.iter().any(|one| one == name));
        let (Some(spent), Ok(noted)) = (spent, self.exchange.world().sign_ins.ledger()) else {
            return failure;
        };
        let left = noted.records.into_iter().filter(|entry| !entry.is_in_use).map(|entry| entry.session);
        let left = left.filter(|left| is_unanswered(left) && seat.is_of(left));
        let left = left.filter(|left| left.profile.as_str() == seat.account.profile());
        match left.max_by_key(|left| left.opened_at) {
            Some(left) => {
                let what = ledger_words(&left, self.exchange.world().clock.now());
                let events = self.events();
                failure.with_note(
                    events.clean(format!("{what}, was never answered: it may have used up {spent}")),
                )
            }
            None => failure,
        }
    }

    /// Leaves word of a refusal for the lock-out time of its provider.
    pub(super) async fn remember_refusal(&self, visit: &Visit<'_>, trouble: &Trouble) {
        let Trouble::WrongAnswer { shot, answer, is_refusal: true, .. } = trouble else { return };
        let Some(lockout) = visit.method.auth.lockout.as_ref().filter(|_| !visit.is_typed()) else {
            return;
        };
        let (world, events) = (self.exchange.world(), self.events());
        let places = visit.places(&shot.credentials);
        let refusal = RefusedLogin {
            login: visit.login_key().await,
            run: self.run.clone(),
            at: world.clock.now(),
            lasts_ms: u64::try_from(lockout.duration.0.as_millis()).unwrap_or(u64::MAX),
            answer: events.clean(visit.answer_words(answer)),
            places: places.iter().map(|place| events.clean(place)).collect(),
        };
        if let Err(error) = world.sign_ins.remember(&refusal) {
            events.warn(format!(
                "the refused login is not remembered, so that the next run will try it again: {error}"
            ));
        }
        self.own_refusals.borrow_mut().push(refusal);
    }

    /// Forgets the refusal of a login that has succeeded. After a person's, all of that account are forgotten: whoever has
    /// signed in means to have put right what was wrong.
    pub(super) async fn forget_refusal(&self, visit: &Visit<'_>) {
        if visit.method.auth.lockout.is_none() {
            return;
        }
        let login = visit.login_key().await;
        let world = self.exchange.world();
        let mut forgotten = vec![login.clone()];
        if visit.is_typed()
            && let Ok(noted) = world.sign_ins.refusals(world.clock.now())
        {
            let known = noted.records.into_iter().map(|refusal| refusal.login);
            forgotten.extend(known.filter(|known| known.is_of_account(&login)));
        }
        for login in forgotten {
            if let Err(error) = world.sign_ins.forget(&login) {
                self.events()
                    .warn(format!("an earlier refusal of this login could not be forgotten: {error}"));
            }
        }
    }
}

impl Visit<'_> {
    /// Whether a person has typed any of the credentials.
    pub fn is_typed(&self) -> bool {
        let mut names = self.method.required.iter().chain(&self.method.used);
        *self.given_place == FoundIn::Prompt || names.any(|name| self.place_of(name) == Some(FoundIn::Prompt))
    }

    /// Whose login it is, and with which credentials.
    async fn login_key(&self) -> LoginKey {
        let events = self.exchange.events();
        let account = self.account_name().await;
        LoginKey {
            definition: events.clean(&self.account.provider().definition),
            origin: events.clean(self.account.sign_in_origin()),
            account: events.clean(account.unwrap_or_else(|| format!("profile {}", self.account.profile()))),
            method: events.clean(&self.method.name),
            sources: events.clean(self.places(&self.method.required).join("; ")),
        }
    }
}
