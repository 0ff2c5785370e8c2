use super::context::Context;
use crate::source::{Code, Diagnostic};
use crate::template::{Expression, Reference, Segment};

/// One reference of one expression.
pub(super) struct Spot<'s> {
    pub context: &'s Context<'s>,
    pub expression: &'s Expression,
    pub reference: &'s Reference,
}

impl Spot<'_> {
    /// Reports something about one of its names.
    pub fn report(
        &self,
        segment: &Segment,
        code: Code,
        message: String,
        finish: impl FnOnce(Diagnostic) -> Diagnostic,
    ) {
        let span = self.expression.place(segment.range.clone());
        self.context.report(finish(Diagnostic::new(code, span, message)));
    }
}
