//! MD5-crypt: `$1$` salt `$` digest, and the same with Apache's own name, `$apr1$`.

use super::{BadHash, decoded, is_crypt_letter};
use base64ct::Base64ShaCrypt;
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Most letters of a salt.
const SALT_LEN_MAX: usize = 8;
/// How often the digest is hashed again.
const ROUNDS: u32 = 1000;
/// Which byte of the digest is written where.
const WRITTEN: [usize; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

#[derive(Clone)]
pub(super) struct Md5Crypt {
    /// The name of the scheme is hashed along.
    scheme: &'static str,
    salt: Box<str>,
    /// As written.
    digest: [u8; 16],
}

pub(super) fn parse(scheme: &'static str, rest: &str) -> Result<Md5Crypt, BadHash> {
    let (salt, digest) = rest.split_once('$').ok_or(BadHash::Form)?;
    if salt.len() > SALT_LEN_MAX || !salt.bytes().all(is_crypt_letter) {
        return Err(BadHash::Form);
    }
    Ok(Md5Crypt { scheme, salt: salt.into(), digest: decoded::<Base64ShaCrypt, 16>(digest)? })
}

impl Md5Crypt {
    pub(super) fn is_of(&self, secret: &[u8]) -> bool {
        let digest = digest(self.scheme.as_bytes(), self.salt.as_bytes(), secret);
        let written = WRITTEN.map(|from| digest[from]);
        self.digest.ct_eq(&written).into()
    }
}

fn digest(scheme: &[u8], salt: &[u8], secret: &[u8]) -> Zeroizing<[u8; 16]> {
    let between = Md5::new().chain_update(secret).chain_update(salt).chain_update(secret).finalize();
    let mut first = Md5::new().chain_update(secret).chain_update(scheme).chain_update(salt);
    for chunk in secret.chunks(between.len()) {
        first.update(&between[..chunk.len()]);
    }
    // For each bit of the length a NUL or the first letter: a slip of the first implementation that all others keep.
    let mut bits = secret.len();
    while bits > 0 {
        first.update(if bits & 1 == 1 { &[0] } else { &secret[..1] });
        bits >>= 1;
    }
    let mut digest: Zeroizing<[u8; 16]> = Zeroizing::new(first.finalize().into());
    for round in 0..ROUNDS {
        let odd = round & 1 == 1;
        let mut next = Md5::new().chain_update(if odd { secret } else { &digest[..] });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(secret);
        }
        next.update(if odd { &digest[..] } else { secret });
        *digest = next.finalize().into();
    }
    digest
}
