//! The units of `config-examples/systemd/`: systemd understands them, and the server works as they start it.

#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::response::Asked;
use e2e::{Client, Folder, Manager, Process, Server, binary};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

/// What the units name, and a test has elsewhere.
const PROGRAM: &str = "/usr/bin/kimura";
const CONFIGURATION: &str = "/etc/kimura/kimura.conf";
const CONTROL: &str = "/run/kimura/control.sock";

const NOBODY: u32 = 65_534;
const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(20);

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config-examples/systemd").join(name);
    fs::read_to_string(path).expect("the unit")
}

/// Every value of a directive.
fn values<'u>(unit: &'u str, name: &str) -> Vec<&'u str> {
    unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

/// The only value of a directive.
fn value<'u>(unit: &'u str, name: &str) -> &'u str {
    let values = values(unit, name);
    assert_eq!(values.len(), 1, "{name}");
    values[0]
}

#[test]
fn systemd_understands_them() {
    let folder = Folder::new("units").expect("a folder");
    let program = binary::path().canonicalize().expect("the program").display().to_string();
    let paths = ["kimura.service", "kimura.socket"].map(|name| {
        let text = unit(name).replace(PROGRAM, &program);
        // A manual page is looked for where it is installed.
        let text = text.replace("Documentation=man:kimura(1)\n", "");
        folder.write(name, text.as_bytes()).expect("write")
    });
    let verify = |paths: &[PathBuf]| {
        let output = Command::new("systemd-analyze").arg("verify").args(paths).output();
        String::from_utf8_lossy(&output.expect("systemd-analyze runs").stderr).into_owned()
    };
    let complaints = verify(&paths);
    assert!(!complaints.contains("kimura."), "{complaints}");
    // It does find what is wrong.
    let wrong = unit("kimura.service").replace(PROGRAM, &program).replace("KillMode=mixed", "KillMode=mixd");
    let wrong = folder.write("wrong.service", wrong.as_bytes()).expect("write");
    assert!(verify(&[wrong]).contains("wrong.service"));
}

/// A server, started as the unit says, with the capabilities that the unit leaves it.
struct Service {
    folder: Folder,
    unit: String,
}

impl Service {
    fn new() -> Service {
        let folder = Folder::new("units").expect("a folder");
        folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
        // As root the program is executed, and the folder read, by somebody else, too.
        let program = folder.path().join("kimura");
        fs::copy(binary::path(), &program).expect("a copy");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let user = if Uid::effective().is_root() { r#""user": "65534", "group": "65534","# } else { "" };
        let root = folder.path().display();
        let text = format!(
            r#"{{ "server": {{ {user} "listen": ["127.0.0.1:0"], "error_log": "{root}/logs/error.log" }},
                 "hosts": {{ "localhost": {{ "root": "{root}/www", "access_log": "{root}/logs/access.log" }} }} }}"#
        );
        folder.write("kimura.conf", text.as_bytes()).expect("write");
        folder.write("logs/error.log", b"").expect("write");
        Service { folder, unit: unit("kimura.service") }
    }

    /// The words of a directive, with the paths of this test.
    fn words(&self, name: &str) -> Vec<String> {
        let path = |name| self.folder.path().join(name).display().to_string();
        let line = value(&self.unit, name).replace(PROGRAM, &path("kimura"));
        let line = line.replace(CONFIGURATION, &path("kimura.conf")).replace(CONTROL, &path("control.sock"));
        line.split(' ').map(str::to_owned).collect()
    }

    /// A command with the rights of the unit; only root has some to lose.
    fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new("setpriv");
        assert_eq!(value(&self.unit, "NoNewPrivileges"), "yes");
        command.arg("--no-new-privs");
        if Uid::effective().is_root() {
            let kept = value(&self.unit, "CapabilityBoundingSet").split(' ');
            let kept: String = kept.map(|name| name.replace("CAP_", ",+").to_lowercase()).collect();
            command.arg("--inh-caps=-all").arg(format!("--bounding-set=-all{kept}"));
        }
        command.args(words).stdin(Stdio::null());
        command
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

fn answers(server: &Server) {
    let mut client: Client = server.connect().expect("connect");
    client.send(GET).expect("send");
    assert_eq!(client.response(Asked::Other).expect("a response").status, 200);
}

#[test]
fn the_server_works_with_the_rights_of_its_unit() {
    let service = Service::new();
    if Uid::effective().is_root() {
        // The folder of logs is root's, as systemd makes it.
        chown(service.folder.path().join("logs"), Some(0), Some(0)).expect("chown");
    }
    let manager = Manager::at_path(&service.folder).expect("a socket");
    let mut words = service.words("ExecStart");
    words.push("-V".to_owned());
    let mut command = service.command(&words);
    command.env("NOTIFY_SOCKET", manager.name());
    let server = Server::become_of(command).expect("the server starts");
    assert!(manager.next().expect("news").says("READY"));
    answers(&server);
    let give = |words: &[String]| {
        let output = service.command(words).output().expect("it runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let mut upgrade = service.words("ExecReload");
    upgrade[1] = "upgrade".to_owned();
    for words in [service.words("ExecReload"), upgrade] {
        give(&words);
        assert!(manager.next().expect("news").says("RELOADING"));
        assert!(manager.next().expect("news").says("READY"));
        answers(&server);
    }
    let workers = |server: &Server| -> Vec<Process> {
        server.processes().into_iter().filter(|process| process.title == "kimura: worker").collect()
    };
    until("one worker", || workers(&server).len() == 1);
    for process in server.processes() {
        let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).expect("it runs");
        let is_child = process.pid != server.pid();
        if Uid::effective().is_root() && is_child {
            assert!(status.contains(&format!("Uid:\t{NOBODY}\t{NOBODY}\t")), "{process:?}: {status}");
            assert!(status.contains("CapEff:\t0000000000000000\n"), "{process:?}: {status}");
        }
    }
    let worker = workers(&server).remove(0);
    kill(Pid::from_raw(worker.pid as i32), Signal::SIGKILL).expect("it runs");
    until("another worker", || workers(&server).iter().any(|now| now.pid != worker.pid));
    answers(&server);
    // One that does not end is ended, whoever it has become.
    let worker = workers(&server).remove(0);
    kill(Pid::from_raw(worker.pid as i32), Signal::SIGSTOP).expect("it runs");
    let mut stop = service.words("ExecReload");
    stop[1] = "stop".to_owned();
    give(&stop);
    assert!(server.ended().expect("it ends").success());
    assert!(Process::find(worker.pid).is_none());
}

#[test]
fn the_socket_unit_names_addresses_that_can_be_configured() {
    let unit = unit("kimura.socket");
    let folder = Folder::new("units").expect("a folder");
    let listen: Vec<String> =
        values(&unit, "ListenStream").iter().map(|address| format!("{address:?}")).collect();
    assert!(!listen.is_empty());
    folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
    let host = r#""hosts": { "localhost": { "root": "www" } }"#;
    let text = format!(r#"{{ "server": {{ "listen": [{}] }}, {host} }}"#, listen.join(", "));
    let path = folder.write("kimura.conf", text.as_bytes()).expect("write");
    let output = binary::output(["-t".as_ref(), "-c".as_ref(), path.as_os_str()]).expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What these addresses are depends on it.
    assert_eq!(value(&unit, "BindIPv6Only"), "ipv6-only");
}
