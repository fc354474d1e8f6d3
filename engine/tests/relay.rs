//! Requests that other servers answer, through the engine alone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use perf::Counter;

mod common;

/// A server that reads what it is sent up to the end of a head, and says what it is told to say. Each text is for one
/// request; `|` ends the connection, after which the next one is for the next connection.
fn backend(texts: &'static [&'static str]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let thread = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let mut client = None;
        for text in texts {
            let stream: &mut TcpStream =
                client.get_or_insert_with(|| listener.accept().expect("a connection").0);
            heard.push(head(stream));
            stream.write_all(text.trim_end_matches('|').as_bytes()).expect("an answer is sent");
            if text.ends_with('|') {
                client = None;
            }
        }
        // The connection stays until nobody wants it any more.
        if let Some(mut stream) = client {
            let _ = stream.read(&mut [0]);
        }
        heard
    });
    (address, thread)
}

fn head(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(common::PATIENCE)).expect("a socket");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).expect("a request comes"), 1, "{}", head.escape_ascii());
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

fn configuration(backend: SocketAddr) -> String {
    format!(
        r#"{{ "hosts": {{ "localhost": {{ "proxy": "http://{backend}", "access_log": "ROOT/access.log" }} }} }}"#
    )
}

/// Sends each request by the same connection, and compares the last lines of the answers, up to the end of the
/// connection.
fn check(texts: &'static [&'static str], requests: &str, expected: &str) {
    let (address, backend) = backend(texts);
    let running = common::start(1, &configuration(address), |_| {});
    let mut client = running.connect();
    client.write_all(requests.as_bytes()).expect("requests are sent");
    let mut answers = String::new();
    client.read_to_string(&mut answers).expect("answers come");
    let of_interest = |line: &&str| !line.starts_with("Date: ") && !line.starts_with("Server: ");
    let answers: Vec<&str> = answers.split("\r\n").filter(of_interest).collect();
    assert_eq!(answers.join("\n"), expected);
    assert_eq!(running.stop(), engine::Outcome::Stopped);
    let heard = backend.join().expect("the backend ends");
    assert_eq!(heard.len(), texts.len());
    let block = &running.blocks[0];
    let count = |counter| block.get(counter);
    assert_eq!(
        count(Counter::RequestsBegun),
        count(Counter::RequestsAnswered) + count(Counter::RequestsAborted)
    );
    assert_eq!(count(Counter::UpstreamConnectionsOpen), 0);
    assert_eq!(
        count(Counter::ConnectionsAccepted),
        count(Counter::ConnectionsClosedByUs) + count(Counter::ConnectionsClosedByClient)
    );
}

const GET: &str = "GET /a?b HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST: &str = "GET /a?b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const TOLD: &str = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok";
const TOLD_LAST: &str = "HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\n\nok";

#[test]
fn answers_come_back_whole_however_they_end() {
    let chunks = "HTTP/1.1 200 OK\nConnection: close\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n";
    check(
        &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"],
        LAST,
        "HTTP/1.1 200 OK\nX-A: b\nConnection: close\nContent-Length: 5\n\nhello",
    );
    check(&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"], LAST, chunks);
    check(&["HTTP/1.0 200 OK\r\n\r\nhello|"], LAST, chunks);
    // HTTP/1.0 knows no chunks.
    check(
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
        "GET / HTTP/1.0\r\n\r\n",
        "HTTP/1.1 200 OK\n\nhello",
    );
}

#[test]
fn trailers_come_to_who_takes_them() {
    const TRAILERS: &[&str] = &[
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n",
    ];
    let answer = |trailers| {
        format!("HTTP/1.1 200 OK\nConnection: close\nTransfer-Encoding: chunked\n\n5\nhello\n0\n{trailers}\n")
    };
    check(TRAILERS, LAST, &answer(""));
    let takes = "GET / HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n";
    check(TRAILERS, takes, &answer("X-Sum: 1\n"));
}

#[test]
fn one_link_carries_many_requests() {
    check(&[OK, OK, OK], &format!("{GET}{GET}{LAST}"), &format!("{TOLD}{TOLD}{TOLD_LAST}"));
}

#[test]
fn a_link_that_its_server_has_closed_is_replaced() {
    const CLOSING: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok|";
    check(&[CLOSING, OK], &format!("{GET}{LAST}"), &format!("{TOLD}{TOLD_LAST}"));
    // Without a word before: the request is sent again.
    check(
        &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "|", OK],
        &format!("{GET}{LAST}"),
        &format!("{TOLD}{TOLD_LAST}"),
    );
}

#[test]
fn interim_answers_pass() {
    check(
        &[
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ],
        LAST,
        &format!("HTTP/1.1 103 Early Hints\nLink: </a>\n\n{TOLD_LAST}"),
    );
}

#[test]
fn a_link_is_kept_between_requests_of_different_clients() {
    let (address, backend) = backend(&[OK, OK]);
    let running = common::start(1, &configuration(address), |_| {});
    for _ in 0..2 {
        let mut client = running.connect();
        client.write_all(GET.as_bytes()).expect("a request is sent");
        assert!(common::answer(&mut client).ends_with(b"ok"));
    }
    assert_eq!(running.stop(), engine::Outcome::Stopped);
    assert_eq!(backend.join().expect("the backend ends").len(), 2);
    assert_eq!(running.blocks[0].get(Counter::UpstreamConnectionsOpened), 1);
    assert_eq!(running.blocks[0].get(Counter::UpstreamConnectionsReused), 1);
}

/// A server that does something of its own with its first connection.
fn puppet<T: Send + 'static>(
    run: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (address, std::thread::spawn(move || run(listener.accept().expect("a connection").0)))
}

fn read(stream: &mut TcpStream, len: usize) -> String {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).expect("bytes come");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn content_goes_along() {
    let cases = [
        ("Content-Length: 5\r\n\r\nhello", "Content-Length: 5\r\n", "hello"),
        (
            "Transfer-Encoding: chunked\r\n\r\n3;a\r\nhel\r\n2\r\nlo\r\n0\r\nX-A: b\r\n\r\n",
            "Transfer-Encoding: chunked\r\n",
            "3\r\nhel\r\n2\r\nlo\r\n0\r\nX-A: b\r\n\r\n",
        ),
    ];
    for (sent, framing, content) in cases {
        // At once, and in pieces of which the first has no content.
        for pause_at in [0, sent.find("\r\n\r\n").expect("the end of the head") + 4] {
            let (address, backend) = puppet(move |mut stream| {
                let head = head(&mut stream);
                let content = read(&mut stream, content.len());
                stream.write_all(OK.as_bytes()).expect("an answer is sent");
                (head, content)
            });
            let running = common::start(1, &configuration(address), |_| {});
            let mut client = running.connect();
            let begin = "POST / HTTP/1.1\r\nHost: localhost\r\n";
            client.write_all([begin, &sent[..pause_at]].concat().as_bytes()).expect("a head is sent");
            if pause_at > 0 {
                until(|| running.blocks[0].get(Counter::UpstreamRequests) == 1);
            }
            client.write_all(&sent.as_bytes()[pause_at..]).expect("content is sent");
            assert!(common::answer(&mut client).ends_with(b"ok"));
            let (head, came) = backend.join().expect("the backend ends");
            assert!(head.contains(framing), "{head}");
            assert_eq!(came, content);
            assert_eq!(running.stop(), engine::Outcome::Stopped);
        }
    }
}

fn until(holds: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + common::PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "in time");
        std::thread::yield_now();
    }
}

#[test]
fn a_client_that_waits_is_asked_to_go_on() {
    let (address, backend) = puppet(|mut stream| {
        let head = head(&mut stream);
        let content = read(&mut stream, 5);
        stream.write_all(OK.as_bytes()).expect("an answer is sent");
        (head, content)
    });
    let running = common::start(1, &configuration(address), |_| {});
    let mut client = running.connect();
    let request = "PUT / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.write_all(request.as_bytes()).expect("a head is sent");
    assert_eq!(read(&mut client, 25), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"hello").expect("content is sent");
    assert!(common::answer(&mut client).ends_with(b"ok"));
    let (head, content) = backend.join().expect("the backend ends");
    assert!(!head.contains("Expect"), "{head}");
    assert_eq!(content, "hello");
    assert_eq!(running.stop(), engine::Outcome::Stopped);
}

/// More than all buffers between two ends hold.
const MUCH: usize = 64 << 20;

#[test]
fn nobody_is_sent_more_than_it_takes() {
    let (address, backend) = puppet(|mut stream| {
        head(&mut stream);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n");
        stream.write_all(answer.as_bytes()).expect("a head is sent");
        for _ in 0..MUCH >> 16 {
            stream.write_all(&[b'x'; 1 << 16]).expect("content is sent");
        }
    });
    let running = common::start(1, &configuration(address), |_| {});
    let mut client = running.connect();
    client.write_all(LAST.as_bytes()).expect("a request is sent");
    let received = || running.blocks[0].get(Counter::UpstreamBytesReceived);
    // It comes to a halt with the client, who reads nothing.
    let (mut before, mut quiet) = (0, std::time::Instant::now());
    until(|| received() > 0);
    let deadline = std::time::Instant::now() + common::PATIENCE;
    while quiet.elapsed() < std::time::Duration::from_millis(300) {
        assert!(std::time::Instant::now() < deadline, "it comes to a halt");
        if received() != before {
            (before, quiet) = (received(), std::time::Instant::now());
        }
        std::thread::yield_now();
    }
    assert!(before < MUCH as u64, "{before} bytes were taken from the server");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("the rest comes");
    assert!(answer.len() > MUCH && answer.ends_with(b"xxx"));
    backend.join().expect("the backend ends");
    assert_eq!(running.stop(), engine::Outcome::Stopped);
}

/// Content in which no two places look alike.
fn pattern(len: usize) -> Vec<u8> {
    (0..len.div_ceil(8) as u64)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .take(len)
        .collect()
}

/// Answers of these lengths over one link, sent in pieces of all sizes; the last one is cut off before its end.
#[test]
fn long_answers_come_byte_for_byte() {
    const LENGTHS: [usize; 5] = [3 << 20, 7, 100_000, 0, 5 << 20];
    const CUT: usize = 1 << 20;
    let (address, backend) = puppet(|mut stream| {
        for (number, len) in LENGTHS.into_iter().enumerate() {
            head(&mut stream);
            let last = number == LENGTHS.len() - 1;
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n");
            let content = pattern(len - if last { CUT } else { 0 });
            let mut rest = &[text.as_bytes(), &content].concat()[..];
            let mut size = 1;
            while !rest.is_empty() {
                let (piece, left) = rest.split_at(rest.len().min(size));
                stream.write_all(piece).expect("content is sent");
                (rest, size) = (left, size * 3 % 300_007);
            }
        }
    });
    let running = common::start(1, &configuration(address), |_| {});
    let mut client = running.connect();
    for len in LENGTHS {
        client.write_all(GET.as_bytes()).expect("a request is sent");
        let told = head(&mut client);
        assert!(told.contains(&format!("Content-Length: {len}\r\n")), "{told}");
        let wanted = pattern(len);
        let mut content = Vec::new();
        // An end that is too early may be a reset.
        let _ = (&mut client).take(len as u64).read_to_end(&mut content);
        let whole = if len == LENGTHS[LENGTHS.len() - 1] { len - CUT } else { len };
        assert!(
            content.len() <= whole && (content.len() == whole || whole < len),
            "{} of {len}",
            content.len()
        );
        assert!(content == wanted[..content.len()], "content of {len} bytes");
    }
    backend.join().expect("the backend ends");
    assert_eq!(running.stop(), engine::Outcome::Stopped);
    let counted = |counter| running.blocks[0].get(counter);
    assert_eq!((counted(Counter::UpstreamConnectionsOpened), counted(Counter::UpstreamResponsesCut)), (1, 1));
    assert!(counted(Counter::UpstreamBytesReceived) > (LENGTHS.iter().sum::<usize>() - CUT) as u64);
}

#[test]
fn nothing_is_taken_from_a_client_that_the_server_does_not_take() {
    let (go, gone) = std::sync::mpsc::channel();
    let (address, backend) = puppet(move |mut stream| {
        head(&mut stream);
        gone.recv().expect("the word comes");
        let (mut left, mut buffer) = (MUCH, vec![0; 1 << 16]);
        while left > 0 {
            left -= stream.read(&mut buffer).expect("content comes");
        }
        stream.write_all(OK.as_bytes()).expect("an answer is sent");
    });
    let text = configuration(address).replace("\"proxy\"", "\"body_size\": \"1G\", \"proxy\"");
    let running = common::start(1, &text, |_| {});
    let mut client = running.connect();
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MUCH}\r\n\r\n");
    client.write_all(head.as_bytes()).expect("a head is sent");
    client.set_write_timeout(Some(std::time::Duration::from_millis(300))).expect("a socket");
    let mut left = MUCH;
    while let Ok(written) = client.write(&vec![b'x'; left.min(1 << 16)]) {
        left -= written;
    }
    assert!(left > 0 && running.blocks[0].get(Counter::BytesReceived) < MUCH as u64);
    go.send(()).expect("the backend waits");
    client.set_write_timeout(Some(common::PATIENCE)).expect("a socket");
    client.write_all(&vec![b'x'; left]).expect("the rest is sent");
    assert!(common::answer(&mut client).ends_with(b"ok"));
    backend.join().expect("the backend ends");
    assert_eq!(running.stop(), engine::Outcome::Stopped);
}

#[test]
fn an_answer_may_come_before_the_end_of_the_content() {
    let (address, backend) = puppet(|mut stream| {
        head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
            .expect("an answer is sent");
        // Nobody sends the rest.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let running = common::start(1, &configuration(address), |_| {});
    let mut client = running.connect();
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhel")
        .expect("a part of a request is sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("the answer comes");
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("Connection: close\r\n"), "{answer}");
    assert_eq!(running.stop(), engine::Outcome::Stopped);
    backend.join().expect("the backend ends");
}

#[test]
fn another_protocol_goes_both_ways_until_both_have_ended() {
    let (address, backend) = puppet(|mut stream| {
        let head = head(&mut stream);
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst";
        stream.write_all(answer.as_bytes()).expect("an answer is sent");
        assert_eq!(read(&mut stream, 4), "ping");
        stream.write_all(b"pong").expect("bytes are sent");
        // The client has ended, and hears on.
        let mut rest = String::new();
        stream.read_to_string(&mut rest).expect("the end comes");
        stream.write_all(b"last").expect("bytes are sent");
        (head, rest)
    });
    let running = common::start(1, &configuration(address), |_| {});
    let mut client = running.connect();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(request.as_bytes()).expect("a request is sent");
    let head = head(&mut client);
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Upgrade: websocket\r\n"), "{head}");
    assert_eq!(read(&mut client, 5), "first");
    client.write_all(b"ping").expect("bytes are sent");
    assert_eq!(read(&mut client, 4), "pong");
    client.write_all(b"more").expect("bytes are sent");
    client.shutdown(std::net::Shutdown::Write).expect("an end is sent");
    assert_eq!(read(&mut client, 4), "last");
    assert_eq!(client.read(&mut [0]).expect("the end comes"), 0);
    let (head, rest) = backend.join().expect("the backend ends");
    assert!(head.contains("Upgrade: websocket\r\n"), "{head}");
    assert_eq!(rest, "more");
    let block = &running.blocks[0];
    until(|| block.get(Counter::RequestsAnswered) == 1 && block.get(Counter::UpstreamConnectionsOpen) == 0);
    assert_eq!(block.get(Counter::UpstreamTunnels), 1);
    assert_eq!(running.stop(), engine::Outcome::Stopped);
}

#[test]
fn a_client_that_goes_ends_the_work_of_the_server() {
    let (address, backend) = puppet(|mut stream| {
        head(&mut stream);
        stream.read(&mut [0]).expect("an end comes")
    });
    let running = common::start(1, &configuration(address), |_| {});
    let mut client = running.connect();
    client.write_all(GET.as_bytes()).expect("a request is sent");
    until(|| running.blocks[0].get(Counter::UpstreamRequests) == 1);
    drop(client);
    assert_eq!(backend.join().expect("the backend ends"), 0);
    until(|| running.blocks[0].get(Counter::RequestsAborted) == 1);
    assert_eq!(running.stop(), engine::Outcome::Stopped);
}
