//! What is wrong with a cron expression, and where.

use std::ops::Range;

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronMistake {
    /// Where, in bytes of the expression.
    pub range: Range<usize>,
    /// What it is.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
}

impl CronMistake {
    pub(super) fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self { range, message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
