//! Soracom: two headers instead of one, JWTs refreshed before they expire or not at all, cursor pages.

mod accounts;
mod api;
mod error;
mod lists;
mod mfa;
mod password_reset;
mod records;
mod sign_in;

pub(super) use api::Soracom;
