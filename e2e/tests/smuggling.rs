//! No input makes a real server behind ours see two requests for one.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use e2e::backend::play;
use e2e::ledger::counter;
use e2e::origin::{Kind, Origin};
use e2e::output::Place;
use e2e::{Folder, Options, Server, python};

/// A log that never gives a line up, however busy the machine is: what it has not got would be taken for smuggled.
const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 1 },
  "logs": { "requests": { "file": "${folder}/requests", "format": "$request", "when_full": "block" } },
  "hosts": { "localhost": { "proxy": "http://${origin}", "access_log": "requests" } }
}"#;

#[test]
fn apache() {
    check(Kind::Apache);
}

#[test]
fn h2o() {
    check(Kind::H2o);
}

#[test]
fn haproxy() {
    check(Kind::Haproxy);
}

#[test]
fn lighttpd() {
    check(Kind::Lighttpd);
}

#[test]
fn nginx() {
    check(Kind::Nginx);
}

/// A relay without understanding, through which each of them is given two requests for one: so the check can fail.
#[test]
fn a_relay_that_leaks_is_found() {
    for kind in [Kind::Apache, Kind::H2o, Kind::Haproxy, Kind::Lighttpd, Kind::Nginx] {
        let origin = Origin::start(kind).expect("the origin starts");
        let passed = Arc::default();
        let address = leak(origin.address(), Arc::clone(&passed));
        let (_, sent) = smuggle(address);
        let seen = origin.stop().expect("the log of the origin");
        assert!(sent <= seen.len(), "{} of {sent} were seen", seen.len());
        let passed = passed.lock().expect("nobody has panicked");
        let found: Vec<String> = surplus(&seen, passed.iter().map(String::as_str)).collect();
        let is_second = |line: &String| line.starts_with("GET /hello.txt?second-");
        assert!(found.iter().any(is_second), "{kind:?}: {found:?}");
    }
}

/// A relay that keeps its connections and takes the first answer for the only one: so who gets another one's answer is found.
#[test]
fn a_relay_that_mixes_up_answers_is_found() {
    let origin = Origin::start(Kind::Nginx).expect("the origin starts");
    let (faults, _) = smuggle(mix_up(origin.address()));
    origin.stop().expect("the log of the origin");
    let is_mixed_up = |fault: &String| fault.contains("after it got 200 ");
    assert!(faults.iter().any(is_mixed_up), "{faults:?}");
}

fn mix_up(origin: SocketAddr) -> SocketAddr {
    let spares = Arc::new(Mutex::new(Vec::<TcpStream>::new()));
    play(move |mut client| {
        let mut buffer = [0; 64 * 1024];
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            let spare = spares.lock().expect("nobody has panicked").pop();
            let mut server = spare.unwrap_or_else(|| TcpStream::connect(origin).expect("the origin listens"));
            let answer = server.write_all(&buffer[..count]).ok().and_then(|()| answer(&mut server));
            // Whoever has asked for something that is no request gets no answer.
            let Some(answer) = answer else { return };
            spares.lock().expect("nobody has panicked").push(server);
            let is_last = String::from_utf8_lossy(&buffer[..count]).contains("Connection: close");
            if client.write_all(&answer).is_err() || is_last {
                return;
            }
        }
    })
    .expect("a relay")
}

/// One answer, head and content.
fn answer(server: &mut TcpStream) -> Option<Vec<u8>> {
    server.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        server.read_exact(&mut byte).ok()?;
        answer.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut content = vec![0; length.unwrap_or_default()];
    server.read_exact(&mut content).ok()?;
    answer.append(&mut content);
    Some(answer)
}

/// Passes on all bytes as they come. It takes a connection for a request, and writes down how each begins.
fn leak(origin: SocketAddr, passed: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (passed, server) =
                (Arc::clone(&passed), TcpStream::connect(origin).expect("the origin listens"));
            let back = (server.try_clone().expect("a duplicate"), client.try_clone().expect("a duplicate"));
            thread::spawn(move || copy(back, |_| {}));
            let mut is_first = true;
            thread::spawn(move || {
                copy((client, server), |bytes| {
                    if std::mem::take(&mut is_first) {
                        let text = String::from_utf8_lossy(bytes);
                        let line = text.lines().next().unwrap_or_default().to_owned();
                        passed.lock().expect("nobody has panicked").push(line);
                    }
                });
            });
        }
    });
    address
}

/// Copies until an end, and passes that on.
fn copy((mut from, mut to): (TcpStream, TcpStream), mut look: impl FnMut(&[u8])) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        look(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // Either side may be gone.
    let _ = to.shutdown(Shutdown::Write);
}

/// What the origin has taken for a request is one that the server has seen, and no more often.
fn check(kind: Kind) {
    let origin = Origin::start(kind).expect("the origin starts");
    let folder = Folder::new("smuggling").expect("a folder");
    let text = CONFIGURATION
        .replace("${folder}", &folder.path().to_string_lossy())
        .replace("${origin}", &origin.address().to_string());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let Place::Ip(address) = server.place(1).expect("an address") else {
        panic!("a TCP address is configured")
    };
    let (mut faults, sent) = smuggle(address);
    let counters = server.stop().expect("the server ends in order");
    // What cases left behind could be found: most honest requests have come to a connection that others had used.
    let reused = counter(&counters, "upstream_connections_reused").expect("it is counted");
    assert!(sent / 2 <= reused as usize, "{reused} of {sent}");
    let passed = fs::read_to_string(folder.path().join("requests")).expect("the log");
    let seen = origin.stop().expect("the log of the origin");
    // Each honest request was seen, so that the logs are whole.
    assert!(sent <= seen.len(), "{} of {sent} were seen", seen.len());
    faults.extend(surplus(&seen, passed.lines()).map(|line| format!("{kind:?} has seen {line:?}")));
    assert!(faults.is_empty(), "{} faults:\n{}\n{counters:?}", faults.len(), faults.join("\n"));
}

/// Sends all cases; answers which of the honest requests after them were answered wrong, and how many there were.
fn smuggle(address: SocketAddr) -> (Vec<String>, usize) {
    let (script, cases) = (here().join("origins/smuggle.py"), here().join("conformance/h1cases.json"));
    let arguments = [script.into(), address.to_string().into(), cases.into()];
    let output = python::run(&arguments).expect("python");
    let said = String::from_utf8_lossy(&output.stdout);
    let mut faults: Vec<String> = said.lines().map(str::to_owned).collect();
    let sent = faults.pop().unwrap_or_default();
    let sent: usize =
        sent.strip_suffix(" sent").and_then(|number| number.parse().ok()).unwrap_or_else(|| {
            panic!("the script did not end: {said}\n{}", String::from_utf8_lossy(&output.stderr));
        });
    (faults, sent)
}

/// Methods that every server knows.
const KNOWN: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// Lines that are there more often than among `passed`. A line without a name, as lighttpd writes of a method that it does
/// not know, can be any of those that were passed on with such a method.
fn surplus<'p>(seen: &[String], passed: impl Iterator<Item = &'p str>) -> impl Iterator<Item = String> {
    let mut left = BTreeMap::<String, isize>::new();
    for line in passed {
        *left.entry(essence(line)).or_default() += 1;
    }
    for line in seen {
        *left.entry(essence(line)).or_default() -= 1;
    }
    let is_strange = |line: &str| !KNOWN.iter().any(|known| line.split(' ').next() == Some(known));
    let strange =
        left.iter().filter(|(line, count)| **count > 0 && is_strange(line)).map(|(_, count)| count).sum();
    if let Some((_, unnamed)) = left.iter_mut().find(|(line, count)| **count < 0 && line.starts_with(' ')) {
        *unnamed += isize::min(strange, -*unnamed);
    }
    left.into_iter().filter(|(_, count)| *count < 0).map(|(line, _)| line)
}

/// Method, path and query: a proxy speaks a version of its own, and sends no host and no dot segments in the target.
fn essence(line: &str) -> String {
    let line = line.replace("\\x5c", "\\").replace("\\x5C", "\\").replace("\\\\", "\\");
    let line = line.rsplit_once(" HTTP/").map_or(&line[..], |(line, _)| line);
    let Some((method, target)) = line.split_once(' ') else { return line.to_owned() };
    let target = match target.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            rest.find(['/', '?']).map_or("", |at| &rest[at..])
        }
        _ => target,
    };
    let slash = if target.starts_with(['/', '*']) { "" } else { "/" };
    format!("{method} {}", resolved(&format!("{slash}{target}")))
}

/// A target without the dot segments of its path; slashes are merged where there were any.
fn resolved(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let plain = |segment: &str| segment.replace("%2e", ".").replace("%2E", ".");
    if !path.split('/').any(|segment| [".", ".."].contains(&&*plain(segment))) {
        return target.to_owned();
    }
    let mut kept = Vec::new();
    let mut is_folder = false;
    for segment in path.split('/') {
        is_folder = true;
        match &*plain(segment) {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => {
                kept.push(segment);
                is_folder = false;
            }
        }
    }
    let end = if is_folder && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}{query}", kept.join("/"))
}

#[test]
fn what_was_not_passed_on_is_found() {
    for (seen, passed, wanted) in [
        (&["GET /a HTTP/1.1"][..], &["GET /a HTTP/1.0"][..], &[][..]),
        (&["GET /a HTTP/1.1"], &["GET http://b/a HTTP/1.1"], &[]),
        (&["GET /?q HTTP/1.1"], &["GET HTTP://b?q HTTP/1.1"], &[]),
        (&[], &["GET /a HTTP/1.1"], &[]),
        (&["GET /a HTTP/1.1", "GET /a HTTP/1.1"], &["GET /a HTTP/1.1"], &["GET /a"]),
        (&["GET /b HTTP/1.1"], &["GET /a HTTP/1.1"], &["GET /b"]),
        (&[" / HTTP/1.1"], &["FROB /a HTTP/1.1"], &[]),
        (&[" / HTTP/1.1", " / HTTP/1.1"], &["FROB /a HTTP/1.1"], &[" /"]),
        (&[" / HTTP/1.1"], &["GET /a HTTP/1.1"], &[" /"]),
        (&["FROB /a HTTP/1.1", " / HTTP/1.1"], &["FROB /a HTTP/1.1"], &[" /"]),
        (&["GET /b?/../c HTTP/1.1"], &["GET /a/%2e%2E//./b?/../c HTTP/1.1"], &[]),
        (&["GET /a/ HTTP/1.1"], &["GET /a/b/.. HTTP/1.1"], &[]),
        (&["GET /b HTTP/1.1"], &["GET /a/../c HTTP/1.1"], &["GET /b"]),
        (&["5GET /a HTTP/1.1"], &["GET /a HTTP/1.1"], &["5GET /a"]),
    ] {
        let seen: Vec<String> = seen.iter().map(|line| (*line).to_owned()).collect();
        let found: Vec<String> = surplus(&seen, passed.iter().copied()).collect();
        assert_eq!(found, wanted);
    }
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
