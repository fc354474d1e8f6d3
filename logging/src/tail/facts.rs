//! What is known of a line beside its text, so that nobody has to read it back from there.

use std::io;
use std::net::IpAddr;

use crate::record::{Client, Record, Showing};

/// What a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// One of an access log.
    #[default]
    Request,
    /// One of an access log, of an exchange that another line was shown of.
    Copy,
    /// A message of the error log.
    Message,
    /// One that viewers do not see.
    Hidden,
}

/// What is known of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts<'f> {
    /// What it is.
    pub kind: Kind,
    /// The status of the answer; 0 if none was begun, and for a message.
    pub status: u16,
    /// Who asked.
    pub client: Client,
    /// The virtual host that answered, [`HOST_MAX`] bytes of it at most.
    pub host: &'f [u8],
}

/// Most bytes of the name of a host.
pub const HOST_MAX: usize = u8::MAX as usize;

/// Bytes of status, kind, length of the address and length of the host.
const HEAD: usize = 5;
/// Bytes of the length of a line.
const LINE_LEN: usize = size_of::<u16>();
/// Most bytes of the facts about a line, and of its length.
pub(crate) const LEN_MAX: usize = LINE_LEN + HEAD + 16 + HOST_MAX;

impl Default for Facts<'_> {
    fn default() -> Self {
        Self { kind: Kind::default(), status: 0, client: Client::Local, host: b"" }
    }
}

impl<'f> Facts<'f> {
    pub(crate) fn of(record: &Record<'f>) -> Self {
        let kind = match record.showing {
            Showing::First => Kind::Request,
            Showing::Again => Kind::Copy,
            Showing::Never => Kind::Hidden,
        };
        let host = &record.host[..record.host.len().min(HOST_MAX)];
        Self { kind, status: record.status, client: record.addresses.shown(record.client), host }
    }

    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        let kind = match self.kind {
            Kind::Hidden => 0,
            Kind::Request => 1,
            Kind::Copy => 2,
            Kind::Message => 3,
        };
        out.extend_from_slice(&self.status.to_le_bytes());
        match self.client {
            Client::Local => out.extend_from_slice(&[kind, 0, self.host.len() as u8]),
            Client::Ip(IpAddr::V4(address)) => {
                out.extend_from_slice(&[kind, 4, self.host.len() as u8]);
                out.extend_from_slice(&address.octets());
            }
            Client::Ip(IpAddr::V6(address)) => {
                out.extend_from_slice(&[kind, 16, self.host.len() as u8]);
                out.extend_from_slice(&address.octets());
            }
        }
        out.extend_from_slice(self.host);
    }

    /// The facts that `bytes` begins with, and what comes behind them.
    pub(crate) fn parse(bytes: &'f [u8]) -> Option<(Self, &'f [u8])> {
        let (&[low, high, kind, address, host], rest) = bytes.split_first_chunk::<HEAD>()?;
        let kind = match kind {
            0 => Kind::Hidden,
            1 => Kind::Request,
            2 => Kind::Copy,
            3 => Kind::Message,
            _ => return None,
        };
        let (octets, rest) = rest.split_at_checked(usize::from(address))?;
        let v4 = || <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
        let v6 = || <[u8; 16]>::try_from(octets).ok().map(IpAddr::from);
        let client = match octets {
            [] => Client::Local,
            _ => Client::Ip(v4().or_else(v6)?),
        };
        let (host, rest) = rest.split_at_checked(usize::from(host))?;
        Some((Self { kind, status: u16::from_le_bytes([low, high]), client, host }, rest))
    }
}

/// Appends the facts about a line of `len` bytes, its newline counted.
pub(crate) fn append(out: &mut Vec<u8>, len: usize, facts: &Facts<'_>) {
    // A line has less than 64 KiB by `LINE_MAX`.
    out.extend_from_slice(&(len as u16).to_le_bytes());
    facts.append(out);
}

const _: () = assert!(crate::format::LINE_MAX <= u16::MAX as usize, "the length of a line fits");

/// A line with what is known of it.
pub(crate) struct Told<'p> {
    pub(crate) kind: Kind,
    /// As [`Facts::append`] wrote them.
    pub(crate) facts: &'p [u8],
    pub(crate) line: &'p [u8],
}

/// Each line of `lines` with what `facts` say of it, as [`append`] wrote them. Ends after an error: they do not belong
/// together.
pub(crate) fn lines<'p>(
    mut facts: &'p [u8],
    mut lines: &'p [u8],
) -> impl Iterator<Item = io::Result<Told<'p>>> {
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || (facts.is_empty() && lines.is_empty()) {
            return None;
        }
        let next = split(facts, lines);
        failed = next.is_none();
        Some(match next {
            Some((told, facts_left, lines_left)) => {
                (facts, lines) = (facts_left, lines_left);
                Ok(told)
            }
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "facts that are not about their lines")),
        })
    })
}

/// The first line with its facts, and the rest of both.
type Split<'p> = (Told<'p>, &'p [u8], &'p [u8]);

fn split<'p>(facts: &'p [u8], lines: &'p [u8]) -> Option<Split<'p>> {
    let (len, rest) = facts.split_first_chunk::<LINE_LEN>()?;
    let (Facts { kind, .. }, facts_left) = Facts::parse(rest)?;
    let facts = &rest[..rest.len() - facts_left.len()];
    let (line, lines_left) = lines.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    line.ends_with(b"\n").then_some((Told { kind, facts, line }, facts_left, lines_left))
}
