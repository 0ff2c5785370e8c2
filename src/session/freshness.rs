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

    /// How long tokens live that have not come yet: what the definition says of all of them.
    pub fn foreseen(expires: &[Expiry]) -> Option<Duration> {
        expires.iter().find_map(|expiry| match expiry {
            Expiry::After(time) => Some(time.value.0.min(LONGEST_LIFE)),
            _ => None,
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Response;
    use http::{HeaderMap, HeaderValue};
    use serde_json::json;

    const LOCAL_NOW: &str = "2026-11-22T06:00:00Z";

    fn life(lasts: Option<u64>) -> Life {
        Life { received: Duration::from_secs(1000), lasts: lasts.map(Duration::from_secs) }
    }

    #[test]
    fn a_session_is_prolonged_a_minute_or_a_quarter_of_its_life_ahead() {
        for (lasts, age, freshness) in [
            (3600, 0, Freshness::Fresh),
            (3600, 3539, Freshness::Fresh),
            (3600, 3540, Freshness::Ending),
            (3600, 3599, Freshness::Ending),
            (3600, 3600, Freshness::Ended),
            (3600, 99_999, Freshness::Ended),
            (40, 29, Freshness::Fresh),
            (40, 30, Freshness::Ending),
            (40, 40, Freshness::Ended),
        ] {
            let now = Duration::from_secs(1000 + age);
            assert_eq!(life(Some(lasts)).freshness(now), freshness, "{lasts} s, {age} s old");
        }
        assert_eq!(life(None).freshness(Duration::from_secs(999_999)), Freshness::Fresh);
    }

    /// No session gets younger, and none is prolonged more than a minute or a quarter of its life ahead of its end.
    #[test]
    fn a_session_gets_older_only() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2_000 {
            let lasts = Duration::from_millis(random.u64(1..10_000_000));
            let life = Life { received: Duration::from_millis(random.u64(..1_000_000)), lasts: Some(lasts) };
            let mut ages: Vec<Duration> = (0..20).map(|_| lasts.mul_f64(random.f64() * 1.5)).collect();
            ages.sort_unstable();
            let mut last = Freshness::Fresh;
            for age in ages {
                let (now, left) = (life.received + age, lasts.saturating_sub(age));
                let freshness = life.freshness(now);
                assert_eq!(life.remaining(now), Some(left));
                let holds = match freshness {
                    Freshness::Fresh => last == Freshness::Fresh && !left.is_zero(),
                    Freshness::Ending => {
                        last != Freshness::Ended && !left.is_zero() && left <= LONGEST_LEAD.min(lasts / 4)
                    }
                    Freshness::Ended => left.is_zero(),
                };
                assert!(holds, "{life:?} at {now:?}: {freshness:?} after {last:?}");
                last = freshness;
            }
        }
    }

    fn jwt(claims: &Value) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    /// The life in seconds of a JWT that came with this `Date`.
    fn jwt_seconds(token: &str, date: Option<&str>) -> Option<u64> {
        let server_now = date.map(|date| retry::http_date(date).unwrap());
        jwt_life(token, server_now, LOCAL_NOW.parse().unwrap()).map(|life| life.as_secs())
    }

    #[test]
    fn a_wrong_local_clock_does_no_harm() {
        // The server is two hours ahead: its token, good for an hour, seems to end in three.
        let token = jwt(&json!({ "iat": 1_795_334_400, "exp": 1_795_338_000 }));
        assert_eq!(jwt_seconds(&token, Some("Sun, 22 Nov 2026 08:00:00 GMT")), Some(3600));
        assert_eq!(jwt_seconds(&token, None), Some(3600));
        // Two hours behind: it seems to have ended an hour ago.
        let token = jwt(&json!({ "exp": 1_795_323_600 }));
        assert_eq!(jwt_seconds(&token, Some("Sun, 22 Nov 2026 04:00:00 GMT")), Some(3600));
        assert_eq!(jwt_seconds(&token, None), None);
    }

    #[test]
    fn garbage_is_no_jwt() {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(json!({ "exp": 1_795_338_000 }).to_string());
        for token in [
            String::new(),
            "abc".to_owned(),
            claims.clone(),
            format!("{claims}.{claims}"),
            format!("a.{claims}.b.c"),
            "a.!!!.b".to_owned(),
            "a.bm90IGpzb24.b".to_owned(),
            jwt(&json!({ "exp": "1795338000" })),
            jwt(&json!({ "exp": 1e300 })),
            jwt(&json!({})),
            jwt(&json!([1])),
        ] {
            assert_eq!(jwt_seconds(&token, None), None, "{token}");
        }
    }

    #[test]
    fn numbers_and_times_of_all_forms() {
        for (value, seconds) in [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!(0), None),
            (json!(-5), None),
            (json!("soon"), None),
            (json!(null), None),
            (json!([3600]), None),
        ] {
            assert_eq!(duration(&value, 1.0).map(|life| life.as_secs()), seconds, "{value}");
        }
        let in_an_hour: Timestamp = "2026-11-22T07:00:00Z".parse().unwrap();
        for value in [json!("2026-11-22T07:00:00Z"), json!("2026-11-22T08:00:00+01:00"), json!(1_795_330_800)]
        {
            assert_eq!(point_in_time(&value), Some(in_an_hour), "{value}");
        }
        assert_eq!(point_in_time(&json!("tomorrow")), None);
    }

    #[test]
    fn a_life_beyond_belief_is_cut() {
        let (headers, body) =
            (HeaderMap::from_iter([(http::header::DATE, HeaderValue::from_static("x"))]), vec![]);
        let url = "https://api.example.com".parse().unwrap();
        let answer = Answer::decode(Response::new(200, headers, body), url);
        let receipt = Receipt { elapsed: Duration::ZERO, now: LOCAL_NOW.parse().unwrap() };
        let file = crate::source::SourceMap::default().add("t", "");
        let after = |seconds| {
            let time = crate::document::Time(Duration::from_secs(seconds));
            Expiry::After(crate::source::Spanned::new(time, crate::source::Span::new(file, 0..0)))
        };
        let read =
            |expires: &[Expiry]| Life::read(expires, &SessionValues::default(), &answer, receipt).lasts;
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[after(5), after(7)]), Some(Duration::from_secs(5)));
        assert_eq!(read(&[after(u64::MAX)]), Some(LONGEST_LIFE));
    }
}
