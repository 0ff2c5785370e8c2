//! The ledger: every session stands in it from before its first use until it is closed, so that those which a killed
//! process has left open are found by the next one.

use super::seat::{Seat, Session};
use super::sessions::Sessions;
use super::{SignInFailure, failure};
use crate::credential::FoundIn;
use crate::event::Purpose;
use crate::port::{Closing, OpenSession, StoreKey, World};
use jiff::Timestamp;

impl Sessions {
    /// Writes a session into the ledger, or its new life.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub(super) fn write_down(&self, seat: &Seat, session: &mut Session) -> Result<(), SignInFailure> {
        if !seat.has_login(session) {
            return Ok(());
        }
        let valid_until = self.valid_until(&session.life);
        let record = match session.record.take() {
            Some(record) => OpenSession { valid_until, ..record },
            None => self.record(seat, session, valid_until),
        };
        let written = self.exchange.world().sign_ins.write_down(&record);
        session.record = Some(record);
        let consequence = "a session that is not written down is not used";
        written.map_err(|error| failure::no_state(&error, consequence, self.events()).into())
    }

    fn record(&self, seat: &Seat, session: &Session, valid_until: Option<Timestamp>) -> OpenSession {
        let (account, events) = (&seat.account, self.events());
        let provider = account.provider();
        let method = seat.method(session.method);
        let is_stored = |name: &String| matches!(account.wallet.found_in(name), Some(FoundIn::Stored { .. }));
        let has_logout = method.auth.logout.as_ref().is_some_and(|requests| !requests.0.is_empty());
        let closing = match has_logout {
            false => Closing::NoLogout,
            true if session.given.is_empty() && method.used.iter().any(is_stored) => Closing::Kept,
            true => Closing::Impossible,
        };
        OpenSession {
            id: self.ledger_id(session),
            run: self.run.clone(),
            provider: events.clean(&provider.name),
            definition: events.clean(&provider.definition),
            origin: events.clean(account.sign_in_origin()),
            profile: events.clean(account.profile()),
            account: session.account_name.as_ref().map(|name| events.clean(name)),
            method: events.clean(&method.name),
            opened_at: self.exchange.world().clock.now(),
            valid_until,
            closing,
        }
    }

    /// The name of a session in the ledger and the store. A resumed run has the identity of the run that was killed, and
    /// must not write over what that has left.
    fn ledger_id(&self, session: &Session) -> String {
        format!("{}-{}-{}", self.run, session.order, self.exchange.world().random.uuid())
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
    world.sign_ins.strike_off(&record.id).map_err(|error| error.to_string())
}
