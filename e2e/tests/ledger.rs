//! Whatever clients do, the ledger balances: [`Server::stop`] checks it, these tests make it hard.

#![forbid(unsafe_code)]

use std::io::Write;
use std::net::TcpStream;

use e2e::backend::reset;
use e2e::output::Place;
use e2e::response::Asked;
use e2e::{Client, Folder, Options, Server};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "timeouts": { "header": "1s", "body": "1s", "drain": "1s" } },
  "hosts": {
    "localhost": { "root": "${root}", "locations": { "/echo": { "handler": "echo" } } }
  }
}"#;

const GET: &[u8] = b"GET /small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
const GET_HUGE: &[u8] = b"GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn start(folder: &Folder) -> Server {
    folder.write("www/small.txt", b"small\n").expect("write");
    let huge = folder.write("www/huge.bin", b"").expect("write");
    let file = std::fs::OpenOptions::new().write(true).open(huge).expect("open");
    file.set_len(256 << 20).expect("a sparse file");
    let root = folder.path().join("www");
    let text = CONFIGURATION.replace("${root}", &root.to_string_lossy());
    let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
    Server::start(&configuration, &Options::default()).expect("the server starts")
}

fn ask(server: &Server, request: &[u8]) -> Client {
    let mut client = server.connect().expect("connect");
    client.send(request).expect("send");
    client
}

#[test]
fn counts_what_was_answered() {
    let folder = Folder::new("ledger").expect("a folder");
    let server = start(&folder);
    for _ in 0..10 {
        let mut client = ask(&server, &GET.repeat(5));
        for _ in 0..5 {
            assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
        }
    }
    let counters = server.stop().expect("a balanced ledger");
    assert_eq!(counters["connections_accepted"], 10);
    assert_eq!(counters["requests_begun"], 50);
    assert_eq!(counters["requests_answered"], 50);
    assert_eq!(counters["responses_2xx"], 50);
    assert_eq!(counters["connections_open"], 0);
}

/// What a connection takes in beyond what is being answered; see `BACKLOG_MAX` of the engine.
const BACKLOG: usize = 64 << 10;

#[test]
fn a_connection_hears_on_after_more_than_it_takes_in() {
    let folder = Folder::new("ledger").expect("a folder");
    let server = start(&folder);
    // More than sockets hold, so that the answer is under way until it is read.
    folder.write("www/large.bin", &vec![b'x'; 32 << 20]).expect("write");
    let mut client = ask(&server, b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let is = |name: &'static str, least: u64| {
        move |counters: &e2e::ledger::Counters| least <= counters.get(name).copied().unwrap_or(0)
    };
    server.wait_counters("the first request", is("requests_begun", 1)).expect("it comes");
    let count = BACKLOG / GET.len() + 1;
    client.send(&GET.repeat(count)).expect("send");
    let all = (count * GET.len()) as u64;
    server.wait_counters("all requests", is("bytes_received", all + 1)).expect("all requests come");
    for _ in 0..=count {
        assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
    }
    client.send(GET).expect("send");
    assert_eq!(client.response(Asked::Other).expect("a response to what came later").status, 200);
    drop(client);
    server.stop().expect("a balanced ledger");
}

#[test]
fn counts_what_was_broken_off() {
    let folder = Folder::new("ledger").expect("a folder");
    let server = start(&folder);
    for _ in 0..10 {
        // Gone before a request, within a head, within a body.
        drop(server.connect().expect("connect"));
        drop(ask(&server, b"GET /small.txt HT"));
        drop(ask(&server, b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc"));
        // Gone within a response; unread bytes make the kernel send a reset.
        let mut client = ask(&server, GET_HUGE);
        client.part(1000).expect("a beginning");
        drop(client);
        // Gone with a pipeline unanswered.
        drop(ask(&server, &GET.repeat(20)));
        // Refused.
        let mut client = ask(&server, b"nonsense\r\n\r\n");
        assert_eq!(client.response(Asked::Other).expect("a response").status, 400);
    }
    let all_gone = |counters: &e2e::ledger::Counters| {
        let now = |name: &str| counters.get(name).copied().unwrap_or(0);
        now("connections_accepted") == 60 && now("connections_open") == 0
    };
    server.wait_counters("end of 60 connections", all_gone).expect("all connections end");
    let counters = server.stop().expect("a balanced ledger");
    assert!(10 <= counters["requests_aborted"], "{counters:?}");
}

#[test]
fn counts_who_leaves_with_a_reset_within_a_body_that_nobody_wants() {
    let folder = Folder::new("ledger").expect("a folder");
    let server = start(&folder);
    let Ok(Place::Ip(address)) = server.place(1) else { panic!("no address") };
    let is = |name: &'static str, wanted: u64| {
        move |counters: &e2e::ledger::Counters| counters.get(name) == Some(&wanted)
    };
    for (count, path) in (1..).zip(["/small.txt", "/none"]) {
        let mut client = TcpStream::connect(address).expect("connect");
        let request = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc");
        client.write_all(request.as_bytes()).expect("send");
        server.wait_counters("the request", is("requests_begun", count)).expect("it comes");
        reset(&client).expect("a socket");
        drop(client);
        server.wait_counters("its end", is("connections_open", 0)).expect("it ends");
    }
    let counters = server.stop().expect("a balanced ledger");
    assert_eq!(counters["requests_aborted"], 2);
}

#[test]
fn counts_what_ran_when_the_server_was_stopped() {
    let folder = Folder::new("ledger").expect("a folder");
    let server = start(&folder);
    let mut idle = ask(&server, GET);
    idle.response(Asked::Other).expect("a response");
    let mut within_head = ask(&server, GET);
    within_head.response(Asked::Other).expect("a response");
    within_head.send(b"GET /small").expect("send");
    let mut reading = ask(&server, GET_HUGE);
    let (begun, promised) = reading.part(1000).expect("a beginning");
    let mut never_reading = ask(&server, GET_HUGE);
    never_reading.part(1000).expect("a beginning");
    server.signal(nix::sys::signal::Signal::SIGTERM).expect("signal");
    // A response under way is finished within the time to drain.
    let (rest, _) = reading.drain().expect("the rest");
    assert_eq!(begun.body.len() as u64 + rest, promised);
    idle.closed().expect("an idle connection is closed");
    let output = server.output().clone();
    assert!(server.ended().expect("the server ends").success());
    let counters = output.said().counters.clone();
    e2e::ledger::check(&counters).expect("a balanced ledger");
    assert_eq!(counters["connections_accepted"], 4);
    assert!(1 <= counters["requests_aborted"], "the one that was never read: {counters:?}");
}
