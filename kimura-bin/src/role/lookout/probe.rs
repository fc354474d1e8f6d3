//! One health check of one server: a connection, and perhaps a request and the status of its answer.

use config::{Health as Rule, Preamble};
use proto_http::proxy::{self, Ends, Form};
use site::upstream::{Checked, Group, Server, judge};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;
use sys::net::{Address, connect_to, connected, receive, send};
use sys::poll::Interest;

/// Most bytes of an answer that are taken at a time.
const READ_MAX: usize = 512;

/// A check under way.
pub(super) struct Probe {
    socket: OwnedFd,
    step: Step,
    /// What each connection begins with.
    preamble: Preamble,
    /// When it has failed.
    pub(super) deadline: Instant,
}

/// What is waited for.
enum Step {
    /// The connection.
    Connecting,
    /// Room for the rest of the request.
    Sending(Vec<u8>),
    /// The status.
    Receiving(Vec<u8>),
}

impl Probe {
    /// Begins a check.
    ///
    /// # Errors
    /// There is no way to the server: it has failed.
    pub(super) fn begin(server: &Server, group: &Group, rule: &Rule, now: Instant) -> io::Result<Probe> {
        let socket = connect_to(&server.address)?;
        let deadline = now + rule.timeout;
        Ok(Probe { socket, step: Step::Connecting, preamble: group.preamble, deadline })
    }

    /// What it waits for.
    pub(super) fn waits(&self) -> (BorrowedFd<'_>, Interest) {
        let interest = match self.step {
            Step::Connecting | Step::Sending(_) => Interest::Write,
            Step::Receiving(_) => Interest::Read,
        };
        (self.socket.as_fd(), interest)
    }

    /// Goes on as far as it can; tells how the check went once that is certain.
    pub(super) fn advance(&mut self, server: &Server, rule: &Rule) -> Option<Checked> {
        match self.go_on(server, rule) {
            Ok(checked) => checked,
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(_) => Some(Checked::Failed),
        }
    }

    fn go_on(&mut self, server: &Server, rule: &Rule) -> io::Result<Option<Checked>> {
        loop {
            match &mut self.step {
                Step::Connecting => {
                    connected(self.socket.as_raw_fd())?;
                    let mut first = Vec::new();
                    introduce(self.preamble, &mut first);
                    if let Some(path) = &rule.path {
                        first.extend_from_slice(&request(path, server, rule));
                    }
                    self.step = Step::Sending(first);
                }
                Step::Sending(rest) => {
                    let sent = send(self.socket.as_raw_fd(), rest)?;
                    rest.drain(..sent);
                    if rest.is_empty() {
                        if rule.path.is_none() {
                            return Ok(Some(Checked::Passed));
                        }
                        self.step = Step::Receiving(Vec::new());
                    }
                }
                Step::Receiving(answer) => {
                    let mut buffer = [0; READ_MAX];
                    let count = receive(self.socket.as_fd(), &mut buffer)?;
                    answer.extend_from_slice(&buffer[..count]);
                    let judged = judge(answer, rule);
                    if judged.is_some() || count == 0 {
                        return Ok(judged.or(Some(Checked::Failed)));
                    }
                }
            }
        }
    }
}

/// A check speaks for nobody (section 2.2 of the PROXY protocol: LOCAL).
fn introduce(preamble: Preamble, out: &mut Vec<u8>) {
    match preamble {
        Preamble::None => {}
        Preamble::ProxyV1 => proxy::write(Form::Line, Ends::Own, out),
        Preamble::ProxyV2 => proxy::write(Form::Binary, Ends::Own, out),
    }
}

fn request(path: &str, server: &Server, rule: &Rule) -> Vec<u8> {
    let host = match (&rule.host, &server.address) {
        (Some(host), _) => host,
        // RFC 9112 section 3.2: a request has a Host, and the path of a socket can be none.
        (None, Address::Unix(_)) => "localhost",
        (None, _) => &server.name,
    };
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: kimura\r\nConnection: close\r\n\r\n")
        .into_bytes()
}
