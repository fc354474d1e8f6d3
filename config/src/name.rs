//! Host names as a configuration writes them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The longest host name in its text form (RFC 1035 section 2.3.4: 255 octets on the wire).
const NAME_MAX: usize = 253;
/// The longest label (RFC 1035 section 2.3.4).
const LABEL_MAX: usize = 63;

/// A name that a virtual host answers to. Compared without case, port and final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostName {
    /// `example.org`: lower case, no final dot.
    Exact(String),
    /// `*.example.org`: every name below it, at any depth, but not the name itself. Holds what follows
    /// `*.`, lower case, no final dot.
    Wildcard(String),
    /// `192.0.2.1`.
    V4(Ipv4Addr),
    /// `[::1]`.
    V6(Ipv6Addr),
}

/// Why a text is not a [`HostName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHostName {
    /// Nothing there.
    Empty,
    /// Longer than 253 characters.
    TooLong,
    /// A label is empty, longer than 63 characters, or begins or ends with a hyphen.
    Label,
    /// A character that is no letter, digit, hyphen or underscore.
    Character(char),
    /// A character outside of ASCII.
    International,
    /// A port follows the name.
    Port,
    /// A URL and not a name.
    Url,
    /// An asterisk that is not the whole first label, or nothing after it.
    Asterisk,
    /// An IPv6 address without its brackets.
    Unbracketed,
    /// Neither a valid IPv4 address nor a name: the last label is a number.
    Address,
}

impl BadHostName {
    /// What to do about it.
    #[must_use]
    pub fn cure(self) -> &'static str {
        match self {
            BadHostName::Empty => "write a name such as \"example.org\"",
            BadHostName::TooLong => "shorten it to 253 characters",
            BadHostName::Label => "write labels of 1 to 63 characters with single dots between them",
            BadHostName::Character(_) => "use letters, digits, hyphens and dots only",
            BadHostName::International => "write the encoded form, which begins with xn--",
            BadHostName::Port => "leave the port out; ports belong to \"listen\"",
            BadHostName::Url => "leave scheme and path out, only the name counts",
            BadHostName::Asterisk => "write a wildcard as \"*.example.org\"",
            BadHostName::Unbracketed => "put the address in brackets: \"[::1]\"",
            BadHostName::Address => "write an address such as \"192.0.2.1\", or a name",
        }
    }
}

impl fmt::Display for BadHostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadHostName::Empty => f.write_str("the host name is empty"),
            BadHostName::TooLong => f.write_str("the host name is too long"),
            BadHostName::Label => {
                f.write_str("a label of the host name is empty, too long or has a hyphen at its end")
            }
            BadHostName::Character(c) => write!(f, "a host name cannot contain {c:?}"),
            BadHostName::International => f.write_str("the host name is not in ASCII"),
            BadHostName::Port => f.write_str("the host name has a port"),
            BadHostName::Url => f.write_str("this is a URL and not a host name"),
            BadHostName::Asterisk => f.write_str("the asterisk is not the whole first label"),
            BadHostName::Unbracketed => f.write_str("the IPv6 address has no brackets"),
            BadHostName::Address => f.write_str("the host name is neither a name nor a valid address"),
        }
    }
}

impl std::error::Error for BadHostName {}

impl FromStr for HostName {
    type Err = BadHostName;

    fn from_str(text: &str) -> Result<HostName, BadHostName> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return inner.parse().map(HostName::V6).map_err(|_| BadHostName::Address);
        }
        if text.contains("://") || text.contains('/') {
            return Err(BadHostName::Url);
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(BadHostName::Unbracketed);
        }
        if text.contains(':') {
            return Err(BadHostName::Port);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if let Some(below) = name.strip_prefix("*.") {
            return check_name(below).map(|()| HostName::Wildcard(below.to_ascii_lowercase()));
        }
        if let Ok(address) = name.parse() {
            return Ok(HostName::V4(address));
        }
        check_name(name).map(|()| HostName::Exact(name.to_ascii_lowercase()))
    }
}

fn check_name(name: &str) -> Result<(), BadHostName> {
    if name.is_empty() {
        return Err(BadHostName::Empty);
    }
    if name.contains('*') {
        return Err(BadHostName::Asterisk);
    }
    if !name.is_ascii() {
        return Err(BadHostName::International);
    }
    if let Some(c) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
        return Err(BadHostName::Character(c));
    }
    if name.len() > NAME_MAX {
        return Err(BadHostName::TooLong);
    }
    let bad = |label: &str| {
        label.is_empty() || label.len() > LABEL_MAX || label.starts_with('-') || label.ends_with('-')
    };
    if name.split('.').any(bad) {
        return Err(BadHostName::Label);
    }
    // A client would take `300.1.1.1` for an address, so no request could ever name such a host.
    match name.rsplit('.').next() {
        Some(last) if last.bytes().all(|b| b.is_ascii_digit()) => Err(BadHostName::Address),
        _ => Ok(()),
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostName::Exact(name) => f.write_str(name),
            HostName::Wildcard(below) => write!(f, "*.{below}"),
            HostName::V4(address) => address.fmt(f),
            HostName::V6(address) => write!(f, "[{address}]"),
        }
    }
}
