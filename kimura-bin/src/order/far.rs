//! A server that is somewhere else: the same frames as on this machine, each with its length before it, over TLS.

use crate::certificates::WallClock;
use crate::error::Error;
use privsep::link::LinkError;
use privsep::message::{Answer, Message, Request};
use privsep::wire::{BadFrame, FRAME_MAX, decode, encode};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::{Client, ServerTrust, Zeroizing};

/// The port where commands from elsewhere are taken, unless another is named.
pub(crate) const PORT: u16 = 8440;
/// How long it may take to get there, for each of the host's addresses.
const CONNECT: Duration = Duration::from_secs(10);
/// Most bytes of what an answer comes with.
const ENCLOSURE_MAX: usize = 8 << 20;
/// Bytes of a length.
const LENGTH: usize = size_of::<u32>();
/// Most bytes of the file with whom to trust.
const AUTHORITY_MAX: u64 = 16 << 20;

/// A server by its name, and whom to trust.
#[derive(Debug, PartialEq)]
pub(crate) struct Far {
    pub(crate) place: Place,
    /// PEM of those who vouch for it.
    pub(crate) authority: PathBuf,
}

/// A name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// As certificates have it: an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Place {
    /// `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`; none for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                match after {
                    "" => (host, None),
                    after => (host, Some(after.strip_prefix(':')?)),
                }
            }
            None => match text.split_once(':') {
                None => (text, None),
                Some((host, port)) => (host, Some(port)),
            },
        };
        let digits = |port: &&str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port {
            None => PORT,
            Some(port) => Some(port).filter(digits)?.parse().ok().filter(|port| *port != 0)?,
        };
        let fine = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '@' | '[' | ']');
        let is_host = !host.is_empty() && host.chars().all(fine);
        is_host.then(|| Self { host: host.to_owned(), port })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// A connection to it.
pub(crate) struct Line {
    place: Place,
    stream: TcpStream,
    client: Client,
    /// What it has said and is not read yet.
    heard: Vec<u8>,
    deadline: Instant,
}

impl Line {
    /// Connects, and has the server prove who it is.
    ///
    /// # Errors
    /// Nobody is there, or not who should be.
    pub(crate) fn connect(far: &Far, patience: Duration) -> Result<Self, Error> {
        let trust = trust(far)?;
        let stream = reach(&far.place)?;
        let mut out = Vec::new();
        let client = Client::new(&trust, &far.place.host, Arc::new(WallClock), &mut out);
        let client = client.map_err(|error| Error::NotDone(error.to_string()))?;
        let deadline = Instant::now() + patience;
        let mut line = Self { place: far.place.clone(), stream, client, heard: Vec::new(), deadline };
        line.send(&out)?;
        while !line.client.is_ready() {
            line.hear()?;
        }
        Ok(line)
    }

    /// Asks, and waits for the answer with what comes along.
    ///
    /// # Errors
    /// The server goes away, or says what is no answer.
    pub(crate) fn exchange(&mut self, request: &Request) -> Result<(Answer, Option<Vec<u8>>), Error> {
        let frame = Zeroizing::new(encode(request));
        if FRAME_MAX < frame.len() {
            return Err(LinkError::Bad(BadFrame::Oversize).into());
        }
        let mut out = Vec::new();
        let framed = Zeroizing::new([&length(&frame), frame.as_slice()].concat());
        self.client.write(&framed, &mut out).map_err(|failure| self.unsafe_for(failure))?;
        self.send(&out)?;
        let frame = self.frame(FRAME_MAX)?;
        let answer: Answer = decode(&frame).map_err(LinkError::Bad)?;
        let enclosure = (answer.descriptors() > 0).then(|| self.frame(ENCLOSURE_MAX)).transpose()?;
        Ok((answer, enclosure))
    }

    /// The next frame.
    fn frame(&mut self, max: usize) -> Result<Vec<u8>, Error> {
        loop {
            if let Some((length, rest)) = self.heard.split_first_chunk::<LENGTH>() {
                let length = u32::from_le_bytes(*length) as usize;
                if max < length {
                    return Err(LinkError::Bad(BadFrame::Oversize).into());
                }
                if length <= rest.len() {
                    let frame = rest[..length].to_vec();
                    self.heard.drain(..LENGTH + length);
                    return Ok(frame);
                }
            }
            self.hear()?;
        }
    }

    /// Waits for something and takes it.
    fn hear(&mut self) -> Result<(), Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LinkError::Full.into());
        }
        self.stream.set_read_timeout(Some(left)).map_err(failed)?;
        let mut bytes = [0; 16 * 1024];
        let len = match self.stream.read(&mut bytes) {
            Ok(0) => return Err(LinkError::Closed.into()),
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let mut out = Vec::new();
        let fed = self.client.feed(&bytes[..len], &mut self.heard, &mut out);
        // The alert, if there is one; whoever is gone does not hear it.
        let sent = self.send(&out);
        let ended = fed.map_err(|failure| self.unsafe_for(failure))?;
        sent?;
        // What came before its end is read yet.
        if ended && self.heard.is_empty() { Err(LinkError::Closed.into()) } else { Ok(()) }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).map_err(failed)
    }

    fn unsafe_for(&self, failure: tls::Failure) -> Error {
        Error::Insecure { place: self.place.to_string(), failure }
    }
}

fn length(frame: &[u8]) -> [u8; LENGTH] {
    u32::try_from(frame.len()).unwrap_or(u32::MAX).to_le_bytes()
}

fn failed(error: io::Error) -> Error {
    LinkError::from(error).into()
}

fn trust(far: &Far) -> Result<ServerTrust, Error> {
    let text = read(&far.authority)?;
    ServerTrust::from_pem(&text)
        .map_err(|error| Error::BadFile { path: far.authority.clone(), why: error.to_string() })
}

/// What a file of PEM holds.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let file = std::fs::File::open(path);
    let read = file.and_then(|file| file.take(AUTHORITY_MAX).read_to_end(&mut text));
    read.map_err(|cause| Error::Secret { path: path.to_owned(), cause })?;
    Ok(text)
}

fn reach(place: &Place) -> Result<TcpStream, Error> {
    let nobody = |cause| Error::NoServer { place: place.to_string(), cause };
    let addresses = (place.host.as_str(), place.port).to_socket_addrs().map_err(nobody)?;
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_write_timeout(Some(CONNECT)).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(nobody(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (text, wanted) in [
            ("example.org", Some(("example.org", PORT))),
            ("example.org:1", Some(("example.org", 1))),
            ("192.0.2.1:65535", Some(("192.0.2.1", 65_535))),
            ("[::1]", Some(("::1", PORT))),
            ("[::1]:99", Some(("::1", 99))),
            ("::1", None),
            ("[::1", None),
            ("[::1]99", None),
            ("[a]", None),
            ("a:", None),
            ("a:0", None),
            ("a:+1", None),
            ("a:65536", None),
            (":1", None),
            ("", None),
            ("https://a", None),
            ("a b", None),
        ] {
            let wanted = wanted.map(|(host, port)| Place { host: host.to_owned(), port });
            assert_eq!(Place::parse(text), wanted, "{text}");
            if let Some(place) = wanted {
                assert_eq!(Place::parse(&place.to_string()), Some(place), "{text}");
            }
        }
    }
}
