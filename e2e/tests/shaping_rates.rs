//! A client has its rate, both ways, wherever its connections are.

#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::backend::{play, request};
use e2e::yard::address;
use e2e::{Folder, Options, PATIENCE, Server, ledger, rest};

/// The rate that is asked for, in bytes a second.
const RATE: u64 = 1_000_000;
/// How long it is measured.
const WINDOW: Duration = Duration::from_secs(10);
/// How far it may be off: a tenth. What may go at once at first is half of that, so that nobody loses for good what a busy
/// machine is late with by half a second.
const TENTH: f64 = 0.1;
/// More than anybody gets in this time.
const LEN: u64 = 100_000_000;

const SITE: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": ${shards} },
  "hosts": { "localhost": {
    "root": "${folder}/www", "body_size": "unlimited",
    "shaping": { "client": { "${limit}": "1MB/s", "${limit}_burst": "512k" } },
    "locations": { "/sink": { "proxy": "http://${sink}" }, "/echo": { "handler": "echo" } }
  } } }"#;

/// Bytes of a small upload.
const SMALL: usize = 8_000;

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// One download by each connection.
    Download,
    /// One upload by each connection. What has come waits until all of it may pass, so that many of them bring their bytes by
    /// fits and starts.
    Upload,
    /// One small upload after another by each connection.
    Uploads,
}

/// Counts what comes, until no more does.
fn count(mut from: impl Read, counted: &AtomicU64) {
    let mut part = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = from.read(&mut part) {
        counted.fetch_add(len as u64, Ordering::SeqCst);
    }
}

/// A server that takes whatever it is sent, and counts it.
fn sink(counted: &Arc<AtomicU64>) -> SocketAddr {
    let counted = Arc::clone(counted);
    play(move |mut stream| {
        if request(&mut stream).is_some() {
            count(stream, &counted);
        }
    })
    .expect("a backend")
}

/// Reads what a small upload is answered; none at the end of the connection.
fn hear(answers: &mut impl BufRead) -> Option<()> {
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        answers.read_line(&mut line).ok().filter(|len| *len > 0)?;
    }
    answers.read_exact(&mut [0; SMALL]).ok()
}

/// Takes or sends as much as it can, until the connection ends.
fn use_up(mut stream: TcpStream, what: Use, counted: &AtomicU64) {
    match what {
        Use::Download => {
            write!(stream, "GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
            count(stream, counted);
        }
        Use::Upload => {
            let head = format!("POST /sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LEN}\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("sent");
            let part = [0; 10_000];
            while stream.write_all(&part).is_ok() {}
        }
        Use::Uploads => {
            let head = format!("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SMALL}\r\n\r\n");
            let request = [head.as_bytes(), &[0; SMALL]].concat();
            let mut answers = BufReader::new(stream.try_clone().expect("the same socket"));
            while stream.write_all(&request).is_ok() && hear(&mut answers).is_some() {
                counted.fetch_add(request.len() as u64, Ordering::SeqCst);
            }
        }
    }
}

/// Connections of one client have the rate of one client together.
fn check(what: Use, shards: usize, connections: usize) {
    let (limit, delayed) = match what {
        Use::Download => ("down", "sends_delayed_limit"),
        Use::Upload | Use::Uploads => ("up", "receives_delayed_limit"),
    };
    let counted = Arc::new(AtomicU64::new(0));
    let folder = Folder::new("rates").expect("a folder");
    folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
    let large = std::fs::File::create(folder.path().join("www/large.bin")).expect("a file");
    large.set_len(LEN).expect("a file of holes");
    let text = SITE
        .replace("${shards}", &shards.to_string())
        .replace("${limit}", limit)
        .replace("${sink}", &sink(&counted).to_string())
        .replace("${folder}", &folder.path().display().to_string());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let place = address(&server, 1).expect("an address");

    let begun = Instant::now();
    let streams: Vec<TcpStream> = (0..connections)
        .map(|_| {
            let stream = TcpStream::connect(place).expect("the address is listened on");
            stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
            stream
        })
        .collect();
    let users: Vec<_> = streams
        .iter()
        .map(|stream| {
            let (stream, counted) = (stream.try_clone().expect("the same socket"), Arc::clone(&counted));
            thread::spawn(move || use_up(stream, what, &counted))
        })
        .collect();
    rest(WINDOW);
    let (bytes, time) = (counted.load(Ordering::SeqCst), begun.elapsed());
    for stream in &streams {
        stream.shutdown(Shutdown::Both).expect("an end");
    }
    users.into_iter().for_each(|user| user.join().expect("no panic"));

    let what = format!("{what:?} on {shards} shards");
    let part = bytes as f64 / (RATE as f64 * time.as_secs_f64());
    assert!((part - 1.0).abs() <= TENTH, "{what}: {part} of the rate in {time:?}");
    let counters = server.stop().expect("an even ledger");
    assert!(ledger::counter(&counters, delayed).expect("a counter") > 10, "{what}");
}

#[test]
fn a_client_has_its_rate_both_ways_on_one_shard_and_on_two() {
    // With eighteen connections both shards have some, but for one time in a hundred thousand.
    thread::scope(|scope| {
        for what in [Use::Download, Use::Upload] {
            scope.spawn(move || check(what, 1, 1));
        }
        for what in [Use::Download, Use::Uploads] {
            scope.spawn(move || check(what, 2, 18));
        }
    });
}
