//! The one integration test binary: each theme is a file, what they share lies in `support`.
#![expect(clippy::disallowed_methods, reason = "tests prepare and inspect files themselves")]

mod apply;
mod check_cases;
mod commands;
mod dotenv;
mod dry_run;
mod echome;
mod emnify;
mod engine;
mod exit_codes;
mod keychain;
mod layers;
mod oauth2;
mod origins;
mod outlets;
mod own_api;
mod own_login;
mod prism;
mod prompts;
mod readme;
mod redaction;
mod report_forms;
mod reports;
mod sayable;
mod schema;
mod secrets;
mod sessions;
mod signals;
mod simpleiot;
mod simulators;
mod soracom;
mod support;
mod sweep;
mod transport;
mod validate;
