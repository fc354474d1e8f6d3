//! What is known of one user of limits: its buckets, what it has under way, and what others are still to be told.

use super::clients::Who;
use super::limits::ScopeId;
use super::turn::Turn;
use super::{Bucket, Direction, Item, Meter};

/// Buckets, counts and figures of one user.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    down: Bucket,
    up: Bucket,
    pub(super) requests: Bucket,
    /// Of a client at the limits for all: down, and up.
    turns: [Turn; 2],
    /// Requests.
    pub(super) running: Held,
    /// Connections.
    pub(super) connections: Held,
    /// What others have not been told.
    pub(super) untold: Delta,
    pub(super) seen: Seen,
}

/// How many of something there are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) here: u32,
    /// On other shards, as they have told.
    pub(super) elsewhere: u32,
    /// Those that wait here until others have told what has ended. Nobody else is told of them.
    pub(super) waiting: u32,
}

/// Whether there is room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    /// Only what others have told stands against it, of which some may have ended since.
    Doubtful,
    Full,
}

impl Held {
    /// Whether one more has room that so many wait before.
    pub(super) fn room(self, most: u32, ahead: u32) -> Room {
        let here = self.here.saturating_add(ahead);
        if most <= here {
            Room::Full
        } else if most <= here.saturating_add(self.elsewhere) {
            Room::Doubtful
        } else {
            Room::Free
        }
    }

    fn told(&mut self, delta: i32) {
        self.elsewhere = self.elsewhere.saturating_add_signed(delta);
    }
}

/// What was used since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Bytes of responses.
    pub down: u64,
    /// Bytes of requests.
    pub up: u64,
    /// Requests that were let through.
    pub requests: u64,
    /// Requests that have begun, less those that have ended.
    pub running: i32,
    /// Connections that have begun, less those that have ended.
    pub connections: i32,
}

impl Delta {
    /// Adds what was used as well.
    pub(super) fn add(&mut self, more: &Delta) {
        self.down = self.down.saturating_add(more.down);
        self.up = self.up.saturating_add(more.up);
        self.requests = self.requests.saturating_add(more.requests);
        self.running = self.running.saturating_add(more.running);
        self.connections = self.connections.saturating_add(more.connections);
    }
}

/// A part of a report: what one user has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Whose limits.
    pub scope: ScopeId,
    /// Which client; `None` is all of them together.
    pub who: Option<Who>,
    /// What was used.
    pub delta: Delta,
}

/// What one user has had from this shard, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes of responses.
    pub down: u64,
    /// Bytes of requests.
    pub up: u64,
    /// Requests that were let through.
    pub requests: u64,
    /// Requests that had to wait, and pieces of responses and bodies that had to.
    pub delayed: u64,
    /// Requests and connections that were refused.
    pub refused: u64,
}

impl Account {
    pub(super) fn bytes(&mut self, direction: Direction) -> &mut Bucket {
        match direction {
            Direction::Down => &mut self.down,
            Direction::Up => &mut self.up,
        }
    }

    pub(super) fn turn(&mut self, direction: Direction) -> &mut Turn {
        &mut self.turns[direction as usize]
    }

    /// How long the line at a limit on bytes is, in nanoseconds.
    pub(super) fn line(&self, direction: Direction, meter: Meter, now: u64) -> u64 {
        match direction {
            Direction::Down => self.down.wait(meter, now),
            Direction::Up => self.up.wait(meter, now),
        }
    }

    /// What is counted: requests, unless it is connections that are asked for.
    pub(super) fn held(&mut self, item: Item) -> &mut Held {
        match item {
            Item::Connections => &mut self.connections,
            Item::Down | Item::Up | Item::Requests | Item::Concurrent => &mut self.running,
        }
    }

    pub(super) fn used(&mut self, direction: Direction, bytes: u64) {
        let (untold, seen) = match direction {
            Direction::Down => (&mut self.untold.down, &mut self.seen.down),
            Direction::Up => (&mut self.untold.up, &mut self.seen.up),
        };
        *untold = untold.saturating_add(bytes);
        *seen = seen.saturating_add(bytes);
    }

    /// What was counted as used was not.
    pub(super) fn unused(&mut self, direction: Direction, bytes: u64) {
        let (untold, seen) = match direction {
            Direction::Down => (&mut self.untold.down, &mut self.seen.down),
            Direction::Up => (&mut self.untold.up, &mut self.seen.up),
        };
        // Others may have been told: then they have been charged too much for once.
        *untold = untold.saturating_sub(bytes);
        *seen = seen.saturating_sub(bytes);
    }

    /// Takes in what another shard has used.
    pub(super) fn hear(&mut self, now: u64, delta: &Delta, meters: [Option<Meter>; 3]) {
        let [down, up, requests] = meters;
        for (bucket, meter, count) in [
            (&mut self.down, down, delta.down),
            (&mut self.up, up, delta.up),
            (&mut self.requests, requests, delta.requests),
        ] {
            if let Some(meter) = meter
                && count > 0
            {
                bucket.charge(meter, now, count);
            }
        }
        self.running.told(delta.running);
        self.connections.told(delta.connections);
    }

    /// Goes over from some limits to others: what was used stays, at the price that it has now.
    pub(super) fn go_over(&mut self, now: u64, from: [Option<Meter>; 3], to: [Option<Meter>; 3]) {
        let buckets = [&mut self.down, &mut self.up, &mut self.requests];
        for (bucket, (from, to)) in buckets.into_iter().zip(from.into_iter().zip(to)) {
            if from != to {
                bucket.go_over(now, from, to);
            }
        }
    }

    /// Whether it must not be forgotten: what is under way here has still to end here, and to be told.
    pub(super) fn is_held(&self) -> bool {
        self.running.here > 0
            || self.connections.here > 0
            || self.running.waiting > 0
            || self.connections.waiting > 0
            || self.untold.running != 0
            || self.untold.connections != 0
    }

    /// How much would be lost if it were forgotten.
    pub(super) fn worth(&self, now: u64) -> (bool, u64) {
        let deficit = [self.down, self.up, self.requests].map(|bucket| bucket.deficit(now));
        let elsewhere = self.running.elsewhere > 0 || self.connections.elsewhere > 0;
        (elsewhere, deficit.into_iter().max().unwrap_or(0))
    }
}
