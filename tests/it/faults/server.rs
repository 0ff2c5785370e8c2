//! A server on loopback that does what no library for HTTP would do: it resets, trickles, lies and floods, as a test
//! has planned for each request.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use httpdate::fmt_http_date;
use rustix::net::sockopt::set_socket_linger;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::PATIENCE;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The number of its connection, from 0.
    pub connection: usize,
    /// How many requests with its line have come, with this one.
    pub nth: usize,
    /// Method and path with query: `GET /items?cursor=2`.
    pub line: String,
    /// The lines of its head behind the first, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Request {
    /// The value of a header, by its name in lower case; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    fn read(connection: usize, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").expect("a request has a head");
        let mut lines = head.lines();
        let line = lines.next().and_then(|line| line.strip_suffix(" HTTP/1.1")).expect("HTTP/1.1");
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let headers = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { connection, nth: 1, line: line.to_owned(), headers, body: body.to_owned() }
    }
}

/// One thing that the server does to a connection.
pub enum Act {
    /// Writes bytes.
    Send(Vec<u8>),
    /// Writes bytes one at a time, with a pause before each, as long as the client listens.
    Trickle(Vec<u8>, Duration),
    /// Writes the same bytes again and again, as long as the client listens.
    Flood(Vec<u8>),
    /// Does nothing until the client goes.
    Silence,
    /// Tells the test that the request is here.
    Announce(Sender<()>),
    /// Waits until the test allows to go on.
    Await(Receiver<()>),
    /// Ends the connection with a reset, as a machine does that has lost it.
    Reset,
    /// Ends the connection in good order.
    Close,
}

/// What is done for a request; the connection then stays open for the next one, unless an act has ended it.
pub type Answer = Vec<Act>;

/// An answer in good order, with its length and the time of the server.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let date = fmt_http_date(SystemTime::now());
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    vec![Act::Send(
        format!("HTTP/1.1 {status} As planned\r\ndate: {date}\r\n{length}{headers}\r\n{body}").into_bytes(),
    )]
}

/// An answer in JSON.
pub fn json(status: u16, body: &serde_json::Value) -> Answer {
    reply(status, &[("content-type", "application/json")], &body.to_string())
}

/// A page for people.
pub fn html(status: u16, body: &str) -> Answer {
    reply(status, &[("content-type", "text/html; charset=utf-8")], body)
}

/// These bytes, and the end of the connection.
pub fn raw(bytes: impl AsRef<[u8]>) -> Answer {
    vec![Act::Send(bytes.as_ref().to_vec()), Act::Close]
}

/// A head of the answer 200 with these lines and JSON as its content, its body as it is, and the end of the connection.
pub fn body(headers: &str, body: &[u8]) -> Answer {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let head = format!("{head}{headers}\r\n\r\n");
    raw([head.as_bytes(), body].concat())
}

/// The server. It lives as long as the program of the tests.
pub struct FaultServer {
    address: SocketAddr,
    is_tls: bool,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// What decides about answers, by what has come so far.
type Plan = Box<dyn FnMut(&Request) -> Answer + Send>;

impl FaultServer {
    /// Does for each request what `plan` says, and knows any number of connections at a time.
    pub fn start(plan: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::listen(None, Box::new(plan))
    }

    /// The same behind TLS.
    pub fn start_tls(
        config: Arc<ServerConfig>,
        plan: impl FnMut(&Request) -> Answer + Send + 'static,
    ) -> Self {
        Self::listen(Some(config), Box::new(plan))
    }

    fn listen(tls: Option<Arc<ServerConfig>>, plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("a listener has an address");
        let (is_tls, requests, plan) = (tls.is_some(), Arc::default(), Arc::new(Mutex::new(plan)));
        let log: Arc<Mutex<Vec<Request>>> = Arc::clone(&requests);
        thread::spawn(move || {
            for (number, tcp) in listener.incoming().flatten().enumerate() {
                let (tls, plan, log) = (tls.clone(), Arc::clone(&plan), Arc::clone(&log));
                thread::spawn(move || Connection::open(tcp, tls).serve(number, &plan, &log));
            }
        });
        Self { address, is_tls, requests }
    }

    /// Its address, without a slash at its end.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address)
    }

    /// The requests so far, in the order in which they were complete.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no holder panics").clone()
    }

    /// Method and path of the requests so far.
    pub fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }

    /// How many requests have come with this line.
    pub fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|asked| *asked == line).count()
    }
}

trait ReadWrite: Read + Write + Send {}

impl<T: Read + Write + Send> ReadWrite for T {}

struct Connection {
    tcp: TcpStream,
    stream: Box<dyn ReadWrite>,
}

impl Connection {
    fn open(tcp: TcpStream, tls: Option<Arc<ServerConfig>>) -> Self {
        tcp.set_nodelay(true).expect("a connection can be told not to wait");
        let clone = tcp.try_clone().expect("a socket can be duplicated");
        let stream: Box<dyn ReadWrite> = match tls {
            Some(config) => {
                let session = ServerConnection::new(config).expect("a configuration that works");
                Box::new(StreamOwned::new(session, clone))
            }
            None => Box::new(clone),
        };
        Self { tcp, stream }
    }

    fn serve(mut self, number: usize, plan: &Mutex<Plan>, log: &Mutex<Vec<Request>>) {
        while let Some(bytes) = self.receive() {
            let mut request = Request::read(number, &bytes);
            let answer = {
                // One at a time: what is counted and what is answered go together.
                let mut plan = plan.lock().expect("a plan does not panic");
                let mut log = log.lock().expect("no holder panics");
                request.nth += log.iter().filter(|earlier| earlier.line == request.line).count();
                log.push(request.clone());
                drop(log);
                plan(&request)
            };
            if !answer.into_iter().all(|act| self.perform(act)) {
                return;
            }
        }
    }

    /// One request; `None` if there is none any more.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !is_whole(&bytes) {
            match self.stream.read(&mut byte) {
                Ok(1) => bytes.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => return None,
            }
        }
        Some(bytes)
    }

    /// Whether the connection goes on after it.
    fn perform(&mut self, act: Act) -> bool {
        match act {
            Act::Send(bytes) => self.send(&bytes),
            Act::Trickle(bytes, pause) => bytes.iter().all(|byte| self.stays(pause) && self.send(&[*byte])),
            Act::Flood(bytes) => {
                while self.send(&bytes) {}
                false
            }
            Act::Silence => {
                while self.stays(PATIENCE) {}
                false
            }
            // A test that has ended has no use for either.
            Act::Announce(sender) => sender.send(()).is_ok(),
            Act::Await(receiver) => receiver.recv().is_ok(),
            Act::Reset => {
                set_socket_linger(&self.tcp, Some(Duration::ZERO)).expect("a socket can be told to");
                false
            }
            Act::Close => {
                let _ = self.tcp.shutdown(Shutdown::Both);
                true
            }
        }
    }

    /// A client that does not want the bytes any more has gone.
    fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Whether the client is still there after `pause`; it returns at once when it goes.
    fn stays(&mut self, pause: Duration) -> bool {
        self.tcp.set_read_timeout(Some(pause)).expect("a pause is not zero");
        let mut rest = [0; 64];
        let end = loop {
            match self.tcp.read(&mut rest) {
                Ok(1..) => {}
                end => break end,
            }
        };
        self.tcp.set_read_timeout(None).expect("a socket can wait for ever");
        matches!(end, Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted))
    }
}

/// Whether the bytes are a head and as much of a body as it announces.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    bytes.len() >= end + 4 + length.map_or(0, |length| length.parse().expect("a length is a number"))
}
