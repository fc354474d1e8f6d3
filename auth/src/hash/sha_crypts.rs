//! SHA-256-crypt and SHA-512-crypt: `$6$` [`rounds=`number`$`] salt `$` digest.

use super::bad::TooMuch;
use super::{BadHash, Cost, is_crypt_letter, number};
use base64ct::{Base64ShaCrypt, Encoding};
use sha_crypt::{PasswordVerifier, ShaCrypt};

/// Fewest rounds that the scheme knows.
const ROUNDS_MIN: u32 = 1_000;
/// Most rounds of a hash. More would be a typing error that costs minutes for every login.
const ROUNDS_MAX: u32 = 1_000_000;
/// Rounds of a hash that names none.
const ROUNDS_DEFAULT: u32 = 5_000;
/// Most letters of a salt.
const SALT_LEN_MAX: usize = 16;

/// What is hashed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Sha256,
    Sha512,
}

impl Digest {
    /// Bytes of a digest.
    fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

#[derive(Clone)]
pub(super) struct ShaCrypts {
    text: Box<str>,
    digest: Digest,
    rounds: u32,
}

/// `text` is all of the hash, `rest` what follows the scheme.
pub(super) fn parse(text: &str, rest: &str, digest: Digest) -> Result<ShaCrypts, BadHash> {
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        Some(counted) => {
            let (digits, rest) = counted.split_once('$').ok_or(BadHash::Form)?;
            (number(digits)?, rest)
        }
        None => (ROUNDS_DEFAULT, rest),
    };
    let (salt, letters) = rest.split_once('$').ok_or(BadHash::Form)?;
    if salt.len() > SALT_LEN_MAX || !salt.bytes().all(is_crypt_letter) {
        return Err(BadHash::Form);
    }
    let mut bytes = [0; 64];
    let decoded = Base64ShaCrypt::decode(letters, &mut bytes).map_err(|_| BadHash::Form)?;
    if decoded.len() != digest.len() || rounds < ROUNDS_MIN {
        return Err(BadHash::Form);
    }
    if rounds > ROUNDS_MAX {
        return Err(BadHash::Cost(TooMuch::Rounds));
    }
    Ok(ShaCrypts { text: text.into(), digest, rounds })
}

/// One that no password is known for.
pub(super) fn of_nobody() -> ShaCrypts {
    let text = format!("$6$rounds={ROUNDS_MIN}$nobody${}", ".".repeat(86));
    ShaCrypts { text: text.into(), digest: Digest::Sha512, rounds: ROUNDS_MIN }
}

impl ShaCrypts {
    pub(super) fn is_of(&self, secret: &[u8]) -> bool {
        ShaCrypt::default().verify_password(secret, &*self.text).is_ok()
    }

    pub(super) fn cost(&self) -> Cost {
        let scheme = match self.digest {
            Digest::Sha256 => "sha256crypt",
            Digest::Sha512 => "sha512crypt",
        };
        Cost { scheme, factors: [self.rounds.into(), 0, 0] }
    }
}
