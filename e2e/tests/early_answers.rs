//! Servers that say something before they have the whole request: final answers, and interim ones.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use e2e::backend::{await_end, play, request};
use e2e::response::Asked;
use e2e::{Front, Setup};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large";
const LEN: usize = 100_000_000;

/// How a server goes on that has said that it wants no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It closes, so that what it has not read resets the connection.
    Closes,
    /// It says its end, and reads on.
    ReadsOn,
    /// Nothing, until the other side ends.
    Waits,
}

fn refuse(mut stream: TcpStream, then: Then) {
    request(&mut stream);
    // Some of the content is on its way by now.
    stream.read_exact(&mut [0; 100_000]).expect("a part of it");
    stream.write_all(TOO_LARGE).expect("an answer is taken");
    match then {
        Then::Closes => {}
        Then::ReadsOn => {
            stream.shutdown(Shutdown::Write).expect("an end is said");
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        Then::Waits => await_end(&stream),
    }
}

/// Uploads while it reads, as a client does that can be told to stop; what it was told, up to the end.
fn upload(mut stream: TcpStream, chunked: &str) -> String {
    let mut sender = stream.try_clone().expect("the same socket");
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\n{chunked}\r\n");
    let sending = thread::spawn(move || {
        sender.write_all(head.as_bytes()).expect("a head is taken");
        let part = if head.contains("chunked") {
            [b"10000\r\n", &[b'x'; 0x10000][..], b"\r\n"].concat()
        } else {
            vec![b'x'; 0x10000]
        };
        (0..LEN / 0x10000).all(|_| sender.write_all(&part).is_ok())
    });
    let (mut said, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut part) {
        said.extend_from_slice(&part[..count]);
    }
    assert!(!sending.join().expect("no panic"), "nobody has taken all of it");
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn a_refusal_reaches_a_client_that_uploads() {
    /// It depends on who is faster.
    const ROUNDS: usize = 10;
    let length = format!("Content-Length: {LEN}\r\n");
    for then in [Then::Closes, Then::ReadsOn, Then::Waits] {
        let backend = play(move |stream| refuse(stream, then)).expect("a backend");
        let setup = Setup::before(&[backend], r#""eject": { "failures": 0 }"#);
        let front = Front::start("early", &setup).expect("the server starts");
        for round in 0..ROUNDS {
            let framing = if round % 2 == 0 { length.as_str() } else { "Transfer-Encoding: chunked\r\n" };
            let said = upload(front.connect().expect("connect"), framing);
            assert!(said.starts_with("HTTP/1.1 413 "), "{then:?}, {framing}: {said}");
            assert!(said.contains("\r\nConnection: close\r\n"), "{then:?}, {framing}: {said}");
            assert!(said.ends_with("\r\n\r\ntoo large"), "{then:?}, {framing}: {said}");
        }
        let ended = front.stop().expect("an end");
        let count = ROUNDS as u64;
        ended.counted(
            &format!("{then:?}"),
            &[
                ("upstream_responses_4xx", count),
                ("upstream_responses_cut", 0),
                ("upstream_connections_reused", 0),
                ("requests_answered", count),
            ],
        );
        ended.logged(&format!("{then:?}"), &["POST|413|413"; ROUNDS]);
    }
}

/// A client that others have made.
#[test]
fn curl_hears_a_refusal() {
    let backend = play(|stream| refuse(stream, Then::Closes)).expect("a backend");
    let front = Front::start("curl", &Setup::before(&[backend], "")).expect("the server starts");
    let zeros = front.folder.path().join("zeros");
    std::fs::File::create(&zeros).and_then(|file| file.set_len(LEN as u64)).expect("a file of holes");
    for more in [&[][..], &["-H", "Expect:"], &["-H", "Transfer-Encoding: chunked"]] {
        let output = Command::new("curl")
            .args([
                "--silent",
                "--max-time",
                "20",
                "--write-out",
                "%{http_code} %{size_upload}",
                "--data-binary",
            ])
            .arg(format!("@{}", zeros.display()))
            .args(more)
            .arg(
                format!("http://{}/", front.address().expect("an address")).replace("127.0.0.1", "localhost"),
            )
            .stderr(Stdio::null())
            .output()
            .expect("curl runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("too large413 "), "{more:?}: {said}");
        assert_eq!(output.status.code(), Some(0), "{more:?}: {said}");
    }
    front.stop().expect("an end").logged("curl", &["POST|413|413"; 3]);
}

#[test]
fn a_client_that_waits_to_be_asked_is_asked() {
    let (heads, heard) = channel();
    let backend = play(move |mut stream| {
        while let Some(mut head) = request(&mut stream) {
            while head.starts_with("POST") && !head.ends_with("hello") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("its content");
                head.push(char::from(byte[0]));
            }
            heads.send(head).expect("the test waits");
            stream.write_all(OK.as_bytes()).expect("an answer is taken");
        }
    });
    let front = Front::start("expect", &Setup::before(&[backend.expect("a backend")], ""));
    let front = front.expect("the server starts");
    let mut client = front.client().expect("connect");
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.send(head.as_bytes()).expect("send");
    assert_eq!(client.response(Asked::Other).expect("an interim answer").status, 100);
    client.send(b"hello").expect("send");
    let answer = client.response(Asked::Other).expect("an answer");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]));
    let head = heard.recv().expect("a head");
    assert!(!head.contains("Expect"), "{head}");
    // A second request finds its place behind the content.
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    assert_eq!(client.response(Asked::Other).expect("an answer").status, 200);
    drop(client);
    let ended = front.stop().expect("an end");
    let reused = ("upstream_connections_reused", 1);
    ended.counted("expect", &[("responses_1xx", 1), ("upstream_responses_1xx", 0), reused]);
    ended.logged("expect", &["POST|200|200", "GET|200|200"]);
}

/// Nobody asks for content that nobody will take.
#[test]
fn a_client_is_not_asked_when_nobody_is_there() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a port");
    let front = Front::start("expect", &Setup::before(&[gone], "")).expect("the server starts");
    let mut client = front.client().expect("connect");
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.send(head.as_bytes()).expect("send");
    assert_eq!(client.response(Asked::Other).expect("an answer").status, 502);
    client.closed().expect("whether it sends the content or not is not known: an end");
    let ended = front.stop().expect("an end");
    ended.counted("expect", &[("responses_1xx", 0), ("upstream_connections_failed", 1)]);
    ended.logged("expect", &["POST|502|502"]);
}

#[test]
fn early_hints_come_early() {
    let hints =
        "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nConnection: x\r\nX: hop\r\n\r\n";
    let (asked, answers) = channel::<()>();
    let answers = Arc::new(Mutex::new(answers));
    let backend = play(move |mut stream| {
        while request(&mut stream).is_some() {
            stream.write_all(hints.as_bytes()).expect("hints are taken");
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").expect("what is for us is taken");
            // The answer comes when the client has the hints.
            answers.lock().expect("a lock").recv().expect("a word");
            stream.write_all(OK.as_bytes()).expect("an answer is taken");
        }
    });
    let front = Front::start("hints", &Setup::before(&[backend.expect("a backend")], ""));
    let front = front.expect("the server starts");
    let mut client = front.client().expect("connect");
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    let interim = client.response(Asked::Other).expect("an interim answer");
    assert_eq!(interim.status, 103);
    assert_eq!(interim.fields, [("Link".to_owned(), "</style.css>; rel=preload".to_owned())]);
    asked.send(()).expect("it waits");
    assert_eq!(client.response(Asked::Other).expect("an answer").status, 200);
    // Who speaks HTTP/1.0 knows of none.
    asked.send(()).expect("it will wait");
    let mut old = front.client().expect("connect");
    old.send(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("send");
    assert_eq!(old.response(Asked::Other).expect("an answer").status, 200);
    drop((client, old));
    let ended = front.stop().expect("an end");
    ended.counted("hints", &[("upstream_responses_1xx", 4), ("responses_1xx", 1), ("responses_2xx", 2)]);
    ended.logged("hints", &["GET|200|200", "GET|200|200"]);
}
