//! How a simulator is set up.

use std::time::Duration;

/// What a simulator holds and how long its tokens live.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many devices, SIMs or virtual machines the account owns.
    pub devices: usize,
    /// Life of every access token, in whole seconds (at least one), instead of what the provider gives or the client
    /// asks for. Refresh tokens keep the provider's own life.
    pub token_life: Option<Duration>,
    /// The port to listen on, any free one when `None`. A provider with two origins takes this port for its API and
    /// the next one for signing in.
    pub port: Option<u16>,
}

impl Options {
    /// The life of an access token in seconds: the one that was asked for here, else the provider's own.
    pub(super) fn access_life(&self, own: i64) -> i64 {
        self.token_life.map_or(own, |life| i64::try_from(life.as_secs()).unwrap_or(own).max(1))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { devices: 25, token_life: None, port: None }
    }
}
