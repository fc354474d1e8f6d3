//! The life of the processes: how they begin, what becomes of them when one dies, and how they end.

#![forbid(unsafe_code)]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::output::Place;
use e2e::response::Asked;
use e2e::{Client, Folder, Options, Process, Server, binary, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["${address}"], "shards": 2, "pid_file": "${folder}/kimura.pid",
    "control": { "socket": "${folder}/control.sock", "tokens": {
      "watch": "viewer 2a832b3b58fdb7bc82cdd10be20e6d966306a8e497729365f38c3ffd1765f1eb" } }
  },
  "hosts": { "localhost": { "root": "${folder}/www", "access_log": "${folder}/access.log" } }
}"#;

const SUPERVISOR: &str = "kimura: supervisor [priv]";
const WORKER: &str = "kimura: worker";
const AUTH: &str = "kimura: auth";
const LOGGER: &str = "kimura: logger";

const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct Site {
    folder: Folder,
    configuration: PathBuf,
}

impl Site {
    fn new() -> Site {
        Site::at("127.0.0.1:0")
    }

    fn at(address: &str) -> Site {
        let folder = Folder::new("life").expect("a folder");
        folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
        let text = CONFIGURATION.replace("${folder}", &folder.path().to_string_lossy());
        let text = text.replace("${address}", address);
        let configuration = folder.write("kimura.conf", text.as_bytes()).expect("write");
        Site { folder, configuration }
    }

    fn start(&self, arguments: &[&str]) -> Server {
        let arguments = arguments.iter().map(Into::into).collect();
        Server::start(&self.configuration, &Options { arguments, ..Options::default() })
            .expect("the server starts")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives a command; answers its exit status and what it printed.
    fn give(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = binary::output(
            words
                .iter()
                .map(ToString::to_string)
                .chain(["-c".into(), self.configuration.display().to_string()]),
        )
        .expect("the client runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }
}

fn end(process: &Process) {
    kill(Pid::from_raw(process.pid as i32), Signal::SIGKILL).expect("it runs");
}

/// Waits for another process of that title.
fn successor(server: &Server, before: &Process) -> Process {
    let mut found = None;
    until(&before.title, || {
        found = server.processes().into_iter().find(|now| now.title == before.title && now.pid != before.pid);
        found.is_some()
    });
    found.expect("it was found")
}

fn get(place: &Place) -> u16 {
    let mut client = Client::connect(place).expect("connect");
    client.send(GET).expect("send");
    client.response(Asked::Other).expect("a response").status
}

#[test]
fn all_processes_are_there_under_their_names() {
    let site = Site::new();
    let server = site.start(&[]);
    let mut titles: Vec<String> = server.processes().into_iter().map(|process| process.title).collect();
    titles.sort();
    assert_eq!(titles, [AUTH, LOGGER, SUPERVISOR, WORKER]);
    server.stop().expect("the server ends in order");
    assert!(!site.path("kimura.pid").exists() && !site.path("control.sock").exists());
}

#[test]
fn without_separation_there_is_one_process() {
    let site = Site::new();
    let server = site.start(&["--set", "/server/privsep=false"]);
    let place = server.place(1).expect("an address");
    assert_eq!(server.processes().len(), 1);
    assert_eq!(get(&place), 200);
    let token = site.folder.write("token", b"tk-viewer\n").expect("write").display().to_string();
    for words in [&["reload"][..], &["status", "--token-file", &token], &["rotate-logs"]] {
        let (status, text) = site.give(words);
        assert_eq!(status, Some(0), "{words:?}: {text}");
    }
    assert_eq!(get(&place), 200);
    server.stop().expect("the server ends in order");
    let log = fs::read_to_string(site.path("access.log")).expect("the access log");
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn a_dead_worker_is_replaced_and_what_waits_is_answered() {
    let site = Site::new();
    let server = site.start(&[]);
    let place = server.place(1).expect("an address");
    let mut kept = server.connect().expect("connect");
    kept.send(GET).expect("send");
    assert_eq!(kept.response(Asked::Other).expect("a response").status, 200);
    let worker = server.process(WORKER).expect("a worker");
    // Nobody is there to replace it for a moment, so that what connects now waits in the queues of the listeners.
    server.signal(Signal::SIGSTOP).expect("it runs");
    end(&worker);
    kept.closed().expect("the connection of the dead worker is gone");
    let mut waiting: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = server.connect().expect("connect");
            client.send(GET).expect("send");
            client
        })
        .collect();
    let known = Instant::now();
    server.signal(Signal::SIGCONT).expect("it runs");
    for client in &mut waiting {
        assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
    }
    let took = known.elapsed();
    assert!(took < Duration::from_millis(300), "full service only after {took:?}");
    successor(&server, &worker);
    let (_, status) = site.give(&["status"]);
    for line in ["crashes        1\n", " 1 lost,", "ledger         even\n"] {
        assert!(status.contains(line), "{line:?} in {status}");
    }
    assert_eq!(get(&place), 200);
    kill(Pid::from_raw(server.pid() as i32), Signal::SIGTERM).expect("it runs");
    assert!(server.ended().expect("the server ends").success());
}

#[test]
fn the_end_may_come_before_the_word_that_a_worker_serves() {
    let site = Site::new();
    let server = site.start(&[]);
    let place = server.place(1).expect("an address");
    let first = server.process(WORKER).expect("a worker");
    end(&first);
    // The supervisor is stopped as soon as the next worker has all that it needs, and so may not have heard of it yet.
    until("a worker with shards", || {
        let next = server.processes().into_iter().find(|now| now.title == WORKER && now.pid != first.pid);
        next.is_some_and(|worker| worker.thread("shard 1").is_some())
    });
    server.signal(Signal::SIGSTOP).expect("it runs");
    assert_eq!(get(&place), 200);
    server.signal(Signal::SIGTERM).expect("it runs");
    server.signal(Signal::SIGCONT).expect("it runs");
    let output = server.output().clone();
    assert!(server.ended().expect("the server ends").success());
    let text = output.said().text();
    assert!(text.contains(" 0 lost + 0 open; requests:") && !text.contains("may not say"), "{text}");
}

#[test]
fn a_dead_auth_lets_nobody_in_until_it_is_replaced() {
    let site = Site::new();
    let server = site.start(&[]);
    let token = site.folder.write("token", b"tk-viewer\n").expect("write").display().to_string();
    let wrong = site.folder.write("wrong", b"tk-viewe\n").expect("write").display().to_string();
    for _ in 0..3 {
        let auth = server.process(AUTH).expect("auth");
        end(&auth);
        let (status, text) = site.give(&["status", "--token-file", &wrong]);
        assert!(matches!(status, Some(1 | 4)), "{status:?}: {text}");
        successor(&server, &auth);
        until("a token is taken", || site.give(&["status", "--token-file", &token]).0 == Some(0));
    }
    server.stop().expect("the server ends in order");
}

#[test]
fn what_a_dead_logger_has_not_read_the_next_one_writes() {
    let site = Site::new();
    let server = site.start(&[]);
    let place = server.place(1).expect("an address");
    let log = site.path("access.log");
    let lines = || fs::read_to_string(&log).unwrap_or_default().lines().count();
    assert_eq!(get(&place), 200);
    until("the first line", || lines() == 1);
    let logger = server.process(LOGGER).expect("the logger");
    end(&logger);
    for _ in 0..10 {
        assert_eq!(get(&place), 200);
    }
    successor(&server, &logger);
    until("all lines", || lines() == 11);
    server.stop().expect("the server ends in order");
}

#[test]
fn without_a_supervisor_nothing_is_left() {
    let site = Site::new();
    let server = site.start(&[]);
    let Place::Ip(address) = server.place(1).expect("an address") else { panic!("no address") };
    let processes = server.processes();
    assert_eq!(processes.len(), 4);
    end(&processes[0]);
    server.ended().expect("it ends");
    for process in &processes {
        let gone = || Process::find(process.pid).is_none_or(|now| now.title != process.title);
        until(&process.title, gone);
    }
    // The kernel takes a moment to close what an ended process had in its rings.
    until("nobody listens", || {
        let connected = std::net::TcpStream::connect(address);
        connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
    // What it left behind hinders nobody.
    site.start(&[]).stop().expect("the next one ends in order");
}

#[test]
fn a_moved_log_file_is_let_go_on_command() {
    let site = Site::new();
    let server = site.start(&[]);
    let place = server.place(1).expect("an address");
    let lines = |name: &str| fs::read_to_string(site.path(name)).unwrap_or_default().lines().count();
    assert_eq!(get(&place), 200);
    until("the first line", || lines("access.log") == 1);
    fs::rename(site.path("access.log"), site.path("access.log.1")).expect("it is moved");
    for (signal, wanted) in [(None, 1), (Some(Signal::SIGUSR1), 2)] {
        match signal {
            None => assert_eq!(site.give(&["rotate-logs"]).0, Some(0)),
            Some(signal) => server.signal(signal).expect("it runs"),
        }
        until("a line in the new file", || {
            assert_eq!(get(&place), 200);
            lines("access.log") >= wanted
        });
    }
    assert_eq!(lines("access.log.1"), 1);
    server.stop().expect("the server ends in order");
}

/// A port that was free a moment ago.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").to_string()
}

fn pid(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[test]
fn in_the_background_it_tells_when_it_serves_and_lets_go_of_the_terminal() {
    let address = free_address();
    let site = Site::at(&address);
    // Whoever kept one of the pipes open would keep this waiting.
    let (status, text) = site.give(&["--daemon"]);
    assert_eq!(status, Some(0), "{text}");
    let place = Place::Ip(address.parse().expect("an address"));
    assert_eq!(get(&place), 200);
    let pid = pid(&site.path("kimura.pid")).expect("a pid file");
    assert_eq!(Process::find(pid as u32).map(|process| process.title).as_deref(), Some(SUPERVISOR));
    let (status, text) = site.give(&["--daemon"]);
    // Only root may look into a server that hides its memory.
    let said = if nix::unistd::Uid::effective().is_root() { "is in use by kimura" } else { "is in use" };
    assert!(status == Some(1) && text.contains(said), "{status:?}: {text}");
    let elsewhere = format!("/server/listen=[\"{}\"]", free_address());
    let other_socket = format!("/server/control/socket={}", site.path("other.sock").display());
    let (status, text) = site.give(&["--daemon", "--set", &elsewhere, "--set", &other_socket]);
    assert!(status == Some(1) && text.contains("kimura.pid"), "{status:?}: {text}");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
    until("the pid file is removed", || !site.path("kimura.pid").exists());
    until("the process is gone", || Process::find(pid as u32).is_none());
}

#[test]
fn as_an_ordinary_user() {
    if !nix::unistd::Uid::effective().is_root() {
        // Then all other tests are this one.
        return;
    }
    let address = free_address();
    let site = Site::at(&address);
    let program = site.path("kimura");
    fs::copy(binary::path(), &program).expect("a copy");
    for path in [site.folder.path(), &site.path("www")] {
        chown(path, Some(65_534), Some(65_534)).expect("chown");
    }
    let mut command = Command::new(&program);
    command.args(["--daemon", "-c"]).arg(&site.configuration).current_dir(site.folder.path());
    let output = command.uid(65_534).gid(65_534).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(get(&Place::Ip(address.parse().expect("an address"))), 200);
    let pid = pid(&site.path("kimura.pid")).expect("a pid file");
    let tree = Process::tree(pid as u32);
    assert_eq!(tree.len(), 4, "{tree:?}");
    for process in tree {
        let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).expect("it runs");
        assert!(status.contains("Uid:\t65534\t65534\t65534\t65534\n"), "{status}");
    }
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
    until("the process is gone", || Process::find(pid as u32).is_none());
}
