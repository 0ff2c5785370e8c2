//! ecHome: a Django server with a pair of JWTs, refreshed with rotation, and form-encoded writes.

mod accounts;
mod api;
mod describe;
mod error;
mod fields;
mod records;
mod token;

pub(super) use api::Echome;
