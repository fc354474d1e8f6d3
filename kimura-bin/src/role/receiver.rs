//! From what the logger is told of a receiver to what delivers there.

use logging::remote::{Patience, Remote, gearman, journald, syslog};
use privsep::message::{AUTHORITY_MAX, Labels, Receiver, SyslogFraming, SyslogShape, SyslogWay};
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use sys::net::Address;
use tls::ServerTrust;

/// The PEM of those who vouch for a receiver, where that is asked for.
///
/// # Errors
/// It is not as it was handed over.
pub(super) fn authority(receiver: &Receiver, sealed: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    match receiver {
        Receiver::Syslog { way: SyslogWay::Tls { .. }, .. } => sys::mem::read_sealed(sealed, AUTHORITY_MAX),
        _ => Ok(Vec::new()),
    }
}

/// The receiver of the log with this name. `authority` is the PEM of those who vouch for it, where that
/// is asked for.
///
/// # Errors
/// What is said of it has no meaning, in words.
pub(super) fn remote(log: &str, receiver: &Receiver, authority: &[u8]) -> Result<Remote, String> {
    let patience = Patience::default();
    Ok(match receiver {
        Receiver::Syslog { way, shape, framing, labels, host_name, message_max } => {
            Remote::Syslog(syslog::Settings {
                transport: transport(way, authority)?,
                shape: match shape {
                    SyslogShape::Rfc5424 => syslog::Shape::Rfc5424,
                    SyslogShape::Rfc3164 => syslog::Shape::Rfc3164,
                    SyslogShape::Local => syslog::Shape::Local,
                },
                framing: match framing {
                    SyslogFraming::Octets => syslog::Framing::Octets,
                    SyslogFraming::Newline => syslog::Framing::Newline,
                },
                facility: facility(labels)?,
                severity: severity(labels)?,
                app_name: labels.app_name.clone(),
                host_name: host_name.clone(),
                message_max: *message_max as usize,
                patience,
            })
        }
        Receiver::Journald { path, labels } => Remote::Journald(journald::Settings {
            path: path.clone(),
            facility: facility(labels)?,
            severity: severity(labels)?,
            app_name: labels.app_name.clone(),
            log: log.to_owned(),
            patience,
        }),
        Receiver::Gearman { servers, function, batch } => Remote::Gearman(gearman::Settings {
            servers: servers
                .iter()
                .map(|server| Ok((server.name.clone(), addresses(&server.addresses)?)))
                .collect::<Result<_, String>>()?,
            function: function.clone(),
            batch: *batch as usize,
            patience,
        }),
    })
}

fn transport(way: &SyslogWay, authority: &[u8]) -> Result<syslog::Transport, String> {
    Ok(match way {
        SyslogWay::Unix { path } => syslog::Transport::Datagrams(Address::Unix(path.clone())),
        SyslogWay::Udp { address } => syslog::Transport::Datagrams(match parse(address)? {
            SocketAddr::V4(address) => Address::V4(address),
            SocketAddr::V6(address) => Address::V6(address),
        }),
        SyslogWay::Tcp { addresses: written } => syslog::Transport::Tcp(addresses(written)?),
        SyslogWay::Tls { addresses: written, name, authority: path } => {
            let trust = ServerTrust::from_pem(authority);
            let trust = trust.map_err(|error| format!("{}: {error}", path.display()))?;
            syslog::Transport::Tls { addresses: addresses(written)?, name: name.clone(), trust }
        }
    })
}

fn addresses(written: &[String]) -> Result<Vec<SocketAddr>, String> {
    written.iter().map(|address| parse(address)).collect()
}

fn parse(address: &str) -> Result<SocketAddr, String> {
    address.parse().map_err(|_| format!("{address:?} is no address"))
}

fn facility(labels: &Labels) -> Result<syslog::Facility, String> {
    let name = &labels.facility;
    syslog::Facility::named(name).ok_or_else(|| format!("there is no facility {name:?}"))
}

fn severity(labels: &Labels) -> Result<syslog::Severity, String> {
    let name = &labels.severity;
    syslog::Severity::named(name).ok_or_else(|| format!("there is no severity {name:?}"))
}
