//! What requests are told apart by, where those that are alike go to the same server.

use std::net::IpAddr;

use config::HashBy;

use super::Visit;
use crate::cookie;

/// FNV-1a with 64 bits: it is the same on every machine and in every version, so that several servers in front of a group
/// agree.
pub(super) fn digest(parts: &[&[u8]]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// The key of a request; none when it has not what is looked at.
pub(super) fn of(visit: &Visit<'_>, by: &HashBy) -> Option<u64> {
    match by {
        HashBy::Address => visit.client.map(|client| match client {
            IpAddr::V4(address) => digest(&[&address.octets()]),
            IpAddr::V6(address) => digest(&[&address.octets()]),
        }),
        HashBy::Header(name) => {
            let mut fields = visit.request.fields();
            let field = fields.find(|(known, ..)| known.eq_ignore_ascii_case(name.as_bytes()))?;
            Some(digest(&[field.1]))
        }
        HashBy::Cookie(name) => cookie::find(&visit.request, name.as_bytes()).map(|value| digest(&[value])),
    }
}
