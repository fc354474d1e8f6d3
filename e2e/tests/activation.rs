//! Listening sockets that a service manager passes (sd_listen_fds(3)): the test plays its part.

#![forbid(unsafe_code)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::output::Place;
use e2e::response::Asked;
use e2e::{Client, Folder, Manager, Process, Server, Service, binary};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": [${listen}], "shards": 2, "pid_file": "${folder}/kimura.pid",
    "control": { "socket": "${folder}/control.sock" }
  },
  "hosts": { "localhost": { "root": "${folder}/www" } }
}"#;

const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(20);
const NOBODY: u32 = 65_534;

struct Site {
    folder: Folder,
    configuration: PathBuf,
}

impl Site {
    /// That listens on these addresses.
    fn new(listen: &[&str]) -> Site {
        let folder = Folder::new("activation").expect("a folder");
        folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
        let configuration = folder.path().join("kimura.conf");
        let site = Site { folder, configuration };
        site.listen(listen);
        site
    }

    fn listen(&self, addresses: &[&str]) {
        let listen: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
        let text = CONFIGURATION.replace("${listen}", &listen.join(", "));
        let text = text.replace("${folder}", &self.folder.path().to_string_lossy());
        self.folder.write("kimura.conf", text.as_bytes()).expect("write");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self) -> [String; 3] {
        ["-V".to_owned(), "-c".to_owned(), self.configuration.display().to_string()]
    }

    fn start(&self, sockets: &[String]) -> Server {
        let service = Service { sockets: sockets.to_vec(), ..Service::default() };
        Server::become_of(service.command(self.arguments())).expect("the server starts")
    }

    fn give(&self, words: &[&str]) -> (Option<i32>, String) {
        let socket = self.path("control.sock").display().to_string();
        let output = binary::output(words.iter().copied().chain(["--socket", &socket])).expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }
}

fn get(place: &Place) -> u16 {
    let mut client = Client::connect(place).expect("connect");
    client.send(GET).expect("send");
    client.response(Asked::Other).expect("a response").status
}

fn place(address: &str) -> Place {
    match address.strip_prefix("unix:") {
        Some(path) => Place::Unix(path.into()),
        None => Place::Ip(address.parse().expect("an address")),
    }
}

/// An address that was free a moment ago.
fn free(host: &str) -> String {
    let listener = TcpListener::bind(format!("{host}:0")).expect("a port");
    listener.local_addr().expect("its address").to_string()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// Addresses of all kinds, and the sockets for them.
fn all_kinds(folder: &Path) -> (Vec<String>, Vec<String>) {
    let (v4, v6) = (free("127.0.0.1"), free("[::1]"));
    let path = folder.join("http.sock").display().to_string();
    let sockets = vec![format!("tcp={v4}"), format!("tcp={v6}"), format!("unix={path}")];
    (vec![v4, v6, format!("unix:{path}")], sockets)
}

/// The sockets that listen on an IPv4 address, as `/proc/PID/fd` shows them.
fn listeners(address: &str) -> Vec<String> {
    let (_, port) = address.rsplit_once(':').expect("a port");
    let local = format!(":{:04X} 00000000:0000 0A ", port.parse::<u16>().expect("a number"));
    let table = fs::read_to_string("/proc/net/tcp").expect("a table");
    let lines = table.lines().filter(|line| line.contains(&local));
    lines.map(|line| format!("socket:[{}]", line.split_whitespace().nth(9).expect("an inode"))).collect()
}

/// Whether a process has one of these sockets open.
fn has_one(process: &Process, sockets: &[String]) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", process.pid)).expect("it runs");
    let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.any(|target| sockets.iter().any(|socket| target.to_str() == Some(socket)))
}

#[test]
fn sockets_of_all_kinds_are_served_and_outlive_reloads_and_upgrades() {
    let site = Site::new(&[]);
    let (addresses, sockets) = all_kinds(site.folder.path());
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    site.listen(&addresses);
    let server = site.start(&sockets);
    let all_answer =
        || addresses.iter().for_each(|address| assert_eq!(get(&place(address)), 200, "{address}"));
    let give = |words: &[&str]| {
        let (status, text) = site.give(words);
        assert_eq!(status, Some(0), "{words:?}: {text}");
    };
    // More than one for each shard.
    (0..8).for_each(|_| all_answer());
    for round in 0..2 {
        // None of them is there for this configuration; who connects waits for the next one.
        let elsewhere = free("127.0.0.1");
        site.listen(&[&elsewhere]);
        give(&["reload"]);
        assert_eq!(get(&place(&elsewhere)), 200);
        let mut waiting: Vec<Client> = addresses
            .iter()
            .map(|address| {
                let mut client = Client::connect(&place(address)).expect("connect");
                client.send(GET).expect("send");
                client
            })
            .collect();
        if round == 1 {
            give(&["upgrade"]);
        }
        site.listen(&addresses);
        give(&["reload"]);
        for client in &mut waiting {
            assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
        }
        all_answer();
        give(&["upgrade"]);
        all_answer();
    }
    let warned = |line: &String| line.contains("stays open, and who connects there waits");
    assert!(server.output().said().lines.iter().any(warned));
    server.stop().expect("the server ends in order");
    let socket = addresses[2].strip_prefix("unix:").expect("a path");
    assert!(Path::new(socket).exists(), "it belongs to who has made it");
}

#[test]
fn what_was_passed_is_the_whole_group() {
    let address = free("127.0.0.1");
    let site = Site::new(&[&address]);
    for passed in [1, 2, 3] {
        let server = site.start(&vec![format!("shared={address}"); passed]);
        (0..16).for_each(|_| assert_eq!(get(&place(&address)), 200));
        assert_eq!(listeners(&address).len(), passed);
        server.stop().expect("the server ends in order");
    }
}

#[test]
fn only_who_serves_has_them() {
    let address = free("127.0.0.1");
    let site = Site::new(&[&address]);
    let server = site.start(&[format!("tcp={address}")]);
    let sockets = listeners(&address);
    assert_eq!(sockets.len(), 1);
    let holders = server.processes().into_iter().filter(|process| has_one(process, &sockets));
    let titles: Vec<String> = holders.map(|process| process.title).collect();
    assert_eq!(titles, ["kimura: supervisor [priv]", "kimura: worker"]);
    server.stop().expect("the server ends in order");
}

#[test]
fn in_the_background_they_are_taken_before_the_process_is_another() {
    let address = free("127.0.0.1");
    let site = Site::new(&[&address]);
    let service = Service { sockets: vec![format!("tcp={address}")], ..Service::default() };
    let configuration = site.configuration.display().to_string();
    let manager = Manager::at_path(&site.folder).expect("a socket");
    let mut command = service.command(["--daemon", "-c", &configuration]);
    let output = command.env("NOTIFY_SOCKET", manager.name()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(get(&place(&address)), 200);
    let pid: u32 =
        fs::read_to_string(site.path("kimura.pid")).expect("a file").trim().parse().expect("a pid");
    let news = manager.next().expect("news");
    assert!(news.says("READY") && news.value("MAINPID") == Some(&*pid.to_string()), "{news:?}");
    kill(Pid::from_raw(pid as i32), Signal::SIGTERM).expect("it runs");
    until("the end", || Process::find(pid).is_none());
}

#[test]
fn without_rights_a_low_port_is_served() {
    let low = (600..1024).map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let Some(address) = low.into_iter().find(|address| TcpListener::bind(address).is_ok()) else {
        // Only root can play a service manager that opens one.
        assert!(!nix::unistd::Uid::effective().is_root(), "all low ports are in use");
        return;
    };
    let address = address.to_string();
    let site = Site::new(&[&address]);
    let program = site.path("kimura");
    fs::copy(binary::path(), &program).expect("a copy");
    let user = nix::unistd::Uid::effective().is_root().then_some(NOBODY);
    for path in [site.folder.path(), &site.path("www")] {
        chown(path, user, user).expect("chown");
    }
    let service = Service { sockets: vec![format!("tcp={address}")], user, program: Some(program) };
    let server = Server::become_of(service.command(site.arguments())).expect("it starts");
    assert_eq!(get(&place(&address)), 200);
    // Dropped and brought back: it could not be bound.
    for listen in [free("127.0.0.1"), address.clone()] {
        site.listen(&[&listen]);
        let (status, text) = site.give(&["reload"]);
        assert_eq!(status, Some(0), "{text}");
        assert_eq!(get(&place(&listen)), 200);
    }
    server.stop().expect("the server ends in order");
}

#[test]
fn what_cannot_be_used_is_refused_with_its_cure() {
    let address = free("127.0.0.1");
    let site = Site::new(&[&address]);
    let (other, both) = (free("127.0.0.1"), free("[::]"));
    let peer = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to_peer = peer.local_addr().expect("its address").to_string();
    for (socket, cause, cure) in [
        (format!("tcp={other}"), "does not listen there: ", "add it to /server/listen, or remove it"),
        (format!("unix={}/u", site.folder.path().display()), "does not listen there: ", "add it to"),
        (format!("both-families={both}"), "takes IPv4 connections on [::]:", "write BindIPv6Only=ipv6-only"),
        (format!("udp={other}"), "descriptor 3 (udp), passed by", "write ListenStream="),
        (format!("connection={to_peer}"), "a socket that does not listen: ", "write Accept=no"),
        (format!("abstract=kimura-{}", std::process::id()), "no address can be", "write ListenStream="),
        ("file=/dev/null".to_owned(), "is no socket: ", "leave only ListenStream="),
        ("closed".to_owned(), "is not open: ", "start by the .socket unit"),
    ] {
        let service = Service { sockets: vec![socket.clone()], ..Service::default() };
        let output = service.command(site.arguments()).stdin(Stdio::null()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{socket}: {said}");
        assert!(said.contains(cause) && said.contains(cure), "{socket}: {said}");
    }
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let address = free("127.0.0.1");
    let site = Site::new(&[&address]);
    // A server that was started by a service, and not by its manager.
    let mut command = Command::new(binary::path());
    command.args(site.arguments()).env("LISTEN_PID", "1").env("LISTEN_FDS", "many");
    let server = Server::become_of(command).expect("it starts");
    assert_eq!(get(&place(&address)), 200);
    server.stop().expect("the server ends in order");
}

#[test]
fn the_tool_of_systemd_passes_what_is_served() {
    let address = free("127.0.0.1");
    let site = Site::new(&[&address]);
    let mut command = Command::new("systemd-socket-activate");
    command.args(["--listen", &address]).arg(binary::path()).args(site.arguments());
    // It starts the server for the first connection, which waits until then.
    let waiting = {
        let address = address.clone();
        std::thread::spawn(move || {
            until("it listens", || TcpStream::connect(&address).is_ok());
            get(&place(&address))
        })
    };
    let server = Server::become_of(command).expect("it starts");
    assert_eq!(waiting.join().expect("a response"), 200);
    assert_eq!(get(&place(&address)), 200);
    server.stop().expect("the server ends in order");
}
