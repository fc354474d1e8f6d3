//! Scripts in a real PHP-FPM.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use e2e::origin::open_to_all;
use e2e::output::Place;
use e2e::response::Asked;
use e2e::{Client, Folder, Options, PATIENCE, Server, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 1 },
  "defaults": { "body_size": "200M" },
  "upstreams": { "php": {
    "servers": ["unix:${folder}/php.sock"], "protocol": "fastcgi", ${keep_alive}
    "fastcgi": { "variables": { "APP_ENV": "test" } }
  } },
  "hosts": { "localhost": {
    "root": "${folder}/www", "index": ["index.php", "index.html"],
    "try": ["$path", "$path/", "/index.php?$query"],
    "locations": { "~ \\.php(/|$)": { "proxy": "php" }, "/scripts/": { "proxy": "php" }, "= /closed/index.php": { "access": ["deny all"] } }
  } }
}"#;

/// PHP-FPM, and the server before it.
struct Site {
    folder: Folder,
    fpm: Child,
    server: Server,
}

impl Site {
    fn new(keep_alive: &str) -> Site {
        let folder = Folder::new("php").expect("a folder");
        open_to_all(folder.path()).expect("chmod");
        let origins = Path::new(env!("CARGO_MANIFEST_DIR")).join("origins");
        let fill = |text: &str| {
            text.replace("${keep_alive}", keep_alive).replace("${folder}", &folder.path().to_string_lossy())
        };
        let text = |name| std::fs::read_to_string(origins.join(name)).expect("a file of ours");
        folder.write("www/page.php", text("page.php").as_bytes()).expect("write");
        for name in [
            "www/scripts/index.php",
            "www/.hidden.php",
            "www/index.php",
            "www/admin/index.php",
            "www/closed/index.php",
            "www/cat.jpg",
        ] {
            folder.write(name, text("page.php").as_bytes()).expect("write");
        }
        let pool = folder.write("php-fpm.conf", fill(&text("php-fpm.conf")).as_bytes()).expect("write");
        let fpm = start_fpm(&folder, &pool);
        let configuration = folder.write("kimura.conf", fill(CONFIGURATION).as_bytes()).expect("write");
        let server = Server::start(&configuration, &Options::default()).expect("the server starts");
        Site { folder, fpm, server }
    }

    fn connect(&self) -> Client {
        self.server.connect().expect("a connection")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.fpm.kill();
        let _ = self.fpm.wait();
    }
}

/// Starts PHP-FPM; comes back when it listens.
fn start_fpm(folder: &Folder, pool: &Path) -> Child {
    let said = File::create(folder.path().join("said")).expect("a file");
    let mut command = Command::new(php_fpm());
    command.arg("--nodaemonize").arg("--fpm-config").arg(pool);
    if Uid::effective().is_root() {
        // Otherwise it wants another user to be named.
        command.arg("--allow-to-run-as-root");
    }
    let fpm = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
    let fpm = fpm.expect("a program that `cargo xtask setup` installs");
    until("PHP-FPM listens", || UnixStream::connect(folder.path().join("php.sock")).is_ok());
    fpm
}

/// The program, which has its version in its name.
fn php_fpm() -> PathBuf {
    let programs = std::fs::read_dir("/usr/sbin").expect("a folder").flatten();
    let mut found = programs.filter(|entry| entry.file_name().to_string_lossy().starts_with("php-fpm"));
    found.next().expect("a program that `cargo xtask setup` installs").path()
}

fn ask(client: &mut Client, head: &str, body: &[u8]) -> e2e::Response {
    let method = if head.starts_with("HEAD") { Asked::Head } else { Asked::Other };
    let text = format!("{head}\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send(text.as_bytes()).expect("send");
    client.send(body).expect("send");
    client.response(method).expect("a response")
}

fn get(client: &mut Client, target: &str, fields: &str) -> e2e::Response {
    ask(client, &format!("GET {target} HTTP/1.1{fields}"), b"")
}

fn text(response: &e2e::Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}

#[test]
fn a_script_sees_its_request_and_is_answered() {
    let site = Site::new("");
    let mut client = site.connect();
    let fields = "\r\nProxy: http://evil.example\r\nX-List: a\r\nX-List: b";
    let seen = get(&mut client, "/page.php/more/of%20it?do=show&x=1", fields);
    let script = site.folder.path().join("www/page.php");
    let expected = format!(
        "REQUEST_METHOD=GET\nSCRIPT_FILENAME={}\nPATH_INFO=/more/of it\nQUERY_STRING=do=show&x=1\n\
         REMOTE_ADDR=127.0.0.1\nSERVER_PROTOCOL=HTTP/1.1\nHTTP_HOST=localhost\nHTTP_PROXY=(none)\n\
         HTTP_X_LIST=a, b\nAPP_ENV=test\n",
        script.display()
    );
    assert_eq!((seen.status, text(&seen)), (200, expected));
    assert_eq!(seen.field("X-Script"), Some("/page.php"));

    for (target, status, body) in [
        ("/scripts/", 200, None),
        ("/missing.php", 404, None),
        ("/.hidden.php", 404, None),
        ("/scripts/page", 404, None),
        ("/page.php?do=redirect", 302, Some("")),
        ("/page.php?do=empty", 204, Some("")),
        ("/page.php?do=complain", 503, Some("not now")),
    ] {
        let response = get(&mut client, target, "");
        assert_eq!(response.status, status, "{target}");
        assert!(body.is_none_or(|body| text(&response) == body), "{target}: {}", text(&response));
    }
    let head = ask(&mut client, "HEAD /page.php HTTP/1.1", b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let large = get(&mut client, "/page.php?do=large", "");
    assert_eq!(large.body.len(), 10_000_000);
    until("the error log has what the script said", || site.server.heard(r"something is\tamiss") == 1);
    until("and of whom that is", || 0 < site.server.heard("upstream php: "));
}

/// A front controller as WordPress has one: files are sent, all else is for its script.
#[test]
fn an_application_with_one_entrance_answers_everywhere() {
    let site = Site::new("");
    let mut client = site.connect();
    for (target, status, script) in [
        ("/?a=b", 200, Some("/index.php")),
        ("/2026/a-title/?a=b", 200, Some("/index.php")),
        ("/no/file.css", 200, Some("/index.php")),
        ("/admin/?a=b", 200, Some("/admin/index.php")),
        ("/closed/", 403, None),
        // What is there is sent, and what was sent as a picture is not run.
        ("/cat.jpg", 200, None),
        ("/cat.jpg/x.php", 404, None),
        ("/none.php", 404, None),
    ] {
        let response = get(&mut client, target, "");
        let seen = (response.status, response.field("X-Script"));
        assert_eq!(seen, (status, script), "{target}: {}", text(&response));
        let is_source = text(&response).starts_with("<?php");
        assert_eq!(is_source, target == "/cat.jpg", "{target}: {}", text(&response));
    }
    for target in ["/?do=post", "/admin/?do=post", "/some/where?do=post"] {
        let head = format!("POST {target} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded");
        let posted = ask(&mut client, &head, b"a=b");
        assert_eq!((posted.status, text(&posted)), (200, r#"{"a":"b"}"#.to_owned()), "{target}");
    }
}

/// What PHP says of a request's content, with connections that are kept and without.
#[test]
fn a_script_gets_what_is_posted() {
    for keep_alive in ["", r#""keep_alive": 1,"#] {
        let site = Site::new(keep_alive);
        let mut client = site.connect();
        for _ in 0..5 {
            let head = "POST /page.php?do=post HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
            let posted = ask(&mut client, head, b"a=b&c=d%20e");
            assert_eq!((posted.status, text(&posted)), (200, r#"{"a":"b","c":"d e"}"#.to_owned()));
            let digest = ask(&mut client, "PUT /page.php?do=digest HTTP/1.1", &[b'x'; 100_000]);
            assert!(text(&digest).starts_with("100000 "), "{}", text(&digest));
        }
        client
            .send(b"POST /page.php?do=post HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            .expect("send");
        // A script is told the length before it gets the content.
        assert_eq!(client.response(Asked::Other).expect("a response").status, 411);
    }
}

/// Its socket goes with it, and comes again.
#[test]
fn php_fpm_that_is_started_again_is_found_again() {
    for keep_alive in ["", r#""keep_alive": 1,"#] {
        let mut site = Site::new(keep_alive);
        // Who is refused before its content was read comes by another connection.
        let post =
            |site: &Site| ask(&mut site.connect(), "POST /page.php?do=digest HTTP/1.1", b"hello").status;
        assert_eq!(post(&site), 200);
        kill(Pid::from_raw(site.fpm.id().cast_signed()), Signal::SIGTERM).expect("it runs");
        site.fpm.wait().expect("it ends");
        assert_eq!(post(&site), 502, "{keep_alive}");
        until("the error log says why", || 0 < site.server.heard("php.sock cannot be reached: "));
        let pool = site.folder.path().join("php-fpm.conf");
        site.fpm = start_fpm(&site.folder, &pool);
        for _ in 0..3 {
            assert_eq!(post(&site), 200, "{keep_alive}");
        }
        site.server.next_report().expect("a report");
        let counters = site.server.output().said().counters.clone();
        assert_eq!(counters["upstream_connections_failed"], 1, "{keep_alive}: {counters:?}");
    }
}

/// Bytes that do not repeat where buffers do.
const UPLOAD: usize = 100_000_000;
const UPLOAD_DIGEST: &str = "b736eb4f696a0f5f7df764258137852674817095d20f2adb9aba29758540efce";

#[test]
fn an_upload_of_100_megabytes_arrives() {
    let site = Site::new("");
    let mut client = site.connect();
    let content: Vec<u8> = (0..=250).cycle().take(UPLOAD).collect();
    let digest = ask(&mut client, "POST /page.php?do=digest HTTP/1.1", &content);
    assert_eq!(text(&digest), format!("{UPLOAD} {UPLOAD_DIGEST}"));

    let begin = "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let form = [begin.as_bytes(), &content, b"\r\n--limit--\r\n"].concat();
    let head = "POST /page.php?do=upload HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=limit";
    let uploaded = ask(&mut client, head, &form);
    assert_eq!(text(&uploaded), format!("0 {UPLOAD} {UPLOAD_DIGEST}"));
}

#[test]
fn what_a_script_flushes_is_passed_on_at_once() {
    let site = Site::new("");
    let mark = site.folder.path().join("mark");
    let Place::Ip(address) = site.server.place(1).expect("an address") else {
        panic!("a TCP address is configured")
    };
    let mut link = TcpStream::connect(address).expect("a connection");
    link.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(link, "GET /page.php?do=stream&until={} HTTP/1.0\r\n\r\n", mark.display()).expect("send");
    let mut got = Vec::new();
    while !got.ends_with(b"first\n") {
        let mut part = [0; 4096];
        let len = link.read(&mut part).expect("the first part, before the second is made");
        assert!(0 < len, "the answer has ended: {}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&part[..len]);
    }
    File::create(mark).expect("a file");
    link.read_to_end(&mut got).expect("the rest");
    assert!(got.ends_with(b"first\nsecond\n"), "{}", String::from_utf8_lossy(&got));
}

#[test]
fn checks_ask_a_script() {
    for (path, status) in [
        ("/ping", 200),
        ("${folder}/www/page.php?do=post", 200),
        ("${folder}/www/none.php", 503),
        ("/none", 503),
    ] {
        let often = r#""interval": "1s", "timeout": "1s", "status": ["2xx"]"#;
        let site = Site::new(&format!(r#""health": {{ "path": "{path}", {often} }},"#));
        if status == 503 {
            until("the server is found to be down", || site.server.heard("is down") > 0);
        }
        // What is said of the socket of PHP-FPM names a place as well.
        let places = (1..=2).filter_map(|number| site.server.place(number).ok());
        let place = places.into_iter().find(|place| matches!(place, Place::Ip(_))).expect("an address");
        let ask = || {
            let mut client = Client::connect(&place).expect("a connection");
            client.send(b"GET /page.php HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
            client.response(Asked::Other).expect("a response").status
        };
        // Shards know it a moment after it is said.
        until(&format!("{path} leads to {status}"), || ask() == status);
        assert_eq!(site.server.heard("is down") > 0, status == 503, "{path}");
    }
}
