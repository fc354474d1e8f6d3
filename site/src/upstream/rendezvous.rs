//! Consistent hashing by highest score: each server has one for each key, and the highest gets the request. A server that
//! comes or goes moves only the keys that are its own.

/// The score of a server for a key, both as digests; a server of twice the weight has twice as many keys.
///
/// With `u` even between 0 and 1, `-weight / ln u` is the highest one with the probability of the weight's share.
pub(super) fn score(key: u64, server: u64, weight: u32) -> f64 {
    /// Bits that a float holds exactly.
    const BITS: u32 = 53;
    let even = (mix(key ^ mix(server)) >> (u64::BITS - BITS)) as f64 + 0.5;
    let even = even / (1_u64 << BITS) as f64;
    f64::from(weight) / -even.ln()
}

/// The end of SplitMix64: every bit of the result hangs on every bit of the number.
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::key::digest;
    use super::*;

    /// Which of the servers, each a name with its weight, has each of the keys.
    fn owners(servers: &[(&str, u32)]) -> Vec<usize> {
        let best = |key: u64| {
            let scores = servers.iter().map(|(name, weight)| score(key, digest(&[name.as_bytes()]), *weight));
            scores.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).expect("a server").0
        };
        (0..KEYS).map(|key| best(digest(&[key.to_string().as_bytes()]))).collect()
    }

    const KEYS: usize = 20_000;

    #[test]
    fn keys_are_shared_by_weight() {
        for weights in [&[1, 1][..], &[1, 1, 1, 1, 1], &[3, 1], &[1, 2, 3, 4]] {
            let names = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80", "10.0.0.5:80"];
            let servers: Vec<_> = names.into_iter().zip(weights.iter().copied()).collect();
            let owners = owners(&servers);
            for (index, weight) in weights.iter().enumerate() {
                let share = owners.iter().filter(|owner| **owner == index).count() as f64 / KEYS as f64;
                let wanted = f64::from(*weight) / f64::from(weights.iter().sum::<u32>());
                assert!(
                    (share / wanted - 1.0).abs() < 0.05,
                    "{weights:?}: {index} has {share}, not {wanted}"
                );
            }
        }
    }

    #[test]
    fn a_server_that_goes_moves_its_own_keys_alone() {
        let servers = [("a:1", 1), ("b:1", 1), ("c:1", 2), ("d:1", 1)];
        let before = owners(&servers);
        let after = owners(&servers[..3]);
        for (before, after) in before.iter().zip(&after) {
            assert!(*before == 3 || before == after, "{before} {after}");
        }
    }

    #[test]
    fn scores_are_the_same_for_ever() {
        assert_eq!(digest(&[b"192.0.2.7"]), digest(&[b"192.0", b".2.7"]));
        assert_eq!(format!("{:x}", digest(&[b"a"])), "af63dc4c8601ec8c");
        assert_eq!(format!("{:x}", mix(1)), "5692161d100b05e5");
    }
}
