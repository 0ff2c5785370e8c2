//! What stands in the ledger of a login or a refresh from before its first byte until what came of it is known: a process
//! that dies in between may leave a session of which nobody has the tokens.

use crate::event::Purpose;
use crate::exchange::Exchange;
use crate::exchange::retry::Ending;
use crate::model::words;
use crate::port::{Departure, OpenSession};
use jiff::Timestamp;
use std::cell::{Cell, RefCell};
use std::io;

/// The word that a conversation leaves in the ledger of what it may open. It is taken back when this is dropped, unless
/// something may be open then.
pub struct Intent<'a> {
    exchange: &'a Exchange,
    purpose: Purpose,
    /// Makes a record of what is about to be sent, each with a name of its own.
    draft: Box<dyn Fn() -> OpenSession + 'a>,
    written: RefCell<Option<OpenSession>>,
    is_in_flight: Cell<bool>,
    /// What is known of the request in flight when it is given up.
    departure: RefCell<Departure>,
    /// A request of a login was answered, or the answer to a refresh was lost.
    may_be_done: Cell<bool>,
    has_lost_answers: Cell<bool>,
}

impl<'a> Intent<'a> {
    /// Nothing is written yet.
    pub fn new(exchange: &'a Exchange, purpose: Purpose, draft: impl Fn() -> OpenSession + 'a) -> Self {
        Self {
            exchange,
            purpose,
            draft: Box::new(draft),
            written: RefCell::default(),
            is_in_flight: Cell::new(false),
            departure: RefCell::default(),
            may_be_done: Cell::new(false),
            has_lost_answers: Cell::new(false),
        }
    }

    /// Writes down that a request is about to be sent; it is on disk when this returns. `departure` says whether the request
    /// was sent when it is given up.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn announce(&self, departure: Departure) -> io::Result<()> {
        *self.departure.borrow_mut() = departure;
        let mut written = self.written.borrow_mut();
        if written.is_none() {
            let record = (self.draft)();
            self.exchange.world().sign_ins.write_down(&record)?;
            *written = Some(record);
        }
        self.is_in_flight.set(true);
        Ok(())
    }

    /// Notes how a request ended. Each login whose answer was lost may have opened a session of its own; a refresh that is
    /// repeated prolongs one and the same.
    pub fn conclude(&self, ending: Ending) {
        self.is_in_flight.set(false);
        self.has_lost_answers.set(self.has_lost_answers.get() || ending.is_lost());
        let is_login = self.purpose == Purpose::Login;
        match ending {
            _ if ending.is_lost() && is_login => self.alert_of_login(),
            _ if ending.is_lost() => self.may_be_done.set(true),
            Ending::Done => self.may_be_done.set(is_login || self.may_be_done.get()),
            _ if !self.may_be_done.get() => self.withdraw(),
            _ => {}
        }
    }

    /// Whether the answer to any request was lost.
    pub fn has_lost_answers(&self) -> bool {
        self.has_lost_answers.get()
    }

    /// Whether an answer to a refresh was lost.
    pub fn may_be_done(&self) -> bool {
        self.may_be_done.get()
    }

    /// Takes the record, which stays in the ledger.
    pub fn take(&self) -> Option<OpenSession> {
        self.written.take()
    }

    /// Strikes off what was written: nothing was opened, or what was is written down by itself.
    pub fn withdraw(&self) {
        self.may_be_done.set(false);
        let Some(record) = self.take() else { return };
        if let Err(problem) = self.exchange.world().sign_ins.strike_off(&record) {
            let events = self.exchange.events();
            events.warn(format!("the record of what was not opened could not be removed: {problem}"));
        }
    }

    fn alert_of_login(&self) {
        let Some(record) = self.take() else { return };
        let until = until_words(&record, self.exchange.world().clock.now());
        self.exchange.events().alert(format!(
            "{} did not say whether a login succeeded: a session may be left open there{until}",
            record.provider
        ));
    }
}

impl Drop for Intent<'_> {
    fn drop(&mut self) {
        let is_in_flight = self.is_in_flight.get() && !self.departure.borrow().was_prevented();
        if !is_in_flight && !self.may_be_done.get() {
            self.withdraw();
        }
    }
}

/// ` until 18:02 UTC`; nothing where nobody can tell.
pub fn until_words(record: &OpenSession, now: Timestamp) -> String {
    record.valid_until.map(|until| format!(" until {}", words::moment(until, now))).unwrap_or_default()
}
