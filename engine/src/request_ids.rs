//! Names of requests: 128 bits that look like chance and cost no system call.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use logging::RequestId;
use proto_http::Request;

use crate::served::Served;

/// The field that carries an id, in requests and in responses.
pub(crate) const FIELD: &str = "X-Request-Id";
/// Most bytes of an id that is kept.
const GIVEN_MAX: usize = 128;

/// Odd, and with as many ones as zeros in no pattern: added again and again, it reaches every number before one
/// comes twice.
const STEPS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];

/// Makes the ids of a shard. They tell how busy it is to nobody but who computes; nothing may rest on their being
/// secret.
pub(crate) struct RequestIds {
    seeds: [u64; 2],
    count: Cell<u64>,
}

impl RequestIds {
    pub(crate) fn new() -> RequestIds {
        let random = || RandomState::new().hash_one(0_u64);
        RequestIds { seeds: [random(), random()], count: Cell::new(0) }
    }

    /// The next one. No two of a shard are the same; those of different shards and processes differ as chance has it.
    pub(crate) fn next(&self) -> u128 {
        let count = self.count.get().wrapping_add(1);
        self.count.set(count);
        let half = |index: usize| mixed(self.seeds[index].wrapping_add(count.wrapping_mul(STEPS[index])));
        u128::from(half(0)) << 64 | u128::from(half(1))
    }
}

/// Another number for each number, in which every bit depends on every bit.
fn mixed(mut number: u64) -> u64 {
    number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// The id that a request goes by: the one that a trusted proxy has sent, if it is one; else its own.
pub(crate) fn known_by<'x>(
    own: u128,
    served: &Served,
    peer: Option<IpAddr>,
    request: Option<&Request<'x>>,
) -> RequestId<'x> {
    let given = request.filter(|_| served.clients.trusts(peer)).and_then(|request| {
        let (_, value, _) =
            request.fields().find(|(name, ..)| name.eq_ignore_ascii_case(FIELD.as_bytes()))?;
        is_id(value).then_some(value)
    });
    given.map_or(RequestId::Own(own), RequestId::Given)
}

fn is_id(value: &[u8]) -> bool {
    let fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(byte);
    (1..=GIVEN_MAX).contains(&value.len()) && value.iter().all(fine)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_are_the_same_and_every_bit_changes() {
        const COUNT: usize = 100_000;
        let shards = [RequestIds::new(), RequestIds::new()];
        let ids: HashSet<u128> = (0..COUNT).flat_map(|_| [shards[0].next(), shards[1].next()]).collect();
        assert_eq!(ids.len(), 2 * COUNT);
        for bit in 0..128 {
            let ones = ids.iter().filter(|&&id| id >> bit & 1 == 1).count();
            // Ten standard deviations of 200 000 coins, and more.
            assert!(ones.abs_diff(COUNT) < 2500, "bit {bit}: {ones}");
        }
    }

    #[test]
    fn what_is_kept_of_others() {
        for (value, wanted) in [
            (&b"0af7651916cd43dd8448eb211c80319c"[..], true),
            (b"req-1:2/3+4=@_.", true),
            (&[b'a'; GIVEN_MAX], true),
            (b"", false),
            (&[b'a'; GIVEN_MAX + 1], false),
            (b"a b", false),
            (b"a\"b", false),
            (b"\xc3\xbc", false),
        ] {
            assert_eq!(is_id(value), wanted, "{}", value.escape_ascii());
        }
    }
}
