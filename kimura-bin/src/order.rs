//! A command to a server that runs: asks, and prints the answer.

mod json;
mod people;

use crate::arguments::{Form, Order, ProofFrom, Reports, Wishes};
use crate::boot::Home;
use crate::error::Error;
use crate::print;
use privsep::link::{Link, LinkError};
use privsep::message::{Answer, BansReport, Command, LINK_VERSION, PlanReport, Proof, Request, StatusReport};
use privsep::sealed::unseal;
use privsep::supervisor;
use privsep::wire::Secret;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most bytes of a password or token.
const SECRET_MAX: u64 = 4096;
/// Most bytes of a list of problems.
const PROBLEMS_MAX: usize = 4 << 20;
/// How long an answer may take. A reload may wait for an examination and for a new worker.
const PATIENCE: Duration = Duration::from_secs(90);

/// What was done.
pub(crate) enum Outcome {
    /// In one line.
    Done(String),
    Status(StatusReport),
    Plan(PlanReport),
    Bans(BansReport),
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
    let socket = match &order.socket {
        Some(path) => path.clone(),
        None => configured(&order.wishes)?,
    };
    let proof = proof(&order.proof)?;
    let link = connect(&socket)?;
    let request = Request { version: LINK_VERSION, command: order.command.clone(), proof };
    let (answer, sealed) = exchange(&link, &request)?;
    understand(answer, sealed.first(), &order.command)
}

/// The socket that the configuration names.
fn configured(wishes: &Wishes) -> Result<PathBuf, Error> {
    let home = Home::new(wishes, Reports::Quiet)?;
    let needs = supervisor::understand(&home)?;
    needs.control.socket.ok_or(Error::NoSocket)
}

fn connect(path: &Path) -> Result<Link<Request, Answer>, Error> {
    match sys::packet::connect(path) {
        Ok(socket) => Ok(Link::new(socket)),
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            Err(Error::Denied(format!("the socket {} may not be written to: {cause}", path.display())))
        }
        Err(cause) => Err(Error::NoServer { path: path.to_owned(), cause }),
    }
}

fn exchange(link: &Link<Request, Answer>, request: &Request) -> Result<(Answer, Vec<OwnedFd>), LinkError> {
    link.send_waiting(request, &[])?;
    if sys::poll::readable(link.fd(), Some(PATIENCE))? {
        link.receive_waiting()
    } else {
        Err(LinkError::Full)
    }
}

fn understand(answer: Answer, sealed: Option<&OwnedFd>, command: &Command) -> Result<Outcome, Error> {
    // The link has seen to it that what belongs to the answer came with it.
    let sealed = || sealed.ok_or(LinkError::Closed);
    match answer {
        Answer::Done { what } => Ok(Outcome::Done(what)),
        Answer::Status => Ok(Outcome::Status(unseal(sealed()?)?)),
        Answer::Plan => Ok(Outcome::Plan(unseal(sealed()?)?)),
        Answer::Bans => Ok(Outcome::Bans(unseal(sealed()?)?)),
        Answer::Denied { why } => Err(Error::Denied(why)),
        Answer::Refused { why } => Err(Error::NotDone(why)),
        Answer::Problems { count } => {
            let text = sys::mem::read_sealed(sealed()?.as_fd(), PROBLEMS_MAX).map_err(LinkError::System)?;
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
        ProofFrom::Peer => Proof::Peer,
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
