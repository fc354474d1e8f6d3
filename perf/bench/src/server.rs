//! The servers that take part: how each is configured, started, found ready and stopped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::access_log::AccessLog;
use crate::client::check;
use crate::docroot::RunFolder;
use crate::error::{AnswerProblem, Error};
use crate::interrupt::Interrupt;
use crate::packages::Tool;
use crate::process::{Running, pinned};
use crate::template::{self, Part};
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
    Haproxy,
}

impl Kind {
    /// All kinds but our own.
    pub(crate) const PEERS: [Kind; 6] =
        [Kind::Nginx, Kind::NginxTuned, Kind::H2o, Kind::Lighttpd, Kind::Caddy, Kind::Haproxy];

    /// Name on the command line, and default label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Kimura => "kimura",
            Kind::Nginx => "nginx",
            Kind::NginxTuned => "nginx-tuned",
            Kind::H2o => "h2o",
            Kind::Lighttpd => "lighttpd",
            Kind::Caddy => "caddy",
            Kind::Haproxy => "haproxy",
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
            Kind::Haproxy => include_str!("../peers/haproxy.cfg"),
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
            Kind::Haproxy => command.arg("-db").arg("-f").arg(config),
            Kind::Caddy => {
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config);
                command.env("GOMAXPROCS", "1").env("HOME", folder)
            }
        };
    }

    /// Whether its template has that part.
    pub(crate) fn has(self, part: Part) -> bool {
        match part {
            Part::Tls => matches!(self, Kind::Kimura | Kind::Nginx),
            Part::AccessLog => self != Kind::Haproxy,
            Part::Logins => self == Kind::Kimura,
            Part::Proxy | Part::Gzip => {
                matches!(self, Kind::Kimura | Kind::Nginx | Kind::Caddy | Kind::Haproxy)
            }
        }
    }

    /// Whether it serves files by itself.
    fn serves_files(self) -> bool {
        self != Kind::Haproxy
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
    /// Whether it can be configured with all of `parts`.
    pub(crate) fn has_all(&self, parts: &[Part]) -> bool {
        let files = self.kind.serves_files() || parts.contains(&Part::Proxy);
        files && parts.iter().all(|part| self.kind.has(*part))
    }

    /// First line of what the program says about its version.
    pub(crate) fn version(&self) -> String {
        let output = Command::new(&self.program).arg(self.kind.version_argument()).output();
        let Ok(output) = output else { return "unknown".to_owned() };
        // nginx writes it to standard error.
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").trim().to_owned()
    }

    /// Starts the server with `parts` on free ports of 127.0.0.1, with a worker on each of `cpus` (only of Kimura for
    /// more than one), and waits until it answers. With [`Part::Proxy`] files come from `behind`.
    pub(crate) fn start(
        &self,
        (folder, behind): (&RunFolder, Option<SocketAddr>),
        cpus: &[usize],
        parts: &[Part],
        interrupt: &Interrupt,
    ) -> Result<Server, Error> {
        let files = Files::of(&self.label, parts, folder);
        let address = free_port().map_err(Error::io("find a free port on", "127.0.0.1"))?;
        let secure = free_port().map_err(Error::io("find a free port on", "127.0.0.1"))?;
        let values = [
            ("port", address.port().to_string()),
            ("tls_port", secure.port().to_string()),
            ("backend", behind.map(|address| address.port().to_string()).unwrap_or_default()),
            ("shards", cpus.len().to_string()),
            ("root", folder.docroot().to_string_lossy().into_owned()),
            ("run", folder.path().to_string_lossy().into_owned()),
            ("log", files.access.to_string_lossy().into_owned()),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let text = template::fill(self.kind.template(), &values, parts);
        fs::write(&files.config, text).map_err(Error::io("write", &files.config))?;
        let access_log = parts.contains(&Part::AccessLog).then(|| AccessLog::create(files.access));
        let access_log = access_log.transpose()?;
        let output = File::create(&files.output).map_err(Error::io("create", &files.output))?;
        let errors = output.try_clone().map_err(Error::io("use", &files.output))?;
        let mut command = pinned(cpus, &self.program);
        self.kind.arguments(&mut command, &files.config, folder.path());
        let running = Running::start(command.stdout(output).stderr(errors), &self.label)?;
        let (label, log) = (self.label.clone(), files.output);
        let mut server = Server { label, address, secure, access_log, running, log };
        server.await_ready(folder, interrupt)?;
        Ok(server)
    }
}

/// Files of a server in the folder of the run.
struct Files {
    config: PathBuf,
    /// What it says.
    output: PathBuf,
    /// Lines for its requests.
    access: PathBuf,
}

impl Files {
    /// Those of the server of that label with those parts; no label has a plus sign.
    fn of(label: &str, parts: &[Part], folder: &RunFolder) -> Files {
        let name = [label].into_iter().chain(parts.iter().map(|part| part.name())).collect::<Vec<_>>();
        let file = |end: &str| folder.path().join(format!("{}.{end}", name.join("+")));
        Files { config: file("conf"), output: file("log"), access: file("access") }
    }
}

/// A running server; dropping it stops it.
pub(crate) struct Server {
    pub(crate) label: String,
    pub(crate) address: SocketAddr,
    /// The same with TLS, where the kind has it.
    secure: SocketAddr,
    /// Where it writes a line for each request, if it does.
    pub(crate) access_log: Option<AccessLog>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_no_hole_left() {
        let values = [
            ("port", "4711"),
            ("tls_port", "4712"),
            ("backend", "4713"),
            ("shards", "1"),
            ("root", "/the/root"),
            ("run", "/the/run"),
            ("log", "/the/access"),
        ];
        let check = |kind: Kind, parts: &[Part]| {
            let text = template::fill(kind.template(), &values, parts);
            assert!(text.contains("4711") && text.contains("/the/root"), "{text}");
            assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
            for (part, sign) in [
                (Part::Tls, "4712"),
                (Part::AccessLog, "/the/access"),
                (Part::Logins, "htpasswd"),
                (Part::Proxy, "4713"),
            ] {
                let always = part == Part::Proxy && !kind.serves_files();
                let expected = always || (kind.has(part) && parts.contains(&part));
                assert_eq!(text.contains(sign), expected, "{kind:?} with {parts:?}: {text}");
            }
        };
        for kind in Kind::PEERS.into_iter().chain([Kind::Kimura]) {
            for parts in
                [&[][..], &[Part::Tls], &[Part::AccessLog], &[Part::Logins], &[Part::Proxy], &Part::ALL]
            {
                check(kind, parts);
            }
        }
    }
}
