//! What each process does from its first message to its end.

mod agent;
mod auth;
mod auth_pam;
mod check;
mod gatekeeper;
mod logger;
mod lookout;
mod needs;
mod realms;
mod receiver;
mod rehearsal;
mod worker;

use log::LevelFilter;
use logging::{Target, error_log};
use privsep::child::{EnterError, Relaying, confine, enter, same_version};
use privsep::link::LinkError;
use privsep::message::Hello;
use privsep::role::Role;
use std::fmt;
use std::os::fd::OwnedFd;
use std::panic;

/// Whether a role has a process for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Process,
    Thread,
}

/// Whether a role gives up more than its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sandbox {
    On,
    Off,
}

impl Sandbox {
    fn of(hello: &Hello, place: Place) -> Self {
        if hello.sandbox && place == Place::Process { Self::On } else { Self::Off }
    }
}

/// Why a role ends early.
#[derive(Debug)]
enum Fault {
    /// It cannot give up its rights, or the supervisor is another version.
    Enter(EnterError),
    /// The supervisor is gone, or sends what it should not.
    Link(LinkError),
    /// The first messages are not those of this role.
    Order,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enter(error) => error.fmt(f),
            Self::Link(error) => write!(f, "link to the supervisor: {error}"),
            Self::Order => f.write_str("link to the supervisor: a message out of turn"),
        }
    }
}

impl From<EnterError> for Fault {
    fn from(error: EnterError) -> Self {
        Self::Enter(error)
    }
}

impl From<LinkError> for Fault {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

/// Fills the role in this process, which was started for it.
pub(crate) fn in_process(role: Role, link: OwnedFd) {
    sys::title::set_name(c"kimura");
    // The supervisor sets the level with its first message; it is the only one to install a log.
    if error_log::install(&Target::Stderr, LevelFilter::Info).is_err() {
        return;
    }
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    fill(role, link, Place::Process);
}

/// Fills the role in a thread of the supervisor.
pub(crate) fn in_thread(role: Role, link: OwnedFd) {
    fill(role, link, Place::Thread);
}

fn fill(role: Role, link: OwnedFd, place: Place) {
    let filled = match role {
        Role::Check => check::run(link, place),
        Role::Rehearsal => rehearsal::run(link),
        Role::Auth => auth::run(link, place),
        Role::Agent => agent::run(link, place),
        Role::AuthPam => auth_pam::run(link, place),
        Role::PamLogin => auth_pam::run_login(link),
        Role::Logger => logger::run(link, place),
        Role::Worker => worker::run(link, place),
        // Nobody starts it so.
        Role::Supervisor => Ok(()),
    };
    match filled {
        // Without its supervisor a child ends, and that is all.
        Ok(()) | Err(Fault::Link(LinkError::Closed)) => {}
        Err(fault) => log::error!("{role}: {fault}"),
    }
}

/// Does what every child does first.
fn begin(hello: &Hello, place: Place) -> Result<(), Fault> {
    match place {
        Place::Process => {
            error_log_level(hello);
            enter(hello)?;
        }
        Place::Thread => same_version(hello)?,
    }
    Ok(())
}

fn error_log_level(hello: &Hello) {
    error_log::set_level(level(hello.level));
}

/// What every child does first, and gives up what it does not keep.
fn begin_confined(role: Role, hello: &Hello, place: Place) -> Result<(), Fault> {
    begin(hello, place)?;
    match Sandbox::of(hello, place) {
        Sandbox::On => Ok(confine(role, Vec::new(), Relaying::Off)?),
        Sandbox::Off => Ok(()),
    }
}

/// A level by its number, 1 errors to 5 traces.
pub(crate) fn level(number: u32) -> LevelFilter {
    match number {
        ..=1 => LevelFilter::Error,
        2 => LevelFilter::Warn,
        3 => LevelFilter::Info,
        4 => LevelFilter::Debug,
        5.. => LevelFilter::Trace,
    }
}

/// Sends the messages of this process to another file.
fn replace_error_log(descriptors: &[OwnedFd], place: Place) {
    use std::os::fd::AsFd;
    let Some(fd) = descriptors.first().filter(|_| place == Place::Process) else { return };
    let replaced = sys::process::replace_standard_error(fd.as_fd());
    let result = replaced.map_err(logging::Error::Stream).and_then(|()| error_log::redirect(&Target::Stderr));
    if let Err(error) = result {
        log::error!("{error}");
    }
}

/// Has the messages of this process shown to viewers of the logs; a thread's are those of its process.
fn show_messages(way: Vec<OwnedFd>, place: Place) {
    if let (Place::Process, Some(way)) = (place, way.into_iter().next()) {
        error_log::show_by(way);
    }
}
