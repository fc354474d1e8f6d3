//! Bytes that pass limits, piece by piece: nobody has more than one in a line at a time.

use std::time::Duration;

use perf::Counter;
use site::shaping::{Acted, Direction, Piece, Step};

use super::Come;
use crate::connection::Wait;
use crate::limits::RECORD_MAX;
use crate::stream::{Gone, Stream};

/// Why bytes do not pass.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held {
    /// There is nobody any more who waits.
    Gone(Gone),
    /// The line is longer than it may be, by so many nanoseconds.
    Full(u64, Acted),
}

impl Held {
    /// For those who cannot be answered any more.
    pub(crate) fn gone(self) -> Gone {
        match self {
            Held::Gone(gone) => gone,
            Held::Full(..) => Gone::Expired(Wait::Pace),
        }
    }
}

/// What those who have sent bytes wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Toll {
    /// That something is done for their request. A server that drains has no time for that.
    Begun,
    /// More of its content, of which so many bytes are still to come at least.
    Due(u64),
}

/// A piece that has passed.
struct Passed {
    bytes: u64,
    waited: u64,
}

impl Stream {
    /// Waits until bytes of a response may leave; answers how many of `wanted`.
    pub(crate) async fn allow(&self, wanted: u64) -> Result<u64, Gone> {
        if !self.port.shaped.get() || wanted == 0 {
            return Ok(wanted);
        }
        let (mut piece, mut waits) = (None, false);
        loop {
            let (ns, by) = match self.step(Direction::Down, wanted, &mut piece) {
                None => return Ok(wanted),
                Some((piece, Step::Through(by))) => {
                    self.mark(by, 0);
                    return Ok(piece.bytes);
                }
                // Its answer has begun: it asks again until there is room.
                Some((_, Step::Wait(ns, by) | Step::Full(ns, by))) => (ns, by),
            };
            self.mark(Some(by), ns);
            if !std::mem::replace(&mut waits, true) {
                self.shard.count(Counter::SendsDelayedLimit);
            }
            if let Err(gone) = self.pace(ns).await {
                self.give_back(piece);
                return Err(gone);
            }
        }
    }

    /// Leads a piece on, the first one of `wanted` bytes where there is none yet; none where nothing is limited any more.
    fn step(&self, direction: Direction, wanted: u64, piece: &mut Option<Piece>) -> Option<(Piece, Step)> {
        let mut shaper = self.shard.shaper.borrow_mut();
        let shaper = shaper.as_mut()?;
        let (now, mut chain) = (self.shard.clock.now(), self.port.chain.get());
        let piece = piece.get_or_insert_with(|| shaper.piece(now, &mut chain, direction, wanted));
        let step = shaper.step(now, &mut chain, piece);
        self.port.chain.set(chain);
        Some((*piece, step))
    }

    fn give_back(&self, piece: Option<Piece>) {
        if let Some(piece) = piece {
            self.give_back_part(&piece, piece.bytes);
        }
    }

    fn give_back_part(&self, piece: &Piece, bytes: u64) {
        let mut chain = self.port.chain.get();
        if let Some(shaper) = self.shard.shaper.borrow_mut().as_mut() {
            shaper.give_back(&mut chain, piece, bytes);
        }
        self.port.chain.set(chain);
    }

    /// Of the bytes that were allowed only so many have left.
    pub(crate) fn settle(&self, allowed: usize, sent: usize) {
        if self.port.shaped.get() {
            self.shard.count_by(Counter::BytesSentShaped, sent as u64);
            let rest = (allowed - sent) as u64;
            if rest > 0 {
                self.give_back_part(&Piece::through(Direction::Down, rest), rest);
            }
        }
    }

    /// Sends all of `out`, by and by.
    pub(crate) async fn send_shaped(&self, out: &mut Vec<u8>) -> Result<(), Gone> {
        loop {
            let allowed = self.allow(out.len() as u64).await? as usize;
            self.shard.count_by(Counter::BytesSentShaped, allowed as u64);
            if out.len() <= allowed {
                return self.send_freely(out).await;
            }
            let mut part = self.shard.buffer();
            part.extend_from_slice(&out[..allowed]);
            out.drain(..allowed);
            let sent = self.send_freely(&mut part).await;
            self.shard.recycle(part);
            sent?;
        }
    }

    /// Has the client wait for the bytes that it has sent, if it has sent them too fast; answers for how long. Nothing is
    /// received meanwhile, but its end is seen: who has ended without the `due` bytes that are still to come at least gets
    /// nothing on.
    pub(crate) async fn take_toll(&self, due: u64) -> Result<Duration, Held> {
        if !self.port.shaped.get() {
            return Ok(Duration::ZERO);
        }
        let owed = self.port.owed.take();
        self.take_toll_of(owed, Toll::Due(due), &mut Vec::new()).await
    }

    /// The same for what has come of a request before it was known whose it is. `out` are answers to earlier requests,
    /// which do not wait for it.
    pub(super) async fn take_toll_of_begun(&self, come: Come, out: &mut Vec<u8>) -> Result<Duration, Held> {
        if !self.port.shaped.get() {
            return Ok(Duration::ZERO);
        }
        // What is older was nobody's, and what has come behind the request is the next one's.
        let owed = self.port.owed.get().min((come.own + come.behind) as u64);
        let of_next = owed.min(come.behind as u64);
        self.port.owed.set(of_next);
        self.take_toll_of(owed - of_next, Toll::Begun, out).await
    }

    async fn take_toll_of(&self, bytes: u64, toll: Toll, out: &mut Vec<u8>) -> Result<Duration, Held> {
        let (mut left, mut waited) = (bytes, 0_u64);
        let mut paid = Ok(());
        while left > 0 && paid.is_ok() {
            paid = match self.pay(left, toll, out).await {
                Ok(Passed { bytes, waited: ns }) => {
                    left -= bytes;
                    self.shard.count_by(Counter::BytesReceivedShaped, bytes);
                    waited = waited.saturating_add(ns);
                    Ok(())
                }
                Err(held) => Err(held),
            };
        }
        self.port.held.set(false);
        paid.map(|()| Duration::from_nanos(waited))
    }

    /// Has up to `wanted` bytes of the client pass. Those that do not come to an end are charged to nobody.
    async fn pay(&self, wanted: u64, toll: Toll, out: &mut Vec<u8>) -> Result<Passed, Held> {
        let (mut piece, mut waited) = (None, 0_u64);
        loop {
            let (ns, by) = match self.step(Direction::Up, wanted, &mut piece) {
                None => return Ok(Passed { bytes: wanted, waited }),
                Some((piece, Step::Through(by))) => {
                    self.mark(by, 0);
                    return Ok(Passed { bytes: piece.bytes, waited });
                }
                Some((_, Step::Full(ns, by))) => {
                    self.give_back(piece);
                    self.mark(Some(by), 0);
                    return Err(Held::Full(ns, by));
                }
                Some((_, Step::Wait(ns, by))) => (ns, by),
            };
            self.mark(Some(by), ns);
            if !self.port.held.get() {
                self.shard.count(Counter::ReceivesDelayedLimit);
            }
            self.hold_back();
            let until = self.shard.clock.now().saturating_add(ns);
            let held = match self.send(out).await {
                Ok(()) => self.wait_for_toll(until.saturating_sub(self.shard.clock.now()), toll).await,
                Err(gone) => Err(gone),
            };
            if let Err(gone) = held {
                self.give_back(piece);
                return Err(Held::Gone(gone));
            }
            waited = waited.saturating_add(ns);
            if toll == Toll::Begun && self.leaving() {
                return Ok(Passed { bytes: wanted, waited });
            }
        }
    }

    /// Nothing is received from now on.
    fn hold_back(&self) {
        let key = self.port.key.get();
        self.port.held.set(true);
        self.shard.pause(key);
        self.shard.watch_for_end(key);
    }

    /// Whether the client has ended, and what has come of it cannot be all that is due.
    pub(super) fn has_stopped(&self, due: u64) -> bool {
        if due == 0 || !self.port.hung_up.get() || self.shard.is_receiving(self.port.key.get()) {
            return false;
        }
        let queued = sys::net::queued(self.port.fd.get()).unwrap_or(0);
        let left = (queued + self.port.backlog()) as u64;
        let begun = if self.is_sealed() { RECORD_MAX } else { 0 };
        left + begun < due
    }
}
