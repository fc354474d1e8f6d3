//! Limits on what clients send: all of it is charged once, the heads of requests as well, whoever turns out to have sent it.

#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::ledger::Counters;
use e2e::yard::address;
use e2e::{PATIENCE, Server, Yard, ledger};

/// Bytes a second that a client may send, and what may come at once.
const RATE: u64 = 50_000;
const BURST: u64 = 16_384;
/// Bytes in a field that makes a head long.
const LONG: usize = 6_000;
/// Requests that are sent.
const COUNT: usize = 25;

const SITE: &str = r#"{
  "server": { "listen": ["127.0.0.1:0", "127.0.0.1:0 tls"], "shards": 1 },
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
        let stream = TcpStream::connect(place).expect("the address is listened on");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let to = stream.try_clone().expect("the same socket");
        Client { from: BufReader::new(Box::new(stream)), to: Box::new(to), child: None }
    }

    fn by_tls(place: SocketAddr) -> Client {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &place.to_string(), "-servername", "localhost"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs");
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
#[derive(Debug, Clone, Copy)]
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
    let (plain, sealed) = (address(server, 1).expect("an address"), address(server, 2).expect("an address"));
    let mut answered = Vec::new();
    match way {
        Way::OneByOne | Way::Sealed => {
            let sealed = matches!(way, Way::Sealed).then(|| Client::by_tls(sealed));
            let mut client = sealed.unwrap_or_else(|| Client::connect(plain));
            for request in requests {
                client.send(request);
                answered.push(client.hear().0);
            }
        }
        Way::AtOnce => {
            let mut client = Client::connect(plain);
            client.send(&requests.concat());
            answered.extend(requests.iter().map(|_| client.hear().0));
        }
        Way::Apart => {
            for request in requests {
                let mut client = Client::connect(plain);
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

/// A server with a line that is half an hour long, once it has somebody in it.
const SLOW: &str = r#""up": "1B/s", "up_burst": "1k""#;

/// Has a client stand in the line.
fn fill(server: &Server) -> Client {
    let mut client = Client::connect(address(server, 1).expect("an address"));
    client.send(&post(2_000));
    let held = |counters: &Counters| counters.get("receives_delayed_limit").is_some_and(|count| *count >= 1);
    server.wait_counters("it is held back", held).expect("it is held back");
    client
}

fn is_told_when_to_come_again(what: &str, (status, head): (u16, String)) {
    assert_eq!(status, 429, "{what}: {head}");
    let field = head.split("Retry-After: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let seconds: u64 = field.and_then(|seconds| seconds.parse().ok()).expect("a number of seconds");
    assert!(seconds > 60, "{what}: {head}");
    assert!(head.contains("Connection: close\r\n"), "{what}: {head}");
}

/// Whether at its head or midway.
#[test]
fn who_is_refused_for_a_line_is_told_when_to_come_again() {
    let (_yard, server) = serve(SLOW);
    let place = address(&server, 1).expect("an address");
    let mut midway = Client::connect(place);
    midway.send(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n",
    );
    assert_eq!(midway.hear().0, 100);
    let _first = fill(&server);
    midway.send("xx");
    is_told_when_to_come_again("midway", midway.hear());
    let mut at_once = Client::connect(place);
    at_once.send(&get(""));
    is_told_when_to_come_again("at once", at_once.hear());
    let mut unwanted = Client::connect(place);
    unwanted.send(&post(2_000).replace("/echo", "/nothing"));
    is_told_when_to_come_again("unwanted", unwanted.hear());
    drop((midway, at_once, unwanted));
    let counters = server.stop().expect("an even ledger");
    assert_eq!(ledger::counter(&counters, "requests_refused_limit").ok(), Some(3));
}

/// What has come whole is not given up because it would have to wait.
#[test]
fn who_is_held_back_is_served_when_the_server_ends() {
    let (_yard, server) = serve(SLOW);
    let mut first = fill(&server);
    let answer = std::thread::spawn(move || first.hear().0);
    let counters = server.stop().expect("an even ledger");
    assert_eq!(answer.join().expect("a client"), 200);
    assert_eq!(ledger::counter(&counters, "responses_2xx").ok(), Some(1));
}
