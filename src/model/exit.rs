//! How a run ends, as the shell sees it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why something failed. Each cause has its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A step failed: the provider answered, and the answer was wrong or a refusal.
    Step,
    /// The playbook or the command line cannot be run.
    Invalid,
    /// Signing in was not possible, or a secret was not found.
    SignIn,
    /// The provider could not be reached or is not well; no outcome is in doubt, it may be run again later.
    Unavailable,
    /// It is not known whether a write happened.
    Unknown,
    /// Only cleanup or a logout failed.
    Cleanup,
    /// This machine: a disk, a keychain, a file.
    Machine,
    /// The deadline passed.
    Deadline,
    /// Another run of the same playbook and account was at work; this one did not begin.
    Busy,
    /// A bug in runner.
    Bug,
    /// A signal ended the run.
    Signal(
        /// The signal's number.
        i32,
    ),
}

/// The causes from the heaviest to the lightest: when several hold, the first names the exit code.
const WEIGHT: [Cause; 10] = [
    Cause::Bug,
    Cause::Unknown,
    Cause::Machine,
    Cause::SignIn,
    Cause::Step,
    Cause::Unavailable,
    Cause::Deadline,
    Cause::Busy,
    Cause::Invalid,
    Cause::Cleanup,
];

impl Cause {
    /// The process's exit code.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Step => 1,
            Self::Invalid => 2,
            Self::SignIn => 3,
            Self::Unavailable => 4,
            Self::Unknown => 5,
            Self::Cleanup => 7,
            Self::Machine => 8,
            Self::Deadline => 9,
            Self::Bug => 70,
            Self::Busy => 75,
            Self::Signal(number) => 128 + number,
        }
    }

    /// The cause that weighs most; a signal before all others.
    pub fn heaviest(causes: impl IntoIterator<Item = Cause>) -> Option<Cause> {
        let weight = |cause: &Cause| match cause {
            Cause::Signal(_) => 0,
            other => 1 + WEIGHT.iter().position(|known| known == other).unwrap_or(WEIGHT.len()),
        };
        causes.into_iter().min_by_key(weight)
    }
}

#[cfg(test)]
mod tests {
    use super::Cause;

    #[test]
    fn the_heaviest_cause_names_the_exit_code() {
        assert_eq!(Cause::heaviest([Cause::Cleanup, Cause::Step, Cause::SignIn]), Some(Cause::SignIn));
        assert_eq!(Cause::heaviest([Cause::Unknown, Cause::Signal(2)]), Some(Cause::Signal(2)));
        assert_eq!(Cause::heaviest([Cause::Unavailable, Cause::Step]), Some(Cause::Step));
        assert_eq!(Cause::heaviest([Cause::Busy, Cause::Machine]), Some(Cause::Machine));
        assert_eq!(Cause::heaviest([]), None);
        assert_eq!(Cause::Busy.exit_code(), 75);
        assert_eq!(Cause::Signal(15).exit_code(), 143);
    }
}
