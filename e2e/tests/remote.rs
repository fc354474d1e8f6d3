//! Commands from elsewhere: who the server is, what becomes of those who only disturb, and how the agent comes and goes.

#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::openssl::{Algorithm, Authority, Term};
use e2e::response::Asked;
use e2e::{Folder, Options, Server, binary, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "error_log_level": "debug", "privsep": ${privsep}, "control": {
    "socket": "${folder}/control.sock", "audit_log": "${folder}/audit.log",
    "tokens": { "deploy": "admin 0afad0c7cc14bd59c67be5657a32677356a5a464168ab523a9530d7a743d3c2b" },
    "remote": { "listen": ["127.0.0.1:${port}"], "chain": "${folder}/ca/server.pem", "key": "${folder}/ca/server.key" }
  } },
  "hosts": { "localhost": { "root": "${folder}" } }
}"#;

const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
const AGENT: &str = "kimura: agent";
/// More than the agent has connections at a time.
const CROWD: usize = 40;

struct House {
    folder: Folder,
    authority: Authority,
    port: u16,
    server: Server,
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

fn text(folder: &Path, port: u16, privsep: &str) -> String {
    CONFIGURATION
        .replace("${folder}", &folder.to_string_lossy())
        .replace("${port}", &port.to_string())
        .replace("${privsep}", privsep)
}

/// A folder with certificates of an authority and a configuration.
fn furnish(privsep: &str) -> (Folder, Authority, u16) {
    let folder = Folder::new("remote").expect("a folder");
    folder.write("hello.txt", b"Hello, world!\n").expect("write");
    folder.write("token", b"tk-admin\n").expect("write");
    let authority = Authority::new(&folder.path().join("ca")).expect("an authority");
    authority
        .host("server", &["localhost,IP:127.0.0.1"], Algorithm::Ecdsa, Term::Holds)
        .expect("a certificate");
    let port = free_port();
    folder.write("kimura.conf", text(folder.path(), port, privsep).as_bytes()).expect("write");
    (folder, authority, port)
}

impl House {
    fn start(privsep: &str) -> House {
        let (folder, authority, port) = furnish(privsep);
        let configuration = folder.path().join("kimura.conf");
        let server = Server::start(&configuration, &Options::default()).expect("the server starts");
        House { folder, authority, port, server }
    }

    fn run(&self, command: &str, options: &[&str]) -> (Option<i32>, String) {
        let mut client = Command::new(binary::path());
        client.args(command.split(' ')).args(options).current_dir(self.folder.path()).env_clear();
        let output = client.output().expect("the client runs");
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    }

    fn near(&self, command: &str) -> (Option<i32>, String) {
        self.run(command, &["--socket", "control.sock"])
    }

    fn far_by(&self, command: &str, host: &str, authority: &str) -> (Option<i32>, String) {
        let place = format!("{host}:{}", self.port);
        self.run(command, &["--control", &place, "--authority", authority, "--token-file", "token"])
    }

    fn far(&self, command: &str) -> (Option<i32>, String) {
        self.far_by(command, "localhost", "ca/ca.pem")
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.set_read_timeout(Some(e2e::PATIENCE)).expect("a timeout");
        stream
    }

    fn serves(&self) -> bool {
        let mut client = self.server.connect().expect("connect");
        client.send(GET).expect("send");
        client.response(Asked::Other).is_ok_and(|response| response.status == 200)
    }

    fn agents(&self) -> usize {
        self.server.processes().iter().filter(|process| process.title == AGENT).count()
    }
}

#[track_caller]
fn is_done((status, text): (Option<i32>, String), said: &str) {
    assert!(status == Some(0) && text.contains(said), "{said:?}: {status:?}, {text}");
}

#[test]
fn the_server_has_to_prove_who_it_is() {
    let house = House::start("true");
    let other = Authority::new(&house.folder.path().join("other")).expect("an authority");
    assert!(other.certificate().exists());
    for (host, authority, said) in [
        ("localhost", "ca/ca.pem", None),
        ("127.0.0.1", "ca/ca.pem", None),
        // The certificate of the server itself.
        ("localhost", "ca/server.pem", None),
        ("127.0.0.2", "ca/ca.pem", Some("no server answers at 127.0.0.2")),
        ("localhost", "other/ca.pem", Some("does not prove who it is")),
        ("localhost", "ca/server.key", Some("there is no certificate in it")),
        ("localhost", "kimura.conf", Some("there is no certificate in it")),
        ("localhost", "missing.pem", Some("cannot read missing.pem")),
    ] {
        let (status, text) = house.far_by("status", host, authority);
        match said {
            None => assert!(status == Some(0), "{host} {authority}: {status:?}, {text}"),
            Some(said) => {
                let wanted = if said.starts_with("no server") { 3 } else { 1 };
                let right = status == Some(wanted) && text.contains(said);
                assert!(right, "{host} {authority}: {status:?}, {text}");
            }
        }
    }
    // Nobody commands for being of this machine.
    let place = format!("localhost:{}", house.port);
    let (status, text) = house.run("stop", &["--control", &place, "--authority", "ca/ca.pem"]);
    assert!(status == Some(1) && text.contains("--control needs a proof"), "{status:?}, {text}");
    let (status, text) = house.run("stop", &["--control", &place, "--token-file", "token"]);
    assert!(status == Some(1) && text.contains("--control needs --authority"), "{status:?}, {text}");
    house.server.stop().expect("the server ends in order");
}

#[test]
fn a_name_that_the_certificate_lacks_is_not_trusted() {
    let (folder, authority, port) = furnish("true");
    // Its own authority, as many make one for a test: it may sign, and is shown as the server's.
    authority
        .openssl("req -x509 -new -key server.key -out server.pem -days 9 -subj /CN=own -addext subjectAltName=DNS:localhost")
        .expect("a certificate");
    let configuration = folder.path().join("kimura.conf");
    let server = Server::start(&configuration, &Options::default()).expect("the server starts");
    let house = House { folder, authority, port, server };
    is_done(house.far_by("status", "localhost", "ca/server.pem"), "serving");
    let (status, text) = house.far_by("status", "127.0.0.1", "ca/server.pem");
    assert!(status == Some(1) && text.contains("does not prove who it is"), "{status:?}, {text}");
    assert!(house.authority.certificate().exists());
    house.server.stop().expect("the server ends in order");
}

/// What somebody sends who means no good, and whether the connection is closed for it before its time.
#[test]
fn those_who_only_disturb_are_closed_and_others_served() {
    let house = House::start("true");
    let hello = b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03";
    let cases: &[(&str, &[u8])] = &[
        ("plain HTTP", b"GET / HTTP/1.1\r\n\r\n"),
        ("noise", &[0xff; 4096]),
        ("an alert", b"\x15\x03\x01\x00\x02\x02\x28"),
        ("a record without a handshake", b"\x17\x03\x03\x00\x05hello"),
        ("an empty record", b"\x16\x03\x01\x00\x00"),
    ];
    for (what, bytes) in cases {
        let mut stream = house.connect();
        stream.write_all(bytes).expect("it is sent");
        let mut answer = Vec::new();
        // It may be closed with a reset, for not all was read.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 64, "{what}: {answer:?}");
    }
    // Half a handshake each, from more than there is room for: the rest waits, and all are sent away in the end.
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(|_| house.connect()).collect();
    for stream in &mut crowd {
        stream.write_all(hello).expect("it is sent");
    }
    is_done(house.near("status"), "serving");
    assert!(house.serves());
    is_done(house.far("status"), "serving");
    drop(crowd);
    assert_eq!(house.agents(), 1);
    // The agent says so, to those who follow the logs as well.
    until("the message of the agent", || {
        let (_, lines) = house.near("logs");
        lines.contains("a control connection from 127.0.0.1:") && lines.contains("is closed")
    });
    house.server.stop().expect("the server ends in order");
}

#[test]
fn requests_that_are_none_are_closed() {
    let house = House::start("true");
    // The frames that the program sends, by hand: version 1, status, token.
    let right = [&1u32.to_le_bytes()[..], &[1, 3], &8u32.to_le_bytes(), b"tk-admin"].concat();
    let right = [&(right.len() as u32).to_le_bytes()[..], &right].concat();
    let place = format!("127.0.0.1:{}", house.port);
    let said = e2e::openssl::s_client(&place, &["-quiet"], &right).expect("openssl");
    assert!(said.has(&["serving", "127.0.0.1:"]), "{said:?}");
    let long = [&70_000u32.to_le_bytes()[..], &[7; 70_000]].concat();
    let many = [&3u32.to_le_bytes()[..], &[9; 3]].concat().repeat(20_000);
    for (what, bytes) in [
        ("no length", &[0, 0, 0, 0][..]),
        ("a length beyond all", &[0xff; 8]),
        ("too long", &long),
        ("no request", &[1, 0, 0, 0, 99]),
        ("more than one", &many),
    ] {
        let said = e2e::openssl::s_client(&format!("127.0.0.1:{}", house.port), &["-quiet"], bytes);
        // It ends because the server closes: 124 is what it has when time is over.
        assert_ne!(said.expect("openssl").code, Some(124), "{what}");
        is_done(house.far("status"), "serving");
    }
    assert_eq!(house.agents(), 1);
    house.server.stop().expect("the server ends in order");
}

#[test]
fn the_end_of_the_agent_costs_its_connections_alone() {
    let house = House::start("true");
    is_done(house.far("status"), "serving");
    for _ in 0..2 {
        let agent = house.server.process(AGENT).expect("an agent");
        let mut held = house.connect();
        kill(Pid::from_raw(agent.pid as i32), Signal::SIGKILL).expect("it is there");
        is_done(house.near("status"), "generation 1: serving");
        assert!(house.serves());
        let mut rest = Vec::new();
        // Closed or reset: it is gone.
        let _ = held.read_to_end(&mut rest);
        until("another agent", || house.server.process(AGENT).is_ok_and(|now| now.pid != agent.pid));
        is_done(house.far("status"), "generation 1: serving");
    }
    let (_, status) = house.near("status --json");
    assert!(status.contains(r#""crashes":0"#), "{status}");
    house.server.stop().expect("the server ends in order");
}

#[test]
fn a_reload_changes_address_and_certificate_and_is_answered() {
    let mut house = House::start("true");
    let first = house.server.process(AGENT).expect("an agent").pid;
    is_done(house.far("reload"), "kept           localhost");
    assert_eq!(house.server.process(AGENT).expect("an agent").pid, first, "nothing has changed for it");
    // The same files with other contents.
    let own = "req -x509 -new -key server.key -out server.pem -days 9 -subj /CN=own -addext subjectAltName=DNS:localhost";
    house.authority.openssl(own).expect("a certificate");
    is_done(house.far("reload"), "kept           localhost");
    until("the new certificate", || house.far_by("status", "localhost", "ca/server.pem").0 == Some(0));
    assert_eq!(house.far("status").0, Some(1));
    // Another address, told by the old one.
    let (old, new) = (house.port, free_port());
    house.folder.write("kimura.conf", text(house.folder.path(), new, "true").as_bytes()).expect("write");
    is_done(house.far_by("reload", "localhost", "ca/server.pem"), "kept           localhost");
    house.port = new;
    is_done(house.far_by("status", "localhost", "ca/server.pem"), &format!("127.0.0.1:{new} commands"));
    until("the old address is closed", || TcpStream::connect(("127.0.0.1", old)).is_err());
    // A key of another certificate is refused, and nothing changes.
    house.authority.openssl("genpkey -algorithm ED25519 -out server.key").expect("a key");
    let (status, said) = house.far_by("reload", "localhost", "ca/server.pem");
    assert!(status == Some(1) && said.contains("does not belong to the certificate"), "{status:?}, {said}");
    is_done(house.far_by("status", "localhost", "ca/server.pem"), "serving");
    until("one agent", || house.agents() == 1);
    // Without the section there is none.
    let plain = r#"{ "server": { "control": { "socket": "${folder}/control.sock" }, "listen": ["127.0.0.1:0"] },
        "hosts": { "localhost": { "root": "${folder}" } } }"#;
    let plain = plain.replace("${folder}", &house.folder.path().to_string_lossy());
    house.folder.write("kimura.conf", plain.as_bytes()).expect("write");
    is_done(house.near("reload"), "kept           localhost");
    until("no agent", || house.agents() == 0);
    assert!(TcpStream::connect(("127.0.0.1", new)).is_err());
    house.server.stop().expect("the server ends in order");
}

#[test]
fn a_certificate_is_known_from_one_reload_to_another() {
    let house = House::start("true");
    let holder = house.authority.client("anna", Term::Holds).expect("a certificate");
    let line = format!("x509 -noout -fingerprint -sha256 -in {}", holder.chain.display());
    let output = house.authority.openssl(&line).expect("a fingerprint").stdout;
    let output = String::from_utf8_lossy(&output).into_owned();
    let fingerprint = output.trim().rsplit('=').next().unwrap_or_default().replace(':', "");
    let by_certificate = |command: &str| {
        let place = format!("localhost:{}", house.port);
        let far = ["--control", &place, "--authority", "ca/ca.pem"];
        let proof = ["--certificate", "ca/anna.pem", "--key", "ca/anna.key"];
        house.run(command, &[far, proof].concat())
    };
    let without = text(house.folder.path(), house.port, "true");
    let with = |rank: &str| {
        let more = format!(r#"server.key", "certificates": {{ "anna": "{rank} {fingerprint}" }} }}"#);
        without.replace(r#"server.key" }"#, &more)
    };
    let agent = house.server.process(AGENT).expect("an agent").pid;
    for (configuration, looks, stops) in
        [(without.clone(), 4, 4), (with("viewer"), 0, 4), (with("operator"), 0, 4), (without.clone(), 4, 4)]
    {
        house.folder.write("kimura.conf", configuration.as_bytes()).expect("write");
        is_done(house.near("reload"), "kept           localhost");
        let (status, said) = by_certificate("status");
        assert_eq!(status, Some(looks), "{said}\n{configuration}");
        let (status, said) = by_certificate("stop");
        assert_eq!(status, Some(stops), "{said}\n{configuration}");
    }
    // Who commands is no business of the agent.
    assert_eq!(house.server.process(AGENT).expect("an agent").pid, agent);
    house.server.stop().expect("the server ends in order");
}

#[test]
fn an_upgrade_is_answered_and_listened_through() {
    let house = House::start("true");
    let held = house.connect();
    is_done(house.far("upgrade"), "upgraded from");
    is_done(house.far("status"), "serving");
    let (_, status) = house.far("status --json");
    assert!(status.contains(r#""upgrades":1"#), "{status}");
    drop(held);
    until("one agent", || house.agents() == 1);
    // A program that does not come to serve is refused, and that is told as well.
    let (status, text) = house.far("upgrade /bin/true");
    assert!(status == Some(1), "{status:?}, {text}");
    is_done(house.far("status"), "serving");
    let audit = std::fs::read_to_string(house.folder.path().join("audit.log")).expect("the audit log");
    assert!(audit.lines().all(|line| line.contains("\"deploy\" from=127.0.0.1:")), "{audit}");
    assert!(audit.contains("done") && audit.contains("refused"), "{audit}");
    house.server.stop().expect("the server ends in order");
}

#[test]
fn one_process_takes_commands_as_well() {
    let house = House::start("false");
    is_done(house.far("status"), "serving");
    assert_eq!(house.server.processes().len(), 1);
    is_done(house.far("reload"), "kept           localhost");
    is_done(house.far("stop"), "stopping");
    assert!(house.server.ended().expect("it ends").success());
}

#[test]
fn files_are_looked_at_before() {
    let (folder, authority, _) = furnish("true");
    let path = folder.path().join("kimura.conf");
    let test = |said: &str, status: i32| {
        let output = Command::new(binary::path()).arg("-t").arg("-c").arg(&path).output().expect("it runs");
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(status) && text.contains(said), "{said}: {output:?}");
    };
    test("", 0);
    authority.host("past", &["localhost"], Algorithm::Ecdsa, Term::Past).expect("a certificate");
    let good = std::fs::read_to_string(&path).expect("the configuration");
    for (from, to, said) in [
        ("server.pem", "past.pem", "does not belong to the certificate"),
        ("server.", "past.", "expired"),
        ("server.pem", "missing.pem", "missing.pem cannot be read"),
        ("server.pem", "server.key", "there is no certificate in it"),
        ("\"127.0.0.1:", "\"unix:/tmp/", "is nowhere else"),
    ] {
        let wrong = good.replace(from, to);
        std::fs::write(&path, &wrong).expect("write");
        test(said, 1);
    }
}

#[test]
fn handshakes_that_stall_end_and_keep_nobody_waiting() {
    let house = House::start("true");
    let stalled: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = house.connect();
            stream.write_all(b"\x16\x03\x01").expect("it is sent");
            stream
        })
        .collect();
    for _ in 0..4 {
        is_done(house.far("status"), "serving");
    }
    for mut stream in stalled {
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let mut rest = Vec::new();
        assert!(stream.read_to_end(&mut rest).is_ok_and(|len| len < 64), "it is closed");
    }
    house.server.stop().expect("the server ends in order");
}
