//! Where secrets and settings come from: the sources of a chain asked in order, with the reason of each that did not answer.

mod types;

pub use types::{Chain, Found, FoundIn, Missing, Tried};
