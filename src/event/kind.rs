use super::http::HttpNote;
use crate::model::exit::Cause;
use crate::model::redacted::Redacted;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// A fact of a run with its time.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// The wall clock, UTC.
    pub at: Timestamp,
    /// The time since the run began.
    #[serde(with = "super::duration")]
    #[schemars(with = "u64")]
    pub elapsed: Duration,
    /// What happened.
    pub kind: EventKind,
}

/// The kinds of facts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "snake_case")]
pub enum EventKind {
    /// The first event.
    RunStarted {
        /// The run's identity.
        run: String,
        /// The playbook's name.
        playbook: Redacted,
        /// The playbook's file.
        file: Redacted,
        /// All providers are simulated on this machine.
        is_simulated: bool,
        /// An earlier process had begun it.
        #[serde(default)]
        is_resumed: bool,
    },
    /// Something the user should know that does not end the run. The same text is said once in a run.
    Warning {
        /// The text.
        text: Redacted,
        /// Something may be open that nobody else tells of: not all is well, even if the run has done its work.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_alert: bool,
    },
    /// A step begins. Groups and loops begin, too; the steps inside follow.
    StepStarted {
        /// The step.
        step: StepNote,
    },
    /// The running step came further.
    StepProgress {
        /// The page that was fetched last, and how many there are, if known.
        page: Option<(u32, Option<u32>)>,
        /// The item of a loop that is worked on, 1-based, and how many there are.
        item: Option<(usize, usize)>,
        /// How often it was asked so far, where it is asked until a condition holds.
        round: Option<u32>,
        /// Rows so far.
        rows: u64,
    },
    /// A request was sent, or tried to be. What counts requests counts these whose `was_sent` is true.
    AttemptFinished {
        /// What it was for.
        purpose: Purpose,
        /// The verb.
        method: Redacted,
        /// The address without secrets.
        address: Redacted,
        /// The attempt, 1-based.
        attempt: u32,
        /// Whether any byte may have left this machine.
        was_sent: bool,
        /// The status of the answer, if one came.
        status: Option<u16>,
        /// What went wrong on the way, if no whole answer came.
        problem: Option<Redacted>,
        /// When it began, counted from the run's beginning. After a redirect that is when it was sent on.
        #[serde(with = "super::duration")]
        #[schemars(with = "u64")]
        began: Duration,
        /// How long it took since then.
        #[serde(with = "super::duration")]
        #[schemars(with = "u64")]
        took: Duration,
        /// The wait before the next attempt; `None` when there is none.
        #[serde(with = "super::duration::optional")]
        #[schemars(with = "Option<u64>")]
        retry_after: Option<Duration>,
        /// What went over the wire; `None` when nothing did.
        http: Option<Box<HttpNote>>,
    },
    /// A session was opened by a step that needed one. (An `authenticate` step reports itself.)
    SessionOpened {
        /// The session.
        session: SessionNote,
        /// How long it took.
        #[serde(with = "super::duration")]
        #[schemars(with = "u64")]
        took: Duration,
    },
    /// A session was prolonged.
    SessionRefreshed {
        /// The session.
        session: SessionNote,
    },
    /// A session was closed at the end of the run, or replaced. (A `logout` step reports itself.)
    SessionClosed {
        /// The provider's name.
        provider: Redacted,
        /// How it ended.
        end: SessionEnd,
        /// How long it took.
        #[serde(with = "super::duration")]
        #[schemars(with = "u64")]
        took: Duration,
    },
    /// A step ended.
    StepFinished {
        /// The step.
        step: StepNote,
        /// How.
        result: Box<StepResult>,
    },
    /// The cleanup of this many steps begins; what follows until the run's end belongs to it. The verdict is fixed.
    CleanupStarted {
        /// How many cleanup blocks will run.
        blocks: usize,
        /// The verdict so far: cleanup makes it no better.
        verdict: Verdict,
    },
    /// What the simulators have counted, where there are some.
    SimulatorsCounted {
        /// By provider. Numbers, and words of the program itself.
        counts: Value,
    },
    /// The last event.
    RunFinished {
        /// The run's end.
        verdict: Verdict,
    },
}

/// Which step an event speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepNote {
    /// Its key in the plan.
    pub key: usize,
    /// How many groups and loops it lies in.
    pub depth: usize,
    /// What reports call it.
    pub label: Redacted,
    /// The name that its author gave it, where the label is something else.
    pub name: Option<Redacted>,
    /// Its place in a loop, 1-based; `None` outside of loops and for the loop as a whole.
    pub item: Option<usize>,
    /// It belongs to a cleanup block.
    pub is_cleanup: bool,
}

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A step's own work.
    Step,
    /// To learn whether a step's write happened.
    Verify,
    /// To sign in, challenges included.
    Login,
    /// To prolong a session.
    Refresh,
    /// To end a session.
    Logout,
}

/// A session for those who read reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionNote {
    /// The provider's name in the playbook.
    pub provider: Redacted,
    /// Who is signed in, from the credentials that are no secrets; `None` when all are.
    pub account: Option<Redacted>,
    /// The login method, where the provider has several.
    pub method: Option<Redacted>,
    /// Until when it lives, if known.
    pub valid_until: Option<Timestamp>,
    /// How long it lives in milliseconds, counted from its receipt, if known.
    pub valid_for_ms: Option<u64>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// The provider confirmed the logout.
    Closed,
    /// The provider has no logout: the tokens were forgotten here and live on until this time, if known.
    Forgotten {
        /// The end of their life.
        valid_until: Option<Timestamp>,
    },
    /// The provider said that the session had ended before.
    AlreadyOver,
    /// The logout failed: the session may be open until this time, if known.
    Failed {
        /// Why.
        reason: Redacted,
        /// The end of its life.
        valid_until: Option<Timestamp>,
    },
}

/// How many items a loop has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemCounts {
    /// All of them.
    pub all: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those for which nothing was done: every step inside was skipped.
    pub skipped: usize,
    /// Those of which nothing was begun: the loop had come to its end, or nothing more is sent to where they would go.
    pub not_started: usize,
}

/// How a step ended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StepResult {
    /// In a word.
    pub status: StepStatus,
    /// What it did, in a few words, without rows, files and times: `200`, `as ops@example.com, valid 4 h`.
    pub detail: Option<Redacted>,
    /// Rows of all pages and items.
    pub rows: Option<u64>,
    /// Pages, where there is paging.
    pub pages: Option<u32>,
    /// How often it was asked, where it is asked until a condition holds. The first request of a round is no repetition.
    pub rounds: Option<u32>,
    /// Items of a loop.
    pub items: Option<ItemCounts>,
    /// The file that it wrote.
    pub file: Option<FileNote>,
    /// An earlier process has done it.
    #[serde(default)]
    pub is_restored: bool,
    /// Requests that were sent for it, without those of sessions.
    pub requests: u32,
    /// Of these, how many were repetitions.
    pub retries: u32,
    /// How long it took.
    #[serde(with = "super::duration")]
    #[schemars(with = "u64")]
    pub took: Duration,
    /// What went wrong.
    pub failure: Option<Failure>,
}

/// A file that a step wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileNote {
    /// Its path as the playbook names it; ends in `.partial` when not all is in it.
    pub path: Redacted,
    /// Whether all is in it.
    pub is_complete: bool,
}

/// The end of a step in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It did what it should.
    Done,
    /// Its `if` did not hold, or `--only` and `--from` left it out.
    Skipped,
    /// It failed.
    Failed,
    /// It is not known whether its write happened.
    Unknown,
    /// The run ended before its turn.
    NotStarted,
}

/// What went wrong: the first cause as a headline, then where, then what now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Its kind; names the exit code.
    pub cause: Cause,
    /// The headline: `emnify answered 503 Service Unavailable to page 2 of list_devices`.
    pub headline: Redacted,
    /// The request: verb, address, attempt n of m, elapsed, what came back. Absent when none was made.
    pub request: Option<Redacted>,
    /// `file:line:column` of the step.
    pub place: Option<Redacted>,
    /// More that helps to understand: the provider's own message, where a credential came from.
    pub notes: Vec<Redacted>,
    /// What to do next.
    pub advice: Option<Redacted>,
}

/// The end of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// What ended or marred it, each kind once, in the order of appearance; empty when all is well.
    pub causes: Vec<Cause>,
    /// Whether running it again does nothing twice that must not be done twice.
    pub is_safe_to_rerun: bool,
    /// Failures that belong to no step: a secret that was not found, a deadline.
    pub failures: Vec<Failure>,
    /// Whether the journal that tells it is damaged, so that the run may have done more.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_damaged: bool,
}

impl Verdict {
    /// The exit code of the process.
    pub fn exit_code(&self) -> i32 {
        Cause::heaviest(self.causes.iter().copied()).map_or(0, Cause::exit_code)
    }
}
