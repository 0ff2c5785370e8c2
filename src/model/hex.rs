//! Bytes in hexadecimal digits.

/// Two lower-case digits for each byte.
///
/// ```
/// assert_eq!(runner::model::hex::hex(&[0, 171]), "00ab");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
