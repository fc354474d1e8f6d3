//! Receivers of log lines that are reached by a socket: with addresses, so that nobody else looks a name up.

use std::path::PathBuf;

use crate::wire::{records, variants};

/// Most bytes of the PEM of those who vouch for a receiver.
pub const AUTHORITY_MAX: usize = 4 << 20;

variants! {
    /// What a receiver is.
    #[derive(Eq, Hash)]
    pub enum Receiver {
        /// One that takes syslog messages.
        1 Syslog {
            /// The way there.
            way: SyslogWay,
            /// The head of each message.
            shape: SyslogShape,
            /// How messages are told apart in a stream.
            framing: SyslogFraming,
            /// What stands in each message.
            labels: Labels,
            /// Name of this machine.
            host_name: String,
            /// Most bytes of a message.
            message_max: u32,
        },
        /// The journal of systemd.
        2 Journald {
            /// Its socket.
            path: PathBuf,
            /// What stands in each entry.
            labels: Labels,
        },
        /// Gearman servers.
        3 Gearman {
            /// The one that is preferred first.
            servers: Vec<GearmanServer>,
            /// The function that workers have.
            function: String,
            /// Most bytes of a job that has several lines; 0 for a job for each line.
            batch: u32,
        },
    }

    /// The way to a receiver of syslog messages. Addresses are written as [`std::net::SocketAddr`] is.
    #[derive(Eq, Hash)]
    pub enum SyslogWay {
        /// A Unix socket for datagrams.
        1 Unix {
            /// Its path.
            path: PathBuf,
        },
        /// UDP.
        2 Udp {
            /// The receiver's address.
            address: String,
        },
        /// TCP.
        3 Tcp {
            /// The receiver's addresses.
            addresses: Vec<String>,
        },
        /// TLS over TCP. The PEM of those who vouch for the receiver comes as the descriptor of the destination.
        4 Tls {
            /// The receiver's addresses.
            addresses: Vec<String>,
            /// The name that its certificate has.
            name: String,
            /// The file with the PEM.
            authority: PathBuf,
        },
    }

    /// The head of a syslog message.
    #[derive(Copy, Eq, Hash)]
    pub enum SyslogShape {
        /// RFC 5424.
        1 Rfc5424,
        /// RFC 3164.
        2 Rfc3164,
        /// RFC 3164 without the name of the machine.
        3 Local,
    }

    /// How syslog messages are told apart in a stream.
    #[derive(Copy, Eq, Hash)]
    pub enum SyslogFraming {
        /// By the length before each.
        1 Octets,
        /// By a newline behind each.
        2 Newline,
    }
}

records! {
    /// Who a message is from, and how urgent it is.
    #[derive(Eq, Hash)]
    pub struct Labels {
        /// Name of the facility.
        facility: String,
        /// Name of the severity.
        severity: String,
        /// Name of the program.
        app_name: String,
    }

    /// A Gearman server.
    #[derive(Eq, Hash)]
    pub struct GearmanServer {
        /// What messages call it.
        name: String,
        /// Its addresses, written as [`std::net::SocketAddr`] is.
        addresses: Vec<String>,
    }
}
