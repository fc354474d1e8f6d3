//! Logins that were right a moment ago, so that a password is not hashed for every request.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Credentials;
use crate::limits::REMEMBERED_MAX;

/// Who has logged in where, as somebody who reads this memory cannot tell: neither name nor password is kept, but a hash
/// of them under a key that nobody else has. Time is handed in, in any unit that does not go back.
pub struct Remembered {
    key: Zeroizing<[u8; KEY_LEN]>,
    /// Until when, by fingerprint.
    known: HashMap<Fingerprint, u32>,
}

/// Bytes of the key.
pub const KEY_LEN: usize = 32;

/// What is kept of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Remembered {
    /// Nobody yet. `key` is random and used for nothing else.
    #[must_use]
    pub fn new(key: Zeroizing<[u8; KEY_LEN]>) -> Self {
        Self { key, known: HashMap::new() }
    }

    /// What is kept of a login at `realm`.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub fn fingerprint(&self, realm: u64, credentials: &Credentials) -> Fingerprint {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key[..]).expect("HMAC takes keys of any length");
        mac.update(&realm.to_le_bytes());
        mac.update(credentials.user.as_bytes());
        // No name has one.
        mac.update(b":");
        mac.update(&credentials.secret);
        Fingerprint(mac.finalize().into_bytes().into())
    }

    /// Whether this login was right, and that still holds at `now`.
    #[must_use]
    pub fn knows(&self, fingerprint: &Fingerprint, now: u32) -> bool {
        self.known.get(fingerprint).is_some_and(|until| now < *until)
    }

    /// Remembers that this login was right. When there are too many, others are forgotten.
    pub fn remember(&mut self, fingerprint: Fingerprint, now: u32, until: u32) {
        if until <= now {
            return;
        }
        if self.known.len() == REMEMBERED_MAX {
            self.known.retain(|_, until| now < *until);
        }
        // All of them are asked again, which takes time and is not wrong.
        if self.known.len() == REMEMBERED_MAX {
            self.known.clear();
        }
        self.known.insert(fingerprint, until);
    }

    /// Forgets all.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(user: &str, secret: &str) -> Credentials {
        Credentials { user: user.to_owned(), secret: secret.as_bytes().to_vec().into() }
    }

    #[test]
    fn only_the_same_login_is_known_and_only_for_a_while() {
        let mut remembered = Remembered::new(Zeroizing::new([7; KEY_LEN]));
        let right = remembered.fingerprint(1, &credentials("anna", "secret"));
        remembered.remember(right, 10, 20);
        for (realm, user, secret, now, wanted) in [
            (1, "anna", "secret", 10, true),
            (1, "anna", "secret", 19, true),
            (1, "anna", "secret", 20, false),
            (2, "anna", "secret", 10, false),
            (1, "anna", "Secret", 10, false),
            (1, "ann", "asecret", 10, false),
            (1, "otto", "secret", 10, false),
        ] {
            let fingerprint = remembered.fingerprint(realm, &credentials(user, secret));
            assert_eq!(remembered.knows(&fingerprint, now), wanted, "{realm} {user} {secret} {now}");
        }
        let other = Remembered::new(Zeroizing::new([8; KEY_LEN]));
        assert_ne!(other.fingerprint(1, &credentials("anna", "secret")), right);
        remembered.forget();
        assert!(!remembered.knows(&right, 10));
        remembered.remember(right, 10, 10);
        assert!(!remembered.knows(&right, 10), "for no time at all");
    }

    #[test]
    fn they_are_bounded() {
        let mut remembered = Remembered::new(Zeroizing::new([7; KEY_LEN]));
        let of = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            Fingerprint(bytes)
        };
        for number in 0..REMEMBERED_MAX {
            remembered.remember(of(number), 0, if number == 0 { 5 } else { 100 });
        }
        remembered.remember(of(REMEMBERED_MAX), 5, 100);
        assert_eq!(remembered.known.len(), REMEMBERED_MAX, "what is over makes room");
        assert!(remembered.knows(&of(1), 5));
        remembered.remember(of(REMEMBERED_MAX + 1), 5, 100);
        assert_eq!(remembered.known.len(), 1);
    }
}
