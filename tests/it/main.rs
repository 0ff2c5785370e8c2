//! The one integration test binary: each theme is a file, what they share lies in `support`.
#![expect(clippy::disallowed_methods, reason = "tests prepare and inspect files themselves")]

mod check_cases;
mod echome;
mod keychain;
mod layers;
mod origins;
mod own_api;
mod prism;
mod prompts;
mod redaction;
mod sayable;
mod schema;
mod secrets;
mod simpleiot;
mod simulators;
mod support;
mod sweep;
mod transport;
mod validate;
