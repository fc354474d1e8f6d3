//! Sessions that are taken up again, and what passes through them.

#![forbid(unsafe_code)]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use e2e::ledger::counter;
use e2e::openssl::{curl, s_client};
use e2e::relay::{Manner, relay};
use e2e::response::Asked;
use e2e::yard::{HELLO, address};
use e2e::{Client, Process, Server, Yard, binary, until};

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:${port} tls"], "shards": 2, "pid_file": "${folder}/kimura.pid",
    "control": { "socket": "${folder}/control.sock" }
  },
  "hosts": { "localhost": {
    "root": "${folder}/www",
    "body_size": "1MiB",
    "locations": { "/echo": { "handler": "echo" } },
    "tls": { "certificates": {
      "own": { "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" }
    } }
  } }
}"#;

const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// A server and sessions that began at it.
struct Bench {
    yard: Yard,
    server: Server,
    to: SocketAddr,
}

impl Bench {
    fn new(label: &str) -> Bench {
        let yard = Yard::with_host(label).expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port().to_string();
        drop(listener);
        let server = yard.serve(&CONFIGURATION.replace("${port}", &port)).expect("the server starts");
        let to = address(&server, 1).expect("an address");
        Bench { yard, server, to }
    }

    /// Connects with that version; whether a session was taken up. Sessions are those of `session`, in both directions.
    fn connects(&self, version: &str, arguments: &[&str]) -> bool {
        let all = [&["-servername", "localhost", version], arguments].concat();
        let said = s_client(&self.to.to_string(), &all, GET).expect("openssl runs");
        assert!(
            said.code == Some(0) && said.has(&["HTTP/1.1 200 OK", "Hello, world!"]),
            "{version}: {said:?}"
        );
        let reused = said.text.contains("Reused, TLSv1");
        assert!(reused || said.text.contains("New, TLSv1"), "{said:?}");
        reused
    }

    fn session(&self, version: &str) -> String {
        self.yard.path(&format!("session{version}"))
    }

    fn remember(&self) {
        for version in VERSIONS {
            assert!(!self.connects(version, &["-sess_out", &self.session(version)]));
        }
    }

    /// Takes up what was remembered, often enough that every shard is met.
    fn take_up(&self, what: &str) {
        for version in VERSIONS {
            for _ in 0..6 {
                assert!(self.connects(version, &["-sess_in", &self.session(version)]), "{what}, {version}");
            }
        }
    }

    fn give(&self, words: &[&str]) {
        let socket = self.yard.path("control.sock");
        let output = Command::new(binary::path()).args(words).args(["--socket", &socket]).output();
        let output = output.expect("the command runs");
        assert!(output.status.success(), "{words:?}: {output:?}");
    }

    fn worker(&self) -> Option<Process> {
        let mut processes = self.server.processes().into_iter();
        processes.find(|process| process.title == "kimura: worker")
    }
}

#[test]
fn sessions_outlive_what_they_began_at() {
    let bench = Bench::new("tls-sessions");
    bench.remember();
    bench.take_up("the same worker");
    bench.give(&["reload"]);
    bench.take_up("after a reload");
    let worker = bench.server.kill_worker().expect("it ends").pid;
    until("another worker", || bench.worker().is_some_and(|process| process.pid != worker));
    bench.take_up("after the worker's death");
    bench.give(&["upgrade"]);
    bench.take_up("after an upgrade");
    let counters = bench.server.stop().expect("it ends");
    assert_eq!(counter(&counters, "tls_handshakes").unwrap(), 2);
    assert_eq!(counter(&counters, "tls_resumed").unwrap(), 4 * 2 * 6);
    assert_eq!(counter(&counters, "tls_failures").unwrap(), 0);
}

#[test]
fn a_ticket_of_another_server_is_no_ticket() {
    let (first, second) = (Bench::new("tls-first"), Bench::new("tls-second"));
    first.remember();
    for version in VERSIONS {
        assert!(!second.connects(version, &["-sess_in", &first.session(version)]));
    }
    let counters = second.server.stop().expect("it ends");
    assert_eq!(counter(&counters, "tls_resumed").unwrap(), 0);
    assert_eq!(counter(&counters, "tls_handshakes").unwrap(), 2);
}

#[test]
fn requests_follow_each_other_and_come_together() {
    let bench = Bench::new("tls-requests");
    let get = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for version in VERSIONS {
        let mut client = Client::secure(bench.to, &["-servername", "localhost", version]).expect("connect");
        for _ in 0..10 {
            client.send(get).expect("send");
            assert_eq!(client.response(Asked::Other).expect("a response").body, HELLO);
        }
        client.send(&get.repeat(200)).expect("send");
        for _ in 0..200 {
            assert_eq!(client.response(Asked::Other).expect("a response").body, HELLO);
        }
        client.send(GET).expect("send");
        assert!(client.response(Asked::Other).expect("a response").says_close());
        client.closed().expect("it is closed");
    }
    let counters = bench.server.stop().expect("it ends");
    assert_eq!(counter(&counters, "tls_handshakes").unwrap(), 2);
    assert_eq!(counter(&counters, "requests_answered").unwrap(), 2 * 211);
}

/// Bytes that do not repeat at any power of two.
fn content(len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

#[test]
fn large_files_come_byte_for_byte_and_in_ranges() {
    let bench = Bench::new("tls-large");
    let url = format!("https://localhost:{}", bench.to.port());
    let (authority, to) = (bench.yard.path("tls/ca.pem"), bench.yard.path("got"));
    let resolve = format!("localhost:{}:127.0.0.1", bench.to.port());
    for len in [3_000_001, 64 << 20] {
        let wanted = content(len);
        bench.yard.folder.write("www/large.bin", &wanted).expect("write");
        for version in ["--tls-max 1.2", "--tlsv1.3"] {
            let ranges =
                [("", 0..len), ("1000000-1999999", 1_000_000..2_000_000), ("-70000", len - 70_000..len)];
            for (range, part) in ranges {
                let mut line = vec!["--cacert", &authority, "--resolve", &resolve, "-f", "-o", &to];
                line.extend(version.split(' '));
                line.extend(if range.is_empty() { vec![] } else { vec!["-r", range] });
                let target = format!("{url}/large.bin");
                line.push(&target);
                let said = curl(&line).expect("curl runs");
                assert_eq!(said.code, Some(0), "{version} {range}: {said:?}");
                let got = fs::read(&to).expect("what came");
                assert!(got == wanted[part.clone()], "{version} {range}: {} bytes of {part:?}", got.len());
            }
        }
    }
    bench.server.stop().expect("it ends");
}

#[test]
fn a_body_comes_back() {
    let bench = Bench::new("tls-body");
    let body = content(600_000);
    let sent = bench.yard.folder.write("sent", &body).expect("write");
    let (url, to) = (format!("https://localhost:{}/echo", bench.to.port()), bench.yard.path("got"));
    let resolve = format!("localhost:{}:127.0.0.1", bench.to.port());
    let (authority, data) = (bench.yard.path("tls/ca.pem"), format!("@{}", sent.display()));
    for more in ["-HExpect:", "-HTransfer-Encoding: chunked"] {
        let line = [
            "--cacert",
            &authority,
            "--resolve",
            &resolve,
            "-f",
            "-o",
            &to,
            "--data-binary",
            &data,
            more,
            &url,
        ];
        let said = curl(&line).expect("curl runs");
        assert_eq!(said.code, Some(0), "{said:?}");
        let got = fs::read(&to).expect("what came");
        assert!(got.windows(body.len()).any(|part| part == body), "{more}: {} bytes", got.len());
    }
    bench.server.stop().expect("it ends");
}

#[test]
fn bytes_may_come_one_by_one() {
    let bench = Bench::new("tls-slow");
    let to = relay(bench.to, Manner::OneByOne).expect("a relay");
    for version in VERSIONS {
        let said =
            s_client(&to.to_string(), &["-servername", "localhost", version], GET).expect("openssl runs");
        assert!(said.code == Some(0) && said.has(&["HTTP/1.1 200 OK", "Hello, world!"]), "{said:?}");
    }
    let counters = bench.server.stop().expect("it ends");
    assert_eq!(counter(&counters, "tls_handshakes").unwrap(), 2);
    assert_eq!(counter(&counters, "tls_failures").unwrap(), 0);
}

#[test]
fn what_is_cut_off_or_changed_is_not_answered() {
    let bench = Bench::new("tls-cut");
    for version in VERSIONS {
        // All of these come before the end of the first request.
        let arguments = ["-servername", "localhost", version];
        for after in [1, 4, 5, 40, 120, 230, 300, 330] {
            for manner in [Manner::Cut(after), Manner::Spoil(after)] {
                let to = relay(bench.to, manner).expect("a relay");
                let said = s_client(&to.to_string(), &arguments, GET).expect("openssl runs");
                assert!(!said.text.contains("HTTP/1.1"), "{version} {manner:?}: {said:?}");
            }
        }
    }
    until("the end of all", || {
        let counters = bench.server.output().said().counters.clone();
        counter(&counters, "connections_open").is_ok_and(|open| open == 0)
    });
    for version in VERSIONS {
        bench.connects(version, &[]);
    }
    bench.server.stop().expect("it ends, with an even ledger");
}
