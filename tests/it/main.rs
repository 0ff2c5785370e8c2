//! The one integration test binary: each theme is a file, what they share lies in `support`.
#![expect(clippy::disallowed_methods, reason = "tests prepare and inspect files themselves")]

mod check_cases;
mod dotenv;
mod keychain;
mod layers;
mod prompts;
mod redaction;
mod schema;
mod signals;
mod simulators;
mod support;
mod sweep;
mod transport;
mod validate;
