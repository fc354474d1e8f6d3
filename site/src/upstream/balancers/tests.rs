//! Simulations: a group, a stretch of time, and who got what.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt::Write as _;

use config::{Override, Source};
use proto_http::{Head, HeadParser, Limits};

use super::super::{GroupChanges, Order};
use super::*;

const SECRET: u64 = 0x5eed;
const SECOND: u64 = 1_000_000_000;

/// A group with these keys, as JSON.
fn group(keys: &[&str]) -> Arc<Group> {
    let text = r#"{"hosts": {"a": {"proxy": "app"}}, "upstreams": {"app": {"servers": ["127.0.0.1:1"]}}}"#;
    let source = Source { name: "a.conf".to_owned(), text: text.to_owned() };
    let set = |key: &&str| Override::set(&format!("/upstreams/app/{key}")).unwrap();
    let overrides: Vec<Override> = keys.iter().map(set).collect();
    let loaded = config::load(Some(source), &overrides).unwrap_or_else(|problems| panic!("{problems}"));
    let site =
        crate::compile(&loaded.config, &loaded.registry).unwrap_or_else(|problems| panic!("{problems}"));
    Arc::clone(&site.groups()[0])
}

/// The key of servers at these ports, each with its weight.
fn servers(weights: &[(u16, u32)]) -> String {
    let list = weights
        .iter()
        .map(|(port, weight)| format!(r#"{{"address": "127.0.0.1:{port}", "weight": {weight}}}"#))
        .collect::<Vec<_>>();
    format!("servers=[{}]", list.join(", "))
}

/// Whether requests stay open.
#[derive(Clone, Copy, PartialEq)]
enum Stay {
    Open,
    Short,
}

/// One shard with one group.
struct Shard {
    balancers: Balancers,
    group: Arc<Group>,
    now: u64,
}

impl Shard {
    fn new(keys: &[&str]) -> Shard {
        let (mut balancers, group) = (Balancers::new(7, SECRET), group(keys));
        balancers.renew(std::slice::from_ref(&group), 0);
        // All begin with the first one.
        for candidate in balancers.groups.values_mut().flat_map(|balancer| &mut balancer.candidates) {
            candidate.credit = Credit::default();
        }
        Shard { balancers, group, now: 0 }
    }

    fn choose(&mut self, fields: &str, tried: &[Seat]) -> Option<Seat> {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut head = Head::default();
        HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
        let client = Some("192.0.2.7".parse().unwrap());
        let visit = Visit { request: head.view(text.as_bytes()), client, tried };
        self.balancers.choose(&self.group, &visit, self.now)
    }

    fn port(&self, seat: Seat) -> u16 {
        let name = &self.balancers.server(seat).expect("a server with a request").name;
        name.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Who gets a request that has those fields and goes as told; 0 is nobody.
    fn request(&mut self, fields: &str, outcome: Outcome) -> u16 {
        let Some(seat) = self.choose(fields, &[]) else { return 0 };
        let port = self.port(seat);
        self.balancers.ended(seat, outcome, self.now);
        port
    }

    /// How many requests each port gets of so many.
    fn shares(&mut self, count: usize, stay: Stay) -> BTreeMap<u16, usize> {
        let mut shares = BTreeMap::new();
        for _ in 0..count {
            let seat = self.choose("", &[]).expect("a server");
            *shares.entry(self.port(seat)).or_default() += 1;
            if stay == Stay::Short {
                self.balancers.ended(seat, Outcome::Answered, self.now);
            }
        }
        shares
    }

    /// The ports that get so many requests, one after the other.
    fn turns(&mut self, count: usize) -> String {
        let mut turns = String::new();
        for _ in 0..count {
            let port = self.request("", Outcome::Answered);
            write!(turns, "{port}").unwrap();
        }
        turns
    }

    /// Goes over to changes of its group.
    fn change(&mut self, changes: GroupChanges) {
        let changes = Changes { groups: HashMap::from([(self.group.id, changes)]) };
        self.balancers.change(Arc::new(changes), self.now);
    }
}

fn check(balance: &str, weights: &[(u16, u32)], stay: Stay, tolerance: f64) {
    let mut shard = Shard::new(&[&servers(weights), &format!("balance=\"{balance}\"")]);
    let (count, total) = (6000, weights.iter().map(|(_, weight)| weight).sum::<u32>());
    let shares = shard.shares(count, stay);
    for (port, weight) in weights {
        let wanted = count as f64 * f64::from(*weight) / f64::from(total);
        let found = shares.get(port).copied().unwrap_or_default() as f64;
        assert!((found / wanted - 1.0).abs() <= tolerance, "{balance} {weights:?}: {shares:?}");
    }
}

#[test]
fn each_rule_shares_by_weight() {
    let even = [(1, 1), (2, 1), (3, 1)];
    let uneven = [(1, 1), (2, 2), (3, 3)];
    let lopsided = [(1, 1), (2, 5)];
    for weights in [&even[..], &uneven, &lopsided, &even[..1]] {
        for stay in [Stay::Open, Stay::Short] {
            check("round_robin", weights, stay, 0.0);
            check("least_connections", weights, stay, 0.01);
        }
        // Requests without what is looked at take turns.
        check("hash cookie id", weights, Stay::Short, 0.0);
        check("random_two", weights, Stay::Open, 0.02);
    }
    check("random_two", &even, Stay::Short, 0.06);
}

#[test]
fn turns_are_spread_and_skip_who_was_tried() {
    let list = r#"servers=["127.0.0.1:1", {"address": "127.0.0.1:2", "weight": 2},
        {"address": "127.0.0.1:3", "backup": true}]"#;
    let mut shard = Shard::new(&[list]);
    assert_eq!(shard.turns(6), "212212");
    let mut tried = Vec::new();
    let mut ports = String::new();
    while let Some(seat) = shard.choose("", &tried) {
        write!(ports, "{}", shard.port(seat)).unwrap();
        tried.push(seat);
    }
    assert_eq!(ports, "213", "the backup is last");
}

#[test]
fn the_least_busy_server_gets_the_request() {
    for balance in ["least_connections", "random_two"] {
        let mut shard = Shard::new(&[&servers(&[(1, 1), (2, 1)]), &format!("balance=\"{balance}\"")]);
        let held: Vec<Seat> = (0..100).map(|_| shard.choose("", &[]).unwrap()).collect();
        let of_one: Vec<Seat> = held.into_iter().filter(|seat| shard.port(*seat) == 1).collect();
        assert_eq!(of_one.len(), 50, "{balance}");
        for seat in of_one {
            shard.balancers.ended(seat, Outcome::Answered, 0);
        }
        assert_eq!(shard.shares(50, Stay::Open), BTreeMap::from([(1, 50)]), "{balance}");
        assert_eq!(shard.shares(100, Stay::Open), BTreeMap::from([(1, 50), (2, 50)]), "{balance}");
    }
}

/// Who has each of some users.
fn owners(shard: &mut Shard, field: impl Fn(usize) -> String) -> Vec<u16> {
    (0..2000).map(|user| shard.request(&field(user), Outcome::Answered)).collect()
}

#[test]
fn a_hash_keeps_users_where_they_are() {
    let ports = [(1, 1), (2, 1), (3, 1), (4, 1)];
    for (balance, field) in [
        ("hash header X-User", (|user| format!("x-user: {user}\r\n")) as fn(usize) -> String),
        ("hash cookie id", |user| format!("Cookie: a=1; id={user}\r\n")),
    ] {
        let mut shard = Shard::new(&[&servers(&ports), &format!("balance=\"{balance}\"")]);
        let before = owners(&mut shard, field);
        assert_eq!(owners(&mut shard, field), before, "{balance}");
        let other = &mut Shard::new(&[&servers(&ports), &format!("balance=\"{balance}\"")]);
        assert_eq!(owners(other, field), before, "another shard: {balance}");
        // One that goes gives away its own, and gets just them again.
        let down =
            GroupChanges { down: [shard.group.servers[1].address.clone()].into(), ..Default::default() };
        shard.change(down);
        let meanwhile = owners(&mut shard, field);
        for (before, meanwhile) in before.iter().zip(&meanwhile) {
            assert!(*meanwhile != 2 && (*before == 2 || before == meanwhile), "{balance}");
        }
        shard.change(GroupChanges::default());
        assert_eq!(owners(&mut shard, field), before, "{balance}");
        // One that comes takes about a fifth, and from all.
        let more = [&ports[..], &[(5, 1)]].concat();
        shard.group = group(&[&servers(&more), &format!("balance=\"{balance}\"")]);
        shard.balancers.renew(std::slice::from_ref(&shard.group), 0);
        let after = owners(&mut shard, field);
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
        assert!(moved.clone().all(|(_, after)| *after == 5), "{balance}");
        assert!((300..500).contains(&moved.count()), "{balance}");
    }
    let mut shard = Shard::new(&[&servers(&ports), "balance=\"hash address\""]);
    assert_eq!(shard.shares(100, Stay::Short).len(), 1, "one client");
}

#[test]
fn who_fails_is_out_for_a_growing_time_and_never_are_all() {
    let keys =
        [&servers(&[(1, 1), (2, 1), (3, 1)]), r#"eject={"failures": 2, "duration": "10s", "panic": 50}"#];
    let mut shard = Shard::new(&keys);
    let fail = |shard: &mut Shard, ports: &[u16]| {
        let mut ejected = Vec::new();
        let mut tried = Vec::new();
        while let Some(seat) = shard.choose("", &tried) {
            tried.push(seat);
            let fails = ports.contains(&shard.port(seat));
            let outcome = if fails { Outcome::Failed } else { Outcome::Unknown };
            let out = shard.balancers.ended(seat, outcome, shard.now);
            ejected.extend(out.map(|out| (out.server.name.clone(), out.duration / SECOND)));
        }
        ejected
    };
    assert_eq!(fail(&mut shard, &[2]), []);
    assert_eq!(fail(&mut shard, &[2]), [("127.0.0.1:2".to_owned(), 10)]);
    assert_eq!(shard.shares(100, Stay::Short), BTreeMap::from([(1, 50), (3, 50)]));
    shard.now += 10 * SECOND;
    assert_eq!(shard.shares(99, Stay::Short).len(), 3);
    assert_eq!(fail(&mut shard, &[2]), [("127.0.0.1:2".to_owned(), 20)], "just back");
    // With another one out a third is left, which is less than half: all get requests.
    let before = shard.now;
    fail(&mut shard, &[3]);
    assert_eq!(fail(&mut shard, &[3]), [("127.0.0.1:3".to_owned(), 10)]);
    assert_eq!(shard.shares(99, Stay::Short).len(), 3);
    fail(&mut shard, &[1]);
    fail(&mut shard, &[1]);
    assert_eq!(shard.shares(99, Stay::Short).len(), 3, "all are out");
    shard.now = before + 19 * SECOND;
    assert_eq!(shard.shares(100, Stay::Short), BTreeMap::from([(1, 50), (3, 50)]));
}

#[test]
fn a_backup_is_better_than_a_server_that_fails() {
    let list = r#"servers=["127.0.0.1:1", {"address": "127.0.0.1:2", "backup": true}]"#;
    let mut shard = Shard::new(&[list, r#"eject={"failures": 1}"#]);
    assert_eq!(shard.turns(3), "111");
    shard.request("", Outcome::Failed);
    assert_eq!(shard.turns(3), "222");
    shard.request("", Outcome::Failed);
    assert_eq!(shard.turns(3), "111", "both are out");
    shard.now += 10 * SECOND;
    assert_eq!(shard.turns(3), "111");
    let mut never = Shard::new(&[list, r#"eject={"failures": 0}"#]);
    for _ in 0..200 {
        assert_eq!(never.request("", Outcome::Failed), 1);
    }
}

#[test]
fn who_comes_back_is_warmed_up() {
    for balance in ["round_robin", "random_two"] {
        let keys = [&servers(&[(1, 1), (2, 1)]), "slow_start=\"10s\"", &format!("balance=\"{balance}\"")];
        let mut shard = Shard::new(&keys);
        let share = |shard: &mut Shard, seconds: u64| {
            shard.now = seconds * SECOND;
            shard.shares(10_000, Stay::Short).get(&2).copied().unwrap_or_default() / 100
        };
        assert!((48..=51).contains(&share(&mut shard, 0)), "{balance}: all are new");
        let down = [shard.group.servers[1].address.clone()].into();
        shard.change(GroupChanges { down, ..Default::default() });
        assert_eq!(share(&mut shard, 100), 0, "{balance}");
        shard.change(GroupChanges::default());
        if balance == "random_two" {
            // Both are drawn each time; which of two idle ones gets it, the first draw decides.
            assert!(share(&mut shard, 101) < 15);
            assert!((28..=38).contains(&share(&mut shard, 105)));
        } else {
            for (seconds, wanted) in [(100, 0), (101, 9), (105, 33), (109, 47), (110, 50), (111, 50)] {
                assert_eq!(share(&mut shard, seconds), wanted, "{balance} after {seconds} s");
            }
        }
    }
    let mut shard =
        Shard::new(&[&servers(&[(1, 1), (2, 1)]), "slow_start=\"10s\"", "eject={\"failures\": 1}"]);
    while shard.request("", Outcome::Failed) != 2 {}
    shard.now = 21 * SECOND;
    assert_eq!(shard.shares(1000, Stay::Short).get(&2), Some(&500), "both came back together");
}

#[test]
fn changes_hold_over_the_configuration() {
    let mut shard = Shard::new(&[&servers(&[(1, 1), (2, 1), (3, 1)])]);
    let added = |port: u16| {
        let name = format!("127.0.0.1:{port}");
        Arc::new(Server { address: name.parse().unwrap(), name, weight: 1, part: UpstreamPart::Regular })
    };
    let name = |port: u16| format!("127.0.0.1:{port}");
    let change = |shard: &mut Shard, changes: GroupChanges| -> Vec<u16> {
        shard.change(changes);
        shard.shares(120, Stay::Short).into_keys().collect()
    };
    let none = GroupChanges::default;
    let drain = GroupChanges { orders: [(name(1), Order::Drain)].into(), ..none() };
    assert_eq!(change(&mut shard, drain), [2, 3]);
    let remove =
        GroupChanges { orders: [(name(2), Order::Remove), (name(9), Order::Remove)].into(), ..none() };
    assert_eq!(change(&mut shard, remove), [1, 3]);
    let add = GroupChanges { added: vec![added(4), added(1)], ..none() };
    assert_eq!(change(&mut shard, add), [1, 2, 3, 4]);
    let both = GroupChanges {
        added: vec![added(4)],
        orders: [(name(4), Order::Drain), (name(1), Order::Drain)].into(),
        down: [name(2).parse().unwrap()].into(),
        ..none()
    };
    assert_eq!(change(&mut shard, both), [3]);
    let all = GroupChanges { down: [1, 2, 3].map(|port| name(port).parse().unwrap()).into(), ..none() };
    shard.change(all);
    assert_eq!(shard.request("", Outcome::Answered), 0, "nobody is left");
    assert_eq!(change(&mut shard, none()), [1, 2, 3]);
}

#[test]
fn a_client_comes_to_the_same_server_again() {
    let keys = [&servers(&[(1, 1), (2, 1), (3, 1)]), "sticky=\"server\""];
    let mut shard = Shard::new(&keys);
    let cookie = |shard: &Shard, seat: Seat, fields: &str, security| {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut head = Head::default();
        HeadParser::default().parse(text.as_bytes(), &Limits::default(), &mut head).expect("a head");
        let mut lines = Vec::new();
        shard.balancers.stick(seat, (&shard.group, &head.view(text.as_bytes())), security, &mut lines);
        String::from_utf8(lines).unwrap()
    };
    let seat = shard.choose("", &[]).unwrap();
    assert_eq!(shard.port(seat), 1);
    let set = cookie(&shard, seat, "", Security::Plain);
    let value = set.strip_prefix("Set-Cookie: server=").and_then(|rest| rest.split(';').next()).unwrap();
    assert_eq!(set, format!("Set-Cookie: server={value}; Path=/; HttpOnly; SameSite=Lax\r\n"));
    assert!(value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit()), "{value}");
    let host = crate::Identity::of(&config::HostName::Exact("a".to_owned()));
    let tls = Security::Tls { host, client: crate::Client::Unknown };
    assert!(cookie(&shard, seat, "", tls).ends_with("; SameSite=Lax; Secure\r\n"));
    let sent = format!("Cookie: a=b; server={value}\r\n");
    for _ in 0..10 {
        assert_eq!(shard.request(&sent, Outcome::Answered), 1);
    }
    assert_eq!(cookie(&shard, seat, &sent, Security::Plain), "", "it has the cookie");
    // Another shard knows it, a server with another secret does not.
    let mut other = Shard::new(&keys);
    other.turns(1);
    assert_eq!(other.request(&sent, Outcome::Answered), 1);
    let mut stranger = Shard { balancers: Balancers::new(7, SECRET + 1), group: other.group, now: 0 };
    stranger.balancers.renew(std::slice::from_ref(&stranger.group), 0);
    let ports: std::collections::BTreeSet<u16> =
        (0..3).map(|_| stranger.request(&sent, Outcome::Answered)).collect();
    assert_eq!(ports.len(), 3);
    // A server that cannot be used gives its clients away, and they are told.
    let drained = [("127.0.0.1:1".to_owned(), Order::Drain)].into();
    shard.change(GroupChanges { orders: drained, ..Default::default() });
    let seat = shard.choose(&sent, &[]).unwrap();
    assert_ne!(shard.port(seat), 1);
    assert!(cookie(&shard, seat, &sent, Security::Plain).starts_with("Set-Cookie: server="));
    for made_up in ["Cookie: server=\r\n", "Cookie: server=127.0.0.1:1\r\n"] {
        assert_ne!(shard.request(made_up, Outcome::Answered), 1);
    }
}

#[test]
fn each_address_of_a_name_is_a_server() {
    let mut shard = Shard::new(&[r#"servers=["127.0.0.1:1", {"address": "app.example:2", "weight": 2}]"#]);
    assert_eq!(shard.shares(10, Stay::Short), BTreeMap::from([(1, 10)]), "it is not known where it is");
    let places = |shard: &mut Shard, addresses: &[&str]| -> Vec<(String, u32)> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        shard.change(GroupChanges {
            found: [("app.example:2".to_owned(), addresses)].into(),
            ..Default::default()
        });
        let candidates = shard.balancers.groups[&shard.group.id].candidates.iter();
        let server = |one: &Candidate| Arc::clone(&shard.balancers.seats.get(one.seat).unwrap().server);
        candidates.map(server).map(|server| (server.address.to_string(), server.weight)).collect()
    };
    let at = |address: &str, weight| (address.to_owned(), weight);
    let first = at("127.0.0.1:1", 1);
    assert_eq!(
        places(&mut shard, &["192.0.2.1:2", "[2001:db8::1]:2"]),
        [first.clone(), at("192.0.2.1:2", 2), at("[2001:db8::1]:2", 2)]
    );
    assert_eq!(places(&mut shard, &["192.0.2.3:2"]), [first, at("192.0.2.3:2", 2)]);
    assert_eq!(shard.shares(30, Stay::Short), BTreeMap::from([(1, 10), (2, 20)]));
}

#[test]
fn a_reload_keeps_what_is_known_and_ends_what_is_gone() {
    let mut shard = Shard::new(&[&servers(&[(1, 1), (2, 1)])]);
    let seats: Vec<Seat> = (0..2).map(|_| shard.choose("", &[]).unwrap()).collect();
    assert_eq!(seats.iter().map(|seat| shard.port(*seat)).collect::<Vec<_>>(), [1, 2]);
    shard.balancers.ended(seats[1], Outcome::Answered, 0);
    let after = group(&[&servers(&[(3, 1), (2, 3)])]);
    shard.balancers.renew(std::slice::from_ref(&after), 0);
    assert_eq!(shard.balancers.groups[&after.id].candidates[1].seat, seats[1]);
    assert_eq!(seats.iter().map(|&seat| shard.balancers.keeps(seat)).collect::<Vec<_>>(), [false, true]);
    assert_eq!(shard.port(seats[0]), 1, "it has a request");
    shard.balancers.ended(seats[0], Outcome::Failed, 0);
    assert!(shard.balancers.server(seats[0]).is_none());
    // Whoever has the place now is another one.
    shard.balancers.renew(&[group(&[&servers(&[(2, 1), (4, 1), (5, 1)])])], 0);
    assert!(shard.balancers.server(seats[0]).is_none() && !shard.balancers.keeps(seats[0]));
    shard.balancers.renew(&[], 0);
    assert_eq!(shard.request("", Outcome::Answered), 0);
}

#[test]
fn shards_begin_with_different_servers() {
    let group = group(&[&servers(&[(1, 1), (2, 1), (3, 1), (4, 1)])]);
    let first = |seed: u64| {
        let mut balancers = Balancers::new(seed, SECRET);
        balancers.renew(std::slice::from_ref(&group), 0);
        let mut shard = Shard { balancers, group: Arc::clone(&group), now: 0 };
        shard.request("", Outcome::Answered)
    };
    let firsts: std::collections::BTreeSet<u16> = (0..32).map(|seed| first(seed * SECOND)).collect();
    assert_eq!(firsts.len(), 4);
}
