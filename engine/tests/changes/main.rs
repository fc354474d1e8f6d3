//! A running server goes over to another site, and listeners come and go, without losing a request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use common::{PATIENCE, Running, connect, listen, load};
use engine::{Change, Error, Listening, Outcome};
use perf::{Counter, Snapshot};

#[path = "../common/mod.rs"]
mod common;
mod files;
mod listeners;
mod refusals;

/// Site a: one address.
const SITE_A: &str = r#"{
    "server": { "listen": ["127.0.0.1:8080"] },
    "hosts": { "localhost": {
        "root": "ROOT/a", "headers": { "X-Site": "a" }, "access_log": "ROOT/access.log",
        "locations": { "/echo": { "handler": "echo" } }
    } }
}"#;

/// Site b: another address before that of site a, for another host.
const SITE_B: &str = r#"{
    "server": { "listen": ["127.0.0.1:8081", "127.0.0.1:8080"] },
    "hosts": {
        "extra.test": { "listen": ["127.0.0.1:8081"], "root": "ROOT/extra", "headers": { "X-Site": "extra" },
            "locations": { "/echo": { "handler": "echo" } } },
        "localhost": { "listen": ["127.0.0.1:8080"], "root": "ROOT/b", "headers": { "X-Site": "b" },
            "access_log": "ROOT/other.log" }
    }
}"#;

/// The addresses of site b, by their index.
const EXTRA_OF_B: usize = 0;
const MAIN_OF_B: usize = 1;

fn fill(folder: &Path) {
    for (site, content) in [("a", "site a"), ("b", "this is site b"), ("extra", "extra")] {
        std::fs::create_dir(folder.join(site)).expect("a folder");
        std::fs::write(folder.join(site).join("file.txt"), content).expect("a file");
    }
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: String,
    /// The value of `X-Site`.
    site: String,
    closes: bool,
    content: Vec<u8>,
}

fn read_answer(client: &mut TcpStream) -> Answer {
    let answer = String::from_utf8(common::answer(client)).expect("text");
    let (head, content) = answer.split_once("\r\n\r\n").expect("a head");
    let field = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| *known == name).map(|(_, value)| value).unwrap_or_default()
    };
    Answer {
        status: head.split(' ').nth(1).unwrap_or_default().to_owned(),
        site: field("X-Site").to_owned(),
        closes: field("Connection") == "close",
        content: content.as_bytes().to_owned(),
    }
}

fn get(client: &mut TcpStream, host: &str) -> Answer {
    let request = format!("GET /file.txt HTTP/1.1\r\nHost: {host}\r\n\r\n");
    client.write_all(request.as_bytes()).expect("a request is sent");
    read_answer(client)
}

fn ok(site: &str, content: &str) -> Answer {
    Answer {
        status: "200".to_owned(),
        site: site.to_owned(),
        closes: false,
        content: content.as_bytes().to_owned(),
    }
}

fn from_a() -> Answer {
    ok("a", "site a")
}

fn from_b() -> Answer {
    ok("b", "this is site b")
}

/// Waits for the end of a connection.
fn ends(client: &mut TcpStream) {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("the connection ends well");
    assert_eq!(rest, b"");
}

fn refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Waits until a condition holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

/// The listener that each shard has had from the start.
fn main_listener(address: usize) -> Listening {
    Listening { id: 0, address, socket: None }
}

impl Running {
    fn prepare(&self, configuration: &str, listeners: Vec<Vec<Listening>>) -> Result<(), Error> {
        let (loaded, site) = load(&self.folder, configuration);
        let secured = vec![None; site.addresses()];
        let outward = Default::default();
        let change =
            Change { site, secured, outward, config: &loaded.config.server, logger: &self.logger, listeners };
        self.server.prepare(change, PATIENCE)
    }

    fn prepare_a(&self) {
        let listeners = self.blocks.iter().map(|_| vec![main_listener(0)]).collect();
        self.prepare(SITE_A, listeners).expect("site a is prepared");
    }

    /// Prepares site b with a new listener of this number; answers its address.
    fn prepare_b(&self, id: u32) -> SocketAddr {
        let (extra, sockets) = listen(self.blocks.len());
        let listeners = sockets.into_iter().map(|socket| {
            vec![main_listener(MAIN_OF_B), Listening { id, address: EXTRA_OF_B, socket: Some(socket) }]
        });
        self.prepare(SITE_B, listeners.collect()).expect("site b is prepared");
        extra
    }

    fn commit(&self) {
        self.server.commit(PATIENCE).expect("what is prepared is committed");
    }

    fn sum(&self, counter: Counter) -> u64 {
        Snapshot::read(self.blocks.iter().map(AsRef::as_ref)).get(counter)
    }
}

/// Requests without end until told otherwise; `next` gives the connection for each.
fn request_on(done: &AtomicBool, answered: &AtomicU64, mut next: impl FnMut(Option<TcpStream>) -> TcpStream) {
    let mut client = None;
    while !done.load(Ordering::Relaxed) {
        let mut connection = next(client.take());
        let answer = get(&mut connection, "localhost");
        assert!(answer == from_a() || answer == from_b(), "{answer:?}");
        answered.fetch_add(1, Ordering::Relaxed);
        client = Some(connection);
    }
}

const CHANGES: u32 = 50;

#[test]
fn no_request_is_lost_while_sites_alternate() {
    let running = common::start(2, SITE_A, fill);
    let (done, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| request_on(&done, &answered, |kept| kept.unwrap_or_else(|| running.connect())));
            scope.spawn(|| request_on(&done, &answered, |_| running.connect()));
        }
        let mut kept = running.connect();
        let mut check = |expected: &Answer| {
            assert_eq!(get(&mut kept, "localhost"), *expected);
            assert_eq!(get(&mut running.connect(), "localhost"), *expected);
        };
        for change in 1..=CHANGES / 2 {
            let extra = running.prepare_b(change);
            check(&from_a());
            running.commit();
            check(&from_b());
            let mut of_extra = connect(extra);
            assert_eq!(get(&mut of_extra, "extra.test"), ok("extra", "extra"));
            assert_eq!(get(&mut of_extra, "localhost").status, "421");
            running.prepare_a();
            check(&from_b());
            running.commit();
            check(&from_a());
            ends(&mut of_extra);
            until("a removed listener refuses connections", || refused(extra));
            // Requests go on between any two changes.
            let seen = answered.load(Ordering::Relaxed);
            until("requests go on", || answered.load(Ordering::Relaxed) > seen + 8);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(running.stop(), Outcome::Stopped);
    // Two for each of four checks, and two to the extra host, in both changes together.
    let answered = answered.into_inner() + 5 * u64::from(CHANGES);
    assert_eq!(running.sum(Counter::RequestsBegun), answered);
    assert_eq!(running.sum(Counter::RequestsAnswered), answered);
    let closed =
        running.sum(Counter::ConnectionsClosedByUs) + running.sum(Counter::ConnectionsClosedByClient);
    assert_eq!(running.sum(Counter::ConnectionsAccepted), closed);
    // Every request is in the log of the site that answered it.
    let lines = |log: &str, content: &str| {
        let text = std::fs::read_to_string(running.folder.join(log)).expect("a log");
        let length = format!(" 200 {} ", content.len());
        assert!(text.lines().all(|line| line.contains(&length)), "{text}");
        text.lines().count() as u64
    };
    let logged = lines("access.log", "site a") + lines("other.log", "this is site b");
    // Those to the extra host have no log.
    assert_eq!(logged, answered - u64::from(CHANGES));
}
