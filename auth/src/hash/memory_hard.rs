//! yescrypt (`$y$` parameters `$` salt `$` digest), its sibling with GOST digests (`$gy$`) and scrypt (`$7$`), which
//! yescrypt contains.

use super::bad::TooMuch;
use super::{BadHash, Cost, MEMORY_MAX, decoded, is_crypt_letter};
use base64ct::{Base64ShaCrypt, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use streebog::{Digest, Streebog256};
use subtle::ConstantTimeEq;
use yescrypt::{Mode, Params, yescrypt};

/// Most bytes of a salt.
const SALT_LEN_MAX: usize = 64;
/// Letters of the three numbers of scrypt.
const SCRYPT_NUMBERS_LEN: usize = 11;
/// The alphabet of numbers in scrypt hashes.
const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[derive(Clone)]
pub(super) struct MemoryHard {
    scheme: &'static str,
    params: Params,
    salt: Box<[u8]>,
    digest: [u8; 32],
    /// What stands before the digest, where the result is hashed once more along with it.
    gost: Option<Box<str>>,
}

pub(super) fn parse_yescrypt(rest: &str) -> Result<MemoryHard, BadHash> {
    let mut fields = rest.split('$');
    let (Some(params), Some(salt), Some(digest), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(BadHash::Form);
    };
    if !params.bytes().all(is_crypt_letter) {
        return Err(BadHash::Form);
    }
    let written = params;
    let params: Params = params.parse().map_err(|_| BadHash::Form)?;
    affordable(&params)?;
    // Times and upgrades, which no tool sets, cannot be seen from here; what is not written the same way has them.
    let plain = Params::new(Mode::Rw, params.n(), params.r(), params.p()).map_err(|_| BadHash::Form)?;
    if plain != params || plain.to_string() != written {
        return Err(BadHash::Form);
    }
    let mut bytes = [0; SALT_LEN_MAX];
    let salt = Base64ShaCrypt::decode(salt, &mut bytes).map_err(|_| BadHash::Form)?;
    let digest = decoded::<Base64ShaCrypt, 32>(digest)?;
    Ok(MemoryHard { scheme: "yescrypt", params, salt: salt.into(), digest, gost: None })
}

pub(super) fn parse_gost(rest: &str) -> Result<MemoryHard, BadHash> {
    let hash = parse_yescrypt(rest)?;
    let (setting, _) = rest.rsplit_once('$').ok_or(BadHash::Form)?;
    Ok(MemoryHard { gost: Some(format!("$gy${setting}").into()), ..hash })
}

/// One letter for the logarithm of N, five for r, five for p, the salt as it stands, the digest.
pub(super) fn parse_scrypt(rest: &str) -> Result<MemoryHard, BadHash> {
    let (setting, digest) = rest.split_once('$').ok_or(BadHash::Form)?;
    if !setting.bytes().all(is_crypt_letter) || setting.len() > SCRYPT_NUMBERS_LEN + SALT_LEN_MAX {
        return Err(BadHash::Form);
    }
    let part = |from, to| setting.get(from..to).and_then(scrypt_number).ok_or(BadHash::Form);
    let (log, r, p) = (part(0, 1)?, part(1, 6)?, part(6, 11)?);
    let n = 1u64.checked_shl(log).filter(|n| *n > 1).ok_or(BadHash::Form)?;
    if r == 0 || p == 0 {
        return Err(BadHash::Form);
    }
    let params = Params::new(Mode::Classic, n, r, p).map_err(|_| BadHash::Form)?;
    affordable(&params)?;
    let salt = setting.as_bytes()[SCRYPT_NUMBERS_LEN..].into();
    Ok(MemoryHard {
        scheme: "scrypt",
        params,
        salt,
        digest: decoded::<Base64ShaCrypt, 32>(digest)?,
        gost: None,
    })
}

/// A number in letters, the lowest six bits first.
fn scrypt_number(letters: &str) -> Option<u32> {
    letters.bytes().rev().try_fold(0, |sum, byte| {
        let digit = LETTERS.iter().position(|letter| *letter == byte)?;
        Some(sum << 6 | u32::try_from(digit).ok()?)
    })
}

/// Time and memory of both grow with the same product.
fn affordable(params: &Params) -> Result<(), BadHash> {
    let blocks = u64::from(params.r()).checked_mul(params.p().into());
    let bytes = blocks.and_then(|blocks| blocks.checked_mul(params.n())?.checked_mul(128));
    if bytes.is_some_and(|bytes| bytes <= MEMORY_MAX) { Ok(()) } else { Err(BadHash::Cost(TooMuch::Memory)) }
}

impl MemoryHard {
    pub(super) fn is_of(&self, secret: &[u8]) -> bool {
        let mut digest = [0; 32];
        if yescrypt(secret, &self.salt, &self.params, &mut digest).is_err() {
            return false;
        }
        if let Some(setting) = &self.gost {
            digest = with_gost(secret, setting, &digest);
        }
        self.digest.ct_eq(&digest).into()
    }

    pub(super) fn cost(&self) -> Cost {
        Cost {
            scheme: self.scheme,
            factors: [self.params.n(), self.params.r().into(), self.params.p().into()],
        }
    }
}

/// HMAC(HMAC(digest of the password, setting), yescrypt), all of them with GOST R 34.11-2012.
fn with_gost(secret: &[u8], setting: &str, digest: &[u8; 32]) -> [u8; 32] {
    let inner = keyed(&Streebog256::digest(secret), setting.as_bytes());
    keyed(&inner, digest)
}

fn keyed(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Streebog256>::new_from_slice(key).expect("a key of any length is taken");
    mac.update(text);
    mac.finalize().into_bytes().into()
}
