//! `soak [MINUTES]`, ten by default: a mixed load for a long time. Memory and descriptors must stay flat, the
//! server must answer all along, and the ledger must balance at the end.
//!
//! `soak changes`: 200 reloads and 20 upgrades under a constant load, of which no client may notice anything.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::changes::{Plan, under_load};
use e2e::output::Place;
use e2e::response::Asked;
use e2e::{Client, Failure, Folder, Options, Outcome, Server};

/// What `soak changes` does.
const CHANGES: Plan = Plan { reloads: 200, upgrades: 20 };

/// Clients at the same time.
const CLIENTS: u64 = 8;

/// Share of the time after which nothing may grow any more.
const WARM_UP: u32 = 5;

/// What memory may still grow by after the warm-up, in bytes, and descriptors in number: what is in flight
/// differs from one look to the next.
const GROWTH_MAX: Use = Use { memory: 2 << 20, descriptors: 2 * CLIENTS };

/// The longest run, in minutes.
const MINUTES_MAX: u64 = 24 * 60;

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "timeouts": { "header": "1s", "body": "1s", "idle": "2s", "write": "2s" } },
  "hosts": { "localhost": { "root": "${root}", "locations": { "/echo": { "handler": "echo" } } } }
}"#;

fn main() -> ExitCode {
    let word = std::env::args().nth(1);
    if word.as_deref() == Some("changes") {
        return told(under_load(CHANGES).map(|tally| {
            format!(
                "{} requests over {} connections, and nothing went wrong",
                tally.answered, tally.connections
            )
        }));
    }
    let minutes = match word.map(|word| word.parse::<u64>()) {
        None => 10,
        Some(Ok(minutes)) if (1..=MINUTES_MAX).contains(&minutes) => minutes,
        Some(_) => {
            eprintln!("usage: soak [MINUTES | changes], 1 to {MINUTES_MAX}");
            return ExitCode::FAILURE;
        }
    };
    told(soak(Duration::from_secs(60 * minutes)).map(|exchanges| {
        format!("{exchanges} exchanges in {minutes} min; memory and descriptors stayed flat")
    }))
}

/// Prints how it went.
fn told(outcome: Outcome<String>) -> ExitCode {
    match outcome {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn soak(time: Duration) -> Outcome<u64> {
    let folder = Folder::new("soak")?;
    let server = start(&folder)?;
    let run = Run { place: server.place(1)?, until: Instant::now() + time, stopped: AtomicBool::new(false) };
    let exchanges = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let run = &run;
                scope.spawn(move || run.client(number))
            })
            .collect();
        let watched = run.unless_failed(watch(&server, &run, time));
        let clients = clients.into_iter().map(|client| client.join().expect("no client panics"));
        let exchanges = clients.sum::<Outcome<u64>>();
        watched.and(exchanges)
    })?;
    server.stop()?;
    Ok(exchanges)
}

/// What clients and watch share.
struct Run {
    place: Place,
    until: Instant,
    /// Set by whoever fails, so that the others need not go on.
    stopped: AtomicBool,
}

impl Run {
    fn goes_on(&self) -> bool {
        Instant::now() < self.until && !self.stopped.load(Ordering::Relaxed)
    }

    fn unless_failed<T>(&self, outcome: Outcome<T>) -> Outcome<T> {
        if outcome.is_err() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        outcome
    }

    /// Exchanges of all kinds in turn; returns how many there were.
    fn client(&self, number: u64) -> Outcome<u64> {
        let mut done = 0;
        while self.goes_on() {
            self.unless_failed(exchange(&self.place, number + done))?;
            done += 1;
        }
        Ok(done)
    }
}

fn start(folder: &Folder) -> Outcome<Server> {
    folder.write("www/small.txt", b"Hello, world!\n")?;
    folder.write("www/medium.bin", &vec![b'm'; 100_000])?;
    folder.write("www/large.bin", &vec![b'l'; 4 << 20])?;
    let root = folder.path().join("www");
    let text = CONFIGURATION.replace("${root}", &root.to_string_lossy());
    let configuration = folder.write("kimura.conf", text.as_bytes())?;
    Server::start(&configuration, &Options::default())
}

/// One connection of one of the kinds, in turn.
fn exchange(place: &Place, turn: u64) -> Outcome<()> {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    let mut client = Client::connect(place)?;
    match turn % 7 {
        0 => ask(&mut client, &get("/small.txt").repeat(16), &[200; 16]),
        1 => ask(&mut client, &get("/medium.bin"), &[200]),
        2 => ask(&mut client, &get("/large.bin"), &[200]),
        3 => ask(&mut client, &get("/missing"), &[404]),
        4 => ask(&mut client, b"nonsense\r\n\r\n", &[400]),
        5 => {
            let request = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
            ask(&mut client, request, &[200])
        }
        // Gone in the middle of an answer.
        _ => {
            client.send(&get("/large.bin"))?;
            client.part(1000).map(drop)
        }
    }
}

fn ask(client: &mut Client, request: &[u8], statuses: &[u16]) -> Outcome<()> {
    client.send(request)?;
    for wanted in statuses {
        let response = client.response(Asked::Other)?;
        if response.status != *wanted {
            return Err(Failure::mismatch("status", wanted, response.status));
        }
    }
    Ok(())
}

/// What the server holds.
#[derive(Debug, Clone, Copy)]
struct Use {
    memory: u64,
    descriptors: u64,
}

impl Use {
    /// All processes together.
    fn of(server: &Server) -> Outcome<Use> {
        let mut sum = Use { memory: 0, descriptors: 0 };
        for process in server.processes() {
            sum.memory += process.resident()?;
            sum.descriptors += process.descriptors()?;
        }
        Ok(sum)
    }
}

/// Looks at the server at each of its reports, and compares with the most it held while it warmed up.
fn watch(server: &Server, run: &Run, time: Duration) -> Outcome<()> {
    let warm = run.until - time + time / WARM_UP;
    let mut most = Use::of(server)?;
    while run.goes_on() {
        server.next_report()?;
        let now = Use::of(server)?;
        if Instant::now() < warm {
            most.memory = most.memory.max(now.memory);
            most.descriptors = most.descriptors.max(now.descriptors);
        }
        if most.memory + GROWTH_MAX.memory < now.memory {
            return Err(Failure::mismatch("memory in bytes", format!("about {}", most.memory), now.memory));
        }
        if most.descriptors + GROWTH_MAX.descriptors < now.descriptors {
            return Err(Failure::mismatch(
                "descriptors",
                format!("about {}", most.descriptors),
                now.descriptors,
            ));
        }
    }
    Ok(())
}
