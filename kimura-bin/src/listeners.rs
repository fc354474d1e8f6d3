//! The addresses that the server listens on, bound and dealt out to the shards.

use crate::problem::refused;
use config::{Config, Problems, Registry};
use std::os::fd::{AsFd, OwnedFd};
use sys::net::{Address, ListenOptions, bind_group, local_address};

/// Every address bound, with one socket of it for each shard.
pub(crate) struct Listeners {
    /// What is listened on, in the order of [`Config::listeners`]; a port that the system chose is filled in.
    pub(crate) addresses: Vec<Address>,
    /// For each shard its sockets, and of which address each is.
    pub(crate) by_shard: Vec<Vec<(usize, OwnedFd)>>,
}

/// Binds every address for `shards` shards.
///
/// # Errors
/// Each address that cannot be bound, where the configuration names it. Nothing stays bound then.
pub(crate) fn bind(config: &Config, registry: &Registry, shards: usize) -> Result<Listeners, Problems> {
    let options = ListenOptions { backlog: config.server.backlog, ..ListenOptions::default() };
    let mut problems = Problems::new();
    let mut listeners =
        Listeners { addresses: Vec::new(), by_shard: (0..shards).map(|_| Vec::new()).collect() };
    for (index, listen) in config.listeners().into_iter().enumerate() {
        match bind_group(&listen.address, shards, &options) {
            Ok(sockets) => listeners.add(index, &listen.address, sockets),
            Err(error) => problems.push(refused(registry, &listen.pointer, &error)),
        }
    }
    problems.or(listeners)
}

impl Listeners {
    fn add(&mut self, index: usize, wanted: &Address, sockets: Vec<OwnedFd>) {
        let actual = sockets.first().and_then(|socket| local_address(socket.as_fd()).ok());
        self.addresses.push(actual.unwrap_or_else(|| wanted.clone()));
        for (own, socket) in self.by_shard.iter_mut().zip(sockets) {
            own.push((index, socket));
        }
    }
}

/// What a browser or a client takes for the address.
pub(crate) fn url(address: &Address) -> String {
    match address {
        Address::V4(_) | Address::V6(_) => format!("http://{address}/"),
        Address::Unix(_) => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (address, wanted) in [
            ("127.0.0.1:80", "http://127.0.0.1:80/"),
            ("[::1]:8080", "http://[::1]:8080/"),
            ("unix:/run/k.sock", "unix:/run/k.sock"),
        ] {
            assert_eq!(url(&address.parse().expect(address)), wanted);
        }
    }
}
