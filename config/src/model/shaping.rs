//! Limits on what clients may use: `shaping` of `/server`, `/defaults`, hosts and locations.

use std::num::NonZeroU32;
use std::time::Duration;

/// So much of something in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How much; not 0.
    pub amount: u64,
    /// In which time: a second, a minute or an hour.
    pub per: Duration,
}

/// `shaping`: limits for all together, for each client and for each connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Shaping {
    /// For all together.
    pub total: Quota,
    /// For each client.
    pub client: Quota,
    /// For each connection; only its bytes are limited.
    pub connection: Quota,
    /// Who counts as one client.
    pub by: ShapedBy,
    /// Bits of an IPv4 address that are one client, 0..=32.
    pub ipv4_bits: u8,
    /// Bits of an IPv6 address that are one client, 0..=128.
    pub ipv6_bits: u8,
    /// Networks for which nothing of this holds, as they are written, each with its JSON Pointer.
    pub exempt: Vec<(String, String)>,
    /// Whether it is only counted and logged what would be refused and delayed.
    pub dry_run: bool,
    /// Whether a request that a limit for each client refuses counts as a bad one for bans.
    pub offence: bool,
    /// Where this holds: JSON Pointer of `/server`, a host or a location. Places with the same one share their limits.
    pub scope: String,
    /// JSON Pointer of the section.
    pub pointer: String,
}

/// Who counts as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapedBy {
    /// Whoever comes from the same prefix.
    Address,
    /// Whoever has logged in by the same name; others by their prefix.
    User,
}

/// Limits of one kind of user. What is `None` is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of responses.
    pub down: Option<Rate>,
    /// Bytes of responses that may go at once after a pause; `None` leaves it to the rate.
    pub down_burst: Option<u64>,
    /// Bytes of requests' bodies.
    pub up: Option<Rate>,
    /// Bytes of requests' bodies that are taken at once after a pause; `None` leaves it to the rate.
    pub up_burst: Option<u64>,
    /// Requests.
    pub requests: Option<Rate>,
    /// Requests that may come at once after a pause; `None` leaves it to the rate.
    pub requests_burst: Option<u64>,
    /// How long a request may be held back; one that would have to wait longer is refused.
    pub delay: Duration,
    /// Requests at the same time.
    pub concurrent: Option<NonZeroU32>,
    /// Connections at the same time; only for clients of `/server`.
    pub connections: Option<NonZeroU32>,
}
