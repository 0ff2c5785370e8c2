//! What is to be run, and when.

use super::needs::Needs;
use super::text::{duration_text, slug};
use crate::model::hex::hex;
use crate::plan::{Plan, PlannedSchedule, PlannedStep, StepKind};
use sha2::{Digest, Sha256};
use std::time::Duration;
use thiserror::Error;

/// A playbook that a scheduler is to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// What people call it: the playbook's name.
    pub title: String,
    /// The program: an absolute path.
    pub program: String,
    /// The playbook: an absolute path.
    pub playbook: String,
    /// The folder to run in: the playbook's.
    pub folder: String,
    /// Flags of `runner apply` with their values, besides those that each schedule has.
    pub flags: Vec<String>,
    /// When.
    pub schedule: PlannedSchedule,
    /// How long a run may take.
    pub deadline: Option<Duration>,
    /// How long cleanup and logout may take after that, or after a signal.
    pub grace: Duration,
    /// Where its secrets and settings come from.
    pub needs: Needs,
}

/// The name of a job among the entries of a scheduler: of the playbook's file, and of the folder where it lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId(String);

impl JobId {
    /// Of a playbook's absolute path.
    pub fn of(playbook: &str) -> Self {
        let digest = hex(&Sha256::digest(playbook)[..4]);
        Self(format!("{}-{digest}", short_name(playbook)))
    }

    /// One that was read somewhere. `None`: no job has such a name.
    pub fn read(text: &str) -> Option<Self> {
        let is_ours = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (text.starts_with("runner-") && text.chars().all(is_ours)).then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a playbook where its folder means nothing: in a cluster, in a repository.
pub(super) fn short_name(playbook: &str) -> String {
    let file = playbook.rsplit('/').next().unwrap_or(playbook);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    format!("runner-{}", slug(stem))
}

/// What a scheduler cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unsayable {
    /// A path or value has characters that the scheduler's form has no way to write.
    #[error("{form} cannot hold {what} `{value}`: {reason}")]
    Text {
        /// The form: "a crontab".
        form: &'static str,
        /// Which text: "the path".
        what: &'static str,
        /// The text, in one line.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// cron goes by the clock of its machine.
    #[error(
        "cron goes by the clock of its machine ({machine}), and the schedule by that of {zone}: write \
         `timezone: {machine}`, or use systemd, whose timers know time zones"
    )]
    Zone {
        /// The schedule's zone.
        zone: String,
        /// The machine's.
        machine: String,
    },
    /// In another zone it would be another day, and not one that five fields can say.
    #[error(
        "in the machine's time zone ({machine}) this falls on other days than the cron expression says for {zone}, \
         which a crontab cannot say: write `timezone: {machine}`, or use systemd"
    )]
    OtherDay {
        /// The schedule's zone.
        zone: String,
        /// The machine's.
        machine: String,
    },
    /// The environment of this shell is not there when the scheduler runs the playbook.
    #[error("a scheduled run has no {0}: give the input with `--input`")]
    Input(String),
    /// A file of this machine is not there where the job runs.
    #[error(
        "{form} runs elsewhere and has no {flag} of this machine; give the variables as the secret that it names"
    )]
    Elsewhere {
        /// The form: "a CronJob".
        form: &'static str,
        /// The flag.
        flag: &'static str,
    },
}

impl Job {
    /// Its name among the entries of a scheduler.
    pub fn id(&self) -> JobId {
        JobId::of(&self.playbook)
    }

    /// The command line behind the program; `playbook` as it is called where it runs. `has_own_jitter`: the scheduler itself
    /// lets runs begin later.
    pub(super) fn arguments(&self, playbook: &str, has_own_jitter: bool) -> Vec<String> {
        let mut arguments: Vec<String> = ["apply", "--no-prompt", "--quiet"].map(str::to_owned).to_vec();
        if !has_own_jitter && !self.schedule.jitter.is_zero() {
            arguments.extend(["--jitter".to_owned(), duration_text(self.schedule.jitter)]);
        }
        arguments.extend(self.flags.iter().cloned());
        arguments.push(playbook.to_owned());
        arguments
    }

    /// A file or folder of this machine is none elsewhere.
    pub(super) fn refuse_flags_of_here(&self, form: &'static str) -> Result<(), Unsayable> {
        const OF_HERE: [&str; 3] = ["--env-file", "--allow-read", "--state-dir"];
        match OF_HERE.into_iter().find(|flag| self.flags.iter().any(|given| given == flag)) {
            Some(flag) => Err(Unsayable::Elsewhere { form, flag }),
            None => Ok(()),
        }
    }

    /// How long it may take from its start to its very end; `None`: as long as it likes.
    pub(super) fn longest(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline + self.grace)
    }
}

/// How long cleanup and logout may take: each has ten seconds, and what is in flight has five.
pub fn grace(plan: &Plan) -> Duration {
    const EACH: Duration = Duration::from_secs(10);
    const AT_LEAST: Duration = Duration::from_secs(60);
    // Nobody knows how many items a loop will have.
    const OF_A_LOOP: u32 = 60;
    fn cleanups(steps: &[PlannedStep], times: u32) -> u32 {
        let of_step = |step: &PlannedStep| {
            let times = if step.for_each.is_some() { times.max(OF_A_LOOP) } else { times };
            let inner = match &step.kind {
                StepKind::Group(group) => cleanups(&group.steps, times),
                _ => 0,
            };
            inner + times * u32::try_from(step.cleanup.len()).unwrap_or(u32::MAX)
        };
        steps.iter().map(of_step).fold(0, u32::saturating_add)
    }
    let at_end = u32::try_from(plan.cleanup.len() + plan.providers.len()).unwrap_or(u32::MAX);
    let count = cleanups(&plan.steps, 1).saturating_add(at_end);
    EACH.saturating_mul(count.saturating_add(1)).max(AT_LEAST)
}
