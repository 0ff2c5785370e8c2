use crate::port::{LedgerEntry, LoginKey, Noted, OpenSession, RefusedLogin, SignIns};
use jiff::Timestamp;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

/// What runs tell each other, in memory.
#[derive(Default)]
pub struct FakeSignIns {
    /// The refusals that are remembered.
    pub refusals: RefCell<Vec<RefusedLogin>>,
    /// The sessions in the ledger that this run has written.
    pub ledger: RefCell<Vec<OpenSession>>,
    /// The sessions in the ledger that earlier runs have left.
    pub left: RefCell<Vec<LedgerEntry>>,
    /// Somebody else takes up what was left, as soon as it was looked at.
    pub is_taken: Cell<bool>,
    /// What cannot be read.
    pub problems: RefCell<Vec<String>>,
    /// Nothing can be written.
    pub is_broken: Cell<bool>,
    /// Of that, so much can be written all the same, before the rest cannot.
    pub sound_writes: Cell<u32>,
    /// Nothing can be read.
    pub is_unreadable: Cell<bool>,
    /// Everything that was written or struck off, in its order.
    pub acts: RefCell<Vec<String>>,
    locks: Rc<RefCell<Vec<String>>>,
    /// How often somebody else holds a lock before it is free.
    pub busy: Cell<u32>,
}

impl FakeSignIns {
    fn look(&self) -> io::Result<()> {
        match self.is_unreadable.get() {
            true => Err(io::Error::other("the state folder /state cannot be used")),
            false => Ok(()),
        }
    }

    fn act(&self, what: &str, id: &str) -> io::Result<()> {
        let is_sound = what == "write" && self.sound_writes.get() > 0;
        self.sound_writes.set(self.sound_writes.get() - u32::from(is_sound));
        if self.is_broken.get() && !is_sound {
            return Err(io::Error::other("/state/sessions: no space left"));
        }
        self.acts.borrow_mut().push(format!("{what} {id}"));
        Ok(())
    }
}

impl SignIns for FakeSignIns {
    fn refusals(&self, now: Timestamp) -> io::Result<Noted<RefusedLogin>> {
        self.look()?;
        let mut refusals = self.refusals.borrow_mut();
        refusals.retain(|refusal| refusal.holds_until(now).is_some());
        Ok(Noted { records: refusals.clone(), problems: self.problems.take() })
    }

    fn remember(&self, refusal: &RefusedLogin) -> io::Result<()> {
        self.act("remember", refusal.login.account.as_str())?;
        self.refusals.borrow_mut().retain(|known| known.login != refusal.login);
        self.refusals.borrow_mut().push(refusal.clone());
        Ok(())
    }

    fn forget(&self, login: &LoginKey) -> io::Result<()> {
        self.act("forget", login.account.as_str())?;
        self.refusals.borrow_mut().retain(|known| known.login != *login);
        Ok(())
    }

    fn write_down(&self, session: &OpenSession) -> io::Result<()> {
        self.act("write", &session.id)?;
        let mut ledger = self.ledger.borrow_mut();
        ledger.retain(|known| known.id != session.id);
        ledger.push(session.clone());
        Ok(())
    }

    fn strike_off(&self, session: &OpenSession) -> io::Result<()> {
        self.act("strike", &session.id)?;
        self.ledger.borrow_mut().retain(|known| known.id != session.id);
        self.left.borrow_mut().retain(|known| known.session.id != session.id);
        Ok(())
    }

    fn ledger(&self) -> io::Result<Noted<LedgerEntry>> {
        self.look()?;
        Ok(Noted { records: self.left.borrow().clone(), problems: self.problems.take() })
    }

    fn take_up(&self, session: &OpenSession) -> io::Result<Option<Box<dyn Any>>> {
        self.look()?;
        let id = &session.id;
        self.acts.borrow_mut().push(format!("take {id}"));
        let left = self.left.borrow();
        let is_free =
            left.iter().any(|entry| entry.session.id == *id && !entry.is_in_use) && !self.is_taken.get();
        Ok(is_free.then(|| Box::new(()) as Box<dyn Any>))
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn Any>>> {
        if self.busy.get() > 0 {
            self.busy.set(self.busy.get() - 1);
            return Ok(None);
        }
        if self.locks.borrow().iter().any(|taken| taken == name) {
            return Ok(None);
        }
        self.locks.borrow_mut().push(name.to_owned());
        Ok(Some(Box::new(FakeLock { name: name.to_owned(), locks: self.locks.clone() })))
    }
}

struct FakeLock {
    name: String,
    locks: Rc<RefCell<Vec<String>>>,
}

impl Drop for FakeLock {
    fn drop(&mut self) {
        self.locks.borrow_mut().retain(|taken| *taken != self.name);
    }
}
