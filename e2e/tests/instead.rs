//! What is sent in place of an upstream's answer: files that it names (X-Accel-Redirect, X-Sendfile) and pages for its
//! errors; and fields, which are changed on both ways.

#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use e2e::response::Asked;
use e2e::{Client, Folder, Options, Server};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 1 },
  "hosts": {
    "localhost": {
      "root": "${root}/public",
      "locations": {
        "/app/": {
          "proxy": "http://127.0.0.1:${port}", "accel": true, "root": "${root}/sent", "compression": {},
          "proxy_headers": { "X-Set": "here", "X-Gone": false, "X-More": { "add": ["1", "2"] } },
          "headers": { "X-Powered-By": false, "X-Here": "app" }
        },
        "/plain/": { "proxy": "http://127.0.0.1:${port}" },
        "/pages/": {
          "proxy": "http://127.0.0.1:${port}", "intercept": true,
          "cors": { "origins": ["https://app.example"] },
          "error_pages": { "404": { "to": "/files/404.html" }, "500": { "text": "ours" } }
        },
        "/files/": { "internal": true, "root": "${root}/inside", "headers": { "X-Here": "files" } },
        "/files/closed/": { "internal": true, "root": "${root}/inside", "access": ["deny all"] },
        "/files/login/": {
          "internal": true, "root": "${root}/inside", "auth": { "realm": "Files", "htpasswd": "${root}/users" }
        },
        "/files/once/": {
          "internal": true, "root": "${root}/inside",
          "shaping": { "client": { "requests": "1r/h", "requests_burst": 1 } }
        },
        "/files/logged/": { "internal": true, "root": "${root}/inside", "access_log": "${root}/logged.log" },
        "/files/front/": { "root": "${root}/inside", "index": ["run.x"] },
        "~ \\.x$": { "proxy": "http://127.0.0.1:${port}", "root": "${root}/inside" }
      }
    }
  }
}"#;

/// What is asked for, what the server behind answers, what comes, and what must be in its head and what not.
type Row =
    (&'static str, &'static str, (u16, &'static str), &'static [&'static str], &'static [&'static str]);

const ROWS: &[Row] = &[
    // A file of an internal location, with some fields of the answer that named it.
    (
        "GET /app/a",
        "200 OK\r\nX-Accel-Redirect: /files/a.txt\r\nContent-Disposition: attachment\r\nSet-Cookie: a=b\r\nX-Other: \
         x\r\nContent-Length: 7\r\n\r\nignored",
        (200, "inside a"),
        &[
            "content-disposition: attachment",
            "set-cookie: a=b",
            "content-type: text/plain",
            "x-here: files",
            "etag: ",
        ],
        &["x-accel-redirect", "x-other", "ignored"],
    ),
    // Ranges and conditions are about the file.
    (
        "GET /app/a|Range: bytes=0-1",
        "200 OK\r\nX-Accel-Redirect: /files/a.txt\r\nContent-Length: 0\r\n\r\n",
        (206, "in"),
        &["content-range: bytes 0-1/8"],
        &[],
    ),
    (
        "GET /app/a|If-None-Match: *",
        "200 OK\r\nX-Accel-Redirect: /files/a.txt\r\n\r\n",
        (304, ""),
        &["etag: "],
        &[],
    ),
    // The location is entered as by everybody else: who is not let in there is not let in by this way.
    (
        "GET /app/a",
        "200 OK\r\nX-Accel-Redirect: /files/closed/c.txt\r\n\r\n",
        (403, "403 Forbidden"),
        &[],
        &["secret"],
    ),
    (
        "GET /app/a",
        "200 OK\r\nX-Accel-Redirect: /files/login/l.txt\r\n\r\n",
        (401, "401 Unauthorized"),
        &["www-authenticate: Basic realm=\"Files\""],
        &["secret"],
    ),
    (
        "GET /app/a|Authorization: Basic YW5uYTp4",
        "200 OK\r\nX-Accel-Redirect: /files/login/l.txt\r\n\r\n",
        (200, "secret l"),
        &[],
        &[],
    ),
    ("GET /app/a", "200 OK\r\nX-Accel-Redirect: /files/once/o.txt\r\n\r\n", (200, "once"), &[], &[]),
    (
        "GET /app/a",
        "200 OK\r\nX-Accel-Redirect: /files/once/o.txt\r\n\r\n",
        (429, "429 Too Many Requests"),
        &["retry-after: "],
        &[],
    ),
    ("GET /app/a", "200 OK\r\nX-Accel-Redirect: /files/logged/t.txt\r\n\r\n", (200, "logged"), &[], &[]),
    // Neither a folder's index nor a place that has others answer shows what others would run.
    (
        "GET /app/a",
        "200 OK\r\nX-Accel-Redirect: /files/front/\r\n\r\n",
        (404, "404 Not Found"),
        &[],
        &["secret"],
    ),
    (
        "GET /app/a",
        "200 OK\r\nX-Accel-Redirect: /files/front/run.x\r\n\r\n",
        (404, "404 Not Found"),
        &[],
        &["secret"],
    ),
    // The type that the answer has is that of a file whose name has none.
    (
        "GET /app/a",
        "200 OK\r\nX-Accel-Redirect: /files/bare\r\nContent-Type: application/x-bare\r\n\r\n",
        (200, "bare"),
        &["content-type: application/x-bare", "etag: "],
        &[],
    ),
    (
        "GET /app/a",
        "200 OK\r\nX-Accel-Redirect: /files/a.txt\r\nContent-Type: application/x-bare\r\n\r\n",
        (200, "inside a"),
        &["content-type: text/plain"],
        &[],
    ),
    // The path is read as one that a client sends.
    ("GET /app/a", "200 OK\r\nX-Accel-Redirect: /files/x/../%61.txt?q\r\n\r\n", (200, "inside a"), &[], &[]),
    (
        "GET /app/a",
        "200 OK\r\nX-Accel-Redirect: /files/../../etc/passwd\r\n\r\n",
        (502, "502 Bad Gateway"),
        &[],
        &[],
    ),
    (
        "GET /app/a",
        "200 OK\r\nX-Accel-Redirect: //evil.example/\r\n\r\n",
        (404, "404 Not Found"),
        &[],
        &["location"],
    ),
    ("GET /app/a", "200 OK\r\nX-Accel-Redirect: /files/none\r\n\r\n", (404, "404 Not Found"), &[], &[]),
    ("GET /app/a", "200 OK\r\nX-Accel-Redirect: /files/.hidden\r\n\r\n", (404, "404 Not Found"), &[], &[]),
    // It leads to files alone: not back to the server.
    ("GET /app/a", "200 OK\r\nX-Accel-Redirect: /app/a\r\n\r\n", (404, "404 Not Found"), &[], &[]),
    // A POST gets it as well.
    (
        "POST /app/a",
        "201 Created\r\nX-Accel-Redirect: /files/a.txt\r\nContent-Length: 0\r\n\r\n",
        (200, "inside a"),
        &[],
        &[],
    ),
    // A file by its path on the machine, below the root of the place and nowhere else.
    (
        "GET /app/a",
        "200 OK\r\nX-Sendfile: ${root}/sent/s.txt\r\n\r\n",
        (200, "sent s"),
        &["x-here: app"],
        &["x-sendfile"],
    ),
    // It is compressed as other files of the place are.
    (
        "GET /app/a|Accept-Encoding: gzip",
        "200 OK\r\nX-Sendfile: ${root}/sent/p.js\r\n\r\n",
        (200, "made beforehand"),
        &["content-encoding: gzip", "vary: Accept-Encoding", "x-here: app"],
        &[],
    ),
    (
        "GET /app/a",
        "200 OK\r\nX-Sendfile: ${root}/sent/p.js\r\n\r\n",
        (200, "script"),
        &["vary: Accept-Encoding"],
        &["content-encoding"],
    ),
    // The folder may have had a slash at its end.
    (
        "GET /app/a",
        "200 OK\r\nX-Sendfile: ${root}/sent//s.txt\r\n\r\n",
        (200, "sent s"),
        &["x-here: app"],
        &["x-sendfile"],
    ),
    (
        "GET /app/a",
        "200 OK\r\nX-Sendfile: ${root}/sent//../inside/a.txt\r\n\r\n",
        (404, "404 Not Found"),
        &[],
        &["x-sendfile"],
    ),
    (
        "GET /app/a",
        "200 OK\r\nX-Sendfile: ${root}/inside/a.txt\r\n\r\n",
        (404, "404 Not Found"),
        &[],
        &["x-sendfile"],
    ),
    (
        "GET /app/a",
        "200 OK\r\nX-Sendfile: ${root}/sent/../inside/a.txt\r\n\r\n",
        (404, "404 Not Found"),
        &[],
        &[],
    ),
    ("GET /app/a", "200 OK\r\nX-Sendfile: /etc/passwd\r\n\r\n", (404, "404 Not Found"), &[], &[]),
    // Where it is not allowed, the fields mean nothing and reach nobody.
    (
        "GET /plain/a",
        "200 OK\r\nX-Accel-Redirect: /files/a.txt\r\nX-Sendfile: /etc/passwd\r\nContent-Length: 4\r\n\r\nbody",
        (200, "body"),
        &[],
        &["x-accel-redirect", "x-sendfile"],
    ),
    // Errors.
    (
        "GET /pages/a",
        "404 Not Found\r\nContent-Length: 6\r\n\r\ntheirs",
        (404, "<p>page</p>"),
        &["x-here: files"],
        &["theirs"],
    ),
    (
        "GET /pages/a",
        "500 Oops\r\nContent-Length: 6\r\n\r\ntheirs",
        (500, "ours"),
        &["content-type: text/plain"],
        &[],
    ),
    // A script of the page that has asked may read why it has failed.
    (
        "GET /pages/a|Origin: https://app.example",
        "404 Not Found\r\nContent-Length: 6\r\n\r\ntheirs",
        (404, "<p>page</p>"),
        &["access-control-allow-origin: https://app.example", "vary: Origin"],
        &[],
    ),
    (
        "GET /pages/a|Origin: https://evil.example",
        "404 Not Found\r\nContent-Length: 6\r\n\r\ntheirs",
        (404, "<p>page</p>"),
        &["vary: Origin"],
        &["access-control"],
    ),
    ("GET /pages/a", "403 Forbidden\r\nContent-Length: 6\r\n\r\ntheirs", (403, "theirs"), &[], &[]),
    ("GET /plain/a", "404 Not Found\r\nContent-Length: 6\r\n\r\ntheirs", (404, "theirs"), &[], &[]),
    // Fields on both ways: the server behind sends back which it has got.
    (
        "GET /app/echo|X-Set: client\r\nX-Gone: client\r\nX-More: 0",
        "200 OK\r\nX-Powered-By: PHP\r\nx-powered-by: more\r\nContent-Length: ${length}\r\n\r\n${echo}",
        (200, "X-More: 0\nX-Set: here\nX-More: 1\nX-More: 2\n"),
        &["x-here: app"],
        &["x-powered-by"],
    ),
    ("GET /files/a.txt", "", (404, "404 Not Found"), &[], &[]),
];

/// Answers each connection's one request as its row says.
fn serve(listener: &TcpListener, root: &str) {
    for stream in listener.incoming().map_while(Result::ok) {
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let Some(_) = lines.next() else { continue };
        let fields: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let Some(row) = fields.iter().find_map(|line| line.strip_prefix("X-Row: ")) else { return };
        let answer = ROWS[row.parse::<usize>().expect("a number")].1;
        let echo: String = fields
            .iter()
            .filter(|line| {
                line.starts_with("X-") && !line.starts_with("X-Row") && !line.starts_with("X-Forwarded")
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let answer = answer
            .replace("${root}", root)
            .replace("${length}", &echo.len().to_string())
            .replace("${echo}", &echo);
        // Whoever has what is wanted may have gone.
        let _ = (&stream).write_all(format!("HTTP/1.1 {answer}").as_bytes());
    }
}

#[test]
fn what_is_sent_in_place_of_an_answer() {
    let folder = Folder::new("instead").expect("a folder");
    for (name, content) in [
        ("public/index.html", "index"),
        ("inside/files/a.txt", "inside a"),
        ("inside/files/.hidden", "hidden"),
        ("inside/files/closed/c.txt", "secret c"),
        ("inside/files/login/l.txt", "secret l"),
        ("inside/files/once/o.txt", "once"),
        ("inside/files/front/run.x", "secret source"),
        ("inside/files/bare", "bare"),
        ("inside/files/logged/t.txt", "logged"),
        ("users", "anna:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=\n"),
        ("inside/files/404.html", "<p>page</p>"),
        ("sent/s.txt", "sent s"),
        ("sent/p.js", "script"),
        ("sent/p.js.gz", "made beforehand"),
    ] {
        folder.write(name, content.as_bytes()).expect("write");
    }
    let root = folder.path().to_string_lossy().into_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let text = CONFIGURATION.replace("${root}", &root).replace("${port}", &address.port().to_string());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let place = server.place(1).expect("an address");
    let behind = thread::spawn({
        let root = root.clone();
        move || serve(&listener, &root)
    });
    let mut wrong = Vec::new();
    for (number, (request, _, (status, body), has, lacks)) in ROWS.iter().enumerate() {
        let (line, more) = request.split_once('|').unwrap_or((request, "X-None: 0"));
        let length = if line.starts_with("POST") { "Content-Length: 0\r\n" } else { "" };
        let text = format!("{line} HTTP/1.1\r\nHost: localhost\r\nX-Row: {number}\r\n{more}\r\n{length}\r\n")
            .replace("X-None: 0\r\n", "");
        let mut client = Client::connect(&place).expect("a connection");
        client.send(text.as_bytes()).expect("it takes the request");
        let response = client.response(Asked::Other).unwrap_or_else(|failure| panic!("{request}: {failure}"));
        let head: String = response
            .fields
            .iter()
            .map(|(name, value)| format!("{}: {value}\n", name.to_lowercase()))
            .collect();
        let got = String::from_utf8_lossy(&response.body).into_owned();
        let fits = response.status == *status
            && (got == *body || 400 <= *status && got.contains(body))
            && has.iter().all(|part| head.contains(part))
            && lacks.iter().all(|part| !head.contains(part) && !got.contains(part));
        if !fits {
            wrong.push(format!("row {number}, {request}: {} {head}{got}", response.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // A request without a row ends it.
    TcpStream::connect(address)
        .and_then(|mut stream| stream.write_all(b"GET / HTTP/1.1\r\n\r\n"))
        .expect("it is there");
    behind.join().expect("no panic");
    server.stop().expect("the server ends in order");
    let log = std::fs::read_to_string(folder.path().join("logged.log"))
        .expect("the log of where a request has ended");
    assert_eq!(log.lines().count(), 1, "{log}");
}
