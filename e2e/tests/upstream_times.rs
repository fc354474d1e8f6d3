//! Servers that take their time, step by step: what the client, the counters and the log then say; and those that are slow
//! but go on, which is no fault.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use e2e::backend::{After, Backend, await_end, play, reply, request};
use e2e::response::Asked;
use e2e::{Front, PATIENCE, Setup, rest};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, socket,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// All patience is as short as it can be said; it is looked at four times a second.
const TIMES: &str = r#""timeouts": { "connect": "300ms", "send": "300ms", "response": "300ms" },
    "eject": { "failures": 0 }"#;
/// Between two pieces of what is slow but goes on: well within that, as a whole far beyond.
const PAUSE: Duration = Duration::from_millis(100);
const PIECES: usize = 20;

/// An address with a listener whose queue is full: whoever connects now is not answered.
struct Full {
    address: SocketAddr,
    _listener: OwnedFd,
    _queued: Vec<TcpStream>,
}

fn full() -> Full {
    let flags = SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Inet, SockType::Stream, flags, None).expect("a socket");
    bind(listener.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).expect("a port");
    listen(&listener, Backlog::new(0).expect("a number")).expect("it listens");
    let name: SockaddrIn = getsockname(listener.as_raw_fd()).expect("its name");
    let address = SocketAddr::from((name.ip(), name.port()));
    let mut queued = Vec::new();
    // The kernel drops what asks for a place that is not there, without a word.
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue does not fill");
    }
    Full { address, _listener: listener, _queued: queued }
}

fn ask(front: &Front, method: &str) -> u16 {
    let mut client = front.client().expect("connect");
    let content = if method == "POST" { "Content-Length: 2\r\n\r\nhi" } else { "\r\n" };
    client.send(format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{content}").as_bytes()).expect("send");
    client.response(Asked::Other).expect("an answer").status
}

#[test]
fn nobody_takes_the_connection() {
    let [one, other] = [full(), full()];
    let late = ("timeouts_upstream_connect", 1);
    let front = Front::start("full", &Setup::before(&[one.address], TIMES)).expect("the server starts");
    assert_eq!(ask(&front, "POST"), 504);
    let ended = front.stop().expect("an end");
    ended.counted("one is full", &[late, ("upstream_connections_failed", 1), ("upstream_requests", 0)]);
    ended.logged("one is full", &["POST|504|504"]);

    // Nothing can have been done for a request that was not sent: another server gets it, whatever its method.
    let answer = || reply(OK, After::Next);
    let backend = Backend::start(vec![answer(), answer()]).expect("a backend");
    let servers = [one.address, backend.address];
    let front = Front::start("full", &Setup::before(&servers, TIMES)).expect("the server starts");
    // Rounds begin with any of them: one request in two begins with the one that is full.
    assert_eq!([ask(&front, "POST"), ask(&front, "POST")], [200; 2]);
    let ended = front.stop().expect("an end");
    let turned = ended.lines.iter().filter(|line| *line == "POST|200|504,200").count();
    let direct = ended.lines.iter().filter(|line| *line == "POST|200|200").count();
    assert!(turned >= 1 && turned + direct == 2, "{:?}", ended.lines);
    let turned = turned as u64;
    let late = ("timeouts_upstream_connect", turned);
    ended.counted("another is not", &[late, ("upstream_retries", turned), ("upstream_requests", 2)]);

    let servers = [one.address, other.address];
    let front = Front::start("full", &Setup::before(&servers, TIMES)).expect("the server starts");
    assert_eq!(ask(&front, "GET"), 503);
    let ended = front.stop().expect("an end");
    ended.counted("all are", &[("timeouts_upstream_connect", 2), ("upstreams_unavailable", 1)]);
    ended.logged("all are", &["GET|503|504,504"]);
}

#[test]
fn nobody_answers_the_handshake() {
    let silent = play(|mut stream| drop(stream.read_to_end(&mut Vec::new()))).expect("a backend");
    let group = format!("{TIMES}, \"tls\": {{ \"verify\": false, \"name\": \"localhost\" }}");
    let front = Front::start("silent", &Setup::before(&[silent], &group)).expect("the server starts");
    assert_eq!(ask(&front, "GET"), 504);
    let ended = front.stop().expect("an end");
    ended.counted(
        "handshake",
        &[("timeouts_upstream_connect", 1), ("upstream_connections_failed", 1), ("upstream_requests", 0)],
    );
    ended.logged("handshake", &["GET|504|504"]);
}

/// Sends a head and then as much of a content as is taken, on a thread of its own.
fn upload(stream: &TcpStream, len: usize) -> thread::JoinHandle<usize> {
    let mut stream = stream.try_clone().expect("the same socket");
    thread::spawn(move || {
        let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("a head is taken");
        let part = vec![b'x'; 64 * 1024];
        let mut sent = 0;
        while sent < len {
            match stream.write(&part[..part.len().min(len - sent)]) {
                Ok(count) => sent += count,
                Err(_) => break,
            }
        }
        sent
    })
}

/// What is said up to the end of the connection, however that comes.
fn heard(stream: &mut TcpStream) -> String {
    let (mut said, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut part) {
        said.extend_from_slice(&part[..count]);
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn nobody_takes_the_content() {
    const LEN: usize = 100_000_000;
    // It reads the head, and no more as long as the connection is there.
    let deaf = play(|mut stream| {
        request(&mut stream);
        await_end(&stream);
    });
    let deaf = deaf.expect("a backend");
    let front = Front::start("deaf", &Setup::before(&[deaf], TIMES)).expect("the server starts");
    let mut stream = front.connect().expect("connect");
    let sender = upload(&stream, LEN);
    let said = heard(&mut stream);
    assert!(said.starts_with("HTTP/1.1 504 ") && said.contains("Connection: close\r\n"), "{said}");
    assert!(sender.join().expect("a count") < LEN, "nobody had room for all of it");
    drop(stream);
    let ended = front.stop().expect("an end");
    ended.counted("deaf", &[("timeouts_upstream_send", 1), ("timeouts_upstream_response", 0)]);
    ended.logged("deaf", &["POST|504|504"]);
}

#[test]
fn a_client_is_not_late_while_the_server_takes_nothing() {
    const LEN: usize = 32_000_000;
    // Four times as long as the client may pause: it is time that is tried here.
    const REST: Duration = Duration::from_secs(2);
    let backend = play(|mut stream| {
        let Some(head) = request(&mut stream) else { return };
        rest(REST);
        let (_, content) = head.split_once("\r\n\r\n").expect("a whole head");
        let (mut got, mut part) = (content.len(), vec![0; 64 * 1024]);
        while got < LEN {
            match stream.read(&mut part) {
                Ok(count @ 1..) => got += count,
                _ => return,
            }
        }
        stream.write_all(OK.as_bytes()).expect("an answer is taken");
    });
    let group = r#""timeouts": { "send": "10s", "response": "10s" }"#;
    let mut setup = Setup::before(&[backend.expect("a backend")], group);
    setup.server.push_str(r#", "timeouts": { "body": "500ms" }"#);
    let front = Front::start("resting", &setup).expect("the server starts");
    let mut stream = front.connect().expect("connect");
    let sender = upload(&stream, LEN);
    let said = request(&mut stream).expect("the head of an answer");
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    assert_eq!(sender.join().expect("a count"), LEN);
    drop(stream);
    let ended = front.stop().expect("an end");
    ended.counted("resting", &[("timeouts_body", 0), ("timeouts_upstream_send", 0)]);
    ended.logged("resting", &["POST|200|200"]);
}

#[test]
fn who_has_all_of_a_request_has_its_time_to_answer() {
    // With some of them the last part still waits for room when all of the content has come.
    let lengths: Vec<usize> = (1..=24).map(|number| number * 333_333).collect();
    // Longer than the server may take to accept more of the request, shorter than it may take to answer.
    const THOUGHT: Duration = Duration::from_millis(2500);
    let backend = play(|mut stream| {
        let Some(head) = request(&mut stream) else { return };
        let (head, content) = head.split_once("\r\n\r\n").expect("a whole head");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.and_then(|value| value.parse().ok()).expect("a length");
        rest(Duration::from_millis(200));
        let (mut got, mut part) = (content.len(), vec![0; 64 * 1024]);
        while got < length {
            match stream.read(&mut part) {
                Ok(count @ 1..) => got += count,
                _ => return,
            }
        }
        rest(THOUGHT);
        stream.write_all(OK.as_bytes()).expect("an answer is taken");
    });
    let group = r#""timeouts": { "send": "1s", "response": "20s" }"#;
    let setup = Setup::before(&[backend.expect("a backend")], group);
    let front = Front::start("thoughtful", &setup).expect("the server starts");
    let streams: Vec<TcpStream> = lengths.iter().map(|_| front.connect().expect("connect")).collect();
    let senders: Vec<_> =
        streams.iter().zip(&lengths).map(|(stream, length)| upload(stream, *length)).collect();
    for (mut stream, length) in streams.into_iter().zip(&lengths) {
        let said = request(&mut stream).expect("the head of an answer");
        assert!(said.starts_with("HTTP/1.1 200 "), "{length}: {said}");
    }
    let sent: Vec<usize> = senders.into_iter().map(|sender| sender.join().expect("a count")).collect();
    assert_eq!(sent, lengths);
    let ended = front.stop().expect("an end");
    ended.counted("thoughtful", &[("timeouts_upstream_send", 0), ("timeouts_upstream_response", 0)]);
}

/// A server that loses patience with a client who is slow has not failed; one that has all and gives up has.
#[test]
fn servers_are_not_blamed_for_slow_clients() {
    for (what, content, ejections) in [("slow client", "abc", 0), ("whole request", "abcdefghij", 1)] {
        let backend = play(move |mut stream| {
            let Some(mut head) = request(&mut stream) else { return };
            while !head.ends_with(content) {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("more of it");
                head.push(char::from(byte[0]));
            }
        });
        let setup = Setup::before(&[backend.expect("a backend")], r#""eject": { "failures": 1 }"#);
        let front = Front::start("impatient", &setup).expect("the server starts");
        let mut client = front.client().expect("connect");
        let request = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n";
        client.send(format!("{request}{content}").as_bytes()).expect("send");
        assert_eq!(client.response(Asked::Other).expect(what).status, 502, "{what}");
        let ended = front.stop().expect("an end");
        ended.counted(what, &[("upstream_ejections", ejections), ("upstream_responses_cut", 1)]);
        ended.logged(what, &["POST|502|502"]);
    }
}

/// Says pieces with pauses between them: it is time that is tried here.
fn say_slowly(stream: &mut TcpStream, pieces: usize) {
    for _ in 0..pieces {
        rest(PAUSE);
        stream.write_all(b"x").expect("a piece is taken");
    }
}

#[test]
fn who_is_slow_and_goes_on_is_waited_for() {
    let backend = play(|mut stream| {
        while let Some(mut head) = request(&mut stream) {
            if head.starts_with("POST") {
                // All of the content, for which it has waited longer than anybody may wait for an answer.
                while !head.ends_with(&"x".repeat(PIECES)) {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).expect("more of it");
                    head.push(char::from(byte[0]));
                }
                stream.write_all(OK.as_bytes()).expect("an answer is taken");
                continue;
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {PIECES}\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("a head is taken");
            say_slowly(&mut stream, PIECES);
        }
    });
    let front = Front::start("slow", &Setup::before(&[backend.expect("a backend")], TIMES));
    let front = front.expect("the server starts");
    let mut client = front.client().expect("connect");
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    assert_eq!(client.response(Asked::Other).expect("an answer").body.len(), PIECES);
    let mut stream = front.connect().expect("connect");
    let fields = format!("Host: localhost\r\nConnection: close\r\nContent-Length: {PIECES}");
    stream.write_all(format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes()).expect("sent");
    say_slowly(&mut stream, PIECES);
    let said = heard(&mut stream);
    assert!(said.ends_with("ok"), "{said}");
    drop((stream, client));
    let ended = front.stop().expect("an end");
    let counted = ["connect", "send", "response"].map(|step| format!("timeouts_upstream_{step}"));
    ended.counted("slow", &counted.each_ref().map(|name| (name.as_str(), 0)));
    ended.logged("slow", &["GET|200|200", "POST|200|200"]);
}

#[test]
fn an_answer_that_stops_in_the_middle_is_cut_off() {
    let backend = play(|mut stream| {
        request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").expect("a head is taken");
        stream.write_all(&[b'x'; 500_000]).expect("half of the content is taken");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let front = Front::start("half", &Setup::before(&[backend.expect("a backend")], TIMES));
    let front = front.expect("the server starts");
    let mut client = front.client().expect("connect");
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    let begun = Instant::now();
    assert_eq!(client.part(500_000).expect("half of it").1, 1_000_000);
    client.closed().expect("an end, with nothing more said");
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    let ended = front.stop().expect("an end");
    ended.counted("half", &[("timeouts_upstream_response", 1), ("requests_aborted", 1)]);
    ended.logged("half", &["GET|-|200"]);
}
