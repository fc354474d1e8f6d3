//! A server that was told to end: who has come is answered, and who comes is refused at once.

#![forbid(unsafe_code)]

use std::io::{ErrorKind, Result};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use e2e::output::Place;
use e2e::response::{Asked, Response};
use e2e::{Client, Server, Yard, binary, ledger, until, yard};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0", "127.0.0.2:0 tls", "unix:${folder}/http.sock"], "shards": 2,
    "control": { "socket": "${folder}/control.sock" }
  },
  "hosts": { "localhost": {
    "root": "${folder}/www", "locations": { "/echo": { "handler": "echo" } },
    "tls": { "certificates": { "own": { "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" } } }
  } }
}"#;

const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
const HALF: &[u8] = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc";
const REST: &[u8] = b"def";

fn start(label: &str) -> (Yard, Server) {
    let yard = Yard::with_host(label).expect("a folder");
    let server = yard.serve(CONFIGURATION).expect("the server starts");
    (yard, server)
}

/// Gives a command, which has to be carried out.
fn give(yard: &Yard, word: &str) {
    let output = binary::output([word.to_owned(), "-c".to_owned(), yard.path("kimura.conf")]);
    let output = output.expect("the client runs");
    assert!(output.status.success(), "{word}: {}", String::from_utf8_lossy(&output.stderr));
}

fn connect(place: &Place) -> Result<()> {
    match place {
        Place::Ip(address) => TcpStream::connect(address).map(drop),
        Place::Unix(path) => UnixStream::connect(path).map(drop),
    }
}

fn last_answer(client: &mut Client) -> Response {
    let answer = client.response(Asked::Other).expect("a response");
    assert!(answer.status == 200 && answer.field("connection") == Some("close"), "{answer:?}");
    answer
}

/// Connections to a port of this machine that stand, accepted or not.
fn established(port: u16) -> usize {
    const STANDS: &str = "01";
    let ends = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let stands = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|local| local.ends_with(&ends)) && fields.nth(1) == Some(STANDS)
    };
    table.lines().filter(stands).count()
}

/// A request is under way when the server is told to end, after these commands.
fn check(commands: &[&str]) {
    let (yard, server) = start("ending");
    let mut slow = server.connect().expect("connect");
    slow.send(HALF).expect("send");
    server
        .wait_counters("a request", |counters| counters.get("requests_begun") == Some(&1))
        .expect("it begins");
    commands.iter().for_each(|command| give(&yard, command));
    server.signal(Signal::SIGTERM).expect("it runs");
    for place in [1, 2, 3].map(|number| server.place(number).expect("an address")) {
        until(&format!("{commands:?}: {place:?} is closed"), || {
            let refused = connect(&place).map_err(|error| error.kind());
            matches!(refused, Err(ErrorKind::ConnectionRefused | ErrorKind::NotFound))
        });
    }
    slow.send(REST).expect("send");
    assert_eq!(last_answer(&mut slow).body, b"abcdef", "{commands:?}");
    let output = server.output().clone();
    assert!(server.ended().expect("the server ends").success(), "{commands:?}");
    let counters = output.said().counters.clone();
    ledger::check(&counters).expect("a balanced ledger");
    assert_eq!((counters["requests_aborted"], counters["timeouts_drain"]), (0, 0), "{commands:?}");
}

#[test]
fn who_comes_is_refused_while_requests_come_to_their_end() {
    check(&[]);
}

#[test]
fn also_when_another_configuration_is_served_since() {
    check(&["reload"]);
}

#[test]
fn also_when_another_worker_serves_since() {
    check(&["upgrade", "reload"]);
}

#[test]
fn who_waits_in_a_queue_is_answered() {
    let (_yard, server) = start("ending-queues");
    let worker = Pid::from_raw(server.process("kimura: worker").expect("a worker").pid as i32);
    // So that nobody accepts.
    kill(worker, Signal::SIGSTOP).expect("it runs");
    let mut waiting = Vec::new();
    for place in [1, 3].map(|number| server.place(number).expect("an address")) {
        waiting.extend((0..8).map(|_| Client::connect(&place).expect("connect")));
    }
    let secure = yard::address(&server, 2).expect("an address");
    waiting
        .extend((0..2).map(|_| Client::secure(secure, &["-servername", "localhost"]).expect("openssl runs")));
    for client in &mut waiting {
        client.send(GET).expect("send");
    }
    let silent = TcpStream::connect(secure).expect("connect");
    until("all are connected", || established(secure.port()) == 3);
    server.signal(Signal::SIGTERM).expect("it runs");
    until("the word", || server.heard("accepting no more") == 1);
    kill(worker, Signal::SIGCONT).expect("it runs");
    for client in &mut waiting {
        // Some may be answered before their shard is told that it ends.
        assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
    }
    let output = server.output().clone();
    assert!(server.ended().expect("the server ends").success());
    drop(silent);
    let counters = output.said().counters.clone();
    ledger::check(&counters).expect("a balanced ledger");
    assert_eq!((counters["requests_answered"], counters["requests_aborted"]), (18, 0));
    assert_eq!(counters["timeouts_drain"], 0);
}
