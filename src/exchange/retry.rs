//! What is repeated, and when: one policy for every request.

use crate::document::Effect;
use crate::port::SendFailure;
use jiff::Timestamp;
use std::time::Duration;

/// The longest wait before the second attempt; it doubles with each further one.
const BASE: Duration = Duration::from_millis(500);
/// No wait of ours is longer.
const CAP: Duration = Duration::from_secs(20);
/// A request with its repetitions takes no longer, unless one attempt may.
pub const REQUEST_TIME: Duration = Duration::from_secs(120);
/// What cleanup keeps of its time for the answer, however long it is asked to wait before it sends.
pub const TIME_TO_ANSWER: Duration = Duration::from_secs(2);
/// No server is believed to mean a longer wait: ten years. What asks for more is garbage.
const LONGEST_WISH: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How an attempt ended, as far as repeating it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// No byte of the request was written, or the server says that it has looked at none.
    NotSent,
    /// A whole answer says "too fast": it was surely not done.
    Throttled,
    /// It was surely not done and never will be: a whole answer says so, or this machine or a proxy does not let it go.
    Rejected,
    /// A whole answer that is no refusal.
    Done,
    /// It was done, but the answer's body was cut.
    DoneBodyCut,
    /// It was done, but the answer's body cannot be read, however often it is asked for.
    DoneUnreadable,
    /// Bytes went out, and no answer says what became of them.
    Unknown,
    /// An answer came that says nothing, however often it is asked for.
    Unreadable,
}

impl Ending {
    /// Classifies an attempt by its status, or by how far it came without a whole answer. `is_expected` says that the
    /// step's author wrote the status under `expect`, `is_throttled` that the answer bears the sign of throttling.
    pub fn of(result: Result<u16, SendFailure>, is_expected: bool, is_throttled: bool) -> Self {
        match result {
            Err(SendFailure::NotSent | SendFailure::ProxyFailed | SendFailure::TurnedAway) => Self::NotSent,
            Err(SendFailure::Local | SendFailure::ProxyRefused) => Self::Rejected,
            Err(SendFailure::Unknown) => Self::Unknown,
            Err(SendFailure::BodyCut { status }) => match Self::of_status(status) {
                Self::Done => Self::DoneBodyCut,
                refusal => refusal,
            },
            Err(SendFailure::Part) => Self::DoneBodyCut,
            Err(SendFailure::Unreadable { status: None }) => Self::Unreadable,
            Err(SendFailure::Unreadable { status: Some(status) }) => match Self::of_status(status) {
                Self::Done => Self::DoneUnreadable,
                refusal => refusal,
            },
            Ok(_) if is_expected => Self::Done,
            Ok(_) if is_throttled => Self::Throttled,
            Ok(status) => Self::of_status(status),
        }
    }

    /// Some servers redirect a write that they have carried out; 307 and 308 ask for it anew and elsewhere, so that it was
    /// not. A 5xx that has no meaning of its own is treated like 500, and so is a status that no server may give (RFC 9110,
    /// section 15).
    fn of_status(status: u16) -> Self {
        match status {
            200..=306 | 309..=399 => Self::Done,
            429 => Self::Throttled,
            408 => Self::Unknown,
            307 | 308 | 400..=499 | 501 | 505 | 511 => Self::Rejected,
            _ => Self::Unknown,
        }
    }

    /// True when nothing can have been done, so that nothing needs to be undone.
    pub fn is_surely_not_done(self) -> bool {
        matches!(self, Self::NotSent | Self::Throttled | Self::Rejected)
    }

    /// True when nobody knows whether it was done, or what the answer was.
    pub fn is_lost(self) -> bool {
        matches!(self, Self::Unknown | Self::DoneBodyCut | Self::Unreadable | Self::DoneUnreadable)
    }

    /// What may follow for a request with this effect. `needs_body` says that the step reads the answer's body.
    pub fn sequel(self, effect: Effect, safeguard: Safeguard, needs_body: bool) -> Sequel {
        let only_if = |holds: bool, sequel| if holds { sequel } else { Sequel::End };
        match (self, effect, safeguard) {
            (Self::NotSent | Self::Throttled, _, _) => Sequel::Again,
            (Self::Rejected | Self::Done, _, _) => Sequel::End,
            (Self::Unknown, Effect::Read | Effect::Idempotent, _) => Sequel::Again,
            (Self::Unknown, Effect::Once, Safeguard::Key) => Sequel::Again,
            (Self::Unknown | Self::Unreadable, Effect::Once, Safeguard::Verify) => Sequel::Verify,
            (Self::Unknown, Effect::Once, Safeguard::None) => Sequel::End,
            (Self::DoneBodyCut, Effect::Read, _) => Sequel::Again,
            (Self::DoneBodyCut, Effect::Idempotent, _) => only_if(needs_body, Sequel::Again),
            (Self::DoneBodyCut, Effect::Once, Safeguard::Key) => Sequel::Again,
            (Self::DoneBodyCut | Self::DoneUnreadable, Effect::Once, Safeguard::Verify) => {
                only_if(needs_body, Sequel::Verify)
            }
            (Self::DoneBodyCut, Effect::Once, Safeguard::None) => Sequel::End,
            (Self::DoneUnreadable | Self::Unreadable, _, _) => Sequel::End,
        }
    }
}

/// What lets a write be sent again that must not be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safeguard {
    /// Nothing.
    None,
    /// The provider does it once under its idempotency key, and still remembers that.
    Key,
    /// A read tells whether it happened.
    Verify,
}

/// What may follow an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequel {
    /// Nothing: its end is that of the request.
    End,
    /// The same request again.
    Again,
    /// The question whether it was done.
    Verify,
}

/// What may bound a repetition.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The attempt that has ended, 1-based.
    pub attempt: u32,
    /// How many there may be.
    pub attempts: u32,
    /// The time that is left.
    pub remaining: Duration,
    /// How long the server wants to be left alone.
    pub server_wish: Option<Duration>,
}

/// What follows an attempt that may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another one after this wait.
    Wait(Duration),
    /// None: all attempts are spent.
    Spent,
    /// None: the server wants to be left alone for longer than there is time.
    AskedToWait(Duration),
    /// None: there is no time left.
    OutOfTime,
}

/// Decides what follows an attempt that may be repeated. `fraction` is chance, from 0 to 1: the wait is spread over its
/// whole range ("full jitter"), so that many clients do not come back at once.
pub fn next(bounds: Bounds, fraction: f64) -> Next {
    let Bounds { attempt, attempts, remaining, server_wish } = bounds;
    if let Some(wish) = server_wish.filter(|wish| *wish > remaining) {
        return Next::AskedToWait(wish);
    }
    if attempt >= attempts {
        return server_wish.map_or(Next::Spent, |wish| match wish > CAP {
            true => Next::AskedToWait(wish),
            false => Next::Spent,
        });
    }
    let backoff = backoff(attempt, fraction);
    let longer_wish = server_wish.filter(|wish| *wish > backoff);
    let wait = longer_wish.map_or(backoff, |wish| wish + wish.mul_f64(0.1 * fraction));
    match (wait <= remaining, longer_wish) {
        (true, _) => Next::Wait(wait),
        (false, Some(wish)) => Next::AskedToWait(wish),
        (false, None) => Next::OutOfTime,
    }
}

/// The wait after an attempt of which a read is to tell whether it was done: what is still on its way gets time to arrive.
pub fn pause(attempt: u32, remaining: Duration, fraction: f64) -> Duration {
    backoff(attempt, fraction).min(remaining)
}

fn backoff(attempt: u32, fraction: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(10);
    CAP.min(BASE * 2_u32.pow(doublings)).mul_f64(fraction)
}

/// Reads the values of `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date that counts from `now`. Of several, be
/// it in one line, the longest counts, since nobody may send more than one and a longer wait does no harm. A fraction of a
/// second is none of the forms, but cannot be mistaken. Garbage is `None`, and so is a wait that nobody can mean.
pub fn retry_after<'v>(values: impl IntoIterator<Item = &'v str>, now: Timestamp) -> Option<Duration> {
    let parts = |value: &'v str| match wish(value, now) {
        Some(wish) => Some(wish),
        // A date has a comma of its own.
        None => value.split(',').filter_map(|part| wish(part, now)).max(),
    };
    values.into_iter().filter_map(parts).max()
}

fn wish(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if are_digits(whole) && are_digits(fraction) {
        let has_rest = fraction.bytes().any(|digit| digit != b'0');
        let seconds = whole.parse::<u64>().ok()?.saturating_add(u64::from(has_rest));
        return believable(Duration::from_secs(seconds));
    }
    let until = http_date(value)?;
    believable(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

fn believable(wish: Duration) -> Option<Duration> {
    Some(wish).filter(|wish| *wish <= LONGEST_WISH)
}

/// Reads a date of an HTTP header (RFC 9110, section 5.6.7). One beyond all times that we know is the last of them.
pub fn http_date(value: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(value.trim()).ok()?;
    Some(Timestamp::try_from(date).unwrap_or(Timestamp::MAX))
}

/// Seconds that a provider's own header or body names, perhaps with a fraction. Garbage is `None`.
pub fn seconds(value: &serde_json::Value) -> Option<Duration> {
    let seconds: f64 = crate::template::json_to_text(value)?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().and_then(believable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The table of the retry policy, line by line: what may follow when it was not sent, throttled, unknown, and when the
    /// body was cut (without and with need of it).
    #[test]
    fn what_may_follow_an_attempt() {
        use Sequel::{Again, End, Verify};
        for (effect, safeguard, not_sent, throttled, unknown, cut, cut_but_needed) in [
            (Effect::Read, Safeguard::None, Again, Again, Again, Again, Again),
            (Effect::Idempotent, Safeguard::None, Again, Again, Again, End, Again),
            (Effect::Once, Safeguard::Key, Again, Again, Again, Again, Again),
            (Effect::Once, Safeguard::Verify, Again, Again, Verify, End, Verify),
            (Effect::Once, Safeguard::None, Again, Again, End, End, End),
        ] {
            let line = format!("{effect:?}, {safeguard:?}");
            let sequel = |ending: Ending, needs_body| ending.sequel(effect, safeguard, needs_body);
            for needs_body in [false, true] {
                assert_eq!(sequel(Ending::NotSent, needs_body), not_sent, "{line}");
                assert_eq!(sequel(Ending::Throttled, needs_body), throttled, "{line}");
                assert_eq!(sequel(Ending::Unknown, needs_body), unknown, "{line}");
                assert_eq!(sequel(Ending::Done, needs_body), End, "{line}");
                assert_eq!(sequel(Ending::Rejected, needs_body), End, "{line}");
            }
            assert_eq!(sequel(Ending::DoneBodyCut, false), cut, "{line}");
            assert_eq!(sequel(Ending::DoneBodyCut, true), cut_but_needed, "{line}");
        }
    }

    /// What no attempt makes readable is not sent again; only `verify` knows more.
    #[test]
    fn what_may_follow_an_answer_that_cannot_be_read() {
        for effect in [Effect::Read, Effect::Idempotent, Effect::Once] {
            for safeguard in [Safeguard::None, Safeguard::Key, Safeguard::Verify] {
                let is_asked = effect == Effect::Once && safeguard == Safeguard::Verify;
                let expected = if is_asked { Sequel::Verify } else { Sequel::End };
                for ending in [Ending::DoneUnreadable, Ending::Unreadable] {
                    assert_eq!(ending.sequel(effect, safeguard, true), expected, "{effect:?}, {safeguard:?}");
                }
                assert_eq!(Ending::DoneUnreadable.sequel(effect, safeguard, false), Sequel::End);
            }
        }
    }

    #[test]
    fn how_attempts_end() {
        for (status, ending) in [
            (200, Ending::Done),
            (204, Ending::Done),
            (302, Ending::Done),
            (303, Ending::Done),
            (307, Ending::Rejected),
            (308, Ending::Rejected),
            (101, Ending::Unknown),
            (600, Ending::Unknown),
            (999, Ending::Unknown),
            (400, Ending::Rejected),
            (401, Ending::Rejected),
            (404, Ending::Rejected),
            (409, Ending::Rejected),
            (418, Ending::Rejected),
            (422, Ending::Rejected),
            (501, Ending::Rejected),
            (429, Ending::Throttled),
            (408, Ending::Unknown),
            (500, Ending::Unknown),
            (502, Ending::Unknown),
            (503, Ending::Unknown),
            (504, Ending::Unknown),
            (520, Ending::Unknown),
        ] {
            assert_eq!(Ending::of(Ok(status), false, false), ending, "{status}");
            assert_eq!(Ending::of(Ok(status), true, true), Ending::Done, "{status}, expected");
            assert_eq!(Ending::of(Ok(status), false, true), Ending::Throttled, "{status}, throttled");
        }
        for (failure, ending) in [
            (SendFailure::NotSent, Ending::NotSent),
            (SendFailure::TurnedAway, Ending::NotSent),
            (SendFailure::Local, Ending::Rejected),
            (SendFailure::ProxyFailed, Ending::NotSent),
            (SendFailure::ProxyRefused, Ending::Rejected),
            (SendFailure::Unknown, Ending::Unknown),
            (SendFailure::BodyCut { status: 201 }, Ending::DoneBodyCut),
            (SendFailure::BodyCut { status: 404 }, Ending::Rejected),
            (SendFailure::Part, Ending::DoneBodyCut),
            (SendFailure::BodyCut { status: 429 }, Ending::Throttled),
            (SendFailure::BodyCut { status: 500 }, Ending::Unknown),
            (SendFailure::Unreadable { status: None }, Ending::Unreadable),
            (SendFailure::Unreadable { status: Some(200) }, Ending::DoneUnreadable),
            (SendFailure::Unreadable { status: Some(404) }, Ending::Rejected),
            (SendFailure::Unreadable { status: Some(503) }, Ending::Unknown),
        ] {
            assert_eq!(Ending::of(Err(failure), true, false), ending, "{failure:?}");
        }
    }

    fn bounds(attempt: u32, server_wish: Option<u64>) -> Bounds {
        let server_wish = server_wish.map(Duration::from_secs);
        Bounds { attempt, attempts: 8, remaining: Duration::from_secs(90), server_wish }
    }

    #[test]
    fn waits_double_up_to_the_cap_and_are_spread_over_their_range() {
        for (attempt, longest_ms) in [(1, 500), (2, 1_000), (3, 2_000), (6, 16_000), (7, 20_000)] {
            let wait = |fraction| next(bounds(attempt, None), fraction);
            assert_eq!(wait(0.0), Next::Wait(Duration::ZERO));
            assert_eq!(wait(0.5), Next::Wait(Duration::from_millis(longest_ms / 2)));
            assert_eq!(wait(1.0), Next::Wait(Duration::from_millis(longest_ms)));
        }
        assert_eq!(next(bounds(8, None), 0.5), Next::Spent);
    }

    /// Whatever the bounds and chance are: no wait is longer than the time that is left or shorter than the server asks for,
    /// and none follows the last attempt.
    #[test]
    fn waits_keep_within_their_bounds() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let milliseconds = |random: &mut fastrand::Rng, most| Duration::from_millis(random.u64(..most));
            let (attempt, attempts) = (random.u32(1..10), random.u32(1..10));
            let remaining = milliseconds(&mut random, 60_000);
            let server_wish = random.bool().then(|| milliseconds(&mut random, 90_000));
            let bounds = Bounds { attempt, attempts, remaining, server_wish };
            let next = next(bounds, random.f64());
            let wish = server_wish.unwrap_or_default();
            let holds = match next {
                Next::Wait(wait) => {
                    attempt < attempts
                        && (wish..=remaining).contains(&wait)
                        && wait <= CAP.max(wish.mul_f64(1.1))
                }
                Next::Spent => attempt >= attempts && wish <= CAP,
                Next::AskedToWait(told) => {
                    server_wish == Some(told) && (attempt >= attempts || told.mul_f64(1.1) > remaining)
                }
                Next::OutOfTime => attempt < attempts && wish <= remaining && remaining < CAP,
            };
            assert!(holds, "{bounds:?}: {next:?}");
        }
    }

    #[test]
    fn the_server_is_obeyed_when_it_asks_for_more() {
        assert_eq!(next(bounds(1, Some(10)), 0.0), Next::Wait(Duration::from_secs(10)));
        assert_eq!(next(bounds(1, Some(10)), 1.0), Next::Wait(Duration::from_secs(11)));
        assert_eq!(next(bounds(1, Some(0)), 0.5), Next::Wait(Duration::from_millis(250)));
    }

    #[test]
    fn a_wait_beyond_the_time_that_is_left_is_not_slept() {
        let hour = Duration::from_secs(3600);
        assert_eq!(next(bounds(1, Some(3600)), 0.5), Next::AskedToWait(hour));
        assert_eq!(next(bounds(8, Some(3600)), 0.5), Next::AskedToWait(hour));
        assert_eq!(next(bounds(1, Some(89)), 1.0), Next::AskedToWait(Duration::from_secs(89)));
        // A server that asks for less than our own wait is not what there is no time for.
        for server_wish in [None, Some(Duration::from_millis(9))] {
            let late = Bounds { remaining: Duration::from_millis(10), server_wish, ..bounds(1, None) };
            assert_eq!(next(late, 0.5), Next::OutOfTime, "{server_wish:?}");
        }
    }

    /// RFC 9110, section 10.2.3: a delay in whole seconds, or one of the three forms of a date (section 5.6.7).
    #[test]
    fn retry_after_in_every_legal_form() {
        for (value, seconds) in [
            // delay-seconds
            ("120", 120),
            ("0", 0),
            ("007", 7),
            (" 9\t", 9),
            ("315360000", LONGEST_WISH.as_secs()),
            // IMF-fixdate, the form that is sent
            ("Sun, 22 Nov 2026 06:01:30 GMT", 90),
            ("Sun, 22 Nov 2026 05:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
            // rfc850-date, obsolete
            ("Sunday, 22-Nov-26 06:01:30 GMT", 90),
            // asctime-date, obsolete
            ("Sun Nov 22 06:01:30 2026", 90),
            ("Sun Nov  1 06:01:30 2026", 0),
        ] {
            assert_eq!(asked_for(&[value]), Some(Duration::from_secs(seconds)), "{value:?}");
        }
    }

    #[test]
    fn retry_after_in_illegal_forms() {
        for (values, seconds) in [
            (&["1.5"][..], Some(2)),
            (&["30.0"], Some(30)),
            // Several, in lines of their own or in one (section 5.3)
            (&["5", "60"], Some(60)),
            (&["60", "soon"], Some(60)),
            (&["5, 60"], Some(60)),
            (&["5", "Sun, 22 Nov 2026 06:01:30 GMT"], Some(90)),
            (&[], None),
            (&[""], None),
            (&["soon"], None),
            (&["-5"], None),
            (&["+5"], None),
            (&["5s"], None),
            (&["1e3"], None),
            (&["0x10"], None),
            (&["."], None),
            (&["5."], None),
            (&["PT5S"], None),
            (&["2026-11-22T06:01:30Z"], None),
            (&["Sun, 22 Nov 2026 06:01:30 +0100"], None),
            (&["Sun, 32 Nov 2026 06:01:30 GMT"], None),
            (&["Sun, 22 Nov 2026"], None),
            (&["Sun, 22 Nov 2026 25:00:00 GMT"], None),
            // What nobody can mean
            (&["315360001"], None),
            (&["99999999999999999999999"], None),
            (&["99999999999999999999999", "5"], Some(5)),
            (&["Fri, 31 Dec 9999 23:59:59 GMT"], None),
        ] {
            assert_eq!(asked_for(values), seconds.map(Duration::from_secs), "{values:?}");
        }
    }

    /// Each time that a server can ask for comes through in both forms; garbage is never more than the longest.
    #[test]
    fn retry_after_of_any_length_and_of_any_characters() {
        let mut random = fastrand::Rng::with_seed(13);
        for _ in 0..5_000 {
            let wish = Duration::from_secs(random.u64(..LONGEST_WISH.as_secs()));
            let date = httpdate::fmt_http_date((now() + wish).into());
            assert_eq!(asked_for(&[&wish.as_secs().to_string()]), Some(wish));
            assert_eq!(asked_for(&[&date]), Some(wish), "{date}");
            let mut garbage = date.into_bytes();
            garbage.extend(b",;.+-0123456789");
            random.shuffle(&mut garbage);
            garbage.truncate(random.usize(..garbage.len()));
            let garbage = String::from_utf8(garbage).unwrap();
            assert!(asked_for(&[&garbage]).is_none_or(|wish| wish <= LONGEST_WISH), "{garbage:?}");
        }
    }

    fn now() -> Timestamp {
        "2026-11-22T06:00:00Z".parse().unwrap()
    }

    fn asked_for(values: &[&str]) -> Option<Duration> {
        retry_after(values.iter().copied(), now())
    }

    /// "Full jitter": all waits up to the longest are equally likely.
    #[test]
    fn waits_are_spread_evenly() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut tenths, count) = ([0_u32; 10], 20_000_u32);
        for _ in 0..count {
            let Next::Wait(wait) = next(bounds(3, None), random.f64()) else { panic!("no wait") };
            let place = wait.as_secs_f64() / 2.0;
            assert!((0.0..1.0).contains(&place), "{wait:?}");
            tenths[(place * 10.0) as usize] += 1;
        }
        for (tenth, hits) in tenths.into_iter().enumerate() {
            let share = f64::from(hits) / f64::from(count);
            assert!((0.09..0.11).contains(&share), "tenth {tenth}: {share}");
        }
    }

    #[test]
    fn seconds_of_a_provider_are_a_number_or_its_text() {
        for (value, milliseconds) in [
            (json!("12"), Some(12_000)),
            (json!(1.5), Some(1_500)),
            (json!("x"), None),
            (json!(-1), None),
            (json!(1e9), None),
        ] {
            assert_eq!(seconds(&value), milliseconds.map(Duration::from_millis), "{value}");
        }
    }
}
