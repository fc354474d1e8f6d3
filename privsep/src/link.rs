//! One end of a link: messages of one enum out, of another in.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use sys::packet::{self, Wait};
use zeroize::{Zeroize, Zeroizing};

use crate::message::Message;
use crate::wire::{BadFrame, FRAME_MAX, decode, encode_frame};

/// Most descriptors that one frame may come with.
const DESCRIPTORS_MAX: usize = 3;

/// How long [`Link::send`] waits for the other end to read. Whoever starts reads all the time, so that this passes only
/// when the other end hangs.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// Why a link is of no more use.
#[derive(Debug)]
pub enum LinkError {
    /// The other end is closed.
    Closed,
    /// The other end sent what is no frame, or what it may not send now.
    Bad(BadFrame),
    /// The other end does not read what it is sent.
    Full,
    /// The system failed.
    System(io::Error),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the other end is closed"),
            Self::Bad(bad) => bad.fmt(f),
            Self::Full => f.write_str("the other end does not read"),
            Self::System(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for LinkError {}

impl From<BadFrame> for LinkError {
    fn from(bad: BadFrame) -> Self {
        Self::Bad(bad)
    }
}

impl From<io::Error> for LinkError {
    fn from(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected => {
                Self::Closed
            }
            io::ErrorKind::WouldBlock => Self::Full,
            // Packets and descriptors beyond what was made room for.
            io::ErrorKind::InvalidData => Self::Bad(BadFrame::Oversize),
            _ => Self::System(cause),
        }
    }
}

/// A message with its descriptors.
pub type Received<M> = (M, Vec<OwnedFd>);

/// An end that sends `Tx` and receives `Rx`.
#[derive(Debug)]
pub struct Link<Tx, Rx> {
    socket: OwnedFd,
    messages: PhantomData<fn(Tx) -> Rx>,
}

impl<Tx: Message, Rx: Message> Link<Tx, Rx> {
    /// The end that `socket` is, which must be one of [`sys::packet`].
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, messages: PhantomData }
    }

    /// Both ends of a new link: the own one, and the other's socket to be handed to its process or thread.
    ///
    /// # Errors
    /// When descriptors have run out.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (own, other) = packet::pair()?;
        Ok((Self::new(own), other))
    }

    /// To be polled: readable when something came, or the other end closed.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Closes both directions for good, whoever else has the socket: whoever waits for it is woken.
    pub fn shut(&self) {
        // That the other end has done so already is no error.
        let _ = sys::net::shutdown_both(std::os::fd::AsRawFd::as_raw_fd(&self.socket));
    }

    /// Sends, and waits a moment for room at most. The supervisor sends so: a child that does not read must not stop
    /// it.
    ///
    /// # Errors
    /// [`LinkError::Full`] when the other end has not read for [`PATIENCE`]; else as [`Link::send_waiting`].
    pub fn send(&self, message: &Tx, descriptors: &[BorrowedFd<'_>]) -> Result<(), LinkError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.put(message, descriptors, Wait::Never) {
                Err(LinkError::Full) => {}
                done => return done,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !packet::wait_for_room(self.socket.as_fd(), left)? {
                return Err(LinkError::Full);
            }
        }
    }

    /// Sends, and waits for room. Children send so.
    ///
    /// # Errors
    /// [`LinkError::Closed`], [`LinkError::Bad`] for a message that does not fit a frame.
    pub fn send_waiting(&self, message: &Tx, descriptors: &[BorrowedFd<'_>]) -> Result<(), LinkError> {
        self.put(message, descriptors, Wait::Block)
    }

    fn put(&self, message: &Tx, descriptors: &[BorrowedFd<'_>], wait: Wait) -> Result<(), LinkError> {
        debug_assert_eq!(message.descriptors(), descriptors.len());
        let bytes = encode_frame(message);
        if bytes.len() > FRAME_MAX {
            return Err(BadFrame::Oversize.into());
        }
        Ok(packet::send(self.socket.as_fd(), &bytes, descriptors, wait)?)
    }

    /// Takes the next message if one is there.
    ///
    /// # Errors
    /// [`LinkError::Closed`], or [`LinkError::Bad`] with whatever it came with closed.
    pub fn receive(&self) -> Result<Option<Received<Rx>>, LinkError> {
        match self.take(Wait::Never) {
            Ok(received) => Ok(Some(received)),
            Err(LinkError::Full) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// As [`Link::receive`].
    pub fn receive_waiting(&self) -> Result<Received<Rx>, LinkError> {
        self.take(Wait::Block)
    }

    fn take(&self, wait: Wait) -> Result<Received<Rx>, LinkError> {
        // Some have secrets in them.
        let mut frame = Zeroizing::new(vec![0; FRAME_MAX]);
        let received = packet::receive(self.socket.as_fd(), &mut frame, DESCRIPTORS_MAX, wait)?;
        if received.len == 0 {
            return Err(LinkError::Closed);
        }
        let message: Result<Rx, BadFrame> = decode(&frame[..received.len]);
        frame[..received.len].zeroize();
        let message = message?;
        let (got, wanted) = (received.fds.len(), message.descriptors());
        if got == wanted {
            Ok((message, received.fds))
        } else {
            Err(BadFrame::Descriptors { got, wanted }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{FromWorker, Hello, LINK_VERSION, ToLogger, ToWorker};

    type Up = Link<ToWorker, FromWorker>;
    type Down = Link<FromWorker, ToWorker>;

    #[test]
    fn messages_cross_with_their_descriptors() {
        let (up, other) = Up::pair().unwrap();
        let down = Down::new(other);
        assert!(up.receive().unwrap().is_none());
        let hello =
            Hello { version: LINK_VERSION, identity: None, level: 3, folder: "/".into(), sandbox: true };
        let hello = ToWorker::Hello { hello, generation: 3, cores: vec![0, 1] };
        up.send(&hello, &[]).unwrap();
        up.send(&ToWorker::Log, &[up.fd()]).unwrap();
        assert_eq!(down.receive_waiting().unwrap().0, hello);
        let (message, descriptors) = down.receive_waiting().unwrap();
        assert_eq!((message, descriptors.len()), (ToWorker::Log, 1));
        down.send_waiting(&FromWorker::Serving, &[]).unwrap();
        drop(down);
        assert_eq!(up.receive().unwrap().unwrap().0, FromWorker::Serving);
        assert!(matches!(up.receive(), Err(LinkError::Closed)));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let cases: &[(&[u8], usize, &str)] = &[
            (&[99], 0, "no message has the number 99"),
            (&[1, 0], 0, "bytes follow after the last value of the frame"),
            (&[3, 1], 0, "the frame ends within a value"),
            (&[1], 1, "1 descriptors came instead of 0"),
            (&[1], 4, "the frame is larger than 65536 bytes or has too many descriptors"),
            (&[0; FRAME_MAX + 1], 0, "the frame is larger than 65536 bytes or has too many descriptors"),
        ];
        for &(bytes, descriptors, wanted) in cases {
            let (up, other) = Up::pair().unwrap();
            let fds = vec![up.fd(); descriptors];
            packet::send(other.as_fd(), bytes, &fds, Wait::Block).unwrap();
            assert_eq!(up.receive().unwrap_err().to_string(), wanted);
        }
    }

    #[test]
    fn an_end_that_does_not_read_is_noticed() {
        let (up, _other) = Link::<ToLogger, FromWorker>::pair().unwrap();
        let full = (0..100_000).find_map(|_| up.send(&ToLogger::Finish, &[]).err());
        assert!(matches!(full, Some(LinkError::Full)), "{full:?}");
    }
}
