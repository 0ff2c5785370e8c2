/// Chance.
pub trait Random: Send + Sync {
    /// A number from 0 (included) to 1 (excluded).
    fn fraction(&self) -> f64;

    /// A new random UUID (RFC 9562, version 4).
    fn uuid(&self) -> String;

    /// A new identity for a run: 26 characters of Crockford's base32, sorted by time.
    fn run_id(&self) -> String;
}
