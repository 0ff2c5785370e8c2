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
}

/// A secret that a run needs.
#[derive(Debug, Clone)]
pub struct DrySecret {
    /// Its name: `emnify.password`.
    pub name: Redacted,
    /// Where it would come from; else every source and why it has nothing.
    pub source: Result<Redacted, Vec<Redacted>>,
    /// The origins that it would be sent to; empty for a secret of the playbook.
    pub origins: Vec<Redacted>,
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
    /// How often it would be done at least.
    pub times: usize,
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
        /// Whether there may be more pages.
        has_pages: bool,
    },
    /// Keep a secret.
    Store {
        /// As what.
        target: Redacted,
        /// Where.
        store: Redacted,
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

    fn is_request(&self) -> bool {
        matches!(self.action, DryAction::Request { .. })
    }

    /// Whether what would be sent, or whether at all, depends on an answer.
    fn depends_on_answers(&self) -> bool {
        let has_pages = matches!(self.action, DryAction::Request { has_pages: true, .. });
        self.is_request() && (has_pages || !self.after.is_empty())
    }
}

impl DryRun {
    /// `4 requests, 2 depend on answers, 1 write; nothing was sent`. Cleanup is not counted: it runs if something is left
    /// to undo.
    pub fn summary(&self) -> String {
        let count = |wanted: &dyn Fn(&DryLine) -> bool| -> u64 {
            self.lines.iter().filter(|line| wanted(line)).map(|line| line.times as u64).sum()
        };
        let requests = counted(count(&DryLine::is_request), "request");
        let writes = |line: &DryLine| matches!(line.action, DryAction::Request { is_write: true, .. });
        let dependent = match count(&DryLine::depends_on_answers) {
            0 => "none depends on answers".to_owned(),
            1 => "1 depends on answers".to_owned(),
            many => format!("{many} depend on answers"),
        };
        format!("{requests}, {dependent}, {}; nothing was sent", counted(count(&writes), "write"))
    }

    /// The exit code of the process: that of a missing secret, or of something that cannot be done.
    pub fn exit_code(&self) -> i32 {
        let is_missing = self.secrets.iter().any(|secret| secret.source.is_err());
        let lines = self.lines.iter().chain(&self.cleanup);
        let is_impossible = lines.into_iter().any(|line| matches!(line.action, DryAction::Impossible(_)));
        let causes = [is_missing.then_some(Cause::SignIn), is_impossible.then_some(Cause::Step)];
        Cause::heaviest(causes.into_iter().flatten()).map_or(0, Cause::exit_code)
    }
}
