//! What the tests share: the program in a clean room, a terminal, keyrings, mock servers.
//!
//! Nothing in here sleeps: whoever waits, waits for a text, an end of file or an exit, and for a limited
//! time.

pub mod acme;
pub mod cases;
pub mod client;
pub mod fleet;
pub mod full_queue;
pub mod held;
pub mod judges;
pub mod keyring;
pub mod orders;
pub mod own_mounts;
pub mod planted;
pub mod prism;
pub mod process;
pub mod pty;
pub mod raw_server;
pub mod runner;
pub mod scripted;
pub mod session_api;
pub mod stream;
pub mod tls;

use std::time::Duration;

/// How long a test waits for what should happen at once. It is long because a busy machine must not fail a
/// test.
pub const PATIENCE: Duration = Duration::from_secs(30);
