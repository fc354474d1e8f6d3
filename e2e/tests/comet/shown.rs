//! The server under test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use e2e::response::Asked;
use e2e::viewer::Viewer;
use e2e::yard::address;
use e2e::{Folder, Options, Process, Response, Server, binary, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The password of anna is "secret".
pub(crate) const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0"], "shards": 2, "error_log": "${folder}/error.log",
    "control": { "socket": "${folder}/control.sock" },
    "limits": { "viewers_per_shard": 4 },
    "timeouts": { "write": "2s" }
  },
  "hosts": {
    "localhost": {
      "root": "${folder}/www", "access_log": "${folder}/access.log",
      "locations": {
        "/live/": { "comet": "all", "access": ["allow from 127.0.0.1", "deny all"] },
        "/own/": { "comet": "host", "access": ["allow from 127.0.0.1", "deny all"] },
        "/errors/": { "comet": "errors", "access": ["allow from 127.0.0.1", "deny all"] },
        "/closed/": { "comet": "all", "access": ["deny all"] },
        "/login/": {
          "comet": "all",
          "auth": { "realm": "Logs", "users": { "anna": "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=" } }
        },
        "/quiet/": { "access_log": "off" }
      }
    },
    "other.example": { "root": "${folder}/www", "access_log": "${folder}/other.log", "access_log_format": "json" }
  }
}"#;

/// A server that shows what it logs.
pub(crate) struct Shown {
    folder: Folder,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

impl Shown {
    pub(crate) fn start() -> Shown {
        Shown::with(CONFIGURATION)
    }

    pub(crate) fn with(text: &str) -> Shown {
        let folder = Folder::new("comet").expect("a folder");
        folder.write("www/hello.txt", b"Hello, world!\n").expect("write");
        let shown = |text: &str| text.replace("${folder}", &folder.path().to_string_lossy());
        let configuration = folder.write("kimura.conf", shown(text).as_bytes()).expect("write");
        let server = Server::start(&configuration, &Options::default()).expect("a server");
        let address = address(&server, 1).expect("an address");
        Shown { folder, server, address }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ask(&self, host: &str, target: &str, fields: &str) -> Response {
        let mut client = self.server.connect().expect("connect");
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        client.send(request.as_bytes()).expect("send");
        client.response(Asked::Other).expect("a response")
    }

    pub(crate) fn get(&self, target: &str) {
        let status = self.ask("localhost", target, "").status;
        assert!(status == 200 || status == 404, "{status}");
    }

    pub(crate) fn view(&self, target: &str, fields: &str) -> Viewer {
        Viewer::open(self.address, target, fields).expect("an answer").expect("a stream")
    }

    /// Comes again with what the viewer has seen last.
    pub(crate) fn again(&self, target: &str, viewer: &Viewer) -> Viewer {
        self.view(target, &format!("Last-Event-ID: {}\r\n", viewer.id))
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary::path());
        command.args(words).arg("--socket").arg(self.path("control.sock"));
        command
    }

    pub(crate) fn give(&self, words: &[&str]) -> String {
        let output = self.command(words).output().expect("the client runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    pub(crate) fn kill(&self, title: &str) {
        let pid = self.server.process(title).expect("a process").pid;
        kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("it is killed");
        until("another one", || {
            let found = self.server.processes().into_iter().find(|process: &Process| process.title == title);
            found.is_some_and(|process| process.pid != pid)
        });
    }
}
