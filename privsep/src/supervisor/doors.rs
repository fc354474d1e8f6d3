//! Listening sockets of the agent, which come and go with the configuration and not with the agent.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::net::{Address, ListenOptions, local_address};
use sys::spawn::Legacy;

use super::passed::Passed;
use crate::message::{ListenNeeds, State, Trouble};

/// Connections that may wait at each socket.
const BACKLOG: u32 = 64;

/// All sockets of one address.
#[derive(Debug)]
pub(crate) struct Door {
    /// As the configuration writes it.
    pub(crate) written: String,
    pub(crate) sockets: Vec<OwnedFd>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Doors(Vec<Door>);

impl Doors {
    /// Opens what `needs` takes and is not there yet.
    pub(crate) fn open(&self, needs: &[ListenNeeds], passed: &Passed, troubles: &mut Vec<Trouble>) -> Self {
        let options = ListenOptions { backlog: BACKLOG, ..ListenOptions::default() };
        let mut opened = Self::default();
        for listen in needs {
            if self.0.iter().chain(&opened.0).any(|known| known.written == listen.address) {
                continue;
            }
            match passed.or_bind(listen, 1, &options) {
                Ok((_, sockets)) => opened.0.push(Door { written: listen.address.clone(), sockets }),
                Err(trouble) => troubles.push(trouble),
            }
        }
        opened
    }

    /// Takes over what was opened.
    pub(crate) fn adopt(&mut self, opened: Self) {
        self.0.extend(opened.0);
    }

    /// Closes the sockets of all addresses that `needs` does not name.
    pub(crate) fn keep_only(&mut self, needs: &[ListenNeeds]) {
        self.0.retain(|door| needs.iter().any(|listen| listen.address == door.written));
    }

    /// What the program before this one has left.
    pub(crate) fn inherit(state: &State, legacy: &mut Legacy) -> io::Result<Self> {
        let doors = state.doors.iter().map(|kept| {
            let sockets = kept.sockets.iter().map(|&socket| legacy.take(socket));
            let sockets = sockets.collect::<io::Result<_>>()?;
            Ok(Door { written: kept.written.clone(), sockets })
        });
        doors.collect::<io::Result<_>>().map(Self)
    }

    /// Each of them.
    pub(crate) fn all(&self) -> &[Door] {
        &self.0
    }

    /// Every socket.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().flat_map(|door| &door.sockets).map(AsFd::as_fd)
    }

    /// What is listened on, with the ports that the system chose.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Address> {
        self.0.iter().filter_map(|door| local_address(door.sockets.first()?.as_fd()).ok())
    }
}
