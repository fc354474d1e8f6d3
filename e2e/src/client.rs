//! One connection to the server: raw bytes out, strictly parsed responses in.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::failure::{Failure, Malformed, Outcome};
use crate::output::Place;
use crate::response::{self, Asked, Framing, Head, Response};
use crate::text::show;

/// Most bytes of content that a test keeps in memory.
const BODY_MAX: u64 = 256 << 20;

/// A connection with what was received and not yet used.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
    received: Vec<u8>,
    end: Option<End>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Through an openssl at the other end of a pair of sockets.
    Tls(UnixStream, Child),
}

/// How the server ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With FIN.
    Orderly,
    /// With RST: what was in flight may be lost.
    Reset,
}

impl Client {
    /// Connects to an address that the server has printed.
    pub fn connect(place: &Place) -> Outcome<Client> {
        let stream = match place {
            Place::Ip(address) => {
                let stream = TcpStream::connect_timeout(address, PATIENCE);
                let stream = stream.map_err(Failure::machine("connect to", address.to_string()))?;
                stream.set_nodelay(true).map_err(Failure::machine("configure", address.to_string()))?;
                Stream::Tcp(stream)
            }
            Place::Unix(path) => {
                Stream::Unix(UnixStream::connect(path).map_err(Failure::machine("connect to", path))?)
            }
        };
        Ok(Client { stream, received: Vec::new(), end: None })
    }

    /// Connects to an address with TLS, by way of `openssl s_client -quiet` with these arguments.
    pub fn secure(address: SocketAddr, arguments: &[&str]) -> Outcome<Client> {
        let failed = || Failure::machine("run", "openssl");
        let (ours, theirs) = UnixStream::pair().map_err(failed())?;
        let output: OwnedFd = theirs.try_clone().map_err(failed())?.into();
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-connect", &address.to_string()]).args(arguments);
        command.stdin(OwnedFd::from(theirs)).stdout(output).stderr(Stdio::null());
        let child = command.spawn().map_err(failed())?;
        Ok(Client { stream: Stream::Tls(ours, child), received: Vec::new(), end: None })
    }

    /// Sends `bytes`. A server that has closed already is no failure: its answer tells.
    pub fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        match self.stream.write(bytes) {
            Err(error) if is_closed(&error) => Ok(()),
            other => other.map_err(Failure::machine("send to", "the server")),
        }
    }

    /// Ends the sending direction.
    pub fn half_close(&mut self) -> Outcome<()> {
        match self.stream.half_close() {
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            other => other.map_err(Failure::machine("half-close", "the connection")),
        }
    }

    /// Reads one response with its content.
    pub fn response(&mut self, asked: Asked) -> Outcome<Response> {
        let Head { mut response, length, framing } = self.head(asked)?;
        self.received.drain(..length);
        response.body = match framing {
            Framing::Empty => Vec::new(),
            Framing::Length(length) => self.content(length)?,
            Framing::Chunked => self.chunks()?,
            Framing::Close => {
                self.until_end()?;
                std::mem::take(&mut self.received)
            }
        };
        Ok(response)
    }

    /// Reads a head and the first `part` bytes of a content longer than that.
    ///
    /// Returns the response with this part, and the number of bytes that the head promises in all.
    pub fn part(&mut self, part: u64) -> Outcome<(Response, u64)> {
        let Head { mut response, length, framing } = self.head(Asked::Other)?;
        let Framing::Length(promised) = framing else {
            return Err(Failure::mismatch("framing", "Content-Length", format!("{framing:?}")));
        };
        self.received.drain(..length);
        response.body = self.content(part.min(promised))?;
        Ok((response, promised))
    }

    /// Reads to the end of the connection and returns how many bytes came, and how it ended.
    pub fn drain(&mut self) -> Outcome<(u64, End)> {
        let mut count = self.received.len() as u64;
        self.received.clear();
        while self.receive(PATIENCE)? {
            count += self.received.len() as u64;
            self.received.clear();
        }
        Ok((count, self.end.unwrap_or(End::Orderly)))
    }

    /// Waits for the server to close, with nothing more said.
    pub fn closed(&mut self) -> Outcome<End> {
        self.until_end()?;
        self.no_surplus()?;
        Ok(self.end.unwrap_or(End::Orderly))
    }

    /// Fails if bytes have come that no request asked for.
    pub fn no_surplus(&self) -> Outcome<()> {
        if self.received.is_empty() {
            return Ok(());
        }
        Err(Failure::Malformed(Malformed::Surplus(show(&self.received))))
    }

    fn head(&mut self, asked: Asked) -> Outcome<Head> {
        loop {
            if let Some(head) = response::head(&self.received, asked).map_err(Failure::Malformed)? {
                return Ok(head);
            }
            self.more()?;
        }
    }

    fn content(&mut self, length: u64) -> Outcome<Vec<u8>> {
        if length > BODY_MAX {
            return Err(Failure::mismatch("length of the content", format!("at most {BODY_MAX}"), length));
        }
        while (self.received.len() as u64) < length {
            self.more()?;
        }
        let rest = self.received.split_off(length as usize);
        Ok(std::mem::replace(&mut self.received, rest))
    }

    fn chunks(&mut self) -> Outcome<Vec<u8>> {
        loop {
            if let Some((content, used)) = response::chunked(&self.received).map_err(Failure::Malformed)? {
                self.received.drain(..used);
                return Ok(content);
            }
            self.more()?;
        }
    }

    fn until_end(&mut self) -> Outcome<()> {
        while self.receive(PATIENCE)? {}
        Ok(())
    }

    /// Receives more of a response; that the connection ends here is a failure.
    fn more(&mut self) -> Outcome<()> {
        if self.receive(PATIENCE)? {
            return Ok(());
        }
        Err(Failure::Closed { got: self.received.len(), reset: self.end == Some(End::Reset) })
    }

    /// Receives once; false when the connection has ended.
    fn receive(&mut self, patience: Duration) -> Outcome<bool> {
        if self.end.is_some() {
            return Ok(false);
        }
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 64 * 1024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Late { what: "bytes from the server".to_owned(), waited: patience });
            }
            match self.stream.read(&mut buffer, left) {
                Ok(0) => self.end = Some(End::Orderly),
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) if is_closed(&error) => self.end = Some(End::Reset),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    continue;
                }
                Err(error) => return Err(Failure::machine("receive from", "the server")(error)),
            }
            return Ok(self.end.is_none());
        }
    }
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => {
                stream.set_read_timeout(Some(patience))?;
                stream.read(buffer)
            }
            Stream::Unix(stream) | Stream::Tls(stream, _) => {
                stream.set_read_timeout(Some(patience))?;
                stream.read(buffer)
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => {
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.write_all(bytes)
            }
            Stream::Unix(stream) | Stream::Tls(stream, _) => {
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.write_all(bytes)
            }
        }
    }

    fn half_close(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) | Stream::Tls(stream, _) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Stream::Tls(_, child) = self {
            // Both fail only when it has ended already.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted)
}
