//! Answers of other servers that are compressed on their way.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use e2e::coded::decode;
use e2e::response::Asked;
use e2e::{Folder, Options, PATIENCE, Server};

/// A server that answers each request with the answer of that path.
fn serve(answers: Vec<(&'static str, Vec<u8>)>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = answers.clone();
            thread::spawn(move || while answer(&stream, &answers).is_some() {});
        }
    });
    port
}

fn answer(mut stream: &TcpStream, answers: &[(&'static str, Vec<u8>)]) -> Option<()> {
    let head = read_head(stream)?;
    let path = head.split(' ').nth(1)?;
    let (_, bytes) = answers.iter().find(|(name, _)| path == format!("/{name}"))?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    stream.write_all(if head.starts_with("HEAD ") { &bytes[..end] } else { bytes }).ok()
}

fn read_head(mut stream: &TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn start(folder: &Folder, port: u16) -> Server {
    let configuration = format!(
        r#"{{
          "server": {{ "listen": ["127.0.0.1:0"], "shards": 1, "timeouts": {{ "drain": "1s" }} }},
          "hosts": {{ "localhost": {{
            "proxy": "http://127.0.0.1:{port}",
            "compression": {{ "codings": ["gzip", "zstd", "br"], "br_level": 11 }},
            "locations": {{
                "/off/": {{ "compression": "off" }},
                "/events": {{ "compression": {{ "types": ["text/event-stream"] }} }}
            }}
          }} }}
        }}"#
    );
    let configuration = folder.write("kimura.conf", configuration.as_bytes()).expect("write");
    Server::start(&configuration, &Options::default()).expect("the server starts")
}

fn page() -> Vec<u8> {
    (0..5000).flat_map(|number| format!("<p>line {number} of the page</p>\n").into_bytes()).collect()
}

fn with_length(fields: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", content.len());
    [head.as_bytes(), content].concat()
}

fn in_chunks(fields: &str, content: &[u8], size: usize) -> Vec<u8> {
    let mut message = format!("HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in content.chunks(size) {
        message.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        message.extend_from_slice(chunk);
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(b"0\r\n\r\n");
    message
}

/// What is asked, and what comes of it: the coding, the entity tag, and the values of `Vary`.
struct Case {
    path: &'static str,
    fields: &'static str,
    coding: Option<&'static str>,
    tag: Option<&'static str>,
    vary: &'static [&'static str],
}

const GZIP: &str = "Accept-Encoding: gzip\r\n";
const CACHES: &[&str] = &["Accept-Encoding"];

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { path: "page", fields: GZIP, coding: Some("gzip"), tag: Some("W/\"a\""), vary: CACHES },
    Case { path: "page", fields: "Accept-Encoding: br\r\n", coding: Some("br"), tag: Some("W/\"a\""), vary: CACHES },
    Case { path: "page", fields: "Accept-Encoding: zstd\r\n", coding: Some("zstd"), tag: Some("W/\"a\""), vary: CACHES },
    Case { path: "page", fields: "", coding: None, tag: Some("\"a\""), vary: CACHES },
    Case { path: "page", fields: "Accept-Encoding: gzip;q=0\r\n", coding: None, tag: Some("\"a\""), vary: CACHES },
    Case { path: "page", fields: "Accept-Encoding: gzip\r\nCache-Control: no-transform\r\n", coding: None, tag: Some("\"a\""), vary: &[] },
    Case { path: "chunked", fields: GZIP, coding: Some("gzip"), tag: None, vary: CACHES },
    Case { path: "chunked", fields: "", coding: None, tag: None, vary: CACHES },
    Case { path: "varying", fields: GZIP, coding: Some("gzip"), tag: Some("W/\"b\""), vary: &["Origin, accept-encoding"] },
    Case { path: "fixed", fields: GZIP, coding: None, tag: Some("\"a\""), vary: &[] },
    Case { path: "coded", fields: GZIP, coding: Some("br"), tag: Some("\"a\""), vary: &[] },
    Case { path: "image", fields: GZIP, coding: None, tag: None, vary: &[] },
    Case { path: "untyped", fields: GZIP, coding: None, tag: None, vary: &[] },
    Case { path: "small", fields: GZIP, coding: None, tag: None, vary: CACHES },
    Case { path: "off/page", fields: GZIP, coding: None, tag: Some("\"a\""), vary: &[] },
];

#[test]
fn answers_are_compressed_where_they_may_be() {
    let folder = Folder::new("relayed-codings").expect("a folder");
    let html = "Content-Type: text/html\r\nETag: \"a\"\r\n";
    let page = page();
    let port = serve(vec![
        ("page", with_length(html, &page)),
        ("off/page", with_length(html, &page)),
        ("chunked", in_chunks("Content-Type: application/json\r\n", &page, 1000)),
        ("varying", with_length("Content-Type: text/css\r\nETag: W/\"b\"\r\nVary: Origin, accept-encoding\r\n", &page)),
        ("fixed", with_length(&format!("{html}Cache-Control: public, no-transform\r\n"), &page)),
        ("coded", with_length(&format!("{html}Content-Encoding: br\r\n"), &page)),
        ("image", with_length("Content-Type: image/png\r\n", &page)),
        ("untyped", with_length("", &page)),
        ("small", with_length("Content-Type: text/html\r\n", b"small")),
        ("part", [&b"HTTP/1.1 206 Partial Content\r\nContent-Type: text/html\r\nContent-Range: bytes 0-4999/9000\r\nContent-Length: 5000\r\n\r\n"[..], &page[..5000]].concat()),
        ("none", b"HTTP/1.1 204 No Content\r\nContent-Type: text/html\r\n\r\n".to_vec()),
        ("same", b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_vec()),
        ("image/same", b"HTTP/1.1 304 Not Modified\r\nContent-Type: image/png\r\n\r\n".to_vec()),
    ]);
    let server = start(&folder, port);
    let mut client = server.connect().expect("connect");
    for Case { path, fields, coding, tag, vary } in CASES {
        for method in ["GET", "HEAD"] {
            let what = format!("{method} /{path} {fields:?}");
            let request = format!("{method} /{path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
            client.send(request.as_bytes()).expect("send");
            let asked = if method == "HEAD" { Asked::Head } else { Asked::Other };
            let response = client.response(asked).unwrap_or_else(|failure| panic!("{what}: {failure}"));
            assert_eq!(response.status, 200, "{what}");
            assert_eq!(response.field("content-encoding"), *coding, "{what}");
            assert_eq!(response.field("etag"), *tag, "{what}");
            let found = response.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("vary"));
            assert_eq!(found.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), *vary, "{what}");
            let is_ours = coding.is_some() && *path != "coded";
            assert!(!is_ours || response.field("content-length").is_none(), "{what}");
            if method == "GET" {
                let content =
                    if is_ours { decode(coding.unwrap_or_default(), &response.body) } else { response.body };
                let wanted = if *path == "small" { &b"small"[..] } else { &page };
                assert!(content == wanted, "{what}: another content");
            }
        }
    }
    let caches = CACHES.first().copied();
    for (path, status, len, vary) in [
        ("part", 206, 5000, caches),
        ("none", 204, 0, None),
        ("same", 304, 0, caches),
        ("image/same", 304, 0, None),
    ] {
        client
            .send(format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\n{GZIP}\r\n").as_bytes())
            .expect("send");
        let response = client.response(Asked::Other).expect("a response");
        assert_eq!((response.status, response.body.len()), (status, len), "{path}");
        assert_eq!((response.field("content-encoding"), response.field("vary")), (None, vary), "{path}");
    }
    // An HTTP/1.0 client cannot read chunks.
    client.send(format!("GET /page HTTP/1.0\r\nHost: localhost\r\n{GZIP}\r\n").as_bytes()).expect("send");
    let response = client.response(Asked::Other).expect("a response");
    assert_eq!((response.field("content-encoding"), response.field("vary")), (None, Some("Accept-Encoding")));
    assert!(response.body == page, "another content");
    let counters = server.stop().expect("the server ends in order");
    assert_eq!((counters["compressions_running"], counters["compressions_refused"]), (0, 0));
    assert_eq!(counters["gzip_bytes_in"], 3 * page.len() as u64);
}

/// A server that knows one page, `"a"`, and answers conditions and ranges as RFC 9110 has it. The head that it has got goes
/// to `heads`.
fn serve_conditions(heads: Sender<String>, page: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            while let Some(head) = read_head(&stream) {
                let says = |line: &str| head.contains(&format!("\r\n{line}\r\n"));
                let html = "Content-Type: text/html\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\n";
                let answer = if says("If-None-Match: W/\"a\"") {
                    b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_vec()
                } else if says("If-Match: W/\"a\"") {
                    b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n".to_vec()
                } else if says("Range: bytes=1000-2999") && !says("If-Range: W/\"a\"") {
                    let range = format!("Content-Range: bytes 1000-2999/{}\r\n", page.len());
                    let part = with_length(&format!("{html}{range}"), &page[1000..3000]);
                    [b"HTTP/1.1 206 Partial Content", &part["HTTP/1.1 200 OK".len()..]].concat()
                } else {
                    with_length(html, &page)
                };
                let end = if head.starts_with("HEAD ") { end_of_head(&answer) } else { answer.len() };
                stream.write_all(&answer[..end]).expect("the answer is taken");
                heads.send(head).expect("the test goes on");
            }
        }
    });
    port
}

fn end_of_head(message: &[u8]) -> usize {
    message.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4
}

#[test]
fn conditions_and_ranges_are_those_of_the_other_server() {
    let folder = Folder::new("relayed-conditions").expect("a folder");
    let (heads, received) = channel();
    let page = page();
    let server = start(&folder, serve_conditions(heads, page.clone()));
    let mut client = server.connect().expect("connect");
    let all = page.len();
    // Method, field, status, coding, entity tag, length.
    let cases = [
        ("GET", "If-None-Match: W/\"a\"", 304, None, Some("\"a\""), 0),
        ("HEAD", "If-None-Match: W/\"a\"", 304, None, Some("\"a\""), 0),
        ("GET", "If-None-Match: \"b\"", 200, Some("gzip"), Some("W/\"a\""), all),
        // A weak tag never matches strongly (RFC 9110 section 13.1.1).
        ("GET", "If-Match: W/\"a\"", 412, None, None, 0),
        ("GET", "If-Match: \"a\"", 200, Some("gzip"), Some("W/\"a\""), all),
        ("GET", "Range: bytes=1000-2999", 206, None, Some("\"a\""), 2000),
        ("HEAD", "Range: bytes=1000-2999", 206, None, Some("\"a\""), 0),
        ("GET", "Range: bytes=1000-2999\r\nIf-Range: \"a\"", 206, None, Some("\"a\""), 2000),
        ("GET", "Range: bytes=1000-2999\r\nIf-Range: W/\"a\"", 200, Some("gzip"), Some("W/\"a\""), all),
        ("HEAD", "If-None-Match: \"b\"", 200, Some("gzip"), Some("W/\"a\""), 0),
    ];
    for (method, field, status, coding, tag, len) in cases {
        let what = format!("{method} {field}");
        let request = format!("{method} /page HTTP/1.1\r\nHost: localhost\r\n{GZIP}{field}\r\n\r\n");
        client.send(request.as_bytes()).expect("send");
        let asked = if method == "HEAD" { Asked::Head } else { Asked::Other };
        let response = client.response(asked).unwrap_or_else(|failure| panic!("{what}: {failure}"));
        assert_eq!(response.status, status, "{what}");
        assert_eq!(response.field("content-encoding"), coding, "{what}");
        assert_eq!(response.field("etag"), tag, "{what}");
        assert_eq!(response.field("vary").is_some(), status != 412, "{what}");
        assert_eq!(response.field("accept-ranges").is_some(), status == 206, "{what}");
        let content = match coding {
            Some(coding) if method == "GET" => decode(coding, &response.body),
            _ => response.body,
        };
        assert!(content.len() == len && (len != all || content == page), "{what}: another content");
        // The server has got what the client has sent.
        let head = received.recv_timeout(PATIENCE).expect("a head");
        for line in [field, GZIP.trim_end()] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{what}: {head}");
        }
    }
    server.stop().expect("the server ends in order");
}

/// A server of one client that sends an answer as it is told to.
fn serve_step_by_step(steps: Receiver<&'static [u8]>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        read_head(&stream).expect("a request");
        for step in steps {
            stream.write_all(step).expect("the answer is taken");
        }
    });
    port
}

#[test]
fn what_is_compressed_does_not_keep_others_waiting() {
    const STREAMS: usize = 32;
    /// Answers that somebody gets one after another meanwhile: hundreds as a rule, and a handful where nobody has turns.
    const OTHERS_MIN: usize = 30;
    let html = "Content-Type: text/html\r\n";
    let large = page().repeat(40);
    let port = serve(vec![("large", with_length(html, &large)), ("small", with_length(html, b"small"))]);
    let folder = Folder::new("relayed-turns").expect("a folder");
    let server = start(&folder, port);
    let ask = |path: &str, fields: &str| {
        let mut client = server.connect().expect("connect");
        let request = format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        client.send(request.as_bytes()).expect("send");
        client
    };
    let streams: Vec<_> = (0..STREAMS)
        .map(|_| {
            let mut client = ask("large", GZIP);
            thread::spawn(move || client.response(Asked::Other).map(|response| response.status))
        })
        .collect();
    let mut client = ask("small", "");
    let mut asked = 0;
    while !streams.iter().all(thread::JoinHandle::is_finished) {
        assert_eq!(client.response(Asked::Other).expect("an answer").body, b"small");
        asked += 1;
        client.send(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    }
    assert!(OTHERS_MIN < asked, "{asked} others");
    for stream in streams {
        assert_eq!(stream.join().expect("no panic").expect("an answer"), 200);
    }
}

#[test]
fn events_arrive_when_they_are_sent() {
    let folder = Folder::new("relayed-events").expect("a folder");
    let (step, steps): (Sender<&'static [u8]>, _) = channel();
    let port = serve_step_by_step(steps);
    let server = start(&folder, port);
    let e2e::output::Place::Ip(address) = server.place(1).expect("an address") else {
        panic!("no TCP address")
    };
    let mut client = TcpStream::connect(address).expect("connect");
    client.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    client
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
        .expect("send");
    step.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").expect("a step");
    let head = read_head(&client).expect("a head");
    assert!(head.contains("Content-Encoding: gzip\r\n"), "{head}");
    let mut coded = Vec::new();
    // Nothing is sent before the last event has arrived: one that is held back would never come.
    for event in [&b"data: one\n\n"[..], b"data: two\n\n", b"data: three\n\n"] {
        step.send(event).expect("a step");
        let before = coded.len();
        while !ends_flushed(&coded) || coded.len() == before {
            coded.extend_from_slice(&read_chunk(&mut client));
        }
    }
    drop(step);
    loop {
        let chunk = read_chunk(&mut client);
        if chunk.is_empty() {
            break;
        }
        coded.extend_from_slice(&chunk);
    }
    assert_eq!(decode("gzip", &coded), b"data: one\n\ndata: two\n\ndata: three\n\n");
    server.stop().expect("the server ends in order");
}

/// Whether all that was taken has come out: an empty stored block (RFC 1951 section 3.2.4) is how a flush ends.
fn ends_flushed(coded: &[u8]) -> bool {
    coded.ends_with(&[0, 0, 0xff, 0xff])
}

fn read_chunk(client: &mut TcpStream) -> Vec<u8> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        client.read_exact(&mut byte).expect("a chunk");
        line.push(byte[0]);
    }
    let digits = std::str::from_utf8(&line[..line.len() - 2]).expect("digits");
    let size = usize::from_str_radix(digits, 16).expect("a size");
    let mut chunk = vec![0; size + 2];
    client.read_exact(&mut chunk).expect("all of the chunk");
    chunk.truncate(size);
    chunk
}
