//! One health check of one server: a connection, with TLS where the group has it, and perhaps a request and the status of
//! its answer.

use super::script::{self, Answer};
use config::{Health as Rule, Preamble};
use engine::Toward;
use proto_http::proxy::{self, Ends, Form};
use site::upstream::{Checked, Group, Server, judge, judge_status};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;
use sys::net::{Address, connect_to, connected, receive, send};
use sys::poll::Interest;
use tls::Client;

/// Most bytes that are taken at a time.
const READ_MAX: usize = 4096;
/// Most bytes that a server may send until it has proved who it is: chains of certificates are shorter.
const HANDSHAKE_MAX: usize = 256 * 1024;

/// A check under way.
pub(super) struct Probe {
    socket: OwnedFd,
    step: Step,
    /// What TLS has come to, where there is any.
    session: Option<Box<Client>>,
    /// Bytes that have come before the server had proved who it is.
    shaken: usize,
    /// When it has failed.
    pub(super) deadline: Instant,
}

/// What is waited for.
enum Step {
    /// The connection.
    Connecting,
    /// Room for the rest of what is to be sent; then comes what is next.
    Sending(Vec<u8>, Next),
    /// The server's part of the handshake.
    Shaking,
    /// The status.
    Receiving(Vec<u8>),
    /// The status, of an application.
    Listening(Box<Answer>),
}

/// What follows when all is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The handshake.
    Handshake,
    /// The answer.
    Answer,
    /// Nothing: the server is well.
    End,
}

impl Probe {
    /// Begins a check.
    ///
    /// # Errors
    /// There is no way to the server: it has failed.
    pub(super) fn begin(server: &Server, rule: &Rule, now: Instant) -> io::Result<Probe> {
        let socket = connect_to(&server.address)?;
        let deadline = now + rule.timeout;
        Ok(Probe { socket, step: Step::Connecting, session: None, shaken: 0, deadline })
    }

    /// What it waits for.
    pub(super) fn waits(&self) -> (BorrowedFd<'_>, Interest) {
        let interest = match self.step {
            Step::Connecting | Step::Sending(..) => Interest::Write,
            Step::Shaking | Step::Receiving(_) | Step::Listening(_) => Interest::Read,
        };
        (self.socket.as_fd(), interest)
    }

    /// Goes on as far as it can; tells how the check went once that is certain. `toward` is how the servers of the group
    /// are spoken to by TLS.
    pub(super) fn advance(
        &mut self,
        server: &Server,
        (group, rule): (&Group, &Rule),
        toward: Option<&Toward>,
    ) -> Option<Checked> {
        match self.go_on(server, (group, rule), toward) {
            Ok(checked) => checked,
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(_) => Some(Checked::Failed),
        }
    }

    fn go_on(
        &mut self,
        server: &Server,
        (group, rule): (&Group, &Rule),
        toward: Option<&Toward>,
    ) -> io::Result<Option<Checked>> {
        loop {
            match &mut self.step {
                Step::Connecting => {
                    connected(self.socket.as_raw_fd())?;
                    let mut first = Vec::new();
                    introduce(group.preamble, &mut first);
                    self.step = match toward {
                        Some(toward) => {
                            let name = toward.name.as_deref().unwrap_or_else(|| server.host());
                            let client =
                                toward.outward.connect(name, &mut first).map_err(io::Error::other)?;
                            self.session = Some(Box::new(client));
                            Step::Sending(first, Next::Handshake)
                        }
                        None => self.ask(server, (group, rule), first)?,
                    };
                }
                Step::Sending(rest, next) => {
                    let sent = send(self.socket.as_raw_fd(), rest)?;
                    rest.drain(..sent);
                    if rest.is_empty() {
                        self.step = match next {
                            Next::Handshake => Step::Shaking,
                            Next::Answer if group.scripts.is_some() => {
                                Step::Listening(Box::new(Answer::new()))
                            }
                            Next::Answer => Step::Receiving(Vec::new()),
                            Next::End => return Ok(Some(Checked::Passed)),
                        };
                    }
                }
                Step::Shaking => {
                    let mut out = Vec::new();
                    self.shaken += self.take(&mut Vec::new(), &mut out)?;
                    if HANDSHAKE_MAX < self.shaken {
                        return Ok(Some(Checked::Failed));
                    }
                    if self.session.as_ref().is_some_and(|session| session.is_ready()) {
                        self.step = self.ask(server, (group, rule), out)?;
                    } else if !out.is_empty() {
                        self.step = Step::Sending(out, Next::Handshake);
                    }
                }
                Step::Listening(_) => {
                    let judged = self.listen(rule)?;
                    if judged.is_some() {
                        return Ok(judged);
                    }
                }
                Step::Receiving(answer) => {
                    let mut answer = std::mem::take(answer);
                    let taken = self.take(&mut answer, &mut Vec::new());
                    let judged = judge(&answer, rule);
                    self.step = Step::Receiving(answer);
                    if judged.is_some() {
                        return Ok(judged);
                    }
                    taken?;
                }
            }
        }
    }

    /// Takes more of the answer of an application, and judges it once there is a status.
    fn listen(&mut self, rule: &Rule) -> io::Result<Option<Checked>> {
        let mut bytes = Vec::new();
        self.take(&mut bytes, &mut Vec::new())?;
        let Step::Listening(answer) = &mut self.step else { return Ok(None) };
        let status = answer.take(&bytes)?;
        Ok(status.map(|status| judge_status(status.code(), rule)))
    }

    /// The step that sends the request, if there is one, behind what is in `out`.
    fn ask(&mut self, server: &Server, (group, rule): (&Group, &Rule), mut out: Vec<u8>) -> io::Result<Step> {
        let Some(path) = &rule.path else { return Ok(Step::Sending(out, Next::End)) };
        let mut request = request(path, server, rule);
        if let Some(scripts) = &group.scripts {
            let text = std::mem::take(&mut request);
            script::ask(&text, scripts, &mut request)?;
        }
        match &mut self.session {
            Some(session) => session.write(&request, &mut out).map_err(io::Error::other)?,
            None => out.extend_from_slice(&request),
        }
        Ok(Step::Sending(out, Next::Answer))
    }

    /// Appends what has come to `plain`, and what TLS has to say to it to `out`; answers how many bytes have come.
    ///
    /// # Errors
    /// The connection has ended or failed, or the server is not the one that it should be.
    fn take(&mut self, plain: &mut Vec<u8>, out: &mut Vec<u8>) -> io::Result<usize> {
        let mut buffer = [0; READ_MAX];
        let count = receive(self.socket.as_fd(), &mut buffer)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let ended = match &mut self.session {
            Some(session) => session.feed(&buffer[..count], plain, out).map_err(io::Error::other)?,
            None => {
                plain.extend_from_slice(&buffer[..count]);
                false
            }
        };
        if ended { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
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
