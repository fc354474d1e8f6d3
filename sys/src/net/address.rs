//! Where to listen, as written in the configuration.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// An address to listen on. Written `127.0.0.1:80`, `*:80` or `:80` (every IPv4 address), `[::1]:80` or
/// `unix:/run/kimura.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IPv4 address and port; port 0 lets the kernel choose.
    V4(SocketAddrV4),
    /// An IPv6 address and port. `[::]` stands for every IPv6 address and for no IPv4 address.
    V6(SocketAddrV6),
    /// The absolute path of a Unix stream socket.
    Unix(PathBuf),
}

/// Why a text is not an [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAddress {
    /// No `:PORT` at the end.
    NoPort,
    /// What follows the last colon is not a number up to 65535.
    BadPort,
    /// An IPv6 address without its brackets.
    NoBrackets,
    /// What stands before the port is not an IP address.
    BadHost,
    /// The path of a Unix socket is not absolute.
    RelativePath,
    /// The path of a Unix socket has a NUL byte, or more than 107 bytes.
    BadPath,
}

/// The longest path that fits `sockaddr_un` together with its final NUL.
const UNIX_PATH_MAX: usize = 107;

impl Address {
    /// Whether nobody can listen on both: the same port, and one address that is the other or stands for it, too. Port 0
    /// is a different one each time.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::V4(a), Self::V4(b)) => {
                let same = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
                same && a.port() == b.port() && a.port() != 0
            }
            (Self::V6(a), Self::V6(b)) => {
                let same = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
                same && a.port() == b.port() && a.port() != 0
            }
            (Self::Unix(a), Self::Unix(b)) => a == b,
            _ => false,
        }
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(Path::new(path));
        }
        let (host, port) = text.rsplit_once(':').ok_or(BadAddress::NoPort)?;
        if host.starts_with('[') {
            // An IPv6 address alone: the last colon was one of its own.
            if text.ends_with(']') {
                return Err(BadAddress::NoPort);
            }
            check_port(port)?;
            return text.parse().map(Self::V6).map_err(|_| BadAddress::BadHost);
        }
        if host.contains(':') {
            return Err(BadAddress::NoBrackets);
        }
        let port = check_port(port)?;
        let host = match host {
            "" | "*" => Ipv4Addr::UNSPECIFIED,
            host => host.parse().map_err(|_| BadAddress::BadHost)?,
        };
        Ok(Self::V4(SocketAddrV4::new(host, port)))
    }
}

fn unix(path: &Path) -> Result<Address, BadAddress> {
    let bytes = path.as_os_str().as_bytes();
    if !path.is_absolute() {
        return Err(BadAddress::RelativePath);
    }
    if bytes.len() > UNIX_PATH_MAX || bytes.contains(&0) {
        return Err(BadAddress::BadPath);
    }
    Ok(Address::Unix(path.to_owned()))
}

/// Digits only: the standard library would also take a plus sign.
fn check_port(text: &str) -> Result<u16, BadAddress> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadAddress::BadPort);
    }
    text.parse().map_err(|_| BadAddress::BadPort)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPort => "no port: write ADDRESS:PORT, such as 127.0.0.1:8080, [::1]:8080 or *:8080",
            Self::BadPort => "the port is not a number from 0 to 65535",
            Self::NoBrackets => "an IPv6 address stands in brackets: [::1]:8080",
            Self::BadHost => "not an IP address: names are not looked up, write the address or * for all",
            Self::RelativePath => "the path of a Unix socket must be absolute: unix:/run/kimura.sock",
            Self::BadPath => "the path of a Unix socket may have 107 bytes at most, and no NUL",
        })
    }
}

impl std::error::Error for BadAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        use BadAddress::*;
        let long = format!("unix:/{}", "x".repeat(UNIX_PATH_MAX));
        // The text, and how it is shown again.
        let cases = [
            ("127.0.0.1:80", Ok("127.0.0.1:80")),
            ("*:80", Ok("0.0.0.0:80")),
            (":80", Ok("0.0.0.0:80")),
            ("0.0.0.0:0", Ok("0.0.0.0:0")),
            ("[::1]:443", Ok("[::1]:443")),
            ("[::]:65535", Ok("[::]:65535")),
            ("[2001:DB8::1]:80", Ok("[2001:db8::1]:80")),
            ("unix:/run/kimura.sock", Ok("unix:/run/kimura.sock")),
            ("127.0.0.1", Err(NoPort)),
            ("", Err(NoPort)),
            ("[::1]", Err(NoPort)),
            ("127.0.0.1:", Err(BadPort)),
            ("127.0.0.1:65536", Err(BadPort)),
            ("127.0.0.1:+80", Err(BadPort)),
            ("[::1]:http", Err(BadPort)),
            ("::1:80", Err(NoBrackets)),
            ("localhost:80", Err(BadHost)),
            ("127.0.1:80", Err(BadHost)),
            ("[127.0.0.1]:80", Err(BadHost)),
            ("[::1]x:80", Err(BadHost)),
            ("unix:", Err(RelativePath)),
            ("unix:run/kimura.sock", Err(RelativePath)),
            ("unix:/run/\0", Err(BadPath)),
            (&long, Err(BadPath)),
        ];
        for (text, expected) in cases {
            let shown = text.parse::<Address>().map(|address| address.to_string());
            assert_eq!(shown.as_deref(), expected.as_ref().map(|shown| *shown), "{text:?}");
        }
    }

    #[test]
    fn shown_addresses_read_back_the_same() {
        for text in ["192.0.2.1:1", "[fe80::1%3]:80", "unix:/a b"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }

    #[test]
    fn overlaps_are_known_from_both_sides() {
        for (one, other, wanted) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "*:80", true),
            ("127.0.0.1:80", "*:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("*:0", "*:0", false),
            ("[::1]:80", "[::]:80", true),
            ("[::1]:80", "[::2]:80", false),
            ("[::]:80", "*:80", false),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", "unix:/b", false),
        ] {
            let (one, other): (Address, Address) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!((one.overlaps(&other), other.overlaps(&one)), (wanted, wanted), "{one} {other}");
        }
    }
}
