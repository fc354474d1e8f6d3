//! Clients that break TLS, or stop in the middle of it: an alert or an end, never an answer, and no harm to others.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use e2e::ledger::{Counters, counter};
use e2e::openssl::Algorithm;
use e2e::response::Asked;
use e2e::yard::{HELLO, address};
use e2e::{Client, PATIENCE, Server, Yard, python};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0 tls"], "shards": 2,
    "timeouts": { "handshake": "${handshake}" }, "limits": { "connections_per_shard": 11000 }
  },
  "defaults": { "root": "${folder}/www" },
  "hosts": {
    "localhost": { "tls": { "certificates": {
      "ecdsa": { "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" },
      "rsa": { "chain": "${folder}/tls/rsa.pem", "key": "${folder}/tls/rsa.key" }
    } } },
    "required.example": { "tls": {
      "clients": "required", "authorities": "${folder}/tls/ca.pem",
      "certificates": { "own": { "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" } }
    } }
  }
}"#;

fn serve(label: &str, handshake: &str) -> (Yard, Server, SocketAddr) {
    let yard = Yard::new(label).expect("a folder");
    for (label, algorithm) in [("host", Algorithm::Ecdsa), ("rsa", Algorithm::Rsa)] {
        yard.host(label, &["localhost", "required.example"], algorithm).expect("a certificate");
    }
    let server = yard.serve(&CONFIGURATION.replace("${handshake}", handshake)).expect("the server starts");
    let to = address(&server, 1).expect("an address");
    (yard, server, to)
}

fn is_served(to: SocketAddr) {
    let mut client = Client::secure(to, &["-servername", "localhost"]).expect("connect");
    client.send(b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("send");
    assert_eq!(client.response(Asked::Other).expect("a response").body, HELLO);
    client.closed().expect("it is closed");
}

/// What is broken without harm: the server goes on with a handshake that is odd, and right.
const RIGHT: [&str; 3] = [
    "a hello in records of one byte",
    "a hello in one record, byte by byte",
    // RFC 8446 D.4 has servers pass over it; here the client then says nothing more.
    "a change of ciphers too early",
];
/// At least so many, so that a script that ends early is noticed.
const TRICKS_MIN: usize = 50;

#[test]
fn broken_clients_get_an_alert_or_an_end() {
    let (_yard, server, to) = serve("tls-hostile", "2s");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tls/hostile.py");
    let output = python::run(&[script.into(), to.to_string().into()]).expect("python");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.trim_end().ends_with(" tricks"),
        "the script did not end; `cargo xtask setup` installs what it needs and prints what to set\n{text}{errors}"
    );
    let tricks: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('\t')).collect();
    assert!(TRICKS_MIN <= tricks.len(), "only {} tricks", tricks.len());
    let is_right = |name: &str, verdict: &str| match verdict {
        "close" => true,
        "goes on" => RIGHT.contains(&name),
        verdict => verdict.starts_with("alert "),
    };
    let wrong: Vec<_> = tricks.iter().filter(|(name, verdict)| !is_right(name, verdict)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    is_served(to);
    let counters = server.stop().expect("it ends, with an even ledger");
    // Ours, and that of a client which was told that there is no renegotiation, and may go on as before (RFC 5246
    // 7.2.2).
    assert_eq!(counter(&counters, "requests_answered").unwrap(), 2);
    assert!(counter(&counters, "tls_failures").unwrap() >= 30, "{counters:?}");
    // Half a hello and nothing more.
    assert!(counter(&counters, "timeouts_handshake").unwrap() >= 1, "{counters:?}");
}

/// Handshakes that are begun and go no further.
const STALLED: u64 = 10_000;
/// Descriptors that the test needs beside these.
const SPARE: u64 = 200;
/// Memory of the server that one of them may take.
const BYTES_EACH_MAX: u64 = 8 * 1024;
/// The beginning of a ClientHello.
const HALF: [u8; 60] = {
    let mut bytes = [0; 60];
    // A record of 508 bytes, and in it a hello of 504 for TLS 1.2.
    let head = [22, 3, 1, 1, 252, 1, 0, 1, 248, 3, 3];
    let mut at = 0;
    while at < head.len() {
        bytes[at] = head[at];
        at += 1;
    }
    bytes
};

#[test]
fn ten_thousand_stalled_handshakes_keep_nobody_out() {
    const DEADLINE: Duration = Duration::from_secs(10);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("a higher limit");
    let count = STALLED.min(hard.max(soft) - SPARE);
    let (_yard, server, to) = serve("tls-stalled", "10s");
    is_served(to);
    let before = server.resident().expect("memory");
    let begun = Instant::now();
    let stalled: Vec<TcpStream> = (0..count)
        .map(|_| {
            let mut stream = TcpStream::connect(to).expect("connect");
            stream.write_all(&HALF).expect("send");
            stream
        })
        .collect();
    let is = |name: &'static str, wanted: u64| {
        move |counters: &Counters| counter(counters, name).is_ok_and(|value| value == wanted)
    };
    server.wait_counters("all open", is("connections_open", count)).expect("all are there");
    for _ in 0..5 {
        is_served(to);
    }
    let took = server.resident().expect("memory").saturating_sub(before);
    assert!(took < count * BYTES_EACH_MAX, "{} bytes each", took / count);
    assert!(begun.elapsed() < DEADLINE, "this machine is too slow to see it: {:?}", begun.elapsed());
    for mut stream in stalled {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        assert_eq!(stream.read(&mut [0; 16]).expect("it is closed in order"), 0);
    }
    server.wait_counters("all closed", is("connections_open", 0)).expect("nothing is left");
    let counters = server.stop().expect("it ends");
    assert_eq!(counter(&counters, "timeouts_handshake").unwrap(), count);
    assert_eq!(counter(&counters, "tls_handshakes").unwrap(), 6);
}
