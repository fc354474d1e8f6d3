//! Every kind of response, judged by httplint: no note of level "bad" is allowed.

#![forbid(unsafe_code)]

use e2e::response::{Asked, Response};
use e2e::{Folder, Options, Outcome, Server, python};

/// Notes that are wrong about us, each with its reason: (exchange, part of the note).
const LET_PASS: [(&str, &str); 3] = [
    // RFC 9110 15.3.7.2: with several parts, Content-Range stands in each part and not in the head.
    ("ranges", "doesn't have a Content-Range header"),
    // These tell what the status means, not what is wrong with the response.
    ("target-too-long", "won't accept a URI this long"),
    ("version", "HTTP version isn't supported"),
];

/// What is asked: name, status, request. `@TAG@` stands for the entity tag of /index.html.
const EXCHANGES: &[(&str, u16, &str)] = &[
    ("get", 200, "GET /index.html HTTP/1.1\r\nHost: localhost\r\n"),
    ("get-binary", 200, "GET /image.png HTTP/1.1\r\nHost: localhost\r\n"),
    ("get-empty", 200, "GET /empty.txt HTTP/1.1\r\nHost: localhost\r\n"),
    ("head", 200, "HEAD /index.html HTTP/1.1\r\nHost: localhost\r\n"),
    ("head-missing", 404, "HEAD /missing HTTP/1.1\r\nHost: localhost\r\n"),
    ("options-server", 0, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n"),
    ("options-file", 0, "OPTIONS /index.html HTTP/1.1\r\nHost: localhost\r\n"),
    ("range", 206, "GET /index.html HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-3\r\n"),
    ("ranges", 206, "GET /index.html HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1,4-5\r\n"),
    ("coded", 200, "GET /page.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip, br\r\n"),
    ("coded-head", 200, "HEAD /page.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n"),
    ("coded-large", 200, "GET /large.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n"),
    ("coded-sibling", 200, "GET /sibling.txt HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n"),
    (
        "coded-range",
        206,
        "GET /page.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nRange: bytes=0-3\r\n",
    ),
    ("redirect", 301, "GET /folder HTTP/1.1\r\nHost: localhost\r\n"),
    ("not-modified", 304, "GET /index.html HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: @TAG@\r\n"),
    ("bad-request", 400, "GET /index.html HTTP/1.1\r\nHost: localhost\r\nBad Name: x\r\n"),
    ("hidden", 0, "GET /.hidden HTTP/1.1\r\nHost: localhost\r\n"),
    ("no-index", 0, "GET /folder/ HTTP/1.1\r\nHost: localhost\r\n"),
    ("missing", 404, "GET /missing HTTP/1.1\r\nHost: localhost\r\n"),
    ("not-allowed", 405, "DELETE /index.html HTTP/1.1\r\nHost: localhost\r\n"),
    ("trace", 0, "TRACE /index.html HTTP/1.1\r\nHost: localhost\r\n"),
    ("failed", 412, "GET /index.html HTTP/1.1\r\nHost: localhost\r\nIf-Match: \"no\"\r\n"),
    ("too-large", 413, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n"),
    ("target-too-long", 414, "GET /@LONG@ HTTP/1.1\r\nHost: localhost\r\n"),
    ("unsatisfiable", 416, "GET /index.html HTTP/1.1\r\nHost: localhost\r\nRange: bytes=999-\r\n"),
    ("expectation", 417, "GET /index.html HTTP/1.1\r\nHost: localhost\r\nExpect: more\r\n"),
    ("misdirected", 421, "GET /index.html HTTP/1.1\r\nHost: elsewhere.example\r\n"),
    ("fields-too-large", 431, "GET /index.html HTTP/1.1\r\nHost: localhost\r\nCookie: @LONG@\r\n"),
    ("unknown-method", 501, "FROB /index.html HTTP/1.1\r\nHost: localhost\r\n"),
    ("unknown-coding", 501, "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: br, chunked\r\n"),
    ("version", 505, "GET /index.html HTTP/3.0\r\nHost: localhost\r\n"),
    ("listing", 200, "GET /listed/ HTTP/1.1\r\nHost: localhost\r\n"),
    ("listing-json", 200, "GET /listed/ HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"),
    ("listing-head", 200, "HEAD /listed/ HTTP/1.1\r\nHost: localhost\r\n"),
    ("error-json", 404, "GET /listed/none HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"),
    (
        "preflight",
        0,
        "OPTIONS /listed/ HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n\
         Access-Control-Request-Method: GET\r\n",
    ),
    ("other-origin", 200, "GET /listed/ HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n"),
    ("metrics", 200, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"),
    ("echo", 200, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"),
];

const CONFIGURATION: &str = r#"{
  "default_host": "refuse",
  "server": {
    "listen": ["127.0.0.1:0"],
    "limits": { "head_size": 4096, "target_size": 2000 },
    "file_cache": { "compressed_body": "64k" }
  },
  "hosts": {
    "localhost": {
      "root": "${root}",
      "body_size": 500,
      "compression": { "codings": ["gzip", "br"] },
      "locations": {
        "/echo": { "handler": "echo" },
        "= /metrics": { "handler": "metrics", "access": ["allow from 127.0.0.1", "deny all"] },
        "/listed/": {
          "listing": "auto", "error_format": "auto", "security": "strict", "cache": { "*": "1h" },
          "cors": { "origins": ["https://a.example"], "credentials": true }
        }
      }
    }
  }
}"#;

/// `hello`, and a newline.
const GZIPPED: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\xe7\x02\0\x20\x30\x3a\x36\x06\0\0\0";

#[test]
fn has_no_bad_note() {
    let folder = Folder::new("httplint").expect("a folder");
    let page = |len: usize| b"<!doctype html><title>page</title><p>again, ".iter().copied().cycle().take(len);
    for (name, content) in [
        ("www/page.html", &*page(5_000).collect::<Vec<u8>>()),
        ("www/large.html", &*page(100_000).collect::<Vec<u8>>()),
        ("www/sibling.txt", b"hello\n"),
        ("www/sibling.txt.gz", GZIPPED),
        ("www/index.html", b"<!doctype html><title>index</title>\n"),
        ("www/image.png", b"\x89PNG\r\n\x1a\n"),
        ("www/empty.txt", b""),
        ("www/folder/file.txt", b"x\n"),
        ("www/listed/file.txt", b"x\n"),
    ] {
        folder.write(name, content).expect("write");
    }
    let root = folder.path().join("www");
    let text = CONFIGURATION.replace("${root}", &root.to_string_lossy());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let mut faults = record(&server, &folder);
    server.stop().expect("the server ends in order");
    faults.extend(lint(&folder));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Makes every exchange and writes both messages down; returns wrong statuses.
fn record(server: &Server, folder: &Folder) -> Vec<String> {
    let (_, index) = exchange(server, EXCHANGES[0].2).expect("the index");
    let tag = index.field("etag").expect("an entity tag").to_owned();
    let mut faults = Vec::new();
    for (name, status, request) in EXCHANGES {
        let request = request.replace("@TAG@", &tag).replace("@LONG@", &"l".repeat(5000));
        match exchange(server, &request) {
            Ok((_, response)) if *status != 0 && response.status != *status => {
                faults.push(format!("{name}: status {}, wanted {status}", response.status));
            }
            Ok((sent, response)) => {
                folder.write(&format!("messages/{name}.request"), sent.as_bytes()).expect("write");
                let message = [response.head, response.body].concat();
                folder.write(&format!("messages/{name}.response"), &message).expect("write");
            }
            Err(failure) => faults.push(format!("{name}: {failure}")),
        }
    }
    faults
}

fn exchange(server: &Server, request: &str) -> Outcome<(String, Response)> {
    let sent = format!("{request}User-Agent: e2e\r\n\r\n");
    let mut client = server.connect()?;
    client.send(sent.as_bytes())?;
    let asked = if sent.starts_with("HEAD ") { Asked::Head } else { Asked::Other };
    let response = client.response(asked)?;
    Ok((sent, response))
}

fn lint(folder: &Folder) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/httplint/lint.py");
    let output = python::run(&[script.into(), folder.path().join("messages").into()]).expect("python");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.trim_end().ends_with("responses"),
        "httplint did not run; `cargo xtask setup` installs it and prints what to set\n{text}{errors}"
    );
    let notes = text.lines().filter(|line| line.starts_with("bad\t"));
    notes.filter(|line| !is_let_pass(line)).map(str::to_owned).collect()
}

fn is_let_pass(line: &str) -> bool {
    LET_PASS.iter().any(|(name, note)| line.split('\t').nth(1) == Some(name) && line.contains(note))
}
