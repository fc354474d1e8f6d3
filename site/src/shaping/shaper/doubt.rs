//! Who has no room only by what other shards have told: some of it may have ended since. It waits for what they tell next,
//! before others that come after it, and is judged by that.

use super::{Acted, Admission, Chain, Level, Shaper};
use crate::shaping::account::{Held, Room};
use crate::shaping::clients::Slot;

/// After so long others have told all that had ended when it began, also where all of them are busy: in nanoseconds.
const TOLD_NS: u64 = 200_000_000;

/// What somebody waits with. It is counted until it is brought along to the next question, or [settled](Shaper::settle).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The limit that may leave no room.
    pub by: Acted,
    client: Option<Slot>,
    /// When it is over; none where it is over and nobody is to be refused for it.
    until: Option<u64>,
}

impl Doubt {
    /// After how long to ask again, in nanoseconds: each report is looked at soon.
    pub const LOOK_NS: u64 = 10_000_000;

    /// There is no time to wait any more: whoever asks with it is let through.
    #[must_use]
    pub fn benefit(self) -> Doubt {
        Doubt { until: None, ..self }
    }

    /// Whether there is room for who comes, or comes again with a doubt: nobody has come before that one.
    pub(super) fn room(doubt: Option<Doubt>, held: Held, most: u32) -> Room {
        match doubt {
            None => held.room(most, held.waiting),
            Some(Doubt { until: None, .. }) => Room::Free,
            Some(_) => held.room(most, 0),
        }
    }

    /// The doubt that goes on, or begins; none when it has lasted long enough.
    pub(super) fn go_on(before: Option<Doubt>, now: u64, by: Acted, client: Option<Slot>) -> Option<Doubt> {
        let until = match before {
            None => now.saturating_add(TOLD_NS),
            Some(before) => before.until.filter(|&until| now < until)?,
        };
        Some(Doubt { by, client, until: Some(until) })
    }
}

impl Shaper {
    /// Judges a request, and counts what has come of it, unless it begins.
    pub(super) fn decide(&mut self, now: u64, chain: &Chain, doubt: Option<Doubt>) -> Admission {
        if let Some(doubt) = doubt {
            self.settle(doubt);
        }
        let admission = self.judge(now, chain, doubt);
        match admission {
            Admission::Granted { .. } => {}
            Admission::Doubtful(doubt) => self.change(doubt, |held| held.waiting += 1),
            Admission::Refused(refusal) => self.refused(refusal.by, chain.client(refusal.by.scope)),
        }
        admission
    }

    /// Somebody waits no more.
    pub fn settle(&mut self, doubt: Doubt) {
        // Limits that have been put in their place meanwhile do not know of it.
        self.change(doubt, |held| held.waiting = held.waiting.saturating_sub(1));
    }

    fn change(&mut self, doubt: Doubt, change: impl FnOnce(&mut Held)) {
        let account = match doubt.by.level {
            Level::Client => doubt.client.and_then(|slot| self.clients.account_of_others(slot)),
            Level::Total | Level::Connection => {
                self.tracks.get_mut(&doubt.by.scope).map(|track| &mut track.total)
            }
        };
        if let Some(account) = account {
            change(account.held(doubt.by.item));
        }
    }
}
