//! JSON Web Tokens as the providers issue them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// {"alg":"HS256","typ":"JWT"} in base64url.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// Simulated tokens are looked up, never verified, so that one key for all of them is enough.
const KEY: [u8; 64] = *b"simulated tokens are signed with this key, which guards nothing.";

/// Signs the claims (RFC 7519, HS256).
pub(super) fn sign(claims: &Value) -> String {
    let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new(&KEY.into());
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_has_a_readable_header_and_payload() {
        let token = sign(&json!({ "exp": 7 }));
        let parts: Vec<Vec<u8>> =
            token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        let [header, payload, signature] = parts.try_into().unwrap();
        assert_eq!(header, br#"{"alg":"HS256","typ":"JWT"}"#);
        assert_eq!(payload, br#"{"exp":7}"#);
        assert_eq!(signature.len(), 32);
    }
}
