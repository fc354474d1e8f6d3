//! Session tickets: the state of a session, sealed, in the hands of its client. Nothing is kept here, so any shard,
//! generation or upgraded server that has the same keys can take a session up again.
//!
//! A ticket is the key's name, a nonce, and the sealed hour of issue and state:
//!
//! ```text
//! name (16) | nonce (12) | AES-256-GCM-SIV( issued (8) | state ) | tag (16)
//! ```
//!
//! The name and the policy of the host are bound in: a ticket of one host, or from before its rules for client
//! certificates changed, does not open at another. The SIV mode is chosen because nonces are random and a busy
//! key seals more tickets than the plain mode allows.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use rustls::server::ProducesTickets;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::error::Error;
use crate::limits::{TICKET_BYTES_MAX, TICKET_KEYS_MAX};

const NAME_LEN: usize = 16;
const SECRET_LEN: usize = 32;
const HOUR_LEN: usize = size_of::<u64>();
const POLICY_LEN: usize = 32;

/// Seconds by which the clocks of two servers may differ.
const CLOCK_SKEW_SECONDS: u64 = 60;

/// A key that seals tickets: made by one process and handed to all that serve.
#[derive(Clone)]
pub struct TicketKey {
    name: [u8; NAME_LEN],
    secret: Zeroizing<[u8; SECRET_LEN]>,
}

impl TicketKey {
    /// Bytes of a key.
    pub const LEN: usize = NAME_LEN + SECRET_LEN;

    /// A key out of random bytes. Wiping those is the caller's; what is made of them is wiped here.
    pub fn from_bytes(bytes: &[u8; TicketKey::LEN]) -> TicketKey {
        let (name, secret) = bytes.split_at(NAME_LEN);
        let mut key = TicketKey { name: [0; NAME_LEN], secret: Zeroizing::new([0; SECRET_LEN]) };
        key.name.copy_from_slice(name);
        key.secret.copy_from_slice(secret);
        key
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKey").field("name", &crate::name::hex(&self.name)).finish_non_exhaustive()
    }
}

/// The keys that are known at a time. The first seals; all open. So a key is handed out as one of the others first,
/// becomes the first when every process has it, and stays among the others for as long as its tickets live.
#[derive(Clone, Debug)]
pub struct TicketKeys {
    keys: Arc<[Ready]>,
    lifetime_seconds: u32,
}

impl TicketKeys {
    /// Prepares keys, the one that seals first. A ticket is good for `lifetime_seconds`, of which RFC 8446 4.6.1
    /// allows no more than seven days.
    ///
    /// # Errors
    /// [`Error::TicketKeys`]: none, or more than [`TICKET_KEYS_MAX`].
    pub fn new(keys: &[TicketKey], lifetime_seconds: u32) -> Result<TicketKeys, Error> {
        const WEEK_SECONDS: u32 = 7 * 24 * 60 * 60;

        if keys.is_empty() || TICKET_KEYS_MAX < keys.len() {
            return Err(Error::TicketKeys { keys: keys.len() });
        }
        let keys = keys.iter().map(Ready::new).collect::<Result<_, _>>()?;
        Ok(TicketKeys { keys, lifetime_seconds: lifetime_seconds.min(WEEK_SECONDS) })
    }
}

/// A key that is set up.
struct Ready {
    name: [u8; NAME_LEN],
    key: LessSafeKey,
}

impl Ready {
    fn new(key: &TicketKey) -> Result<Ready, Error> {
        let unbound = UnboundKey::new(&AES_256_GCM_SIV, &*key.secret)
            .map_err(|_| Error::Settings { reason: "a ticket key is refused".to_owned() })?;
        Ok(Ready { name: key.name, key: LessSafeKey::new(unbound) })
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::name::hex(&self.name))
    }
}

/// What seals and opens the tickets of one host.
#[derive(Debug)]
pub(crate) struct Ticketer {
    pub(crate) keys: TicketKeys,
    pub(crate) policy: [u8; POLICY_LEN],
    pub(crate) clock: Arc<dyn Clock>,
}

impl Ticketer {
    fn bound(&self, name: &[u8; NAME_LEN]) -> Aad<[u8; NAME_LEN + POLICY_LEN]> {
        let mut bound = [0; NAME_LEN + POLICY_LEN];
        bound[..NAME_LEN].copy_from_slice(name);
        bound[NAME_LEN..].copy_from_slice(&self.policy);
        Aad::from(bound)
    }

    fn seal(&self, state: &[u8]) -> Option<Vec<u8>> {
        let Ready { name, key } = self.keys.keys.first()?;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let head = NAME_LEN + NONCE_LEN;
        let mut ticket = Vec::with_capacity(head + HOUR_LEN + state.len() + AES_256_GCM_SIV.tag_len());
        ticket.extend_from_slice(name);
        ticket.extend_from_slice(&nonce);
        ticket.extend_from_slice(&self.clock.unix_seconds().to_be_bytes());
        ticket.extend_from_slice(state);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, self.bound(name), &mut ticket[head..]).ok()?;
        ticket.extend_from_slice(tag.as_ref());
        (ticket.len() <= TICKET_BYTES_MAX).then_some(ticket)
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if TICKET_BYTES_MAX < ticket.len() {
            return None;
        }
        let (name, rest) = ticket.split_first_chunk::<NAME_LEN>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let ready = self.keys.keys.iter().find(|ready| ready.name == *name)?;
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let len = ready.key.open_in_place(nonce, self.bound(name), &mut bytes).ok()?.len();
        bytes.truncate(len);
        let issued = u64::from_be_bytes(*bytes.first_chunk()?);
        if !self.is_alive(issued) {
            return None;
        }
        bytes.drain(..HOUR_LEN);
        Some(bytes)
    }

    fn is_alive(&self, issued: u64) -> bool {
        let now = self.clock.unix_seconds();
        issued <= now.saturating_add(CLOCK_SKEW_SECONDS)
            && now <= issued.saturating_add(u64::from(self.keys.lifetime_seconds))
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.keys.lifetime_seconds
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.open(cipher)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Debug)]
    struct Hands(AtomicU64);

    impl Clock for Hands {
        fn unix_seconds(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    const NOON: u64 = 1_000_000;
    const LIFETIME: u32 = 3600;

    fn ticketer(keys: &[u8], policy: u8, clock: &Arc<Hands>) -> Ticketer {
        let keys: Vec<TicketKey> =
            keys.iter().map(|&key| TicketKey::from_bytes(&[key; TicketKey::LEN])).collect();
        let keys = TicketKeys::new(&keys, LIFETIME).expect("keys");
        Ticketer { keys, policy: [policy; POLICY_LEN], clock: clock.clone() }
    }

    #[test]
    fn what_opens_where() {
        let clock = Arc::new(Hands(AtomicU64::new(NOON)));
        let ticket = ticketer(&[1], 0, &clock).seal(b"state").expect("a ticket");
        let cases: &[(&[u8], u8, u64, bool)] = &[
            (&[1], 0, NOON, true),
            (&[2, 1], 0, NOON, true),
            (&[2, 3], 0, NOON, false),
            (&[1], 1, NOON, false),
            (&[1], 0, NOON + u64::from(LIFETIME), true),
            (&[1], 0, NOON + u64::from(LIFETIME) + 1, false),
            (&[1], 0, NOON - CLOCK_SKEW_SECONDS, true),
            (&[1], 0, NOON - CLOCK_SKEW_SECONDS - 1, false),
        ];
        for (keys, policy, now, opens) in cases {
            clock.0.store(*now, Ordering::Relaxed);
            let state = ticketer(keys, *policy, &clock).open(&ticket);
            assert_eq!(state.as_deref() == Some(b"state"), *opens, "{keys:?} {policy} {now}");
        }
    }

    #[test]
    fn a_changed_ticket_does_not_open() {
        let clock = Arc::new(Hands(AtomicU64::new(NOON)));
        let ticketer = ticketer(&[1], 0, &clock);
        let ticket = ticketer.seal(b"state").expect("a ticket");
        for index in 0..ticket.len() {
            assert_eq!(ticketer.open(&ticket[..index]), None, "cut at {index}");
            let mut changed = ticket.clone();
            changed[index] ^= 1;
            assert_eq!(ticketer.open(&changed), None, "byte {index}");
        }
        assert_eq!(ticketer.open(&[ticket.as_slice(), b"x"].concat()), None);
        assert_ne!(ticketer.seal(b"state"), ticketer.seal(b"state"));
    }

    #[test]
    fn bounds() {
        let clock = Arc::new(Hands(AtomicU64::new(NOON)));
        assert_eq!(ticketer(&[1], 0, &clock).seal(&[0; TICKET_BYTES_MAX]), None);
        assert_eq!(ticketer(&[1], 0, &clock).open(&[1; TICKET_BYTES_MAX + 1]), None);
        assert_eq!(TicketKeys::new(&[], 1).err(), Some(Error::TicketKeys { keys: 0 }));
        let many = vec![TicketKey::from_bytes(&[7; TicketKey::LEN]); TICKET_KEYS_MAX + 1];
        assert_eq!(TicketKeys::new(&many, 1).err(), Some(Error::TicketKeys { keys: TICKET_KEYS_MAX + 1 }));
        // A key must not show in a message.
        assert!(!format!("{:?}", many[0]).contains("0707070707070707070707070707070707"));
    }
}
