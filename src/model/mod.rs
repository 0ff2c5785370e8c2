//! Shared words of every layer: no I/O, no clock.
pub mod redaction;
pub mod secret;
