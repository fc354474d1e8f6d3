//! Contents that are taken whole before a server is chosen: slow ones keep nobody waiting, and can be sent again.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use e2e::ledger::{self, counter};
use e2e::response::Asked;
use e2e::{Server, Yard};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 1 },
  "upstreams": {
    "app": { "servers": ["${broken}", "${right}"], "eject": { "failures": 0 } },
    "right": { "servers": ["${right}"] }
  },
  "hosts": { "localhost": { "body_size": "16M", "request_buffering": "1M", "locations": {
    "/": { "proxy": "right" },
    "/retry": { "proxy": "app" },
    "/stream": { "proxy": "app", "request_buffering": "0" }
  } } }
}"#;

/// A server that says how much content it has got, and what its bytes sum up to.
#[derive(Clone)]
struct Adder {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

/// What a server does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Answers,
    /// Reads it to its end, and closes the connection.
    Closes,
}

impl Adder {
    fn start(deed: Deed) -> Adder {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || while add(&client, deed).is_some() {});
            }
        });
        Adder { address, connections }
    }
}

/// Takes a request; none at the end of the connection.
fn add(mut client: &TcpStream, deed: Deed) -> Option<()> {
    let (mut all, mut more) = (Vec::new(), [0; 64 * 1024]);
    let content = loop {
        let count = client.read(&mut more).ok().filter(|count| *count > 0)?;
        all.extend_from_slice(&more[..count]);
        if let Some(content) = whole(&all) {
            break content;
        }
    };
    if deed == Deed::Closes {
        return None;
    }
    let body = told(&content);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write_all((head + &body).as_bytes()).ok()
}

fn told(content: &[u8]) -> String {
    let sum: u64 = content.iter().zip(1..).map(|(byte, place)| u64::from(*byte) * place).sum();
    format!("{} {sum}", content.len())
}

/// The content of a request that is whole.
fn whole(request: &[u8]) -> Option<Vec<u8>> {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let mut rest = &request[end..];
    if let Some(length) = head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        let length: usize = length.parse().expect("a number");
        return (length <= rest.len()).then(|| rest[..length].to_vec());
    }
    let mut content = Vec::new();
    while head.contains("chunked") {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let chunk = rest.get(line + 2..line + 2 + size + 2)?;
        if size == 0 {
            return Some(content);
        }
        content.extend_from_slice(&chunk[..size]);
        rest = &rest[line + 2 + size + 2..];
    }
    Some(content)
}

fn start() -> (Server, Adder, Yard) {
    let yard = Yard::new("buffering").expect("a folder");
    let (broken, right) = (Adder::start(Deed::Closes), Adder::start(Deed::Answers));
    let text = CONFIGURATION.replace("${broken}", &broken.address.to_string());
    let text = text.replace("${right}", &right.address.to_string());
    (yard.serve(&text).expect("the server starts"), right, yard)
}

/// Bytes that are not all the same.
fn some(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 31 % 251) as u8).collect()
}

fn framed(head: &str, content: &[u8], chunk: Option<usize>) -> Vec<u8> {
    let mut message = head.as_bytes().to_vec();
    match chunk {
        None => {
            message.extend_from_slice(format!("Content-Length: {}\r\n\r\n", content.len()).as_bytes());
            message.extend_from_slice(content);
        }
        Some(size) => {
            message.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for part in content.chunks(size) {
                message.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                message.extend_from_slice(part);
                message.extend_from_slice(b"\r\n");
            }
            message.extend_from_slice(b"0\r\n\r\n");
        }
    }
    message
}

#[test]
fn a_slow_upload_keeps_no_server_waiting() {
    let (server, right, _yard) = start();
    let content = some(300_000);
    for (round, chunk) in [None, Some(1000)].into_iter().enumerate() {
        let message = framed("POST /up HTTP/1.1\r\nHost: localhost\r\n", &content, chunk);
        let (first, second) = message.split_at(message.len() - 10);
        let mut slow = server.connect().expect("connect");
        slow.send(first).expect("send");
        // All of it has come to the server, and nothing of it has gone on.
        let report = server.wait_counters("bytes", |counters| {
            counter(counters, "bytes_received").is_ok_and(|bytes| bytes >= (round as u64 + 1) * 300_000)
        });
        report.expect("a report");
        assert_eq!(right.connections.load(Ordering::SeqCst), round.min(1), "nobody was asked yet");
        slow.send(second).expect("send");
        let response = slow.response(Asked::Other).expect("a response");
        assert_eq!(String::from_utf8_lossy(&response.body), told(&content));
    }
    let ended = server.stop().expect("the server ends in order");
    ledger::check(&ended).expect("the ledger");
}

#[test]
fn a_content_is_sent_again_where_the_method_may_be_repeated() {
    let (server, _right, _yard) = start();
    let content = some(700_000);
    let mut client = server.connect().expect("connect");
    for (method, path, statuses) in
        [("PUT", "/retry", [200, 200]), ("POST", "/retry", [502, 200]), ("PUT", "/stream", [502, 200])]
    {
        for chunk in [None, Some(4096)] {
            let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
            // One of two begins with the server that is broken; where it may be, the other one is asked then.
            let mut got = [(); 2].map(|()| {
                client.send(&framed(&head, &content, chunk)).expect("send");
                let response = client.response(Asked::Other).expect(method);
                if response.status == 200 {
                    assert_eq!(String::from_utf8_lossy(&response.body), told(&content), "{method} {path}");
                } else {
                    client = server.connect().expect("connect");
                }
                response.status
            });
            got.sort_unstable_by(|one, other| other.cmp(one));
            assert_eq!(got, statuses, "{method} {path} {chunk:?}");
        }
    }
    drop(client);
    let ended = server.stop().expect("the server ends in order");
    ledger::check(&ended).expect("the ledger");
    assert!(counter(&ended, "upstream_retries").expect("a counter") >= 2, "each PUT that began so");
}

#[test]
fn too_much_is_refused_and_nobody_asked() {
    let (server, right, _yard) = start();
    let too_much = some((1 << 20) + 1);
    for chunk in [None, Some(65_536)] {
        let mut client = server.connect().expect("connect");
        client.send(&framed("PUT / HTTP/1.1\r\nHost: localhost\r\n", &too_much, chunk)).expect("send");
        assert_eq!(client.response(Asked::Other).expect("a response").status, 413, "{chunk:?}");
    }
    // Whoever sends little in many chunks is bounded as well.
    let mut client = server.connect().expect("connect");
    client.send(&framed("PUT / HTTP/1.1\r\nHost: localhost\r\n", &some(600_000), Some(1))).expect("send");
    assert_eq!(client.response(Asked::Other).expect("a response").status, 413);
    assert_eq!(right.connections.load(Ordering::SeqCst), 0);
    // As much as there may be.
    let most = some(1 << 20);
    for chunk in [None, Some(65_536)] {
        let mut client = server.connect().expect("connect");
        client.send(&framed("PUT / HTTP/1.1\r\nHost: localhost\r\n", &most, chunk)).expect("send");
        let response = client.response(Asked::Other).expect("a response");
        assert_eq!(String::from_utf8_lossy(&response.body), told(&most), "{chunk:?}");
    }
    let ended = server.stop().expect("the server ends in order");
    ledger::check(&ended).expect("the ledger");
}

#[test]
fn a_client_that_waits_is_told_to_go_on_and_the_next_request_is_its_own() {
    let (server, right, _yard) = start();
    let mut client = server.connect().expect("connect");
    client
        .send(b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .expect("send");
    assert_eq!(client.response(Asked::Other).expect("an interim answer").status, 100);
    assert_eq!(right.connections.load(Ordering::SeqCst), 0, "nobody was asked yet");
    // The next request comes with the end of this one.
    client.send(b"helloGET /next HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    for content in [&b"hello"[..], b""] {
        let response = client.response(Asked::Other).expect("a response");
        assert_eq!(String::from_utf8_lossy(&response.body), told(content));
    }
    // Who goes in the middle is nobody's burden.
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhel").expect("send");
    drop(client);
    let ended = server.stop().expect("the server ends in order");
    ledger::check(&ended).expect("the ledger");
    assert_eq!(counter(&ended, "upstream_requests").expect("a counter"), 2);
}
