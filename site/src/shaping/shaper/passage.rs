//! Bytes on their way through limits: by the innermost first, and to the others as each has let them through. So whoever is
//! held to a limit of its own uses up what is there for all by no more than that limit.

use super::{Acted, Chain, Direction, Item, LINE_NS_MAX, Level, Shaper, Track};
use crate::shaping::limits::Limits;
use crate::shaping::{Bucket, Meter};

/// Where bytes pass: of each level the limits of the place, which are within those of the server.
const GATES: [Gate; 6] = [
    Gate { level: Level::Connection, link: 1 },
    Gate { level: Level::Connection, link: 0 },
    Gate { level: Level::Client, link: 1 },
    Gate { level: Level::Client, link: 0 },
    Gate { level: Level::Total, link: 1 },
    Gate { level: Level::Total, link: 0 },
];

#[derive(Clone, Copy)]
struct Gate {
    level: Level,
    /// Index of the link in the chain.
    link: usize,
}

/// Bytes that pass limits together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// How many, at least one where some were wanted.
    pub bytes: u64,
    direction: Direction,
    /// Gates that have charged it.
    gates: usize,
    waited: bool,
    /// The limit that would have held it.
    by: Option<Acted>,
}

impl Piece {
    /// Bytes that have passed all limits.
    #[must_use]
    pub fn through(direction: Direction, bytes: u64) -> Piece {
        Piece { bytes, direction, gates: GATES.len(), waited: false, by: None }
    }
}

/// What becomes of a piece next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It goes on; the limit would have held it.
    Through(Option<Acted>),
    /// It waits for so many nanoseconds, for which the limit is the reason, and asks again.
    Wait(u64, Acted),
    /// The line is so long that it cannot come into it: it is given up, or asks again after so many nanoseconds.
    Full(u64, Acted),
}

/// What a gate says.
enum Met {
    Free,
    Would(Acted),
    Charged(u64, Acted),
    /// It was not charged.
    Later(u64, Acted),
    Full(u64, Acted),
}

impl Shaper {
    /// How many of `wanted` bytes may pass at a time.
    pub fn piece(&mut self, now: u64, chain: &mut Chain, direction: Direction, wanted: u64) -> Piece {
        let mut bytes = wanted;
        for gate in GATES {
            self.bucket(chain, gate, direction, |meter, bucket| {
                bytes = bytes.min(meter.quantum().max(bucket.room(meter, now)));
            });
        }
        Piece { bytes, direction, gates: 0, waited: false, by: None }
    }

    /// Leads a piece on to where it has to wait next. What does not go on after all is [given back](Shaper::give_back).
    pub fn step(&mut self, now: u64, chain: &mut Chain, piece: &mut Piece) -> Step {
        while let Some(&gate) = GATES.get(piece.gates) {
            match self.meet(now, chain, gate, *piece) {
                Met::Free => {}
                Met::Would(acted) => piece.by = piece.by.or(Some(acted)),
                Met::Charged(ns, acted) => {
                    piece.gates += 1;
                    self.delayed(chain, piece);
                    return Step::Wait(ns, acted);
                }
                Met::Later(ns, acted) => {
                    self.delayed(chain, piece);
                    return Step::Wait(ns, acted);
                }
                Met::Full(ns, acted) => return Step::Full(ns, acted),
            }
            piece.gates += 1;
        }
        Step::Through(piece.by)
    }

    fn delayed(&mut self, chain: &Chain, piece: &mut Piece) {
        if !std::mem::replace(&mut piece.waited, true) {
            self.accounts(chain, |account, _, _| account.seen.delayed += 1);
        }
    }

    fn meet(&mut self, now: u64, chain: &mut Chain, gate: Gate, piece: Piece) -> Met {
        let Piece { bytes, direction, .. } = piece;
        let Some(link) = chain.links[gate.link].as_mut() else { return Met::Free };
        let Some(Track { scope, total }) = self.tracks.get_mut(&link.scope) else { return Met::Free };
        let dry = scope.is_dry_run();
        let acted = Acted { scope: link.scope, level: gate.level, item: item(direction), dry };
        let limits = match gate.level {
            Level::Connection => &scope.connection,
            Level::Client => &scope.client,
            Level::Total => &scope.total,
        };
        let meter = limit(limits, direction);
        let mut client = link.client.and_then(|slot| self.clients.account(slot));
        if gate.level == Level::Total
            && let (Some(meter), Some(client), false) = (meter, client.as_mut(), dry)
        {
            let wait = client.turn(direction).wait(now, meter.cost(bytes));
            if wait > 0 {
                return Met::Later(wait, acted);
            }
        }
        let bucket = match gate.level {
            Level::Connection => Some(&mut link.connection[direction as usize]),
            Level::Client => client.as_mut().map(|account| account.bytes(direction)),
            Level::Total => Some(total.bytes(direction)),
        };
        let met = match meter.zip(bucket) {
            Some((meter, bucket)) => charge(bucket, meter, (now, bytes), acted),
            None => Met::Free,
        };
        if matches!(met, Met::Full(..)) {
            return met;
        }
        match gate.level {
            Level::Connection => {}
            Level::Client => {
                if let Some(account) = client {
                    account.used(direction, bytes);
                }
            }
            Level::Total => {
                total.used(direction, bytes);
                if let (Met::Charged(ns, _), Some(account)) = (&met, client) {
                    account.turn(direction).take(now, *ns);
                }
            }
        }
        self.news = true;
        met
    }

    /// Gives `bytes` of a piece back that will not go on, to those who have charged them.
    pub fn give_back(&mut self, chain: &mut Chain, piece: &Piece, bytes: u64) {
        let direction = piece.direction;
        for &gate in &GATES[..piece.gates] {
            self.bucket(chain, gate, direction, |meter, bucket| bucket.refund(meter, bytes));
            let Some(link) = &chain.links[gate.link] else { continue };
            let account = match gate.level {
                Level::Connection => None,
                Level::Client => link.client.and_then(|slot| self.clients.account(slot)),
                Level::Total => self.tracks.get_mut(&link.scope).map(|track| &mut track.total),
            };
            if let Some(account) = account {
                account.unused(direction, bytes);
            }
        }
    }

    /// Does something with the bucket of a gate, if there is one that holds.
    fn bucket(
        &mut self,
        chain: &mut Chain,
        gate: Gate,
        direction: Direction,
        then: impl FnOnce(Meter, &mut Bucket),
    ) {
        let Some(link) = chain.links[gate.link].as_mut() else { return };
        let Some(Track { scope, total }) = self.tracks.get_mut(&link.scope) else { return };
        let client = link.client.and_then(|slot| self.clients.account_of_others(slot));
        let (limits, bucket) = match gate.level {
            Level::Connection => (&scope.connection, Some(&mut link.connection[direction as usize])),
            Level::Client => (&scope.client, client.map(|account| account.bytes(direction))),
            Level::Total => (&scope.total, Some(total.bytes(direction))),
        };
        if let (Some(meter), Some(bucket), false) = (limit(limits, direction), bucket, scope.is_dry_run()) {
            then(meter, bucket);
        }
    }
}

fn charge(bucket: &mut Bucket, meter: Meter, (now, bytes): (u64, u64), acted: Acted) -> Met {
    if acted.dry {
        if bucket.wait_for(meter, now, bytes) > 0 {
            return Met::Would(acted);
        }
        bucket.charge(meter, now, bytes);
        return Met::Free;
    }
    let line = bucket.wait(meter, now);
    if LINE_NS_MAX < line {
        return Met::Full(line - LINE_NS_MAX, acted);
    }
    bucket.charge(meter, now, bytes);
    match bucket.wait(meter, now) {
        0 => Met::Free,
        wait => Met::Charged(wait, acted),
    }
}

fn limit(limits: &Limits, direction: Direction) -> Option<Meter> {
    match direction {
        Direction::Down => limits.down,
        Direction::Up => limits.up,
    }
}

fn item(direction: Direction) -> Item {
    match direction {
        Direction::Down => Item::Down,
        Direction::Up => Item::Up,
    }
}
