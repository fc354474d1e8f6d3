//! Ends TLS of control connections from elsewhere: ciphertext outside, packets to the supervisor inside. It decides
//! nothing, and knows no secret but its own key; what it reads of a request is its length.

mod guest;

use super::{Fault, Place, begin_confined, replace_error_log, show_messages};
use crate::remote;
use guest::{Guest, Turn};
use privsep::link::{Link, LinkError};
use privsep::message::{Contents, FromAgent, ToAgent};
use privsep::role::Role;
use privsep::sealed::unseal_secret;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use sys::poll::Interest;
use tls::Hosts;

pub(super) type Up = Link<FromAgent, ToAgent>;

/// Most connections at a time; others wait in the queue of their socket.
const GUESTS_MAX: usize = 32;
/// How long nobody is taken when descriptors have run out.
const RESPITE: Duration = Duration::from_millis(200);
/// How long whoever is there may take, once nobody else is taken.
const LEAVE_PATIENCE: Duration = Duration::from_secs(110);

/// Serves until told to leave, or until the supervisor is gone.
pub(super) fn run(link: OwnedFd, place: Place) -> Result<(), Fault> {
    let link = Up::new(link);
    let (ToAgent::Hello { hello }, _) = link.receive_waiting()? else { return Err(Fault::Order) };
    begin_confined(Role::Agent, &hello, place)?;
    let mut gate =
        Gate { link, place, hosts: None, doors: Vec::new(), guests: Vec::new(), respite: None, leave: None };
    let ended = loop {
        match gate.turn() {
            Ok(()) if gate.is_over() => break Ok(()),
            Ok(()) => {}
            Err(fault) => break Err(fault),
        }
    };
    // As a thread, the supervisor sees the end by this.
    gate.link.shut();
    ended
}

struct Gate {
    link: Up,
    place: Place,
    hosts: Option<Arc<Hosts>>,
    doors: Vec<TcpListener>,
    guests: Vec<Guest>,
    /// When the next one can be taken; none for now.
    respite: Option<Instant>,
    /// When all that are there are sent away; none while others are taken.
    leave: Option<Instant>,
}

/// What has happened to whom.
struct Ready {
    link: bool,
    doors: Vec<bool>,
    /// At the connection, and at the way to the supervisor.
    guests: Vec<(bool, bool)>,
}

impl Gate {
    fn is_over(&self) -> bool {
        self.leave.is_some_and(|until| self.guests.is_empty() || until <= Instant::now())
    }

    /// Waits for something and does it.
    fn turn(&mut self) -> Result<(), Fault> {
        let ready = self.wait().map_err(|error| Fault::Link(LinkError::System(error)))?;
        let now = Instant::now();
        self.respite = self.respite.filter(|until| now < *until);
        let link = &self.link;
        let mut at = ready.guests.into_iter();
        // Those that have come since are not among them.
        self.guests.retain_mut(|guest| {
            let (outside, inside) = at.next().unwrap_or_default();
            guest.turn(link, outside, inside, now) == Turn::Stays
        });
        for (door, _) in ready.doors.into_iter().enumerate().filter(|(_, ready)| *ready) {
            self.accept(door, now);
        }
        if ready.link { self.hear() } else { Ok(()) }
    }

    fn wait(&self) -> io::Result<Ready> {
        let mut fds: Vec<(BorrowedFd<'_>, Interest)> = Vec::new();
        // A link that is closed would be ready for ever.
        let hears = self.leave.is_none();
        fds.extend(hears.then(|| (self.link.fd(), Interest::Read)));
        let open = hears && self.respite.is_none() && self.guests.len() < GUESTS_MAX && self.hosts.is_some();
        let doors = if open { self.doors.as_slice() } else { &[] };
        fds.extend(doors.iter().map(|door| (door.as_fd(), Interest::Read)));
        for guest in &self.guests {
            fds.push(guest.outside());
            fds.push(guest.inside());
        }
        let due = self.guests.iter().map(Guest::due).chain(self.respite).chain(self.leave).min();
        let nap = due.map(|due| due.saturating_duration_since(Instant::now()));
        let mut ready = sys::poll::any_ready(&fds, nap)?.into_iter();
        let mut next = || ready.next().unwrap_or_default();
        Ok(Ready {
            link: hears && next(),
            doors: doors.iter().map(|_| next()).collect(),
            guests: self.guests.iter().map(|_| (next(), next())).collect(),
        })
    }

    fn accept(&mut self, door: usize, now: Instant) {
        let Some(hosts) = &self.hosts else { return };
        match self.doors[door].accept() {
            Ok((stream, from)) => match Guest::new(stream, from, Arc::clone(hosts), now) {
                Ok(guest) if self.guests.len() < GUESTS_MAX => self.guests.push(guest),
                // It is closed: of several doors, another one has brought the last that there was room for.
                Ok(_) => {}
                Err(error) => log::warn!("a control connection from {from} cannot be set up: {error}"),
            },
            Err(error) if is_passing(&error) => {}
            Err(error) => {
                log::error!("a control connection cannot be taken: {error}");
                self.respite = Some(now + RESPITE);
            }
        }
    }

    /// What the supervisor says.
    fn hear(&mut self) -> Result<(), Fault> {
        loop {
            match self.link.receive() {
                Ok(Some((message, mut descriptors))) => self.obey(message, descriptors.pop())?,
                Ok(None) => return Ok(()),
                // Its program is being replaced, or it is gone: whoever is there may still be answered.
                Err(LinkError::Closed) => {
                    self.leave();
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn obey(&mut self, message: ToAgent, descriptor: Option<OwnedFd>) -> Result<(), Fault> {
        match (message, descriptor) {
            (ToAgent::Files, Some(sealed)) => {
                let contents: Contents = unseal_secret(&sealed)?;
                self.learn(contents.files.into_iter().map(|file| file.0).collect());
            }
            (ToAgent::Listen, Some(socket)) => {
                let door = TcpListener::from(socket);
                door.set_nonblocking(true).map_err(|error| Fault::Link(LinkError::System(error)))?;
                self.doors.push(door);
            }
            (ToAgent::ErrorLog, Some(log)) => replace_error_log(&[log], self.place),
            (ToAgent::Messages, Some(way)) => show_messages(vec![way], self.place),
            (ToAgent::Leave, _) => self.leave(),
            // The greeting is over, and the link has seen to the descriptors.
            _ => return Err(Fault::Order),
        }
        Ok(())
    }

    fn learn(&mut self, contents: Vec<Vec<u8>>) {
        let hosts = remote::host(contents).map_err(|wrong| wrong.error().clone()).and_then(remote::hosts);
        match hosts {
            Ok(hosts) => self.hosts = Some(hosts),
            // It was found right before; without it nobody is let in.
            Err(error) => log::error!("commands from elsewhere cannot be taken: {error}"),
        }
    }

    fn leave(&mut self) {
        self.doors.clear();
        self.leave.get_or_insert(Instant::now() + LEAVE_PATIENCE);
        // Nobody will be there to be asked.
        self.guests.retain(Guest::has_asked);
    }
}

/// Whether the next accept may well succeed.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | Interrupted | WouldBlock)
}
