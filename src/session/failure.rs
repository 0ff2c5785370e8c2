use crate::event::Failure;

/// Why a session could not be had. It reads like any other failure; the step adds its place.
#[derive(Debug, Clone)]
pub struct SignInFailure(Box<Failure>);

impl SignInFailure {
    /// The failure for the report.
    pub fn into_failure(self) -> Failure {
        *self.0
    }
}

impl From<Failure> for SignInFailure {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure))
    }
}
