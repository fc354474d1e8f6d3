//! What has become of servers since their configuration was read: commands, names that lead elsewhere, health.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sys::net::Address;

use super::{Group, GroupId, Server};

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
    /// Where servers are now, by the name that was looked up again.
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
        let Some(changes) = self.groups.get(&group.id) else {
            let up = |server: &Arc<Server>| Member { server: Arc::clone(server), state: State::Up };
            return group.servers.iter().map(up).collect();
        };
        let mut members = Vec::with_capacity(group.servers.len() + changes.added.len());
        let mut seen = HashSet::new();
        for server in group.servers.iter().chain(&changes.added) {
            let state = match changes.orders.get(&server.name) {
                Some(Order::Remove) => continue,
                Some(Order::Drain) => Some(State::Drained),
                None => None,
            };
            for server in changes.now(server) {
                if seen.insert(server.address.clone()) {
                    let health = if changes.down.contains(&server.address) { State::Down } else { State::Up };
                    members.push(Member { server, state: state.unwrap_or(health) });
                }
            }
        }
        members
    }
}

impl GroupChanges {
    /// What a server has become: itself, or one for each address that its name has now.
    fn now(&self, server: &Arc<Server>) -> Vec<Arc<Server>> {
        let Some(addresses) = self.found.get(&server.name) else { return vec![Arc::clone(server)] };
        let at = |address: &Address| Arc::new(Server { address: address.clone(), ..Server::clone(server) });
        addresses.iter().map(at).collect()
    }
}
