//! Expressions in `${{ }}` and bare conditions: parsed once with the places of all names they read, evaluated against a
//! [`Scope`] with the knowledge whether a secret went into the result.
//!
//! The only module that knows minijinja. Imports `source`, `port` and `model`.

mod decimal;
mod environment;
mod expression;
mod lists;
mod names;
mod operators;
mod rewrite;
mod scope;
mod split;
mod value;

pub use environment::{FILTERS, FUNCTIONS, Signature, TESTS};
pub use expression::{Condition, Evaluated, EvaluationError, Expression, Template};
pub use names::{Call, CallKind, Reference, Segment};
pub use scope::{Data, Moment, Scope, SharedJson};
pub use value::{json_to_text, to_json};
