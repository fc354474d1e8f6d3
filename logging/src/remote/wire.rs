//! A TCP connection to a receiver, with or without TLS around it: every step has a deadline, and what was sent counts
//! once the other side's TCP has it.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sys::poll;
use tls::{Client, Failure, ServerTrust};

use super::{Patience, error};

/// How often the kernel is asked whether what was sent has been acknowledged: it tells nobody by itself.
const ASKING: Duration = Duration::from_millis(1);
/// Most bytes that are read at a time.
const READ_MAX: usize = 16 * 1024;
/// Reads at a time, so that a receiver that talks without end keeps nobody from sending.
const READS_MAX: usize = 16;

/// Connects to the first of `addresses` that answers.
///
/// # Errors
/// That of the last one.
pub(super) fn reach(addresses: &[SocketAddr], patience: Duration) -> io::Result<TcpStream> {
    let mut last = error(ErrorKind::NotFound, "its name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, patience) {
            Ok(stream) => return Ok(stream),
            Err(cause) => last = error(cause.kind(), format!("{address}: {cause}")),
        }
    }
    Err(last)
}

/// Whom a receiver has to prove to be.
#[derive(Clone, Debug)]
pub(super) struct Proof<'s> {
    /// The name that its certificate must have.
    pub(super) name: &'s str,
    pub(super) trust: &'s ServerTrust,
}

/// A connection.
pub(super) struct Wire {
    stream: TcpStream,
    client: Option<Client>,
}

impl Wire {
    /// Connects, and has the receiver prove who it is.
    ///
    /// # Errors
    /// Nobody is there in time, or not who should be.
    pub(super) fn open(
        addresses: &[SocketAddr],
        proof: Option<&Proof<'_>>,
        patience: Patience,
    ) -> io::Result<Self> {
        let stream = reach(addresses, patience.connect)?;
        let mut wire = Self { stream, client: None };
        if let Some(proof) = proof {
            wire.secure(proof, Instant::now() + patience.connect)?;
        }
        Ok(wire)
    }

    fn secure(&mut self, proof: &Proof<'_>, deadline: Instant) -> io::Result<()> {
        let mut out = Vec::new();
        let client = Client::new(proof.trust, proof.name, Arc::new(WallClock), &mut out);
        self.client = Some(client.map_err(|cause| error(ErrorKind::InvalidInput, cause.to_string()))?);
        self.transmit(&out, deadline)?;
        while self.client.as_ref().is_some_and(|client| !client.is_ready()) {
            if !poll::readable(self.stream.as_fd(), Some(left(deadline)?))? {
                return Err(late("it does not finish the TLS handshake"));
            }
            self.hear(deadline)?;
        }
        Ok(())
    }

    /// Sends all of `bytes`, and waits until the other side's TCP has them and the connection still stands then.
    ///
    /// # Errors
    /// It has ended, or that does not happen before the deadline.
    pub(super) fn send_and_settle(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        self.send(bytes, deadline)?;
        self.settle(deadline)
    }

    fn send(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let Some(client) = &mut self.client else { return self.transmit(bytes, deadline) };
        let mut out = Vec::with_capacity(bytes.len());
        client.write(bytes, &mut out).map_err(|failure| insecure(&failure))?;
        self.transmit(&out, deadline)
    }

    fn settle(&mut self, deadline: Instant) -> io::Result<()> {
        while sys::net::unacknowledged(self.stream.as_fd())? > 0 {
            let left = left(deadline).map_err(|_| late("it does not acknowledge what was sent"))?;
            if poll::readable(self.stream.as_fd(), Some(left.min(ASKING)))? {
                self.hear(deadline)?;
            }
        }
        self.hear(deadline)
    }

    /// Takes what the receiver has said, which is nothing that we want to know but its end.
    ///
    /// # Errors
    /// The connection has ended.
    pub(super) fn hear(&mut self, deadline: Instant) -> io::Result<()> {
        let mut buffer = [0; READ_MAX];
        for _ in 0..READS_MAX {
            match sys::net::receive(self.stream.as_fd(), &mut buffer) {
                Ok(0) => return Err(error(ErrorKind::UnexpectedEof, "it has closed the connection")),
                Ok(len) => self.take(&buffer[..len], deadline)?,
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let Some(client) = &mut self.client else { return Ok(()) };
        let (mut said, mut out) = (Vec::new(), Vec::new());
        let fed = client.feed(bytes, &mut said, &mut out);
        // The alert, if there is one; whoever is gone does not hear it.
        let sent = self.transmit(&out, deadline);
        if fed.map_err(|failure| insecure(&failure))? {
            return Err(error(ErrorKind::UnexpectedEof, "it has ended the TLS connection"));
        }
        sent
    }

    fn transmit(&self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match sys::net::send(self.stream.as_raw_fd(), rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => {
                    let left = left(deadline).map_err(|_| late("it does not read what is sent"))?;
                    poll::writable(self.stream.as_fd(), Some(left))?;
                }
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }
}

impl Drop for Wire {
    /// Takes leave, if that can be done at once.
    fn drop(&mut self) {
        if let Some(client) = &mut self.client {
            let mut out = Vec::new();
            client.end(&mut out);
            // Whoever is gone does not hear it.
            let _ = sys::net::send(self.stream.as_raw_fd(), &out);
        }
    }
}

/// The time until then.
///
/// # Errors
/// None is left.
pub(super) fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

pub(super) fn late(what: &str) -> io::Error {
    error(ErrorKind::TimedOut, format!("{what} in time"))
}

fn insecure(failure: &Failure) -> io::Error {
    let why = match failure {
        Failure::Certificate { fault } => {
            format!(
                "it does not prove who it is ({}): name the certificate of its authority, and a name that its own has",
                fault.about_server()
            )
        }
        Failure::Refused { alert } => format!("it ends the TLS handshake with the alert {alert}"),
        Failure::Incompatible { what } | Failure::Misbehaved { what } | Failure::Internal { what } => {
            format!("TLS cannot go on: {what}")
        }
        _ => "it does not speak TLS".to_owned(),
    };
    error(ErrorKind::InvalidData, why)
}

#[derive(Debug)]
struct WallClock;

impl tls::Clock for WallClock {
    fn unix_seconds(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}
