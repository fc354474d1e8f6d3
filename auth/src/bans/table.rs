//! Who is banned now, as every shard reads it: immutable.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use super::Bans;
use crate::prefix::{Prefix, hosts_v4, hosts_v6};

/// Who is banned. It has no times: the writer publishes another one when a ban begins or ends.
///
/// A look-up hashes the address once for each length of prefix that is banned, of which there are few, and costs the
/// same whether one prefix is banned or a hundred thousand. The hash has a key of its own, so that nobody can choose
/// addresses that fall together.
#[derive(Clone, Debug, Default)]
pub struct BanTable {
    /// For each length the first addresses of the prefixes.
    v4: Vec<(u8, HashSet<u32>)>,
    v6: Vec<(u8, HashSet<u128>)>,
    users: HashMap<Box<str>, Vec<Prefix>>,
    exempt: Vec<Prefix>,
}

impl Bans {
    /// What is in force at `now`.
    #[must_use]
    pub fn table(&self, now: u64) -> BanTable {
        let mut v4: BTreeMap<u8, HashSet<u32>> = BTreeMap::new();
        let mut v6: BTreeMap<u8, HashSet<u128>> = BTreeMap::new();
        let mut users: HashMap<Box<str>, Vec<Prefix>> = HashMap::new();
        for ban in self.lasting(now) {
            let prefix = ban.subject.prefix;
            match (&ban.subject.user, prefix.first()) {
                (Some(user), _) => users.entry(user.clone()).or_default().push(prefix),
                (None, IpAddr::V4(first)) => drop(v4.entry(prefix.len()).or_default().insert(first.into())),
                (None, IpAddr::V6(first)) => drop(v6.entry(prefix.len()).or_default().insert(first.into())),
            }
        }
        let exempt = self.policy.exempt.clone();
        BanTable { v4: v4.into_iter().collect(), v6: v6.into_iter().collect(), users, exempt }
    }
}

impl BanTable {
    /// Whether nothing is to be served to `address`.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let banned = match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = u32::from(address);
                self.v4.iter().any(|(len, firsts)| firsts.contains(&(bits & !hosts_v4(*len))))
            }
            IpAddr::V6(address) => {
                let bits = u128::from(address);
                self.v6.iter().any(|(len, firsts)| firsts.contains(&(bits & !hosts_v6(*len))))
            }
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
