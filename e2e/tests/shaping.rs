//! Limits as clients meet them, on one shard and on two, and what becomes of who wants more.

#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use e2e::output::Place;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use e2e::{Folder, Options, PATIENCE, Server, binary, ledger, rest, until};

struct Site {
    folder: Folder,
    server: Server,
}

impl Site {
    fn start(server: &str, host: &str) -> Site {
        Site::at("127.0.0.1:0", server, host)
    }

    fn at(listen: &str, server: &str, host: &str) -> Site {
        let folder = Folder::new("shaping").expect("a folder");
        folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
        let large = std::fs::File::create(folder.path().join("www/large.bin")).expect("a file");
        large.set_len(200 << 20).expect("a file of holes");
        let text = format!(
            r#"{{
              "server": {{
                "listen": ["{listen}"],
                "control": {{ "socket": "{path}/control.sock" }}, {server}
              }},
              "logs": {{ "limits": {{ "file": "{path}/limits.log", "format": "$status|$limit|$limit_delay_ms" }} }},
              "hosts": {{ "localhost": {{
                "root": "{path}/www", "access_log": "limits", "body_size": "unlimited",
                "locations": {{ "/echo": {{ "handler": "echo" }} }}, {host}
              }} }}
            }}"#,
            path = folder.path().display()
        );
        folder.write("kimura.conf", text.as_bytes()).expect("write");
        let server = Server::start(&folder.path().join("kimura.conf"), &Options::default())
            .expect("the server starts");
        Site { folder, server }
    }

    fn connect(&self) -> Client {
        connect(address(self))
    }

    fn give(&self, command: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(binary::path())
            .args(command)
            .arg("--socket")
            .arg(self.folder.path().join("control.sock"))
            .output()
            .expect("the client runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Gives a command that is carried out; answers what it printed.
    fn done(&self, command: &[&str]) -> String {
        let (status, said) = self.give(command);
        assert_eq!(status, Some(0), "{command:?}: {said}");
        said
    }

    /// Connections that waited, and were let in, where only these are limited.
    fn let_in_after_doubt(&self) -> u64 {
        let shown: serde_json::Value = serde_json::from_str(&self.done(&["limits", "--json"])).expect("JSON");
        let uses = shown["uses"].as_array().expect("a list");
        uses.iter().filter(|one| one["client"].is_string()).filter_map(|one| one["delayed"].as_u64()).sum()
    }

    fn counter(&self, name: &str) -> u64 {
        self.server.next_report().expect("a report");
        let counters = self.server.wait_counters("counters", |_| true).expect("counters");
        ledger::counter(&counters, name).expect("a counter")
    }
}

fn address(site: &Site) -> SocketAddr {
    let Ok(Place::Ip(address)) = site.server.place(1) else { panic!("no address") };
    address
}

type Client = BufReader<TcpStream>;

fn connect(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).expect("the address is listened on");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    BufReader::new(stream)
}

fn request(path: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").into_bytes()
}

/// Sends a request; the status of its answer, and the answer's head.
fn ask(stream: &mut Client, request: &[u8]) -> (u16, String) {
    stream.get_mut().write_all(request).expect("a request is sent");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).expect("an answer"), 0, "{head}");
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let field = head.to_ascii_lowercase();
    let len = field.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let len: u64 = len.and_then(|len| len.parse().ok()).unwrap_or(0);
    // Large ones are read by who wants them.
    if len < 1 << 20 {
        std::io::copy(&mut stream.take(len), &mut std::io::sink()).expect("the content");
    }
    (status, head)
}

#[test]
fn requests_pass_by_the_rate_and_not_one_more() {
    let host = r#""shaping": { "client": { "requests": "50r/s", "requests_burst": 20 } }"#;
    let site = Site::start(r#""shards": 1"#, host);
    let mut stream = site.connect();
    let begun = Instant::now();
    let (mut passed, mut refused) = (0_u32, 0);
    let (mut first, mut last, mut lost) = (None, begun, 0.0);
    while begun.elapsed() < Duration::from_secs(3) {
        match ask(&mut stream, &request("/hello.txt", "")) {
            (200, _) => passed += 1,
            (429, head) => {
                assert!(head.contains("Retry-After: 1\r\n"), "{head}");
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
        first.get_or_insert_with(|| begun.elapsed());
        // Whoever lets more come together than one for each time that it asks may lose it.
        lost += (50.0 * last.elapsed().as_secs_f64() - 1.0).max(0.0);
        last = Instant::now();
    }
    let time = begun.elapsed();
    let most = 20.0 + 50.0 * time.as_secs_f64();
    let least = 20.0 + 50.0 * (time - first.expect("an answer")).as_secs_f64() - 2.0 - lost;
    assert!((least..=most + 1.0).contains(&f64::from(passed)), "{passed} of {least} to {most}");
    assert!(refused > 0);
    let counters = site.server.stop().expect("an end");
    assert_eq!(ledger::counter(&counters, "requests_refused_limit").ok(), Some(refused));
    let log = std::fs::read_to_string(site.folder.path().join("limits.log")).expect("a log");
    // Some of so many lines may be lost.
    assert!(log.lines().any(|line| line == "200|-|0"));
    assert!(log.lines().any(|line| line == "429|client/requests|0"));
}

#[test]
fn requests_at_the_same_time_are_limited_and_let_go_when_others_end() {
    let host = r#""shaping": { "client": { "concurrent": 2 } }"#;
    let site = Site::start(r#""shards": 2"#, host);
    let mut running: Vec<Client> = (0..2).map(|_| site.connect()).collect();
    for stream in &mut running {
        assert_eq!(ask(stream, &request("/large.bin", "")).0, 200);
    }
    // The other shard has heard of it soon.
    until("others are refused", || {
        let mut all_refused = true;
        for _ in 0..8 {
            all_refused &= ask(&mut site.connect(), &request("/hello.txt", "")).0 == 429;
        }
        all_refused
    });
    drop(running);
    until("there is room again", || ask(&mut site.connect(), &request("/hello.txt", "")).0 == 200);
    site.server.stop().expect("an end");
}

/// Asks as soon as it can. Whoever is kept out may be so by then.
fn asks(stream: &mut Client, preamble: &str) -> bool {
    let asked = [preamble.as_bytes(), &request("/hello.txt", "")].concat();
    stream.get_mut().write_all(&asked).is_ok()
}

/// Whether who has asked is answered. Whoever is kept out finds the connection closed, or reset.
fn is_answered(stream: &mut Client) -> bool {
    stream.read_line(&mut String::new()).is_ok_and(|len| len > 0)
}

fn is_served(stream: &mut Client, preamble: &str) -> bool {
    asks(stream, preamble) && is_answered(stream)
}

/// Connections to an address, each of which begins in this way, are limited on two shards, and let in when others end.
fn check_connections(listen: &str, trusted: &str, preamble: &'static str) {
    const MOST: usize = 4;
    let limits = r#""shards": 2, "shaping": { "client": { "connections": 4 } }"#;
    let site = Site::at(listen, &format!("{limits}, \"trusted\": {trusted}"), r#""index": []"#);
    let comes_in = || is_served(&mut site.connect(), preamble);
    let mut held: Vec<Client> = (0..MOST).map(|_| site.connect()).collect();
    assert!(held.iter_mut().all(|stream| is_served(stream, preamble)), "{listen}");
    until("others are kept out, some by what another shard has told", || {
        let kept_out = (0..8).filter(|_| !comes_in()).count();
        kept_out == 8 && site.counter("connections_delayed_limit") > 0
    });
    // Others ask before these end: some wait, and are let in by what another shard then tells. On a shard that does not run
    // meanwhile nobody does.
    until("somebody is let in who has waited", || {
        let mut newcomers: Vec<Client> = (0..MOST).map(|_| site.connect()).collect();
        let asked: Vec<bool> = newcomers.iter_mut().map(|stream| asks(stream, preamble)).collect();
        held.clear();
        let answered = newcomers.iter_mut().zip(asked).map(|(stream, asked)| asked && is_answered(stream));
        let let_in = answered.filter(|&answered| answered).count();
        // The next ones come while these are there.
        held = newcomers;
        let_in > 0 && site.let_in_after_doubt() > 0
    });
    drop(held);
    until("there is room again", comes_in);
    let counters = site.server.stop().expect("an end");
    let kept_out = ledger::counter(&counters, "connections_refused_client_limit").expect("a counter");
    assert!(kept_out >= 8, "{listen}: {kept_out}");
}

#[test]
fn connections_are_limited_and_let_in_when_others_end() {
    check_connections("127.0.0.1:0", "[]", "");
}

#[test]
fn connections_that_a_proxy_brings_are_limited_and_let_in_when_others_end() {
    check_connections("127.0.0.1:0 proxy", r#"["127.0.0.1"]"#, "PROXY TCP4 198.51.100.1 127.0.0.1 1 80\r\n");
}

/// A server that takes thirty milliseconds for each answer.
fn slow() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = BufReader::new(stream.expect("a connection"));
                let mut line = String::new();
                while stream.read_line(&mut line).is_ok_and(|len| len > 0) {
                    if line == "\r\n" {
                        rest(Duration::from_millis(30));
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
                        stream.get_mut().write_all(answer).expect("an answer is sent");
                    }
                    line.clear();
                }
            });
        }
    });
    address
}

#[test]
fn whoever_is_within_a_limit_is_never_refused_on_two_shards() {
    const AT_ONCE: u64 = 3;
    const EACH: u64 = 40;
    const TRIES: u32 = 3;
    let host = format!(
        r#""index": [] }}, "behind": {{ "proxy": "http://{}", "shaping": {{ "client": {{ "concurrent": 3 }} }}"#,
        slow()
    );
    let site = Site::start(r#""shards": 2"#, &host);
    let place = address(&site);
    let all_served = || {
        let client = |_| {
            // Each time by another connection, on whichever shard takes it.
            let status = move || ask(&mut connect(place), b"GET / HTTP/1.1\r\nHost: behind\r\n\r\n").0;
            thread::spawn(move || (0..EACH).all(|_| status() == 200))
        };
        let clients: Vec<_> = (0..AT_ONCE).map(client).collect();
        let served: Vec<_> = clients.into_iter().map(|client| client.join().expect("a client")).collect();
        served.into_iter().all(|served| served)
    };
    // Shards that do not run for the time that a doubt may last cannot tell each other.
    assert!((0..TRIES).any(|_| all_served()), "in {TRIES} tries somebody is refused");
    let counters = site.server.stop().expect("an end");
    // Some have waited for word of the other shard.
    assert!(ledger::counter(&counters, "requests_delayed_limit").expect("a counter") > 0);
}

#[test]
fn ten_thousand_clients_are_remembered_in_bounded_memory() {
    let server = r#""shards": 1, "trusted": ["127.0.0.1"], "client_address": "x-forwarded-for",
        "shaping": { "client": { "requests": "1r/h", "requests_burst": 1 } }"#;
    let site = Site::start(server, r#""index": []"#);
    let mut stream = site.connect();
    let from = |number: u32| {
        let [_, a, b, c] = number.to_be_bytes();
        request("/hello.txt", &format!("X-Forwarded-For: 10.{a}.{b}.{c}\r\n"))
    };
    let mut answers = std::collections::BTreeMap::new();
    for round in 0..2 {
        for number in 0..10_000 {
            *answers.entry((round, ask(&mut stream, &from(number)).0)).or_insert(0) += 1;
        }
    }
    assert_eq!(answers.get(&(0, 200)), Some(&10_000), "{answers:?}");
    // Next to none was forgotten.
    assert!(answers.get(&(1, 429)).is_some_and(|count| *count > 9_950), "{answers:?}");
    let (remembered, before) = (site.counter("limit_clients"), site.server.resident().expect("its memory"));
    assert!((9_950..=10_000).contains(&remembered), "{remembered}");
    // Many more find no more room than there is.
    for number in 10_000..60_000 {
        assert_eq!(ask(&mut stream, &from(number)).0, 200);
    }
    assert!(site.counter("limit_clients") <= 16_384);
    assert!(site.counter("limit_clients_forgotten") > 0);
    let after = site.server.resident().expect("its memory");
    assert!(after < before + (4 << 20), "from {before} to {after} bytes");
    site.server.stop().expect("an end");
}

#[test]
fn a_request_that_waits_ends_with_its_client_and_with_the_server() {
    let host = r#""shaping": { "client": { "requests": "1r/m", "requests_burst": 1, "delay": "60s" } }"#;
    let site = Site::start(r#""shards": 1"#, host);
    assert_eq!(ask(&mut site.connect(), &request("/hello.txt", "")).0, 200);
    let mut gone = site.connect();
    gone.get_mut().write_all(&request("/hello.txt", "")).expect("sent");
    site.server
        .wait_counters("it waits", |counters| {
            ledger::counter(counters, "requests_delayed_limit").is_ok_and(|c| c == 1)
        })
        .expect("it waits");
    drop(gone);
    site.server
        .wait_counters("it is gone", |counters| {
            ledger::counter(counters, "requests_aborted").is_ok_and(|c| c == 1)
        })
        .expect("gone");
    site.server.stop().expect("an end at once");
}

#[test]
fn limits_are_changed_by_command_and_stay_so() {
    let server = r#""shards": 2, "shaping": { "client": { "requests": "1r/h", "requests_burst": 2 } }"#;
    let site = Site::start(server, r#""index": []"#);
    let status = || ask(&mut site.connect(), &request("/hello.txt", "")).0;
    until("the burst is used", || status() == 429);
    let limit = "/server/shaping/client/requests=100000r/s";
    assert!(site.done(&["limit", limit]).contains("is 100000r/s from now on"));
    let free = |what: &str| {
        // Each shard hears of it in its time.
        until(what, || (0..20).all(|_| status() == 200));
    };
    free("a command");
    let worker = site.server.process("kimura: worker").expect("a worker");
    kill(Pid::from_raw(worker.pid as i32), Signal::SIGKILL).expect("it can be killed");
    let serves = |stream: &mut Client| {
        // Whom the worker had accepted is cut off with it.
        stream.get_mut().write_all(&request("/hello.txt", "")).is_ok()
            && stream.read_line(&mut String::new()).is_ok_and(|len| len > 0)
    };
    until("another worker", || serves(&mut site.connect()));
    free("another worker");
    site.done(&["reload"]);
    free("a reload");
    site.done(&["upgrade"]);
    free("an upgrade");
    // The server before may have served some of those above.
    until("requests are shown", || {
        free("an upgrade");
        let shown = site.done(&["limits", "--json"]);
        let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        shown["uses"][0]["scope"] == "/server" && shown["uses"][0]["requests"].as_u64() >= Some(20)
    });
    let shown = site.done(&["limits"]);
    assert!(shown.contains("127.0.0.1/32") && shown.contains(limit), "{shown}");
    site.done(&["limit", "/server/shaping/client/requests=default"]);
    until("the configuration holds again", || status() == 429);
    for (command, why) in [
        ("/hosts/nobody/shaping/client/down=1MB/s", "no limits there, but /server/shaping"),
        ("/server/shaping/client/down=1MB", "write bytes a second"),
        ("/server/shaping/client/dwn=1MB/s", "down"),
        ("/server/shaping/client/requests_burst=3", "belongs to a rate: change it in the configuration"),
    ] {
        let (status, said) = site.give(&["limit", command]);
        assert!(status != Some(0) && said.contains(why), "{said}");
    }
}

#[test]
fn a_delay_stands_in_the_log() {
    let host = r#""shaping": { "client": { "requests": "10r/s", "requests_burst": 1, "delay": "10s" } }"#;
    let site = Site::start(r#""shards": 1"#, host);
    let mut stream = site.connect();
    let all = request("/hello.txt", "").repeat(5);
    let begun = Instant::now();
    assert_eq!(ask(&mut stream, &all).0, 200);
    for _ in 0..4 {
        assert_eq!(ask(&mut stream, b"").0, 200);
    }
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
    let Site { folder, server } = site;
    server.stop().expect("an end");
    let log = std::fs::read_to_string(folder.path().join("limits.log")).expect("a log");
    let delays: Vec<u64> =
        log.lines().filter_map(|line| line.strip_prefix("200|client/requests|")?.parse().ok()).collect();
    // Those that come to their turn late, on a machine that has other things to do, wait less or not at all.
    assert!(!delays.is_empty() && delays.iter().all(|delay| (1..=100).contains(delay)), "{log}");
}

/// A site with limits on what is sent to it, for all and for each client.
fn held(limits: &str) -> Site {
    let server = r#""shards": 1, "trusted": ["127.0.0.1"], "client_address": "x-forwarded-for""#;
    Site::start(server, &format!(r#""shaping": {{ {limits} }}"#))
}

/// A request of a client with a body that comes with its head.
fn post(client: u8, len: usize) -> Vec<u8> {
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.{client}\r\n\
         Content-Length: {len}\r\n\r\n"
    );
    [head.into_bytes(), vec![b'x'; len]].concat()
}

/// How long an upload of a client takes that sends no more than it may.
fn upload(site: &Site, client: u8) -> Duration {
    const LEN: usize = 40_000;
    let begun = Instant::now();
    let (status, _) = ask(&mut site.connect(), &post(client, LEN));
    assert_eq!(status, 200);
    begun.elapsed()
}

/// What an upload may take that shares with nobody who takes more than its part: at half of the rate for all it is less
/// than a second.
const SHARED: Duration = Duration::from_secs(4);

#[test]
fn what_comes_with_a_head_waits_and_leaves_others_their_share() {
    const EACH: usize = 3_000;
    let site = held(r#""total": { "up": "100kB/s" }, "client": { "up": "50kB/s" }"#);
    let begun = Instant::now();
    let mut passed = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        // Each time by another connection, so that nothing has been charged before.
        passed += u64::from(ask(&mut site.connect(), &post(2, EACH)).0 == 200);
    }
    let most = 50_000.0 * begun.elapsed().as_secs_f64() + 16_384.0 + EACH as f64;
    assert!(passed as f64 * EACH as f64 <= 1.1 * most, "{passed} in {:?}", begun.elapsed());
    let took = upload(&site, 1);
    assert!(took < SHARED, "{took:?}");
    site.server.stop().expect("an end");
}

#[test]
fn many_uploads_of_one_client_hold_nobody_else_back() {
    for limits in
        [r#""total": { "up": "100kB/s" }, "client": { "up": "50kB/s" }"#, r#""total": { "up": "100kB/s" }"#]
    {
        let site = held(limits);
        let mut flood: Vec<Client> = (0..60).map(|_| site.connect()).collect();
        for stream in &mut flood {
            // All of it finds room in sockets.
            stream.get_mut().write_all(&post(2, 60_000)).expect("sent");
        }
        until("they are held back", || site.counter("receives_delayed_limit") >= 50);
        let during = upload(&site, 1);
        assert!(during < SHARED, "{limits}: {during:?}");
        drop(flood);
        let after = upload(&site, 3);
        assert!(after < SHARED, "{limits}: {after:?}");
        // What the others have sent would be served for more than a minute.
    }
}

#[test]
fn who_would_wait_too_long_for_a_line_is_refused() {
    // A piece of an upload takes two seconds, so that fifteen or sixteen are all that may stand in the line of a client;
    // which ones is up to the kernel.
    let site = held(r#""client": { "up": "1kB/s", "up_burst": "1k" }"#);
    let mut flood: Vec<Client> = (0..60).map(|_| site.connect()).collect();
    for stream in &mut flood {
        stream.get_mut().write_all(&post(2, 9_000)).expect("sent");
    }
    until("the others are answered", || 40 <= flood.iter().filter(|stream| has_answer(stream)).count());
    for stream in flood.iter_mut().filter(|stream| has_answer(stream)) {
        let (status, head) = ask(stream, b"");
        assert_eq!(status, 429, "{head}");
    }
    let (status, _) = ask(&mut site.connect(), &post(1, 100));
    assert_eq!(status, 200, "another client");
}

fn has_answer(stream: &Client) -> bool {
    let stream = stream.get_ref();
    stream.set_nonblocking(true).expect("a socket");
    let seen = stream.peek(&mut [0]);
    stream.set_nonblocking(false).expect("a socket");
    seen.is_ok_and(|len| 0 < len)
}
