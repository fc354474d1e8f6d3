//! Who has failed how often of late: bounded.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::{Counted, Subject};
use crate::limits::FAILURES_MAX;

/// Who is watched, and for what.
pub(super) type Key = (Subject, Kind);

/// What is counted, each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Failed logins.
    Logins,
    /// Bad requests.
    Requests,
}

/// Failures within the window.
///
/// Where there is no room, whoever has failed least goes, of those the one whose last failure is the longest ago. So a
/// flood from ever new prefixes pushes out its own, and whoever is near a ban stays near it. An attacker who has more
/// prefixes than there is room for gains nothing: as many can fail below the limit anyway, each by itself.
pub(super) struct Watch {
    room: usize,
    watched: HashMap<Arc<Key>, Failures>,
    /// By number of failures, the time of the last one, and order of arrival.
    least: BTreeMap<(u32, u64, u64), Arc<Key>>,
    /// By the time of the last failure: those before the window are gone.
    oldest: BTreeMap<(u64, u64), Arc<Key>>,
    arrivals: u64,
}

struct Failures {
    /// At most as many as make a ban.
    times: VecDeque<u64>,
    arrival: u64,
}

impl Failures {
    fn last(&self) -> u64 {
        self.times.back().copied().unwrap_or(0)
    }

    fn rank(&self) -> (u32, u64, u64) {
        (u32::try_from(self.times.len()).unwrap_or(u32::MAX), self.last(), self.arrival)
    }
}

impl Watch {
    pub(super) fn new(room: usize) -> Self {
        Self { room, watched: HashMap::new(), least: BTreeMap::new(), oldest: BTreeMap::new(), arrivals: 0 }
    }

    /// Notes a failure. Whether it is the `most`th within the window; then all of them are forgotten.
    pub(super) fn note(&mut self, key: &Key, now: u64, window: u64, most: u32) -> bool {
        if let Some(end) = now.checked_sub(window) {
            self.drop_old(end);
        }
        let mut times = self.forget(key).unwrap_or_default();
        // A clock that was set back makes the earlier failures as late as this one, and not later.
        times.retain(|time| time.saturating_add(window) > now);
        times.iter_mut().for_each(|time| *time = (*time).min(now));
        times.push_back(now);
        if times.len() >= most as usize {
            return true;
        }
        self.make_room();
        self.insert(Arc::new(key.clone()), times);
        false
    }

    /// All that is counted, the one whose last failure is the longest ago first.
    pub(super) fn counted(&self) -> impl Iterator<Item = Counted> {
        self.oldest.values().filter_map(|key| {
            let (subject, kind) = key.as_ref().clone();
            let times = self.watched.get(key)?.times.iter().copied().collect();
            Some(Counted { subject, kind, times })
        })
    }

    /// Takes over what another one has counted.
    pub(super) fn recall(&mut self, counted: Counted) {
        let Counted { subject, kind, mut times } = counted;
        times.sort_unstable();
        let surplus = times.len().saturating_sub(FAILURES_MAX as usize);
        times.drain(..surplus);
        if times.is_empty() {
            return;
        }
        let key = (subject, kind);
        self.forget(&key);
        self.make_room();
        self.insert(Arc::new(key), times.into());
    }

    fn make_room(&mut self) {
        if self.watched.len() >= self.room
            && let Some((_, least)) = self.least.first_key_value()
        {
            let least = Arc::clone(least);
            self.forget(&least);
        }
    }

    /// Forgets all failures of `key`. Returns their times.
    pub(super) fn forget(&mut self, key: &Key) -> Option<VecDeque<u64>> {
        let failures = self.watched.remove(key)?;
        self.least.remove(&failures.rank());
        self.oldest.remove(&(failures.last(), failures.arrival));
        Some(failures.times)
    }

    fn insert(&mut self, key: Arc<Key>, times: VecDeque<u64>) {
        self.arrivals += 1;
        let failures = Failures { times, arrival: self.arrivals };
        self.least.insert(failures.rank(), Arc::clone(&key));
        self.oldest.insert((failures.last(), failures.arrival), Arc::clone(&key));
        self.watched.insert(key, failures);
    }

    /// Forgets those whose last failure was at `end` or before.
    fn drop_old(&mut self, end: u64) {
        while let Some(((last, _), key)) = self.oldest.first_key_value() {
            if *last > end {
                return;
            }
            let key = Arc::clone(key);
            self.forget(&key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        debug_assert_eq!(self.watched.len(), self.least.len());
        debug_assert_eq!(self.watched.len(), self.oldest.len());
        self.watched.len()
    }
}
