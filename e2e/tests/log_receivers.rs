//! Access logs that go over sockets: from requests to a real rsyslogd and a real gearmand, through all processes.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use e2e::openssl::{Algorithm, Authority, Term};
use e2e::response::Asked;
use e2e::{Folder, Options, Server, until};
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

    fn end(mut self, signal: Signal) {
        kill(Pid::from_raw(self.0.id() as i32), signal).expect("a child of ours");
        self.0.wait().expect("a child of ours");
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
