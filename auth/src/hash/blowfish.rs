//! bcrypt: `$2y$10$` salt digest.

use super::bad::TooMuch;
use super::{BadHash, Cost, decoded, is_crypt_letter};
use base64ct::{Base64Bcrypt, Encoding};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Least cost that the scheme knows.
const COST_MIN: u32 = 4;
/// Greatest cost that is taken: each one more doubles the time, and this one takes seconds.
const COST_MAX: u32 = 15;
/// Cost of a hash that is made here: about a tenth of a second.
const COST_MADE: u32 = 11;
/// Bytes of a password that bcrypt looks at.
pub(crate) const LOOKED_AT: usize = 72;
/// Letters of the salt.
const SALT_LETTERS: usize = 22;

#[derive(Clone)]
pub(super) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    digest: [u8; 23],
}

/// What follows the scheme. `$2a$`, `$2b$` and `$2y$` mean the same since all of their faults are mended.
pub(super) fn parse(rest: &str) -> Result<Bcrypt, BadHash> {
    let (cost, letters) = rest.split_once('$').ok_or(BadHash::Form)?;
    if cost.len() != 2 || !cost.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadHash::Form);
    }
    let cost = cost.parse().map_err(|_| BadHash::Form)?;
    if !letters.bytes().all(is_crypt_letter) {
        return Err(BadHash::Form);
    }
    let (salt, digest) = letters.split_at_checked(SALT_LETTERS).ok_or(BadHash::Form)?;
    let hash = Bcrypt {
        cost,
        salt: decoded::<Base64Bcrypt, 16>(salt)?,
        digest: decoded::<Base64Bcrypt, 23>(digest)?,
    };
    match cost {
        ..COST_MIN => Err(BadHash::Form),
        COST_MIN..=COST_MAX => Ok(hash),
        _ => Err(BadHash::Cost(TooMuch::Bcrypt)),
    }
}

impl Bcrypt {
    pub(super) fn is_of(&self, secret: &[u8]) -> bool {
        self.digest.ct_eq(&digest(self.cost, self.salt, secret)).into()
    }

    pub(super) fn cost(&self) -> Cost {
        Cost { scheme: "bcrypt", factors: [self.cost.into(), 0, 0] }
    }
}

fn digest(cost: u32, salt: [u8; 16], secret: &[u8]) -> [u8; 23] {
    let mut key = Zeroizing::new([0; LOOKED_AT]);
    let used = secret.len().min(LOOKED_AT);
    key[..used].copy_from_slice(&secret[..used]);
    // The NUL at the end belongs to the key where there is room for it.
    let whole = bcrypt::bcrypt(cost, salt, &key[..LOOKED_AT.min(used + 1)]);
    let mut digest = [0; 23];
    digest.copy_from_slice(&whole[..23]);
    digest
}

/// A bcrypt hash of `secret`, with 16 random bytes as `salt`; none of a password that has a NUL, or of more than 72
/// bytes, of which bcrypt would not see the rest.
///
/// bcrypt and not a memory-hard scheme: it fits into the first cache of its core, so that a login does not slow down
/// requests on other cores, and every web server and htpasswd read it.
#[must_use]
pub fn make_bcrypt(secret: &[u8], salt: [u8; 16]) -> Option<String> {
    if secret.len() > LOOKED_AT || secret.contains(&0) {
        return None;
    }
    let digest = digest(COST_MADE, salt, secret);
    Some(format!(
        "$2y${COST_MADE:02}${}{}",
        Base64Bcrypt::encode_string(&salt),
        Base64Bcrypt::encode_string(&digest)
    ))
}
