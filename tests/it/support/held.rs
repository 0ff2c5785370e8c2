//! A server that waits with its answer until a test lets it go.

use std::sync::mpsc::{self, Receiver, Sender};

use super::raw_server::RawServer;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}";

/// A server that says when a request is there and waits with its answer until it is told to give it.
pub fn slow_server() -> (RawServer, Receiver<()>, Sender<()>) {
    let (received, is_received) = mpsc::channel();
    let (answer, may_answer) = mpsc::channel();
    let server = RawServer::start(move |_, connection| {
        if connection.receive().is_some() {
            // A test that has ended hears nothing more.
            let _ = received.send(());
            if may_answer.recv().is_ok() {
                connection.send(ANSWER);
            }
        }
    });
    (server, is_received, answer)
}
