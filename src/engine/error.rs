use crate::event::Failure;
use crate::model::exit::Cause;

/// Why a step did not do what it should.
#[derive(Debug)]
pub struct StepError {
    /// What to report; `None` when an item or a step inside has reported it.
    pub failure: Option<Box<Failure>>,
    /// It is not known whether its write happened.
    pub is_unknown: bool,
    /// Nothing of it was begun, for a reason that is told elsewhere.
    pub is_not_begun: bool,
    /// The run was interrupted: it does not go on, whatever the step says about failures.
    pub is_interruption: bool,
}

impl StepError {
    /// A failure that an item or a step inside has reported.
    pub fn reported(is_unknown: bool) -> Self {
        Self { failure: None, is_unknown, is_not_begun: false, is_interruption: false }
    }

    /// A step of which nothing was begun, for a reason that is told elsewhere.
    pub fn not_begun() -> Self {
        Self { is_not_begun: true, ..Self::reported(false) }
    }
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        let is_unknown = failure.cause == Cause::Unknown;
        Self { failure: Some(Box::new(failure)), ..Self::reported(is_unknown) }
    }
}
