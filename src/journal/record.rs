//! What stands in a journal, and how a line of it is written.

use crate::event::Event;
use crate::model::path_form::{self, PathForm};
use crate::model::redacted::Redacted;
use crate::port::{Class, End, Place, Resolution};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::path::PathBuf;

/// The version of the form of journals.
pub const VERSION: u32 = 1;

/// One line of a journal, behind its checksum.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "runner journal record")]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A process begins to work on the run: the first record, and the first after each `runner resume`.
    Begun(Box<Begun>),
    /// A fact of the run.
    Event(Event),
    /// A write is about to be sent: durable before its first byte.
    Intent(Intent),
    /// What came of a write or a step.
    Outcome(RecordedOutcome),
    /// A person has found out whether a write was done.
    Resolved {
        /// When it was said.
        at: Timestamp,
        /// Of which deed.
        place: Place,
        /// What it is.
        resolution: Resolution,
        /// What it has brought: the value of its outcome; null where nothing was said.
        #[serde(skip_serializing_if = "Json::is_null", default)]
        told: Json,
    },
}

/// A process that works on a run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Begun {
    /// The version of this form: 1.
    pub version: u32,
    /// The version of the program.
    pub program: String,
    /// The run's identity.
    pub run: String,
    /// When the run began, UTC.
    pub started_at: Timestamp,
    /// When this process began to work on it, UTC.
    pub at: Timestamp,
    /// The process.
    pub pid: u32,
    /// The playbook's file, absolute.
    pub playbook: String,
    /// The playbook's name.
    pub name: Redacted,
    /// SHA-256 of the playbook and the definitions that it uses, in hexadecimal digits.
    pub digest: String,
    /// The folder in which the program was started.
    #[serde(with = "path_form")]
    #[schemars(with = "PathForm")]
    pub folder: PathBuf,
    /// Whether all providers are simulated.
    pub is_simulated: bool,
    /// What else the command line said.
    pub arguments: Json,
    /// What names the accounts that the run works with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<Vec<Redacted>>,
    /// The values of all inputs.
    pub inputs: Map<String, Json>,
}

/// A write that is about to be sent.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Intent {
    /// When, UTC.
    pub at: Timestamp,
    /// The place of its step in the run.
    pub place: Place,
    /// What if it is done twice, and its idempotency key.
    pub class: Class,
    /// Who sends it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<Redacted>,
    /// What is sent: verb and address.
    pub words: Redacted,
    /// SHA-256 of the request as playbook and definition write it, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<String>,
    /// The attempt in its process, 1-based.
    pub attempt: u32,
    /// Whether it is certain that no attempt before has done it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_surely_undone: bool,
}

/// What came of a write or a step.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RecordedOutcome {
    /// Its place in the run.
    pub place: Place,
    /// In a word.
    pub end: End,
    /// What is to be known of it later.
    pub value: Json,
    /// The names of the secrets that it brought; they are in the user's store, or lost.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub secrets: Vec<String>,
}

/// Continues the checksum of all lines so far (CRC-32 of ISO-HDLC) with one more.
pub fn checksum(before: u32, json: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(json.as_bytes());
    hasher.finalize()
}

/// A line: the checksum of all lines up to it, so that none can change, go or come unseen, then the record.
pub fn line(before: u32, record: &Record) -> (String, u32) {
    let json = serde_json::to_string(record).expect("records are plain data");
    let sum = checksum(before, &json);
    (format!("{sum:08x} {json}\n"), sum)
}

/// The record in a line, not read yet, and the checksum. `None`: the line is damaged.
pub fn proven(before: u32, line: &str) -> Option<(&str, u32)> {
    let (sum, json) =
        line.split_at_checked(8).and_then(|(sum, rest)| Some((sum, rest.strip_prefix(' ')?)))?;
    let wanted = checksum(before, json);
    (sum == format!("{wanted:08x}")).then_some((json, wanted))
}

/// Reads a record. `None`: it is none.
pub fn read_whole(json: &str) -> Option<Option<Record>> {
    serde_json::from_str(json).ok().map(Some)
}

/// What stands in the events that tell how a run and its cleanup have ended.
const TELLING: [&str; 3] = ["\"run_finished\"", "\"cleanup_started\"", "\"is_cleanup\":true"];

/// Reads what a summary of a run needs of a record: of events how the run and its cleanup have ended, of outcomes no values.
/// `None`: it is none.
pub fn read_in_brief(json: &str) -> Option<Option<Record>> {
    #[derive(Deserialize)]
    struct Line {
        outcome: Outcome,
    }
    #[derive(Deserialize)]
    struct Outcome {
        place: Place,
        end: End,
        #[serde(default)]
        secrets: Vec<String>,
    }
    match json {
        _ if json.starts_with("{\"event\":") && !TELLING.iter().any(|text| json.contains(text)) => Some(None),
        _ if json.starts_with("{\"outcome\":") => {
            let Line { outcome: Outcome { place, end, secrets } } = serde_json::from_str(json).ok()?;
            Some(Some(Record::Outcome(RecordedOutcome { place, end, value: Json::Null, secrets })))
        }
        _ => read_whole(json),
    }
}

/// The length of [`header`].
pub const HEADER_LENGTH: usize = 56;

/// The first line. It says how long the file was when it was last made durable, so that a file which has lost its end is
/// known as such.
pub fn header(length: u64) -> String {
    let text = format!("runner journal {VERSION:4} length {length:016}");
    let sum = checksum(0, &text);
    let header = format!("{text} {sum:08x}   \n");
    debug_assert_eq!(header.len(), HEADER_LENGTH);
    header
}

/// Reads the first line: the length. `None`: it is none of a journal, or damaged.
pub fn parse_header(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line.get(..HEADER_LENGTH)?).ok()?;
    let length = line.get(27..43)?.parse().ok()?;
    (line == header(length)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_back_and_no_bit_of_it_may_change() {
        let written = header(1234);
        assert_eq!(written.len(), HEADER_LENGTH);
        assert_eq!(parse_header(written.as_bytes()), Some(1234));
        for bit in 0..HEADER_LENGTH * 8 {
            let mut changed = written.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse_header(&changed), None, "bit {bit}");
        }
    }

    #[test]
    fn a_line_is_bound_to_the_lines_before() {
        let resolved = |place: &str| Record::Resolved {
            at: "2026-11-22T06:00:00Z".parse().unwrap(),
            place: Place(place.to_owned()),
            resolution: Resolution::Retry,
            told: Json::Null,
        };
        let (first, sum) = line(0, &resolved("a"));
        let (second, _) = line(sum, &resolved("b"));
        assert!(proven(0, first.trim_end()).is_some());
        assert!(proven(sum, second.trim_end()).is_some());
        assert!(proven(0, second.trim_end()).is_none(), "a line before it went");
        assert!(proven(sum, &second.trim_end().replace("retry", "done")).is_none());
    }
}
