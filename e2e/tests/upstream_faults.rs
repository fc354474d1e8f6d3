//! What can be wrong with a server that requests are passed on to, and what the client, the counters and the log then
//! say.

#![forbid(unsafe_code)]

use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpListener};

use e2e::backend::{After, Backend, Reply, reply};
use e2e::ledger::{self, Counters};
use e2e::response::Asked;
use e2e::{Folder, Options, Server};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 1, "error_log": "${folder}/error.log" },
  "upstreams": { "app": {
    "servers": [${servers}], "timeouts": { "response": "300ms" }, "eject": { "failures": 0 }
  } },
  "logs": { "tries": { "file": "${folder}/access.log", "format": "${template}" } },
  "hosts": { "localhost": { "proxy": "app", "access_log": "tries" } }
}"#;

const TEMPLATE: &str = "$status|$upstream_status|$upstream_addr|$upstream_connect_time|$upstream_header_time|\
                        $upstream_response_time|$upstream_response_length";

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// What stands in the table for an answer that is not whole.
const CUT: u16 = 0;

/// Where requests go.
enum Servers {
    /// To one that replies so.
    Replying(Vec<Reply>),
    /// To so many of which none is there.
    Gone(usize),
}

/// A server like this, requests with these methods one after another, each by the same connection as long as that lasts;
/// the status of each answer, and what the counters say in the end;
/// answers the lines of the log.
fn check(what: &str, servers: Servers, requests: &[(&str, u16)], counters: &[(&str, u64)]) -> Vec<String> {
    let folder = Folder::new("upstream-faults").expect("a folder");
    let gone = if let Servers::Gone(count) = servers { count } else { 0 };
    let (addresses, backend) = match servers {
        Servers::Gone(count) => ((0..count).map(|_| nobody()).collect(), None),
        Servers::Replying(replies) => {
            let backend = Backend::start(replies).expect("a backend");
            (vec![backend.address], Some(backend))
        }
    };
    let listed: Vec<String> = addresses.iter().map(|address: &SocketAddr| format!("\"{address}\"")).collect();
    let text = CONFIGURATION.replace("${servers}", &listed.join(", "));
    let text = text.replace("${template}", TEMPLATE).replace("${folder}", &folder.path().to_string_lossy());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let mut client = server.connect().expect("connect");
    let mut retry_after = None;
    for (method, status) in requests {
        let content = if *method == "POST" { "Content-Length: 2\r\n" } else { "" };
        let mut request = format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{content}\r\n");
        if *method == "POST" {
            request.push_str("hi");
        }
        client.send(request.as_bytes()).expect("send");
        let mut response = client.response(Asked::Other);
        while response.as_ref().is_ok_and(|interim| interim.status < 200) {
            response = client.response(Asked::Other);
        }
        match response {
            Ok(response) => {
                assert_eq!(response.status, *status, "{what}: {response:?}");
                retry_after = response.field("retry-after").map(ToOwned::to_owned);
            }
            Err(error) => {
                assert_eq!(CUT, *status, "{what}: {error}");
                client = server.connect().expect("connect");
            }
        }
    }
    assert_eq!(retry_after.is_some(), requests.iter().any(|(_, status)| *status == 503), "{what}");
    drop(client);
    let ended = server.stop().expect("the server ends in order");
    ledger::check(&ended).unwrap_or_else(|error| panic!("{what}: {error}"));
    compare(what, &ended, counters);
    let log = fs::read_to_string(folder.path().join("error.log")).expect("an error log");
    assert_eq!(log.contains(" has failed: "), 0 < faults(&ended), "{what}: {log}");
    let unreached = log.matches(" cannot be reached: Connection refused").count();
    assert_eq!(unreached, gone, "{what}: {log}");
    let log = fs::read_to_string(folder.path().join("access.log")).expect("a log");
    let expected: Vec<u16> = requests.iter().map(|(_, status)| *status).collect();
    let logged: Vec<u16> = log.lines().map(status_of).collect();
    assert_eq!(logged, expected, "{what}: {log}");
    drop(backend);
    // An address is another one each time.
    let name = |line: &str| {
        let named = |(line, (number, address)): (String, (usize, &SocketAddr))| {
            line.replace(&address.to_string(), &format!("server{number}"))
        };
        addresses.iter().enumerate().fold(line.to_owned(), |line, place| named((line, place)))
    };
    log.lines().map(name).collect()
}

/// How often a server that had taken a request has failed, but for links that had gone before it.
fn faults(ended: &Counters) -> u64 {
    let counted = |name| ledger::counter(ended, name).expect(name);
    let failed =
        ["upstream_responses_cut", "upstream_responses_bad", "timeouts_upstream_response"].map(counted);
    failed.iter().sum::<u64>().saturating_sub(counted("upstream_retries"))
}

/// The status of a line; what is not whole has none.
fn status_of(line: &str) -> u16 {
    let status = line.split('|').next().expect(line);
    if status == "-" { CUT } else { status.parse().expect(line) }
}

fn compare(what: &str, ended: &Counters, expected: &[(&str, u64)]) {
    let mut wrong = String::new();
    for (name, value) in expected.iter().chain(&[("upstream_connections_open", 0)]) {
        let got = ledger::counter(ended, name).expect(name);
        if got != *value {
            write!(wrong, " {name} = {got}, not {value}").expect("a string takes everything");
        }
    }
    assert!(wrong.is_empty(), "{what}:{wrong}");
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

fn one(bytes: impl Into<std::borrow::Cow<'static, str>>, after: After) -> Servers {
    Servers::Replying(vec![reply(bytes, after)])
}

#[test]
fn nobody_is_there() {
    let failed = "upstream_connections_failed";
    check("one refuses", Servers::Gone(1), &[("GET", 502)], &[(failed, 1), ("responses_5xx", 1)]);
    check(
        "all refuse",
        Servers::Gone(2),
        &[("POST", 503)],
        &[(failed, 2), ("upstream_retries", 1), ("upstreams_unavailable", 1)],
    );
}

#[test]
fn answers_that_do_not_come() {
    let cut = "upstream_responses_cut";
    let late = "timeouts_upstream_response";
    check("closes without a word", one("", After::Close), &[("GET", 502)], &[(cut, 1)]);
    check("resets without a word", one("", After::Reset), &[("GET", 502)], &[(cut, 1)]);
    check("half a head", one("HTTP/1.1 200 OK\r\nConte", After::Close), &[("GET", 502)], &[(cut, 1)]);
    check("never a word", one("", After::Silence), &[("GET", 504)], &[(late, 1), (cut, 0)]);
    check("half a head, for ever", one("HTTP/1.1 200 OK\r\n", After::Silence), &[("GET", 504)], &[(late, 1)]);
}

#[test]
fn answers_that_end_too_early_or_never() {
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart";
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n";
    let aborted = ("requests_aborted", 1);
    for (what, bytes) in [("too short", part), ("without a last chunk", chunk)] {
        let cut = ("upstream_responses_cut", 1);
        check(what, one(bytes, After::Close), &[("GET", CUT)], &[cut, aborted]);
        check(what, one(bytes, After::Reset), &[("GET", CUT)], &[cut, aborted]);
        let late = ("timeouts_upstream_response", 1);
        check(what, one(bytes, After::Silence), &[("GET", CUT)], &[late, aborted]);
    }
}

#[test]
fn answers_that_are_none() {
    let bad = [("upstream_responses_bad", 1)];
    let large = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10_000);
    for (what, bytes) in [
        ("garbage", "hello".to_owned()),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok".to_owned()),
        ("a bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n".to_owned()),
        (
            "another protocol",
            "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_owned(),
        ),
        ("a head of a megabyte", large),
        ("interim answers without end", many),
    ] {
        check(what, one(bytes, After::Silence), &[("GET", 502)], &bad);
    }
}

#[test]
fn answers_of_another_length() {
    let longer = format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    check(
        "too long: what follows answers nobody, and the connection is not used again",
        Servers::Replying(vec![reply(longer, After::Next), reply(OK, After::Next)]),
        &[("GET", 200), ("GET", 200)],
        &[("upstream_connections_opened", 2), ("upstream_connections_reused", 0), ("responses_2xx", 2)],
    );
}

#[test]
fn interim_answers() {
    let hundred = format!("{}{OK}", "HTTP/1.1 100 Continue\r\n\r\n".repeat(100));
    check("a hundred", one(hundred, After::Next), &[("GET", 200)], &[("upstream_responses_1xx", 100)]);
}

#[test]
fn connections_that_die_while_they_are_kept() {
    let replies =
        |after| Servers::Replying(vec![reply(OK, After::Next), reply("", after), reply(OK, After::Next)]);
    for after in [After::Close, After::Reset] {
        check(
            "a request that may be sent twice is",
            replies(after),
            &[("GET", 200), ("GET", 200)],
            &[("upstream_retries", 1), ("upstream_connections_opened", 2), ("upstream_requests", 3)],
        );
        check(
            "one that may not is answered",
            replies(after),
            &[("GET", 200), ("POST", 502), ("GET", 200)],
            &[("upstream_retries", 0), ("upstream_connections_opened", 2), ("upstream_requests", 3)],
        );
    }
    check(
        "one that says so is not kept",
        Servers::Replying(vec![
            reply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", After::Close),
            reply(OK, After::Next),
        ]),
        &[("GET", 200), ("POST", 200)],
        &[("upstream_retries", 0), ("upstream_connections_opened", 2)],
    );
}

#[test]
fn the_log_knows_every_try() {
    let shape = |line: &String| line.replace(|c: char| c.is_ascii_digit(), "0");
    let refused = check("all refuse", Servers::Gone(2), &[("GET", 503)], &[]);
    assert!(refused[0].starts_with("503|502,502|server"), "{refused:?}");
    assert!(shape(&refused[0]).contains("|-,-|-,-|0.000,0.000|0,0"), "{refused:?}");
    let one_after_another = vec![reply(OK, After::Next), reply("", After::Close), reply(OK, After::Next)];
    let died = check("dies", Servers::Replying(one_after_another), &[("GET", 200), ("GET", 200)], &[]);
    assert_eq!(shape(&died[0]), "000|000|server0|0.000|0.000|0.000|0");
    assert!(died[1].starts_with("200|502,200|server0,server0|"), "{died:?}");
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart";
    let cut = check("is cut", one(cut, After::Close), &[("GET", CUT)], &[]);
    assert!(cut[0].starts_with("-|200|server0|"), "{cut:?}");
}
