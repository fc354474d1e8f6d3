//! The server before others, as operators run it: with commands, an access log and an error log.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::failure::{Failure, Outcome};
use crate::ledger::{self, Counters};
use crate::output::Place;
use crate::{Client, Folder, Options, PATIENCE, Server, binary, until};

const CONFIGURATION: &str = r#"{
  "server": {
    "listen": ["127.0.0.1:0"], "error_log": "${folder}/error.log",
    "control": { "socket": "${folder}/control.sock" } ${server}
  },
  "upstreams": { "app": { "servers": [${servers}] ${group} } },
  "logs": { "tries": { "file": "${folder}/access.log", "format": "$request_method|$status|$upstream_status" } },
  "hosts": { "localhost": {
    "proxy": "app", "access_log": "tries", "body_size": "unlimited" ${host}
  } }
}"#;

/// What a configuration has beside what all have; each a list of members, such as `"a": 1, "b": 2`.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The addresses of the group's servers.
    pub servers: Vec<String>,
    /// Of the group `app`.
    pub group: String,
    /// Of `/server`.
    pub server: String,
    /// Of the host `localhost`.
    pub host: String,
}

impl Setup {
    /// One before servers at these addresses, with further members of the group.
    #[must_use]
    pub fn before<A: ToString>(servers: &[A], group: &str) -> Setup {
        let servers = servers.iter().map(ToString::to_string).collect();
        Setup { servers, group: group.to_owned(), server: r#""shards": 1"#.to_owned(), host: String::new() }
    }

    /// Writes `kimura.conf` in a folder; its path.
    pub fn write(&self, folder: &Folder) -> Outcome<PathBuf> {
        folder.write("kimura.conf", self.text(folder.path()).as_bytes())
    }

    fn text(&self, folder: &Path) -> String {
        let more = |members: &str| if members.is_empty() { String::new() } else { format!(", {members}") };
        let servers: Vec<String> = self.servers.iter().map(|server| format!("\"{server}\"")).collect();
        CONFIGURATION
            .replace("${servers}", &servers.join(", "))
            .replace("${group}", &more(&self.group))
            .replace("${server}", &more(&self.server))
            .replace("${host}", &more(&self.host))
            .replace("${folder}", &folder.to_string_lossy())
    }
}

/// The server, in a folder of its own.
#[derive(Debug)]
pub struct Front {
    /// Where its files are.
    pub folder: Folder,
    /// The server.
    pub server: Server,
}

/// What was left when a server had ended.
#[derive(Debug)]
pub struct Ended {
    /// The last counters.
    pub counters: Counters,
    /// The lines of the access log: method, status, and the status of each try.
    pub lines: Vec<String>,
    /// The error log.
    pub errors: String,
}

impl Front {
    /// Starts one.
    pub fn start(label: &str, setup: &Setup) -> Outcome<Front> {
        Front::start_in(Folder::new(label)?, setup)
    }

    /// Starts one in a folder that has some files already.
    pub fn start_in(folder: Folder, setup: &Setup) -> Outcome<Front> {
        let server = Server::start(&setup.write(&folder)?, &Options::default())?;
        Ok(Front { folder, server })
    }

    /// Runs a command whose process becomes a server, which was configured in this folder.
    pub fn become_of(folder: Folder, command: Command) -> Outcome<Front> {
        Ok(Front { folder, server: Server::become_of(command)? })
    }

    /// Writes another configuration; it is served from the next reload on.
    pub fn configure(&self, setup: &Setup) -> Outcome<()> {
        setup.write(&self.folder).map(drop)
    }

    /// Its address.
    pub fn address(&self) -> Outcome<SocketAddr> {
        match self.server.place(1)? {
            Place::Ip(address) => Ok(address),
            Place::Unix(path) => Err(Failure::mismatch("an address", "TCP", path.display())),
        }
    }

    /// A connection whose reads and writes have a deadline.
    pub fn connect(&self) -> Outcome<TcpStream> {
        let address = self.address()?;
        let failed = || Failure::machine("connect to", address.to_string());
        let stream = TcpStream::connect(address).map_err(failed())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed())?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed())?;
        Ok(stream)
    }

    /// A connection that reads answers.
    pub fn client(&self) -> Outcome<Client> {
        self.server.connect()
    }

    /// Gives a command, which has to be carried out; what it printed.
    pub fn give(&self, command: &str) -> Outcome<String> {
        let output = Command::new(binary::path())
            .args(command.split(' '))
            .arg("--socket")
            .arg(self.folder.path().join("control.sock"))
            .output()
            .map_err(Failure::machine("run", binary::path()))?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        Err(Failure::mismatch(format!("kimura {command}"), "success", said))
    }

    /// Waits until a gauge, which comes and goes, has a value.
    pub fn stands_at(&self, name: &str, value: u64) -> Outcome<()> {
        let reached = |counters: &Counters| counters.get(name) == Some(&value);
        self.server.wait_counters(&format!("{name} = {value}"), reached).map(drop)
    }

    /// Waits until a text stands in the error log.
    pub fn tells(&self, text: &str) {
        until(&format!("the error log says {text:?}"), || read(&self.folder, "error.log").contains(text));
    }

    /// Ends the server with SIGTERM, and holds its ledger against itself.
    pub fn stop(self) -> Outcome<Ended> {
        self.server.signal(Signal::SIGTERM)?;
        self.ended()
    }

    /// As [`Front::stop`], of one that has been told to end.
    pub fn ended(self) -> Outcome<Ended> {
        let Front { folder, server } = self;
        let output = server.output().clone();
        let status = server.ended()?;
        let said = output.said();
        if !status.success() {
            let what = format!("ended with {status} after SIGTERM");
            return Err(Failure::Start { what, output: said.text() });
        }
        let counters = said.counters.clone();
        ledger::check(&counters)?;
        let lines = read(&folder, "access.log").lines().map(str::to_owned).collect();
        Ok(Ended { counters, lines, errors: read(&folder, "error.log") })
    }
}

impl Ended {
    /// Holds the lines of the access log against what they should be.
    ///
    /// # Panics
    /// When they are others.
    pub fn logged(&self, what: &str, lines: &[&str]) {
        assert_eq!(self.lines, lines, "{what}");
    }

    /// Holds counters against what they should be. No connection to a server may be left.
    ///
    /// # Panics
    /// When one is another.
    pub fn counted(&self, what: &str, wanted: &[(&str, u64)]) {
        for (name, value) in wanted.iter().chain(&[("upstream_connections_open", 0)]) {
            assert_eq!(self.counters.get(*name), Some(value), "{what}: {name}\n{:?}", self.counters);
        }
    }
}

/// What a file of the folder holds; nothing if it is not there.
fn read(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap_or_default()
}
