//! What was written: YAML text as a tree of spanned nodes, and the keys of playbooks and provider definitions as types.
//!
//! Syntax only. A [`Playbook`] or [`Definition`] holds what its file says, each part with its place; whether names exist and
//! forms fit together is asked by `plan`. Each type of the language is declared once, with `keys!`: the
//! declaration yields the struct, the check of its keys and types, and its JSON Schema.

mod definition;
mod expression;
mod literal;
pub(crate) mod lower;
mod named;
mod playbook;
mod reader;
mod request;
mod scalar;
mod schedule;
mod step;
mod yaml;

pub use definition::*;
pub use expression::*;
pub use literal::Literal;
pub use named::Named;
pub use playbook::*;
pub use reader::{JsonPath, Reader, ReaderPlace};
pub use request::*;
pub use scalar::*;
pub use schedule::*;
pub use step::*;
pub use yaml::{Content, Entry, Node, Scalar, ScalarKind, parse};
