//! What a service manager is told (sd_notify(3)): the test plays its part.

#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::manager::News;
use e2e::response::Asked;
use e2e::{Folder, Manager, Process, Server, Service, binary};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, mkfifo};

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0", "unix:${folder}/http.sock"], "shards": 2,
    "control": { "socket": "${folder}/control.sock" }
  },
  "hosts": { "localhost": { "root": "${folder}/www" } }
}"#;

const SERVING: &str = "serving 1 host on 2 addresses, 2 shards";
const REFUSED: &str = "; the last change was refused, see the log";
const WORKER: &str = "kimura: worker";
const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the service manager wants a sign of life.
const WATCHDOG: Duration = Duration::from_millis(800);

struct Unit {
    folder: Folder,
    manager: Manager,
}

impl Unit {
    fn new() -> Unit {
        let folder = Folder::new("systemd").expect("a folder");
        let manager = Manager::at_path(&folder).expect("a socket");
        Unit::with(folder, manager)
    }

    fn with(folder: Folder, manager: Manager) -> Unit {
        folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
        let unit = Unit { folder, manager };
        unit.write(&unit.text());
        unit
    }

    fn text(&self) -> String {
        CONFIGURATION.replace("${folder}", &self.folder.path().to_string_lossy())
    }

    fn write(&self, text: &str) {
        self.folder.write("kimura.conf", text.as_bytes()).expect("write");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let configuration = self.path("kimura.conf").display().to_string();
        let arguments = ["-V", "-c", &configuration].into_iter().chain(arguments.iter().copied());
        let mut command = Service::default().command(arguments);
        command.env("NOTIFY_SOCKET", self.manager.name()).current_dir(self.folder.path());
        command
    }

    fn start(&self, arguments: &[&str]) -> Server {
        Server::become_of(self.command(arguments)).expect("the server starts")
    }

    fn start_watched(&self) -> Server {
        let mut command = self.command(&[]);
        command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        Server::become_of(command).expect("the server starts")
    }

    fn give(&self, words: &[&str]) -> Option<i32> {
        let socket = self.path("control.sock").display().to_string();
        let words = words.iter().copied().chain(["--socket", &socket]);
        binary::output(words).expect("the client runs").status.code()
    }

    fn next(&self) -> News {
        self.manager.next().expect("news")
    }

    /// The service is ready, in this process, and says so to people.
    fn ready(&self, server: &Server, status: &str) {
        let news = self.next();
        let pid = server.pid().to_string();
        assert!(news.says("READY"), "{news:?}");
        assert_eq!((news.value("MAINPID"), news.value("STATUS")), (Some(&*pid), Some(status)));
    }

    /// A change has begun, after `before`.
    fn reloading(&self, before: u128, status: &str) {
        let news = self.next();
        let time = news.value("MONOTONIC_USEC").and_then(|time| time.parse().ok());
        assert!(news.says("RELOADING"), "{news:?}");
        assert!(time.is_some_and(|time| (before..=microseconds()).contains(&time)), "{before}, {news:?}");
        assert_eq!(news.value("STATUS"), Some(&*format!("{status}; {SERVING}")));
    }

    /// Ends the server; the last news are of that.
    fn stop(&self, server: Server) {
        server.stop().expect("the server ends in order");
        let news = self.next();
        assert!(news.says("STOPPING"), "{news:?}");
        assert!(news.value("STATUS").is_some_and(|status| status.starts_with("ending; ")), "{news:?}");
        self.manager.forget().expect("news");
    }
}

/// The clock of `MONOTONIC_USEC`.
fn microseconds() -> u128 {
    Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock")).as_micros()
}

fn answers(server: &Server) {
    let mut client = server.connect().expect("connect");
    client.send(GET).expect("send");
    assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

#[test]
fn it_is_ready_when_all_shards_accept_and_not_before() {
    let folder = Folder::new("systemd").expect("a folder");
    let abstract_name = Manager::at_abstract_name("kimura-e2e-ready").expect("a socket");
    for (unit, arguments) in
        [(Unit::new(), &[][..]), (Unit::with(folder, abstract_name), &["--set", "/server/privsep=false"])]
    {
        let pipe = unit.path("kimura.conf");
        fs::remove_file(&pipe).expect("removed");
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
        let command = unit.command(arguments);
        let starting = std::thread::spawn(move || Server::become_of(command).expect("it starts"));
        let mut text = OpenOptions::new().write(true).open(&pipe).expect("the server reads");
        // It waits for the text, and is far from serving.
        assert_eq!(unit.manager.within(WATCHDOG).expect("no news"), None);
        text.write_all(unit.text().as_bytes()).expect("it reads");
        drop(text);
        let news = unit.next();
        let server = starting.join().expect("it starts");
        assert!(news.says("READY") && news.value("STATUS") == Some(SERVING), "{news:?}");
        assert_eq!(news.value("MAINPID"), Some(&*server.pid().to_string()));
        // Enough for every shard to get some.
        (0..32).for_each(|_| answers(&server));
        unit.stop(server);
    }
}

#[test]
fn a_start_that_fails_tells_nothing() {
    let unit = Unit::new();
    unit.write(&unit.text().replace("\"root\"", "\"rot\""));
    assert!(!unit.command(&[]).output().expect("it runs").status.success());
    assert_eq!(unit.manager.within(Duration::ZERO).expect("no news"), None);
}

#[test]
fn a_reload_is_told_with_its_end_however_it_ends() {
    let unit = Unit::new();
    let server = unit.start(&[]);
    unit.ready(&server, SERVING);
    let two = SERVING.replace("1 host ", "2 hosts ");
    let second =
        unit.text().replace("\"hosts\": {", "\"hosts\": { \"second\": { \"root\": \"${folder}/www\" },");
    let second = second.replace("${folder}", &unit.folder.path().to_string_lossy());
    let wrong = unit.text().replace("\"root\"", "\"rot\"");
    let refused = format!("{SERVING}{REFUSED}");
    for (text, exit, status) in [
        (Some(&unit.text()), 0, SERVING),
        (Some(&wrong), 1, &*refused),
        (Some(&unit.text()), 0, SERVING),
        (None, 1, &refused),
        (Some(&second), 0, &two),
    ] {
        match text {
            Some(text) => unit.write(text),
            None => fs::remove_file(unit.path("kimura.conf")).expect("removed"),
        }
        // What is only planned is no change.
        assert_eq!(unit.give(&["reload", "--plan"]), Some(exit));
        for by_signal in [false, true] {
            let before = microseconds();
            match by_signal {
                false => assert_eq!(unit.give(&["reload"]), Some(exit)),
                true => server.signal(Signal::SIGHUP).expect("it runs"),
            }
            if status == two && by_signal {
                // It serves both hosts already.
                assert!(unit.next().value("STATUS").is_some_and(|said| said.ends_with(&two)));
            } else {
                unit.reloading(before, "reloading");
            }
            unit.ready(&server, status);
        }
        answers(&server);
    }
    unit.stop(server);
}

#[test]
fn an_upgrade_is_told_with_its_end_and_the_watchdog_goes_on() {
    let unit = Unit::new();
    let server = unit.start_watched();
    unit.ready(&server, SERVING);
    let program = binary::path().display().to_string();
    let refused = format!("{SERVING}{REFUSED}");
    for (path, exit, status) in
        [(&*program, 0, SERVING), ("/bin/true", 1, &refused), (&program, 0, SERVING), (&program, 0, SERVING)]
    {
        let before = microseconds();
        assert_eq!(unit.give(&["upgrade", path]), Some(exit));
        unit.reloading(before, "upgrading");
        unit.ready(&server, status);
        unit.manager.forget().expect("news");
        unit.manager.alive().expect("a sign of life");
        answers(&server);
    }
    unit.stop(server);
}

#[test]
fn a_program_that_makes_way_again_is_told_as_refused() {
    let unit = Unit::new();
    let pipe = unit.path("kimura.conf");
    fs::remove_file(&pipe).expect("removed");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
    let feed = |text: String| {
        let pipe = pipe.clone();
        std::thread::spawn(move || {
            let mut pipe = OpenOptions::new().write(true).open(pipe).expect("a reader");
            pipe.write_all(text.as_bytes()).expect("it reads");
        })
    };
    let first = feed(unit.text());
    let server = unit.start(&[]);
    first.join().expect("it was read");
    unit.ready(&server, SERVING);
    // The rehearsal reads what is right; when it gets serious, there is nothing to read.
    let rehearsal = feed(unit.text());
    let (before, server_pid) = (microseconds(), server.pid());
    let waiting = {
        let socket = unit.path("control.sock").display().to_string();
        std::thread::spawn(move || binary::output(["upgrade", "--socket", &socket]).expect("it runs"))
    };
    rehearsal.join().expect("it was read");
    fs::remove_file(&pipe).expect("removed");
    assert_eq!(waiting.join().expect("it ends").status.code(), Some(1));
    unit.reloading(before, "upgrading");
    unit.ready(&server, &format!("{SERVING}{REFUSED}"));
    assert_eq!(server.pid(), server_pid);
    answers(&server);
    unit.stop(server);
}

#[test]
fn signs_of_life_come_while_the_supervisor_runs_and_a_worker_serves() {
    let unit = Unit::new();
    let server = unit.start_watched();
    unit.ready(&server, SERVING);
    for _ in 0..4 {
        let last = Instant::now();
        unit.manager.alive().expect("a sign of life");
        assert!(last.elapsed() < WATCHDOG, "{:?}", last.elapsed());
    }
    let silent = || {
        unit.manager.forget().expect("news");
        assert_eq!(unit.manager.within(3 * WATCHDOG).expect("silence"), None);
    };
    server.signal(Signal::SIGSTOP).expect("it runs");
    let stat = format!("/proc/{}/stat", server.pid());
    until("it stands", || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T ")));
    silent();
    server.signal(Signal::SIGCONT).expect("it runs");
    unit.manager.alive().expect("a sign of life");
    // Without room for descriptors no worker takes the place of this one.
    let allow = |files: &str| {
        let pid = server.pid().to_string();
        let status = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={files}:")]).status();
        assert!(status.expect("prlimit runs").success());
    };
    allow("10");
    let worker = server.process(WORKER).expect("a worker");
    kill(Pid::from_raw(worker.pid as i32), Signal::SIGKILL).expect("it runs");
    let news = unit.next();
    assert!(news.value("STATUS").is_some_and(|status| status.starts_with("nobody serves: ")), "{news:?}");
    silent();
    allow("1024");
    let news = unit.next();
    assert_eq!(news.value("STATUS"), Some(SERVING), "{news:?}");
    unit.manager.alive().expect("a sign of life");
    answers(&server);
    unit.stop(server);
}

#[test]
fn without_an_interval_there_are_no_signs_of_life() {
    let unit = Unit::new();
    let server = unit.start(&[]);
    unit.ready(&server, SERVING);
    assert_eq!(unit.manager.within(2 * WATCHDOG).expect("silence"), None);
    unit.stop(server);
}

#[test]
fn the_end_is_told_when_it_begins() {
    let unit = Unit::new();
    let server = unit.start(&[]);
    unit.ready(&server, SERVING);
    let mut client = server.connect().expect("connect");
    let (head, rest) = GET.split_at(GET.len() - 1);
    // The answer to the first tells that most of the second has come, too.
    client.send(&[GET, head].concat()).expect("send");
    assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
    server.signal(Signal::SIGTERM).expect("it runs");
    let news = unit.next();
    assert!(news.says("STOPPING"), "{news:?}");
    assert!(Process::find(server.pid()).is_some(), "the request under way is not answered yet");
    client.send(rest).expect("send");
    assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
    assert!(server.ended().expect("it ends").success());
    assert_eq!(unit.manager.within(Duration::ZERO).expect("no more news"), None);
}

#[test]
fn children_hear_nothing_of_the_service_manager() {
    let unit = Unit::new();
    let server = unit.start_watched();
    unit.ready(&server, SERVING);
    let variables = |process: &Process| {
        let path = format!("/proc/{}/environ", process.pid);
        let environment = fs::read(path).expect("it runs");
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let names =
            environment.split('\0').filter_map(|variable| variable.split_once('=')).map(|(name, _)| name);
        names
            .filter(|name| ["NOTIFY_", "WATCHDOG_", "LISTEN_"].iter().any(|own| name.starts_with(own)))
            .count()
    };
    let processes = server.processes();
    assert_eq!(processes.len(), 4, "{processes:?}");
    for child in &processes[1..] {
        assert_eq!(variables(child), 0, "{child:?}");
    }
    unit.stop(server);
}

#[test]
fn a_manager_that_is_gone_hinders_nobody() {
    let unit = Unit::new();
    fs::remove_file(unit.path("notify")).expect("removed");
    let server = unit.start_watched();
    answers(&server);
    server.stop().expect("the server ends in order");
    let mut command = unit.command(&[]);
    command.env("NOTIFY_SOCKET", "vsock:2:1234");
    let server = Server::become_of(command).expect("it starts");
    answers(&server);
    server.stop().expect("the server ends in order");
}
