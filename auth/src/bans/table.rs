//! Who is banned now, as every shard reads it: immutable.

use std::collections::HashMap;
use std::net::IpAddr;

use super::prefixes::Prefixes;
use super::{Ban, Bans};
use crate::prefix::Prefix;

/// Who is banned. It has no times: the writer publishes another one when a ban begins or ends.
///
/// A look-up costs the same whether one prefix, or one user, is banned or a hundred thousand, and one user from a
/// hundred thousand prefixes.
#[derive(Clone, Debug, Default)]
pub struct BanTable {
    all: Prefixes,
    users: HashMap<Box<str>, Prefixes>,
    exempt: Vec<Prefix>,
}

impl Bans {
    /// What is in force at `now`.
    #[must_use]
    pub fn table(&self, now: u64) -> BanTable {
        let bans = self.lasting(now).map(|ban| (ban.subject.prefix, ban.subject.user.as_deref()));
        BanTable::new(bans, self.policy.exempt.clone())
    }

    /// The same as bytes, for other processes: [`BanTable::unpack`] reads them. None when nobody is banned.
    #[must_use]
    pub fn pack(&self, now: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![FORM];
        self.lasting(now).for_each(|ban| put(&mut bytes, ban));
        if bytes.len() == 1 {
            return None;
        }
        self.policy.exempt.iter().for_each(|prefix| put_prefix(&mut bytes, EXEMPT, *prefix));
        Some(bytes)
    }
}

/// The first byte. Another form gets another number.
const FORM: u8 = 1;
/// By which each entry begins: what it is. Then comes the length of the prefix, the 4 or 16 bytes of its first address,
/// and, for a user, the length of the name and the name.
const BANNED: u8 = 0;
const USER: u8 = 1;
const EXEMPT: u8 = 2;
/// Added for IPv6.
const V6: u8 = 0x80;

fn put(bytes: &mut Vec<u8>, ban: &Ban) {
    let prefix = ban.subject.prefix;
    match &ban.subject.user {
        None => put_prefix(bytes, BANNED, prefix),
        Some(user) => {
            put_prefix(bytes, USER, prefix);
            // No banned name is longer than 64 bytes.
            bytes.push(u8::try_from(user.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(user.as_bytes());
        }
    }
}

fn put_prefix(bytes: &mut Vec<u8>, kind: u8, prefix: Prefix) {
    match prefix.first() {
        IpAddr::V4(first) => {
            bytes.extend([kind, prefix.len()]);
            bytes.extend(first.octets());
        }
        IpAddr::V6(first) => {
            bytes.extend([kind | V6, prefix.len()]);
            bytes.extend(first.octets());
        }
    }
}

/// An entry of packed bytes, and what follows it.
struct Entry<'b> {
    kind: u8,
    prefix: Prefix,
    user: Option<&'b str>,
    rest: &'b [u8],
}

impl<'b> Entry<'b> {
    fn take(bytes: &'b [u8]) -> Option<Self> {
        let ([kind, len], rest) = bytes.split_first_chunk()?;
        let (first, rest): (IpAddr, _) = if kind & V6 == 0 {
            let (octets, rest) = rest.split_first_chunk::<4>()?;
            ((*octets).into(), rest)
        } else {
            let (octets, rest) = rest.split_first_chunk::<16>()?;
            ((*octets).into(), rest)
        };
        let prefix = Prefix::of(first, *len, *len);
        let kind = kind & !V6;
        if kind != USER {
            return Some(Self { kind, prefix, user: None, rest });
        }
        let (len, rest) = rest.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*len))?;
        Some(Self { kind, prefix, user: Some(std::str::from_utf8(name).ok()?), rest })
    }
}

impl BanTable {
    fn new<'b>(bans: impl Iterator<Item = (Prefix, Option<&'b str>)>, exempt: Vec<Prefix>) -> Self {
        let mut table = Self { exempt, ..Self::default() };
        for (prefix, user) in bans {
            let prefixes = match user {
                None => &mut table.all,
                Some(user) => table.users.entry(user.into()).or_default(),
            };
            prefixes.insert(prefix);
        }
        table
    }

    /// The table that [`Bans::pack`] has made bytes of; none for other bytes.
    #[must_use]
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let (FORM, mut rest) = bytes.split_first().map(|(form, rest)| (*form, rest))? else { return None };
        let (mut bans, mut exempt) = (Vec::new(), Vec::new());
        while !rest.is_empty() {
            let entry = Entry::take(rest)?;
            rest = entry.rest;
            match entry.kind {
                BANNED | USER => bans.push((entry.prefix, entry.user)),
                EXEMPT => exempt.push(entry.prefix),
                _ => return None,
            }
        }
        Some(Self::new(bans.into_iter(), exempt))
    }

    /// Whether nobody is banned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.users.is_empty()
    }

    /// Whether nothing is to be served to `address`.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        // Only where a ban by hand is wider than what is exempt does the second question matter.
        self.all.have(address) && !self.is_exempt(address)
    }

    /// Whether a login as `user` from `address` is to be refused unseen.
    #[must_use]
    pub fn has_user(&self, address: IpAddr, user: &str) -> bool {
        let banned = self.users.get(user).is_some_and(|from| from.have(address));
        self.has(address) || banned && !self.is_exempt(address)
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|prefix| prefix.contains(address))
    }
}
