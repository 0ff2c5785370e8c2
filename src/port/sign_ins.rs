//! What outlives a run about signing in: refused logins, open sessions, and whose turn it is.

use crate::model::redacted::Redacted;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::io;
use std::time::Duration;

/// For so long a session is told of whose end nobody knows: a week.
const LONGEST_TOLD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// For so long a record outlives its time: the clock by which that has passed may have been wrong.
const KEPT_BEHIND: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Whose login it is, and with which credentials. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginKey {
    /// The name of the provider's definition: `emnify`.
    pub definition: Redacted,
    /// Where one signs in: scheme, host, port.
    pub origin: Redacted,
    /// The name of the account; `profile NAME`, where all credentials are secret.
    pub account: Redacted,
    /// The way to sign in.
    pub method: Redacted,
    /// Where its credentials come from: `password from env EMNIFY_PASSWORD`. Others may be right where these are wrong.
    pub sources: Redacted,
}

impl LoginKey {
    /// Whether both are of one account by one method, wherever their credentials come from.
    pub fn is_of_account(&self, other: &Self) -> bool {
        *self == Self { sources: self.sources.clone(), ..other.clone() }
    }
}

/// A login that was refused, as those after it read of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedLogin {
    /// Whose.
    pub login: LoginKey,
    /// The run that was refused.
    pub run: String,
    /// When, by the local clock.
    pub at: Timestamp,
    /// For how long a further refusal might lock the account, in milliseconds.
    pub lasts_ms: u64,
    /// What the provider answered: `401, empty body`.
    pub answer: Redacted,
    /// Where the credentials came from: `password came from env EMNIFY_PASSWORD`.
    pub places: Vec<Redacted>,
}

impl RefusedLogin {
    /// Until when nobody tries again; `None` when that is over. The local clock may have jumped: what is said to have
    /// happened later from now than it lasts is not believed, and nothing lasts longer from now on.
    pub fn holds_until(&self, now: Timestamp) -> Option<Timestamp> {
        let lasts = Duration::from_millis(self.lasts_ms);
        let latest = now.checked_add(lasts).ok()?;
        let until = self.at.checked_add(lasts).ok().filter(|_| self.at <= latest)?;
        (until > now).then(|| until.min(latest))
    }

    /// Whether its record may go: it has not held for so long that no clock is so wrong.
    pub fn is_forgettable(&self, now: Timestamp) -> bool {
        let until = self.at.checked_add(Duration::from_millis(self.lasts_ms));
        until.is_ok_and(|until| is_long_past(until, now))
    }
}

fn is_long_past(end: Timestamp, now: Timestamp) -> bool {
    end.checked_add(KEPT_BEHIND).is_ok_and(|last| last <= now)
}

/// How a session can be closed by somebody else than the process that has opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// The provider has no logout.
    NoLogout,
    /// By what the user's store keeps under its name.
    Kept,
    /// Not at all: its tokens are known to its process only.
    Impossible,
    /// Not at all, and nobody knows whether there is one: a login was about to be sent, and its answer was never read.
    UnansweredLogin,
    /// The same of a refresh, which may have prolonged a session.
    UnansweredRefresh,
}

/// A session in the ledger: opened and not yet closed, or perhaps opened. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// Its name: the run, a number, and something by chance, for a resumed run counts from 1 again.
    pub id: String,
    /// The run that has opened it.
    pub run: String,
    /// The provider's name in the playbook.
    pub provider: Redacted,
    /// The name of the provider's definition.
    pub definition: Redacted,
    /// Where one signs in: scheme, host, port.
    pub origin: Redacted,
    /// The profile whose credentials have opened it.
    pub profile: Redacted,
    /// Who is signed in; `None` when all credentials are secret.
    pub account: Option<Redacted>,
    /// The way in which it was opened.
    pub method: Redacted,
    /// When it was opened, or what may have opened it was sent, by the local clock.
    pub opened_at: Timestamp,
    /// Until when it lives, by the local clock, if known or foreseen.
    pub valid_until: Option<Timestamp>,
    /// How it can be closed.
    pub closing: Closing,
}

impl OpenSession {
    /// Whether it need not be told of any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.told_until().is_some_and(|end| end <= now)
    }

    /// Whether its record may go: it has been over for so long that no clock is so wrong.
    pub fn is_forgettable(&self, now: Timestamp) -> bool {
        self.told_until().is_some_and(|end| is_long_past(end, now))
    }

    fn told_until(&self) -> Option<Timestamp> {
        self.valid_until.or_else(|| self.opened_at.checked_add(LONGEST_TOLD).ok())
    }
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The session.
    pub session: OpenSession,
    /// The process that has opened it is still there, or somebody is closing it right now.
    pub is_in_use: bool,
}

/// What was noted, and the files that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted<T> {
    /// What can be read.
    pub records: Vec<T>,
    /// What cannot, a sentence each: which file, and what became of it.
    pub problems: Vec<String>,
}

impl<T> Default for Noted<T> {
    fn default() -> Self {
        Self { records: Vec::new(), problems: Vec::new() }
    }
}

/// What runs tell each other about signing in. Every error names the file.
pub trait SignIns {
    /// The refusals that still hold at `now`. Those that have not held for long are forgotten.
    ///
    /// # Errors
    /// As the operating system says.
    fn refusals(&self, now: Timestamp) -> io::Result<Noted<RefusedLogin>>;

    /// Remembers a refusal, in place of an earlier one of that login.
    ///
    /// # Errors
    /// As the operating system says.
    fn remember(&self, refusal: &RefusedLogin) -> io::Result<()>;

    /// Forgets the refusal of a login, if there is one.
    ///
    /// # Errors
    /// As the operating system says.
    fn forget(&self, login: &LoginKey) -> io::Result<()>;

    /// Writes a session into the ledger, in place of what stands there under its name. It is on disk when this returns.
    ///
    /// # Errors
    /// As the operating system says.
    fn write_down(&self, session: &OpenSession) -> io::Result<()>;

    /// Strikes a session off the ledger.
    ///
    /// # Errors
    /// As the operating system says.
    fn strike_off(&self, session: &OpenSession) -> io::Result<()>;

    /// All of the ledger, but for what this process has written.
    ///
    /// # Errors
    /// As the operating system says.
    fn ledger(&self) -> io::Result<Noted<LedgerEntry>>;

    /// Takes a session that nobody uses, so that no two close it, until what is returned is dropped. `None`: another process
    /// has it, or it is struck off.
    ///
    /// # Errors
    /// As the operating system says.
    fn take_up(&self, session: &OpenSession) -> io::Result<Option<Box<dyn Any>>>;

    /// Takes the lock of a name, until what is returned is dropped or the process ends. `None`: another process has it.
    ///
    /// # Errors
    /// As the operating system says.
    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn Any>>>;
}

/// Tells nobody anything: for runs that touch nothing real.
pub struct Forgetful;

impl SignIns for Forgetful {
    fn refusals(&self, _: Timestamp) -> io::Result<Noted<RefusedLogin>> {
        Ok(Noted::default())
    }

    fn remember(&self, _: &RefusedLogin) -> io::Result<()> {
        Ok(())
    }

    fn forget(&self, _: &LoginKey) -> io::Result<()> {
        Ok(())
    }

    fn write_down(&self, _: &OpenSession) -> io::Result<()> {
        Ok(())
    }

    fn strike_off(&self, _: &OpenSession) -> io::Result<()> {
        Ok(())
    }

    fn ledger(&self) -> io::Result<Noted<LedgerEntry>> {
        Ok(Noted::default())
    }

    fn take_up(&self, _: &OpenSession) -> io::Result<Option<Box<dyn Any>>> {
        Ok(None)
    }

    fn try_lock(&self, _: &str) -> io::Result<Option<Box<dyn Any>>> {
        Ok(Some(Box::new(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::redaction::Redactor;

    fn refused(at: &str) -> RefusedLogin {
        let clean = |text: &str| Redactor::default().clean(text);
        let login = LoginKey {
            definition: clean("emnify"),
            origin: clean("https://cdn.emnify.net"),
            account: clean("ops@example.com"),
            method: clean("user"),
            sources: clean("password from env EMNIFY_PASSWORD"),
        };
        let (run, at) = ("01JD".to_owned(), at.parse().unwrap());
        RefusedLogin { login, run, at, lasts_ms: 300_000, answer: clean("401"), places: Vec::new() }
    }

    #[test]
    fn a_refusal_holds_for_its_time_whatever_the_clock_does() {
        let now = "2026-11-22T06:00:00Z".parse().unwrap();
        for (at, until) in [
            ("2026-11-22T06:00:00Z", Some("2026-11-22T06:05:00Z")),
            ("2026-11-22T05:55:01Z", Some("2026-11-22T06:00:01Z")),
            ("2026-11-22T05:55:00Z", None),
            ("1970-01-01T00:00:00Z", None),
            // The clock went back a little, and by more than can be.
            ("2026-11-22T06:04:00Z", Some("2026-11-22T06:05:00Z")),
            ("2026-11-22T06:05:01Z", None),
            ("2036-11-22T06:00:00Z", None),
        ] {
            let until = until.map(|until| until.parse().unwrap());
            assert_eq!(refused(at).holds_until(now), until, "{at}");
        }
        let for_ever = RefusedLogin { lasts_ms: u64::MAX, ..refused("2026-11-22T06:00:00Z") };
        assert_eq!(for_ever.holds_until(now), None, "garbage");
    }
}
