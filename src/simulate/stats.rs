//! What a simulator has seen.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts since the simulator started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Requests by method and path template (`GET /v1/sims/{sim_id}`), then by status. A path the provider does not
    /// have counts as `GET (no such path)`, a connection that was dropped without an answer as status `none`.
    pub requests: BTreeMap<String, BTreeMap<String, u64>>,
    /// Logins that succeeded, second factors included.
    pub logins: u64,
    /// Logins and second factors that were refused.
    pub refused_logins: u64,
    /// Refreshes that succeeded.
    pub refreshes: u64,
    /// Logouts that succeeded.
    pub logouts: u64,
    /// Logins that were not logged out and of which some token is still good.
    pub open_sessions: u64,
}

impl Stats {
    /// How many requests went to a route, whatever was answered.
    pub fn requests_to(&self, route: &str) -> u64 {
        self.requests.get(route).map_or(0, |by_status| by_status.values().sum())
    }

    /// How many requests there were in all.
    pub fn total_requests(&self) -> u64 {
        self.requests.values().flat_map(BTreeMap::values).sum()
    }
}
