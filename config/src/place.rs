//! Servers that are named to send something to: a host and a port, and how it is spoken to.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use sys::net::Address;

use crate::cause::Flaw;
use crate::model::{SyslogTransport, UpstreamAddress};
use crate::tree::quoted;

/// Ports where receivers are, unless another is named.
const SYSLOG: u16 = 514;
const SYSLOG_TLS: u16 = 6514;
const GEARMAN: u16 = 4730;
/// RFC 9110 sections 4.2.1 and 4.2.2.
pub(crate) const HTTP: u16 = 80;
pub(crate) const HTTPS: u16 = 443;

/// Most bytes of a host's name (RFC 1035 2.3.4).
const NAME_MAX: usize = 253;

/// A name or an IP address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// An IPv6 address is without brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`.
fn place(text: &str, otherwise: u16) -> Option<Place> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            None => (text, None),
            Some((host, port)) => (host, Some(port)),
        },
    };
    let digits = |port: &&str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        None => otherwise,
        Some(port) => Some(port).filter(digits)?.parse().ok().filter(|port| *port != 0)?,
    };
    is_host(host).then(|| Place { host: host.to_owned(), port })
}

fn is_host(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(fine)
}

/// A Gearman server: `HOST:PORT`.
pub(crate) fn gearman(text: &str) -> Result<Place, Flaw> {
    place(text, GEARMAN).ok_or_else(|| {
        let what = format!("{} is no server", quoted(text));
        Flaw::new(what, "write a name or an IP address, and a port: \"jobs.example.org:4730\"")
    })
}

/// A receiver of syslog messages: `udp://HOST:PORT`, `tcp://HOST:PORT`, `tls://HOST:PORT` or `unix:PATH`.
pub(crate) fn syslog(text: &str) -> Result<SyslogTransport, Flaw> {
    let known = |scheme| text.strip_prefix(scheme);
    let found = if let Some(rest) = known("udp://") {
        place(rest, SYSLOG).map(SyslogTransport::Udp)
    } else if let Some(rest) = known("tcp://") {
        place(rest, SYSLOG).map(SyslogTransport::Tcp)
    } else if let Some(rest) = known("tls://") {
        place(rest, SYSLOG_TLS).map(SyslogTransport::Tls)
    } else {
        match text.parse() {
            Ok(Address::Unix(path)) => Some(SyslogTransport::Unix(path)),
            _ => None,
        }
    };
    found.ok_or_else(|| {
        let what = format!("{} is no receiver of syslog messages", quoted(text));
        Flaw::new(what, "write udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT or unix:/dev/log")
    })
}

/// A server that requests are passed on to: `HOST:PORT` or `unix:PATH`.
pub(crate) fn upstream(text: &str) -> Result<UpstreamAddress, Flaw> {
    let wrong = |cure: &str| Flaw::new(format!("{} is no address of a server", quoted(text)), cure);
    if text.contains("://") {
        return Err(wrong("leave the scheme out: \"127.0.0.1:9000\""));
    }
    if text.starts_with("unix:") {
        return match text.parse() {
            Ok(Address::Unix(path)) => Ok(UpstreamAddress::Unix(path)),
            _ => Err(wrong("write the path in full, of at most 107 bytes: \"unix:/run/app.sock\"")),
        };
    }
    // No server is at port 0, so that it stands for none.
    let named = place(text, 0).ok_or_else(|| match text.parse::<Ipv6Addr>() {
        Ok(_) => wrong("put an IPv6 address in brackets, with a port behind: \"[::1]:9000\""),
        Err(_) => wrong("write a name or an IP address, and a port: \"127.0.0.1:9000\""),
    })?;
    if named.port == 0 {
        let port = Place { host: named.host, port: HTTP };
        return Err(wrong(&format!("add a port, as in \"{port}\"")));
    }
    Ok(UpstreamAddress::Tcp(named))
}

/// A server by the part of a URL that names it: `HOST` or `HOST:PORT`.
pub(crate) fn web(text: &str, port: u16) -> Result<Place, Flaw> {
    place(text, port).ok_or_else(|| {
        let what = format!("{} is no server", quoted(text));
        Flaw::new(what, "write a name or an IP address, and a port: \"http://127.0.0.1:9000\"")
    })
}

/// The name that a receiver's certificate has.
pub(crate) fn server_name(text: &str) -> Result<String, Flaw> {
    if is_host(text) {
        return Ok(text.to_owned());
    }
    let what = format!("{} cannot be the name of a server", quoted(text));
    Err(Flaw::new(what, "write a name such as \"logs.example.org\", or an IP address"))
}

/// A word of at most 48 characters that can be seen (RFC 5424 6.2.5).
pub(crate) fn app_name(text: &str) -> Result<String, Flaw> {
    visible(text, 48)
}

/// The same for the name of a machine (RFC 5424 6.2.4).
pub(crate) fn host_name(text: &str) -> Result<String, Flaw> {
    visible(text, 255)
}

/// The same for what workers call a function.
pub(crate) fn function(text: &str) -> Result<String, Flaw> {
    visible(text, 128)
}

fn visible(text: &str, max: usize) -> Result<String, Flaw> {
    if !text.is_empty() && text.len() <= max && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    let what = format!("{} cannot stand there", quoted(text));
    Err(Flaw::new(what, format!("write 1 to {max} ASCII letters, digits and signs, without spaces")))
}

/// The path of a socket, as long as the system takes.
pub(crate) fn socket(text: &str) -> Result<PathBuf, Flaw> {
    match format!("unix:{text}").parse() {
        Ok(Address::Unix(path)) => Ok(path),
        _ => {
            let what = format!("{} is no path of a socket", quoted(text));
            Err(Flaw::new(
                what,
                "write the path in full, of at most 107 bytes: \"/run/systemd/journal/socket\"",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (text, wanted) in [
            ("jobs", Some("jobs:4730")),
            ("jobs.example.org:1", Some("jobs.example.org:1")),
            ("192.0.2.1:65535", Some("192.0.2.1:65535")),
            ("[::1]", Some("[::1]:4730")),
            ("[::1]:99", Some("[::1]:99")),
            ("::1", None),
            ("[::1", None),
            ("[a]", None),
            ("a:", None),
            ("a:0", None),
            ("a:+1", None),
            ("a:65536", None),
            ("", None),
            ("tcp://a", None),
            ("a b", None),
        ] {
            let found = gearman(text).ok().map(|place| place.to_string());
            assert_eq!(found.as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn receivers() {
        let to = |host: &str, port| Place { host: host.to_owned(), port };
        for (text, wanted) in [
            ("udp://a", Some(SyslogTransport::Udp(to("a", 514)))),
            ("tcp://[::1]:1514", Some(SyslogTransport::Tcp(to("::1", 1514)))),
            ("tls://logs.example.org", Some(SyslogTransport::Tls(to("logs.example.org", 6514)))),
            ("unix:/dev/log", Some(SyslogTransport::Unix("/dev/log".into()))),
            ("unix:dev/log", None),
            ("127.0.0.1:514", None),
            ("http://a", None),
            ("tls://", None),
            ("", None),
        ] {
            assert_eq!(syslog(text).ok(), wanted, "{text}");
        }
    }
}
