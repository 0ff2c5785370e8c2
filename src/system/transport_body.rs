//! The body of an answer: read to its end, which has to be proven, and opened where it is compressed.

use super::transport_error::{broken_body, broken_encoding, cut_encoding, encoding_unknown, too_large};
use crate::port::{Request, Response, TransportError};
use brotli_decompressor::Decompressor;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::header::{self, HeaderMap};
use http::{Method, Version};
use std::io::{self, ErrorKind, Read};

/// The encodings that can be opened, for the server to choose from.
pub(super) const ENCODINGS: &str = "gzip, br, deflate";

/// How large a body may be, as it comes and when it is opened.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Reads the whole answer.
pub(super) async fn read(
    mut answer: reqwest::Response,
    request: &Request,
) -> Result<Response, TransportError> {
    let status = answer.status().as_u16();
    let version = answer.version();
    let mut headers = answer.headers().clone();
    let encoding = Encoding::of(&headers).map_err(|named| encoding_unknown(status, &named))?;
    let progress = |received| Progress { status, received, announced: announced(&headers), request };
    let is_proven_whole = encoding != Encoding::Plain || is_end_proven(&answer, request);
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| broken_body(error, &progress(body.len())))? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(too_large(status));
        }
        body.extend_from_slice(&chunk);
    }
    if encoding != Encoding::Plain && !body.is_empty() {
        let opened = encoding.open(&body).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => cut_encoding(&progress(body.len())),
            _ => broken_encoding(status),
        })?;
        body = Some(opened).filter(|opened| opened.len() <= MAX_BYTES).ok_or_else(|| too_large(status))?;
        headers.remove(header::CONTENT_ENCODING);
        headers.remove(header::CONTENT_LENGTH);
    }
    Ok(Response { version, is_proven_whole, ..Response::new(status, headers, body) })
}

/// How far the body of an answer has come.
pub(super) struct Progress<'a> {
    pub status: u16,
    /// How many bytes have come, as they came.
    pub received: usize,
    /// How many there should be, where the server says so.
    pub announced: Option<u64>,
    pub request: &'a Request,
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the end of a body that is not compressed says that it is whole (RFC 9112, section 6.3): the layers below see to
/// lengths and chunks, and to the end of an encrypted connection, which nobody else can make (section 9.8).
fn is_end_proven(answer: &reqwest::Response, request: &Request) -> bool {
    let headers = answer.headers();
    answer.version() >= Version::HTTP_2
        || request.url.scheme() == "https"
        || request.method == Method::HEAD
        || matches!(answer.status().as_u16(), 204 | 304)
        || headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING)
}

/// The form in which a body comes (RFC 9110, section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
    Deflate,
    Brotli,
}

impl Encoding {
    /// # Errors
    /// What the server calls it, when it cannot be opened.
    fn of(headers: &HeaderMap) -> Result<Self, String> {
        let all = headers.get_all(header::CONTENT_ENCODING).iter();
        let all: Vec<_> = all.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        let named = all.join(", ");
        match named.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Plain),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "br" => Ok(Self::Brotli),
            _ => Err(named),
        }
    }

    /// Opens a body. No more is opened than tells that it is too large.
    ///
    /// # Errors
    /// `UnexpectedEof` when its end is missing.
    fn open(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut opened = Vec::new();
        let most = MAX_BYTES as u64 + 1;
        match self {
            Self::Plain => opened.extend_from_slice(bytes),
            Self::Gzip => {
                MultiGzDecoder::new(bytes).take(most).read_to_end(&mut opened)?;
            }
            Self::Brotli => {
                let mut source = Source { bytes, is_missed: false };
                let end = Decompressor::new(&mut source, 4096).take(most).read_to_end(&mut opened);
                end.map_err(|error| if source.is_missed { ErrorKind::UnexpectedEof.into() } else { error })?;
            }
            Self::Deflate => {
                ZlibDecoder::new(bytes).take(most).read_to_end(&mut opened)?;
            }
        }
        Ok(opened)
    }
}

/// Bytes that know whether more of them was wanted than there is: Brotli calls what is cut invalid, too.
struct Source<'a> {
    bytes: &'a [u8],
    is_missed: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.is_missed |= count == 0;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hello, hello, hello` in each form.
    const FORMS: [(Encoding, &[u8]); 3] = [
        (
            Encoding::Gzip,
            &[
                31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 72, 205, 201, 201, 215, 81, 200, 64, 162, 0, 159, 161,
                202, 9, 19, 0, 0, 0,
            ],
        ),
        (Encoding::Deflate, &[120, 156, 203, 72, 205, 201, 201, 215, 81, 200, 64, 162, 0, 68, 40, 6, 213]),
        (
            Encoding::Brotli,
            &[27, 18, 0, 248, 141, 148, 110, 222, 68, 9, 82, 134, 150, 108, 44, 111, 17, 79, 36, 208, 113, 0],
        ),
    ];

    #[test]
    fn each_form_is_opened() {
        for (encoding, bytes) in FORMS {
            assert_eq!(encoding.open(bytes).unwrap(), b"hello, hello, hello", "{encoding:?}");
        }
    }

    #[test]
    fn what_was_never_compressed_is_not_cut() {
        for (encoding, _) in FORMS {
            let error = encoding.open(b"<html><title>Welcome to this network</title>").unwrap_err();
            assert_ne!(error.kind(), ErrorKind::UnexpectedEof, "{encoding:?}");
        }
    }

    #[test]
    fn a_form_that_is_cut_anywhere_is_cut() {
        for (encoding, bytes) in FORMS {
            for length in 1..bytes.len() {
                let end = encoding.open(&bytes[..length]).map_err(|error| error.kind());
                assert_eq!(end, Err(ErrorKind::UnexpectedEof), "{encoding:?}, {length} of {}", bytes.len());
            }
        }
    }
}
