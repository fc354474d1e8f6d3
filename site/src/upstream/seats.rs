//! What a shard knows of each server: a seat that stays while a request or a connection is on its account.

use std::sync::Arc;

use super::ejection::Record;
use super::{GroupId, Server, State};

/// A server as a shard knows it. No two servers ever have the same one in a shard, and it stays the same while the
/// configuration changes around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seat {
    index: u32,
    /// How many have had this index before.
    generation: u32,
}

/// What is known of a server.
#[derive(Debug)]
pub(super) struct Seated {
    pub(super) server: Arc<Server>,
    pub(super) group: GroupId,
    /// How it has failed.
    pub(super) record: Record,
    /// Requests that it has got, and how many of them have failed.
    pub(super) begun: u64,
    pub(super) failed: u64,
    /// Requests that it has now.
    pub(super) open: u32,
    /// Whether it gets requests; none when its group does not have it any more, so that it goes with its last request.
    listed: Option<State>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    seated: Option<Seated>,
}

/// All servers that a shard knows.
#[derive(Debug, Default)]
pub(super) struct Seats {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Seats {
    /// A seat for a server that a group has.
    pub(super) fn take(&mut self, group: GroupId, server: Arc<Server>) -> Seat {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("servers of a configuration are bounded")
        });
        let slot = &mut self.slots[index as usize];
        let record = Record::default();
        slot.seated =
            Some(Seated { server, group, record, begun: 0, failed: 0, open: 0, listed: Some(State::Up) });
        Seat { index, generation: slot.generation }
    }

    pub(super) fn get(&self, seat: Seat) -> Option<&Seated> {
        let slot = self.slots.get(seat.index as usize).filter(|slot| slot.generation == seat.generation)?;
        slot.seated.as_ref()
    }

    pub(super) fn get_mut(&mut self, seat: Seat) -> Option<&mut Seated> {
        let slot = self.slots.get_mut(seat.index as usize);
        slot.filter(|slot| slot.generation == seat.generation)?.seated.as_mut()
    }

    /// Another description of the same server.
    pub(super) fn describe(&mut self, seat: Seat, server: Arc<Server>, state: State) {
        if let Some(seated) = self.get_mut(seat) {
            seated.server = server;
            seated.listed = Some(state);
        }
    }

    /// No group has the server any more.
    pub(super) fn strike(&mut self, seat: Seat) {
        if let Some(seated) = self.get_mut(seat) {
            seated.listed = None;
        }
        self.tidy(seat);
    }

    /// A request more.
    pub(super) fn begin(&mut self, seat: Seat) {
        if let Some(seated) = self.get_mut(seat) {
            seated.open += 1;
            seated.begun += 1;
        }
    }

    /// A request less.
    pub(super) fn end(&mut self, seat: Seat) {
        if let Some(seated) = self.get_mut(seat) {
            seated.open = seated.open.saturating_sub(1);
        }
        self.tidy(seat);
    }

    /// Whether the server gets requests.
    pub(super) fn is_up(&self, seat: Seat) -> bool {
        self.get(seat).is_some_and(|seated| seated.listed == Some(State::Up))
    }

    /// Frees a seat that nothing holds.
    fn tidy(&mut self, seat: Seat) {
        if self.get(seat).is_some_and(|seated| seated.listed.is_none() && seated.open == 0) {
            let slot = &mut self.slots[seat.index as usize];
            slot.seated = None;
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(seat.index);
        }
    }
}
