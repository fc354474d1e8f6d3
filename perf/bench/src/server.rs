//! The servers that take part: how each is configured, started, found ready and stopped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::check;
use crate::docroot::RunFolder;
use crate::error::{AnswerProblem, Error};
use crate::interrupt::Interrupt;
use crate::packages::Tool;
use crate::process::{Running, pinned};
use crate::workload::{Carrier, DocFile, FILES, SMALL};

/// How long a server may take until it answers.
const READY: Duration = Duration::from_secs(10);

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Kimura,
    Nginx,
    NginxTuned,
    H2o,
    Lighttpd,
    Caddy,
}

impl Kind {
    /// All kinds but our own.
    pub(crate) const PEERS: [Kind; 5] =
        [Kind::Nginx, Kind::NginxTuned, Kind::H2o, Kind::Lighttpd, Kind::Caddy];

    /// Name on the command line, and default label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Kimura => "kimura",
            Kind::Nginx => "nginx",
            Kind::NginxTuned => "nginx-tuned",
            Kind::H2o => "h2o",
            Kind::Lighttpd => "lighttpd",
            Kind::Caddy => "caddy",
        }
    }

    /// The program and its package.
    pub(crate) fn tool(self) -> Tool {
        match self {
            // The full package would bring modules that are not used.
            Kind::Nginx | Kind::NginxTuned => Tool { program: "nginx", package: "nginx-light" },
            other => Tool { program: other.name(), package: other.name() },
        }
    }

    fn template(self) -> &'static str {
        match self {
            Kind::Kimura => include_str!("../peers/kimura.conf"),
            Kind::Nginx => include_str!("../peers/nginx.conf"),
            Kind::NginxTuned => include_str!("../peers/nginx-tuned.conf"),
            Kind::H2o => include_str!("../peers/h2o.conf"),
            Kind::Lighttpd => include_str!("../peers/lighttpd.conf"),
            Kind::Caddy => include_str!("../peers/Caddyfile"),
        }
    }

    /// Adds the arguments that make the program serve `config` in the foreground.
    fn arguments(self, command: &mut Command, config: &Path, folder: &Path) {
        match self {
            Kind::Kimura => command.arg("-c").arg(config),
            Kind::Nginx | Kind::NginxTuned => {
                command.arg("-p").arg(folder).arg("-e").arg("stderr").arg("-c").arg(config)
            }
            Kind::H2o => command.args(["-m", "worker", "-c"]).arg(config),
            Kind::Lighttpd => command.arg("-D").arg("-f").arg(config),
            Kind::Caddy => {
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config);
                command.env("GOMAXPROCS", "1").env("HOME", folder)
            }
        };
    }

    /// Whether its template has an address with TLS.
    pub(crate) fn has_tls(self) -> bool {
        matches!(self, Kind::Kimura | Kind::Nginx)
    }

    fn version_argument(self) -> &'static str {
        match self {
            Kind::Caddy => "version",
            _ => "-v",
        }
    }
}

/// A server that takes part, not started.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) label: String,
    pub(crate) kind: Kind,
    pub(crate) program: PathBuf,
}

impl Contender {
    /// First line of what the program says about its version.
    pub(crate) fn version(&self) -> String {
        let output = Command::new(&self.program).arg(self.kind.version_argument()).output();
        let Ok(output) = output else { return "unknown".to_owned() };
        // nginx writes it to standard error.
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").trim().to_owned()
    }

    /// Starts the server on a free port of 127.0.0.1, pinned to `cpu`, and waits until it answers.
    pub(crate) fn start(
        &self,
        folder: &RunFolder,
        cpu: usize,
        interrupt: &Interrupt,
    ) -> Result<Server, Error> {
        self.start_on(folder, &[cpu], interrupt)
    }

    /// As [`Contender::start`], with a worker on each of `cpus`; only of Kimura for more than one.
    pub(crate) fn start_on(
        &self,
        folder: &RunFolder,
        cpus: &[usize],
        interrupt: &Interrupt,
    ) -> Result<Server, Error> {
        let address = free_port().map_err(Error::io("find a free port on", "127.0.0.1"))?;
        let config = folder.path().join(format!("{}.conf", self.label));
        let secure = free_port().map_err(Error::io("find a free port on", "127.0.0.1"))?;
        let text = fill(self.kind.template(), address.port(), &folder.docroot(), folder.path())
            .replace("{{tls_port}}", &secure.port().to_string())
            .replace("{{shards}}", &cpus.len().to_string());
        fs::write(&config, text).map_err(Error::io("write", &config))?;
        let log = folder.path().join(format!("{}.log", self.label));
        let output = File::create(&log).map_err(Error::io("create", &log))?;
        let errors = output.try_clone().map_err(Error::io("use", &log))?;
        let mut command = pinned(cpus, &self.program);
        self.kind.arguments(&mut command, &config, folder.path());
        let running = Running::start(command.stdout(output).stderr(errors), &self.label)?;
        let mut server = Server { label: self.label.clone(), address, secure, running, log };
        server.await_ready(folder, interrupt)?;
        Ok(server)
    }
}

/// A running server; dropping it stops it.
pub(crate) struct Server {
    pub(crate) label: String,
    pub(crate) address: SocketAddr,
    /// The same with TLS, where the kind has it.
    secure: SocketAddr,
    running: Running,
    log: PathBuf,
}

impl Server {
    /// Process id of the first process of the server.
    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }

    /// Where requests go that are carried so.
    pub(crate) fn address(&self, carrier: Carrier) -> SocketAddr {
        match carrier {
            Carrier::Plain => self.address,
            Carrier::Tls => self.secure,
        }
    }

    /// Checks that every file arrives byte by byte as it is; gives back the size of the small file's head.
    pub(crate) fn check(&self, folder: &RunFolder) -> Result<usize, Error> {
        let mut size = 0;
        for file in FILES {
            let bytes = self.fetch(file, folder).map_err(|problem| Error::WrongAnswer {
                label: self.label.clone(),
                path: format!("/{}", file.name),
                problem,
            })?;
            if file.name == SMALL.name {
                size = bytes;
            }
        }
        Ok(size)
    }

    /// An error if the server has ended.
    pub(crate) fn check_alive(&mut self) -> Result<(), Error> {
        match self.running.ended().map_err(Error::io("wait for", &self.label))? {
            None => Ok(()),
            Some(status) => Err(Error::ServerEnded { label: self.label.clone(), status, log: self.log() }),
        }
    }

    fn await_ready(&mut self, folder: &RunFolder, interrupt: &Interrupt) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            interrupt.check()?;
            self.check_alive()?;
            match self.fetch(&SMALL, folder) {
                Ok(_) => return Ok(()),
                Err(AnswerProblem::Io(_)) if start.elapsed() < READY => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(AnswerProblem::Io(_)) => {
                    return Err(Error::ServerSilent { label: self.label.clone(), log: self.log() });
                }
                Err(problem) => {
                    let path = format!("/{}", SMALL.name);
                    return Err(Error::WrongAnswer { label: self.label.clone(), path, problem });
                }
            }
        }
    }

    fn fetch(&self, file: &DocFile, folder: &RunFolder) -> Result<usize, AnswerProblem> {
        check::same_bytes(self.address, file.name, &folder.docroot().join(file.name))
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A port that nobody uses now. Somebody may take it before the server does; then the server says so and ends.
fn free_port() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn fill(template: &str, port: u16, root: &Path, run: &Path) -> String {
    template
        .replace("{{port}}", &port.to_string())
        .replace("{{root}}", &root.to_string_lossy())
        .replace("{{run}}", &run.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_no_hole_left() {
        for kind in Kind::PEERS.into_iter().chain([Kind::Kimura]) {
            let text = fill(kind.template(), 4711, Path::new("/the/root"), Path::new("/the/run"))
                .replace("{{shards}}", "1")
                .replace("{{tls_port}}", "4712");
            assert!(text.contains("4711") && text.contains("/the/root"), "{text}");
            assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
        }
    }
}
