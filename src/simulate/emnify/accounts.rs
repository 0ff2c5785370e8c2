//! Who may sign in to the simulated emnify.

use sha1::{Digest as _, Sha1};

use crate::simulate::demo::{DemoAccount, DemoValue};

/// A user of the one organisation there is.
#[derive(Debug)]
pub(super) struct User {
    pub(super) id: u64,
    pub(super) username: &'static str,
    pub(super) mfa: Option<Mfa>,
    /// Lower-case hex SHA-1 of the password.
    pub(super) password_sha1: String,
}

/// A second factor: an authenticator app, and a code by mail for those without one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mfa {
    /// Base32.
    pub(super) totp_secret: &'static str,
    /// Six characters, letters among them. The real one differs in every mail.
    pub(super) mailed_code: &'static str,
}

/// The application token that exists from the start. Its length is that of the short kind; the real ones differ.
pub(super) const APPLICATION_TOKEN: &str = "demo-application-token_Xk4tQz8Wv2Rb6Jn9Lc3Hy7Mf5Sd1Gp";

const PASSWORD: &str = "demo-password-Kd6rYm2N";
const MFA: Mfa = Mfa { totp_secret: "MVWW42LGPFCGK3LPKRXXI4CTMVRXEZLU", mailed_code: "7F3K9Q" };
const PLAIN_USER: &str = "demo@example.com";
const MFA_USER: &str = "demo-mfa@example.com";

/// One user without and one with a second factor.
pub(super) fn users() -> Vec<User> {
    let user = |id, username, mfa| User { id, username, mfa, password_sha1: sha1_hex(PASSWORD) };
    vec![user(1, PLAIN_USER, None), user(2, MFA_USER, Some(MFA))]
}

/// The users as they see themselves.
pub(super) fn demo_accounts() -> Vec<DemoAccount> {
    let credential = DemoValue::credential;
    let account = |label, username, more: &[DemoValue]| {
        let user = [
            credential("username", Some("EMNIFY_USERNAME"), username),
            credential("password", Some("EMNIFY_PASSWORD"), PASSWORD),
        ];
        DemoAccount { label, values: [&user, more].concat() }
    };
    let token = credential("application_token", Some("EMNIFY_APPLICATION_TOKEN"), APPLICATION_TOKEN);
    let mfa_secret = credential("mfa_secret", Some("EMNIFY_MFA_SECRET"), MFA.totp_secret);
    let mfa_code = credential("mfa_code", None, MFA.mailed_code);
    vec![account("plain", PLAIN_USER, &[token]), account("mfa", MFA_USER, &[mfa_secret, mfa_code])]
}

fn sha1_hex(text: &str) -> String {
    Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::sha1_hex;

    #[test]
    fn a_password_is_hashed_as_in_the_published_example() {
        let hash = sha1_hex("The quick brown fox jumps over the lazy dog");
        assert_eq!(hash, "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12");
    }
}
