//! Many prefixes, and whether an address has one of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use super::Cause;
use crate::prefix::{Prefix, hosts_v4, hosts_v6};

/// Prefixes by their length, each with why it is there.
///
/// A look-up hashes the address once for each length that there is, of which there are few, and costs the same whether
/// there is one prefix or a hundred thousand. The hash has a key of its own, so that nobody can choose addresses that
/// fall together.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefixes {
    v4: Lengths<u32>,
    v6: Lengths<u128>,
}

/// For each length the first addresses of the prefixes.
type Lengths<B> = Vec<(u8, HashMap<B, Cause>)>;

impl Prefixes {
    pub(super) fn insert(&mut self, prefix: Prefix, cause: Cause) {
        match prefix.first() {
            IpAddr::V4(first) => put(&mut self.v4, prefix.len(), first.into(), cause),
            IpAddr::V6(first) => put(&mut self.v6, prefix.len(), first.into(), cause),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Why one of them is there that has `address`, if one has.
    pub(super) fn cause(&self, address: IpAddr) -> Option<Cause> {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = u32::from(address);
                self.v4.iter().find_map(|(len, firsts)| firsts.get(&(bits & !hosts_v4(*len))).copied())
            }
            IpAddr::V6(address) => {
                let bits = u128::from(address);
                self.v6.iter().find_map(|(len, firsts)| firsts.get(&(bits & !hosts_v6(*len))).copied())
            }
        }
    }
}

fn put<B: Eq + Hash>(lengths: &mut Lengths<B>, len: u8, first: B, cause: Cause) {
    if let Some((_, firsts)) = lengths.iter_mut().find(|(known, _)| *known == len) {
        firsts.insert(first, cause);
        return;
    }
    // Most users are banned from one prefix: room for more would be most of the table.
    lengths.reserve_exact(1);
    lengths.push((len, HashMap::from([(first, cause)])));
}
