//! Which server of a group gets a request, as one shard sees it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use config::UpstreamPart;
use foldhash::fast::FixedState;
use proto_http::Request;

use super::rotation::{self, Credit};
use super::seats::{Seat, Seats};
use super::{Group, GroupId, Server};

/// What a shard knows of all groups.
#[derive(Debug, Default)]
pub struct Balancers {
    groups: HashMap<GroupId, Vec<Candidate>, FixedState>,
    seats: Seats,
}

/// A server of a group.
#[derive(Debug)]
struct Candidate {
    seat: Seat,
    weight: u32,
    part: UpstreamPart,
    credit: Credit,
}

/// A request that looks for a server.
#[derive(Clone, Copy)]
pub struct Visit<'r> {
    /// The request.
    pub request: Request<'r>,
    /// Whom it is from; none when the client has no IP address.
    pub client: Option<IpAddr>,
    /// Servers that have failed it already, and do not get it again.
    pub tried: &'r [Seat],
}

/// How a request went at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has answered.
    Answered,
    /// It could not be reached, or did not answer as it should.
    Failed,
    /// Nothing can be said: the client went away, for example.
    Unknown,
}

impl Balancers {
    /// Goes over to the groups of another configuration. What is known of a server stays, as long as its group has one at
    /// its address.
    pub fn renew(&mut self, groups: &[Arc<Group>]) {
        let mut before = std::mem::take(&mut self.groups);
        for group in groups {
            let known = before.remove(&group.id).unwrap_or_default();
            let candidates = self.renew_group(group, known);
            self.groups.insert(group.id, candidates);
        }
        for candidate in before.into_values().flatten() {
            self.seats.strike(candidate.seat);
        }
    }

    fn renew_group(&mut self, group: &Group, mut known: Vec<Candidate>) -> Vec<Candidate> {
        let mut candidates = Vec::with_capacity(group.servers.len());
        for server in &group.servers {
            let same = |candidate: &Candidate| {
                self.seats.get(candidate.seat).is_some_and(|seated| seated.server.address == server.address)
            };
            let (seat, credit) = match known.iter().position(same) {
                Some(at) => {
                    let candidate = known.swap_remove(at);
                    self.seats.describe(candidate.seat, server);
                    (candidate.seat, candidate.credit)
                }
                None => (self.seats.take(Arc::clone(server)), Credit::default()),
            };
            candidates.push(Candidate { seat, weight: server.weight, part: server.part, credit });
        }
        for candidate in known {
            self.seats.strike(candidate.seat);
        }
        candidates
    }

    /// The server that gets the request, which counts as one of its own until [`Balancers::ended`]; none when no server
    /// can be used. `now` is monotonic, in nanoseconds.
    pub fn choose(&mut self, group: &Group, visit: &Visit<'_>, _now: u64) -> Option<Seat> {
        let candidates = self.groups.get_mut(&group.id)?;
        let parts = [UpstreamPart::Regular, UpstreamPart::Backup];
        let seat = parts.into_iter().find_map(|part| {
            let turns = candidates.iter_mut().map(|candidate| {
                let usable = candidate.part == part && !visit.tried.contains(&candidate.seat);
                (if usable { candidate.weight } else { 0 }, &mut candidate.credit)
            });
            rotation::next(turns).map(|index| candidates[index].seat)
        })?;
        self.seats.begin(seat);
        Some(seat)
    }

    /// The request that [`Balancers::choose`] gave to this server has ended there, or was never sent.
    pub fn ended(&mut self, seat: Seat, _outcome: Outcome, _now: u64) {
        self.seats.end(seat);
    }

    /// The server; none when it is gone, which none is that has a request.
    #[must_use]
    pub fn server(&self, seat: Seat) -> Option<&Arc<Server>> {
        self.seats.get(seat).map(|seated| &seated.server)
    }

    /// Whether connections to the server are worth keeping.
    #[must_use]
    pub fn keeps(&self, seat: Seat) -> bool {
        self.seats.is_listed(seat)
    }
}

#[cfg(test)]
mod tests {
    use config::{Override, Source};
    use proto_http::{Head, HeadParser, Limits};

    use super::*;

    /// Balancers of a group of such servers, and the group.
    fn balancers(servers: &str) -> (Balancers, Arc<Group>) {
        let mut balancers = Balancers::default();
        let group = group(servers);
        balancers.renew(std::slice::from_ref(&group));
        (balancers, group)
    }

    fn group(servers: &str) -> Arc<Group> {
        let text =
            r#"{"hosts": {"a": {"proxy": "app"}}, "upstreams": {"app": {"servers": ["127.0.0.1:1"]}}}"#;
        let source = Source { name: "a.conf".to_owned(), text: text.to_owned() };
        let set = Override::set(&format!("/upstreams/app/servers={servers}")).unwrap();
        let loaded = config::load(Some(source), &[set]).unwrap_or_else(|problems| panic!("{problems}"));
        let site =
            crate::compile(&loaded.config, &loaded.registry).unwrap_or_else(|problems| panic!("{problems}"));
        Arc::clone(&site.groups()[0])
    }

    /// The ports of the servers that get as many requests.
    fn ports(balancers: &mut Balancers, group: &Group, tried: &[Seat], count: usize) -> String {
        let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut head = Head::default();
        HeadParser::default().parse(text, &Limits::default(), &mut head).expect("a head");
        let visit = Visit { request: head.view(text), client: None, tried };
        let mut ports = String::new();
        for _ in 0..count {
            match balancers.choose(group, &visit, 0) {
                Some(seat) => {
                    let name = &balancers.server(seat).expect("a server with a request").name;
                    ports.push_str(name.rsplit(':').next().unwrap());
                    balancers.ended(seat, Outcome::Answered, 0);
                }
                None => ports.push('-'),
            }
        }
        ports
    }

    #[test]
    fn regular_servers_have_turns_and_backups_only_without_them() {
        let servers = r#"["127.0.0.1:1", {"address": "127.0.0.1:2", "weight": 2},
            {"address": "127.0.0.1:3", "backup": true}]"#;
        let (mut balancers, group) = balancers(servers);
        let seats: Vec<Seat> = balancers.groups[&group.id].iter().map(|candidate| candidate.seat).collect();
        for (tried, wanted) in
            [(&seats[..0], "212212"), (&seats[..1], "2222"), (&seats[..2], "3333"), (&seats[..], "-")]
        {
            assert_eq!(ports(&mut balancers, &group, tried, wanted.len()), wanted, "{}", tried.len());
        }
    }

    #[test]
    fn a_change_keeps_what_is_known_and_ends_what_is_gone() {
        let (mut balancers, before) = balancers(r#"["127.0.0.1:1", "127.0.0.1:2"]"#);
        let seats: Vec<Seat> = balancers.groups[&before.id].iter().map(|candidate| candidate.seat).collect();
        balancers.seats.begin(seats[0]);
        let after = group(r#"["127.0.0.1:3", {"address": "127.0.0.1:2", "weight": 3}]"#);
        balancers.renew(std::slice::from_ref(&after));
        assert_eq!(balancers.groups[&after.id][1].seat, seats[1]);
        assert_eq!(seats.iter().map(|&seat| balancers.keeps(seat)).collect::<Vec<_>>(), [false, true]);
        assert!(balancers.server(seats[0]).is_some(), "it has a request");
        balancers.ended(seats[0], Outcome::Unknown, 0);
        assert!(balancers.server(seats[0]).is_none());
        // Whoever has the place now is another one.
        balancers.renew(&[group(r#"["127.0.0.1:2", "127.0.0.1:4", "127.0.0.1:5"]"#)]);
        assert!(balancers.server(seats[0]).is_none() && !balancers.keeps(seats[0]));
        balancers.renew(&[]);
        assert_eq!(ports(&mut balancers, &after, &[], 1), "-");
    }
}
