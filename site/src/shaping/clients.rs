//! The clients that a shard remembers: a table of a fixed size in which each look-up costs the same.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use auth::Prefix;

use super::account::Account;
use super::limits::ScopeId;
use super::table::Table;

/// Clients that a shard remembers at most; one counts for each of the limits it is held to.
pub const CLIENTS_MAX: usize = SETS * WAYS;

/// Places of a set. A client has two sets of which it may be in either: so hardly any set overflows before the table does.
const WAYS: usize = 8;
const SETS: usize = 2048;

/// A client, as limits see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever comes from there.
    Network(Prefix),
    /// Whoever has logged in by this name.
    User(Arc<str>),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Network(prefix) => prefix.fmt(f),
            Who::User(name) => f.write_str(name),
        }
    }
}

/// The same, to look for.
#[derive(Clone, Copy, Hash)]
pub(super) enum Sought<'w> {
    Network(Prefix),
    User(&'w str),
}

impl Sought<'_> {
    pub(super) fn of(who: &Who) -> Sought<'_> {
        match who {
            Who::Network(prefix) => Sought::Network(*prefix),
            Who::User(name) => Sought::User(name),
        }
    }

    fn is(self, who: &Who) -> bool {
        match (self, who) {
            (Sought::Network(prefix), Who::Network(known)) => prefix == *known,
            (Sought::User(name), Who::User(known)) => *name == **known,
            _ => false,
        }
    }

    fn keep(self) -> Who {
        match self {
            Sought::Network(prefix) => Who::Network(prefix),
            Sought::User(name) => Who::User(name.into()),
        }
    }
}

/// Names a client in the table, for as long as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    index: u32,
    stamp: u32,
}

/// One place of the table.
#[derive(Clone, Debug, Default)]
struct Place {
    client: Option<(ScopeId, Who)>,
    stamp: u32,
    /// It is among those with news.
    has_news: bool,
    account: Account,
}

/// The table.
pub(super) struct Clients {
    /// Empty as long as nobody limits clients.
    places: Table<Place>,
    hasher: RandomState,
    last_stamp: u32,
    used: usize,
    /// Who has something to tell, in the order in which it came up.
    news: VecDeque<u32>,
    /// Clients that were forgotten although something was known of them.
    pub(super) forgotten: u64,
    /// Clients for whom there was no place at all.
    pub(super) turned_away: u64,
}

impl Clients {
    pub(super) fn new() -> Clients {
        Clients {
            places: Table::new(),
            hasher: RandomState::new(),
            last_stamp: 0,
            used: 0,
            news: VecDeque::new(),
            forgotten: 0,
            turned_away: 0,
        }
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// The place of a client, and whether it is new there; none when all that it could have are needed.
    pub(super) fn enter(&mut self, now: u64, scope: ScopeId, sought: Sought<'_>) -> Option<Slot> {
        if self.places.is_empty() {
            // Once, when the first client comes that is limited.
            self.places.furnish(CLIENTS_MAX);
        }
        let sets = self.sets(scope, sought);
        if let Some(slot) = self.find(sets, scope, sought) {
            return Some(slot);
        }
        let worth = |place: &Place| place.client.as_ref().map(|_| place.account.worth(now));
        let free = places(sets).filter(|&index| !self.places[index].account.is_held());
        // Of two free places, the one in the emptier set.
        let taken = |set: usize| (set..set + WAYS).filter(|&at| self.places[at].client.is_some()).count();
        let taken = sets.map(taken);
        let crowd = |index: usize| if index / WAYS * WAYS == sets[0] { taken[0] } else { taken[1] };
        let Some(index) = free.min_by_key(|&index| (worth(&self.places[index]), crowd(index))) else {
            self.turned_away += 1;
            return None;
        };
        match worth(&self.places[index]) {
            None => self.used += 1,
            Some((elsewhere, deficit)) => self.forgotten += u64::from(elsewhere || deficit > 0),
        }
        self.last_stamp = self.last_stamp.wrapping_add(1);
        let place = &mut self.places[index];
        // It may be among those with news still, and is not to be there twice.
        place.client = Some((scope, sought.keep()));
        place.stamp = self.last_stamp;
        place.account = Account::default();
        Some(Slot { index: index as u32, stamp: place.stamp })
    }

    /// The place of a client that is remembered.
    pub(super) fn get(&self, scope: ScopeId, sought: Sought<'_>) -> Option<Slot> {
        if self.places.is_empty() {
            return None;
        }
        self.find(self.sets(scope, sought), scope, sought)
    }

    /// Where the two sets of a client begin.
    fn sets(&self, scope: ScopeId, sought: Sought<'_>) -> [usize; 2] {
        let hash = self.hasher.hash_one((scope, sought));
        [hash as usize, (hash >> 32) as usize].map(|half| half % SETS * WAYS)
    }

    fn find(&self, sets: [usize; 2], scope: ScopeId, sought: Sought<'_>) -> Option<Slot> {
        let known =
            |place: &Place| place.client.as_ref().is_some_and(|(of, who)| *of == scope && sought.is(who));
        let index = places(sets).find(|&index| known(&self.places[index]))?;
        Some(Slot { index: index as u32, stamp: self.places[index].stamp })
    }

    /// What is known of a client, to look at.
    pub(super) fn look(&self, slot: Slot) -> Option<&Account> {
        let place = self.places.get(slot.index as usize).filter(|place| place.stamp == slot.stamp)?;
        Some(&place.account)
    }

    /// What is known of a client, to change it, which others will be told.
    pub(super) fn account(&mut self, slot: Slot) -> Option<&mut Account> {
        let place = self.places.get_mut(slot.index as usize).filter(|place| place.stamp == slot.stamp)?;
        if !place.has_news {
            place.has_news = true;
            self.news.push_back(slot.index);
        }
        Some(&mut place.account)
    }

    /// The same for what is not to be told: it comes from others, or has been told.
    pub(super) fn account_of_others(&mut self, slot: Slot) -> Option<&mut Account> {
        let place = self.places.get_mut(slot.index as usize).filter(|place| place.stamp == slot.stamp)?;
        Some(&mut place.account)
    }

    /// Whether somebody has something to tell.
    pub(super) fn have_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Takes the accounts of those who have something to tell, so many at most: those first who have waited longest.
    pub(super) fn take_news(&mut self, most: usize, mut tell: impl FnMut(ScopeId, &Who, &mut Account)) {
        for _ in 0..most {
            let Some(index) = self.news.pop_front() else { return };
            let place = &mut self.places[index as usize];
            place.has_news = false;
            if let Some((scope, who)) = &place.client {
                tell(*scope, who, &mut place.account);
            }
        }
    }

    /// Those of which connections are counted here.
    pub(super) fn with_connections(&self) -> impl Iterator<Item = Slot> {
        let places = self.places.iter().enumerate();
        let held = places.filter(|(_, place)| place.account.connections.here > 0);
        held.map(|(index, place)| Slot { index: index as u32, stamp: place.stamp })
    }

    /// Those of one place.
    pub(super) fn accounts_of(&mut self, scope: ScopeId) -> impl Iterator<Item = &mut Account> {
        let there = move |place: &&mut Place| place.client.as_ref().is_some_and(|(of, _)| *of == scope);
        self.places.iter_mut().filter(there).map(|place| &mut place.account)
    }

    /// All that are remembered.
    pub(super) fn all(&self) -> impl Iterator<Item = (ScopeId, &Who, &Account)> {
        self.places.iter().filter_map(|place| {
            let (scope, who) = place.client.as_ref()?;
            Some((*scope, who, &place.account))
        })
    }
}

/// The places of two sets.
fn places(sets: [usize; 2]) -> impl Iterator<Item = usize> {
    sets.into_iter().flat_map(|set| set..set + WAYS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shaping::Meter;
    use config::Rate;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    fn client(number: u32) -> Sought<'static> {
        Sought::Network(Prefix::single(Ipv4Addr::from(number).into()))
    }

    const SCOPE: ScopeId = ScopeId(1);

    #[test]
    fn a_client_has_one_place_and_each_scope_its_own() {
        let mut clients = Clients::new();
        let slot = clients.enter(0, SCOPE, client(7)).unwrap();
        assert_eq!(clients.enter(0, SCOPE, client(7)), Some(slot));
        assert_eq!(clients.get(SCOPE, client(7)), Some(slot));
        assert_eq!(clients.get(SCOPE, client(8)), None);
        assert_ne!(clients.enter(0, ScopeId(2), client(7)), Some(slot));
        assert_ne!(clients.enter(0, SCOPE, Sought::User("anna")), Some(slot));
        assert_eq!(clients.len(), 3);
    }

    #[test]
    fn there_are_never_more_than_fit_and_the_least_useful_go() {
        let meter = Meter::requests(Rate { amount: 1, per: Duration::from_secs(1) }, Some(1));
        let mut clients = Clients::new();
        // Some have something under way, some owe something, most neither.
        let busy: Vec<Slot> =
            (0..1_000).map(|number| clients.enter(0, SCOPE, client(number)).unwrap()).collect();
        for &slot in &busy {
            clients.account(slot).unwrap().running.here = 1;
        }
        let owing: Vec<Slot> =
            (1_000..2_000).map(|number| clients.enter(0, SCOPE, client(number)).unwrap()).collect();
        for &slot in &owing {
            clients.account(slot).unwrap().requests.charge(meter, 0, 100);
        }
        for number in 2_000..100_000 {
            clients.enter(0, SCOPE, client(number));
        }
        assert!(clients.len() <= CLIENTS_MAX);
        assert!(
            busy.iter().all(|&slot| clients.account(slot).is_some()),
            "what is under way is not forgotten"
        );
        let kept = owing.iter().filter(|&&slot| clients.account(slot).is_some()).count();
        assert!(kept > 990, "{kept}");
        assert_eq!(clients.places.iter().count(), CLIENTS_MAX);
        assert!(size_of::<Place>() <= 240, "{}", size_of::<Place>());
    }

    #[test]
    fn news_are_told_once() {
        let mut clients = Clients::new();
        let slot = clients.enter(0, SCOPE, client(7)).unwrap();
        clients.account(slot).unwrap().untold.requests += 1;
        clients.account(slot).unwrap().untold.requests += 1;
        let mut told = Vec::new();
        clients.take_news(10, |_, _, account| told.push(std::mem::take(&mut account.untold).requests));
        clients.take_news(10, |_, _, account| told.push(account.untold.requests));
        assert_eq!((told, clients.have_news()), (vec![2], false));
    }

    #[test]
    fn whoever_has_waited_longest_is_told_first() {
        let mut clients = Clients::new();
        for number in 0..5 {
            let slot = clients.enter(0, SCOPE, client(number)).unwrap();
            clients.account(slot).unwrap().untold.requests = u64::from(number);
        }
        let mut told = Vec::new();
        for _ in 0..4 {
            clients.take_news(2, |_, _, account| told.push(account.untold.requests));
            // Busy ones have more to tell at once.
            let slot = clients.enter(0, SCOPE, client(0)).unwrap();
            clients.account(slot);
        }
        assert_eq!(told[..6], [0, 1, 2, 3, 4, 0]);
    }
}
