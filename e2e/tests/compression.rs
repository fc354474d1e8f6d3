//! Contents that are compressed on their way, read back by the tools that others read them with.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use e2e::coded::decode;
use e2e::output::Place;
use e2e::response::{Asked, Response};
use e2e::{Folder, Options, Outcome, PATIENCE, Server};

const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

/// Bytes from which on a content is compressed, that are compressed at a time, and up to which the result is kept.
const LIMITS: [usize; 3] = [1024, 128 * 1024, 300 * 1024];

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0"],
    "shards": 1,
    "limits": { "compressions_per_shard": 2 },
    "timeouts": { "drain": "1s" },
    "file_cache": { "compressed_body": "300k" }
  },
  "hosts": { "localhost": { "root": "${root}", "compression": { "codings": ["gzip", "br", "zstd"] } } }
}"#;

/// Words of a page, in an order that does not repeat soon.
fn text(len: usize) -> Vec<u8> {
    const WORDS: [&str; 8] =
        ["<p class=\"", "name", "\">", " value ", "of the ", "</p>\n", "{\"key\": ", "1234"];
    let mut state = len as u64 | 1;
    let mut text = Vec::with_capacity(len + 16);
    while text.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(WORDS[(state >> 61) as usize].as_bytes());
        text.push(b'a' + (state >> 40) as u8 % 26);
    }
    text.truncate(len);
    text
}

fn start(folder: &Folder) -> Server {
    let root = folder.path().join("www");
    let configuration = CONFIGURATION.replace("${root}", &root.to_string_lossy());
    let configuration = folder.write("kimura.conf", configuration.as_bytes()).expect("write");
    Server::start(&configuration, &Options::default()).expect("the server starts")
}

fn ask(server: &Server, name: &str, fields: &str) -> Outcome<Response> {
    let mut client = server.connect()?;
    client.send(format!("GET /{name} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").as_bytes())?;
    client.response(Asked::Other)
}

#[test]
fn contents_come_back_whatever_their_size() {
    let folder = Folder::new("codings").expect("a folder");
    let around = LIMITS.into_iter().flat_map(|limit| [limit - 1, limit, limit + 1]);
    let sizes: Vec<usize> = [0, 1].into_iter().chain(around).chain([70_000, 1_000_000]).collect();
    for &size in &sizes {
        folder.write(&format!("www/{size}.html"), &text(size)).expect("write");
    }
    let server = start(&folder);
    // All over one connection: what follows a content shows whether its end was where it was said to be.
    let mut client = server.connect().expect("connect");
    for coding in CODINGS {
        for &size in &sizes {
            // The second time, small ones are taken from memory.
            for round in ["made", "kept"] {
                let request = format!(
                    "GET /{size}.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {coding}\r\n\r\n"
                );
                client.send(request.as_bytes()).expect("send");
                let response = client.response(Asked::Other).expect("a response");
                let what = format!("{size} bytes, {coding}, {round}");
                assert_eq!(response.status, 200, "{what}");
                assert_eq!(response.field("vary"), Some("Accept-Encoding"), "{what}");
                let is_coded = LIMITS[0] <= size;
                assert_eq!(response.field("content-encoding"), is_coded.then_some(coding), "{what}");
                let is_kept = size <= LIMITS[2];
                assert_eq!(response.field("content-length").is_some(), is_kept, "{what}");
                let tag = response.field("etag").expect("an entity tag");
                assert_eq!(tag.starts_with("W/"), is_coded, "{what}: {tag}");
                assert_eq!(response.field("accept-ranges").is_some(), !is_coded, "{what}");
                let content = if is_coded { decode(coding, &response.body) } else { response.body };
                assert!(content == text(size), "{what}: another content");
            }
        }
    }
    let counters = server.stop().expect("the server ends in order");
    let kept = sizes.iter().filter(|&&size| (LIMITS[0]..=LIMITS[2]).contains(&size)).count();
    assert_eq!(counters["compressed_hits"], (kept * CODINGS.len()) as u64);
    let streamed: usize = 2 * sizes.iter().filter(|&&size| LIMITS[2] < size).sum::<usize>();
    let once: usize = sizes.iter().filter(|&&size| (LIMITS[0]..=LIMITS[2]).contains(&size)).sum();
    for name in ["gzip", "brotli", "zstd"] {
        assert_eq!(counters[&format!("{name}_bytes_in")], (streamed + once) as u64, "{name}");
        assert!(counters[&format!("{name}_bytes_out")] < (streamed + once) as u64 / 2, "{name}");
    }
    assert_eq!((counters["compressions_running"], counters["compressions_refused"]), (0, 0));
}

#[test]
fn curl_reads_what_it_asks_for() {
    let folder = Folder::new("curl-compressed").expect("a folder");
    for size in [50_000, 2_000_000] {
        folder.write(&format!("www/{size}.html"), &text(size)).expect("write");
    }
    let server = start(&folder);
    let Place::Ip(address) = server.place(1).expect("an address") else {
        panic!("a TCP address is configured")
    };
    for size in [50_000, 2_000_000] {
        for version in ["--http1.1", "--http1.0"] {
            let url = format!("http://{address}/{size}.html");
            let output = Command::new("curl")
                .args(["--silent", "--show-error", "--compressed", "-H", "Host: localhost", version, &url])
                .output()
                .expect("curl, which `cargo xtask setup` installs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(output.stdout == text(size), "{size} bytes, {version}");
        }
    }
    server.stop().expect("the server ends in order");
}

/// Bytes of text that a client takes its time to read.
const LARGE: usize = 64 << 20;
/// What that may cost in memory: an encoder, a piece of the file, and two pieces on their way.
const MEMORY_MAX: u64 = 8 << 20;

#[test]
fn a_slow_reader_costs_no_more_than_its_pieces() {
    let folder = Folder::new("slow-codings").expect("a folder");
    // Such that much comes out: what is held back would show.
    let content = noisy(LARGE);
    folder.write("www/large.txt", &content).expect("write");
    let server = start(&folder);
    let Place::Ip(address) = server.place(1).expect("an address") else {
        panic!("a TCP address is configured")
    };
    let before = server.resident().expect("memory");
    let mut reader = TcpStream::connect_timeout(&address, PATIENCE).expect("connect");
    reader.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let request =
        b"GET /large.txt HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
    reader.write_all(request).expect("send");
    let mut received = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut most = 0;
    loop {
        match reader.read(&mut buffer).expect("receive") {
            0 => break,
            read => received.extend_from_slice(&buffer[..read]),
        }
        // A look at all processes between two reads is what makes it slow.
        most = most.max(server.resident().expect("memory"));
    }
    let grown = most.saturating_sub(before);
    assert!(grown < MEMORY_MAX, "memory grew by {grown} bytes");
    let head = e2e::response::head(&received, Asked::Other).expect("a head").expect("all of it");
    assert_eq!(head.response.field("content-encoding"), Some("gzip"));
    let coded = unchunk(&received[head.length..]);
    assert!(coded.len() > LARGE / 3, "{} bytes are too few to tell anything", coded.len());
    assert!(decode("gzip", &coded) == content, "another content");
    let counters = server.stop().expect("the server ends in order");
    assert_eq!((counters["gzip_bytes_in"], counters["gzip_bytes_out"]), (LARGE as u64, coded.len() as u64));
}

/// Hexadecimal digits of no pattern: half their size is all that can be gained.
fn noisy(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut digits = Vec::with_capacity(len);
    while digits.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        digits.push(b"0123456789abcdef"[(state >> 60) as usize]);
    }
    digits
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("the size of a chunk");
        let digits = std::str::from_utf8(&rest[..end]).expect("digits");
        let size = usize::from_str_radix(digits, 16).expect("a size");
        if size == 0 {
            assert_eq!(&rest[end..], b"\r\n\r\n", "the end");
            return content;
        }
        content.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = rest[end + 2 + size..].strip_prefix(b"\r\n").expect("the end of a chunk");
    }
}

#[test]
fn no_more_are_compressed_than_may_be_and_who_leaves_frees_a_place() {
    let folder = Folder::new("few-codings").expect("a folder");
    folder.write("www/large.txt", &noisy(LARGE)).expect("write");
    folder.write("www/small.html", &text(2000)).expect("write");
    let server = start(&folder);
    let begin = || {
        let mut client = server.connect().expect("connect");
        let request = "GET /large.txt HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n";
        client.send(request.as_bytes()).expect("send");
        client
    };
    let holders = [begin(), begin()];
    server
        .wait_counters("two that are being compressed", |now| now.get("compressions_running") == Some(&2))
        .expect("two that are being compressed");
    // Small or large: the place is missing.
    for name in ["small.html", "large.txt"] {
        let mut client = server.connect().expect("connect");
        let request = format!("GET /{name} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
        client.send(request.as_bytes()).expect("send");
        let response = client.response(Asked::Other).expect("a response");
        assert_eq!((response.status, response.field("content-encoding")), (200, None), "{name}");
        assert_eq!(response.field("vary"), Some("Accept-Encoding"), "{name}");
    }
    drop(holders);
    let is_over = |now: &e2e::ledger::Counters| now.get("compressions_running") == Some(&0);
    server.wait_counters("an end of both", is_over).expect("an end of both");
    let response = ask(&server, "small.html", "Accept-Encoding: gzip\r\n").expect("a response");
    assert_eq!(response.field("content-encoding"), Some("gzip"));
    let counters = server.stop().expect("the server ends in order");
    assert_eq!((counters["compressions_refused"], counters["requests_aborted"]), (2, 2));
}

/// Clients that ask for the same file at the same time.
const CROWD: usize = 8;

#[test]
fn a_file_is_compressed_once_however_many_ask_for_it() {
    let folder = Folder::new("crowd-codings").expect("a folder");
    let content = text(LIMITS[2]);
    folder.write("www/page.html", &content).expect("write");
    let server = start(&folder);
    let mut crowd: Vec<_> = (0..CROWD).map(|_| server.connect().expect("connect")).collect();
    for client in &mut crowd {
        let request = "GET /page.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: br\r\n\r\n";
        client.send(request.as_bytes()).expect("send");
    }
    for client in &mut crowd {
        let response = client.response(Asked::Other).expect("a response");
        assert_eq!((response.status, response.field("vary")), (200, Some("Accept-Encoding")));
        let is_coded = response.field("content-encoding").is_some();
        let got = if is_coded { decode("br", &response.body) } else { response.body };
        assert!(got == content, "another content");
    }
    let counters = server.stop().expect("the server ends in order");
    assert_eq!((counters["brotli_bytes_in"], counters["compressions_refused"]), (content.len() as u64, 0));
}

/// Contents that are compressed at the same time: more than there are places for jobs.
const MANY: usize = 1500;

#[test]
fn nothing_is_cut_where_too_many_wait_for_jobs() {
    let folder = Folder::new("many-codings").expect("a folder");
    // Just enough to be compressed: as slowly as can be, which takes far longer than to ask for it.
    let content = text(LIMITS[0]);
    folder.write("www/page.html", &content).expect("write");
    let configuration = CONFIGURATION
        .replace("${root}", &folder.path().join("www").to_string_lossy())
        .replace("\"compressions_per_shard\": 2", &format!("\"compressions_per_shard\": {MANY}"))
        .replace("300k", "1000")
        .replace("\"zstd\"]", "\"zstd\"], \"br_level\": 11");
    let configuration = folder.write("kimura.conf", configuration.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let mut crowd: Vec<_> = (0..MANY).map(|_| server.connect().expect("connect")).collect();
    for client in &mut crowd {
        let request = "GET /page.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: br\r\n\r\n";
        client.send(request.as_bytes()).expect("send");
    }
    let mut coded = 0;
    for client in &mut crowd {
        let response = client.response(Asked::Other).expect("a response, and all of it");
        let is_coded = response.field("content-encoding").is_some();
        coded += usize::from(is_coded);
        // What is coded is decoded by programs elsewhere; here its end is enough.
        assert!(is_coded || response.body == content, "another content");
    }
    let counters = server.stop().expect("the server ends in order");
    assert_eq!(counters["requests_aborted"], 0);
    assert!(counters["jobs_refused"] > 0, "there were places for all");
    assert_eq!(coded as u64 + counters["jobs_refused"], MANY as u64);
}

#[test]
fn a_listing_is_compressed_whatever_its_size() {
    let folder = Folder::new("listing-codings").expect("a folder");
    for number in 0..1000 {
        folder
            .write(&format!("www/many/a file of this name is the one with the number {number}"), b"")
            .expect("write");
    }
    folder.write("www/few/a", b"").expect("write");
    let configuration = CONFIGURATION
        .replace("${root}", &folder.path().join("www").to_string_lossy())
        .replace("\"compression\":", "\"listing\": \"auto\", \"compression\":");
    let configuration = folder.write("kimura.conf", configuration.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let mut uncoded = 0;
    for (name, accept) in [("many", "text/html"), ("many", "application/json"), ("few", "text/html")] {
        let accept = format!("Accept: {accept}\r\n");
        let plain = ask(&server, &format!("{name}/"), &accept).expect("a response");
        let fields = format!("{accept}Accept-Encoding: br;q=0.5, gzip\r\n");
        let coded = ask(&server, &format!("{name}/"), &fields).expect("a response");
        let varies = |response: &Response| {
            let vary = response.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("vary"));
            vary.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        assert_eq!((plain.status, plain.field("content-encoding")), (200, None), "{name}");
        assert_eq!((coded.status, coded.field("content-encoding")), (200, Some("gzip")), "{name}");
        assert_eq!(varies(&plain), ["Accept-Encoding", "Accept"], "{name}");
        assert_eq!(varies(&coded), varies(&plain), "{name}");
        assert!(coded.body.len() < plain.body.len(), "{name}");
        assert!(decode("gzip", &coded.body) == plain.body, "{name}: another content");
        uncoded += plain.body.len() as u64;
    }
    // What is too short stays as it is.
    let short =
        ask(&server, "few/", "Accept: application/json\r\nAccept-Encoding: gzip\r\n").expect("a response");
    assert_eq!((short.field("content-encoding"), short.field("vary")), (None, Some("Accept")));
    let counters = server.stop().expect("the server ends in order");
    assert_eq!((counters["gzip_bytes_in"], counters["compressions_running"]), (uncoded, 0));
}

#[test]
fn what_cannot_get_smaller_is_tried_once() {
    let folder = Folder::new("futile-codings").expect("a folder");
    let mut state = 1_u64;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(20_000)
    .collect();
    folder.write("www/random.txt", &random).expect("write");
    let server = start(&folder);
    for _ in 0..3 {
        let response = ask(&server, "random.txt", "Accept-Encoding: gzip\r\n").expect("a response");
        assert_eq!((response.status, response.field("content-encoding")), (200, None));
        assert!(response.body == random, "another content");
    }
    let counters = server.stop().expect("the server ends in order");
    assert_eq!(counters["gzip_bytes_in"], random.len() as u64);
}

#[test]
fn the_log_tells_the_ratio() {
    let folder = Folder::new("ratio").expect("a folder");
    folder.write("www/page.html", &b"0123456789abcdef\n".repeat(6000)).expect("write");
    let (log, json) = (folder.path().join("ratio.log"), folder.path().join("json.log"));
    let configuration = CONFIGURATION.replace("${root}", &folder.path().join("www").to_string_lossy()).replace(
        "\"hosts\"",
        &format!(
            r#""logs": {{ "r": {{ "file": "{}", "format": "$gzip_ratio $body_bytes_sent" }}, "j": {{ "file": "{}" }} }},
            "defaults": {{ "access_log": ["r", "j"] }}, "hosts""#,
            log.display(),
            json.display()
        ),
    );
    let configuration = folder.write("kimura.conf", configuration.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let coded = ask(&server, "page.html", "Accept-Encoding: br\r\n").expect("a response").body.len();
    ask(&server, "page.html", "").expect("a response");
    server.stop().expect("the server ends in order");
    let hundredths = 102_000 * 100 / coded;
    let ratio = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    assert_eq!(read(&log), format!("{ratio} {coded}\n- 102000\n"));
    let json = read(&json);
    let lines: Vec<&str> = json.lines().collect();
    assert!(lines[0].contains(&format!("\"compression_ratio\":{ratio}")), "{json}");
    assert!(lines[1].contains("\"compression_ratio\":null"), "{json}");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("the log")
}
