//! What is known of all servers beside the configuration: orders, addresses, health.

use super::names::{Found, Wanted};
use config::UpstreamPart;
use privsep::message::{UpstreamChange, UpstreamOrder};
use site::upstream::{Changes, Checked, Group, GroupChanges, GroupId, Health, Order, Server};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use sys::net::Address;

/// All of it.
#[derive(Default)]
pub(super) struct Watch {
    /// What is served.
    served: Vec<Arc<Group>>,
    /// What may be served next: its names are looked up before.
    next: Vec<Arc<Group>>,
    orders: Vec<UpstreamOrder>,
    found: HashMap<String, Vec<Address>>,
    health: HashMap<(GroupId, Address), Health>,
}

impl Watch {
    pub(super) fn new(served: &[Arc<Group>], orders: Vec<UpstreamOrder>) -> Watch {
        Watch { served: served.to_vec(), orders, ..Watch::default() }
    }

    /// These may be served next.
    pub(super) fn prepare(&mut self, groups: &[Arc<Group>]) {
        self.next = groups.to_vec();
    }

    /// They are served.
    pub(super) fn commit(&mut self) {
        self.served = std::mem::take(&mut self.next);
    }

    /// They are not.
    pub(super) fn abort(&mut self) {
        self.next.clear();
    }

    pub(super) fn order(&mut self, orders: Vec<UpstreamOrder>) {
        self.orders = orders;
    }

    /// The groups that are served.
    pub(super) fn groups(&self) -> &[Arc<Group>] {
        &self.served
    }

    /// The names to look up.
    pub(super) fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::new();
        for group in self.served.iter().chain(&self.next) {
            for named in &group.named {
                let name = named.place.to_string();
                let (_, period) = wanted.entry(name).or_insert_with(|| (named.place.clone(), group.resolve));
                *period = group.resolve.min(*period);
            }
        }
        wanted
    }

    /// Names were looked up; tells those that lead elsewhere now, or nowhere. A name that is not found keeps its addresses:
    /// whoever looks it up may be what is broken.
    pub(super) fn find(&mut self, found: Found) -> Vec<String> {
        let mut news = Vec::new();
        for (name, addresses) in found {
            match addresses {
                Some(addresses) if self.found.get(&name) != Some(&addresses) => {
                    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                    news.push(format!("upstream server {name} is at {}", list.join(", ")));
                    self.found.insert(name, addresses);
                }
                Some(_) => {}
                None if self.found.contains_key(&name) => {
                    news.push(format!("upstream server {name} cannot be found now: it keeps its addresses"));
                }
                None => news.push(format!("upstream server {name} cannot be found: it gets no requests")),
            }
        }
        news
    }

    /// What the shards are told.
    pub(super) fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        for group in self.served.iter().chain(&self.next) {
            let of_group: &mut GroupChanges = changes.groups.entry(group.id).or_default();
            for named in &group.named {
                let name = named.place.to_string();
                if let Some(addresses) = self.found.get(&name) {
                    of_group.found.insert(name, addresses.clone());
                }
            }
            if !of_group.added.is_empty() || !of_group.orders.is_empty() {
                continue;
            }
            for UpstreamOrder { server, change, .. } in
                self.orders.iter().filter(|order| order.group == group.name)
            {
                match *change {
                    UpstreamChange::Add { weight, backup } => {
                        of_group.added.extend(added(server, weight, backup).map(Arc::new));
                    }
                    UpstreamChange::Drain => drop(of_group.orders.insert(server.clone(), Order::Drain)),
                    UpstreamChange::Remove => drop(of_group.orders.insert(server.clone(), Order::Remove)),
                }
            }
        }
        for ((group, address), _) in self.health.iter().filter(|(_, health)| health.is_down()) {
            if let Some(of_group) = changes.groups.get_mut(group) {
                of_group.down.insert(address.clone());
            }
        }
        changes
    }

    /// The servers whose health is looked at, each with its group.
    pub(super) fn patients(&self) -> Vec<(Arc<Group>, Arc<Server>)> {
        let changes = self.changes();
        let checked = self.served.iter().filter(|group| group.health.is_some());
        let of = |group: &Arc<Group>| {
            let group = Arc::clone(group);
            let members = changes.members(&group).into_iter();
            members.map(move |member| (Arc::clone(&group), member.server))
        };
        checked.flat_map(of).collect()
    }

    /// Forgets the health of whom nobody looks at any more.
    pub(super) fn keep_health(&mut self, of: &HashSet<(GroupId, Address)>) {
        self.health.retain(|key, _| of.contains(key));
    }

    /// A check has ended; tells when the server gets no more requests for it, or gets some again.
    pub(super) fn check(&mut self, group: &Group, server: &Server, checked: Checked) -> Option<Health> {
        let rule = group.health.as_ref()?;
        let health = self.health.entry((group.id, server.address.clone())).or_insert(Health::Unknown);
        let before = *health;
        *health = before.after(checked, rule);
        (before.is_down() != health.is_down()).then_some(*health)
    }
}

/// A server that was added by a command; none where its address is none.
fn added(name: &str, weight: u32, backup: bool) -> Option<Server> {
    let part = if backup { UpstreamPart::Backup } else { UpstreamPart::Regular };
    Some(Server { address: name.parse().ok()?, name: name.to_owned(), weight: weight.max(1), part })
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Source;
    use site::upstream::Member;

    fn groups(upstreams: &str) -> Vec<Arc<Group>> {
        let text = format!(r#"{{"hosts": {{"a": {{"root": "."}}}}, "upstreams": {upstreams}}}"#);
        let loaded = config::load(Some(Source { name: "a.conf".to_owned(), text }), &[]);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        let site = site::compile(&loaded.config, &loaded.registry);
        site.unwrap_or_else(|problems| panic!("{problems}")).groups().to_vec()
    }

    /// The servers of the only group that is served, each with its state.
    fn members(watch: &Watch) -> String {
        let members = watch.changes().members(&watch.served[0]);
        let told = |member: &Member| format!("{} {:?}", member.server.address, member.state);
        members.iter().map(told).collect::<Vec<_>>().join(", ")
    }

    fn order(server: &str, change: UpstreamChange) -> UpstreamOrder {
        UpstreamOrder { group: "app".to_owned(), server: server.to_owned(), change }
    }

    #[test]
    fn orders_names_and_health_come_together() {
        let app = groups(r#"{"app": {"servers": ["127.0.0.1:1", "app.example:2"], "health": {"fall": 2}}}"#);
        let mut watch = Watch::new(&app, Vec::new());
        assert_eq!(members(&watch), "127.0.0.1:1 Up");
        assert_eq!(watch.wanted().keys().map(String::as_str).collect::<Vec<_>>(), ["app.example:2"]);
        let found = |addresses: Option<&[&str]>| {
            let list = |list: &[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
            Found::from([("app.example:2".to_owned(), addresses.map(list))])
        };
        assert_eq!(
            watch.find(found(None)),
            ["upstream server app.example:2 cannot be found: it gets no requests"]
        );
        assert_eq!(
            watch.find(found(Some(&["192.0.2.1:2"]))),
            ["upstream server app.example:2 is at 192.0.2.1:2"]
        );
        assert_eq!(watch.find(found(Some(&["192.0.2.1:2"]))).len(), 0);
        let kept = "upstream server app.example:2 cannot be found now: it keeps its addresses";
        assert_eq!(watch.find(found(None)), [kept]);
        assert_eq!(members(&watch), "127.0.0.1:1 Up, 192.0.2.1:2 Up");
        watch.order(vec![
            order("127.0.0.1:1", UpstreamChange::Drain),
            order("127.0.0.1:3", UpstreamChange::Add { weight: 2, backup: false }),
            order("app.example:2", UpstreamChange::Remove),
            UpstreamOrder { group: "other".to_owned(), ..order("127.0.0.1:3", UpstreamChange::Drain) },
        ]);
        assert_eq!(members(&watch), "127.0.0.1:1 Drained, 127.0.0.1:3 Up");
        let server = |index: usize| Arc::clone(&watch.patients()[index].1);
        let (first, third) = (server(0), server(1));
        assert_eq!(watch.check(&app[0], &third, Checked::Failed), Some(Health::Down(0)));
        assert_eq!(watch.check(&app[0], &third, Checked::Failed), None);
        assert_eq!(watch.check(&app[0], &first, Checked::Passed), None);
        assert_eq!(members(&watch), "127.0.0.1:1 Drained, 127.0.0.1:3 Down");
        assert_eq!(watch.check(&app[0], &third, Checked::Passed), None);
        assert_eq!(watch.check(&app[0], &third, Checked::Passed), Some(Health::Up(0)));
        assert_eq!(members(&watch), "127.0.0.1:1 Drained, 127.0.0.1:3 Up");
    }

    #[test]
    fn what_may_be_served_next_is_looked_up_before() {
        let mut watch = Watch::new(&groups(r#"{"app": {"servers": ["127.0.0.1:1"]}}"#), Vec::new());
        assert!(watch.wanted().is_empty());
        let next = groups(r#"{"app": {"servers": ["app.example:2"]}, "b": {"servers": ["b.example:3"]}}"#);
        watch.prepare(&next);
        assert_eq!(watch.wanted().len(), 2);
        watch.abort();
        assert!(watch.wanted().is_empty());
        watch.prepare(&next);
        watch.find(Found::from([("app.example:2".to_owned(), Some(vec!["192.0.2.1:2".parse().unwrap()]))]));
        assert_eq!(members(&watch), "127.0.0.1:1 Up", "what is served stays");
        watch.commit();
        assert_eq!(members(&watch), "192.0.2.1:2 Up");
    }
}
