//! What has become of servers since their configuration was read: commands, names that lead elsewhere, health.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sys::net::Address;

use super::{Group, GroupId, Named, Server};

/// Changes of all groups; whoever is not in here is as configured, and well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// By group; some may be of groups that the site does not have.
    pub groups: HashMap<GroupId, GroupChanges>,
}

/// Changes of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupChanges {
    /// Servers that it has beside those of the configuration.
    pub added: Vec<Arc<Server>>,
    /// What was ordered for servers of that name.
    pub orders: HashMap<String, Order>,
    /// Where servers that have a name are, by that name with the port.
    pub found: HashMap<String, Vec<Address>>,
    /// Those that do not pass their health checks.
    pub down: HashSet<Address>,
}

/// What can be ordered for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It gets no more requests.
    Drain,
    /// The group does not have it any more.
    Remove,
}

/// Whether a server gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Up,
    /// It does not pass its health checks.
    Down,
    /// It was ordered to get none.
    Drained,
}

/// A server that a group has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The server.
    pub server: Arc<Server>,
    /// Whether it gets requests.
    pub state: State,
}

impl Changes {
    /// The servers that the group has now, each address once.
    #[must_use]
    pub fn members(&self, group: &Group) -> Vec<Member> {
        let nothing = GroupChanges::default();
        let changes = self.groups.get(&group.id).unwrap_or(&nothing);
        let found = group.named.iter().flat_map(|named| changes.at(named));
        let all = group.servers.iter().cloned().chain(found).chain(changes.added.iter().cloned());
        let mut seen = HashSet::new();
        let mut members = Vec::new();
        for server in all {
            if let Some(state) = changes.state(&server)
                && seen.insert(server.address.clone())
            {
                members.push(Member { server, state });
            }
        }
        members
    }
}

impl GroupChanges {
    /// The servers that a name stands for.
    fn at(&self, named: &Named) -> impl Iterator<Item = Arc<Server>> {
        let name = named.place.to_string();
        let addresses = self.found.get(&name).cloned().unwrap_or_default();
        let Named { weight, part, .. } = *named;
        addresses
            .into_iter()
            .map(move |address| Arc::new(Server { name: name.clone(), address, weight, part }))
    }

    /// Whether a server gets requests; none when it was removed.
    fn state(&self, server: &Server) -> Option<State> {
        match self.orders.get(&server.name) {
            Some(Order::Remove) => None,
            Some(Order::Drain) => Some(State::Drained),
            None if self.down.contains(&server.address) => Some(State::Down),
            None => Some(State::Up),
        }
    }
}
