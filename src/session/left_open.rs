//! What killed processes have left open: found in the ledger, closed where that is possible, and told of.

use super::failure;
use super::freshness::Life;
use super::intent::until_words;
use super::seat::{Generation, Seat, Session};
use super::sessions::Sessions;
use super::values::SessionValues;
use super::visit::Visit;
use super::wallet::Given;
use crate::event::{Failure, Purpose, SessionEnd};
use crate::model::words;
use crate::port::{Closing, LedgerEntry, OpenSession, StoreKey};
use futures_util::future::{Either, select};
use jiff::Timestamp;
use std::pin::pin;
use std::time::Duration;

/// How long the closing of all of them together may take at most.
const LEFT_OPEN_TIME: Duration = Duration::from_secs(10);
/// How much earlier a logout is given up, so that its own end can be told.
const TIME_TO_TELL: Duration = Duration::from_millis(200);

/// What became of a session that somebody has left open.
enum Fate {
    Closed,
    HadEnded,
    /// It lives on and cannot be closed from here, for this reason.
    Open(String),
    /// It lives on: its closing has failed for this reason, and may succeed later.
    NotClosed(String),
    /// Nobody knows whether there is one.
    Unanswered,
}

impl Fate {
    fn open(why: &str) -> Self {
        Self::Open(why.to_owned())
    }
}

/// What is told of a session in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerNote {
    /// A sentence without a full stop.
    pub text: String,
    /// What comes of it.
    pub standing: Standing,
}

/// What comes of a session in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its process is at work.
    InUse,
    /// It was left open, and is closed now.
    Over,
    /// It may be open, and nobody closes it.
    Open,
    /// It may be open: its closing has failed, and is tried again by whoever comes next.
    NotClosed,
}

impl Sessions {
    /// Looks for sessions that killed processes have left open at the providers of this run, and closes those for which the
    /// user's store holds what that takes. A logout of the definition ends that session and no other. All of it takes no
    /// more than 10 s and half of what is left of the run's deadline; what does not fit into that is told of. Returns what
    /// is to be told of each.
    ///
    /// # Errors
    /// When nobody can tell, because the ledger cannot be read.
    pub async fn close_left_open(&self) -> Result<Vec<LedgerNote>, Failure> {
        let mut notes = Vec::new();
        if !self.seats.iter().any(Seat::may_sign_in) {
            return Ok(notes);
        }
        let world = self.exchange.world();
        let time = self.run_end.remaining(world).map_or(LEFT_OPEN_TIME, |left| LEFT_OPEN_TIME.min(left / 2));
        let end = world.clock.elapsed() + time;
        let noted = world.sign_ins.ledger();
        let noted = noted.map_err(|error| failure::no_state(&error, "nothing was sent", self.events()))?;
        let of_problem = |text| LedgerNote { text, standing: Standing::Open };
        notes.extend(noted.problems.into_iter().map(of_problem));
        for entry in noted.records {
            notes.extend(self.settle(entry, end).await);
        }
        Ok(notes)
    }

    /// Does what can be done about a session up to a time of the clock. Returns what is to be told of it.
    async fn settle(&self, entry: LedgerEntry, end: Duration) -> Option<LedgerNote> {
        let LedgerEntry { session, is_in_use } = entry;
        let world = self.exchange.world();
        let now = world.clock.now();
        let seat = self.seats.iter().find(|seat| seat.is_of(&session));
        let in_use = || {
            let text = ledger_line(&session, true, now);
            seat.map(|_| LedgerNote { text, standing: Standing::InUse })
        };
        if is_in_use {
            return in_use();
        }
        if session.is_forgettable(now) {
            if let Ok(Some(_taken)) = world.sign_ins.take_up(&session) {
                self.up_to(end, self.strike_off(Some(&session))).await;
            }
            return None;
        }
        let seat = seat.filter(|_| !session.is_over(now))?;
        let fate = match world.sign_ins.take_up(&session) {
            // It is given back at the end of this: those who come later find what could not be closed now.
            Ok(Some(_taken)) => self.close_left(seat, &session, end).await,
            Ok(None) => return in_use(),
            Err(error) => Fate::NotClosed(error.to_string()),
        };
        let (words, standing) = match fate {
            Fate::Closed => (": closed now".to_owned(), Standing::Over),
            Fate::HadEnded => (": it had ended meanwhile".to_owned(), Standing::Over),
            Fate::Open(why) => (format!(": {}, for {why}", end_words(&session, now)), Standing::Open),
            Fate::NotClosed(why) => {
                (format!(": {}, for {why}", end_words(&session, now)), Standing::NotClosed)
            }
            Fate::Unanswered => (String::new(), Standing::Open),
        };
        Some(LedgerNote { text: format!("{}{words}", ledger_line(&session, false, now)), standing })
    }

    /// Closes what another process has left open, if that is possible here and in time.
    async fn close_left(&self, seat: &Seat, left: &OpenSession, end: Duration) -> Fate {
        if is_unanswered(left) {
            return Fate::Unanswered;
        }
        let account = &seat.account;
        let method = account.provider().methods.iter().position(|method| method.name == left.method.as_str());
        let (Some(method), true) = (method, account.profile() == left.profile.as_str()) else {
            return Fate::Open(format!("it is of the profile {}, by `{}`", left.profile, left.method));
        };
        match left.closing {
            Closing::NoLogout => return Fate::open("this API has no logout"),
            Closing::Impossible | Closing::UnansweredLogin | Closing::UnansweredRefresh => {
                return Fate::open("only its process knew its tokens");
            }
            Closing::Kept => {}
        }
        let fate = self.up_to(end, self.log_out(seat, method, left, end)).await;
        let fate = fate.unwrap_or_else(|| Fate::NotClosed("there was no time left to close it".to_owned()));
        if matches!(fate, Fate::Closed | Fate::HadEnded) {
            self.up_to(end, self.strike_off(Some(left))).await;
        }
        fate
    }

    /// Signs out by what the store keeps.
    async fn log_out(&self, seat: &Seat, method: usize, left: &OpenSession, end: Duration) -> Fate {
        let (account, world) = (&seat.account, self.exchange.world());
        let origins = account.origins();
        let kept = world.store.get(&StoreKey::session(&left.id), &origins).await;
        let values = match kept {
            Ok(text) => {
                text.and_then(|text| SessionValues::of_text(&text, &account.provider().name, self.events()))
            }
            Err(error) => return Fate::NotClosed(error.to_string()),
        };
        let Some(values) = values else { return Fate::open("its tokens were not kept") };
        let session = Session {
            method,
            given: Given::new(),
            values,
            life: Life { received: world.clock.elapsed(), lasts: None },
            generation: Generation(0),
            order: 0,
            account_name: None,
            is_on_trial: false,
            has_ended: false,
            record: None,
            unanswered_refresh: None,
        };
        let visit = self.visit(seat, method, &session.given, Purpose::Logout);
        let time = end.saturating_sub(visit.started).saturating_sub(TIME_TO_TELL);
        let visit = Visit { time: Some(time), ..visit };
        match visit.logout(&session, None).await {
            Some(SessionEnd::Closed) => Fate::Closed,
            Some(SessionEnd::AlreadyOver) => Fate::HadEnded,
            Some(SessionEnd::Failed { reason, .. }) => {
                Fate::NotClosed(format!("its logout failed ({reason})"))
            }
            Some(SessionEnd::Forgotten { .. }) | None => Fate::open("this API has no logout"),
        }
    }

    /// What comes of work up to a time of the clock; `None`: that has come before.
    async fn up_to<T>(&self, end: Duration, work: impl Future<Output = T>) -> Option<T> {
        let clock = &self.exchange.world().clock;
        let left = end.saturating_sub(clock.elapsed());
        if left <= TIME_TO_TELL {
            return None;
        }
        match select(pin!(work), clock.sleep(left)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

impl Seat {
    /// Whether a request can sign in here.
    fn may_sign_in(&self) -> bool {
        self.account.provider().methods.iter().any(|method| !method.auth.login.0.is_empty())
    }

    /// Whether a session was opened at this provider.
    pub fn is_of(&self, session: &OpenSession) -> bool {
        let account = &self.account;
        session.definition.as_str() == account.provider().definition
            && session.origin.as_str() == account.sign_in_origin()
    }
}

/// Whether nobody has read what came of it.
pub fn is_unanswered(session: &OpenSession) -> bool {
    matches!(session.closing, Closing::UnansweredLogin | Closing::UnansweredRefresh)
}

/// A line of the ledger in words: `the session of run 01M81AKT at emnify as ops@example.com, opened 14:02 UTC, was left open`
pub fn ledger_line(session: &OpenSession, is_in_use: bool, now: Timestamp) -> String {
    let state = match (is_in_use, is_unanswered(session)) {
        (true, false) => "is in use".to_owned(),
        (true, true) => "is a matter of a run at work".to_owned(),
        (false, false) => "was left open".to_owned(),
        (false, true) => {
            format!("was never answered: a session may be open there{}", until_words(session, now))
        }
    };
    format!("{}, {state}", ledger_words(session, now))
}

/// `a login of run 01M81AKT at emnify as ops@example.com, sent 14:02 UTC`
pub fn ledger_words(session: &OpenSession, now: Timestamp) -> String {
    let (what, opened) = match session.closing {
        Closing::UnansweredLogin => ("a login", "sent"),
        Closing::UnansweredRefresh => ("a refresh", "sent"),
        Closing::NoLogout | Closing::Kept | Closing::Impossible => ("the session", "opened"),
    };
    let who = session.account.as_ref().map(|account| format!(" as {account}")).unwrap_or_default();
    let at = words::moment(session.opened_at, now);
    format!("{what} of run {} at {}{who}, {opened} {at}", session.run, session.provider)
}

/// `it ends at 18:02 UTC`
fn end_words(session: &OpenSession, now: Timestamp) -> String {
    match session.valid_until {
        Some(end) => format!("it ends {}", words::at_moment(end, now)),
        None => "nobody knows when it ends".to_owned(),
    }
}
