//! One-time codes from a shared secret (RFC 6238).

use jiff::Timestamp;
use totp_rs::{Algorithm, Builder, Secret, Totp};
use url::Url;

/// The code of a moment. `secret` is base32, in which blanks, dashes and case do not matter, or an `otpauth://totp/`
/// address as it stands in the QR code of a provider.
///
/// # Errors
/// What is wrong with the secret, without quoting it.
pub(super) fn code(secret: &str, now: Timestamp) -> Result<String, &'static str> {
    let totp = match secret.trim().starts_with("otpauth:") {
        true => from_address(secret.trim())?,
        false => Builder::new().with_secret(decoded(secret)?).build_noncompliant(),
    };
    let seconds = u64::try_from(now.as_second()).map_err(|_| "the clock stands before 1970")?;
    Ok(totp.generate(seconds).to_string())
}

/// Reads the "Key Uri Format" that authenticator apps understand. A parameter that is left out has the value that all of
/// them take for it: SHA1, 6 digits, 30 s.
fn from_address(address: &str) -> Result<Totp, &'static str> {
    let url = Url::parse(address).map_err(|_| "not a valid otpauth:// address")?;
    if url.host_str() != Some("totp") {
        return Err("only otpauth://totp/ gives codes by time");
    }
    let parameter = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
    let secret = parameter("secret").ok_or("its otpauth:// address has no secret")?;
    let algorithm = match parameter("algorithm").map(|name| name.to_ascii_uppercase()).as_deref() {
        None | Some("SHA1") => Algorithm::SHA1,
        Some("SHA256") => Algorithm::SHA256,
        Some("SHA512") => Algorithm::SHA512,
        Some(_) => return Err("its algorithm is none of SHA1, SHA256, SHA512"),
    };
    let number = |name: &str, default: u64| parameter(name).map_or(Some(default), |text| text.parse().ok());
    let digits =
        number("digits", 6).filter(|digits| (6..=8).contains(digits)).ok_or("its digits are not 6 to 8")?;
    let period =
        number("period", 30).filter(|&seconds| seconds > 0).ok_or("its period is not a number of seconds")?;
    let builder = Builder::new().with_secret(decoded(&secret)?).with_algorithm(algorithm);
    Ok(builder.with_digits(digits as u8).with_step_duration(period).build_noncompliant())
}

/// The key itself. How long it is does not matter: many providers give 80 bits, less than RFC 4226 asks for.
fn decoded(base32: &str) -> Result<Secret, &'static str> {
    let is_letter = |c: &char| !c.is_whitespace() && !matches!(c, '-' | '=');
    let letters: String = base32.chars().filter(is_letter).map(|c| c.to_ascii_uppercase()).collect();
    match Secret::try_from_base32(&letters) {
        Ok(secret) if !letters.is_empty() => Ok(secret),
        _ => Err("not base32 and not an otpauth:// address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the test vectors in RFC 6238, appendix B: `12345678901234567890`.
    const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn the_vectors_of_the_rfc() {
        let address = format!("otpauth://totp/Test:a@b?secret={KEY}&digits=8&issuer=Test");
        for (seconds, expected) in
            [(59, "94287082"), (1_111_111_109, "07081804"), (20_000_000_000, "65353130")]
        {
            assert_eq!(code(&address, at(seconds)), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn base32_as_people_write_it() {
        for secret in
            [KEY, "gezd gnbv gy3t qojq-gezd gnbv gy3t qojq\n", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ===="]
        {
            assert_eq!(code(secret, at(59)), Ok("287082".to_owned()), "{secret}");
        }
        assert!(code("JBSWY3DPEHPK3PXP", at(59)).is_ok(), "80 bits");
    }

    #[test]
    fn algorithm_and_period_of_the_address_count() {
        let key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA";
        let address = format!("otpauth://totp/x?secret={key}&algorithm=SHA256&digits=8&period=60");
        assert_eq!(code(&address, at(118)), Ok("46119246".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for (secret, reason) in [
            ("hunter2!", "not base32 and not an otpauth:// address"),
            ("  ", "not base32 and not an otpauth:// address"),
            ("otpauth://hotp/x?secret=JBSWY3DPEHPK3PXP", "only otpauth://totp/ gives codes by time"),
            ("otpauth://totp/x", "its otpauth:// address has no secret"),
            ("otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=12", "its digits are not 6 to 8"),
            ("otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&period=0", "its period is not a number of seconds"),
            (
                "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&algorithm=MD5",
                "its algorithm is none of SHA1, SHA256, SHA512",
            ),
        ] {
            assert_eq!(code(secret, at(59)), Err(reason), "{secret}");
        }
    }
}
