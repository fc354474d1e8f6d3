//! Limits on what clients send: all of it is charged once, the heads of requests as well, whoever turns out to have sent it.

#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;
use std::time::{Duration, Instant};

use e2e::yard::address;
use e2e::{PATIENCE, Server, Yard, ledger, openssl, until};

/// Bytes a second that a client may send, and what may come at once.
const RATE: u64 = 50_000;
const BURST: u64 = 16_384;
/// Bytes in a field that makes a head long.
const LONG: usize = 6_000;
/// Requests that are sent.
const COUNT: usize = 25;

const SITE: &str = r#"{
  "server": { "listen": ["127.0.0.1:0", "127.0.0.2:0 tls"], "shards": 1 },
  "hosts": { "localhost": {
    "root": "${folder}/www",
    "shaping": { "client": { ${limits} } },
    "locations": { "/echo": { "handler": "echo" } },
    "tls": { "certificates": { "own": { "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" } } }
  } } }"#;

/// A server with limits for each client.
fn serve(limits: &str) -> (Yard, Server) {
    let yard = Yard::with_host("received").expect("a folder");
    let server = yard.serve(&SITE.replace("${limits}", limits)).expect("the server starts");
    (yard, server)
}

fn get(more: &str) -> String {
    let long = "x".repeat(LONG);
    format!("GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n{more}\r\n")
}

fn post(len: usize) -> String {
    let content = "x".repeat(len);
    format!("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n{content}")
}

/// Both ways to a server.
struct Client {
    from: BufReader<Box<dyn Read + Send>>,
    to: Box<dyn Write + Send>,
    /// A client of TLS, which ends with the test.
    child: Option<Child>,
}

impl Client {
    fn connect(place: SocketAddr) -> Client {
        Client::on(TcpStream::connect(place).expect("the address is listened on"))
    }

    fn on(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let to = stream.try_clone().expect("the same socket");
        Client { from: BufReader::new(Box::new(stream)), to: Box::new(to), child: None }
    }

    fn by_tls(place: SocketAddr) -> Client {
        let mut child = openssl::client(place).expect("openssl runs");
        let (from, to) = (child.stdout.take().expect("a pipe"), child.stdin.take().expect("a pipe"));
        Client { from: BufReader::new(Box::new(from)), to: Box::new(to), child: Some(child) }
    }

    fn send(&mut self, text: &str) {
        self.to.write_all(text.as_bytes()).expect("sent");
        self.to.flush().expect("sent");
    }

    /// Reads an answer; its status and its head.
    fn hear(&mut self) -> (u16, String) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.from.read_line(&mut head).expect("an answer"), 0, "{head}");
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let field = head.to_ascii_lowercase();
        let len = field.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let len: u64 = len.and_then(|len| len.parse().ok()).unwrap_or(0);
        std::io::copy(&mut (&mut self.from).take(len), &mut std::io::sink()).expect("the content");
        (status, head)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Each when the one before is answered.
    OneByOne,
    /// All at once.
    AtOnce,
    /// Each by a connection of its own.
    Apart,
    /// Each when the one before is answered, over TLS.
    Sealed,
}

/// Sends requests; answers how many were answered with each of two statuses.
fn send(server: &Server, way: Way, requests: &[String], statuses: [u16; 2]) -> [usize; 2] {
    let place = address(server, if way == Way::Sealed { 2 } else { 1 }).expect("an address");
    let mut answered = Vec::new();
    match way {
        Way::OneByOne | Way::Sealed => {
            let mut client = if way == Way::Sealed { Client::by_tls(place) } else { Client::connect(place) };
            for request in requests {
                client.send(request);
                answered.push(client.hear().0);
            }
        }
        Way::AtOnce => {
            let mut client = Client::connect(place);
            client.send(&requests.concat());
            answered.extend(requests.iter().map(|_| client.hear().0));
        }
        Way::Apart => {
            for request in requests {
                let mut client = Client::connect(place);
                client.send(request);
                answered.push(client.hear().0);
            }
        }
    }
    statuses.map(|status| answered.iter().filter(|one| **one == status).count())
}

/// Each byte of all requests is charged, and charged once: they take as long as they have to.
fn check(limits: &str, way: Way, requests: &[String], refused: usize) {
    let what = format!("{limits}, {way:?}");
    let (_yard, server) = serve(&format!(r#""up": "50kB/s"{limits}"#));
    let begun = Instant::now();
    let answered = send(&server, way, requests, [200, 429]);
    let time = begun.elapsed();
    assert_eq!(answered, [requests.len() - refused, refused], "{what}");
    let bytes: usize = requests.iter().map(String::len).sum();
    // The last answer leaves when the last byte has passed.
    let least = Duration::from_millis((bytes as u64 - BURST) * 1_000 / RATE);
    assert!(least <= time + Duration::from_millis(1), "{what}: {time:?} for {bytes} bytes");
    let counters = server.stop().expect("an even ledger");
    let counted = |name| ledger::counter(&counters, name).expect("a counter");
    assert_eq!(counted("bytes_received_shaped"), bytes as u64, "{what}");
    assert!(counted("receives_delayed_limit") > 0, "{what}");
    assert_eq!(counted("requests_refused_limit"), refused as u64, "{what}");
}

#[test]
fn heads_are_charged_on_a_connection_that_goes_on() {
    check("", Way::OneByOne, &vec![get(""); COUNT], 0);
}

#[test]
fn heads_that_come_at_once_are_charged_one_by_one() {
    check("", Way::AtOnce, &vec![get(""); COUNT], 0);
}

#[test]
fn heads_that_begin_connections_are_charged() {
    check("", Way::Apart, &vec![get("Connection: close\r\n"); COUNT], 0);
}

#[test]
fn heads_are_charged_over_tls() {
    check("", Way::Sealed, &vec![get(""); COUNT], 0);
}

#[test]
fn heads_of_requests_that_are_refused_are_charged() {
    let limits = r#", "requests": "1r/h", "requests_burst": 5"#;
    check(limits, Way::OneByOne, &vec![get(""); COUNT], COUNT - 5);
}

#[test]
fn bodies_between_heads_are_charged_once() {
    let requests: Vec<String> = (0..COUNT).map(|number| [get(""), post(9_000)][number % 2].clone()).collect();
    check("", Way::AtOnce, &requests, 0);
    check("", Way::OneByOne, &requests, 0);
}

/// Clients that want to stand in a line at the same time: for two seconds each, where half a minute has room. More than can come
/// into it as long as anybody waits here.
const CROWD: usize = 45;
const SLOW: &str = r#""up": "1kB/s", "up_burst": "8k""#;

/// How clients come into a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Into {
    /// With their heads.
    ByHead,
    /// With bodies that are waited for.
    Midway,
    /// With bodies that nobody wants.
    Unwanted,
}

/// Whoever finds a line too long is told when to come again, and that the connection ends.
fn check_told(into: Into) {
    let (_yard, server) = serve(SLOW);
    let place = address(&server, 1).expect("an address");
    let streams: Vec<TcpStream> =
        (0..CROWD).map(|_| TcpStream::connect(place).expect("the address is listened on")).collect();
    let client = |stream: &TcpStream| Client::on(stream.try_clone().expect("the same socket"));
    let mut clients: Vec<Client> = streams.iter().map(client).collect();
    let content = match into {
        Into::ByHead => get(""),
        Into::Midway | Into::Unwanted => "x".repeat(2_000),
    };
    for client in &mut clients {
        match into {
            Into::ByHead => {}
            Into::Midway => {
                client.send(
                    "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n",
                );
                assert_eq!(client.hear().0, 100);
            }
            Into::Unwanted => {
                client.send("POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n");
            }
        }
    }
    if into != Into::ByHead {
        server.counts("requests_begun", CROWD as u64).expect("it is counted");
    }
    clients.iter_mut().for_each(|client| client.send(&content));
    let mut refused = None;
    until("somebody is refused", || {
        let answered = streams.iter().zip(&mut clients).filter(|(stream, _)| has_more(stream));
        refused = answered.map(|(_, client)| client.hear()).find(|(status, _)| *status == 429);
        refused.is_some()
    });
    let (_, head) = refused.expect("it was awaited");
    let field = head.split("Retry-After: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    assert!(field.is_some_and(|seconds| seconds.parse::<u64>().is_ok()), "{into:?}: {head}");
    assert!(head.contains("Connection: close\r\n"), "{into:?}: {head}");
    drop((clients, streams));
    let counters = server.stop().expect("an even ledger");
    assert!(ledger::counter(&counters, "requests_refused_limit").expect("a counter") >= 1, "{into:?}");
}

/// Whether an answer has come.
fn has_more(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let more = stream.peek(&mut [0]).is_ok_and(|len| len > 0);
    stream.set_nonblocking(false).expect("a socket");
    more
}

#[test]
fn who_is_refused_at_the_head_is_told_when_to_come_again() {
    check_told(Into::ByHead);
}

#[test]
fn who_is_refused_midway_is_told_when_to_come_again() {
    check_told(Into::Midway);
    check_told(Into::Unwanted);
}

/// Nobody waits for a limit when the server ends, for whom nothing has been done yet.
#[test]
fn whose_head_is_held_back_is_served_when_the_server_ends() {
    let (_yard, server) = serve(r#""up": "1kB/s", "up_burst": "1k""#);
    let mut client = Client::connect(address(&server, 1).expect("an address"));
    // It would wait longer than a server that is told to end is waited for.
    let long = format!("X-Long: {}\r\n", "x".repeat(LONG));
    client.send(&get(&long.repeat(3)));
    server.counts("receives_delayed_limit", 1).expect("it is counted");
    let answer = std::thread::spawn(move || client.hear().0);
    let counters = server.stop().expect("an even ledger");
    assert_eq!(answer.join().expect("a client"), 200);
    assert_eq!(ledger::counter(&counters, "responses_2xx").ok(), Some(1));
}
