//! The journal of systemd, in its own protocol: a datagram of fields for each line, or sealed memory with them when a
//! datagram is too small. The kernel takes a datagram or does not, so a line arrives once.

mod entry;

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sys::net::{self, Address};
use sys::packet::{self, Wait};
use sys::{mem, poll};

use super::syslog::{Facility, Severity};
use super::wire::{late, left};
use super::{Offer, Outlet, Patience, Undelivered, each_line};
use entry::Entry;

/// Where it is, and what stands in each entry.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its socket.
    pub path: PathBuf,
    /// `SYSLOG_FACILITY`.
    pub facility: Facility,
    /// `PRIORITY`.
    pub severity: Severity,
    /// `SYSLOG_IDENTIFIER`: name of the program.
    pub app_name: String,
    /// `KIMURA_LOG`: name of the log.
    pub log: String,
    /// How long it is waited for.
    pub patience: Patience,
}

/// Where systemd has it.
pub const PATH: &str = "/run/systemd/journal/socket";
/// How long the kernel is left alone when its buffers are full: it does not tell when they are not any more.
const PAUSE: Duration = Duration::from_millis(2);

/// The outlet.
pub(super) struct Journald {
    address: Address,
    patience: Patience,
    entry: Entry,
    socket: Option<OwnedFd>,
}

impl Journald {
    pub(super) fn new(settings: Settings) -> Self {
        let entry = Entry::new(&settings);
        let Settings { path, patience, .. } = settings;
        Self { address: Address::Unix(path), patience, entry, socket: None }
    }

    fn send(&mut self, entry: &[u8], deadline: Instant) -> io::Result<()> {
        let had = self.socket.is_some();
        match self.send_once(entry, deadline) {
            // A journal that was started again has another socket.
            Err(cause) if had && cause.kind() != ErrorKind::TimedOut => self.send_once(entry, deadline),
            sent => sent,
        }
    }

    fn send_once(&mut self, entry: &[u8], deadline: Instant) -> io::Result<()> {
        // Put back only when all went well.
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => net::datagrams_to(&self.address)?,
        };
        let sent = within(&socket, deadline, || net::send(socket.as_raw_fd(), entry).map(drop));
        match sent {
            Err(cause) if net::is_too_large(&cause) => {
                let memory = mem::sealed("kimura-entry", entry)?;
                within(&socket, deadline, || {
                    packet::send(socket.as_fd(), &[], &[memory.as_fd()], Wait::Never)
                })?;
            }
            sent => sent?,
        }
        self.socket = Some(socket);
        Ok(())
    }
}

impl Outlet for Journald {
    fn deliver(&mut self, Offer { queue, first, lines }: Offer<'_>) -> Result<(), Undelivered> {
        let deadline = Instant::now() + self.patience.answer;
        let (mut done, mut bytes) = (0, Vec::new());
        for (number, line) in (first..).zip(each_line(lines)) {
            bytes.clear();
            self.entry.append(&mut bytes, (queue, number), line);
            if let Err(cause) = self.send(&bytes, deadline) {
                return Err(Undelivered { done, cause });
            }
            done += line.len();
        }
        Ok(())
    }
}

/// Tries until the journal has room.
fn within(socket: &OwnedFd, deadline: Instant, mut send: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        let Err(cause) = send() else { return Ok(()) };
        let left = left(deadline).map_err(|_| late("it does not take entries"));
        if cause.kind() == ErrorKind::WouldBlock {
            poll::writable(socket.as_fd(), Some(left?))?;
        } else if net::is_out_of_buffers(&cause) {
            poll::readable(socket.as_fd(), Some(left?.min(PAUSE)))?;
        } else {
            return Err(cause);
        }
    }
}
