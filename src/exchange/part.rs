//! Answers that are not all of what there is.

use super::{Answer, SendError};
use crate::model::words::{counted, grouped};
use crate::port::{SendFailure, TransportError};
use http::header::CONTENT_RANGE;

/// Takes an answer that is not all of what there is for what it is: one whose connection ended in the middle of its body,
/// or a part that nobody has asked for.
pub(super) fn whole(answer: Answer, takes_part: bool) -> Result<Answer, SendError> {
    let fail = |failure, reason| Err(TransportError { failure, reason }.into());
    if answer.is_cut() {
        let received = counted(answer.bytes.len() as u64, "byte");
        let reason = format!("body cut after {received}, in the middle of its JSON");
        return fail(SendFailure::BodyCut { status: answer.status }, reason);
    }
    if answer.status == 206 && !takes_part {
        let range = ContentRange::of(&answer);
        if !range.as_ref().is_some_and(ContentRange::is_all) {
            let which = range.map_or_else(|| "it does not say which".to_owned(), |range| range.words());
            return fail(SendFailure::Part, format!("a part came only: {which}"));
        }
    }
    Ok(answer)
}

/// Which part of a body an answer has (RFC 9110, section 14.4).
struct ContentRange {
    first: u64,
    last: u64,
    /// `None`: the server does not say how much there is.
    all: Option<u64>,
}

impl ContentRange {
    fn of(answer: &Answer) -> Option<Self> {
        let (unit, range) = answer.header(CONTENT_RANGE.as_str())?.trim().split_once(' ')?;
        let (part, all) = range.split_once('/').filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
        let (first, last) = part.split_once('-')?;
        Some(Self { first: first.parse().ok()?, last: last.parse().ok()?, all: all.parse().ok() })
    }

    fn is_all(&self) -> bool {
        self.first == 0 && self.all.is_some() && self.all == self.last.checked_add(1)
    }

    fn words(&self) -> String {
        let [first, last] = [self.first, self.last].map(grouped);
        let all = self.all.map(|all| format!(" of {}", grouped(all))).unwrap_or_default();
        format!("bytes {first}-{last}{all}")
    }
}
