//! The ledger: every session stands in it from before its first use until it is closed, so that those which a killed
//! process has left open are found by the next one.

use super::freshness::Life;
use super::seat::{Generation, Seat, Session};
use super::sessions::Sessions;
use super::values::SessionValues;
use super::wallet::Given;
use super::{SignInFailure, failure};
use crate::credential::FoundIn;
use crate::event::{Failure, Purpose, SessionEnd};
use crate::model::words;
use crate::port::{Closing, LedgerEntry, OpenSession, StoreKey, World};
use jiff::Timestamp;

/// What became of a session that somebody has left open.
enum Fate {
    Closed,
    HadEnded,
    /// It lives on, for this reason.
    Open(String),
}

/// What is told of a session in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerNote {
    /// A sentence without a full stop.
    pub text: String,
    /// Its process is at work.
    pub is_in_use: bool,
}

impl Sessions {
    /// Looks for sessions that killed processes have left open at the providers of this run, and closes those for which the
    /// user's store holds what that takes. A logout of the definition ends that session and no other. Returns what is to be
    /// told of each.
    ///
    /// # Errors
    /// When nobody can tell, because the ledger cannot be read.
    pub async fn close_left_open(&self) -> Result<Vec<LedgerNote>, Failure> {
        let mut notes = Vec::new();
        if !self.seats.iter().any(Seat::may_sign_in) {
            return Ok(notes);
        }
        let world = self.exchange.world();
        let noted = world.sign_ins.ledger();
        let noted = noted.map_err(|error| failure::no_state(&error, "nothing was sent", self.events()))?;
        notes.extend(noted.problems.into_iter().map(|text| LedgerNote { text, is_in_use: false }));
        for LedgerEntry { session, is_in_use } in noted.records {
            let now = world.clock.now();
            let seat = self.seats.iter().find(|seat| seat.is_of(&session));
            let text = match seat {
                _ if !is_in_use && session.is_over(now) => {
                    self.strike_off(Some(&session)).await;
                    continue;
                }
                None => continue,
                Some(_) if is_in_use => format!("{} is in use", session_words(&session, now)),
                Some(seat) => self.take_up(seat, &session).await,
            };
            notes.push(LedgerNote { text, is_in_use });
        }
        Ok(notes)
    }

    async fn take_up(&self, seat: &Seat, session: &OpenSession) -> String {
        let now = self.exchange.world().clock.now();
        let fate = self.close_left(seat, session).await;
        let words = match &fate {
            Fate::Closed => "closed now".to_owned(),
            Fate::HadEnded => "it had ended meanwhile".to_owned(),
            Fate::Open(why) => format!("{}, for {why}", end_words(session, now)),
        };
        if !matches!(fate, Fate::Open(_)) {
            self.strike_off(Some(session)).await;
        }
        format!("{} was left open: {words}", session_words(session, now))
    }

    /// Closes what another process has left open, if that is possible here.
    async fn close_left(&self, seat: &Seat, left: &OpenSession) -> Fate {
        let why = |why: &str| Fate::Open(why.to_owned());
        let account = &seat.account;
        let method = account.provider().methods.iter().position(|method| method.name == left.method.as_str());
        let (Some(method), true) = (method, account.profile() == left.profile.as_str()) else {
            return Fate::Open(format!("it is of the profile {}, by `{}`", left.profile, left.method));
        };
        match left.closing {
            Closing::NoLogout => return why("this API has no logout"),
            Closing::Impossible => return why("only its process knew its tokens"),
            Closing::Kept => {}
        }
        let origins = account.origins();
        let kept = self.exchange.world().store.get(&StoreKey::session(&left.id), &origins).await;
        let values = match kept {
            Ok(text) => {
                text.and_then(|text| SessionValues::of_text(&text, &account.provider().name, self.events()))
            }
            Err(error) => return Fate::Open(error.to_string()),
        };
        let Some(values) = values else { return why("its tokens were not kept") };
        let session = Session {
            method,
            given: Given::new(),
            values,
            life: Life { received: self.exchange.world().clock.elapsed(), lasts: None },
            generation: Generation(0),
            order: 0,
            account_name: None,
            is_on_trial: false,
            has_ended: false,
            record: None,
        };
        let visit = self.visit(seat, method, &session.given, Purpose::Logout);
        match visit.logout(&session, None).await {
            Some(SessionEnd::Closed) => Fate::Closed,
            Some(SessionEnd::AlreadyOver) => Fate::HadEnded,
            Some(SessionEnd::Failed { reason, .. }) => Fate::Open(format!("its logout failed ({reason})")),
            Some(SessionEnd::Forgotten { .. }) | None => why("this API has no logout"),
        }
    }

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
            id: format!("{}-{}", self.run, session.order),
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

impl Seat {
    /// Whether a request can sign in here.
    fn may_sign_in(&self) -> bool {
        self.account.provider().methods.iter().any(|method| !method.auth.login.0.is_empty())
    }

    /// Whether a session was opened at this provider.
    fn is_of(&self, session: &OpenSession) -> bool {
        let account = &self.account;
        session.definition.as_str() == account.provider().definition
            && session.origin.as_str() == account.sign_in_origin()
    }
}

/// A session in the ledger in words: `the session of run 01M81AKT at emnify as ops@example.com, opened 14:02 UTC,`
pub fn session_words(session: &OpenSession, now: Timestamp) -> String {
    let who = session.account.as_ref().map(|account| format!(" as {account}")).unwrap_or_default();
    let opened = words::moment(session.opened_at, now);
    format!("the session of run {} at {}{who}, opened {opened},", session.run, session.provider)
}

/// `it ends at 18:02 UTC`
fn end_words(session: &OpenSession, now: Timestamp) -> String {
    match session.valid_until {
        Some(end) => format!("it ends {}", words::at_moment(end, now)),
        None => "nobody knows when it ends".to_owned(),
    }
}
