//! Who may sign in to the simulated installation, and what its configuration says.

use super::lockout::Attempts;
use crate::simulate::demo::{DemoAccount, DemoValue};

pub(super) const CLIENT_ID: &str = "7democlientid4simulated0ab";
const REGION: &str = "us-east-1";
const TEAM: &str = "demo-team";
const MFA_SECRET: &str = "GNSXEZLQNRQWG5DFORSXG5DFOJ3WK4TF";

/// A user of the pool.
#[derive(Debug)]
pub(super) struct User {
    pub(super) name: &'static str,
    pub(super) password: String,
    /// The password was given by an administrator and must be replaced at the first login.
    pub(super) must_change_password: bool,
    /// Base32.
    pub(super) totp_secret: Option<&'static str>,
    pub(super) attempts: Attempts,
}

/// One user for each combination of challenges.
pub(super) fn users() -> Vec<User> {
    let user = |name, password: &str, must_change_password, totp_secret| User {
        name,
        password: password.to_owned(),
        must_change_password,
        totp_secret,
        attempts: Attempts::default(),
    };
    vec![
        user("demo-admin", "demo-password-Gx5wLc7P", false, None),
        user("demo-mfa", "demo-password-Tn8hQv3B", false, Some(MFA_SECRET)),
        user("demo-invited", "demo-password-Yb6kZs9D", true, None),
        user("demo-invited-mfa", "demo-password-Fj2rMw4X", true, Some(MFA_SECRET)),
    ]
}

/// The users with the configuration that belongs to them.
pub(super) fn demo_accounts(base_url: &str) -> Vec<DemoAccount> {
    let labels = ["plain", "mfa", "new-password", "new-password-mfa"];
    labels.into_iter().zip(&users()).map(|(label, user)| demo_account(label, user, base_url)).collect()
}

fn demo_account(label: &'static str, user: &User, base_url: &str) -> DemoAccount {
    let (credential, setting) = (DemoValue::credential, DemoValue::setting);
    let mut values = vec![
        credential("username", Some("IOT_USERNAME"), user.name),
        credential("password", Some("IOT_PASSWORD"), &user.password),
        setting("team", Some("IOT_TEAM"), TEAM),
        setting("region", Some("AWS_REGION"), REGION),
        setting("client_id", None, CLIENT_ID),
        // With the slash at its end, as the team's own configuration file has it.
        setting("api_endpoint", None, &format!("{base_url}/")),
    ];
    values.extend(user.totp_secret.map(|secret| credential("mfa_secret", Some("IOT_MFA_SECRET"), secret)));
    DemoAccount { label, values }
}
