//! Clients that take their time: others are served meanwhile, memory stays bounded, deadlines end them.

#![forbid(unsafe_code)]

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use e2e::ledger::Counters;
use e2e::output::Place;
use e2e::response::Asked;
use e2e::{Folder, Options, Outcome, Server};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const SLOW: usize = 5_000;

/// What all slow clients together may cost in memory: about 12 KiB each.
const MEMORY_MAX: u64 = 60 << 20;

/// How long another client may wait for its answer meanwhile. The machine is shared; served is served.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Reports of the server, one a second, during which bytes trickle: longer than the deadline of a head.
const TRICKLE_REPORTS: usize = 5;

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0"],
    "shards": 1,
    "timeouts": { "header": "3s", "body": "3s", "idle": "3s", "write": "3s", "drain": "1s" }
  },
  "hosts": {
    "localhost": {
      "root": "${root}",
      "locations": { "/echo": { "handler": "echo" } }
    }
  }
}"#;

#[test]
fn five_thousand_slow_clients() {
    raise_open_files(2 * SLOW as u64);
    let folder = Folder::new("slow").expect("a folder");
    let server = start(&folder, None);
    let address = address(&server);
    let before = server.resident().expect("memory");
    let mut crowd: Vec<Slow> = (0..SLOW).map(|number| Slow::connect(address, Kind::of(number))).collect();
    wait(&server, "5,000 connections", |now| now("connections_accepted") >= SLOW as u64);

    let mut most = 0;
    for _ in 0..TRICKLE_REPORTS {
        crowd.iter_mut().for_each(Slow::trickle);
        let took = answer_time(&server);
        assert!(took < ANSWER_MAX, "another client waited for {took:?}");
        most = most.max(server.resident().expect("memory"));
        server.next_report().expect("a report");
    }
    let grown = most.saturating_sub(before);
    assert!(grown < MEMORY_MAX, "memory grew by {grown} bytes for {SLOW} slow clients");

    wait(&server, "an end of all slow clients", |now| now("connections_open") == 0);
    drop(crowd);
    let counters = server.stop().expect("the server ends in order");
    for (counter, kind) in [
        ("timeouts_idle", Kind::Silent),
        ("timeouts_header", Kind::Head),
        ("timeouts_body", Kind::Body),
        ("timeouts_write", Kind::NeverReads),
    ] {
        let ended = counters[counter];
        assert!(ended >= kind.count(), "{counter}: {ended}, at least {} wanted", kind.count());
    }
}

#[test]
fn recovers_from_running_out_of_descriptors() {
    const LIMIT: u32 = 100;
    let folder = Folder::new("descriptors").expect("a folder");
    let server = start(&folder, Some(LIMIT));
    let address = address(&server);
    let crowd: Vec<Slow> = (0..2 * LIMIT as usize).map(|_| Slow::connect(address, Kind::Silent)).collect();
    wait(&server, "a pause of accepting", |now| now("accept_paused_no_fds") > 0);
    // Paused, not spinning: what a second of waiting costs is far from a second.
    let before = server.cpu_time().expect("CPU time");
    server.next_report().expect("a report");
    server.next_report().expect("a report");
    let burnt = server.cpu_time().expect("CPU time") - before;
    assert!(burnt < Duration::from_millis(500), "waiting for descriptors cost {burnt:?} in two seconds");
    drop(crowd);
    let took = answer_time(&server);
    assert!(took < Duration::from_secs(5), "served again only after {took:?}");
    server.stop().expect("the server ends in order");
}

fn start(folder: &Folder, open_files: Option<u32>) -> Server {
    folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
    let huge = folder.write("www/huge.bin", b"").expect("write");
    std::fs::OpenOptions::new()
        .write(true)
        .open(huge)
        .and_then(|file| file.set_len(1 << 30))
        .expect("a sparse file");
    let root = folder.path().join("www");
    let text = CONFIGURATION.replace("${root}", &root.to_string_lossy());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    Server::start(&configuration, &Options { open_files, ..Options::default() }).expect("the server starts")
}

fn address(server: &Server) -> SocketAddr {
    match server.place(1).expect("an address") {
        Place::Ip(address) => address,
        Place::Unix(path) => panic!("{} instead of a TCP address", path.display()),
    }
}

fn wait(server: &Server, what: &str, mut done: impl FnMut(&dyn Fn(&str) -> u64) -> bool) {
    let reached = |counters: &Counters| done(&|name| counters.get(name).copied().unwrap_or(0));
    server.wait_counters(what, reached).expect(what);
}

/// How long it takes until a request is answered. As long as descriptors are few, 503 is in order.
fn answer_time(server: &Server) -> Duration {
    let started = Instant::now();
    let answer = || -> Outcome<u16> {
        let mut client = server.connect()?;
        client.send(b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        Ok(client.response(Asked::Other)?.status)
    };
    loop {
        match answer().expect("an answer") {
            200 => return started.elapsed(),
            status => assert_eq!(status, 503),
        }
        assert!(started.elapsed() < Duration::from_secs(30), "no descriptor is free any more");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Connects and says nothing.
    Silent,
    /// Sends a head byte by byte.
    Head,
    /// Sends a body byte by byte, then stops.
    Body,
    /// Asks for a large file and never reads.
    NeverReads,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Silent, Kind::Head, Kind::Body, Kind::NeverReads];

    fn of(number: usize) -> Kind {
        Kind::ALL[number % Kind::ALL.len()]
    }

    fn count(self) -> u64 {
        (0..SLOW).filter(|&number| Kind::of(number) == self).count() as u64
    }

    /// What is sent at once.
    fn opening(self) -> &'static [u8] {
        match self {
            Kind::Silent => b"",
            Kind::Head => b"GET /hello.txt HTTP/1.1\r\n",
            Kind::Body => b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
            Kind::NeverReads => b"GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n",
        }
    }
}

struct Slow {
    stream: TcpStream,
    kind: Kind,
    ended: bool,
}

impl Slow {
    fn connect(address: SocketAddr, kind: Kind) -> Slow {
        let mut stream = TcpStream::connect_timeout(&address, e2e::PATIENCE).expect("connect");
        stream.write_all(kind.opening()).expect("send");
        stream.set_nonblocking(true).expect("non-blocking");
        Slow { stream, kind, ended: false }
    }

    /// Sends one byte more, if this kind sends any.
    fn trickle(&mut self) {
        if self.ended || matches!(self.kind, Kind::Silent | Kind::NeverReads) {
            return;
        }
        match self.stream.write(b"x") {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.ended = true,
        }
    }
}

/// Lets this process, and the server that inherits it, open more files.
fn raise_open_files(wanted: u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
    assert!(wanted <= hard, "`ulimit -Hn` says {hard}, this test needs {wanted}");
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard).expect("raise the limit");
}
