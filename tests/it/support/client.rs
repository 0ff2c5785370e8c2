//! The network of the program, used without it.

use http::{HeaderMap, Method};
use runner::port::{Body, Departure, Request, Response, SendFailure, Transport, TransportError};
use runner::system::HttpTransport;

use super::PATIENCE;
use super::raw_server::RawServer;

/// A request without a body.
pub fn request(method: Method, url: &str) -> Request {
    let url = url.parse().expect("an address");
    Request {
        method,
        url,
        headers: HeaderMap::new(),
        body: Body::Empty,
        timeout: PATIENCE,
        ca_file: None,
        departure: Departure::default(),
    }
}

/// A POST of a text.
pub fn post(url: &str, body: &str) -> Request {
    Request { body: Body::Bytes(body.into()), ..request(Method::POST, url) }
}

/// Runs work to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(future)
}

/// Sends a request over connections of its own.
pub fn send(request: &Request) -> Result<Response, TransportError> {
    block_on(HttpTransport::default().send(request))
}

/// Sends a request, which has to fail so.
#[track_caller]
pub fn assert_fails(request: &Request, failure: SendFailure, reason: &str) {
    let error = send(request).expect_err("the request fails");
    assert_eq!((error.failure, error.reason.as_str()), (failure, reason));
}

/// The same answer, to a server that then closes the connection.
#[track_caller]
pub fn assert_answer_fails(answer: impl Into<Vec<u8>>, failure: SendFailure, reason: &str) {
    let server = RawServer::answering(answer);
    assert_fails(&request(Method::GET, &server.url("/secret-path?key=hunter2")), failure, reason);
    assert_eq!(server.requests().len(), 1, "sent once");
}
