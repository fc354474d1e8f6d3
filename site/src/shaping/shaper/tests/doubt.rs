//! Counts of what is under way where others have told of it some time ago.

use super::*;

const LIMIT: u32 = 3;

fn limits(level: Level) -> Shaping {
    let most = Quota { concurrent: NonZeroU32::new(LIMIT), ..Quota::default() };
    match level {
        Level::Total => shaping(&[(PLACE, config::Shaping { total: most, ..section() })]),
        _ => client(most),
    }
}

fn ask(shaper: &mut Shaper, now: u64, doubt: Option<Doubt>) -> (Admission, Chain) {
    shaper.admit(now, place(), Customer { doubt, ..customer(1) })
}

fn doubt(asked: (Admission, Chain)) -> Doubt {
    let Admission::Doubtful(doubt) = asked.0 else { panic!("{:?}", asked.0) };
    doubt
}

fn tell(from: &mut Shaper, to: &mut Shaper) {
    to.hear(0, &from.report(4096));
}

/// Two shards of which the second has been told that the first has all that there may be; and what runs there.
fn full(level: Level) -> ([Shaper; 2], Vec<Chain>) {
    let limits = limits(level);
    let mut shapers = [Shaper::new(&limits), Shaper::new(&limits)];
    let running = (0..LIMIT).map(|_| ask(&mut shapers[0], 0, None).1).collect();
    let [first, second] = &mut shapers;
    tell(first, second);
    (shapers, running)
}

#[test]
fn what_has_ended_on_another_shard_refuses_nobody() {
    for level in [Level::Client, Level::Total] {
        let ([mut first, mut second], mut running) = full(level);
        running.iter_mut().for_each(|chain| first.end(chain));
        let waits = doubt(ask(&mut second, 0, None));
        assert_eq!((waits.by.level, waits.by.item), (level, Item::Concurrent));
        let waits = doubt(ask(&mut second, Doubt::LOOK_NS, Some(waits)));
        tell(&mut first, &mut second);
        let (admission, _) = ask(&mut second, 2 * Doubt::LOOK_NS, Some(waits));
        assert_eq!(admission, Admission::Granted { wait: 0, by: None });
        assert_eq!(second.tracks[&ScopeId::of(PLACE)].total.running.waiting, 0);
    }
}

#[test]
fn what_goes_on_elsewhere_refuses_once_it_would_have_been_told_that_it_has_ended() {
    for (level, served) in [(Level::Client, false), (Level::Total, true)] {
        let ([_, mut second], _) = full(level);
        let mut waits = doubt(ask(&mut second, 0, None));
        for now in (0..200 * MS).step_by(10 * MS as usize) {
            waits = doubt(ask(&mut second, now, Some(waits)));
        }
        // Whom there is no time for any more is let through.
        let last = if served { waits.benefit() } else { waits };
        match ask(&mut second, 200 * MS, Some(last)).0 {
            Admission::Granted { .. } => assert!(served),
            Admission::Refused(refusal) => assert!(!served && refusal.by.level == level),
            Admission::Doubtful(doubt) => panic!("{doubt:?}"),
        }
    }
}

#[test]
fn who_waits_is_before_those_who_come_later() {
    let ([mut first, mut second], mut running) = full(Level::Client);
    let waits = [(); LIMIT as usize].map(|()| doubt(ask(&mut second, 0, None)));
    let more = ask(&mut second, 0, None).0;
    assert!(matches!(more, Admission::Refused(_)), "there are too many here alone: {more:?}");
    first.end(&mut running[0]);
    tell(&mut first, &mut second);
    second.settle(waits[2]);
    doubt(ask(&mut second, 0, None));
    assert!(matches!(ask(&mut second, 0, Some(waits[0])).0, Admission::Granted { .. }));
    doubt(ask(&mut second, 0, Some(waits[1])));
}

/// One who asks again as soon as it has been answered, each time on some shard.
#[derive(Default)]
struct Asker {
    shard: usize,
    doubt: Option<Doubt>,
    runs: Option<Chain>,
    next: u64,
}

/// So many ask for ten seconds, each for requests of 30 ms: how many were served, refused, and served at once.
fn serve(askers: usize) -> [usize; 3] {
    let limits = limits(Level::Client);
    let mut shapers = [Shaper::new(&limits), Shaper::new(&limits)];
    let mut askers: Vec<Asker> = (0..askers).map(|_| Asker::default()).collect();
    let (mut post, mut dice) = (Vec::new(), 1_u32);
    let [mut served, mut refused, mut most] = [0; 3];
    for now in (0..10 * SECOND).step_by(MS as usize) {
        exchange(&mut shapers, now, &mut post);
        for asker in &mut askers {
            if now < asker.next {
                continue;
            }
            if let Some(mut chain) = asker.runs.take() {
                shapers[asker.shard].end(&mut chain);
                served += 1;
            }
            if asker.doubt.is_none() {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                asker.shard = (dice >> 31) as usize;
            }
            let (admission, chain) = ask(&mut shapers[asker.shard], now, asker.doubt.take());
            match admission {
                Admission::Granted { .. } => (asker.runs, asker.next) = (Some(chain), now + 30 * MS),
                Admission::Doubtful(doubt) => {
                    (asker.doubt, asker.next) = (Some(doubt), now + Doubt::LOOK_NS);
                }
                Admission::Refused(_) => {
                    refused += 1;
                    asker.next = now + 10 * MS;
                }
            }
        }
        most = most.max(askers.iter().filter(|asker| asker.runs.is_some()).count());
    }
    [served, refused, most]
}

#[test]
fn whoever_is_within_the_limit_is_never_refused() {
    let [served, refused, most] = serve(LIMIT as usize);
    assert_eq!(refused, 0, "of {served}");
    assert!(served > 300 && most == LIMIT as usize, "{served} served, {most} at once");
    let [served, refused, most] = serve(10);
    assert!(refused > 0 && most <= 2 * LIMIT as usize, "{refused} refused, {most} at once");
    assert!(served > 500, "{served} served: too many do not keep each other from all");
}

fn connect(shaper: &mut Shaper, now: u64, doubt: Option<Doubt>) -> Entering {
    if let Some(doubt) = doubt {
        shaper.settle(doubt);
    }
    shaper.connect(now, customer(1).address, doubt)
}

/// Two shards of which the second has been told that a client has all its connections on the first.
fn connected() -> [Shaper; 2] {
    let quota = Quota { connections: NonZeroU32::new(LIMIT), ..Quota::default() };
    let limits = shaping(&[("/server", config::Shaping { client: quota, ..section() })]);
    let mut shapers = [Shaper::new(&limits), Shaper::new(&limits)];
    let [first, second] = &mut shapers;
    for _ in 0..LIMIT {
        assert_eq!(connect(first, 0, None), Entering::Granted(None));
    }
    assert!(matches!(connect(first, 0, None), Entering::Refused(_)), "there are too many here alone");
    tell(first, second);
    shapers
}

#[test]
fn a_connection_that_has_ended_on_another_shard_keeps_nobody_out() {
    let [mut first, mut second] = connected();
    first.disconnect(customer(1).address);
    let Entering::Doubtful(waits) = connect(&mut second, 0, None) else { panic!("nobody has told yet") };
    let Entering::Doubtful(waits) = connect(&mut second, 10 * MS, Some(waits)) else { panic!("nor now") };
    tell(&mut first, &mut second);
    // There is room for the one that has waited.
    let Entering::Doubtful(later) = connect(&mut second, 20 * MS, None) else {
        panic!("it is not the first")
    };
    assert_eq!(connect(&mut second, 20 * MS, Some(waits)), Entering::Granted(None));
    assert!(matches!(connect(&mut second, 20 * MS, Some(later)), Entering::Doubtful(_)));
}

#[test]
fn connections_that_go_on_elsewhere_keep_others_out_after_a_moment() {
    for served in [false, true] {
        let [_, mut second] = connected();
        let Entering::Doubtful(mut waits) = connect(&mut second, 0, None) else { panic!("there is doubt") };
        for now in (0..200 * MS).step_by(10 * MS as usize) {
            let Entering::Doubtful(next) = connect(&mut second, now, Some(waits)) else { panic!("{now}") };
            waits = next;
        }
        // Whom there is no time for any more is let through.
        let last = if served { waits.benefit() } else { waits };
        let entered = connect(&mut second, 200 * MS, Some(last));
        assert_eq!(matches!(entered, Entering::Granted(None)), served, "{entered:?}");
        assert_eq!(matches!(entered, Entering::Refused(_)), !served, "{entered:?}");
        let waiting = second.top(usize::MAX);
        assert_eq!(waiting.iter().map(|entry| entry.connections).sum::<u32>(), u32::from(served));
    }
}
