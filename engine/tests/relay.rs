//! Requests that other servers answer, through the engine alone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use perf::Counter;

mod common;

/// A server that reads what it is sent up to the end of a head, and says what it is told to say. Each text is for one
/// request; `|` ends the connection, after which the next one is for the next connection.
fn backend(texts: &'static [&'static str]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let thread = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let mut client = None;
        for text in texts {
            let stream: &mut TcpStream =
                client.get_or_insert_with(|| listener.accept().expect("a connection").0);
            heard.push(head(stream));
            stream.write_all(text.trim_end_matches('|').as_bytes()).expect("an answer is sent");
            if text.ends_with('|') {
                client = None;
            }
        }
        // The connection stays until nobody wants it any more.
        if let Some(mut stream) = client {
            let _ = stream.read(&mut [0]);
        }
        heard
    });
    (address, thread)
}

fn head(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(common::PATIENCE)).expect("a socket");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).expect("a request comes"), 1, "{}", head.escape_ascii());
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

fn configuration(backend: SocketAddr) -> String {
    format!(
        r#"{{ "hosts": {{ "localhost": {{ "proxy": "http://{backend}", "access_log": "ROOT/access.log" }} }} }}"#
    )
}

/// Sends each request by the same connection, and compares the last lines of the answers, up to the end of the
/// connection.
fn check(texts: &'static [&'static str], requests: &str, expected: &str) {
    let (address, backend) = backend(texts);
    let running = common::start(1, &configuration(address), |_| {});
    let mut client = running.connect();
    client.write_all(requests.as_bytes()).expect("requests are sent");
    let mut answers = String::new();
    client.read_to_string(&mut answers).expect("answers come");
    let of_interest = |line: &&str| !line.starts_with("Date: ") && !line.starts_with("Server: ");
    let answers: Vec<&str> = answers.split("\r\n").filter(of_interest).collect();
    assert_eq!(answers.join("\n"), expected);
    assert_eq!(running.stop(), engine::Outcome::Stopped);
    let heard = backend.join().expect("the backend ends");
    assert_eq!(heard.len(), texts.len());
    let block = &running.blocks[0];
    let count = |counter| block.get(counter);
    assert_eq!(
        count(Counter::RequestsBegun),
        count(Counter::RequestsAnswered) + count(Counter::RequestsAborted)
    );
    assert_eq!(count(Counter::UpstreamConnectionsOpen), 0);
    assert_eq!(
        count(Counter::ConnectionsAccepted),
        count(Counter::ConnectionsClosedByUs) + count(Counter::ConnectionsClosedByClient)
    );
}

const GET: &str = "GET /a?b HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST: &str = "GET /a?b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const TOLD: &str = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok";
const TOLD_LAST: &str = "HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\n\nok";

#[test]
fn answers_come_back_whole_however_they_end() {
    let chunks = "HTTP/1.1 200 OK\nConnection: close\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n";
    check(
        &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"],
        LAST,
        "HTTP/1.1 200 OK\nX-A: b\nConnection: close\nContent-Length: 5\n\nhello",
    );
    check(&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"], LAST, chunks);
    check(&["HTTP/1.0 200 OK\r\n\r\nhello|"], LAST, chunks);
    // HTTP/1.0 knows no chunks.
    check(
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
        "GET / HTTP/1.0\r\n\r\n",
        "HTTP/1.1 200 OK\n\nhello",
    );
}

#[test]
fn one_link_carries_many_requests() {
    check(&[OK, OK, OK], &format!("{GET}{GET}{LAST}"), &format!("{TOLD}{TOLD}{TOLD_LAST}"));
}

#[test]
fn a_link_that_its_server_has_closed_is_replaced() {
    const CLOSING: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok|";
    check(&[CLOSING, OK], &format!("{GET}{LAST}"), &format!("{TOLD}{TOLD_LAST}"));
    // Without a word before: the request is sent again.
    check(
        &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "|", OK],
        &format!("{GET}{LAST}"),
        &format!("{TOLD}{TOLD_LAST}"),
    );
}

#[test]
fn interim_answers_pass() {
    check(
        &[
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ],
        LAST,
        &format!("HTTP/1.1 103 Early Hints\nLink: </a>\n\n{TOLD_LAST}"),
    );
}

#[test]
fn a_link_is_kept_between_requests_of_different_clients() {
    let (address, backend) = backend(&[OK, OK]);
    let running = common::start(1, &configuration(address), |_| {});
    for _ in 0..2 {
        let mut client = running.connect();
        client.write_all(GET.as_bytes()).expect("a request is sent");
        assert!(common::answer(&mut client).ends_with(b"ok"));
    }
    assert_eq!(running.stop(), engine::Outcome::Stopped);
    assert_eq!(backend.join().expect("the backend ends").len(), 2);
    assert_eq!(running.blocks[0].get(Counter::UpstreamConnectionsOpened), 1);
    assert_eq!(running.blocks[0].get(Counter::UpstreamConnectionsReused), 1);
}
