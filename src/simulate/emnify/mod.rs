//! emnify: one path with four ways to authenticate, a lock-out after three refusals, no logout, numbered pages.

mod accounts;
mod api;
mod application_tokens;
mod authenticate;
mod error;
mod lists;
mod rate_limit;
mod records;

pub(super) use api::Emnify;
