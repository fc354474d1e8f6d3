//! A command to a server that runs: asks, and prints the answer.

pub(crate) mod far;
mod json;
mod people;

use crate::arguments::{Form, Order, ProofFrom, Reports, Wishes};
use crate::boot::Home;
use crate::error::Error;
use crate::follow::Source;
use crate::print;
use privsep::link::{Link, LinkError};
use privsep::message::{
    Answer, BansReport, Command, LINK_VERSION, LimitsReport, PlanReport, Proof, Request, StatusReport,
    UpstreamsReport, signed_message,
};
use privsep::supervisor;
use privsep::wire::{BadFrame, Bytes, Secret, decode};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;
use sys::packet;
use sys::spawn::Child;
use tls::{Chain, PrivateKey, Zeroizing};

/// Most bytes of a password or token.
const SECRET_MAX: u64 = 4096;
/// Most bytes of what an answer comes with.
const ENCLOSURE_MAX: usize = 64 << 20;
/// How long an answer may take. A reload may wait for an examination and for a new worker.
const PATIENCE: Duration = Duration::from_secs(90);

/// What was done.
pub(crate) enum Outcome {
    /// In one line.
    Done(String),
    Status(StatusReport),
    Plan(PlanReport),
    Bans(BansReport),
    Upstreams(UpstreamsReport),
    Limits(LimitsReport),
}

/// Gives the command and prints what came of it.
///
/// # Errors
/// Why it was not carried out.
pub(crate) fn give(order: &Order) -> Result<(), Error> {
    let outcome = ask(order);
    let text = match (order.form, &outcome) {
        (Form::Json, outcome) => json::text(outcome.as_ref()),
        (Form::People, Ok(outcome)) => people::text(outcome),
        (Form::People, Err(_)) => String::new(),
    };
    print::out(&text).map_err(Error::process("write to standard output"))?;
    outcome.map(drop)
}

fn ask(order: &Order) -> Result<Outcome, Error> {
    let mut line = Line::to(order)?;
    let (answer, enclosure) = converse(order, &mut line)?;
    understand(answer, enclosure, &order.command)
}

/// The memory in which the server keeps what it logs for viewers, and its process.
///
/// # Errors
/// Why it is not handed out.
pub(crate) fn ring(order: &Order) -> Result<Source, Error> {
    let mut line = Line::to(order)?;
    let server = line.server();
    match converse(order, &mut line)? {
        (Answer::Logs, Some(Enclosure::Memory(ring))) => Ok((ring, server)),
        (answer, enclosure) => {
            understand(answer, enclosure, &order.command)?;
            Err(LinkError::Bad(BadFrame::Turn).into())
        }
    }
}

/// What an answer comes with.
enum Enclosure {
    /// What was sealed.
    Bytes(Vec<u8>),
    /// Memory that goes on changing.
    Memory(OwnedFd),
}

/// Asks, and shows what is wanted for proof.
fn converse(order: &Order, line: &mut Line) -> Result<(Answer, Option<Enclosure>), Error> {
    let mut proof = proof(&order.proof)?;
    let command = &order.command;
    let mut ask = |proof| line.exchange(&Request { version: LINK_VERSION, command: command.clone(), proof });
    if let ProofFrom::Certificate { chain, key } = &order.proof {
        let (answer, _) = ask(Proof::Challenge)?;
        let Answer::Challenge { nonce } = answer else { return Ok((answer, None)) };
        proof = signed(chain, key, &signed_message(&nonce.0, command))?;
    }
    ask(proof)
}

/// The way to the server.
enum Line {
    /// A socket of this machine.
    Near(Link<Request, Answer>),
    Far(Box<far::Line>),
}

impl Line {
    fn to(order: &Order) -> Result<Self, Error> {
        if let Some(place) = &order.far {
            return far::Line::connect(place, PATIENCE).map(Box::new).map(Self::Far);
        }
        let socket = match &order.socket {
            Some(path) => path.clone(),
            None => configured(&order.wishes)?,
        };
        connect(&socket).map(Self::Near)
    }

    /// Asks, and waits for the answer with what comes along.
    fn exchange(&mut self, request: &Request) -> Result<(Answer, Option<Enclosure>), Error> {
        match self {
            Self::Far(line) => {
                let (answer, enclosure) = line.exchange(request)?;
                Ok((answer, enclosure.map(Enclosure::Bytes)))
            }
            Self::Near(link) => {
                link.send_waiting(request, &[])?;
                if !sys::poll::readable(link.fd(), Some(PATIENCE)).map_err(LinkError::System)? {
                    return Err(LinkError::Full.into());
                }
                let (answer, mut sealed) = link.receive_waiting()?;
                if answer == Answer::Logs {
                    return Ok((answer, sealed.pop().map(Enclosure::Memory)));
                }
                let read = sealed.first().map(|sealed| sys::mem::read_sealed(sealed.as_fd(), ENCLOSURE_MAX));
                Ok((answer, read.transpose().map_err(LinkError::System)?.map(Enclosure::Bytes)))
            }
        }
    }

    /// The process of the server, where it can be known.
    fn server(&self) -> Option<Child> {
        let Self::Near(link) = self else { return None };
        Child::find(packet::peer(link.fd()).ok()?.pid).ok()
    }
}

/// The socket that the configuration names.
fn configured(wishes: &Wishes) -> Result<PathBuf, Error> {
    let home = Home::new(wishes, Reports::Quiet)?;
    let needs = supervisor::understand(&home)?;
    needs.control.socket.ok_or(Error::NoSocket)
}

fn connect(path: &Path) -> Result<Link<Request, Answer>, Error> {
    match packet::connect(path) {
        Ok(socket) => Ok(Link::new(socket)),
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            Err(Error::Denied(format!("the socket {} may not be written to: {cause}", path.display())))
        }
        Err(cause) => Err(Error::NoServer { place: path.display().to_string(), cause }),
    }
}

fn understand(answer: Answer, enclosure: Option<Enclosure>, command: &Command) -> Result<Outcome, Error> {
    // The line has seen to it that what belongs to the answer came with it.
    let enclosure = || match enclosure {
        Some(Enclosure::Bytes(bytes)) => Ok(bytes),
        Some(Enclosure::Memory(_)) | None => Err(LinkError::Closed),
    };
    match answer {
        Answer::Done { what } => Ok(Outcome::Done(what)),
        Answer::Status => Ok(Outcome::Status(decode(&enclosure()?).map_err(LinkError::Bad)?)),
        Answer::Plan => Ok(Outcome::Plan(decode(&enclosure()?).map_err(LinkError::Bad)?)),
        Answer::Bans => Ok(Outcome::Bans(decode(&enclosure()?).map_err(LinkError::Bad)?)),
        Answer::Upstreams => Ok(Outcome::Upstreams(decode(&enclosure()?).map_err(LinkError::Bad)?)),
        Answer::Limits => Ok(Outcome::Limits(decode(&enclosure()?).map_err(LinkError::Bad)?)),
        // Nobody has asked for it.
        Answer::Challenge { .. } | Answer::Logs => Err(LinkError::Bad(BadFrame::Turn).into()),
        Answer::Denied { why } => Err(Error::Denied(why)),
        Answer::Refused { why } => Err(Error::NotDone(why)),
        Answer::Problems { count } => {
            let text = enclosure()?;
            let plural = if count == 1 { "problem" } else { "problems" };
            let changed = match command {
                Command::Reload { plan: true } => "nothing would change",
                _ => "nothing has changed",
            };
            let text = String::from_utf8_lossy(&text);
            Err(Error::NotDone(format!("{count} {plural} in the configuration, {changed}\n\n{text}")))
        }
    }
}

fn proof(from: &ProofFrom) -> Result<Proof, Error> {
    Ok(match from {
        // What is signed is known only when the server has said so.
        ProofFrom::Peer | ProofFrom::Certificate { .. } => Proof::Peer,
        ProofFrom::Token(path) => Proof::Token { secret: first_line(path)? },
        ProofFrom::Password { user, file } => {
            let secret = match file {
                Some(path) => first_line(path)?,
                None => Secret::new(
                    sys::terminal::ask_secret(&format!("Password of {user}: "))
                        .map_err(Error::process("ask for the password on the terminal; use --password-file"))?
                        .into_bytes(),
                ),
            };
            Proof::Password { user: user.clone(), secret }
        }
    })
}

/// The proof by a certificate: `message` signed by its holder.
fn signed(chain: &Path, key: &Path, message: &[u8]) -> Result<Proof, Error> {
    let bad = |path: &Path| {
        let path = path.to_owned();
        move |error: tls::Error| Error::BadFile { path, why: error.to_string() }
    };
    let certificates = Chain::from_pem(&far::read(chain)?).map_err(bad(chain))?;
    let private = PrivateKey::from_pem(Zeroizing::new(far::read(key)?)).map_err(bad(key))?;
    let (certificate, signed) = tls::sign(certificates, &private, message).map_err(bad(key))?;
    Ok(Proof::Certificate {
        certificate: Bytes(certificate),
        scheme: signed.scheme,
        signature: Bytes(signed.signature),
    })
}

/// The first line of a file, without its end; `-` is standard input.
///
/// # Errors
/// Why it cannot be read.
pub(crate) fn first_line(path: &Path) -> Result<Secret, Error> {
    let read =
        if path == Path::new("-") { line_of(io::stdin().lock()) } else { File::open(path).and_then(line_of) };
    read.map_err(|cause| Error::Secret { path: path.to_owned(), cause })
}

fn line_of(from: impl Read) -> io::Result<Secret> {
    let mut line = Vec::new();
    BufReader::new(from.take(SECRET_MAX)).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        line.pop();
    }
    Ok(Secret::new(line))
}
