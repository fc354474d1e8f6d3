//! Hashes of passwords, as crypt(5) writes them.

use std::fmt;

use sha_crypt::{PasswordVerifier, ShaCrypt};

/// Most rounds of a hash. More would be a typing error that costs minutes for every login.
const ROUNDS_MAX: u32 = 1_000_000;
/// Rounds of a hash that names none.
const ROUNDS_DEFAULT: u32 = 5_000;

/// Why a text is no hash that can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHash {
    /// It begins with no scheme that is known.
    Scheme,
    /// It has no salt and digest as its scheme wants them.
    Form,
    /// It takes too many rounds.
    Rounds,
}

impl fmt::Display for BadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => {
                f.write_str("the hash begins with neither $6$ nor $5$: make one with `openssl passwd -6`")
            }
            Self::Form => {
                f.write_str("the hash is cut off or mistyped: make it anew with `openssl passwd -6`")
            }
            Self::Rounds => write!(f, "the hash takes more than {ROUNDS_MAX} rounds: make one with fewer"),
        }
    }
}

impl std::error::Error for BadHash {}

/// A hash that can be compared with.
#[derive(Clone)]
pub(crate) struct Hash {
    text: String,
    /// How costly a comparison is.
    pub(crate) rounds: u32,
}

impl Hash {
    pub(crate) fn parse(text: &str) -> Result<Self, BadHash> {
        let (rest, digest_len) = match (text.strip_prefix("$6$"), text.strip_prefix("$5$")) {
            (Some(rest), _) => (rest, 86),
            (_, Some(rest)) => (rest, 43),
            _ => return Err(BadHash::Scheme),
        };
        let (rounds, rest) = match rest.strip_prefix("rounds=") {
            Some(counted) => {
                let (digits, rest) = counted.split_once('$').ok_or(BadHash::Form)?;
                let fine = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                (digits.parse().ok().filter(|_| fine).ok_or(BadHash::Form)?, rest)
            }
            None => (ROUNDS_DEFAULT, rest),
        };
        let (salt, digest) = rest.split_once('$').ok_or(BadHash::Form)?;
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
        if salt.len() > 16 || digest.len() != digest_len || !salt.bytes().chain(digest.bytes()).all(letter) {
            return Err(BadHash::Form);
        }
        if rounds > ROUNDS_MAX {
            return Err(BadHash::Rounds);
        }
        Ok(Self { text: text.to_owned(), rounds })
    }

    /// One that no password has, as costly as `rounds` make it.
    pub(crate) fn of_nobody(rounds: u32) -> Self {
        Self { text: format!("$6$rounds={rounds}$nobody${}", ".".repeat(86)), rounds }
    }

    pub(crate) fn is_of(&self, secret: &[u8]) -> bool {
        ShaCrypt::default().verify_password(secret, self.text.as_str()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIX: &str =
        "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.";
    const FIVE: &str = "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.";
    /// The first test vector with rounds of the SHA-crypt specification.
    const ROUNDS: &str = "$5$rounds=10000$saltstringsaltst$3xv.VbSCBX41eDL9L3voCx4Zgwr3WiI2RJ2H6DJGTB2";

    #[test]
    fn right_and_wrong_passwords() {
        // Made by `openssl passwd -6 -salt abcdefgh secret`, and -5.
        for (hash, secret, wanted) in [
            (SIX, "secret", true),
            (SIX, "Secret", false),
            (SIX, "", false),
            (FIVE, "secret", true),
            (FIVE, "secret ", false),
        ] {
            assert_eq!(Hash::parse(hash).unwrap().is_of(secret.as_bytes()), wanted, "{hash} {secret:?}");
        }
        assert_eq!(Hash::parse(ROUNDS).unwrap().rounds, 10_000);
        assert!(!Hash::of_nobody(1000).is_of(b"secret"));
    }

    #[test]
    fn other_texts() {
        for (text, wanted) in [
            ("", BadHash::Scheme),
            ("secret", BadHash::Scheme),
            ("$1$abc$def", BadHash::Scheme),
            ("$6$", BadHash::Form),
            ("$6$salt$short", BadHash::Form),
            (&SIX.replace("abcdefgh", "abcdefghabcdefgh0"), BadHash::Form),
            (&SIX.replace("abcdefgh", "abc:efgh"), BadHash::Form),
            (&SIX.replace("$6$", "$6$rounds=$"), BadHash::Form),
            (&SIX.replace("$6$", "$6$rounds=1000001$"), BadHash::Rounds),
        ] {
            assert_eq!(Hash::parse(text).err(), Some(wanted), "{text}");
        }
    }
}
