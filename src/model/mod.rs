//! Shared words of every layer: no I/O, no clock.

pub mod exit;
pub mod hex;
pub mod path_form;
pub mod redacted;
pub mod redaction;
pub mod secret;
pub mod visible;
pub mod words;
