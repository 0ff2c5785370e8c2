//! Expressions in `${{ }}` and bare conditions: parsed once with the places of all names they read, evaluated against a
//! [`Scope`] with the knowledge whether a secret went into the result.
//!
//! The only module that knows minijinja. Imports `source`, `port` and `model`.

mod condition;
mod decimal;
mod environment;
mod evaluated;
mod expression;
mod lists;
mod names;
mod operators;
mod rewrite;
mod scalar;
mod scope;
mod split;
mod value;

#[cfg(test)]
mod tests;

pub use condition::Condition;
pub use environment::{FILTERS, FUNCTIONS, Signature, TESTS};
pub use evaluated::{Evaluated, EvaluationError};
pub use expression::Expression;
pub use names::{Call, CallKind, Reference, Segment};
pub use scalar::Template;
pub use scope::{Data, Moment, Scope, SharedJson};
pub use value::{json_to_text, to_json};
