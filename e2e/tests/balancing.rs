//! Requests shared among real servers: by each rule, around those that fail, through restarts, and as commands say.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::load::Load;
use e2e::program::{Backend, Program};
use e2e::response::Asked;
use e2e::{Client, Folder, Options, Server, binary, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0"], "shards": ${shards}, "error_log": "${folder}/error.log",
    "trusted": ["127.0.0.1"], "client_address": "x-forwarded-for",
    "control": { "socket": "${folder}/control.sock" }
  },
  "upstreams": { "app": { "servers": [${servers}] ${more} } },
  "hosts": { "localhost": { "proxy": "app", "request_buffering": "1k" } }
}"#;

/// So many that none of three servers is without one of them, whatever their ports are.
const USERS: usize = 60;

/// Checks that find soon who is gone, and take nobody for that because the machine is busy.
const CHECKED: &str =
    r#""health": { "path": "/health", "interval": "1s", "timeout": "1s", "rise": 1, "fall": 2 }"#;

struct Site {
    folder: Folder,
    server: Server,
}

impl Site {
    fn start(folder: Folder, shards: usize, servers: &str, more: &str) -> Site {
        let text = CONFIGURATION.replace("${shards}", &shards.to_string()).replace("${servers}", servers);
        let text = text.replace("${more}", more).replace("${folder}", &folder.path().to_string_lossy());
        let path = folder.write("kimura.conf", text.as_bytes()).expect("write");
        let server = Server::start(&path, &Options::default()).expect("the server starts");
        Site { folder, server }
    }

    fn give(&self, command: &str) -> (Option<i32>, String) {
        let output = Command::new(binary::path())
            .args(command.split(' '))
            .arg("--socket")
            .arg(self.folder.path().join("control.sock"))
            .output()
            .expect("the client runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Gives a command that is carried out; of a worker that is too busy to tell, it is asked again.
    fn done(&self, command: &str) -> String {
        let (mut done, mut again) = (None, false);
        until(&format!("{command} is done"), || {
            let (status, said) = self.give(command);
            let is_done = status == Some(0) || again && said.contains("already");
            again = said.contains("try again in a moment");
            assert!(is_done || again, "{command}: {said}");
            done = is_done.then_some(said);
            is_done
        });
        done.expect("it is done")
    }

    /// The states of all servers, by what they are called.
    fn states(&self) -> BTreeMap<String, String> {
        self.column(2)
    }

    /// A column of the table of all servers, by what they are called.
    fn column(&self, number: usize) -> BTreeMap<String, String> {
        let table = self.done("upstreams");
        let row = |line: &str| {
            let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
            Some(((*cells.get(1)?).to_owned(), (*cells.get(number)?).to_owned()))
        };
        table.lines().skip(1).filter_map(row).collect()
    }

    fn awaits(&self, server: &str, state: &str) {
        until(&format!("{server} is {state}"), || {
            self.states().get(server).is_some_and(|found| found.starts_with(state))
        });
    }

    /// What is answered to one request on a connection of its own: its status and its body.
    fn ask(&self, fields: &str) -> (u16, String) {
        let mut client = self.server.connect().expect("connect");
        ask(&mut client, fields)
    }

    /// How many of so many requests each word answers, all on one connection.
    fn shares(&self, count: usize, fields: impl Fn(usize) -> String) -> BTreeMap<String, usize> {
        let mut client = self.server.connect().expect("connect");
        let mut shares = BTreeMap::new();
        for number in 0..count {
            let (status, word) = ask(&mut client, &fields(number));
            assert_eq!(status, 200, "{word}");
            *shares.entry(word).or_default() += 1;
        }
        shares
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).expect("an error log")
    }
}

fn ask(client: &mut Client, fields: &str) -> (u16, String) {
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    client.send(request.as_bytes()).expect("send");
    let response = client.response(Asked::Other).expect("an answer");
    (response.status, String::from_utf8_lossy(&response.body).into_owned())
}

/// nginx, HAProxy and Caddy, each of which says its name.
fn all(folder: &Folder) -> [Backend; 3] {
    [(Program::Nginx, "nginx"), (Program::Haproxy, "haproxy"), (Program::Caddy, "caddy")]
        .map(|(program, word)| Backend::start(program, word, folder).expect("a backend"))
}

/// The items of `servers`, each with its weight.
fn weighted(backends: &[Backend], weights: &[u32]) -> String {
    let item = |(backend, weight): (&Backend, &u32)| {
        format!(r#"{{ "address": "{}", "weight": {weight} }}"#, backend.address)
    };
    backends.iter().zip(weights).map(item).collect::<Vec<_>>().join(", ")
}

#[test]
fn requests_are_shared_by_each_rule() {
    let folder = Folder::new("balancing").expect("a folder");
    let backends = all(&folder);
    let shared = |counts: [usize; 3]| {
        let words = ["nginx", "haproxy", "caddy"].map(str::to_owned);
        words.into_iter().zip(counts).collect::<BTreeMap<_, _>>()
    };
    for (balance, weights, wanted) in [
        ("round_robin", [1, 1, 1], shared([20, 20, 20])),
        ("round_robin", [1, 2, 3], shared([10, 20, 30])),
        ("least_connections", [1, 2, 3], shared([10, 20, 30])),
        ("hash cookie id", [3, 2, 1], shared([30, 20, 10])),
    ] {
        let folder = Folder::new("balancing").expect("a folder");
        let more = format!(r#", "balance": "{balance}""#);
        let site = Site::start(folder, 1, &weighted(&backends, &weights), &more);
        assert_eq!(site.shares(60, |_| String::new()), wanted, "{balance} {weights:?}");
        site.server.stop().expect("an even ledger");
    }
    for (balance, field) in [
        ("hash cookie id", (|user| format!("Cookie: id={user}\r\n")) as fn(usize) -> String),
        ("hash header X-User", |user| format!("X-User: {user}\r\n")),
        ("hash address", |user| format!("X-Forwarded-For: 192.0.2.{user}\r\n")),
    ] {
        let folder = Folder::new("balancing").expect("a folder");
        let more = format!(r#", "balance": "{balance}""#);
        // Each of two shards makes the same of a key.
        let site = Site::start(folder, 2, &weighted(&backends, &[1, 1, 1]), &more);
        let first: Vec<String> = (0..USERS).map(|user| site.ask(&field(user)).1).collect();
        for _ in 0..3 {
            let again: Vec<String> = (0..USERS).map(|user| site.ask(&field(user)).1).collect();
            assert_eq!(again, first, "{balance}");
        }
        assert_eq!(site.shares(USERS, field).len(), 3, "{balance}: {first:?}");
        site.server.stop().expect("an even ledger");
    }
    let folder = Folder::new("balancing").expect("a folder");
    let site = Site::start(folder, 1, &weighted(&backends, &[1, 1, 1]), r#", "balance": "random_two""#);
    let shares = site.shares(300, |_| String::new());
    assert!(shares.values().all(|count| (60..140).contains(count)) && shares.len() == 3, "{shares:?}");
    site.server.stop().expect("an even ledger");
}

#[test]
fn checks_find_who_is_down_and_who_is_back() {
    let folder = Folder::new("balancing").expect("a folder");
    let mut backends = all(&folder);
    let [nginx, haproxy, caddy] = backends.each_ref().map(|backend| backend.address.to_string());
    // A name of the machine itself leads there as well.
    let servers = format!(r#""localhost:{}", "{haproxy}", "{caddy}""#, backends[0].address.port());
    let health = r#", "health": { "path": "/health?a=b", "interval": "200ms", "timeout": "200ms", "rise": 1, "fall": 2 }"#;
    let site = Site::start(folder, 2, &servers, health);
    let named = format!("localhost:{} ({nginx})", backends[0].address.port());
    for server in [&named, &haproxy, &caddy] {
        site.awaits(server, "up");
    }
    backends[0].end(Signal::SIGTERM);
    site.awaits(&named, "down");
    assert!(site.log().contains(&format!("upstream app: {named} is down")), "{}", site.log());
    let shares = site.shares(40, |_| String::new());
    assert!(shares.len() == 2 && !shares.contains_key("nginx"), "{shares:?}");
    backends[1].end(Signal::SIGTERM);
    backends[2].end(Signal::SIGTERM);
    site.awaits(&haproxy, "down");
    site.awaits(&caddy, "down");
    let mut client = site.server.connect().expect("connect");
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("send");
    let response = client.response(Asked::Other).expect("an answer");
    assert_eq!(response.status, 503);
    assert!(response.field("Retry-After").is_some(), "{response:?}");
    backends[0].begin().expect("nginx begins again");
    site.awaits(&named, "up");
    assert_eq!(site.ask("").0, 200);
    let counters = site.server.stop().expect("an even ledger");
    assert!(3 <= counters["upstreams_down"] && 1 <= counters["upstreams_up"], "{counters:?}");
}

#[test]
fn a_cookie_has_a_client_come_to_the_same_server_again() {
    let folder = Folder::new("balancing").expect("a folder");
    let mut backends = all(&folder);
    let site = Site::start(folder, 2, &weighted(&backends, &[1, 1, 1]), r#", "sticky": "server""#);
    let get = |fields: &str| {
        let mut client = site.server.connect().expect("connect");
        client.send(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").as_bytes()).expect("send");
        let response = client.response(Asked::Other).expect("an answer");
        let cookie = response.field("Set-Cookie").map(str::to_owned);
        (String::from_utf8_lossy(&response.body).into_owned(), cookie)
    };
    let (word, cookie) = get("");
    let cookie = cookie.expect("a cookie");
    let (pair, attributes) = cookie.split_once("; ").expect("attributes");
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
    let sent = format!("Cookie: {pair}\r\n");
    for _ in 0..20 {
        assert_eq!(get(&sent), (word.clone(), None));
    }
    // Another worker knows it as well.
    site.done("upgrade");
    assert_eq!(get(&sent), (word.clone(), None));
    let own = ["nginx", "haproxy", "caddy"].iter().position(|name| *name == word).expect("a backend");
    backends[own].end(Signal::SIGTERM);
    let (other, moved) = get(&sent);
    assert!(other != word && moved.is_some_and(|moved| moved != cookie), "{other}");
    site.server.stop().expect("an even ledger");
}

/// The items of `servers`, the second of them for when there is no other.
fn with_backup(backends: &[Backend; 2]) -> String {
    let [first, second] = backends.each_ref().map(|backend| backend.address);
    format!(r#""{first}", {{ "address": "{second}", "backup": true }}"#)
}

#[test]
fn a_backup_gets_requests_while_there_is_no_other() {
    let files = Folder::new("balancing").expect("a folder");
    let start = |(program, word)| Backend::start(program, word, &files).expect("a backend");
    let mut backends = [(Program::Nginx, "nginx"), (Program::Haproxy, "haproxy")].map(start);
    let name = backends[0].address.to_string();
    let only = |word: &str, count| BTreeMap::from([(word.to_owned(), count)]);
    for balance in ["round_robin", "least_connections", "random_two", "hash header X-User"] {
        let folder = Folder::new("balancing").expect("a folder");
        let more = format!(r#", "balance": "{balance}", "eject": {{ "failures": 0 }}, {CHECKED}"#);
        let site = Site::start(folder, 1, &with_backup(&backends), &more);
        let user = |number: usize| format!("X-User: {number}\r\n");
        site.awaits(&name, "up");
        assert_eq!(site.shares(20, user), only("nginx", 20), "{balance}");
        backends[0].end(Signal::SIGTERM);
        // At once: those who find nobody are given to the other one.
        assert_eq!(site.shares(20, user), only("haproxy", 20), "{balance}");
        site.awaits(&name, "down");
        assert_eq!(site.shares(20, user), only("haproxy", 20), "{balance}");
        backends[0].begin().expect("it begins again");
        until("it is asked again", || site.ask("").1 == "nginx");
        assert_eq!(site.shares(20, user), only("nginx", 20), "{balance}");
        site.server.stop().expect("an even ledger");
    }
}

#[test]
fn who_comes_gets_its_share_by_and_by() {
    let files = Folder::new("balancing").expect("a folder");
    let start = |(program, word)| Backend::start(program, word, &files).expect("a backend");
    let mut backends = [(Program::Nginx, "nginx"), (Program::Haproxy, "haproxy")].map(start);
    let [nginx, haproxy] = backends.each_ref().map(|backend| backend.address.to_string());
    let of = |shares: &BTreeMap<String, usize>, word: &str| shares.get(word).copied().unwrap_or_default();
    for balance in ["round_robin", "least_connections"] {
        // An hour is never over here: what it begins with, a hundredth, has hardly grown.
        let folder = Folder::new("balancing").expect("a folder");
        let more = format!(r#", "balance": "{balance}", "slow_start": "1h", {CHECKED}"#);
        let site = Site::start(folder, 1, &format!(r#""{nginx}""#), &more);
        site.awaits(&nginx, "up");
        site.done(&format!("upstream add app {haproxy}"));
        site.awaits(&haproxy, "up");
        until("it gets something", || 0 < of(&site.shares(100, |_| String::new()), "haproxy"));
        let shares = site.shares(200, |_| String::new());
        assert!((1..40).contains(&of(&shares, "haproxy")), "{balance}: {shares:?}");
        site.server.stop().expect("an even ledger");
        // A second is soon over.
        let folder = Folder::new("balancing").expect("a folder");
        let more = format!(
            r#", "balance": "{balance}", "slow_start": "1s", "eject": {{ "failures": 0 }}, {CHECKED}"#
        );
        let site = Site::start(folder, 1, &format!(r#""{nginx}", "{haproxy}""#), &more);
        site.awaits(&nginx, "up");
        backends[1].end(Signal::SIGTERM);
        site.awaits(&haproxy, "down");
        assert_eq!(
            site.shares(20, |_| String::new()),
            BTreeMap::from([("nginx".to_owned(), 20)]),
            "{balance}"
        );
        backends[1].begin().expect("it begins again");
        until("it has all of its share", || {
            (19..=21).contains(&of(&site.shares(40, |_| String::new()), "haproxy"))
        });
        site.server.stop().expect("an even ledger");
    }
}

#[test]
fn who_is_drained_restarts_without_a_failed_request_whatever_it_asks() {
    let folder = Folder::new("balancing").expect("a folder");
    let start = |_| Backend::start(Program::Nginx, "same", &folder).expect("a backend");
    let mut backends: Vec<Backend> = (0..3).map(start).collect();
    for balance in ["round_robin", "least_connections"] {
        let own = Folder::new("balancing").expect("a folder");
        let more = format!(r#", "balance": "{balance}", {CHECKED}"#);
        let site = Site::start(own, 2, &weighted(&backends, &[1, 1, 1]), &more);
        let place = site.server.place(1).expect("an address");
        // POST is not sent a second time, so that each has to find its server.
        let load = Load::start_posting(&[place.clone(), place], "localhost", "content", b"same");
        for backend in &mut backends {
            let name = backend.address.to_string();
            site.awaits(&name, "up");
            site.done(&format!("upstream drain app {name}"));
            until("nothing is under way there", || site.column(4)[&name] == "0");
            backend.end(Signal::SIGTERM);
            backend.begin().expect("it begins again");
            site.done(&format!("upstream add app {name}"));
        }
        let tally = load.stop();
        assert_eq!(tally.failures, Vec::<String>::new(), "{balance}");
        assert!(100 < tally.answered, "{balance}: {tally:?}");
        site.server.stop().expect("an even ledger");
    }
}

#[test]
fn a_rolling_restart_fails_no_request() {
    for balance in ["round_robin", "least_connections"] {
        roll(balance);
    }
}

fn roll(balance: &str) {
    let folder = Folder::new("balancing").expect("a folder");
    // Whoever answers says the same.
    let start = |_| Backend::start(Program::Nginx, "same", &folder).expect("a backend");
    let mut backends: Vec<Backend> = (0..3).map(start).collect();
    let health = format!(r#", "balance": "{balance}", {CHECKED}"#);
    let site = Site::start(folder, 2, &weighted(&backends, &[1, 1, 1]), &health);
    let place = site.server.place(1).expect("an address");
    let load = Load::start(&[place.clone(), place], "localhost", "/", b"same");
    for backend in &mut backends {
        let name = backend.address.to_string();
        site.awaits(&name, "up");
        backend.end(Signal::SIGTERM);
        site.awaits(&name, "down");
        backend.begin().expect("it begins again");
        site.awaits(&name, "up");
    }
    let tally = load.stop();
    assert_eq!(tally.failures, Vec::<String>::new(), "{balance}");
    assert!(100 < tally.answered, "{balance}: {tally:?}");
    site.server.stop().expect("an even ledger");
}

/// A server that answers, or closes without a word while it is told to.
fn moody() -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let fails = Arc::new(AtomicBool::new(false));
    let mood = Arc::clone(&fails);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mood = Arc::clone(&mood);
            std::thread::spawn(move || answer(stream.expect("a connection"), &mood));
        }
    });
    (address, fails)
}

fn answer(mut stream: TcpStream, fails: &AtomicBool) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while stream.read(&mut byte).is_ok_and(|count| count == 1) {
        head.push(byte[0]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        head.clear();
        if fails.load(Ordering::Relaxed)
            || stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nmoody").is_err()
        {
            return;
        }
    }
}

#[test]
fn who_fails_is_passed_by_for_a_while() {
    let folder = Folder::new("balancing").expect("a folder");
    let nginx = Backend::start(Program::Nginx, "nginx", &folder).expect("a backend");
    let (address, fails) = moody();
    let eject = r#", "eject": { "failures": 3, "duration": "1s" }"#;
    let site = Site::start(folder, 1, &format!(r#""{address}", "{}""#, nginx.address), eject);
    assert_eq!(site.shares(20, |_| String::new()).len(), 2);
    fails.store(true, Ordering::Relaxed);
    // A GET that found no answer is given to another server.
    let shares = site.shares(20, |_| String::new());
    assert_eq!(shares, BTreeMap::from([("nginx".to_owned(), 20)]));
    let state = &site.states()[&address.to_string()];
    assert_eq!(state, "ejected by 1 shard");
    fails.store(false, Ordering::Relaxed);
    site.awaits(&address.to_string(), "up");
    assert_eq!(site.shares(20, |_| String::new()).len(), 2);
    let counters = site.server.stop().expect("an even ledger");
    assert_eq!(counters["upstream_ejections"], 1, "{counters:?}");
}

#[test]
fn commands_change_who_gets_requests_and_what_they_say_lasts() {
    let folder = Folder::new("balancing").expect("a folder");
    let backends = all(&folder);
    let [nginx, haproxy, caddy] = backends.each_ref().map(|backend| backend.address.to_string());
    let site = Site::start(folder, 2, &format!(r#""{nginx}", "{haproxy}""#), "");
    let answers = |site: &Site| -> Vec<String> {
        let mut words: Vec<String> = (0..24).map(|_| site.ask("").1).collect();
        words.sort();
        words.dedup();
        words
    };
    assert_eq!(answers(&site), ["haproxy", "nginx"]);
    assert!(site.done(&format!("upstream drain app {nginx}")).contains("gets no more requests"));
    // What a command says holds when it says it.
    assert_eq!(answers(&site), ["haproxy"]);
    assert!(site.done(&format!("upstream add app {caddy} --weight 2")).contains("gets requests"));
    assert_eq!(answers(&site), ["caddy", "haproxy"]);
    assert_eq!(site.states()[&nginx], "drained");
    site.done(&format!("upstream remove app {haproxy}"));
    assert_eq!(answers(&site), ["caddy"]);
    assert!(!site.states().contains_key(&haproxy));
    for (command, said) in [
        (format!("upstream add app {caddy}"), "already"),
        (format!("upstream drain app {haproxy}"), "has no"),
        (format!("upstream drain none {nginx}"), "there is no upstream \"none\""),
        ("upstream add app nowhere".to_owned(), "is no address"),
    ] {
        let (status, text) = site.give(&command);
        assert!(status == Some(1) && text.contains(said), "{command}: {text}");
    }
    // Another worker, another configuration and another program know it.
    let worker = site.server.process("kimura: worker").expect("a worker");
    kill(Pid::from_raw(worker.pid.cast_signed()), Signal::SIGKILL).expect("it is there");
    until("a worker serves again", || site.give("upstreams").1.contains("drained"));
    assert_eq!(answers(&site), ["caddy"]);
    site.done("reload");
    assert_eq!(answers(&site), ["caddy"]);
    site.done("upgrade");
    assert_eq!(answers(&site), ["caddy"]);
    site.done(&format!("upstream add app {nginx}"));
    site.done(&format!("upstream remove app {caddy}"));
    until("nginx is back", || answers(&site) == ["nginx"]);
    let json = site.done("upstreams --json");
    assert!(json.contains(r#""state":"up""#) && json.contains(&nginx) && !json.contains(&caddy), "{json}");
}
