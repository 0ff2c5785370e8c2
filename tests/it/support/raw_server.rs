//! A server on loopback that answers with bytes as a test wrote them, right or wrong.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Listens as long as the process lives; what it received is kept.
pub struct RawServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

/// One connection from a client.
pub struct Connection {
    /// The connection itself, to be written to or dropped.
    pub stream: TcpStream,
    requests: Arc<Mutex<Vec<String>>>,
}

impl RawServer {
    /// Hands each connection to `serve`, one after another, with its number from 0.
    pub fn start(mut serve: impl FnMut(usize, &mut Connection) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("a listener has an address");
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = requests.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                serve(number, &mut Connection { stream, requests: log.clone() });
            }
        });
        Self { address, requests }
    }

    /// Answers every request with these bytes and closes the connection.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, connection| {
            connection.receive();
            connection.send(&answer);
        })
    }

    /// A playbook that makes a call, lets `pause` pass, and makes it again: two requests to this server, whose pace is
    /// slow enough, lie between. `provider` is the entry of the provider that is called.
    pub fn between(&self, provider: &str, call: &str, pause: &str) -> String {
        let address = self.url("");
        format!(
            "
version: 1
providers:
  {provider}
  slow: {{ base_url: {address:?}, rate_limit: {{ rate: 1/{pause} }} }}
steps:
  - call: {call}
  - for_each: [1, 2]
    provider: slow
    get: /
  - call: {call}
"
        )
    }

    /// The address of a path, `http`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, heads and bodies.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no holder panics").clone()
    }
}

impl Connection {
    /// Reads one request to its end; `None` if the client has closed the connection instead.
    pub fn receive(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !is_whole(&bytes) {
            match self.stream.read(&mut byte) {
                Ok(0) => return None,
                Ok(_) => bytes.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        let request = String::from_utf8_lossy(&bytes).into_owned();
        self.requests.lock().expect("no holder panics").push(request.clone());
        Some(request)
    }

    /// Writes bytes; a client that does not want them any more is none of the server's business.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
    }

    /// Closes the connection; a client that has closed it before is not missed.
    pub fn close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Reads until the client closes the connection.
    pub fn wait_for_close(&mut self) {
        let mut rest = [0; 4096];
        while matches!(self.stream.read(&mut rest), Ok(1..)) {}
    }
}

/// Whether the bytes are a head and as much of a body as it announces.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return bytes.ends_with(b"\r\n0\r\n\r\n") || &bytes[end + 4..] == b"0\r\n\r\n";
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    bytes.len() >= end + 4 + length.map_or(0, |length| length.parse().expect("a length is a number"))
}
