//! What people read about sessions.

use super::{FailureDraft, SessionEnd, SessionNote};
use crate::model::exit::Cause;
use crate::model::words::{at_moment, duration, moment};
use jiff::Timestamp;
use std::time::Duration;

impl SessionNote {
    /// `as ops@example.com, valid 4 h`; the method, where nobody is named.
    pub fn words(&self) -> String {
        let who = match (&self.account, &self.method) {
            (Some(account), _) => Some(format!("as {account}")),
            (None, method) => method.as_ref().map(ToString::to_string),
        };
        let valid = self.valid_for_ms.map(|life| format!("valid {}", duration(Duration::from_millis(life))));
        [who, valid].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl SessionEnd {
    /// How it ended, as seen at `now`: `no logout on this API: tokens forgotten here, they end at 18:02 UTC`.
    pub fn words(&self, now: Timestamp) -> String {
        match self {
            Self::Closed => "session closed".to_owned(),
            Self::AlreadyOver => "the session had already ended".to_owned(),
            Self::Forgotten { valid_until } => {
                let end =
                    valid_until.map(|at| format!(", they end {}", at_moment(at, now))).unwrap_or_default();
                format!("no logout on this API: tokens forgotten here{end}")
            }
            Self::Failed { reason, valid_until } => {
                let until = valid_until.map(|at| format!(" until {}", moment(at, now))).unwrap_or_default();
                format!("{reason}; the session may be open{until}")
            }
        }
    }

    /// The failure that it is for a session of this provider; `None` where it is none.
    pub fn failure(&self, provider: &str, now: Timestamp) -> Option<FailureDraft> {
        let Self::Failed { reason, valid_until } = self else { return None };
        let headline = format!("{provider} did not close the session: {reason}");
        let draft = FailureDraft::new(Cause::Cleanup, headline);
        Some(match valid_until {
            Some(until) => draft.advice(format!("the session may stay open until {}", moment(*until, now))),
            None => draft,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::redaction::Redactor;

    #[test]
    fn a_session_is_told_by_account_or_method_and_life() {
        let clean = |text: &str| Redactor::default().clean(text);
        let note = |account: Option<&str>, life| SessionNote {
            provider: clean("emnify"),
            account: account.map(clean),
            method: Some(clean("user")),
            valid_until: None,
            valid_for_ms: life,
        };
        assert_eq!(note(Some("ops@example.com"), Some(14_399_600)).words(), "as ops@example.com, valid 4 h");
        assert_eq!(note(None, None).words(), "user");
    }

    #[test]
    fn an_end_says_until_when_tokens_live() {
        let now: Timestamp = "2026-11-22T14:02:00Z".parse().unwrap();
        let tomorrow = Some("2026-11-23T18:02:00Z".parse().unwrap());
        let forgotten = SessionEnd::Forgotten { valid_until: tomorrow }.words(now);
        assert_eq!(
            forgotten,
            "no logout on this API: tokens forgotten here, they end on 2026-11-23 18:02 UTC"
        );
        let reason = Redactor::default().clean("no answer within 10 s");
        let failed = SessionEnd::Failed { reason, valid_until: tomorrow }.words(now);
        assert_eq!(failed, "no answer within 10 s; the session may be open until 2026-11-23 18:02 UTC");
        assert_eq!(
            SessionEnd::Forgotten { valid_until: None }.words(now),
            "no logout on this API: tokens forgotten here"
        );
    }
}
