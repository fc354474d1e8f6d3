//! Access logs that go over sockets: from requests to a real rsyslogd and a real gearmand, through all processes.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::load::Load;
use e2e::openssl::{Algorithm, Authority, Term};
use e2e::response::Asked;
use e2e::{Folder, Options, Server, binary, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

const CONFIGURATION: &str = r#"{
  "server": { "listen": ["127.0.0.1:0"], "shards": 2, ${user}
    "control": { "socket": "${folder}/control.sock" } },
  "logs": {
    "tcp": { "syslog": "tcp://localhost:${tcp}", "app_name": "by-tcp", "facility": "local1", "format": "common" },
    "tls": { "syslog": "tls://127.0.0.1:${tls}", "app_name": "by-tls", "server_name": "logs.example",
             "authority": "${folder}/ca/ca.pem", "format": "common" },
    "udp": { "syslog": "udp://127.0.0.1:${tcp}", "app_name": "by-udp", "syslog_format": "rfc3164", "format": "common" },
    "local": { "syslog": "unix:${folder}/socket", "app_name": "by-unix", "format": "common" },
    "jobs": { "gearman": ["127.0.0.1:${gearman}"], "function": "log", "format": "common" }
  },
  "hosts": { "localhost": { "root": "${folder}/www", "access_log": ["tcp", "tls", "udp", "local", "jobs"] } }
}"#;

const RSYSLOGD: &str = r#"global(workDirectory="${folder}" net.enableDNS="off"
  defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="${folder}/ca/ca.pem"
  defaultNetstreamDriverCertFile="${folder}/ca/logs.pem" defaultNetstreamDriverKeyFile="${folder}/ca/logs.key")
module(load="imudp") module(load="imptcp") module(load="imuxsock" SysSock.Use="off")
module(load="imtcp" streamDriver.Name="ossl" streamDriver.Mode="1" streamDriver.AuthMode="anon")
template(name="all" type="string" string="%programname% %msg%\n")
ruleset(name="all") { action(type="omfile" file="${folder}/received" template="all") }
input(type="imudp" address="127.0.0.1" port="${tcp}" ruleset="all")
input(type="imptcp" address="127.0.0.1" port="${tcp}" ruleset="all")
input(type="imtcp" address="127.0.0.1" port="${tls}" ruleset="all")
input(type="imuxsock" socket="${folder}/socket" ruleset="all")
"#;

/// What a worker of gearmand runs for each job.
const WORK: &str = "#!/bin/sh\ncat >>\"$1\"\n";

/// A program that ends with its value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command, said: File) -> Running {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
        Running(child.expect("a program that `cargo xtask setup` installs"))
    }

    /// Ends it. Whoever hangs in its own end meanwhile, as gearmand does at times, is killed: what matters is that it is away.
    fn end(mut self, signal: Signal) {
        const GRACE: Duration = Duration::from_secs(5);
        kill(Pid::from_raw(self.0.id() as i32), signal).expect("a child of ours");
        let begun = Instant::now();
        until("it has ended", || {
            if GRACE < begun.elapsed() {
                let _ = self.0.kill();
            }
            self.0.try_wait().expect("a child of ours").is_some()
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The receivers and their folder.
struct Site {
    folder: Folder,
    tcp: u16,
    tls: u16,
    gearman: u16,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

impl Site {
    fn new(label: &str) -> Site {
        let folder = Folder::new(label).expect("a folder");
        folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
        let script = folder.write("work", WORK.as_bytes()).expect("write");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let authority = Authority::new(&folder.path().join("ca")).expect("an authority");
        authority.host("logs", &["logs.example"], Algorithm::Ecdsa, Term::Holds).expect("a certificate");
        let site = Site { folder, tcp: free_port(), tls: free_port(), gearman: free_port() };
        let user = if Uid::effective().is_root() { r#""user": "65534", "group": "65534","# } else { "" };
        let configuration = site.fill(CONFIGURATION).replace("${user}", user);
        site.folder.write("kimura.conf", configuration.as_bytes()).expect("write");
        site.folder.write("rsyslogd.conf", site.fill(RSYSLOGD).as_bytes()).expect("write");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn fill(&self, text: &str) -> String {
        text.replace("${folder}", &self.folder.path().to_string_lossy())
            .replace("${tcp}", &self.tcp.to_string())
            .replace("${tls}", &self.tls.to_string())
            .replace("${gearman}", &self.gearman.to_string())
    }

    fn said(&self) -> File {
        File::options().append(true).create(true).open(self.path("said")).expect("a file")
    }

    fn rsyslogd(&self) -> Running {
        let mut command = Command::new("/usr/sbin/rsyslogd");
        command.arg("-n").arg("-f").arg(self.path("rsyslogd.conf")).arg("-i").arg(self.path("pid"));
        let running = Running::start(&mut command, self.said());
        listening(self.tcp);
        listening(self.tls);
        running
    }

    fn gearmand(&self) -> Running {
        let mut command = Command::new("/usr/sbin/gearmand");
        command.args(["--listen", "127.0.0.1", "--log-file", "stderr", "--port", &self.gearman.to_string()]);
        command.args(["--queue-type", "libsqlite3", "--libsqlite3-db"]).arg(self.path("queue"));
        let running = Running::start(command.arg("--pid-file").arg(self.path("pid2")), self.said());
        listening(self.gearman);
        running
    }

    fn worker(&self) -> Running {
        let mut command = Command::new("/usr/bin/gearman");
        command.args(["-w", "-h", "127.0.0.1", "-p", &self.gearman.to_string(), "-f", "log"]);
        Running::start(command.arg(self.path("work")).arg(self.path("worked")), self.said())
    }

    fn server(&self) -> Server {
        Server::start(&self.path("kimura.conf"), &Options::default()).expect("the server starts")
    }

    /// Waits until each of these requests has come by all ways.
    fn all_came(&self, requests: std::ops::Range<u32>) {
        for (file, way) in [
            ("received", "by-tcp"),
            ("received", "by-tls"),
            ("received", "by-udp"),
            ("received", "by-unix"),
            ("worked", ""),
        ] {
            let mut missing = requests.clone().count();
            until(&format!("all requests {way} in {file}, without {missing}"), || {
                let text = fs::read_to_string(self.path(file)).unwrap_or_default();
                let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(way)).collect();
                let came = |number: &u32| {
                    lines.iter().any(|line| line.contains(&format!("?{number} HTTP/1.1\" 200")))
                };
                missing = requests.clone().filter(|number| !came(number)).count();
                missing == 0
            });
        }
    }
}

fn listening(port: u16) {
    until("listening", || TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_ok());
}

fn ask(server: &Server, requests: std::ops::Range<u32>) {
    let mut client = server.connect().expect("connect");
    for number in requests {
        let request = format!("GET /hello.txt?{number} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.send(request.as_bytes()).expect("send");
        assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
    }
}

#[test]
fn each_request_is_logged_by_every_way() {
    let site = Site::new("log-receivers");
    let (_rsyslogd, _gearmand) = (site.rsyslogd(), site.gearmand());
    let _worker = site.worker();
    let server = site.server();
    ask(&server, 0..20);
    site.all_came(0..20);
    ask(&server, 20..40);
    server.stop().expect("the server ends in order");
    // What was on its way at the end is not lost.
    site.all_came(0..40);
}

/// What the server has to say goes the same ways, also to a file that is put aside.
#[test]
fn messages_of_the_error_log_go_by_every_way() {
    let site = Site::new("log-receivers-messages");
    let also = r#""error_log_also": ["tcp", "tls", "udp", "local", "jobs", "kept"], "listen":"#;
    let kept = r#""logs": { "kept": { "file": "${folder}/kept.log", "rotate": { "compress": "off", "names": "number" } },"#;
    let text = fs::read_to_string(site.path("kimura.conf")).expect("a configuration");
    let text = text.replacen("\"listen\":", also, 1).replacen("\"logs\": {", &site.fill(kept), 1);
    fs::write(site.path("kimura.conf"), text).expect("write");
    let (_rsyslogd, _gearmand) = (site.rsyslogd(), site.gearmand());
    let _worker = site.worker();
    let server = site.server();
    let command = |words: &[&str]| {
        let socket = site.path("control.sock").display().to_string();
        let words = words.iter().map(ToString::to_string).chain(["--socket".to_owned(), socket]);
        let output = binary::output(words).expect("the client runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let has = |file: &str, way: &str, words: &str| {
        let text = fs::read_to_string(site.path(file)).unwrap_or_default();
        text.lines().any(|line| line.starts_with(way) && line.contains(words))
    };
    let ways = [
        ("received", "by-tcp"),
        ("received", "by-tls"),
        ("received", "by-udp"),
        ("received", "by-unix"),
        ("worked", ""),
        ("kept.log", ""),
    ];
    command(&["verbosity", "debug"]);
    for (file, way) in ways {
        until(&format!("a message {way} in {file}"), || has(file, way, "verbosity debug"));
    }
    // The logger itself and its successor say something, too; and requests are lines beside that.
    let logger = server.process("kimura: logger").expect("the logger");
    kill(Pid::from_raw(logger.pid as i32), Signal::SIGKILL).expect("it runs");
    for (file, way) in ways {
        until(&format!("its end {way} in {file}"), || has(file, way, "logger has ended"));
    }
    ask(&server, 0..20);
    site.all_came(0..20);
    command(&["rotate-logs"]);
    until("a file that was put aside", || has("kept.log.1", "", "logger has ended"));
    // What is said while it is put aside may be in either.
    until("a message in the next one", || {
        command(&["verbosity", "debug"]);
        has("kept.log", "", "verbosity debug")
    });
    // All of it is accounted for: there are more lines than five for each request.
    until("delivery of all lines", || {
        let status: serde_json::Value = serde_json::from_str(&command(&["status", "--json"])).expect("JSON");
        let number = |name: &str| status["lines"][name].as_u64().expect("a number");
        number("lines_written") > 5 * 20
            && number("lines_queued") + number("lines_under_way") == 0
            && number("lines_written")
                == number("lines_delivered") + number("lines_dropped") + number("lines_lost")
    });
    // Nobody is told any more where nobody wants to hear.
    let text = fs::read_to_string(site.path("kimura.conf")).expect("a configuration");
    let silent = text.replacen(also, "\"listen\":", 1);
    fs::write(site.path("kimura.conf"), silent).expect("write");
    command(&["reload"]);
    // The logger has heard of it once it has taken a line that came later; and of the command likewise.
    ask(&server, 20..21);
    site.all_came(20..21);
    command(&["verbosity", "info"]);
    ask(&server, 21..22);
    site.all_came(21..22);
    assert!(!has("kept.log", "", "verbosity info"));
    server.stop().expect("the server ends in order");
}

#[test]
fn what_receivers_miss_while_they_are_away_comes_when_they_are_back() {
    let site = Site::new("log-receivers-away");
    let server = site.server();
    // They were never there.
    ask(&server, 0..20);
    let (rsyslogd, gearmand) = (site.rsyslogd(), site.gearmand());
    let worker = site.worker();
    site.all_came(0..20);
    ask(&server, 20..40);
    // It would look for its server without a pause.
    drop(worker);
    rsyslogd.end(Signal::SIGKILL);
    gearmand.end(Signal::SIGTERM);
    ask(&server, 40..60);
    let (_rsyslogd, _gearmand) = (site.rsyslogd(), site.gearmand());
    let _worker = site.worker();
    ask(&server, 60..80);
    site.all_came(0..80);
    server.stop().expect("the server ends in order");
}

/// The ids in the lines of a file that begin like this; `None` while it is not there.
fn ids(text: &str, way: &str) -> HashSet<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(way));
    lines.filter_map(|line| line.trim_start().split_once(' ')).map(|(id, _)| id.to_owned()).collect()
}

/// Under load: what waits within the bound comes, and all else is counted.
#[test]
fn receivers_that_are_away_under_load() {
    const BODY: &[u8] = b"Hello, world!\n";
    let site = Site::new("log-receivers-load");
    let text = fs::read_to_string(site.path("kimura.conf")).expect("a configuration");
    let mut text = text.replace(r#"["tcp", "tls", "udp", "local", "jobs"]"#, r#"["tls", "jobs"]"#);
    for log in [r#""tls": {"#, r#""jobs": {"#] {
        text = text.replace(log, &format!(r#"{log} "queue": "256k","#));
    }
    // Not so short that filling a queue takes long, and not so long that what was sent is more than can be sent again.
    let template = format!(r#""format": "$request_id {}""#, "x".repeat(64));
    fs::write(site.path("kimura.conf"), text.replace(r#""format": "common""#, &template)).expect("write");
    let (rsyslogd, gearmand) = (site.rsyslogd(), site.gearmand());
    let worker = site.worker();
    let server = site.server();
    let status = || -> serde_json::Value {
        let socket = site.path("control.sock").display().to_string();
        let output = binary::output(["status", "--json", "--socket", &socket]).expect("the client runs");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    // Both logs, in the order of their names in messages.
    let numbers = |name: &str| -> Vec<u64> {
        let status = status();
        let logs = status["logs"].as_array().expect("logs").iter();
        let logs = logs.filter(|log| log["delivered"].is_u64());
        logs.map(|log| log[name].as_u64().expect("a number")).collect()
    };
    let all = |name: &str, wanted: fn(u64) -> bool| {
        let numbers = numbers(name);
        numbers.len() == 2 && numbers.into_iter().all(wanted)
    };
    let load = Load::start(&[server.place(1).expect("an address")], "localhost", "/hello.txt", BODY);
    until("both get lines", || all("delivered", |count| count > 100));
    drop(worker);
    rsyslogd.end(Signal::SIGKILL);
    gearmand.end(Signal::SIGTERM);
    until("more than can wait", || all("dropped", |count| count > 100));
    let (_rsyslogd, _gearmand) = (site.rsyslogd(), site.gearmand());
    let _worker = site.worker();
    let before = numbers("delivered");
    until("both get lines again", || {
        numbers("delivered").iter().zip(&before).all(|(now, before)| before + 100 < *now)
    });
    let tally = load.stop();
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    until("delivery of all lines", || {
        let lines = status()["lines"].clone();
        lines["lines_written"] == 2 * tally.answered
            && lines["lines_queued"] == 0
            && lines["lines_under_way"] == 0
    });
    let lines = status()["lines"].clone();
    let number = |name: &str| lines[name].as_u64().expect("a number");
    let known = number("lines_delivered") + number("lines_dropped") + number("lines_lost");
    assert_eq!(known, 2 * tally.answered, "{lines}");
    // Each line that counts as delivered has come, be it twice.
    let delivered = |log: &str| {
        let status = status();
        let logs = status["logs"].as_array().expect("logs").clone();
        let log =
            logs.into_iter().find(|found| found["name"].as_str().is_some_and(|name| name.contains(log)));
        log.expect("a log")["delivered"].as_u64().expect("a number")
    };
    for (file, way, log) in [("received", "by-tls", "the log tls"), ("worked", "", "the log jobs")] {
        let wanted = delivered(log);
        let mut came = 0;
        until(&format!("{wanted} lines in {file}, without {came}"), || {
            came = ids(&fs::read_to_string(site.path(file)).unwrap_or_default(), way).len() as u64;
            came >= wanted
        });
        assert!(came <= tally.answered, "{came} of {}", tally.answered);
    }
    server.stop().expect("the server ends in order");
}
