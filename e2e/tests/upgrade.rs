//! Another program in place of the one that runs: it takes over, or is refused with the service untouched.

#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;

use e2e::output::Place;
use e2e::response::Asked;
use e2e::{Client, Folder, Process, binary, until};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["${address}", "unix:${folder}/http.sock"], "shards": 2, "pid_file": "${folder}/kimura.pid",
    "control": { "socket": "${folder}/control.sock" }, "error_log": "${folder}/error.log"
  },
  "hosts": { "localhost": { "root": "${folder}/www", "access_log": "${folder}/access.log" } }
}"#;

const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A server in the background, started by a relative name, with a program of its own.
struct Server {
    folder: Folder,
    address: String,
    pid: i32,
}

/// Copies the program by a process of its own. What writes here would be inherited by whatever another test starts
/// meanwhile, and a program that somebody writes cannot be started.
fn copy_program(path: &Path) {
    let copied = Command::new("cp").arg(binary::path()).arg(path).status().expect("cp runs");
    assert!(copied.success());
}

impl Server {
    fn start() -> Server {
        Server::with("kimura.conf")
    }

    /// With the configuration in the file of that name.
    fn with(configuration: &str) -> Server {
        let folder = Folder::new("upgrade").expect("a folder");
        folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        drop(listener);
        copy_program(&folder.path().join("kimura"));
        let mut server = Server { folder, address, pid: 0 };
        server.folder.write("kimura.conf", server.text().as_bytes()).expect("write");
        let mut command = Command::new("./kimura");
        command.args(["--daemon", "-c", configuration]).current_dir(server.folder.path());
        if configuration != "kimura.conf" {
            let pipe = server.path(configuration);
            mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
            server.feed(configuration, vec![server.text()]);
        }
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let pid = fs::read_to_string(server.path("kimura.pid")).expect("the pid file");
        server.pid = pid.trim().parse().expect("a number");
        server
    }

    fn text(&self) -> String {
        let text = CONFIGURATION.replace("${folder}", &self.folder.path().to_string_lossy());
        text.replace("${address}", &self.address)
    }

    /// Writes a text for each reader of the pipe at this name.
    fn feed(&self, pipe: &str, texts: Vec<String>) -> JoinHandle<()> {
        let (path, fresh) = (self.path(pipe), self.path("fresh pipe"));
        std::thread::spawn(move || {
            for text in texts {
                let mut pipe = OpenOptions::new().write(true).open(&path).expect("a reader");
                // The next reader gets a pipe of its own: this one has to see the end of the text.
                mkfifo(&fresh, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
                fs::rename(&fresh, &path).expect("it is replaced");
                pipe.write_all(text.as_bytes()).expect("it is read");
            }
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn give(&self, words: &[&str]) -> (Option<i32>, String) {
        let socket = self.path("control.sock").display().to_string();
        let output = Command::new(binary::path())
            .args(words)
            .args(["--socket", &socket])
            .current_dir(self.folder.path())
            .output()
            .expect("the client runs");
        let said = [output.stdout, output.stderr].concat();
        let mut said = String::from_utf8_lossy(&said).into_owned();
        if !output.status.success() {
            said.push_str(&fs::read_to_string(self.path("error.log")).unwrap_or_default());
        }
        (output.status.code(), said)
    }

    fn get(&self) {
        for place in
            [Place::Ip(self.address.parse().expect("an address")), Place::Unix(self.path("http.sock"))]
        {
            let mut client = Client::connect(&place).expect("connect");
            client.send(GET).expect("send");
            assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
        }
    }

    /// A part of what `kimura status --json` says.
    fn says(&self, part: &str) -> bool {
        let (status, text) = self.give(&["status", "--json"]);
        assert_eq!(status, Some(0), "{text}");
        text.contains(part)
    }

    fn stop(self) {
        kill(Pid::from_raw(self.pid), Signal::SIGTERM).expect("it runs");
        until("the end", || Process::find(self.pid as u32).is_none());
        for left in ["kimura.pid", "control.sock", "http.sock"] {
            assert!(!self.path(left).exists(), "{left} is left behind");
        }
    }
}

#[test]
fn the_process_stays_and_everything_carries_over() {
    let server = Server::start();
    let lines = || fs::read_to_string(server.path("access.log")).unwrap_or_default().lines().count();
    for round in 1..=4 {
        server.get();
        until("their lines", || lines() == 2 * round);
        // What lies at the path now is not what runs.
        fs::remove_file(server.path("kimura")).expect("removed");
        copy_program(&server.path("kimura"));
        match round {
            1 => kill(Pid::from_raw(server.pid), Signal::SIGUSR2).expect("it runs"),
            2 => assert_eq!(server.give(&["upgrade"]).0, Some(0)),
            3 => assert_eq!(server.give(&["upgrade", "./kimura"]).0, Some(0)),
            _ => {
                // The end of a worker of the program before is noticed as well.
                let worker = Process::tree(server.pid as u32);
                let worker = worker.iter().find(|process| process.title == "kimura: worker").expect("one");
                kill(Pid::from_raw(worker.pid as i32), Signal::SIGKILL).expect("it runs");
                until("another worker", || server.says(r#""crashes":1"#));
                server.get();
                assert_eq!(server.give(&["upgrade"]).0, Some(0));
            }
        }
        until("the upgrade", || server.says(&format!(r#""upgrades":{round},"#)));
        until("the end of the old worker", || {
            let tree = Process::tree(server.pid as u32);
            tree.iter().filter(|process| process.title == "kimura: worker").count() == 1
        });
    }
    server.get();
    assert!(server.says(r#""requests_answered":12,"#), "{}", server.give(&["status"]).1);
    assert!(server.says(r#""ledger_even":true"#));
    until("all lines", || lines() == 12);
    server.stop();
}

#[test]
fn a_worker_that_hangs_keeps_nobody_waiting_at_the_listeners_of_its_successor() {
    let server = Server::start();
    let workers = || {
        let tree = Process::tree(server.pid as u32).into_iter();
        tree.filter(|process| process.title == "kimura: worker")
            .map(|process| Pid::from_raw(process.pid as i32))
    };
    let before = workers().next().expect("a worker");
    kill(before, Signal::SIGSTOP).expect("it runs");
    assert_eq!(server.give(&["upgrade"]).0, Some(0));
    // Of each connection the kernel tells the one before first, who does not take it.
    for _ in 0..4 {
        server.get();
    }
    kill(before, Signal::SIGCONT).expect("it is there");
    until("the end of the old worker", || workers().all(|worker| worker != before));
    assert!(server.says(r#""ledger_even":true"#));
    server.stop();
}

#[test]
fn a_program_that_cannot_take_over_is_refused() {
    let server = Server::start();
    let write = |name: &str, content: &[u8], mode: u32| {
        let path = server.folder.write(name, content).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
    };
    let program = fs::read(binary::path()).expect("the program");
    write("writable", &program, 0o777);
    write("not-executable", &program, 0o644);
    write("truncated", &program[..4096], 0o755);
    let mut foreign = program;
    // The machine that an ELF file is for: AArch64.
    foreign[18..20].copy_from_slice(&183u16.to_le_bytes());
    write("foreign", &foreign, 0o755);
    write("script", b"#!/bin/sh\nexit 0\n", 0o755);
    for (path, wanted) in [
        ("/nowhere", "cannot be opened: No such file"),
        ("www", "is no file"),
        ("writable", "could be written by others"),
        ("not-executable", "cannot be started: Permission denied"),
        ("foreign", "cannot be started: Exec format error"),
        ("truncated", "foreign-or-broken"),
        ("script", "cannot be started"),
        ("/bin/true", "is no kimura that could take over: it ended (exit status 0)"),
    ] {
        let (status, text) = server.give(&["upgrade", path]);
        let right = match wanted {
            // How the kernel finds out depends on what is missing.
            "foreign-or-broken" => text.contains("cannot be started") || text.contains("is no kimura"),
            wanted => text.contains(wanted),
        };
        assert!(status == Some(1) && right, "{path}: {status:?}, {text}");
        server.get();
    }
    assert!(server.says(r#""upgrades":0,"#) && server.says(r#""generation":1,"#));
    server.stop();
}

#[test]
fn a_program_that_hangs_is_given_up() {
    let server = Server::start();
    let path = server.folder.write("hang.c", b"#include <unistd.h>\nint main(void) { for (;;) pause(); }\n");
    let built = Command::new("cc").arg("-o").arg(server.path("hang")).arg(path.expect("write")).status();
    assert!(built.expect("a C compiler").success());
    let (status, text) = server.give(&["upgrade", "./hang"]);
    assert!(status == Some(1) && text.contains("it took too long"), "{status:?}, {text}");
    let left = || Process::tree(server.pid as u32).iter().any(|process| process.title.contains("rehearsal"));
    until("the end of the rehearsal", || !left());
    server.get();
    assert!(server.says(r#""upgrades":0,"#) && server.says(r#""generation":1,"#));
    server.stop();
}

#[test]
fn a_program_that_does_not_come_to_serve_makes_way_again() {
    let server = Server::with("pipe.conf");
    server.get();
    for _ in 0..2 {
        // The rehearsal reads what is right; when it gets serious, it is wrong.
        let (right, wrong) = (server.text(), server.text().replace("\"root\"", "\"rot\""));
        let feeder = server.feed("pipe.conf", vec![right, wrong]);
        let (status, text) = server.give(&["upgrade"]);
        feeder.join().expect("both are read");
        let right = text.contains("did not come to serve, and nothing has changed") && text.contains("rot");
        assert!(status == Some(1) && right, "{status:?}, {text}");
        server.get();
        assert!(server.says(r#""upgrades":0,"#) && server.says(r#""generation":1,"#));
    }
    // The third time nothing is wrong.
    let feeder = server.feed("pipe.conf", vec![server.text(), server.text()]);
    let (status, text) = server.give(&["upgrade"]);
    feeder.join().expect("both are read");
    assert_eq!(status, Some(0), "{text}");
    server.get();
    assert!(server.says(r#""upgrades":1,"#) && server.says(r#""requests_answered":8,"#));
    server.stop();
}
