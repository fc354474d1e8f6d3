//! Limits on bytes where others are behind the server, and where TLS is before it; and clients that go while they are held
//! back.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::backend::{play, request, reset};
use e2e::yard::address;
use e2e::{Front, PATIENCE, Setup, Yard, openssl, until};

/// Bytes a second that are asked for, and how far it may be off.
const RATE: u64 = 1_000_000;
const TENTH: f64 = 0.1;
/// How long a rate is measured.
const WINDOW: Duration = Duration::from_secs(4);
/// More than anybody gets in this time.
const LEN: u64 = 100_000_000;

/// What a server has seen.
#[derive(Default)]
struct Seen {
    /// Bytes of content that have come.
    uploaded: AtomicU64,
    /// Connections that are open.
    open: AtomicU64,
}

/// A server that answers a GET with much, and a POST when it has all of it.
fn backend(seen: &Arc<Seen>) -> SocketAddr {
    let seen = Arc::clone(seen);
    play(move |stream| {
        seen.open.fetch_add(1, Ordering::SeqCst);
        // How it ends is for the client to see.
        let _ = serve(stream, &seen.uploaded);
        seen.open.fetch_sub(1, Ordering::SeqCst);
    })
    .expect("a backend")
}

fn serve(mut stream: TcpStream, uploaded: &AtomicU64) -> std::io::Result<()> {
    let mut part = vec![0; 64 * 1024];
    while let Some(head) = request(&mut stream) {
        if head.starts_with("GET") {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {LEN}\r\n\r\n")?;
            for _ in 0..LEN.div_ceil(part.len() as u64) {
                stream.write_all(&part)?;
            }
            continue;
        }
        let begun = head.len() - head.find("\r\n\r\n").map_or(head.len(), |end| end + 4);
        uploaded.fetch_add(begun as u64, Ordering::SeqCst);
        loop {
            match stream.read(&mut part)? {
                0 => return Ok(()),
                count => uploaded.fetch_add(count as u64, Ordering::SeqCst),
            };
        }
    }
    Ok(())
}

/// A server with limits before it.
fn front(seen: &Arc<Seen>, limits: &str) -> Front {
    let mut setup = Setup::before(&[backend(seen)], "");
    setup.host = format!(r#""shaping": {{ "client": {{ {limits} }} }}"#);
    Front::start("shaped", &setup).expect("the server starts")
}

fn begin(stream: &mut TcpStream, method: &str, more: &str) {
    write!(stream, "{method} / HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").expect("a request is sent");
}

/// Reads for a while; how many bytes came.
fn read_for(stream: &mut impl Read, time: Duration) -> u64 {
    let begun = Instant::now();
    let mut buffer = vec![0; 64 * 1024];
    let mut count = 0;
    while begun.elapsed() < time {
        match stream.read(&mut buffer).expect("bytes") {
            0 => panic!("it ends early"),
            read => count += read as u64,
        }
    }
    count
}

/// Whether a rate is held within a tenth, beside what may go at once at first: a quarter of a second's.
fn hold(what: &str, bytes: u64, rate: u64, time: Duration) {
    let most = rate as f64 * time.as_secs_f64();
    let part = bytes as f64 / most;
    let burst = (rate / 4) as f64 / most;
    assert!((1.0 - TENTH..=1.0 + TENTH + burst).contains(&part), "{what}: {part} of the rate");
}

#[test]
fn a_relayed_answer_has_its_rate_and_a_command_changes_it_on_the_way() {
    let seen = Arc::new(Seen::default());
    let front = front(&seen, r#""down": "1MB/s""#);
    let mut stream = front.connect().expect("connect");
    begin(&mut stream, "GET", "");
    hold("relayed", read_for(&mut stream, WINDOW), RATE, WINDOW);
    front.give("limit /hosts/localhost/shaping/client/down=4MB/s").expect("faster");
    // What was on its way before.
    read_for(&mut stream, Duration::from_millis(200));
    hold("faster", read_for(&mut stream, WINDOW / 2), 4 * RATE, WINDOW / 2);
    front.give("limit /hosts/localhost/shaping/client/down=500kB/s").expect("slower");
    read_for(&mut stream, Duration::from_secs(1));
    hold("slower", read_for(&mut stream, WINDOW), RATE / 2, WINDOW);
    // Whoever goes while it is held back lets its server go at once.
    reset(&stream).expect("a reset");
    drop(stream);
    until("the server is let go", || seen.open.load(Ordering::SeqCst) == 0);
    let ended = front.stop().expect("an end");
    ended.counted("relayed", &[("requests_aborted", 1), ("upstream_responses_cut", 0)]);
    assert!(ended.counters["sends_delayed_limit"] > 10);
    ended.logged("relayed", &["GET|-|200"]);
}

/// A client of TLS, which ends with the test.
struct Secure {
    child: Child,
}

impl Secure {
    fn connect(to: SocketAddr) -> Secure {
        let child = openssl::client(to).expect("openssl runs");
        Secure { child }
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Of a file, and of another server's answer.
#[test]
fn what_goes_over_tls_has_its_rate() {
    let seen = Arc::new(Seen::default());
    let yard = Yard::with_host("shaped-tls").expect("a folder");
    let large = std::fs::File::create(yard.folder.path().join("www/large.bin")).expect("a file");
    large.set_len(LEN).expect("a file of holes");
    let text = r#"{
      "server": { "listen": ["127.0.0.1:0 tls"], "shards": 1 },
      "hosts": { "localhost": {
        "root": "${folder}/www", "shaping": { "client": { "down": "1MB/s" } },
        "locations": { "/relayed": { "proxy": "http://${backend}" } },
        "tls": { "certificates": { "own": { "chain": "${folder}/tls/host.pem", "key": "${folder}/tls/host.key" } } }
      } } }"#;
    let server =
        yard.serve(&text.replace("${backend}", &backend(&seen).to_string())).expect("the server starts");
    let place = address(&server, 1).expect("an address");
    for path in ["/large.bin", "/relayed"] {
        let mut client = Secure::connect(place);
        let mut stdin = client.child.stdin.take().expect("a pipe");
        write!(stdin, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
        let mut stdout = client.child.stdout.take().expect("a pipe");
        // From the first byte on: the handshake is none of it. What the client has buffered is little.
        stdout.read_exact(&mut [0]).expect("an answer");
        hold(path, read_for(&mut stdout, WINDOW), RATE, WINDOW);
        drop((client, stdin));
        until("the client is gone", || {
            server.next_report().expect("a report");
            server.output().said().counters.get("connections_open") == Some(&0)
        });
    }
    until("the server is let go", || seen.open.load(Ordering::SeqCst) == 0);
    server.stop().expect("an even ledger");
}

/// Sends as fast as it can, on a thread of its own, until it cannot.
fn upload(stream: &TcpStream) -> thread::JoinHandle<()> {
    let mut stream = stream.try_clone().expect("the same socket");
    thread::spawn(move || {
        let part = [0; 10_000];
        while stream.write_all(&part).is_ok() {}
    })
}

#[test]
fn a_relayed_upload_has_its_rate_and_a_command_changes_it_on_the_way() {
    let seen = Arc::new(Seen::default());
    let front = front(&seen, r#""up": "1MB/s""#);
    let mut stream = front.connect().expect("connect");
    begin(&mut stream, "POST", &format!("Content-Length: {LEN}\r\n"));
    let sending = upload(&stream);
    let measure = |what: &str, rate: u64| {
        let before = seen.uploaded.load(Ordering::SeqCst);
        let begun = Instant::now();
        while begun.elapsed() < WINDOW {
            thread::park_timeout(WINDOW.saturating_sub(begun.elapsed()));
        }
        hold(what, seen.uploaded.load(Ordering::SeqCst) - before, rate, begun.elapsed());
    };
    measure("an upload", RATE);
    front.give("limit /hosts/localhost/shaping/client/up=3MB/s").expect("faster");
    measure("faster", 3 * RATE);
    reset(&stream).expect("a reset");
    stream.shutdown(std::net::Shutdown::Both).expect("an end");
    sending.join().expect("no panic");
    drop(stream);
    until("the server is let go", || seen.open.load(Ordering::SeqCst) == 0);
    let ended = front.stop().expect("an end");
    assert!(ended.counters["receives_delayed_limit"] > 10);
    assert!(ended.counters["bytes_received_shaped"] > 4 * RATE);
    ended.counted("upload", &[("requests_begun", 1)]);
}

/// How a client goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    Resets,
    Closes,
}

/// Who waits longer than a test would for what it has sent, and goes.
#[test]
fn an_upload_that_is_held_back_ends_with_its_client() {
    for leave in [Leave::Resets, Leave::Closes] {
        for framing in ["Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"] {
            let seen = Arc::new(Seen::default());
            let front = front(&seen, r#""up": "1kB/s", "up_burst": "16KiB""#);
            let mut stream = front.connect().expect("connect");
            begin(&mut stream, "POST", framing);
            front.server.counts("requests_begun", 1).expect("it is read");
            let content = vec![b'x'; 60_000];
            if framing.contains("chunked") {
                write!(stream, "{:x}\r\n", 1_000_000).expect("sent");
            }
            stream.write_all(&content).expect("sent");
            // What it owes takes a minute nearly.
            front.server.counts("receives_delayed_limit", 1).expect("it is held back");
            let begun = Instant::now();
            if leave == Leave::Resets {
                reset(&stream).expect("a reset");
            }
            drop(stream);
            let what = format!("{leave:?}, {framing}");
            until(&what, || seen.open.load(Ordering::SeqCst) == 0);
            assert!(begun.elapsed() < PATIENCE / 4, "{what}: {:?}", begun.elapsed());
            front.stands_at("connections_open", 0).expect("it is gone");
            let ended = front.stop().expect("an end");
            ended.counted(
                &what,
                &[("requests_begun", 1), ("responses_2xx", 0), ("upstream_responses_cut", 0)],
            );
            assert_eq!(ended.lines.len(), 1, "{what}: {:?}", ended.lines);
        }
    }
}

/// Who has sent all of it, and says so, is not cut off for that: it waits its time.
#[test]
fn an_upload_that_is_whole_and_held_back_is_finished() {
    const CONTENT: usize = 60_000;
    let whole = play(|mut stream| {
        let Some(head) = request(&mut stream) else { return };
        let mut left = CONTENT - (head.len() - head.find("\r\n\r\n").map_or(head.len(), |end| end + 4));
        let mut part = vec![0; left.max(1)];
        while left > 0 {
            match stream.read(&mut part) {
                Ok(count @ 1..) => left -= count,
                _ => return,
            }
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole");
        let _ = stream.read(&mut [0]);
    });
    let mut setup = Setup::before(&[whole.expect("a backend")], "");
    setup.host = r#""shaping": { "client": { "up": "20kB/s", "up_burst": "16KiB" } }"#.to_owned();
    let front = Front::start("shaped", &setup).expect("the server starts");
    let mut stream = front.connect().expect("connect");
    let begun = Instant::now();
    begin(&mut stream, "POST", &format!("Connection: close\r\nContent-Length: {CONTENT}\r\n"));
    stream.write_all(&vec![b'x'; CONTENT]).expect("sent");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("an answer");
    assert!(said.ends_with("whole"), "{said}");
    assert!(begun.elapsed() >= Duration::from_secs(2), "at 20 kB/s: {:?}", begun.elapsed());
    front.stop().expect("an end").logged("whole", &["POST|200|200"]);
}
