//! Simulations: time is given, and what was used is added up.

use super::*;
use config::{Quota, Rate, ShapedBy};
use std::num::NonZeroU32;
use std::time::Duration;

mod doubt;
mod many;
mod sharing;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const PLACE: &str = "/hosts/a";

fn rate(amount: u64) -> Option<Rate> {
    Some(Rate { amount, per: Duration::from_secs(1) })
}

fn shaping(scopes: &[(&str, config::Shaping)]) -> Shaping {
    Shaping::of_scopes(scopes.iter().map(|(scope, section)| {
        Scope::new(Arc::new(config::Shaping { scope: (*scope).to_owned(), ..section.clone() }), Vec::new())
    }))
}

fn section() -> config::Shaping {
    config::Shaping {
        total: Quota::default(),
        client: Quota::default(),
        connection: Quota::default(),
        by: ShapedBy::Address,
        ipv4_bits: 32,
        ipv6_bits: 64,
        exempt: Vec::new(),
        dry_run: false,
        offence: false,
        scope: String::new(),
        pointer: String::new(),
    }
}

fn client(quota: Quota) -> Shaping {
    shaping(&[(PLACE, config::Shaping { client: quota, ..section() })])
}

fn customer(last: u8) -> Customer<'static> {
    Customer { address: Some([192, 0, 2, last].into()), user: None, doubt: None }
}

fn place() -> Option<ScopeId> {
    Some(ScopeId::of(PLACE))
}

fn admit(shaper: &mut Shaper, now: u64, who: Customer<'_>) -> Admission {
    let (admission, mut chain) = shaper.admit(now, place(), who);
    shaper.end(&mut chain);
    admission
}

/// A connection by which a client takes all it gets for a time: how much that was.
struct Downloader {
    chain: Chain,
    direction: Direction,
    piece: Option<Piece>,
    next: u64,
    taken: u64,
}

impl Downloader {
    fn new(shaper: &mut Shaper, now: u64, who: Customer<'_>) -> Downloader {
        Downloader::of(shaper, (now, who, Direction::Down))
    }

    fn of(shaper: &mut Shaper, (now, who, direction): (u64, Customer<'_>, Direction)) -> Downloader {
        let (_, chain) = shaper.admit(now, place(), who);
        Downloader { chain, direction, piece: None, next: now, taken: 0 }
    }

    fn run(&mut self, shaper: &mut Shaper, now: u64) {
        while self.next <= now {
            let (chain, direction) = (&mut self.chain, self.direction);
            let piece = self.piece.get_or_insert_with(|| shaper.piece(now, chain, direction, 2 << 20));
            match shaper.step(now, chain, piece) {
                Step::Through(_) => {
                    self.taken += piece.bytes;
                    self.piece = None;
                }
                // It was looked at each millisecond.
                Step::Wait(ns, _) | Step::Full(ns, _) => self.next = now + ns.max(1),
            }
        }
    }
}

/// Shards that tell each other what was used each 60 ms, heard 20 ms later.
fn exchange(shapers: &mut [Shaper], now: u64, post: &mut Vec<(u64, usize, Vec<Use>)>) {
    if now.is_multiple_of(60 * MS) {
        for (from, shaper) in shapers.iter_mut().enumerate() {
            post.push((now + 20 * MS, from, shaper.report(4096)));
        }
    }
    post.retain(|(due, from, uses)| {
        if *due <= now {
            let others = shapers.iter_mut().enumerate().filter(|(to, _)| to != from);
            others.for_each(|(_, shaper)| shaper.hear(now, uses));
        }
        now < *due
    });
}

/// A client with one connection on each of so many shards gets so much in ten seconds.
fn check_rate(shards: usize, bytes_a_second: u64, connections: usize) {
    let limits = client(Quota { down: rate(bytes_a_second), ..Quota::default() });
    let mut shapers: Vec<Shaper> = (0..shards).map(|_| Shaper::new(&limits)).collect();
    let mut clients: Vec<(usize, Downloader)> = (0..connections)
        .map(|number| (number % shards, Downloader::new(&mut shapers[number % shards], 0, customer(1))))
        .collect();
    let mut post = Vec::new();
    for now in (0..10 * SECOND).step_by(MS as usize) {
        exchange(&mut shapers, now, &mut post);
        for (shard, client) in &mut clients {
            client.run(&mut shapers[*shard], now);
        }
    }
    let taken: u64 = clients.iter().map(|(_, client)| client.taken).sum();
    let part = taken as f64 / (10 * bytes_a_second) as f64;
    // A burst of a quarter of a second is a fortieth; the last grants have not left yet.
    assert!((0.97..1.10).contains(&part), "{shards} shards, {bytes_a_second} B/s, {connections}: {part}");
    if connections >= 2 * shards {
        let (least, most) =
            (clients.iter().map(|(_, c)| c.taken).min(), clients.iter().map(|(_, c)| c.taken).max());
        assert!(most < least.map(|least| least * 3 / 2), "{least:?} {most:?}");
    }
}

#[test]
fn a_client_has_its_rate_once_on_any_number_of_shards() {
    for shards in [1, 2, 4] {
        for bytes_a_second in [100_000, 1_000_000, 50_000_000] {
            for connections in [shards, 4 * shards] {
                check_rate(shards, bytes_a_second, connections);
            }
        }
    }
}

#[test]
fn what_one_shard_does_not_use_another_one_has_at_once() {
    let limits = client(Quota { down: rate(1_000_000), ..Quota::default() });
    let mut shapers = [Shaper::new(&limits), Shaper::new(&limits)];
    let mut post = Vec::new();
    let mut first = Downloader::new(&mut shapers[0], 0, customer(1));
    let mut second = Downloader::new(&mut shapers[1], 0, customer(1));
    // Both for two seconds, then all on the first.
    let mut at_change = 0;
    for now in (0..4 * SECOND).step_by(MS as usize) {
        exchange(&mut shapers, now, &mut post);
        first.run(&mut shapers[0], now);
        if now < 2 * SECOND {
            second.run(&mut shapers[1], now);
        }
        if now == 2 * SECOND + 100 * MS {
            at_change = first.taken;
        }
    }
    let part = (first.taken - at_change) as f64 / 1_900_000.0;
    assert!((0.93..1.07).contains(&part), "{part}");
}

#[test]
fn requests_pass_in_bursts_and_then_by_the_rate() {
    let quota = Quota { requests: rate(10), requests_burst: Some(5), ..Quota::default() };
    let mut shaper = Shaper::new(&client(quota));
    let passed = |shaper: &mut Shaper, now, who| {
        (0..20).filter(|_| matches!(admit(shaper, now, who), Admission::Granted { wait: 0, .. })).count()
    };
    assert_eq!(passed(&mut shaper, SECOND, customer(1)), 5);
    assert_eq!(passed(&mut shaper, SECOND, customer(2)), 5, "each client by itself");
    assert_eq!(passed(&mut shaper, SECOND + 301 * MS, customer(1)), 3);
    assert_eq!(passed(&mut shaper, 10 * SECOND, customer(1)), 5);
    let Admission::Refused(refusal) = admit(&mut shaper, 10 * SECOND, customer(1)) else {
        panic!("too many")
    };
    assert_eq!(
        (refusal.retry_seconds, refusal.by.level, refusal.by.item),
        (1, Level::Client, Item::Requests)
    );
    assert_eq!(shaper.top(10)[1].seen.refused, 15 + 17 + 15 + 1);
}

#[test]
fn requests_wait_no_longer_than_is_allowed() {
    let quota = Quota {
        requests: rate(10),
        requests_burst: Some(1),
        delay: Duration::from_millis(350),
        ..Quota::default()
    };
    let mut shaper = Shaper::new(&client(quota));
    let waits: Vec<Option<u64>> = (0..6)
        .map(|_| match admit(&mut shaper, SECOND, customer(1)) {
            Admission::Granted { wait, .. } => Some(wait / MS),
            Admission::Refused(_) | Admission::Doubtful(_) => None,
        })
        .collect();
    assert_eq!(waits, [Some(0), Some(100), Some(200), Some(300), None, None]);
}

#[test]
fn requests_at_the_same_time_are_counted_on_all_shards() {
    let total = Quota { concurrent: NonZeroU32::new(3), ..Quota::default() };
    let each = Quota { concurrent: NonZeroU32::new(2), ..Quota::default() };
    let limits = shaping(&[(PLACE, config::Shaping { total, client: each, ..section() })]);
    let mut shapers = [Shaper::new(&limits), Shaper::new(&limits)];
    let (mut running, mut post) = (Vec::new(), Vec::new());
    let mut begin = |shapers: &mut [Shaper], shard: usize, who| {
        let (admission, chain) = shapers[shard].admit(0, place(), who);
        running.push((shard, chain));
        match admission {
            Admission::Granted { .. } => None,
            Admission::Refused(refusal) => Some(refusal.by.level),
            Admission::Doubtful(doubt) => Some(doubt.by.level),
        }
    };
    assert_eq!(begin(&mut shapers, 0, customer(1)), None);
    assert_eq!(begin(&mut shapers, 0, customer(1)), None);
    assert_eq!(begin(&mut shapers, 0, customer(1)), Some(Level::Client));
    for now in [0, 20 * MS] {
        exchange(&mut shapers, now, &mut post);
    }
    assert_eq!(begin(&mut shapers, 1, customer(1)), Some(Level::Client), "it was told");
    assert_eq!(begin(&mut shapers, 1, customer(2)), None);
    assert_eq!(begin(&mut shapers, 1, customer(3)), Some(Level::Total));
    for (shard, chain) in &mut running {
        shapers[*shard].end(chain);
    }
    for now in [60 * MS, 80 * MS] {
        exchange(&mut shapers, now, &mut post);
    }
    let running = |shaper: &Shaper| shaper.tracks[&ScopeId::of(PLACE)].total.running;
    assert!(shapers.iter().map(running).all(|held| held.here == 0 && held.elsewhere == 0));
}

#[test]
fn connections_are_counted_for_the_server() {
    let quota = Quota { connections: NonZeroU32::new(2), ..Quota::default() };
    let limits = shaping(&[("/server", config::Shaping { client: quota, ..section() })]);
    let mut shaper = Shaper::new(&limits);
    let address = customer(1).address;
    let enters = |shaper: &mut Shaper, address| match shaper.connect(0, address, None) {
        Entering::Granted(None) => true,
        Entering::Refused(Acted { item: Item::Connections, .. }) => false,
        other => panic!("{other:?}"),
    };
    assert!(enters(&mut shaper, address) && enters(&mut shaper, address) && !enters(&mut shaper, address));
    assert!(enters(&mut shaper, customer(2).address));
    shaper.disconnect(address);
    assert!(enters(&mut shaper, address));
    shaper.recount(0, [address, address, address].into_iter().flatten());
    shaper.disconnect(address);
    assert!(!enters(&mut shaper, address), "three less one is two");
}

#[test]
fn a_dry_run_refuses_and_delays_nobody() {
    let quota = Quota { requests: rate(1), down: rate(1_000), ..Quota::default() };
    let limits = shaping(&[(PLACE, config::Shaping { client: quota, dry_run: true, ..section() })]);
    let mut shaper = Shaper::new(&limits);
    assert_eq!(admit(&mut shaper, 0, customer(1)), Admission::Granted { wait: 0, by: None });
    let (admission, mut chain) = shaper.admit(0, place(), customer(1));
    let Admission::Granted { wait: 0, by: Some(Acted { dry: true, .. }) } = admission else {
        panic!("{admission:?}")
    };
    let mut piece = shaper.piece(0, &mut chain, Direction::Down, 1 << 20);
    let step = shaper.step(0, &mut chain, &mut piece);
    assert_eq!((piece.bytes, matches!(step, Step::Through(Some(_)))), (1 << 20, true));
    // What was too much is not remembered for ever.
    assert_eq!(admit(&mut shaper, SECOND + MS, customer(1)), Admission::Granted { wait: 0, by: None });
}

#[test]
fn the_tightest_limit_of_the_chain_holds() {
    for (server, place_total, each, own, wanted) in [
        (rate(1_000_000), None, None, None, 1_000_000),
        (rate(1_000_000), rate(500_000), None, None, 500_000),
        (rate(1_000_000), rate(500_000), rate(250_000), None, 250_000),
        (rate(1_000_000), rate(500_000), rate(250_000), rate(100_000), 100_000),
        (rate(100_000), rate(500_000), rate(250_000), rate(1_000_000), 100_000),
    ] {
        let quota = |down| Quota { down, ..Quota::default() };
        let limits = shaping(&[
            ("/server", config::Shaping { total: quota(server), ..section() }),
            (
                PLACE,
                config::Shaping {
                    total: quota(place_total),
                    client: quota(each),
                    connection: quota(own),
                    ..section()
                },
            ),
        ]);
        let mut shaper = Shaper::new(&limits);
        let mut downloader = Downloader::new(&mut shaper, 0, customer(1));
        for now in (0..10 * SECOND).step_by(MS as usize) {
            downloader.run(&mut shaper, now);
        }
        let part = downloader.taken as f64 / (10 * wanted) as f64;
        assert!((0.97..1.05).contains(&part), "{wanted}: {part}");
    }
}

#[test]
fn what_is_given_back_was_never_taken() {
    let mut shaper = Shaper::new(&client(Quota { down: rate(1_000), ..Quota::default() }));
    let (_, mut chain) = shaper.admit(0, place(), customer(1));
    let admitted = chain;
    let mut next = |shaper: &mut Shaper| {
        let mut piece = shaper.piece(0, &mut chain, Direction::Down, 100_000);
        let step = shaper.step(0, &mut chain, &mut piece);
        (step, piece)
    };
    assert_eq!(next(&mut shaper).0, Step::Through(None));
    let (step, piece) = next(&mut shaper);
    assert!(matches!(step, Step::Wait(SECOND.., _)), "{step:?}");
    shaper.give_back(&mut Chain { ..admitted }, &piece, piece.bytes);
    assert_eq!(next(&mut shaper).0, step);
}

#[test]
fn other_limits_do_not_forget_what_was_used() {
    let quota =
        |amount| client(Quota { requests: rate(amount), requests_burst: Some(2), ..Quota::default() });
    let mut shaper = Shaper::new(&quota(1));
    let passes = |shaper: &mut Shaper| matches!(admit(shaper, 0, customer(1)), Admission::Granted { .. });
    assert!(passes(&mut shaper) && passes(&mut shaper) && !passes(&mut shaper));
    shaper.adopt(0, &quota(1));
    assert!(!passes(&mut shaper));
    // Two are missing still: of five that may come at once, three are left.
    shaper.adopt(0, &client(Quota { requests: rate(1_000), requests_burst: Some(5), ..Quota::default() }));
    assert_eq!((0..9).filter(|_| passes(&mut shaper)).count(), 3);
    shaper.adopt(0, &Shaping::default());
    assert!(passes(&mut shaper), "nothing is limited any more");
}

#[test]
fn ten_thousand_clients_each_have_their_rate() {
    let mut shaper =
        Shaper::new(&client(Quota { requests: rate(10), requests_burst: Some(2), ..Quota::default() }));
    let who = |number: u32| Customer {
        address: Some(std::net::Ipv4Addr::from(number).into()),
        user: None,
        doubt: None,
    };
    let mut passed = 0;
    for _ in 0..4 {
        for number in 0..10_000 {
            passed += usize::from(matches!(admit(&mut shaper, 0, who(number)), Admission::Granted { .. }));
        }
    }
    // Where more fall into a set than it holds, some of those would be forgotten and have a burst again.
    assert!((20_000..20_020).contains(&passed), "{passed}");
    assert!((9_990..=10_000).contains(&shaper.tally().clients));
}

#[test]
fn a_request_that_is_led_on_is_held_to_limits_once_each() {
    let one = Quota { concurrent: NonZeroU32::new(1), ..Quota::default() };
    let limits = shaping(&[
        ("/server", config::Shaping { total: one.clone(), ..section() }),
        (PLACE, config::Shaping { client: one.clone(), ..section() }),
        ("/hosts/b", config::Shaping { client: one.clone(), ..section() }),
    ]);
    let elsewhere = Some(ScopeId::of("/hosts/b"));
    let mut shaper = Shaper::new(&limits);
    let free = Admission::Granted { wait: 0, by: None };
    let runs = |shaper: &Shaper, scope: &str| {
        shaper
            .top(9)
            .iter()
            .filter(|entry| entry.scope == ScopeId::of(scope))
            .map(|entry| entry.running)
            .max()
    };
    let (first, mut before) = shaper.admit(0, place(), customer(1));
    assert_eq!(first, free);
    // The server's only place is its own already.
    let (second, mut chain) = shaper.admit_onward(0, &mut before, elsewhere, customer(1));
    assert_eq!((second, before.is_running(), chain.is_running()), (free, false, true));
    assert_eq!(["/server", PLACE, "/hosts/b"].map(|scope| runs(&shaper, scope)), [Some(1), Some(0), Some(1)]);
    let (third, _) = shaper.admit(0, place(), customer(2));
    assert!(matches!(third, Admission::Refused(_)), "the server is full");
    shaper.end(&mut chain);
    assert_eq!(["/server", PLACE, "/hosts/b"].map(|scope| runs(&shaper, scope)), [Some(0); 3]);
}

#[test]
fn a_request_that_is_refused_where_it_is_led_runs_nowhere() {
    let one = Quota { concurrent: NonZeroU32::new(1), ..Quota::default() };
    let limits = shaping(&[
        (PLACE, config::Shaping { client: one.clone(), ..section() }),
        ("/hosts/b", config::Shaping { client: one.clone(), ..section() }),
    ]);
    let elsewhere = Some(ScopeId::of("/hosts/b"));
    let mut shaper = Shaper::new(&limits);
    let (_, mut there) = shaper.admit(0, elsewhere, customer(1));
    let (_, mut before) = shaper.admit(0, place(), customer(1));
    let (led, chain) = shaper.admit_onward(0, &mut before, elsewhere, customer(1));
    assert!(matches!(led, Admission::Refused(_)));
    assert!(!before.is_running() && !chain.is_running());
    assert!(matches!(admit(&mut shaper, 0, customer(1)), Admission::Granted { .. }), "its old place is free");
    shaper.end(&mut there);
    assert!(shaper.top(9).iter().all(|entry| entry.running == 0));
}
