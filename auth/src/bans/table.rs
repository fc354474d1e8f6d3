//! Who is banned now, as every shard reads it: immutable.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Bans;
use crate::prefix::Prefix;

/// Who is banned. It has no times: the writer publishes another one when a ban begins or ends.
///
/// A look-up is one binary search over ranges that do not overlap, 17 steps for a hundred thousand of them. Each takes
/// 8 bytes, or 32 for IPv6.
#[derive(Clone, Debug, Default)]
pub struct BanTable {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    users: HashMap<Box<str>, Vec<Prefix>>,
    exempt: Vec<Prefix>,
}

/// Ranges in ascending order, with a gap between any two.
#[derive(Clone, Debug, Default)]
struct Ranges<N> {
    firsts: Box<[N]>,
    lasts: Box<[N]>,
}

impl Bans {
    /// What is in force at `now`.
    #[must_use]
    pub fn table(&self, now: u64) -> BanTable {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let mut users: HashMap<Box<str>, Vec<Prefix>> = HashMap::new();
        for ban in self.lasting(now) {
            let prefix = ban.subject.prefix;
            match (&ban.subject.user, prefix.first(), prefix.last()) {
                (Some(user), _, _) => users.entry(user.clone()).or_default().push(prefix),
                (None, IpAddr::V4(first), IpAddr::V4(last)) => v4.push((first.into(), last.into())),
                (None, first, last) => v6.push((bits(first), bits(last))),
            }
        }
        BanTable { v4: Ranges::of(v4), v6: Ranges::of(v6), users, exempt: self.policy.exempt.clone() }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(address) => address.into(),
    }
}

impl<N: Copy + Ord> Ranges<N> {
    /// Of prefixes, which overlap only where one contains the other.
    fn of(mut pairs: Vec<(N, N)>) -> Self {
        pairs.sort_unstable_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
        let mut last = None;
        // The wider one comes first, and those inside of it say nothing new.
        pairs.retain(|pair| {
            let new = last.is_none_or(|last| pair.1 > last);
            if new {
                last = Some(pair.1);
            }
            new
        });
        let (firsts, lasts): (Vec<N>, Vec<N>) = pairs.into_iter().unzip();
        Self { firsts: firsts.into(), lasts: lasts.into() }
    }

    fn contain(&self, number: N) -> bool {
        let after = self.firsts.partition_point(|first| *first <= number);
        after.checked_sub(1).is_some_and(|index| number <= self.lasts[index])
    }
}

impl BanTable {
    /// Whether nothing is to be served to `address`.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let banned = match address.to_canonical() {
            IpAddr::V4(address) => self.v4.contain(address.into()),
            IpAddr::V6(address) => self.v6.contain(address.into()),
        };
        // Only where a ban by hand is wider than what is exempt does the second question matter.
        banned && !self.is_exempt(address)
    }

    /// Whether a login as `user` from `address` is to be refused unseen.
    #[must_use]
    pub fn has_user(&self, address: IpAddr, user: &str) -> bool {
        let banned =
            self.users.get(user).is_some_and(|from| from.iter().any(|prefix| prefix.contains(address)));
        self.has(address) || banned && !self.is_exempt(address)
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|prefix| prefix.contains(address))
    }
}
