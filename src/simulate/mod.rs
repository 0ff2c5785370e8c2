//! The four providers as HTTP servers on loopback, written from the published facts about each API.
//!
//! [`Simulator`] is the way in. Each provider is a plain state machine without I/O (`Api`): a `Call` goes in, an
//! `Answer` comes out. Around it, `World` records and counts requests and applies injected faults, and `server` speaks
//! HTTP. Time comes from one clock that tests move by hand.
//!
//! Nothing here knows the engine, the sessions or the definitions of `runner`: a client mistake must not be mirrored
//! by the server that is to reveal it. Where the facts are silent a comment says what was chosen; error codes that
//! the provider never published begin with `SIM`.

mod answer;
mod api;
mod call;
mod clock;
mod connection;
mod control;
mod demo;
mod echome;
mod emnify;
mod fault;
mod fleet;
mod jwt;
mod options;
mod provider;
mod random;
mod record;
mod route;
mod server;
mod sessions;
mod simpleiot;
mod simulator;
mod soracom;
mod stats;
mod totp;
mod world;

pub use demo::{DemoAccount, DemoKind, DemoValue};
pub use fault::Fault;
pub use options::Options;
pub use provider::Provider;
pub use record::RecordedRequest;
pub use simulator::Simulator;
pub use stats::Stats;
