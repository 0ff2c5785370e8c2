//! What is known of requests that are given up: whether they may have left.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::thread;

use futures_util::future::{join, ready, select};
use http::Method;
use runner::port::{Request, Transport};
use runner::system::HttpTransport;
use tokio::sync::oneshot::{Receiver, Sender, channel};

use super::support::client::{block_on, post, request};
use super::support::full_queue::{fill, short_queue};
use super::support::held::slow_server;
use super::support::runner::Runner;

/// Gives a request up when something has happened, and asks whether it has surely not left.
async fn give_up(transport: &HttpTransport, request: &Request, when: impl Future<Output = ()>) -> bool {
    drop(select(transport.send(request), pin!(when)).await);
    request.departure.was_prevented()
}

#[test]
fn a_request_that_still_connects_has_not_left() {
    let (_listener, address) = short_queue();
    let _waiting = fill(address);
    let request = post(&format!("http://{address}/"), "x");
    assert!(block_on(give_up(&HttpTransport::default(), &request, ready(()))));
}

#[test]
fn a_request_that_waits_for_its_answer_has_left() {
    let (server, is_received, _answer) = slow_server();
    let request = post(&server.url("/"), "x");
    let (arrived, has_arrived) = channel();
    thread::spawn(move || arrived.send(is_received.recv()));
    let arrival = async { has_arrived.await.expect("the server lives").expect("the request arrives") };
    assert!(!block_on(give_up(&HttpTransport::default(), &request, arrival)));
}

/// Answers the first request of the only connection when it may, and says when the second one has come.
fn serve(
    listener: &TcpListener,
    is_full: Sender<Vec<TcpStream>>,
    may_answer: Receiver<()>,
    second: Sender<()>,
) {
    let (mut connection, _) = listener.accept().expect("a connection");
    let mut bytes = [0; 4096];
    assert!(connection.read(&mut bytes).expect("a request") > 0, "the first comes");
    is_full.send(fill(listener.local_addr().expect("an address"))).expect("the test waits");
    may_answer.blocking_recv().expect("the test goes on");
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("somebody reads");
    assert!(connection.read(&mut bytes).expect("a request") > 0, "the second comes");
    second.send(()).expect("the test waits");
}

#[test]
fn a_request_that_takes_another_connection_than_its_own_has_left() {
    let (listener, address) = short_queue();
    let (is_full, full) = channel();
    let (go_on, may_answer) = channel();
    let (second, second_has_come) = channel();
    let server = thread::spawn(move || {
        serve(&listener, is_full, may_answer, second);
        listener
    });
    let transport = HttpTransport::default();
    let first = request(Method::GET, &format!("http://{address}/"));
    let request = post(&format!("http://{address}/"), "x");
    let late = async {
        let _waiting = full.await.expect("the server lives");
        // The connection of the second request hangs when the one of the first becomes free.
        let come = async {
            go_on.send(()).expect("the server waits");
            second_has_come.await.expect("the second request comes");
        };
        give_up(&transport, &request, come).await
    };
    let (answer, was_prevented) = block_on(join(transport.send(&first), late));
    assert_eq!((answer.expect("an answer").status, was_prevented), (200, false));
    drop(server.join());
}

#[test]
fn a_write_that_was_given_up_while_it_connected_is_sent_by_resume() {
    let (listener, address) = short_queue();
    let waiting = fill(address);
    let playbook = format!(
        "version: 1\nproviders: {{ own: {{ base_url: 'http://{address}' }} }}\nsteps: [{{ post: /orders }}]\n"
    );
    let run = Runner::new().args(["apply", "p.yaml", "--deadline", "300ms"]).file("p.yaml", playbook);
    run.run().exits(9);
    let again = |arguments: &[&str]| run.clone().program(env!("CARGO_BIN_EXE_runner"), arguments).run();
    let history = again(&["history"]).exits(0).stdout;
    assert!(!history.contains("unknown"), "{history}");
    drop(waiting);
    let server = thread::spawn(move || {
        let mut bytes = [0; 4096];
        // Those who only waited are gone.
        let mut come = listener.incoming().map(|connection| connection.expect("a connection"));
        let mut asks = |connection: &mut TcpStream| connection.read(&mut bytes).is_ok_and(|read| read > 0);
        let mut connection = come.find_map(|mut one| asks(&mut one).then_some(one)).expect("a request");
        connection.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").expect("somebody reads");
    });
    again(&["resume", "last"]).exits(0);
    server.join().expect("the write was sent");
}
