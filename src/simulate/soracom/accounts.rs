//! Who may sign in to the simulated Soracom.

use crate::simulate::demo::{DemoAccount, DemoValue};
use crate::simulate::totp;

/// An operator: the root user with its AuthKey, its SAM users.
#[derive(Debug, Clone)]
pub(super) struct Operator {
    pub(super) id: &'static str,
    pub(super) email: &'static str,
    pub(super) auth_key_id: &'static str,
    pub(super) auth_key: &'static str,
    pub(super) root: User,
    pub(super) sam_users: Vec<(&'static str, User)>,
}

/// Someone with a password.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) password: String,
    pub(super) mfa: Mfa,
}

/// The state of a user's second factor; the secrets are base32.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mfa {
    Off,
    /// Asked for, not yet proved with a first code.
    Pending(String),
    On(String),
}

impl User {
    fn new(password: &str, mfa: Mfa) -> Self {
        Self { password: password.to_owned(), mfa }
    }

    /// Whether the code is what the second factor asks for; anything will do while it is off.
    pub(super) fn code_fits(&self, code: Option<&str>, now: i64) -> bool {
        match &self.mfa {
            Mfa::On(secret) => code.is_some_and(|code| totp::accepts(secret, code, now)),
            Mfa::Off | Mfa::Pending(_) => true,
        }
    }
}

impl Operator {
    /// The root user for `None`, else the SAM user of that name.
    pub(super) fn user_mut(&mut self, sam_user: Option<&str>) -> Option<&mut User> {
        match sam_user {
            None => Some(&mut self.root),
            Some(name) => self.sam_users.iter_mut().find(|(key, _)| *key == name).map(|(_, user)| user),
        }
    }
}

/// The token that a simulated password-reset mail carries.
pub(super) const RESET_TOKEN: &str = "demo-reset-token-Wm5kR9sQ2b";
/// A password that nobody has yet.
const NEW_PASSWORD: &str = "demo-New-password-8hTq3Zw6";

const PASSWORD: &str = "demo-password-Zq8vT3xW";
const MFA_SECRET: &str = "JVTGCU2FMNZGK5CEMVWW6U3PNZSQ4DCB";
const SAM_USER: &str = "demo-ci-user";

/// The operators there are: one plain, one whose users have a second factor.
pub(super) fn operators() -> Vec<Operator> {
    let operator = |id, email, auth_key_id, auth_key, mfa: Mfa| Operator {
        id,
        email,
        auth_key_id,
        auth_key,
        root: User::new(PASSWORD, mfa.clone()),
        sam_users: vec![(SAM_USER, User::new(PASSWORD, mfa))],
    };
    vec![
        operator(
            "OP0012345678",
            "demo@example.com",
            "keyId-demo-Hc7pNs4Ywe2Lx9Tb",
            "secret-demo-Vg3mKd8Rqz6Jf1Uy",
            Mfa::Off,
        ),
        operator(
            "OP0087654321",
            "demo-mfa@example.com",
            "keyId-demo-Bt5wGj9Xrk3Qs7Mn",
            "secret-demo-Pe2hCy6Dvu8Za4Lf",
            Mfa::On(MFA_SECRET.to_owned()),
        ),
    ]
}

/// The operators as a user sees them.
pub(super) fn demo_accounts() -> Vec<DemoAccount> {
    operators().iter().map(demo_account).collect()
}

fn demo_account(operator: &Operator) -> DemoAccount {
    let credential = DemoValue::credential;
    let mut values = vec![
        credential("email", Some("SORACOM_EMAIL"), operator.email),
        credential("password", Some("SORACOM_PASSWORD"), &operator.root.password),
        credential("auth_key_id", Some("SORACOM_AUTH_KEY_ID"), operator.auth_key_id),
        credential("auth_key", Some("SORACOM_AUTH_KEY"), operator.auth_key),
        credential("operator_id", Some("SORACOM_OPERATOR_ID"), operator.id),
        credential("user_name", Some("SORACOM_USER_NAME"), SAM_USER),
        credential("reset_token", Some("SORACOM_RESET_TOKEN"), RESET_TOKEN),
        credential("new_password", Some("SORACOM_NEW_PASSWORD"), NEW_PASSWORD),
    ];
    let Mfa::On(secret) = &operator.root.mfa else { return DemoAccount { label: "plain", values } };
    values.push(credential("mfa_secret", Some("SORACOM_MFA_SECRET"), secret));
    DemoAccount { label: "mfa", values }
}
