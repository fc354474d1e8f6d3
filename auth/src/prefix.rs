//! Address prefixes, as `192.0.2.0/24` and `2001:db8::/32`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The addresses that begin with the same bits. An IPv4 address that comes mapped into IPv6 (`::ffff:192.0.2.1`) is the
/// IPv4 address, here and everywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The first address: no bit after the first `len` is set.
    first: IpAddr,
    /// 0 to 32, or to 128.
    len: u8,
}

/// Why a text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPrefix {
    /// What stands before the slash is no address.
    Address,
    /// What stands behind it is no number of bits that such an address has.
    Length,
    /// Bits are set that do not count; the prefix without them.
    HostBits(Prefix),
}

impl fmt::Display for BadPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => {
                f.write_str("this is no IP address: write one as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")
            }
            Self::Length => {
                f.write_str("the number of bits is too great or no number: it is 0 to 32, or 128 for IPv6")
            }
            Self::HostBits(prefix) => write!(f, "the address has bits that do not count: write {prefix}"),
        }
    }
}

impl std::error::Error for BadPrefix {}

impl Prefix {
    /// None comes before it.
    pub(crate) const LEAST: Self = Self { first: IpAddr::V4(Ipv4Addr::UNSPECIFIED), len: 0 };

    /// The prefix of `address` with the first `v4_len` or `v6_len` bits, or all that there are.
    #[must_use]
    pub fn of(address: IpAddr, v4_len: u8, v6_len: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let len = v4_len.min(32);
                let first = u32::from(address) & !hosts_v4(len);
                Self { first: Ipv4Addr::from(first).into(), len }
            }
            IpAddr::V6(address) => {
                let len = v6_len.min(128);
                let first = u128::from(address) & !hosts_v6(len);
                Self { first: Ipv6Addr::from(first).into(), len }
            }
        }
    }

    /// The prefix with one address.
    #[must_use]
    pub fn single(address: IpAddr) -> Self {
        Self::of(address, 32, 128)
    }

    /// How many bits are the same: 0 to 32, or to 128.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a prefix is not a collection")]
    pub fn len(self) -> u8 {
        self.len
    }

    /// The first address.
    #[must_use]
    pub fn first(self) -> IpAddr {
        self.first
    }

    /// The last address.
    #[must_use]
    pub fn last(self) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => Ipv4Addr::from(u32::from(first) | hosts_v4(self.len)).into(),
            IpAddr::V6(first) => Ipv6Addr::from(u128::from(first) | hosts_v6(self.len)).into(),
        }
    }

    /// Whether `address` begins so.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        // Addresses of one family are ordered as their numbers; all of IPv4 comes before IPv6.
        (self.first..=self.last()).contains(&address.to_canonical())
    }

    /// Whether all of `other` begins so.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.contains(other.first) && self.contains(other.last())
    }
}

/// The bits after the first `len`.
pub(crate) fn hosts_v4(len: u8) -> u32 {
    u32::MAX.checked_shr(len.into()).unwrap_or(0)
}

/// The same of IPv6.
pub(crate) fn hosts_v6(len: u8) -> u128 {
    u128::MAX.checked_shr(len.into()).unwrap_or(0)
}

impl FromStr for Prefix {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        /// Bits before an IPv4 address that is mapped into IPv6, RFC 4291 2.5.5.2.
        const MAPPED_LEN: u8 = 96;
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| BadPrefix::Address)?;
        let bits = if written.is_ipv4() { 32 } else { 128 };
        let len: u8 = match len {
            None => bits,
            Some(digits) if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(BadPrefix::Length);
            }
            Some(digits) => digits.parse().ok().filter(|len| *len <= bits).ok_or(BadPrefix::Length)?,
        };
        let address = written.to_canonical();
        let prefix = if address.is_ipv4() && written.is_ipv6() {
            let len = len.checked_sub(MAPPED_LEN).ok_or(BadPrefix::Length)?;
            Self::of(address, len, 0)
        } else {
            Self::of(address, len, len)
        };
        if prefix.first == address { Ok(prefix) } else { Err(BadPrefix::HostBits(prefix)) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let bits = |text: &str| Err(BadPrefix::HostBits(text.parse().unwrap()));
        for (text, wanted) in [
            ("192.0.2.7", Ok("192.0.2.7/32")),
            ("192.0.2.0/24", Ok("192.0.2.0/24")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("2001:db8::/32", Ok("2001:db8::/32")),
            ("2001:DB8::1", Ok("2001:db8::1/128")),
            ("::/0", Ok("::/0")),
            ("::ffff:192.0.2.7", Ok("192.0.2.7/32")),
            ("::ffff:10.0.0.0/104", Ok("10.0.0.0/8")),
            ("192.0.2.7/24", bits("192.0.2.0/24")),
            ("2001:db8::1/64", bits("2001:db8::/64")),
            ("192.0.2.0/33", Err(BadPrefix::Length)),
            ("::/129", Err(BadPrefix::Length)),
            ("::ffff:10.0.0.0/80", Err(BadPrefix::Length)),
            ("192.0.2.0/", Err(BadPrefix::Length)),
            ("192.0.2.0/+8", Err(BadPrefix::Length)),
            ("192.0.2.0/8/8", Err(BadPrefix::Length)),
            ("192.0.2.0/999", Err(BadPrefix::Length)),
            ("", Err(BadPrefix::Address)),
            ("192.0.2", Err(BadPrefix::Address)),
            ("192.0.02.1", Err(BadPrefix::Address)),
            ("[::1]", Err(BadPrefix::Address)),
            ("example.org", Err(BadPrefix::Address)),
            (" 192.0.2.7", Err(BadPrefix::Address)),
        ] {
            let parsed: Result<Prefix, _> = text.parse();
            assert_eq!(parsed.map(|prefix| prefix.to_string()), wanted.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn addresses() {
        for (prefix, address, wanted) in [
            ("192.0.2.0/24", "192.0.2.0", true),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("::ffff:192.0.2.0/120", "192.0.2.9", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "192.0.2.9", false),
            ("::/0", "ffff::", true),
            ("2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::/64", "2001:db8:0:1::", false),
        ] {
            let prefix: Prefix = prefix.parse().unwrap();
            assert_eq!(prefix.contains(address.parse().unwrap()), wanted, "{prefix} {address}");
        }
        let of = |address: &str| Prefix::of(address.parse().unwrap(), 24, 64).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.0/24");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.0/24");
        assert_eq!(of("2001:db8::1:2:3:4"), "2001:db8::/64");
    }
}
