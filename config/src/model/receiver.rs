//! Receivers of log lines that are reached by a socket.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

pub use crate::place::Place;

/// One of them, with all that is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receiver {
    /// Name of the log in `/logs`.
    pub log: String,
    /// What it is.
    pub kind: ReceiverKind,
}

impl Receiver {
    /// Names it, and is another name when anything is said otherwise of it.
    #[must_use]
    pub fn identity(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("{}:{:016x}", self.log, hasher.finish())
    }
}

/// What a receiver is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReceiverKind {
    /// One that takes syslog messages.
    Syslog(Syslog),
    /// The journal of systemd.
    Journald {
        /// Its socket.
        path: PathBuf,
        /// What stands in each entry.
        labels: Labels,
    },
    /// Gearman servers.
    Gearman {
        /// The one that is preferred first.
        servers: Vec<Place>,
        /// The function that workers have.
        function: String,
        /// Most bytes of a job that has several lines; 0 for a job for each line.
        batch: u32,
    },
}

/// A receiver of syslog messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Syslog {
    /// The way there.
    pub transport: SyslogTransport,
    /// The head of each message.
    pub shape: SyslogShape,
    /// How messages are told apart over TCP and TLS.
    pub framing: SyslogFraming,
    /// What stands in each message.
    pub labels: Labels,
    /// Name of this machine; `None` for the one that it has.
    pub host_name: Option<String>,
    /// Most bytes of a message.
    pub message_max: u32,
    /// With TLS: who vouches for the receiver; `None` for whom the system trusts.
    pub authority: Option<PathBuf>,
    /// With TLS: the name that the receiver's certificate has.
    pub server_name: String,
}

/// The way to a receiver of syslog messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SyslogTransport {
    /// A Unix socket for datagrams.
    Unix(PathBuf),
    /// UDP.
    Udp(Place),
    /// TCP.
    Tcp(Place),
    /// TLS over TCP.
    Tls(Place),
}

/// The head of a syslog message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyslogShape {
    /// RFC 5424.
    Rfc5424,
    /// RFC 3164.
    Rfc3164,
    /// RFC 3164 without the name of the machine.
    Local,
}

/// How syslog messages are told apart in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyslogFraming {
    /// By the length before each.
    Octets,
    /// By a newline behind each.
    Newline,
}

/// Who a message is from, and how urgent it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Labels {
    /// Name of the facility.
    pub facility: &'static str,
    /// Name of the severity.
    pub severity: &'static str,
    /// Name of the program.
    pub app_name: String,
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ReceiverKind::Syslog(syslog) => syslog.transport.fmt(f),
            ReceiverKind::Journald { path, .. } => write!(f, "the journal at {}", path.display()),
            ReceiverKind::Gearman { servers, .. } => {
                let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
                write!(f, "Gearman at {}", servers.join(", "))
            }
        }
    }
}

impl fmt::Display for SyslogTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyslogTransport::Unix(path) => write!(f, "unix:{}", path.display()),
            SyslogTransport::Udp(place) => write!(f, "udp://{place}"),
            SyslogTransport::Tcp(place) => write!(f, "tcp://{place}"),
            SyslogTransport::Tls(place) => write!(f, "tls://{place}"),
        }
    }
}
