//! HTTP/2 frame by frame: what a server says of requests that it does not answer (RFC 9113).

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use runner::port::{Request, SendFailure, Transport, TransportError};
use runner::system::HttpTransport;
use tempfile::NamedTempFile;

use super::support::client::{block_on, post};
use super::support::raw_server::RawServer;
use super::support::tls::{self, TlsStream};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// What becomes of a request.
#[derive(Clone, Copy)]
enum Fate {
    /// It is answered with 200 and no body.
    Answered,
    /// Its stream is reset with this code.
    Reset(u32),
    /// The server goes away with this code, and has not looked at it.
    LeftOut(u32),
    /// The server goes away with this code, has looked at it, and closes the connection without an answer.
    Abandoned(u32),
    /// The server goes away, but answers it first.
    AnsweredLast,
    /// Its answer says that ten bytes follow; four do, and the stream is reset.
    CutBody,
}

/// A server whose requests meet these fates, each in its turn; how many have come.
fn server(fates: &[Fate]) -> (RawServer, Arc<Mutex<usize>>) {
    let count = Arc::new(Mutex::new(0));
    let (fates, counted) = (fates.to_vec(), count.clone());
    let server = tls::ONE.speaking(&["h2"], move |stream| {
        let mut preface = [0; 24];
        if stream.read_exact(&mut preface).is_err() {
            return;
        }
        send(stream, SETTINGS, 0, 0, &[]);
        while let Some((kind, flags, id)) = receive(stream) {
            match kind {
                SETTINGS if flags == 0 => send(stream, SETTINGS, 1, 0, &[]),
                HEADERS => {
                    let mut count = counted.lock().expect("no holder panics");
                    let fate = fates[*count];
                    *count += 1;
                    if !meet(stream, id, fate) {
                        return;
                    }
                }
                _ => {}
            }
        }
    });
    (server, count)
}

/// Lets a request meet its fate. Returns whether the connection goes on.
fn meet(stream: &mut TlsStream<'_>, id: u32, fate: Fate) -> bool {
    let goes_away = |last: u32, code: u32| [last.to_be_bytes(), code.to_be_bytes()].concat();
    match fate {
        // `0x88` is `:status: 200` (RFC 7541, appendix A).
        Fate::Answered => send(stream, HEADERS, 5, id, &[0x88]),
        Fate::Reset(code) => send(stream, RST_STREAM, 0, id, &code.to_be_bytes()),
        Fate::LeftOut(code) => send(stream, GOAWAY, 0, 0, &goes_away(id - 1, code)),
        Fate::Abandoned(code) => {
            send(stream, GOAWAY, 0, 0, &goes_away(id, code));
            return false;
        }
        Fate::AnsweredLast => {
            send(stream, GOAWAY, 0, 0, &goes_away(id, NO_ERROR));
            send(stream, HEADERS, 5, id, &[0x88]);
        }
        Fate::CutBody => {
            // `content-length: 10`, its name by index 28 (RFC 7541, section 6.2.2).
            send(stream, HEADERS, 4, id, &[0x88, 0x0f, 13, 2, b'1', b'0']);
            send(stream, DATA, 0, id, b"half");
            send(stream, RST_STREAM, 0, id, &INTERNAL_ERROR.to_be_bytes());
        }
    }
    true
}

fn send(stream: &mut TlsStream<'_>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let frame = [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat();
    let _ = stream.write_all(&frame).and_then(|()| stream.flush());
}

/// The next frame's kind, flags and stream; `None` when the client has gone.
fn receive(stream: &mut TlsStream<'_>) -> Option<(u8, u8, u32)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let mut payload = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
    stream.read_exact(&mut payload).ok()?;
    let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some((head[3], head[4], id))
}

/// Sends as many writes as there are fates over one transport, and counts those that arrived.
fn sent(fates: &[Fate]) -> Vec<Result<u16, TransportError>> {
    let authority = NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), tls::ONE.certificate).unwrap();
    let (server, count) = server(fates);
    let transport = HttpTransport::default();
    let ends = block_on(async {
        let mut ends = Vec::new();
        for number in 0..fates.len() {
            let request = post(&tls::url(&server, "/"), &format!("write {number}"));
            let request = Request { ca_file: Some(authority.path().to_owned()), ..request };
            ends.push(transport.send(&request).await.map(|response| response.status));
        }
        ends
    });
    assert_eq!(*count.lock().expect("no holder panics"), fates.len(), "each is sent once");
    ends
}

#[test]
fn what_the_server_has_not_looked_at_was_not_done_and_all_else_is_unknown() {
    for (fate, failure) in [
        (Fate::Reset(REFUSED_STREAM), SendFailure::TurnedAway),
        (Fate::LeftOut(NO_ERROR), SendFailure::TurnedAway),
        (Fate::LeftOut(ENHANCE_YOUR_CALM), SendFailure::TurnedAway),
        (Fate::Reset(INTERNAL_ERROR), SendFailure::Unknown),
        (Fate::Abandoned(NO_ERROR), SendFailure::Unknown),
        (Fate::Abandoned(INTERNAL_ERROR), SendFailure::Unknown),
    ] {
        // On a new connection, and on one that was used before.
        let ends = sent(&[fate, Fate::Answered, fate, Fate::Answered]);
        for index in [0, 2] {
            let error = ends[index].as_ref().expect_err("no answer");
            assert_eq!(error.failure, failure, "{error}");
        }
        for index in [1, 3] {
            assert_eq!(*ends[index].as_ref().expect("an answer"), 200);
        }
    }
}

#[test]
fn a_server_that_goes_away_may_answer_first() {
    for end in sent(&[Fate::Answered, Fate::AnsweredLast, Fate::Answered]) {
        assert_eq!(end.expect("an answer"), 200);
    }
}

#[test]
fn a_body_that_is_cut_by_a_reset() {
    let ends = sent(&[Fate::CutBody]);
    let error = ends[0].as_ref().expect_err("a cut");
    let reason = "body cut after 4 of 10 bytes";
    assert_eq!((error.failure, error.reason.as_str()), (SendFailure::BodyCut { status: 200 }, reason));
}
