//! Names of servers, looked up by a thread of its own: that may take long, and nothing else waits for it.

use config::{Config, Place};
use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use sys::net::Address;

/// Most addresses of one name that are used.
const ADDRESSES_MAX: usize = 64;
/// Where the system says how names are looked up; what is not there is not needed.
pub(in crate::role) const FILES: &[&str] =
    &["/etc/gai.conf", "/etc/host.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf"];

/// Names that are to be looked up, by how they are written, each with how often.
pub(super) type Wanted = BTreeMap<String, (Place, Duration)>;
/// Where names lead; none for one that was not found.
pub(super) type Found = HashMap<String, Option<Vec<Address>>>;

/// The other thread.
pub(super) struct Names(Sender<(Wanted, Sender<Found>)>);

impl Names {
    /// Starts it; what it finds later goes to `found`, which says whether anybody wants to know still.
    ///
    /// # Errors
    /// When threads have run out.
    pub(super) fn start(found: impl Fn(Found) -> bool + Send + 'static) -> std::io::Result<Names> {
        let (sender, orders) = channel();
        thread::Builder::new()
            .name("kimura-names".to_owned())
            .spawn(move || Book::default().keep(&orders, found))?;
        Ok(Names(sender))
    }

    /// Has these looked up from now on, and no others. What is found of those that are new comes by the receiver.
    pub(super) fn want(&self, wanted: Wanted) -> Receiver<Found> {
        let (sender, found) = channel();
        // The thread lives as long as the sender of its orders.
        let _ = self.0.send((wanted, sender));
        found
    }
}

/// What is looked up, and when next.
#[derive(Default)]
struct Book {
    wanted: Wanted,
    due: HashMap<String, Instant>,
}

impl Book {
    fn keep(mut self, orders: &Receiver<(Wanted, Sender<Found>)>, found: impl Fn(Found) -> bool) {
        loop {
            let order = match self.due.values().min() {
                Some(due) => orders.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok((wanted, asker)) => {
                    self.wanted = wanted;
                    self.due.retain(|name, _| self.wanted.contains_key(name));
                    let names = self.wanted.keys().filter(|name| !self.due.contains_key(*name));
                    let new = self.look_up(&names.cloned().collect::<Vec<_>>());
                    // Who asked may have lost patience: then it comes by the other way.
                    if asker.send(new.clone()).is_err() && !found(new) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    let due = self.due.iter().filter(|(_, due)| **due <= now).map(|(name, _)| name.clone());
                    let again = self.look_up(&due.collect::<Vec<_>>());
                    if !found(again) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look_up(&mut self, names: &[String]) -> Found {
        let mut found = Found::new();
        for name in names {
            let Some((place, period)) = self.wanted.get(name) else { continue };
            found.insert(name.clone(), addresses(place).ok());
            self.due.insert(name.clone(), Instant::now() + *period);
        }
        found
    }
}

/// Whether a configuration has servers whose names are to be looked up.
pub(in crate::role) fn has_names(config: &Config) -> bool {
    let servers = config.all_upstreams().into_iter().flat_map(|upstream| &upstream.servers);
    servers.into_iter().any(|server| server.place_to_look_up().is_some())
}

/// The addresses of a name; an error says why there are none, for people.
pub(in crate::role) fn addresses(place: &Place) -> Result<Vec<Address>, String> {
    let looked_up = (place.host.as_str(), place.port).to_socket_addrs();
    let mut addresses: Vec<SocketAddr> = looked_up.map_err(|error| error.to_string())?.collect();
    // In an order of their own, so that the same addresses are no change.
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    if addresses.is_empty() {
        return Err("the name has no address".to_owned());
    }
    let address = |address: SocketAddr| match address {
        SocketAddr::V4(address) => Address::V4(address),
        SocketAddr::V6(address) => Address::V6(address),
    };
    Ok(addresses.into_iter().map(address).collect())
}
