//! The search for secrets in what a run left behind.

/// The form in which `secret` occurs in `text`, or `None` if it does not occur.
pub fn find_planted(text: &[u8], secret: &str) -> Option<String> {
    let occurs = text.windows(secret.len().max(1)).any(|window| window == secret.as_bytes());
    occurs.then(|| "raw".to_owned())
}
