//! Bans: what the configuration says of them, and what is told about them.

use std::net::IpAddr;

use auth::Prefix;

use crate::wire::{Bytes, records};

use std::path::PathBuf;

records! {
    /// Addresses that begin with the same bits.
    pub struct Network {
        /// The first of them, 4 or 16 bytes.
        first: Bytes,
        /// How many bits are the same.
        len: u16,
    }

    /// Who is banned when, and for how long.
    pub struct BanNeeds {
        /// The failed login from a prefix that bans it.
        failures: u32,
        /// The one for one user from a prefix that bans this user from there.
        user_failures: u32,
        /// The bad request from a prefix that bans it; none does without it.
        bad_requests: Option<u32>,
        /// How long a failure counts, in seconds.
        window_seconds: u64,
        /// How long the first ban lasts, in seconds.
        duration_seconds: u64,
        /// How long a ban lasts at most, in seconds.
        duration_max_seconds: u64,
        /// Bits of an IPv4 address that are watched together.
        v4_len: u16,
        /// Bits of an IPv6 address that are watched together.
        v6_len: u16,
        /// Who is never banned: exempt networks and trusted proxies.
        exempt: Vec<Network>,
        /// Where bans survive a restart.
        file: Option<PathBuf>,
    }

    /// All bans that are in force.
    pub struct BansReport {
        /// The time of the report, in seconds since 1970.
        now: u64,
        /// In the order of their prefixes.
        bans: Vec<BanReport>,
    }

    /// One of them.
    pub struct BanReport {
        /// From where.
        network: Network,
        /// Only this user from there; none for everybody.
        user: Option<String>,
        /// The how-manieth of these.
        count: u32,
        /// Since when, in seconds since 1970.
        since: u64,
        /// Until when; none for a ban without an end.
        until: Option<u64>,
        /// Why.
        reason: String,
    }
}

impl From<Prefix> for Network {
    fn from(prefix: Prefix) -> Self {
        let first = match prefix.first() {
            IpAddr::V4(first) => first.octets().to_vec(),
            IpAddr::V6(first) => first.octets().to_vec(),
        };
        Self { first: Bytes(first), len: prefix.len().into() }
    }
}

impl Network {
    /// The prefix; none if it is none, or has bits that do not count.
    #[must_use]
    pub fn prefix(&self) -> Option<Prefix> {
        let bytes = self.first.0.as_slice();
        let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
        let v6 = || <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from);
        let len = u8::try_from(self.len).ok()?;
        let prefix = Prefix::of(v4().or_else(v6)?, len, len);
        // Only the one form is taken in which it is sent.
        (Self::from(prefix) == *self).then_some(prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_a_prefix_or_refused() {
        for text in ["0.0.0.0/0", "192.0.2.7/32", "10.0.0.0/8", "::/0", "2001:db8::/32", "::1/128"] {
            let prefix: Prefix = text.parse().unwrap();
            assert_eq!(Network::from(prefix).prefix(), Some(prefix), "{text}");
        }
        for (first, len) in [
            (&[192, 0, 2, 7][..], 24),
            (&[192, 0, 2, 7], 33),
            (&[192, 0, 2, 7], 288),
            (&[192, 0, 2], 24),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7], 128),
        ] {
            let network = Network { first: Bytes(first.to_vec()), len };
            assert_eq!(network.prefix(), None, "{network:?}");
        }
    }
}
