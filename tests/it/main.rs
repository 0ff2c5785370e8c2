//! The one integration test binary: each theme is a file, what they share lies in `support`.
#![expect(clippy::disallowed_methods, reason = "tests prepare and inspect files themselves")]

mod apply;
mod check_cases;
mod commands;
mod emnify;
mod engine;
mod exit_codes;
mod keychain;
mod layers;
mod prompts;
mod readme;
mod redaction;
mod schema;
mod simulators;
mod soracom;
mod support;
mod sweep;
mod transport;
mod validate;
