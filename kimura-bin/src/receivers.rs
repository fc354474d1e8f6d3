//! Receivers of logs: their names are looked up by check, while a configuration is examined and now and then after that;
//! for all others they are addresses.

use crate::logs::access_logs;
use config::{Config, Output, Place, Problems, Receiver, ReceiverKind, Registry, Syslog, SyslogTransport};
use privsep::message::{self, GearmanServer, SyslogWay};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use tls::ServerTrust;

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;
/// Where systems keep the certificates of those whom they trust.
pub(crate) const SYSTEM_AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Where the kernel tells the name of the machine.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// What was found about the receivers of a configuration.
#[derive(Default)]
pub(crate) struct Found {
    addresses: BTreeMap<String, Vec<SocketAddr>>,
    authority: Option<PathBuf>,
    host_name: String,
}

impl Found {
    /// Looks everything up, and says what is not there.
    pub(crate) fn look_up(config: &Config, registry: &Registry, problems: &mut Problems) -> Self {
        let authority = SYSTEM_AUTHORITIES.iter().map(PathBuf::from).find(|path| path.is_file());
        let host_name = std::fs::read_to_string(HOST_NAME).unwrap_or_default().trim().to_owned();
        let mut found = Self { addresses: BTreeMap::new(), authority, host_name };
        for log in access_logs(config) {
            let (Output::Receiver(receiver), pointer) = (&log.output, &log.pointer) else { continue };
            for place in places(receiver) {
                if let Err(cause) = found.resolve(place) {
                    let cure = "correct the name, see to it, or write the address";
                    problems.push(registry.problem(pointer, cause, cure));
                }
            }
            if let ReceiverKind::Syslog(syslog) = &receiver.kind {
                found.judge(syslog, pointer, registry, problems);
            }
        }
        found
    }

    fn resolve(&mut self, place: &Place) -> Result<(), String> {
        let cause = |why: String| format!("{place} cannot be found: {why}");
        let looked_up = (place.host.as_str(), place.port).to_socket_addrs();
        let mut addresses: Vec<SocketAddr> = looked_up.map_err(|error| cause(error.to_string()))?.collect();
        // In an order of their own, so that the same addresses are the same receiver.
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() {
            return Err(cause("the name has no address".to_owned()));
        }
        self.addresses.insert(place.to_string(), addresses);
        Ok(())
    }

    /// Looks whether those who vouch for a receiver are there. A file that only others can read is judged by the logger.
    fn judge(&self, syslog: &Syslog, pointer: &str, registry: &Registry, problems: &mut Problems) {
        if !matches!(syslog.transport, SyslogTransport::Tls(_)) {
            return;
        }
        let Some(path) = self.authority(syslog) else {
            let cure = "name a PEM file with \"authority\"";
            problems.push(registry.problem(pointer, "this system has no file of those whom it trusts", cure));
            return;
        };
        let sentence = match std::fs::read(path) {
            Ok(text) => ServerTrust::from_pem(&text).err().map(|error| error.to_string()),
            // Others may be allowed to.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
            Err(error) => Some(format!("cannot be read ({error}): correct the path")),
        };
        let Some(sentence) = sentence else { return };
        let (cause, cure) = sentence.split_once(": ").unwrap_or((&sentence, "name another file"));
        let log = pointer.strip_suffix("/syslog").unwrap_or(pointer);
        let own = format!("{log}/authority");
        let pointer = if syslog.authority.is_some() { &own } else { pointer };
        problems.push(registry.problem(pointer, format!("the file {}: {cause}", path.display()), cure));
    }

    fn authority<'f>(&'f self, syslog: &'f Syslog) -> Option<&'f Path> {
        syslog.authority.as_deref().or(self.authority.as_deref())
    }

    fn of(&self, place: &Place) -> Vec<String> {
        let found = self.addresses.get(&place.to_string()).map(Vec::as_slice).unwrap_or_default();
        found.iter().map(ToString::to_string).collect()
    }

    /// What the supervisor and the logger are told of a receiver.
    pub(crate) fn output(&self, receiver: &Receiver) -> message::Output {
        let kind = match &receiver.kind {
            ReceiverKind::Syslog(syslog) => self.syslog(syslog),
            ReceiverKind::Journald { path, labels } => {
                message::Receiver::Journald { path: path.clone(), labels: as_told(labels) }
            }
            ReceiverKind::Gearman { servers, function, batch } => message::Receiver::Gearman {
                servers: servers
                    .iter()
                    .map(|place| GearmanServer { name: place.to_string(), addresses: self.of(place) })
                    .collect(),
                function: function.clone(),
                batch: *batch,
            },
        };
        message::Output::Receiver {
            log: receiver.log.clone(),
            identity: receiver.identity(),
            title: receiver.to_string(),
            receiver: kind,
        }
    }

    fn syslog(&self, syslog: &Syslog) -> message::Receiver {
        let way = match &syslog.transport {
            SyslogTransport::Unix(path) => SyslogWay::Unix { path: path.clone() },
            SyslogTransport::Udp(place) => {
                SyslogWay::Udp { address: self.of(place).into_iter().next().unwrap_or_default() }
            }
            SyslogTransport::Tcp(place) => SyslogWay::Tcp { addresses: self.of(place) },
            SyslogTransport::Tls(place) => SyslogWay::Tls {
                addresses: self.of(place),
                name: syslog.server_name.clone(),
                authority: self.authority(syslog).map(Path::to_owned).unwrap_or_default(),
            },
        };
        message::Receiver::Syslog {
            way,
            shape: match syslog.shape {
                config::SyslogShape::Rfc5424 => message::SyslogShape::Rfc5424,
                config::SyslogShape::Rfc3164 => message::SyslogShape::Rfc3164,
                config::SyslogShape::Local => message::SyslogShape::Local,
            },
            framing: match syslog.framing {
                config::SyslogFraming::Octets => message::SyslogFraming::Octets,
                config::SyslogFraming::Newline => message::SyslogFraming::Newline,
            },
            labels: as_told(&syslog.labels),
            host_name: syslog.host_name.clone().unwrap_or_else(|| self.host_name.clone()),
            message_max: syslog.message_max,
        }
    }
}

fn as_told(labels: &config::Labels) -> message::Labels {
    message::Labels {
        facility: labels.facility.to_owned(),
        severity: labels.severity.to_owned(),
        app_name: labels.app_name.clone(),
    }
}

/// Whether a receiver has a name that can lead elsewhere one day.
pub(crate) fn has_names(receiver: &Receiver) -> bool {
    places(receiver).iter().any(|place| place.host.parse::<IpAddr>().is_err())
}

fn places(receiver: &Receiver) -> &[Place] {
    match &receiver.kind {
        ReceiverKind::Syslog(syslog) => match &syslog.transport {
            SyslogTransport::Unix(_) => &[],
            SyslogTransport::Udp(place) | SyslogTransport::Tcp(place) | SyslogTransport::Tls(place) => {
                std::slice::from_ref(place)
            }
        },
        ReceiverKind::Journald { .. } => &[],
        ReceiverKind::Gearman { servers, .. } => servers,
    }
}
