//! What is there for all is shared, whatever some of them do.

use super::*;

/// Bytes a second for all.
const TOTAL: u64 = 100_000;
const TIME: u64 = 20 * SECOND;

fn limits(total: u64, each: Option<Rate>) -> Shaping {
    let total = Quota { down: rate(total), up: rate(total), ..Quota::default() };
    let each = Quota { down: each, up: each, ..Quota::default() };
    shaping(&[(PLACE, config::Shaping { total, client: each, ..section() })])
}

/// So many others with so many connections each take what they get; one client with one connection has its share, in bytes
/// a second.
fn check_share((others, connections): (u8, usize), each: Option<Rate>, share: u64) {
    for direction in [Direction::Down, Direction::Up] {
        let mut shaper = Shaper::new(&limits(TOTAL, each));
        let mut floods: Vec<Downloader> = (0..others)
            .flat_map(|other| std::iter::repeat_n(customer(10 + other), connections))
            .map(|who| Downloader::of(&mut shaper, (0, who, direction)))
            .collect();
        let mut honest = Downloader::of(&mut shaper, (0, customer(1), direction));
        for now in (0..TIME).step_by(MS as usize) {
            floods.iter_mut().for_each(|flood| flood.run(&mut shaper, now));
            honest.run(&mut shaper, now);
        }
        let part = honest.taken as f64 / (share * TIME / SECOND) as f64;
        assert!(part > 0.9, "{others} with {connections} each, {direction:?}: {part} of its share");
        let all: u64 = floods.iter().map(|flood| flood.taken).sum::<u64>() + honest.taken;
        let part = all as f64 / (TOTAL * TIME / SECOND) as f64;
        assert!((0.95..1.05).contains(&part), "{others} with {connections} each, {direction:?}: {part}");
    }
}

#[test]
fn who_takes_all_it_can_leaves_others_their_share() {
    check_share((1, 60), rate(50_000), 50_000);
    check_share((1, 1), None, 50_000);
    check_share((1, 300), None, 50_000);
    check_share((5, 60), None, TOTAL / 6);
    check_share((5, 60), rate(80_000), TOTAL / 6);
    check_share((9, 3), rate(80_000), TOTAL / 10);
}

#[test]
fn what_the_limit_of_a_client_holds_back_is_charged_to_nobody_else() {
    let mut shaper = Shaper::new(&limits(TOTAL, rate(50_000)));
    for _ in 0..500 {
        // A connection brings as much as it can, and does not wait.
        let mut flood = Downloader::of(&mut shaper, (0, customer(2), Direction::Up));
        flood.run(&mut shaper, 0);
    }
    let total = &shaper.tracks[&ScopeId::of(PLACE)].total;
    assert!(total.seen.up <= 20_000, "no more than its burst: {}", total.seen.up);
    let mut honest = Downloader::of(&mut shaper, (0, customer(1), Direction::Up));
    honest.run(&mut shaper, 0);
    honest.run(&mut shaper, SECOND);
    assert!(honest.taken >= 12_500, "{}", honest.taken);
}

#[test]
fn no_line_is_longer_than_it_may_be() {
    let mut shaper = Shaper::new(&limits(10_000, None));
    let who = |number: u32| Customer {
        address: Some(std::net::Ipv4Addr::from(number).into()),
        user: None,
        doubt: None,
    };
    let mut turned_back = 0;
    for number in 0..1_000 {
        let (_, mut chain) = shaper.admit(0, place(), who(number));
        let mut piece = shaper.piece(0, &mut chain, Direction::Up, 100_000);
        match shaper.step(0, &mut chain, &mut piece) {
            Step::Through(_) => {}
            Step::Wait(ns, _) => assert!(ns < LINE_NS_MAX + SECOND, "{ns}"),
            Step::Full(_, by) => {
                assert_eq!((by.level, by.item), (Level::Total, Item::Up));
                turned_back += 1;
            }
        }
    }
    assert!((800..900).contains(&turned_back), "300 kB in pieces of 2 KiB fit: {turned_back}");
}

#[test]
fn who_would_wait_too_long_for_an_answer_is_refused() {
    let mut shaper = Shaper::new(&client(Quota { down: rate(10_000), ..Quota::default() }));
    let mut begun = Vec::new();
    let refusal = loop {
        assert!(begun.len() < 1_000, "nobody is refused");
        match shaper.admit(0, place(), customer(1)) {
            (Admission::Granted { .. }, mut chain) => {
                let mut piece = shaper.piece(0, &mut chain, Direction::Down, 100_000);
                shaper.step(0, &mut chain, &mut piece);
                begun.push((chain, piece));
            }
            (Admission::Refused(refusal), _) => break refusal,
            (Admission::Doubtful(doubt), _) => panic!("{doubt:?}"),
        }
    };
    assert_eq!((refusal.by.level, refusal.by.item, refusal.retry_seconds), (Level::Client, Item::Down, 1));
    assert!(begun.len() > 100, "{}", begun.len());
    assert!(matches!(admit(&mut shaper, 0, customer(2)), Admission::Granted { .. }), "another one");
    let (chain, piece) = &mut begun[100];
    shaper.give_back(chain, piece, piece.bytes);
    assert!(matches!(admit(&mut shaper, 0, customer(1)), Admission::Granted { .. }), "one has gone");
}

#[test]
fn a_report_that_could_not_be_handed_over_is_told_later() {
    let quota = Quota { concurrent: NonZeroU32::new(5), ..Quota::default() };
    let mut shaper = Shaper::new(&client(quota));
    let (_, mut chain) = shaper.admit(0, place(), customer(1));
    let lost = shaper.report(4096);
    shaper.put_back(&lost);
    assert!(shaper.has_news());
    assert_eq!(shaper.report(4096), lost);
    assert!(!shaper.has_news());
    // What has been added up meanwhile is told with it.
    shaper.put_back(&lost);
    shaper.end(&mut chain);
    let told = shaper.report(4096);
    assert!(told.iter().all(|told| (told.delta.requests, told.delta.running) == (1, 0)), "{told:?}");
    assert_eq!(told.len(), 2);
}
