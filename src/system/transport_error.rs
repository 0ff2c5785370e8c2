//! What went wrong on the network: how far the request came, and why in words, without its address.

use super::transport_body::Progress;
use super::transport_proxy::Proxy;
use crate::model::words::{counted, duration, grouped};
use crate::port::{SendFailure, TransportError};
use rustls::CertificateError;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter;
use std::time::Duration;

/// Something was wrong before any byte of the request was written.
pub(super) fn not_sent(reason: String) -> TransportError {
    TransportError { failure: SendFailure::NotSent, reason }
}

/// Something on this machine stood in the way: no other attempt will do better.
pub(super) fn local(reason: String) -> TransportError {
    TransportError { failure: SendFailure::Local, reason }
}

/// There is not even a client: it cannot be built where the machine has no certificates at all.
pub(super) fn without_client(error: reqwest::Error) -> TransportError {
    let cause = causes(&error).last().map(ToString::to_string).unwrap_or_default();
    not_sent(format!("the certificates of this machine cannot be used ({cause}); install `ca-certificates`"))
}

/// No status came. reqwest calls it a connection error as long as the request was not handed to a connection.
pub(super) fn unanswered(error: reqwest::Error, timeout: Duration, proxy: Option<&Proxy>) -> TransportError {
    let error = error.without_url();
    let was_canceled = find::<hyper::Error>(&error).is_some_and(hyper::Error::is_canceled);
    if let Some(proxy) = proxy.filter(|_| error.is_connect() && find::<rustls::Error>(&error).is_none()) {
        return proxy.failure(&causes(&error).collect::<Vec<_>>(), &connect_reason(&error));
    }
    if error.is_connect() || error.is_builder() || was_canceled {
        return not_sent(connect_reason(&error));
    }
    if find::<h2::Error>(&error).is_some_and(was_turned_away) {
        let reason = "turned away by the server, which has not looked at it".to_owned();
        return TransportError { failure: SendFailure::TurnedAway, reason };
    }
    let reason = match io_kind(&error) {
        _ if error.is_timeout() => format!("no answer within {}", duration(timeout)),
        Some(ErrorKind::ConnectionReset) => "connection reset before an answer".to_owned(),
        Some(ErrorKind::BrokenPipe) => "connection closed while sending".to_owned(),
        _ => protocol_reason(&error),
    };
    let is_no_http = find::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse);
    let failure = if is_no_http { SendFailure::Unreadable { status: None } } else { SendFailure::Unknown };
    TransportError { failure, reason }
}

/// A status came, and then not the whole body.
pub(super) fn broken_body(error: reqwest::Error, progress: &Progress<'_>) -> TransportError {
    let error = error.without_url();
    let why = match io_kind(&error) {
        _ if error.is_timeout() => {
            format!(": not complete within {}", duration(progress.request.timeout))
        }
        Some(ErrorKind::ConnectionReset) => ": connection reset".to_owned(),
        Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) => ": what follows is no chunk".to_owned(),
        _ if progress.announced.is_none() => ", before its end".to_owned(),
        _ => String::new(),
    };
    body_cut(progress, &why)
}

/// A status came with a compressed body that ends before its end mark.
pub(super) fn cut_encoding(progress: &Progress<'_>) -> TransportError {
    body_cut(&Progress { announced: None, ..*progress }, ", in the middle of what is compressed")
}

/// A status came with a body that is not in the form that it names.
pub(super) fn broken_encoding(status: u16) -> TransportError {
    unreadable(status, "the answer cannot be decompressed".to_owned())
}

/// A status came with a body that would fill the memory.
pub(super) fn too_large(status: u16) -> TransportError {
    unreadable(status, "the answer is larger than 64 MB".to_owned())
}

/// A status came with a body in a form that was not asked for.
pub(super) fn encoding_unknown(status: u16, encoding: &str) -> TransportError {
    unreadable(status, format!("the answer has an encoding that was not asked for: {encoding}"))
}

/// `body cut after 512 of 1,000 bytes`
fn body_cut(progress: &Progress<'_>, why: &str) -> TransportError {
    let received = progress.received as u64;
    let reason = match progress.announced {
        Some(announced) => {
            format!("body cut after {} of {}{why}", grouped(received), counted(announced, "byte"))
        }
        None => format!("body cut after {}{why}", counted(received, "byte")),
    };
    TransportError { failure: SendFailure::BodyCut { status: progress.status }, reason }
}

fn unreadable(status: u16, reason: String) -> TransportError {
    TransportError { failure: SendFailure::Unreadable { status: Some(status) }, reason }
}

fn connect_reason(error: &reqwest::Error) -> String {
    if let Some(error) = find::<rustls::Error>(error) {
        return tls_reason(error);
    }
    match io_kind(error) {
        _ if error.is_timeout() => "no connection in time".to_owned(),
        _ if error.is_dns() => "name not found".to_owned(),
        Some(ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe) => {
            "connection closed before the request".to_owned()
        }
        Some(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable) => "network unreachable".to_owned(),
        _ => format!("no connection: {}", last_cause(error)),
    }
}

fn tls_reason(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(error) = error else {
        return format!("TLS failed: {error}");
    };
    let why = match error {
        CertificateError::UnknownIssuer => "nobody here knows its issuer".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; is the clock right?".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it belongs to another host".to_owned()
        }
        CertificateError::Revoked => "it was revoked".to_owned(),
        other => other.to_string(),
    };
    format!("certificate not trusted: {why}")
}

/// Whether the server says that it did nothing with the request: it refused the stream, or goes away and names an older
/// stream as the last one that it looked at (RFC 9113, sections 6.8 and 8.7). Streams that it did look at end otherwise.
fn was_turned_away(error: &h2::Error) -> bool {
    let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (is_refused || error.is_go_away())
}

fn protocol_reason(error: &reqwest::Error) -> String {
    if let Some(error) = find::<h2::Error>(error).filter(|error| error.is_remote()) {
        let reason = error.reason().map(|reason| reason.description().to_owned()).unwrap_or_default();
        return format!("the server gave the request up: {reason}");
    }
    match find::<hyper::Error>(error) {
        Some(error) if error.is_incomplete_message() => "connection closed before an answer".to_owned(),
        Some(error) if error.is_parse() => format!("the answer is not HTTP: {error}"),
        _ => format!("no answer: {}", last_cause(error)),
    }
}

fn last_cause(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// An error and what caused it, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| cause_of(error))
}

/// The cause of an error; `io::Error` hides what it wraps, so it is opened.
fn cause_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inside) => Some(inside),
        None => error.source(),
    }
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// What the operating system says.
fn io_kind(error: &reqwest::Error) -> Option<ErrorKind> {
    causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).last().map(io::Error::kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_judged_duration() {
        for (error, reason) in [
            (CertificateError::UnknownIssuer, "certificate not trusted: nobody here knows its issuer"),
            (CertificateError::Expired, "certificate not trusted: it has expired"),
            (CertificateError::NotValidForName, "certificate not trusted: it belongs to another host"),
        ] {
            assert_eq!(tls_reason(&rustls::Error::InvalidCertificate(error)), reason);
        }
        let other = tls_reason(&rustls::Error::HandshakeNotComplete);
        assert!(other.starts_with("TLS failed: "), "{other}");
    }
}
