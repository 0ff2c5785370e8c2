//! One-time codes of authenticator apps.

use totp_rs::{Builder, Secret};

/// Whether `code` belongs to the base32 `secret` at `now`, or one step of 30 seconds before or after (RFC 6238,
/// SHA-1, six digits). A code may be used again within its time: two demo runs in one minute are not an attack.
pub(super) fn accepts(secret: &str, code: &str, now: i64) -> bool {
    let Ok(secret) = Secret::try_from_base32(secret) else { return false };
    let Ok(totp) = Builder::new().with_secret(secret).build() else { return false };
    u64::try_from(now).is_ok_and(|now| totp.check(code, now).is_some())
}

#[cfg(test)]
mod tests {
    use super::accepts;

    /// The secret and the first row of RFC 6238, appendix B, cut to six digits.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn the_vector_of_the_rfc_is_accepted_in_its_time_only() {
        assert!(accepts(SECRET, "287082", 59));
        assert!(!accepts(SECRET, "287082", 59 + 120));
        assert!(!accepts(SECRET, "287083", 59));
    }
}
