//! Logs that cannot keep up: what waits, who waits, and what is given up.

#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::credentials;
use e2e::ledger::Counters;
use e2e::output::Place;
use e2e::response::{Asked, Response};
use e2e::{Client, Folder, Options, Server, binary, until};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::Pid;

/// `held` is logged where `${log}` says, `free` nowhere but in the location that is tried behind a login.
const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0"], "shards": 2, "error_log": "${folder}/error.log",
    "control": { "socket": "${folder}/control.sock" }
  },
  "logs": { "main": { ${log}, "queue": "256k" } },
  "hosts": {
    "held": { "root": "${folder}/www", "access_log": "main" },
    "free": { "root": "${folder}/www", "locations": {
      "/members/": { "auth": { "realm": "Members", "users": { "anna": "{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=" } },
        "try": ["$path", "/logged/a"] },
      "/logged/": { "access_log": "main" }
    } }
  }
}"#;

/// Requests whose lines are more than a pipe, a queue and all that can be under way hold, at [`LONG`] bytes each.
const REQUESTS: usize = 1500;
const LONG: usize = 4000;

struct Site {
    folder: Folder,
    configuration: PathBuf,
}

impl Site {
    fn new(log: &str) -> Site {
        let folder = Folder::new("queues").expect("a folder");
        folder.write("www/a", b"hello\n").expect("write");
        let configuration = folder.path().join("kimura.conf");
        let site = Site { folder, configuration };
        site.configure("kimura.conf", log);
        site
    }

    fn configure(&self, name: &str, log: &str) {
        let text = CONFIGURATION.replace("${log}", log);
        let text = text.replace("${folder}", &self.folder.path().to_string_lossy());
        self.folder.write(name, text.as_bytes()).expect("write");
    }

    fn start(&self) -> Server {
        Server::start(&self.configuration, &Options::default()).expect("the server starts")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A number of `kimura status` about lines.
    fn lines(&self, name: &str) -> u64 {
        let words = ["status", "--json", "-c", &self.configuration.display().to_string()];
        let output = binary::output(words).expect("the client runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let status: serde_json::Value = serde_json::from_str(&text).expect(&text);
        status["lines"][name].as_u64().expect(&text)
    }
}

/// A request whose line says its number, and is long.
fn request(host: &str, number: usize) -> Vec<u8> {
    let padding = "x".repeat(LONG);
    format!("GET /a?{number}&{padding} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

fn ask(client: &mut Client, host: &str, number: usize) -> Response {
    client.send(&request(host, number)).expect("send");
    client.response(Asked::Other).expect("a response")
}

/// The numbers in lines of a log.
fn numbers<'l>(lines: impl IntoIterator<Item = &'l str>) -> Vec<usize> {
    let number = |line: &str| {
        let object: serde_json::Value = serde_json::from_str(line).expect(line);
        let target = object["target"].as_str().expect(line).to_owned();
        target.strip_prefix("/a?")?.split('&').next()?.parse().ok()
    };
    lines.into_iter().map(|line| number(line).expect(line)).collect()
}

fn of(counters: &Counters, name: &str) -> u64 {
    counters.get(name).copied().unwrap_or(0)
}

#[test]
fn requests_wait_for_a_log_that_blocks_and_no_line_is_lost() {
    let site = Site::new(r#""stream": "stdout", "when_full": "block""#);
    let fifo = site.path("pipe");
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).expect("a pipe");
    // Nobody reads yet, but the pipe is open.
    let pipe = OpenOptions::new().read(true).write(true).open(&fifo).expect("the pipe");
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" -c \"$1\" > \"$2\""]).arg(binary::path());
    command.arg(&site.configuration).arg(&fifo);
    let server = Server::become_of(command).expect("the server starts");
    let place = server.place(1).expect("an address");
    let answered = Arc::new(AtomicUsize::new(0));
    let held = {
        let (place, answered) = (place.clone(), Arc::clone(&answered));
        thread::spawn(move || {
            let mut client = Client::connect(&place).expect("connect");
            for number in 0..REQUESTS {
                assert_eq!(ask(&mut client, "held", number).status, 200);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    // Many of the other host are answered while none of this one is.
    let mut client = Client::connect(&place).expect("connect");
    until("requests wait", || {
        let before = answered.load(Ordering::Relaxed);
        let free = || ask(&mut client, "free", 0).status == 200;
        std::iter::repeat_with(free).take(200).all(|served| served)
            && before == answered.load(Ordering::Relaxed)
            && 0 < site.lines("lines_queued")
    });
    assert!(answered.load(Ordering::Relaxed) < REQUESTS, "all were answered");
    let mut text = Vec::new();
    let mut reader = BufReader::new(pipe);
    while text.len() < REQUESTS {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        text.push(line);
    }
    held.join().expect("all are answered");
    let wanted: Vec<usize> = (0..REQUESTS).collect();
    assert_eq!(numbers(text.iter().map(String::as_str)), wanted);
    until("all are delivered", || site.lines("lines_delivered") == REQUESTS as u64);
    assert_eq!(site.lines("lines_dropped"), 0);
    server.signal(Signal::SIGTERM).expect("it runs");
    assert!(server.ended().expect("an end").success());
    let errors = fs::read_to_string(site.path("error.log")).expect("an error log");
    assert!(!errors.contains("lines of the access logs"), "{errors}");
}

/// Fills the log of `held` at `/dev/full` until a request waits, which comes back.
fn fill(server: &Server, place: &Place) -> Client {
    let waits = |counters: &Counters| 0 < of(counters, "requests_held_log");
    for number in 0..REQUESTS {
        let mut client = Client::connect(place).expect("connect");
        client.send(&request("held", number)).expect("send");
        let deadline = Instant::now() + Duration::from_millis(20);
        while Instant::now() < deadline {
            if waits(&server.output().said().counters) {
                return client;
            }
            thread::yield_now();
        }
    }
    panic!("no request waits");
}

#[test]
fn who_waits_too_long_is_told_so_and_who_leaves_is_not_served() {
    let site = Site::new(r#""file": "/dev/full", "when_full": "block""#);
    let server = site.start();
    let place = server.place(1).expect("an address");
    let last = fill(&server, &place);
    // Whoever goes meanwhile is not waited for.
    let counters = server.output().said().counters.clone();
    let mut leaving = Client::connect(&place).expect("connect");
    leaving.send(&request("held", 0)).expect("send");
    let held = of(&counters, "requests_held_log");
    server.wait_counters("it waits", |now| held < of(now, "requests_held_log")).expect("it waits");
    drop(leaving);
    server.wait_counters("it is gone", |now| 0 < of(now, "requests_aborted")).expect("it is gone");
    drop(last);
    let mut client = Client::connect(&place).expect("connect");
    client.send(&request("held", 0)).expect("send");
    server.wait_counters("nobody else waits", |now| of(now, "requests_refused_log") == 0).expect("so far");
    let lines = of(&server.output().said().counters, "log_lines");
    let refused = |now: &Counters| 0 < of(now, "requests_refused_log");
    // Half a minute is more than the patience for one condition.
    let _ = server.wait_counters("a refusal", refused);
    server.wait_counters("a refusal", refused).expect("it is refused");
    let response = client.response(Asked::Other).expect("a response");
    assert_eq!((response.status, response.field("retry-after")), (503, Some("10")));
    let counters = server.stop().expect("the ledger is even");
    assert_eq!(of(&counters, "log_lines"), lines, "no line of those that had to wait");
    assert_eq!(of(&counters, "log_lines_dropped"), 0);
}

#[test]
fn who_is_led_on_behind_a_login_waits_for_the_log_there() {
    let site = Site::new(r#""file": "/dev/full", "when_full": "block""#);
    let server = site.start();
    let place = server.place(1).expect("an address");
    let last = fill(&server, &place);
    let held = of(&server.output().said().counters, "requests_held_log");
    let mut client = Client::connect(&place).expect("connect");
    let login = credentials::basic("anna", "x");
    client.send(format!("GET /members/x HTTP/1.1\r\nHost: free\r\n{login}\r\n").as_bytes()).expect("send");
    server.wait_counters("it waits", |now| held < of(now, "requests_held_log")).expect("it waits");
    drop(client);
    drop(last);
    server.stop().expect("the ledger is even");
}

#[test]
fn without_a_word_the_oldest_lines_are_given_up_and_counted() {
    let site = Site::new(r#""file": "/dev/full""#);
    let server = site.start();
    let mut client = server.connect().expect("connect");
    const COUNT: usize = 400;
    for number in 0..COUNT {
        assert_eq!(ask(&mut client, "held", number).status, 200);
    }
    let all = || site.lines("lines_queued") + site.lines("lines_dropped");
    until("all are accounted for", || all() == COUNT as u64);
    assert!(0 < site.lines("lines_dropped") && 0 < site.lines("lines_queued"));
    assert_eq!(site.lines("lines_delivered"), 0);
    let counters = server.stop().expect("the ledger is even");
    assert_eq!(of(&counters, "requests_held_log"), 0);
    let ending = fs::read_to_string(site.path("error.log")).expect("an error log");
    assert!(ending.contains(&format!("{COUNT} written = 0 delivered")), "{ending}");
}

/// Ends the server as a machine that loses its power would.
fn kill(server: Server) {
    for process in server.processes() {
        nix::sys::signal::kill(Pid::from_raw(process.pid as i32), Signal::SIGKILL).expect("it runs");
    }
    server.ended().expect("an end");
}

#[test]
fn what_waits_in_a_file_outlives_the_server_and_comes_once() {
    const COUNT: usize = 30;
    let spill = r#""spill": "${folder}/main.spill""#;
    let site = Site::new(&format!(r#""file": "/dev/full", {spill}"#));
    let ask_for = |server: &Server, numbers: std::ops::Range<usize>| {
        let mut client = server.connect().expect("connect");
        for number in numbers {
            assert_eq!(ask(&mut client, "held", number).status, 200);
        }
    };
    let server = site.start();
    ask_for(&server, 0..COUNT);
    until("all wait", || site.lines("lines_queued") == COUNT as u64);
    let found = fs::metadata(site.path("main.spill")).expect("a file");
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert!(256 << 10 <= found.len() && found.len() <= found.blocks() * 512, "{found:?}");
    // It is one server's.
    site.configure(
        "other.conf",
        &format!(r#""stream": "stdout", {spill}"#).replace("control.sock", "other.sock"),
    );
    let other = binary::output(["-c", &site.path("other.conf").display().to_string()]).expect("it runs");
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && said.contains("or of another server, wait in"), "{said}");
    kill(server);
    // Another program has the file, and a disk that works.
    site.configure("kimura.conf", &format!(r#""file": "${{folder}}/access.log", {spill}"#));
    let read = || fs::read_to_string(site.path("access.log")).unwrap_or_default();
    let server = site.start();
    ask_for(&server, COUNT..COUNT + 10);
    until("all are delivered", || site.lines("lines_delivered") == COUNT as u64 + 10);
    let wanted: Vec<usize> = (0..COUNT + 10).collect();
    assert_eq!(numbers(read().lines()), wanted);
    assert_eq!((site.lines("lines_written"), site.lines("lines_lost")), (COUNT as u64 + 10, 0));
    kill(server);
    let server = site.start();
    server.signal(Signal::SIGUSR2).expect("it runs");
    let upgraded =
        || fs::read_to_string(site.path("error.log")).expect("an error log").contains("upgraded from");
    until("another program", upgraded);
    ask_for(&server, COUNT + 10..COUNT + 11);
    until("the last one", || site.lines("lines_delivered") == 1);
    assert_eq!(numbers(read().lines()), (0..COUNT + 11).collect::<Vec<_>>());
    assert_eq!((site.lines("lines_written"), site.lines("lines_under_way")), (1, 0));
    server.stop().expect("the ledger is even");
    assert_eq!(fs::metadata(site.path("main.spill")).expect("a file").len(), found.len());
}

#[test]
fn another_way_to_wait_takes_a_restart_and_a_reload_says_so() {
    let site = Site::new(r#""file": "${folder}/main.log""#);
    let server = site.start();
    let spill = r#""file": "${folder}/main.log", "when_full": "block", "spill": "${folder}/main.spill""#;
    let text = fs::read_to_string(&site.configuration).expect("a configuration");
    site.configure("other.conf", spill);
    let other = fs::read_to_string(site.path("other.conf")).expect("a configuration");
    let reload = |text: &str| {
        fs::write(&site.configuration, text).expect("write");
        let words = ["reload", "-c", &site.configuration.display().to_string()];
        let output = binary::output(words).expect("the client runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let told = reload(&other.replace("\"256k\"", "\"1m\""));
    let keys = "/logs/main/queue, /logs/main/when_full, /logs/main/spill";
    assert!(told.contains(&format!("needs restart  {keys}")), "{told}");
    assert!(!site.path("main.spill").exists());
    let said = fs::read_to_string(site.path("error.log")).expect("an error log");
    assert!(said.contains(&format!("in force as before: {keys}: restart the server")), "{said}");
    let mut client = server.connect().expect("connect");
    assert_eq!(ask(&mut client, "held", 1).status, 200, "all else was taken over");
    assert!(!reload(&text).contains("needs restart"), "as it was");
    fs::write(&site.configuration, other).expect("write");
    server.stop().expect("the server ends in order");
    let server = site.start();
    assert!(site.path("main.spill").exists(), "the restart changes it");
    server.stop().expect("the server ends in order");
}
