//! Where secrets and settings come from: the sources of a chain asked in order, with the reason of each that did not answer.

mod lookup;
mod totp;
mod types;

pub use lookup::{look_up, preview};
pub use types::{Chain, Found, FoundIn, Missing, Preview, Tried};
