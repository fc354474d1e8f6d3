//! One control connection from elsewhere. On the wire a frame has its length before it, as u32 in little-endian; an answer
//! that comes with sealed memory is followed by a second frame, what that memory holds.

use super::Up;
use privsep::message::FromAgent;
use privsep::wire::FRAME_MAX;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use sys::packet::{self, Wait};
use sys::poll::Interest;
use tls::{Handshake, Hosts, Session, Zeroizing};

/// How long a handshake may take, from the first byte to the last.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a request may take, from the end of the handshake or of the answer before it.
const REQUEST: Duration = Duration::from_secs(10);
/// How long the supervisor may take to answer: longer than anything that it does.
const ANSWER: Duration = Duration::from_secs(100);
/// How long an answer may take to be read.
const DELIVERY: Duration = Duration::from_secs(30);
/// Most bytes that are read at a time.
const READ_MAX: usize = 16 * 1024;
/// Most bytes of what an answer comes with: longer than any list of problems.
const ENCLOSURE_MAX: usize = 8 << 20;
/// Bytes of a length.
const LENGTH: usize = size_of::<u32>();

/// Somebody who wants to command.
pub(super) struct Guest {
    stream: TcpStream,
    from: SocketAddr,
    channel: Channel,
    /// What was said and is no whole frame yet: it may hold a password.
    heard: Zeroizing<Vec<u8>>,
    /// Ciphertext that has not been sent.
    out: Vec<u8>,
    /// The way to the supervisor; none before the first request.
    inner: Option<OwnedFd>,
    stage: Stage,
    due: Instant,
    begun: Instant,
}

/// How far TLS has come.
enum Channel {
    Handshake(Box<Handshake>),
    Session(Box<Session>),
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Handshake,
    Request,
    Answer,
    /// That what was written is read; there will be nothing else.
    End,
}

/// Whether a guest stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Stays,
    Gone,
}

/// Why a guest has to go.
#[derive(Debug)]
enum Why {
    /// It has gone by itself, or time is over.
    Left,
    /// It breaks the rules, or something fails.
    Failed(String),
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected => Self::Left,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<tls::Failure> for Why {
    fn from(failure: tls::Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

impl Guest {
    pub(super) fn new(
        stream: TcpStream,
        from: SocketAddr,
        hosts: Arc<Hosts>,
        now: Instant,
    ) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            from,
            channel: Channel::Handshake(Box::new(Handshake::new(hosts))),
            heard: Zeroizing::default(),
            out: Vec::new(),
            inner: None,
            stage: Stage::Handshake,
            due: now + HANDSHAKE,
            begun: now,
        })
    }

    /// When it is sent away, unless it gets further.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Whether the supervisor knows of it.
    pub(super) fn has_asked(&self) -> bool {
        self.inner.is_some()
    }

    /// What is waited for at the connection.
    pub(super) fn outside(&self) -> (BorrowedFd<'_>, Interest) {
        let interest = match (self.stage, self.out.is_empty()) {
            // Nothing that still comes matters.
            (Stage::End, _) => Interest::Write,
            (_, false) => Interest::Both,
            (_, true) => Interest::Read,
        };
        (self.stream.as_fd(), interest)
    }

    /// What is waited for at the way to the supervisor; at the connection again where there is none.
    pub(super) fn inside(&self) -> (BorrowedFd<'_>, Interest) {
        match &self.inner {
            // The next answer is taken when the one before has been read.
            Some(inner) if self.out.is_empty() && self.stage != Stage::End => (inner.as_fd(), Interest::Read),
            _ => (self.stream.as_fd(), Interest::End),
        }
    }

    /// Does what can be done.
    pub(super) fn turn(&mut self, link: &Up, outside: bool, inside: bool, now: Instant) -> Turn {
        match self.advance(link, outside, inside, now) {
            Ok(turn) => turn,
            Err(why) => {
                // An alert, if there is one: as far as it goes at once.
                let _ = self.flush();
                if let Why::Failed(why) = why {
                    log::debug!("a control connection from {} is closed: {why}", self.from);
                }
                Turn::Gone
            }
        }
    }

    fn advance(&mut self, link: &Up, outside: bool, inside: bool, now: Instant) -> Result<Turn, Why> {
        if self.due <= now {
            return Err(Why::Failed(format!("it took too long ({:?})", self.stage)));
        }
        if outside && self.stage != Stage::End {
            self.hear(now)?;
            self.forward(link, now)?;
        }
        if inside && self.out.is_empty() {
            self.take_answer(now)?;
            self.forward(link, now)?;
        }
        self.flush()?;
        let over = self.stage == Stage::End && self.out.is_empty();
        if over {
            // That it is gone already is no error.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        Ok(if over { Turn::Gone } else { Turn::Stays })
    }

    /// Reads what has come.
    fn hear(&mut self, now: Instant) -> Result<(), Why> {
        let mut bytes = [0; READ_MAX];
        let len = match self.stream.read(&mut bytes) {
            Ok(0) => return Err(Why::Left),
            Ok(len) => len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let mut rest = &bytes[..len];
        if let Channel::Handshake(handshake) = &mut self.channel {
            let progress = handshake.feed(rest, &mut self.out)?;
            rest = &rest[progress.taken..];
            let Some(session) = progress.session else { return Ok(()) };
            self.channel = Channel::Session(session);
            self.enter(Stage::Request, now + REQUEST);
        }
        let Channel::Session(session) = &mut self.channel else { return Ok(()) };
        let received = session.feed(rest, &mut self.heard, LENGTH + FRAME_MAX, &mut self.out)?;
        if received.more || received.taken < rest.len() {
            return Err(Why::Failed("it says more than one request".to_owned()));
        }
        if received.ended { Err(Why::Left) } else { Ok(()) }
    }

    /// Hands a request over that is whole.
    fn forward(&mut self, link: &Up, now: Instant) -> Result<(), Why> {
        let Some((length, rest)) = self.heard.split_first_chunk::<LENGTH>() else { return Ok(()) };
        let length = u32::from_le_bytes(*length) as usize;
        if !(1..=FRAME_MAX).contains(&length) {
            return Err(Why::Failed(format!("a request of {length} bytes is none")));
        }
        if self.stage != Stage::Request || rest.len() < length {
            return Ok(());
        }
        let request = &rest[..length];
        match &self.inner {
            Some(inner) => packet::send(inner.as_fd(), request, &[], Wait::Never)?,
            None => {
                let (inner, other) = packet::pair()?;
                packet::send(inner.as_fd(), request, &[], Wait::Never)?;
                let from = self.from.to_string();
                link.send(&FromAgent::Connection { from }, &[other.as_fd()])
                    .map_err(|error| Why::Failed(format!("the supervisor does not take it: {error}")))?;
                self.inner = Some(inner);
            }
        }
        self.heard.drain(..LENGTH + length);
        self.enter(Stage::Answer, now + ANSWER);
        Ok(())
    }

    /// Takes what the supervisor says, if it does, or its end of the connection.
    fn take_answer(&mut self, now: Instant) -> Result<(), Why> {
        let (Some(inner), Channel::Session(session)) = (&self.inner, &mut self.channel) else {
            return Ok(());
        };
        let mut frame = vec![0; FRAME_MAX];
        let received = match packet::receive(inner.as_fd(), &mut frame, 1, Wait::Never) {
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                packet::Received { len: 0, fds: Vec::new() }
            }
            Err(error) => return Err(error.into()),
        };
        if received.len == 0 {
            session.close(&mut self.out);
            self.enter(Stage::End, now + DELIVERY);
            return Ok(());
        }
        frame.truncate(received.len);
        let enclosure =
            received.fds.first().map(|sealed| sys::mem::read_sealed(sealed.as_fd(), ENCLOSURE_MAX));
        let enclosure = enclosure.transpose()?;
        let since = u64::try_from(now.duration_since(self.begun).as_millis()).unwrap_or(u64::MAX);
        for part in [Some(frame), enclosure].into_iter().flatten() {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes();
            session.write(&[&length, part.as_slice()].concat(), since, &mut self.out)?;
        }
        self.enter(Stage::Request, now + DELIVERY);
        Ok(())
    }

    fn enter(&mut self, stage: Stage, due: Instant) {
        (self.stage, self.due) = (stage, due);
    }

    /// Sends what can be sent without waiting.
    fn flush(&mut self) -> Result<(), Why> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
