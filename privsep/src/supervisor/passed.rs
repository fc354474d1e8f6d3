//! Sockets that the service manager has opened for us. An address of the configuration that equals the one of such a
//! socket takes it instead of binding, so that a port below 1024 needs no rights of ours, and a stopped service keeps
//! its queues.
//!
//! The sockets stay open as long as the server runs, used or not: a reload may drop an address and bring it back, and
//! without rights it could not be bound again. All that were passed for an address are its group, and nobody else
//! joins: what waits in a socket of ours would be lost when the service ends. With fewer sockets than shards, shards
//! share.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::net::{Address, ListenOptions, bind_group};
use sys::spawn::Legacy;

use crate::message::{ListenNeeds, Needs, State, Trouble};

/// All of them, by address.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    groups: Vec<(Address, Vec<OwnedFd>)>,
}

impl Passed {
    /// Sorts them by address.
    pub(crate) fn new(sockets: Vec<sys::activation::Passed>) -> Self {
        let mut passed = Self::default();
        for sys::activation::Passed { address, socket } in sockets {
            match passed.groups.iter_mut().find(|(known, _)| *known == address) {
                Some((_, group)) => group.push(socket),
                None => passed.groups.push((address, vec![socket])),
            }
        }
        passed
    }

    /// What the program before this one has left.
    pub(crate) fn inherit(state: &State, legacy: &mut Legacy) -> io::Result<Self> {
        let groups = state.passed.iter().map(|kept| {
            let address = kept.address.parse().map_err(io::Error::other)?;
            let sockets = kept.sockets.iter().map(|&socket| legacy.take(socket));
            Ok((address, sockets.collect::<io::Result<_>>()?))
        });
        Ok(Self { groups: groups.collect::<io::Result<_>>()? })
    }

    /// Addresses, each with its sockets.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&Address, impl Iterator<Item = BorrowedFd<'_>>)> {
        self.groups.iter().map(|(address, sockets)| (address, sockets.iter().map(AsFd::as_fd)))
    }

    /// Whether the sockets of `address` were passed.
    pub(crate) fn has(&self, address: &Address) -> bool {
        self.groups.iter().any(|(known, _)| known == address)
    }

    /// Those that `needs` does not name.
    pub(crate) fn unused(&self, needs: &Needs) -> impl Iterator<Item = &Address> {
        let named: Vec<Address> = needs
            .listeners
            .iter()
            .chain(&needs.control.remote)
            .filter_map(|listen| listen.address.parse().ok())
            .collect();
        self.groups.iter().map(|(address, _)| address).filter(move |address| !named.contains(address))
    }

    /// Duplicates of the sockets of an address, or new ones: a group of `group`.
    ///
    /// # Errors
    /// Why it cannot be listened on.
    pub(crate) fn or_bind(
        &self,
        listen: &ListenNeeds,
        group: usize,
        options: &ListenOptions,
    ) -> Result<(Address, Vec<OwnedFd>), Trouble> {
        let trouble = |message: &str| {
            let (cause, cure) = message.split_once(": ").unwrap_or((message, "choose another address"));
            Trouble { pointer: listen.pointer.clone(), cause: cause.to_owned(), cure: cure.to_owned() }
        };
        let address: Address = listen.address.parse().map_err(|bad| trouble(&format!("{bad}")))?;
        let sockets = match self.groups.iter().find(|(known, _)| *known == address) {
            Some((_, sockets)) => {
                let sockets = sockets.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>();
                sockets.map_err(|error| trouble(&format!("cannot listen on {address}: {error}")))?
            }
            None => bind_group(&address, group, options).map_err(|error| trouble(&error.to_string()))?,
        };
        Ok((address, sockets))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn passed(address: &str) -> sys::activation::Passed {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap().into();
        sys::activation::Passed { address: address.parse().unwrap(), socket }
    }

    #[test]
    fn an_address_takes_all_its_sockets_and_no_others() {
        let passed = Passed::new(["127.0.0.1:80", "[::1]:80", "127.0.0.1:80"].map(passed).into());
        let bind = |address: &str, group| {
            let listen = ListenNeeds { address: address.to_owned(), secure: false, pointer: "/p".to_owned() };
            passed.or_bind(&listen, group, &ListenOptions::default()).map(|(_, sockets)| sockets.len())
        };
        for (address, group, wanted) in
            [("127.0.0.1:80", 1, 2), ("127.0.0.1:80", 8, 2), ("[::1]:80", 4, 1), ("127.0.0.1:0", 3, 3)]
        {
            assert_eq!(bind(address, group).unwrap(), wanted, "{address}");
        }
        assert_eq!(bind("127.0.0.1:x", 1).unwrap_err().pointer, "/p");
        assert!(passed.has(&"[::1]:80".parse().unwrap()) && !passed.has(&"[::]:80".parse().unwrap()));
    }
}
