//! Bans: `/server/bans`.

use std::path::PathBuf;
use std::time::Duration;

/// `/server/bans`: who is banned when, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Bans {
    /// The failed login from a prefix, within the window, that bans it; 1..=100.
    pub failures: u32,
    /// The one for one user from a prefix that bans this user from there; 1..=100.
    pub user_failures: u32,
    /// The bad request from a prefix that bans it; `None` does not count them.
    pub bad_requests: Option<u32>,
    /// How long a failure counts.
    pub window: Duration,
    /// How long the first ban lasts.
    pub duration: Duration,
    /// How long a ban lasts at most; not less than `duration`.
    pub duration_max: Duration,
    /// Bits of an IPv4 address that are watched together, 0..=32.
    pub ipv4_bits: u8,
    /// Bits of an IPv6 address that are watched together, 0..=128.
    pub ipv6_bits: u8,
    /// Networks that are never banned, as they are written; a later stage reads them.
    pub allow: Vec<String>,
    /// File in which bans survive a restart.
    pub file: Option<PathBuf>,
}
