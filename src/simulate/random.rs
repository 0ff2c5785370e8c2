//! Values nobody can guess: token ids, opaque tokens, keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// A random UUID in its usual form.
pub(super) fn id() -> String {
    Uuid::new_v4().to_string()
}

/// A random text over the URL-safe base64 alphabet, made of `blocks` times 16 bytes.
pub(super) fn opaque(blocks: usize) -> String {
    let bytes: Vec<u8> = (0..blocks).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}
