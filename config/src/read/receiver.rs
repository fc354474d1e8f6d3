//! Logs that go over sockets: what is said of the receiver.

use crate::cause::{Cause, Flaw};
use crate::model::{Labels, ReceiverKind, Syslog, SyslogShape, SyslogTransport};
use crate::problem::Problems;
use crate::reader::Reader;
use crate::table::log;

/// Most servers of one log.
const SERVERS_MAX: usize = 16;
/// Most bytes of a message where nobody says it: what receivers of RFC 5426 and RFC 5425 should take.
const DATAGRAM_MAX: u32 = 2048;
const MESSAGE_MAX: u32 = 8192;

/// Which keys belong to which, beside those that all logs have.
const OPTIONS: &[(&str, &[&str])] = &[
    ("syslog_format", &["syslog"]),
    ("framing", &["syslog"]),
    ("facility", &["syslog", "journald"]),
    ("severity", &["syslog", "journald"]),
    ("app_name", &["syslog", "journald"]),
    ("host_name", &["syslog"]),
    ("message_max", &["syslog"]),
    ("authority", &["syslog"]),
    ("server_name", &["syslog"]),
    ("function", &["gearman"]),
    ("batch", &["gearman"]),
];

/// A receiver of syslog messages, if there is one.
pub(super) fn syslog(reader: &Reader<'_>, problems: &mut Problems) -> Option<ReceiverKind> {
    let transport = reader.get(&log::SYSLOG, problems)?;
    let (shape, message_max) = match &transport {
        SyslogTransport::Unix(_) => (SyslogShape::Local, MESSAGE_MAX),
        SyslogTransport::Udp(_) => (SyslogShape::Rfc5424, DATAGRAM_MAX),
        SyslogTransport::Tcp(_) | SyslogTransport::Tls(_) => (SyslogShape::Rfc5424, MESSAGE_MAX),
    };
    let host = match &transport {
        SyslogTransport::Unix(_) => String::new(),
        SyslogTransport::Udp(place) | SyslogTransport::Tcp(place) | SyslogTransport::Tls(place) => {
            place.host.clone()
        }
    };
    let max = reader.get(&log::MESSAGE_MAX, problems);
    Some(ReceiverKind::Syslog(Syslog {
        shape: reader.get(&log::SYSLOG_FORMAT, problems).unwrap_or(shape),
        framing: reader.or_default(&log::FRAMING, problems),
        labels: labels(reader, problems),
        host_name: reader.get(&log::HOST_NAME, problems),
        message_max: max.and_then(|max| u32::try_from(max).ok()).unwrap_or(message_max),
        authority: reader.get(&log::AUTHORITY, problems),
        server_name: reader.get(&log::SERVER_NAME, problems).unwrap_or(host),
        transport,
    }))
}

/// The journal, if the log goes there.
pub(super) fn journald(reader: &Reader<'_>, problems: &mut Problems) -> Option<ReceiverKind> {
    let path = reader.get(&log::JOURNALD, problems)?;
    Some(ReceiverKind::Journald { path, labels: labels(reader, problems) })
}

/// Gearman servers, if there are any.
pub(super) fn gearman(reader: &Reader<'_>, problems: &mut Problems) -> Option<ReceiverKind> {
    let servers: Vec<_> = reader.get(&log::GEARMAN, problems)?.into_iter().map(|(_, place)| place).collect();
    if SERVERS_MAX < servers.len() {
        let what = format!("{} servers are more than {SERVERS_MAX}", servers.len());
        let flaw = Flaw::new(what, "name those that are used; one is used at a time");
        problems.extend(reader.at_value(&log::GEARMAN, Cause::Conflict(flaw)));
    }
    let batch = reader.or_default(&log::BATCH, problems);
    Some(ReceiverKind::Gearman {
        servers,
        function: reader.or_default(&log::FUNCTION, problems),
        batch: u32::try_from(batch).unwrap_or(u32::MAX),
    })
}

fn labels(reader: &Reader<'_>, problems: &mut Problems) -> Labels {
    Labels {
        facility: reader.or_default(&log::FACILITY, problems),
        severity: reader.or_default(&log::SEVERITY, problems),
        app_name: reader.or_default(&log::APP_NAME, problems),
    }
}

/// Keys that mean nothing for a log of this kind.
pub(super) fn check(kind: &str, reader: &Reader<'_>, problems: &mut Problems) {
    for (option, kinds) in OPTIONS {
        if kinds.contains(&kind) {
            continue;
        }
        let what = format!("\"{option}\" has no meaning for a log with \"{kind}\"");
        let flaw = Flaw::new(what, format!("remove it; it is for logs with \"{}\"", kinds.join("\" or \"")));
        problems.extend(reader.at_named(option, Cause::Conflict(flaw)));
    }
    if kind != log::SYSLOG.name {
        return;
    }
    let transport = reader.get(&log::SYSLOG, &mut Problems::new());
    let mut refuse = |options: &[&str], without: &str, cure: &str| {
        for option in options {
            let flaw = Flaw::new(format!("\"{option}\" has no meaning without {without}"), cure);
            problems.extend(reader.at_named(option, Cause::Conflict(flaw)));
        }
    };
    if !matches!(transport, Some(SyslogTransport::Tls(_))) {
        let options = [log::AUTHORITY.name, log::SERVER_NAME.name];
        refuse(&options, "TLS", "remove it, or write tls:// for the receiver");
    }
    if matches!(transport, Some(SyslogTransport::Unix(_) | SyslogTransport::Udp(_))) {
        let cure = "remove it, since each message is a datagram of its own; or write tcp:// or tls:// for the receiver";
        refuse(&[log::FRAMING.name], "a stream", cure);
    }
}
