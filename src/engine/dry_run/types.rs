use crate::model::exit::Cause;
use crate::model::redacted::Redacted;
use crate::model::words::counted;

/// What a run would do.
#[derive(Debug, Clone)]
pub struct DryRun {
    /// The secrets that it needs.
    pub secrets: Vec<DrySecret>,
    /// What its steps would do, the sessions that they need and their end included.
    pub lines: Vec<DryLine>,
    /// What cleanup would do.
    pub cleanup: Vec<DryLine>,
    /// What the dead-man switch would be told. It is no request of the run.
    pub pings: Vec<DryLine>,
}

/// A secret that a run needs.
#[derive(Debug, Clone)]
pub struct DrySecret {
    /// Its name: `emnify.password`.
    pub name: Redacted,
    /// Where it would come from; else every source and why it has nothing.
    pub source: Result<Redacted, Vec<Redacted>>,
    /// The origins that it would be sent to, as far as they are known.
    pub origins: Vec<Redacted>,
    /// Whether a run fails without it.
    pub is_needed: bool,
}

/// One thing that a run would do.
#[derive(Debug, Clone)]
pub struct DryLine {
    /// The step, as reports call it.
    pub label: Redacted,
    /// What it would do.
    pub action: DryAction,
    /// The steps on whose answers it depends.
    pub after: Vec<Redacted>,
    /// Under which conditions and how often it would be done, in words.
    pub notes: Vec<Redacted>,
    /// Whether a run without failures does it, whatever the answers are.
    pub is_certain: bool,
    /// Whether it would be done for each item of a list that nobody knows yet.
    pub is_open_ended: bool,
    /// Whether it is to be shown, and not counted only.
    pub is_shown: bool,
    /// Whether it is asked only when nobody knows what became of a write: it is shown, and not counted.
    pub is_question: bool,
}

/// What a line of a dry run would do.
#[derive(Debug, Clone)]
pub enum DryAction {
    /// Send a request.
    Request {
        /// The verb.
        method: Redacted,
        /// Scheme and host; `None` while nobody knows them, or when they are secret.
        origin: Option<Redacted>,
        /// Path and query, secrets and what is not known yet as `‹name›`.
        target: Redacted,
        /// `Name: value` for each header that somebody wrote, what the session adds included.
        headers: Vec<Redacted>,
        /// The body.
        body: Option<Redacted>,
        /// Whether it would change something.
        is_write: bool,
        /// Whether more like it may follow: the next page, the next round.
        may_be_more: bool,
    },
    /// Keep a secret.
    Store {
        /// As what.
        target: Redacted,
        /// Where.
        store: Redacted,
        /// Why that surely fails.
        problem: Option<Redacted>,
    },
    /// Nothing, for this reason.
    Nothing(Redacted),
    /// What is written cannot be done.
    Impossible(Redacted),
}

impl DryLine {
    /// Where its request would go.
    pub fn origin(&self) -> Option<&Redacted> {
        match &self.action {
            DryAction::Request { origin, .. } => origin.as_ref(),
            _ => None,
        }
    }

    /// Whether what is written cannot be done.
    pub(super) fn is_impossible(&self) -> bool {
        matches!(self.action, DryAction::Impossible(_))
    }

    fn is_request(&self) -> bool {
        matches!(self.action, DryAction::Request { .. }) && !self.is_question
    }

    fn is_write(&self) -> bool {
        matches!(self.action, DryAction::Request { is_write: true, .. })
    }

    fn may_be_more(&self) -> bool {
        matches!(self.action, DryAction::Request { may_be_more: true, .. })
    }

    /// Whether what would be sent, or whether at all, depends on an answer.
    fn depends_on_answers(&self) -> bool {
        self.is_request() && (self.may_be_more() || !self.after.is_empty())
    }
}

impl DryRun {
    /// `4 requests, 2 depend on answers, 1 write; nothing was sent`: the steps, and of cleanup what runs in any case.
    pub fn summary(&self) -> String {
        let certain = self.cleanup.iter().filter(|line| line.is_certain);
        let lines: Vec<&DryLine> = self.lines.iter().chain(certain).collect();
        let dependent = match count(&lines, DryLine::depends_on_answers) {
            0 => "none depends on answers".to_owned(),
            1 => "1 depends on answers".to_owned(),
            many => format!("{many} depend on answers"),
        };
        format!("{}, {dependent}, {}; nothing was sent", requests(&lines), writes(&lines))
    }

    /// `cleanup may add up to 3 requests, 1 write`: what depends on the course of the run, if there is such cleanup.
    pub fn possible_cleanup(&self) -> Option<String> {
        let lines = self.cleanup.iter().filter(|line| !line.is_certain && line.is_request());
        let lines: Vec<&DryLine> = lines.collect();
        if lines.is_empty() {
            return None;
        }
        let (requests, writes) = (requests(&lines), writes(&lines));
        Some(match lines.iter().any(|line| line.is_open_ended || line.may_be_more()) {
            true => {
                format!(
                    "cleanup may add {requests}, {writes}, and more where a list has several items or pages"
                )
            }
            false => format!("cleanup may add up to {requests}, {writes}"),
        })
    }

    /// The exit code of the process: that of a missing secret, or of something that cannot be done. A store that is not there
    /// is shown, and no more: a playbook is often looked at on another machine than the one that will run it.
    pub fn exit_code(&self) -> i32 {
        let is_missing = self.secrets.iter().any(|secret| secret.is_needed && secret.source.is_err());
        let is_impossible = self.lines.iter().chain(&self.cleanup).any(DryLine::is_impossible);
        let causes = [is_missing.then_some(Cause::SignIn), is_impossible.then_some(Cause::Step)];
        Cause::heaviest(causes.into_iter().flatten()).map_or(0, Cause::exit_code)
    }
}

fn count(lines: &[&DryLine], is_wanted: impl Fn(&DryLine) -> bool) -> u64 {
    lines.iter().filter(|line| is_wanted(line)).count() as u64
}

fn requests(lines: &[&DryLine]) -> String {
    counted(count(lines, DryLine::is_request), "request")
}

fn writes(lines: &[&DryLine]) -> String {
    counted(count(lines, DryLine::is_write), "write")
}
