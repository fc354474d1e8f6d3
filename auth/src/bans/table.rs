//! Who is banned now, as every shard reads it: immutable.

use std::collections::HashMap;
use std::net::IpAddr;

use super::prefixes::Prefixes;
use super::{Ban, Bans, Cause};
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
        let bans = self.lasting(now).map(Entry::of);
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
const FORM: u8 = 2;
/// By which each entry begins: what it is, and why. Then comes the length of the prefix, the 4 or 16 bytes of its
/// first address, and, for a user, the length of the name and the name.
const BANNED: u8 = 0;
const USER: u8 = 1;
const EXEMPT: u8 = 2;
/// Added for IPv6.
const V6: u8 = 0x80;
/// Added for why it is banned.
const LOGINS: u8 = 0;
const REQUESTS: u8 = 0x10;
const HAND: u8 = 0x20;
/// The bits that these are of.
const CAUSE: u8 = 0x70;

fn put(bytes: &mut Vec<u8>, ban: &Ban) {
    let prefix = ban.subject.prefix;
    let cause = match ban.reason.cause() {
        Cause::Logins => LOGINS,
        Cause::Requests => REQUESTS,
        Cause::Hand => HAND,
    };
    match &ban.subject.user {
        None => put_prefix(bytes, BANNED | cause, prefix),
        Some(user) => {
            put_prefix(bytes, USER | cause, prefix);
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

/// A prefix of the table, and the user who is meant.
struct Entry<'b> {
    prefix: Prefix,
    user: Option<&'b str>,
    /// Why it is banned; none when it is exempt.
    cause: Option<Cause>,
}

impl<'b> Entry<'b> {
    fn of(ban: &'b Ban) -> Self {
        let subject = &ban.subject;
        Self { prefix: subject.prefix, user: subject.user.as_deref(), cause: Some(ban.reason.cause()) }
    }

    /// The first one of packed bytes, and what follows it.
    fn take(bytes: &'b [u8]) -> Option<(Self, &'b [u8])> {
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
        if kind == EXEMPT {
            return Some((Self { prefix, user: None, cause: None }, rest));
        }
        let cause = match kind & CAUSE {
            LOGINS => Some(Cause::Logins),
            REQUESTS => Some(Cause::Requests),
            HAND => Some(Cause::Hand),
            _ => return None,
        };
        match kind & !CAUSE {
            BANNED => Some((Self { prefix, user: None, cause }, rest)),
            USER => {
                let (len, rest) = rest.split_first()?;
                let (name, rest) = rest.split_at_checked(usize::from(*len))?;
                Some((Self { prefix, user: Some(std::str::from_utf8(name).ok()?), cause }, rest))
            }
            _ => None,
        }
    }
}

impl BanTable {
    fn new<'b>(entries: impl Iterator<Item = Entry<'b>>, exempt: Vec<Prefix>) -> Self {
        let mut table = Self { exempt, ..Self::default() };
        entries.for_each(|entry| table.add(&entry));
        table
    }

    fn add(&mut self, entry: &Entry<'_>) {
        let Some(cause) = entry.cause else { return self.exempt.push(entry.prefix) };
        let prefixes = match entry.user {
            None => &mut self.all,
            Some(user) => self.users.entry(user.into()).or_default(),
        };
        prefixes.insert(entry.prefix, cause);
    }

    /// The table that [`Bans::pack`] has made bytes of; none for other bytes.
    #[must_use]
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let (FORM, mut rest) = bytes.split_first().map(|(form, rest)| (*form, rest))? else { return None };
        let mut table = Self::default();
        while !rest.is_empty() {
            let (entry, behind) = Entry::take(rest)?;
            table.add(&entry);
            rest = behind;
        }
        Some(table)
    }

    /// Whether nobody is banned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.users.is_empty()
    }

    /// Whether nothing is to be served to `address`.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.cause(address).is_some()
    }

    /// Why nothing is to be served to `address`, if that is so.
    #[must_use]
    pub fn cause(&self, address: IpAddr) -> Option<Cause> {
        // Only where a ban by hand is wider than what is exempt does the second question matter.
        self.all.cause(address).filter(|_| !self.is_exempt(address))
    }

    /// Whether a login as `user` from `address` is to be refused unseen.
    #[must_use]
    pub fn has_user(&self, address: IpAddr, user: &str) -> bool {
        self.has(address) || self.cause_of_user(address, user).is_some()
    }

    /// Why just this user is to be refused from `address`, if that is so.
    #[must_use]
    pub fn cause_of_user(&self, address: IpAddr, user: &str) -> Option<Cause> {
        let banned = self.users.get(user).and_then(|from| from.cause(address));
        banned.filter(|_| !self.is_exempt(address))
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|prefix| prefix.contains(address))
    }
}
