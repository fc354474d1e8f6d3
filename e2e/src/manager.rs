//! A service manager, as the server sees one: it passes sockets, and is told what becomes of the service.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};
use crate::{Folder, PATIENCE, binary, python};

/// Longest datagram that a service manager reads.
const DATAGRAM_MAX: usize = 4096;

/// The end that is told.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    name: OsString,
}

/// One datagram: lines of `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News(String);

impl Manager {
    /// One that listens at a path.
    pub fn at_path(folder: &Folder) -> Outcome<Manager> {
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).map_err(Failure::machine("bind", &path))?;
        Ok(Manager { socket, name: path.into() })
    }

    /// One that listens at an abstract name.
    pub fn at_abstract_name(name: &str) -> Outcome<Manager> {
        let name = format!("{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).map_err(Failure::machine("name", &name))?;
        let socket = UnixDatagram::bind_addr(&address).map_err(Failure::machine("bind", &name))?;
        Ok(Manager { socket, name: format!("@{name}").into() })
    }

    /// Value of `NOTIFY_SOCKET`.
    #[must_use]
    pub fn name(&self) -> &OsString {
        &self.name
    }

    /// The next news; none when there are none within `patience`.
    pub fn within(&self, patience: Duration) -> Outcome<Option<News>> {
        // A timeout of zero would be none.
        let patience = patience.max(Duration::from_micros(1));
        self.socket.set_read_timeout(Some(patience)).map_err(Failure::machine("wait for", "news"))?;
        let mut buffer = [0; DATAGRAM_MAX];
        match self.socket.recv(&mut buffer) {
            Ok(len) => Ok(Some(News(String::from_utf8_lossy(&buffer[..len]).into_owned()))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(Failure::machine("receive", "news")(error)),
        }
    }

    /// Waits for the next news that are more than a sign of life.
    pub fn next(&self) -> Outcome<News> {
        let deadline = Instant::now() + PATIENCE;
        while let Some(news) = self.within(deadline.saturating_duration_since(Instant::now()))? {
            if !news.is_alive() {
                return Ok(news);
            }
        }
        Err(Failure::Late { what: "news of the service".to_owned(), waited: PATIENCE })
    }

    /// Waits for a sign of life.
    pub fn alive(&self) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        while let Some(news) = self.within(deadline.saturating_duration_since(Instant::now()))? {
            if news.is_alive() {
                return Ok(());
            }
        }
        Err(Failure::Late { what: "sign of life".to_owned(), waited: PATIENCE })
    }

    /// Takes what is there already.
    pub fn forget(&self) -> Outcome<()> {
        while self.within(Duration::ZERO)?.is_some() {}
        Ok(())
    }
}

impl News {
    /// The value of a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether a name is set to 1.
    #[must_use]
    pub fn says(&self, name: &str) -> bool {
        self.value(name) == Some("1")
    }

    fn is_alive(&self) -> bool {
        self.0 == "WATCHDOG=1\n"
    }
}

/// How a service is started.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// Sockets that are passed, as `manager/start.py` takes them.
    pub sockets: Vec<String>,
    /// Who it is started as; none for ourselves.
    pub user: Option<u32>,
    /// The program; none for the one under test.
    pub program: Option<PathBuf>,
}

impl Service {
    /// The command that becomes the server; the process stays the same.
    #[must_use]
    pub fn command<A: Into<OsString>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(python::interpreter());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/manager/start.py"));
        if let Some(user) = self.user {
            command.args(["--user", &user.to_string()]);
        }
        command.args(&self.sockets).arg("--");
        command.arg(self.program.as_ref().unwrap_or_else(|| binary::path()));
        command.args(arguments.into_iter().map(Into::into));
        command
    }
}
