//! How long a session lives, and whether it is time to prolong it: pure functions of tokens and clocks.

use super::values::SessionValues;
use crate::document::Expiry;
use crate::exchange::{Answer, retry};
use crate::template::json_to_text;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// No session is prolonged earlier than this ahead of its end.
const LONGEST_LEAD: Duration = Duration::from_secs(60);
/// No life is believed to be longer, so that sums cannot overflow: ten years.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The life of a session's tokens, counted from their receipt on a clock that never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When they were received, by [`Clock::elapsed`](crate::port::Clock::elapsed).
    pub received: Duration,
    /// How long they live from then on; `None` = until they are refused.
    pub lasts: Option<Duration>,
}

/// Whether a session can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It can.
    Fresh,
    /// It still can, but ends soon: time to prolong it.
    Ending,
    /// It has ended.
    Ended,
}

/// The two clocks at the receipt of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Receipt {
    /// [`Clock::elapsed`](crate::port::Clock::elapsed)
    pub elapsed: Duration,
    /// The local wall clock, which may be wrong.
    pub now: Timestamp,
}

impl Life {
    /// Looks at the clock: a session is prolonged ahead of its end by a minute, or by a quarter of its life if that is less.
    pub fn freshness(&self, elapsed: Duration) -> Freshness {
        let Some(lasts) = self.lasts else { return Freshness::Fresh };
        let age = elapsed.saturating_sub(self.received);
        let lead = LONGEST_LEAD.min(lasts / 4);
        match age {
            age if age >= lasts => Freshness::Ended,
            age if age >= lasts - lead => Freshness::Ending,
            _ => Freshness::Fresh,
        }
    }

    /// How long it lives from now on, if known.
    pub fn remaining(&self, elapsed: Duration) -> Option<Duration> {
        self.lasts.map(|lasts| (self.received + lasts).saturating_sub(elapsed))
    }

    /// Reads the life of tokens: the first entry that answers. What is missing, negative or garbage does not answer.
    pub fn read(expires: &[Expiry], values: &SessionValues, answer: &Answer, receipt: Receipt) -> Self {
        let server_now = answer.header("date").and_then(retry::http_date);
        let lasts = expires.iter().find_map(|expiry| match expiry {
            Expiry::Jwt(name) => jwt_life(values.get(name)?.as_str()?, server_now, receipt.now),
            Expiry::Seconds(reader) => duration(&answer.read(reader)?, 1.0),
            Expiry::Milliseconds(reader) => duration(&answer.read(reader)?, 0.001),
            Expiry::At(reader) => {
                between(server_now.unwrap_or(receipt.now), point_in_time(&answer.read(reader)?)?)
            }
            Expiry::After(time) => Some(time.value.0),
        });
        Self { received: receipt.elapsed, lasts: lasts.map(|lasts| lasts.min(LONGEST_LIFE)) }
    }
}

/// The life of a JWT (RFC 7519) by its `exp`, read against the server's clock: that of the answer, else that of the token's
/// `iat`, else the local one.
fn jwt_life(token: &str, server_now: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let time = |name| claims.get(name).filter(|claim| claim.is_number()).and_then(point_in_time);
    between(server_now.or_else(|| time("iat")).unwrap_or(now), time("exp")?)
}

/// An RFC 3339 time, or seconds since 1970 as a number or its text.
fn point_in_time(value: &Value) -> Option<Timestamp> {
    let text = json_to_text(value)?;
    match text.parse::<f64>() {
        Ok(seconds) => Timestamp::from_millisecond((seconds * 1000.0) as i64).ok(),
        Err(_) => text.parse().ok(),
    }
}

fn between(now: Timestamp, end: Timestamp) -> Option<Duration> {
    Duration::try_from(end.duration_since(now)).ok().filter(|life| !life.is_zero())
}

fn duration(value: &Value, seconds_of_unit: f64) -> Option<Duration> {
    let number: f64 = json_to_text(value)?.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * seconds_of_unit).ok().filter(|life| !life.is_zero())
}
