//! Why a text is no hash.

use std::fmt;

/// Why a text is no hash that can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHash {
    /// It begins with no scheme: the password itself, or the beginning is lost.
    Plain,
    /// It looks like the DES crypt of `htpasswd -d`, of which a machine tries all passwords.
    Des,
    /// A scheme of crypt(3) that is not known.
    Scheme,
    /// It has no salt and digest as its scheme wants them.
    Form,
    /// A comparison would take too long or too much memory; what is too much.
    Cost(TooMuch),
}

/// What of a hash is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMuch {
    /// The cost of bcrypt.
    Bcrypt,
    /// Rounds of SHA-crypt.
    Rounds,
    /// Memory, or passes over it, of yescrypt, scrypt or argon2.
    Memory,
}

/// A text that begins with no scheme that is known.
pub(super) fn of_no_scheme(text: &str) -> BadHash {
    /// Letters of what DES crypt writes: two of salt, eleven of digest.
    const DES_LEN: usize = 13;
    if text.starts_with(['$', '_', '{']) {
        BadHash::Scheme
    } else if text.len() == DES_LEN && text.bytes().all(super::is_crypt_letter) {
        BadHash::Des
    } else {
        BadHash::Plain
    }
}

impl fmt::Display for BadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cause, cure) = match self {
            Self::Plain => ("this is no hash but plain text, or a hash without its beginning", ANEW),
            Self::Des => ("this is a DES hash, which is guessed within hours", ANEW),
            Self::Scheme => ("the hash is of a scheme that is not known here", ANEW),
            Self::Form => ("the hash is cut off or mistyped", ANEW),
            Self::Cost(TooMuch::Bcrypt) => (
                "the bcrypt hash costs more than 15, so that each login would take seconds",
                "make one with `htpasswd -nB -C 11 USER`",
            ),
            Self::Cost(TooMuch::Rounds) => (
                "the hash takes more than 1000000 rounds, so that each login would take seconds",
                "make one with fewer, as `mkpasswd -m sha512crypt -R 100000` does",
            ),
            Self::Cost(TooMuch::Memory) => (
                "the hash takes more than 256 MiB of memory, or too many passes over it, for each login",
                "make one with less, as `mkpasswd -m yescrypt -R 5` does",
            ),
        };
        write!(f, "{cause}: {cure}")
    }
}

/// How a hash is made.
const ANEW: &str = "make one with `kimura passwd`, `htpasswd -nB USER` or `mkpasswd`";

impl std::error::Error for BadHash {}
