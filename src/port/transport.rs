use futures_util::future::LocalBoxFuture;
use http::{HeaderMap, Method, Version};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use thiserror::Error;
use url::Url;

/// A request, rendered and authorized: plain data.
#[derive(Clone)]
pub struct Request {
    /// The verb.
    pub method: Method,
    /// The whole address.
    pub url: Url,
    /// All headers but those that the transport itself owns (`Host`, `Content-Length`).
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// How long the whole exchange may take.
    pub timeout: Duration,
    /// The certificates (PEM) of a private authority that this request trusts besides those of the machine.
    pub ca_file: Option<PathBuf>,
    /// What is known of it when it is given up.
    pub departure: Departure,
}

/// Whether a request may have left that was given up before its answer came. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Departure(Arc<AtomicBool>);

impl Departure {
    /// Takes note that no byte of it was written, and that none will be: it was given up while its connection was made.
    pub fn prevent(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether no byte of it was written. Asked of a request that was given up.
    pub fn was_prevented(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of a request.
#[derive(Clone)]
pub enum Body {
    /// None.
    Empty,
    /// These bytes; their media type is among the headers.
    Bytes(Vec<u8>),
    /// A file, streamed from disk.
    File(PathBuf),
    /// Several parts (`multipart/form-data`, RFC 7578); the transport chooses the boundary and sets the header.
    Multipart(Vec<(String, BodyPart)>),
}

/// One part of a multipart body.
#[derive(Clone)]
pub enum BodyPart {
    /// A value.
    Text(String),
    /// A file, streamed from disk.
    File {
        /// The file; its last segment is the file name that is sent.
        path: PathBuf,
        /// The media type.
        media_type: String,
    },
}

/// A whole answer.
#[derive(Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// The protocol.
    pub version: Version,
    /// How long its head was waited for.
    pub waited: Duration,
    /// The body is proven to be whole: by its length, its last chunk, its own end mark, or an end of the connection that
    /// only the server can have made. False where nothing but a plain connection's end ends it (RFC 9112, section 6.3).
    pub is_proven_whole: bool,
}

impl Response {
    /// An answer that came at once and whole, over HTTP/1.1.
    pub fn new(status: u16, headers: HeaderMap, body: Vec<u8>) -> Self {
        let (version, waited) = (Version::HTTP_11, Duration::ZERO);
        Self { status, headers, body, version, waited, is_proven_whole: true }
    }
}

/// Shows neither headers nor body: they may hold what a login yields.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Response");
        shown.field("status", &self.status).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// How far a request came that got no whole answer. Decides what may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendFailure {
    /// No byte of the request was written: name, connection or TLS failed.
    NotSent,
    /// No byte of the request was written: something on this machine stood in the way, such as a file that cannot be read.
    Local,
    /// No byte of the request reached the server: the proxy on the way made no connection.
    ProxyFailed,
    /// No byte of the request reached the server: the proxy on the way wants credentials that it did not get.
    ProxyRefused,
    /// It arrived, and the server says that it has not looked at it and never will (RFC 9113, section 8.7).
    TurnedAway,
    /// Bytes went out, no status came back.
    Unknown,
    /// A status came, the body was cut or could not be read.
    BodyCut {
        /// The status.
        status: u16,
    },
    /// A part of the answer came, and no part was asked for: 206 Partial Content (RFC 9110, section 15.3.7).
    Part,
    /// An answer came in a form that no other attempt will change: too large, not decipherable.
    Unreadable {
        /// The status; `None` when not even that could be read.
        status: Option<u16>,
    },
}

impl SendFailure {
    /// The status that came.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::NotSent
            | Self::Local
            | Self::ProxyFailed
            | Self::ProxyRefused
            | Self::TurnedAway
            | Self::Unknown => None,
            Self::BodyCut { status } => Some(status),
            Self::Part => Some(206),
            Self::Unreadable { status } => status,
        }
    }

    /// Whether a request that came so far has reached the server, or may have.
    pub fn was_sent(self) -> bool {
        !matches!(self, Self::NotSent | Self::Local | Self::ProxyFailed | Self::ProxyRefused)
    }
}

/// A request got no whole answer.
#[derive(Debug, Clone, Error)]
#[error("{reason}")]
pub struct TransportError {
    /// How far it came.
    pub failure: SendFailure,
    /// Why: a lowercase fragment without the address.
    pub reason: String,
}

/// The network. It follows no redirect, resends nothing and keeps no cookie.
pub trait Transport {
    /// Sends a request and reads its whole answer, 64 MB after decompression at most.
    fn send<'a>(&'a self, request: &'a Request) -> LocalBoxFuture<'a, Result<Response, TransportError>>;
}
