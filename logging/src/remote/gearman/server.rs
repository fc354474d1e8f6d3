//! One job server and the connection to it.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use sys::net;
use sys::poll::{self, Interest};

use super::job::{Appended, Jobs};
use super::packet::{Response, response};
use crate::remote::wire::{late, left, reach};
use crate::remote::{Patience, error};

/// Most bytes that are read at a time.
const READ_MAX: usize = 16 * 1024;
/// Bytes of jobs that are made before the server has taken those before.
const PIPELINE: usize = 64 * 1024;

pub(super) struct Server {
    name: String,
    addresses: Vec<SocketAddr>,
    patience: Patience,
    connection: Option<TcpStream>,
}

impl Server {
    pub(super) fn new(name: String, addresses: Vec<SocketAddr>, patience: Patience) -> Self {
        Self { name, addresses, patience, connection: None }
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Connects, unless there is a connection.
    ///
    /// # Errors
    /// Nobody answers.
    pub(super) fn connect(&mut self) -> io::Result<()> {
        if self.connection.is_none() {
            self.connection = Some(reach(&self.addresses, self.patience.connect)?);
        }
        Ok(())
    }

    /// Ends the connection.
    pub(super) fn leave(&mut self) {
        self.connection = None;
    }

    /// Hands all open jobs over, and waits until the server has said of each that it has it.
    ///
    /// # Errors
    /// It does not take all of them. Those that it has are not open any more.
    pub(super) fn submit(&mut self, jobs: &mut Jobs) -> io::Result<()> {
        // One that was started again since is met by the first attempt.
        let had = self.connection.is_some();
        match self.submit_once(jobs) {
            Err(cause) if had && cause.kind() != ErrorKind::TimedOut => self.submit_once(jobs),
            submitted => submitted,
        }
    }

    fn submit_once(&mut self, jobs: &mut Jobs) -> io::Result<()> {
        self.connect()?;
        let deadline = Instant::now() + self.patience.answer;
        // Put back only when all went well.
        let stream = self.connection.take().expect("just connected");
        let mut talk = Talk { stream: &stream, out: Vec::new(), sent: 0, made: 0, heard: Vec::new() };
        talk.all(jobs, deadline)?;
        self.connection = Some(stream);
        Ok(())
    }
}

/// Jobs on their way out, and answers on their way in.
struct Talk<'s> {
    stream: &'s TcpStream,
    /// Packets that are to be sent.
    out: Vec<u8>,
    /// Bytes of them that have been.
    sent: usize,
    /// Open jobs that are in `out` or were.
    made: usize,
    heard: Vec<u8>,
}

impl Talk<'_> {
    fn all(&mut self, jobs: &mut Jobs, deadline: Instant) -> io::Result<()> {
        while jobs.open() > 0 {
            self.make(jobs);
            let wanted = if self.sent < self.out.len() { Interest::Both } else { Interest::Read };
            let left = left(deadline).map_err(|_| late("it does not say that it has the jobs"))?;
            poll::any_ready(&[(self.stream.as_fd(), wanted)], Some(left))?;
            self.send()?;
            self.hear(jobs)?;
        }
        Ok(())
    }

    /// Makes packets of jobs, as many as may be under way.
    fn make(&mut self, jobs: &Jobs) {
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        while self.out.len() < PIPELINE && jobs.append(&mut self.out, self.made) == Appended::Job {
            self.made += 1;
        }
    }

    fn send(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            match net::send(self.stream.as_raw_fd(), &self.out[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Ok(()),
                // Why it went away may be there to be read.
                Err(_) if self.has_words() => return Ok(()),
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }

    fn has_words(&self) -> bool {
        poll::readable(self.stream.as_fd(), Some(Duration::ZERO)).unwrap_or(false)
    }

    /// Takes what the server says. Each answer is about the first job that is under way, for a server answers in order.
    fn hear(&mut self, jobs: &mut Jobs) -> io::Result<()> {
        let mut buffer = [0; READ_MAX];
        match net::receive(self.stream.as_fd(), &mut buffer) {
            Ok(0) => return Err(error(ErrorKind::UnexpectedEof, "it has closed the connection")),
            Ok(len) => self.heard.extend_from_slice(&buffer[..len]),
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(cause) => return Err(cause),
        }
        let mut read = 0;
        loop {
            let next = response(&self.heard[read..]);
            let next = next.map_err(|nonsense| error(ErrorKind::InvalidData, nonsense.to_string()))?;
            let Some((response, len)) = next else { break };
            read += len;
            match response {
                Response::Created if self.made > 0 => {
                    jobs.take();
                    self.made -= 1;
                }
                Response::Created => {
                    return Err(error(ErrorKind::InvalidData, "it has more jobs than were sent"));
                }
                Response::Refused(why) => {
                    return Err(error(ErrorKind::Other, format!("it does not take a job: {why}")));
                }
                Response::Nothing => {}
            }
        }
        self.heard.drain(..read);
        Ok(())
    }
}
