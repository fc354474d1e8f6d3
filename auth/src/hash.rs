//! Hashes of passwords, in every form that htpasswd, mkpasswd and the argon2 tool write.
//!
//! A hash is taken apart once, when its file is read, and is either whole and affordable or refused; comparing cannot
//! fail afterwards.

mod argon;
mod bad;
mod blowfish;
mod md5_crypt;
mod memory_hard;
mod sha_crypts;

pub use bad::{BadHash, TooMuch};
pub use blowfish::make_bcrypt;

use crate::limits::{HASH_LEN_MAX, MEMORY_MAX, PASSWORD_LEN_MAX};
use base64ct::{Base64, Encoding};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// What a comparison costs: equal for hashes that take the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cost {
    scheme: &'static str,
    /// The numbers that make it dear, in a fixed order that is the scheme's own.
    factors: [u64; 3],
}

/// A hash that can be compared with.
#[derive(Clone)]
pub(crate) struct Hash(Scheme);

#[derive(Clone)]
enum Scheme {
    Argon(argon::Argon),
    Bcrypt(blowfish::Bcrypt),
    Md5(md5_crypt::Md5Crypt),
    MemoryHard(memory_hard::MemoryHard),
    /// SHA-1 of the password and nothing else: equal passwords have equal hashes, and a graphics card tries billions
    /// a second.
    Sha1([u8; 20]),
    ShaCrypt(sha_crypts::ShaCrypts),
}

impl Hash {
    pub(crate) fn parse(text: &str) -> Result<Self, BadHash> {
        if text.len() > HASH_LEN_MAX {
            return Err(BadHash::Form);
        }
        // What begins with no scheme may be a password: it must not get into a message.
        let scheme = match scheme_of(text).ok_or_else(|| bad::of_no_scheme(text))? {
            ("{SHA}", digest) => Scheme::Sha1(base64(digest)?),
            ("$apr1$", rest) => Scheme::Md5(md5_crypt::parse("$apr1$", rest)?),
            ("$1$", rest) => Scheme::Md5(md5_crypt::parse("$1$", rest)?),
            ("$2a$" | "$2b$" | "$2y$", rest) => Scheme::Bcrypt(blowfish::parse(rest)?),
            ("$5$", rest) => Scheme::ShaCrypt(sha_crypts::parse(text, rest, sha_crypts::Digest::Sha256)?),
            ("$6$", rest) => Scheme::ShaCrypt(sha_crypts::parse(text, rest, sha_crypts::Digest::Sha512)?),
            ("$7$", rest) => Scheme::MemoryHard(memory_hard::parse_scrypt(rest)?),
            ("$y$", rest) => Scheme::MemoryHard(memory_hard::parse_yescrypt(rest)?),
            ("$gy$", rest) => Scheme::MemoryHard(memory_hard::parse_gost(rest)?),
            (name, rest) => Scheme::Argon(argon::parse(name, rest)?),
        };
        Ok(Self(scheme))
    }

    /// One that stands for the user that is not known where there is no other hash to stand for.
    pub(crate) fn of_nobody() -> Self {
        Self(Scheme::ShaCrypt(sha_crypts::of_nobody()))
    }

    /// Whether `secret` is the password.
    pub(crate) fn is_of(&self, secret: &[u8]) -> bool {
        // In C a password ends at its first NUL: one that has any was not hashed by those tools as it stands.
        if secret.len() > PASSWORD_LEN_MAX || secret.contains(&0) {
            return false;
        }
        match &self.0 {
            Scheme::Argon(hash) => hash.is_of(secret),
            Scheme::Bcrypt(hash) => hash.is_of(secret),
            Scheme::Md5(hash) => hash.is_of(secret),
            Scheme::MemoryHard(hash) => hash.is_of(secret),
            Scheme::Sha1(digest) => digest[..].ct_eq(&Sha1::digest(secret)).into(),
            Scheme::ShaCrypt(hash) => hash.is_of(secret),
        }
    }

    /// What a comparison costs.
    pub(crate) fn cost(&self) -> Cost {
        match &self.0 {
            Scheme::Argon(hash) => hash.cost(),
            Scheme::Bcrypt(hash) => hash.cost(),
            Scheme::Md5(_) => Cost { scheme: "md5", factors: [0; 3] },
            Scheme::MemoryHard(hash) => hash.cost(),
            Scheme::Sha1(_) => Cost { scheme: "sha1", factors: [0; 3] },
            Scheme::ShaCrypt(hash) => hash.cost(),
        }
    }

    /// Whether the hash hardly protects the password from somebody who reads it.
    pub(crate) fn is_weak(&self) -> bool {
        matches!(self.0, Scheme::Sha1(_))
    }
}

/// What hashes begin with.
const SCHEMES: &[&str] = &[
    "{SHA}",
    "$apr1$",
    "$1$",
    "$2a$",
    "$2b$",
    "$2y$",
    "$5$",
    "$6$",
    "$7$",
    "$y$",
    "$gy$",
    "$argon2id$",
    "$argon2i$",
    "$argon2d$",
];

/// The scheme that `text` begins with, and the rest.
fn scheme_of(text: &str) -> Option<(&'static str, &str)> {
    SCHEMES.iter().find_map(|name| Some((*name, text.strip_prefix(name)?)))
}

/// `text` in base64 with padding, which has to be `LEN` bytes.
fn base64<const LEN: usize>(text: &str) -> Result<[u8; LEN], BadHash> {
    decoded::<Base64, LEN>(text)
}

/// `text` in an alphabet of base64, which has to be `LEN` bytes, in the one form that encoding gives.
fn decoded<Alphabet: Encoding, const LEN: usize>(text: &str) -> Result<[u8; LEN], BadHash> {
    let mut bytes = [0; LEN];
    let len = Alphabet::decode(text, &mut bytes).map_err(|_| BadHash::Form)?.len();
    if len == LEN { Ok(bytes) } else { Err(BadHash::Form) }
}

/// A number in digits, without a sign and without zeros before it.
fn number(digits: &str) -> Result<u32, BadHash> {
    let fine =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.len() == 1 || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| fine).ok_or(BadHash::Form)
}

/// Whether crypt(3) uses `byte` in salts and digests.
fn is_crypt_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/')
}

#[cfg(test)]
mod tests;
