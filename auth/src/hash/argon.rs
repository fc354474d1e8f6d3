//! argon2: `$argon2id$v=19$m=65536,t=3,p=4$` salt `$` digest, as PHC strings are written.

use super::bad::TooMuch;
use super::{BadHash, Cost, MEMORY_MAX, number};
use argon2::{Algorithm, Argon2, Params, Version};
use base64ct::{Base64Unpadded, Encoding};
use subtle::ConstantTimeEq;

/// Most bytes that are gone over, all passes together.
const WORK_MAX: u64 = 4 * MEMORY_MAX;
/// Most lanes, which are worked on one after another here.
const LANES_MAX: u32 = 64;
/// Fewest bytes of a digest that are no matter of luck.
const DIGEST_LEN_MIN: usize = 16;
/// Most bytes of salt, and of digest.
const PART_LEN_MAX: usize = 64;
/// Fewest bytes of a salt that the scheme knows.
const SALT_LEN_MIN: usize = 8;

#[derive(Clone)]
pub(super) struct Argon {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Box<[u8]>,
    digest: Box<[u8]>,
}

pub(super) fn parse(scheme: &str, rest: &str) -> Result<Argon, BadHash> {
    let algorithm = match scheme {
        "$argon2d$" => Algorithm::Argon2d,
        "$argon2i$" => Algorithm::Argon2i,
        "$argon2id$" => Algorithm::Argon2id,
        _ => return Err(BadHash::Scheme),
    };
    let (version, rest) = match rest.strip_prefix("v=") {
        Some(rest) => rest.split_once('$').ok_or(BadHash::Form)?,
        // Version 16 is older than the field.
        None => ("16", rest),
    };
    let version = match version {
        "16" => Version::V0x10,
        "19" => Version::V0x13,
        _ => return Err(BadHash::Form),
    };
    let mut fields = rest.split('$');
    let (Some(costs), Some(salt), Some(digest), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(BadHash::Form);
    };
    let (salt, digest) = (part(salt, SALT_LEN_MIN)?, part(digest, DIGEST_LEN_MIN)?);
    let params = costs_of(costs, digest.len())?;
    Ok(Argon { algorithm, version, params, salt, digest })
}

/// `m=KiB,t=PASSES,p=LANES`.
fn costs_of(text: &str, digest_len: usize) -> Result<Params, BadHash> {
    let mut costs = [0; 3];
    let mut fields = text.split(',');
    for (cost, name) in costs.iter_mut().zip(["m=", "t=", "p="]) {
        let digits = fields.next().and_then(|field| field.strip_prefix(name)).ok_or(BadHash::Form)?;
        *cost = number(digits)?;
    }
    if fields.next().is_some() {
        return Err(BadHash::Form);
    }
    let [memory_kib, passes, lanes] = costs;
    let bytes = u64::from(memory_kib) << 10;
    if bytes > MEMORY_MAX || bytes.saturating_mul(passes.into()) > WORK_MAX || lanes > LANES_MAX {
        return Err(BadHash::Cost(TooMuch::Memory));
    }
    Params::new(memory_kib, passes, lanes, Some(digest_len)).map_err(|_| BadHash::Form)
}

fn part(text: &str, len_min: usize) -> Result<Box<[u8]>, BadHash> {
    let mut bytes = [0; PART_LEN_MAX];
    let decoded = Base64Unpadded::decode(text, &mut bytes).map_err(|_| BadHash::Form)?;
    if decoded.len() < len_min { Err(BadHash::Form) } else { Ok(decoded.into()) }
}

impl Argon {
    pub(super) fn is_of(&self, secret: &[u8]) -> bool {
        let mut bytes = [0; PART_LEN_MAX];
        let digest = &mut bytes[..self.digest.len()];
        let argon = Argon2::new(self.algorithm, self.version, self.params.clone());
        let hashed = argon.hash_password_into(secret, &self.salt, digest);
        hashed.is_ok() && self.digest.ct_eq(digest).into()
    }

    pub(super) fn cost(&self) -> Cost {
        let params = &self.params;
        Cost { scheme: "argon2", factors: [params.m_cost(), params.t_cost(), params.p_cost()].map(u64::from) }
    }
}
