//! Who may sign in to the simulated ecHome: access keys, not people.

use crate::simulate::demo::{DemoAccount, DemoValue};

/// An access key as the server keeps it.
#[derive(Debug)]
pub(super) struct AccessKey {
    pub(super) id: &'static str,
    pub(super) secret: &'static str,
    pub(super) state: KeyState,
}

/// What has become of an access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyState {
    Active,
    Inactive,
    Deleted,
}

/// The keys there are: one to use, one to take away.
pub(super) fn access_keys() -> Vec<AccessKey> {
    let key = |id, secret| AccessKey { id, secret, state: KeyState::Active };
    vec![
        key("auth-demo12345678", "demo-secret-key-Rw7xBq4JmT9z"),
        key("auth-spare8765432", "demo-secret-key-Lp3sVn8KdY2c"),
    ]
}

/// The keys as their owner sees them; `server` is host and port.
pub(super) fn demo_accounts(server: &str) -> Vec<DemoAccount> {
    let account = |label, key: &AccessKey| {
        let values = vec![
            DemoValue::credential("username", Some("ECHOME_ACCESS_ID"), key.id),
            DemoValue::credential("password", Some("ECHOME_SECRET_KEY"), key.secret),
            DemoValue::setting("server", Some("ECHOME_SERVER"), server),
        ];
        DemoAccount { label, values }
    };
    ["plain", "spare"].into_iter().zip(&access_keys()).map(|(label, key)| account(label, key)).collect()
}
