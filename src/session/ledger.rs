//! The ledger: every session stands in it from before its first use until it is closed, so that those which a killed
//! process has left open are found by the next one.

use super::intent::{Intent, until_words};
use super::seat::{Login, Seat, Session};
use super::sessions::Sessions;
use super::{SignInFailure, failure};
use crate::credential::FoundIn;
use crate::event::{Purpose, SessionEnd};
use crate::plan::PlannedMethod;
use crate::port::{Closing, OpenSession, StoreKey, World};
use std::time::Duration;

/// What is known of a login or refresh that is about to be sent.
pub struct IntentDraft<'a> {
    pub purpose: Purpose,
    pub method: &'a PlannedMethod,
    pub account_name: Option<String>,
    /// How long a session lives that it opens or prolongs, if that can be foreseen.
    pub lasts: Option<Duration>,
}

impl Sessions {
    /// What the ledger is to say of a conversation with the sign-in of a seat before each of its requests. `lasts` is how
    /// long a session will live that it opens.
    pub(super) fn intent<'a>(&'a self, seat: &'a Seat, draft: IntentDraft<'a>) -> Intent<'a> {
        let purpose = draft.purpose;
        Intent::new(&self.exchange, purpose, move || self.record_of_intent(seat, &draft))
    }

    fn record_of_intent(&self, seat: &Seat, draft: &IntentDraft<'_>) -> OpenSession {
        let (account, events) = (&seat.account, self.events());
        let provider = account.provider();
        let now = self.exchange.world().clock.now();
        OpenSession {
            id: self.ledger_id(),
            run: self.run.clone(),
            provider: events.clean(&provider.name),
            definition: events.clean(&provider.definition),
            origin: events.clean(account.sign_in_origin()),
            profile: events.clean(account.profile()),
            account: draft.account_name.as_ref().map(|name| events.clean(name)),
            method: events.clean(&draft.method.name),
            opened_at: now,
            valid_until: draft.lasts.and_then(|lasts| now.checked_add(lasts).ok()),
            closing: match draft.purpose {
                Purpose::Refresh => Closing::UnansweredRefresh,
                _ => Closing::UnansweredLogin,
            },
        }
    }

    /// What the ledger is to say of the session that a login has opened.
    pub(super) fn record_of_session(&self, seat: &Seat, login: &Login, intent: OpenSession) -> OpenSession {
        let method = seat.method(login.method);
        let wallet = &seat.account.wallet;
        let is_stored = |name: &String| matches!(wallet.found_in(name), Some(FoundIn::Stored { .. }));
        let closing = match method.has_logout() {
            false => Closing::NoLogout,
            true if login.given.is_empty() && method.used.iter().any(is_stored) => Closing::Kept,
            true => Closing::Impossible,
        };
        OpenSession { opened_at: self.exchange.world().clock.now(), closing, ..intent }
    }

    /// Writes a session into the ledger in the place of its login, or its new life.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub(super) fn write_down(&self, session: &mut Session) -> Result<(), SignInFailure> {
        let valid_until = self.valid_until(&session.life);
        let Some(record) = &mut session.record else { return Ok(()) };
        record.valid_until = valid_until;
        let written = self.exchange.world().sign_ins.write_down(record);
        let consequence = "a session that is not written down is not used";
        written.map_err(|error| failure::no_state(&error, consequence, self.events()).into())
    }

    /// The name of a session in the ledger and the store. A resumed run has the identity of the run that was killed, and
    /// must not write over what that has left.
    fn ledger_id(&self) -> String {
        self.noted.set(self.noted.get() + 1);
        format!("{}-{}-{}", self.run, self.noted.get(), self.exchange.world().random.uuid())
    }

    /// Says what became of a refresh whose answer was lost, when its session has been closed, or could not be.
    pub(super) async fn settle_refresh(&self, session: &Session, end: Option<&SessionEnd>, has_logout: bool) {
        let Some(refresh) = &session.unanswered_refresh else { return };
        if !has_logout || matches!(end, Some(SessionEnd::Closed)) {
            return self.strike_off(Some(refresh)).await;
        }
        let until = until_words(refresh, self.exchange.world().clock.now());
        self.events().alert(format!(
            "{} did not say whether a refresh succeeded: the session that it was for may be left open there{until}",
            refresh.provider
        ));
    }

    /// Keeps in the user's store what closes the open session, where its credentials came from there. A store that does not
    /// take it is no failure: the session can then be told of and not closed.
    pub(super) async fn keep_closing_values(&self, seat: &Seat) {
        let Some(session) = seat.session.borrow().clone() else { return };
        let Some(record) = session.record.as_ref().filter(|record| record.closing == Closing::Kept) else {
            return;
        };
        let visit = self.visit(seat, session.method, &session.given, Purpose::Logout);
        let text = session.values.to_text(&visit.tokens_of(&session.values));
        let (key, origins) = (StoreKey::session(&record.id), seat.account.origins());
        let _ = self.exchange.world().store.set(&key, &text, &origins).await;
    }

    /// Strikes a session off that is closed, or has ended. What the store keeps of it goes first: without the record, nobody
    /// would find it.
    pub(super) async fn strike_off(&self, record: Option<&OpenSession>) {
        let Some(record) = record else { return };
        if let Err(problem) = forget(self.exchange.world(), record).await {
            self.events()
                .warn(format!("the record of a session that is closed could not be removed: {problem}"));
        }
    }
}

async fn forget(world: &World, record: &OpenSession) -> Result<(), String> {
    if record.closing == Closing::Kept {
        let key = StoreKey::session(&record.id);
        world.store.delete(&key).await.map_err(|error| error.to_string())?;
    }
    world.sign_ins.strike_off(record).map_err(|error| error.to_string())
}
